"""A fresh tenant beside simulated carriers for each test."""

from collections.abc import AsyncIterator

import pytest

from tenant import Tenant, running_tenant


@pytest.fixture
async def tenant(database_url: str) -> AsyncIterator[Tenant]:
    """The tenant with both users licensed and no number yet."""
    async with running_tenant(database_url) as running:
        for person in (running.ana, running.ben):
            await running.license(person)
        yield running
