"""After a silence of the database, senders wait: a STOP may lie in a web process's intake log and must be heard first (design §6).

The gate remembers when the database answered again; a claim passes it on, and the database claims nothing until every web process has reported its
log empty since then, or an operator overrode that (`kereru admin resume-sending`).
"""

from datetime import datetime

from kereru.kernel.db import INSTALLATION, Database
from kereru.kernel.logging import get_logger

SILENCE_S = 1.0
"""Web processes log what the database did not take within 2 s; a sender that waited half of that for any answer has met a silence."""

_log = get_logger("messaging.delivery")


class Gate:
    """One a sender process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._since: datetime | None = None

    def doubt(self) -> None:
        """The database failed, or took long: what was known of the logs is void."""
        if self._since is not None:
            _log.warning("gate.closed")
        self._since = None

    async def since(self) -> datetime:
        """From when on reports count. Raises Unavailable, psycopg.Error."""
        if self._since is None:
            async with self._database.transaction(INSTALLATION) as tx:
                self._since = await tx.value("SELECT clock_timestamp()")
            assert self._since is not None  # noqa: S101 - the database's own clock
        return self._since
