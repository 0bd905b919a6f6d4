"""A world, and the databases as the processes open them."""

from collections.abc import AsyncIterator

import pytest
from desk import Desk, door

from assembled import House, open_house
from kereru.carriers.registry import Carriers
from kereru.kernel.clock import SystemClock
from kereru.kernel.db import Database
from kereru.simulators.testing import running_simulators
from role_databases import as_role
from world import World, make_world


@pytest.fixture
def world(database_url: str) -> World:
    """A fresh tenant tree with numbers."""
    return make_world(database_url)


@pytest.fixture
async def app(world: World) -> AsyncIterator[Database]:
    """As people's requests see it."""
    async with as_role(world.url, "kereru_app", size=8) as database:
        yield database


@pytest.fixture
async def ingest(world: World) -> AsyncIterator[Database]:
    """As carriers' webhooks see it."""
    async with as_role(world.url, "kereru_ingest", size=8) as database:
        yield database


@pytest.fixture
async def service(world: World) -> AsyncIterator[Database]:
    """As the sender sees it."""
    async with as_role(world.url, "kereru_service", size=8) as database:
        yield database


@pytest.fixture
async def desk(world: World, app: Database, service: Database) -> AsyncIterator[Desk]:
    """A person, the carriers, and senders on demand."""
    async with running_simulators() as simulators, door(simulators) as way_out:
        yield Desk(world, app, service, Carriers(way_out, SystemClock()), simulators)


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    """Ana texts through Restcomm, Ben through Inteliquent."""
    async with open_house(database_url) as made:
        yield made
