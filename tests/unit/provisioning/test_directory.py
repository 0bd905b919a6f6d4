"""Whose webhook it is, while the database answers, freezes and is gone (G2: an intake log is of no use to who forgot his tokens)."""

import asyncio
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from kereru.kernel.clock import ManualClock
from kereru.kernel.errors import Unavailable
from kereru.provisioning.platforms.directory import ANSWER_S, KEEP_S, KEEP_WITHOUT_DATABASE_S, CachedPlatforms
from world import SEALER


class Row(NamedTuple):
    """What ingress_platform answers."""

    provider_id: int = 1
    platform_id: int = 2
    carrier: str = "restcomm"
    carrier_account: str = "AC1"
    credentials_sealed: None = None
    hook_numbers: tuple = ()
    hook_secrets_sealed: tuple = ()


class FakeDatabase:
    """Answers one platform for any token, is frozen, or is gone."""

    def __init__(self) -> None:
        self.mode = "answers"
        self.asked = 0
        self.row = Row()

    async def autocommit(self, sql: str, params: object = None) -> list:
        """As Database."""
        self.asked += 1
        if self.mode == "gone":
            raise Unavailable
        if self.mode == "frozen":
            await asyncio.Event().wait()
        return [self.row]


async def test_what_was_known_holds_while_the_database_gives_no_answer() -> None:
    """Gone or frozen, far past the usual time; asked again about once a second; fresh as soon as it answers."""
    database, clock = FakeDatabase(), ManualClock(datetime(2026, 5, 1, tzinfo=UTC))
    platforms = CachedPlatforms(database, SEALER, clock)
    known = await platforms.find("restcomm", "token")
    assert known is not None
    for mode in ("gone", "frozen"):
        database.mode = mode
        clock.advance(KEEP_S + 1)
        platforms.forget()
        asked = database.asked
        for _ in range(5):
            assert await platforms.find("restcomm", "token") is known
        assert database.asked == asked + 1
        clock.advance(3600)
        assert await platforms.find("restcomm", "token") is known
    database.mode = "answers"
    database.row = database.row._replace(carrier_account="AC2")
    clock.advance(ANSWER_S + KEEP_S)
    assert (await platforms.find("restcomm", "token")).proof.account_id == "AC2"


async def test_what_was_never_known_is_not_guessed() -> None:
    """A new token, and one not seen for hours: 503, so that the carrier comes again."""
    database, clock = FakeDatabase(), ManualClock(datetime(2026, 5, 1, tzinfo=UTC))
    platforms = CachedPlatforms(database, SEALER, clock)
    await platforms.find("restcomm", "token")
    database.mode = "gone"
    with pytest.raises(Unavailable):
        await platforms.find("restcomm", "another")
    clock.advance(KEEP_WITHOUT_DATABASE_S + 1)
    with pytest.raises(Unavailable):
        await platforms.find("restcomm", "token")
