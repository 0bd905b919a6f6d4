"""Fixtures of realtime's integration tests."""

from collections.abc import AsyncIterator

import pytest

from kereru.kernel.db import Database
from role_databases import as_role


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The test's own database, as web processes use it."""
    async with as_role(database_url, "kereru_app", size=8) as opened:
        yield opened
