"""A world with two colleagues and a stranger, and the database as people's requests see it."""

from collections.abc import AsyncIterator

import pytest

from kereru.kernel.db import Database
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
    async with as_role(world.url, "kereru_ingest", size=4) as database:
        yield database
