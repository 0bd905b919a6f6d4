"""Whose webhook it is, while the database answers, freezes and is gone (G2: an intake log is of no use to who forgot his tokens)."""

import asyncio
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from kereru.kernel.clock import ManualClock
from kereru.kernel.errors import Unavailable
from kereru.kernel.secrets import Secret
from kereru.provisioning.platforms.directory import ANSWER_S, KEEP_S, KEEP_WITHOUT_DATABASE_S, CachedPlatforms
from kereru.provisioning.platforms.model import seal_hook_secret
from kereru.provisioning.platforms.notes import PlatformNotes
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


class Listed(NamedTuple):
    """What ingress_platforms answers."""

    token_hash: bytes
    provider_id: int | None
    platform_id: int | None
    carrier: str | None
    carrier_account: str | None
    credentials_sealed: bytes | None
    hook_numbers: tuple | None
    hook_secrets_sealed: tuple | None


KNOWN, GONE = sha256(b"token").digest(), b"\xff" * 32


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
        if "ingress_platforms" in sql:
            return [Listed(KNOWN, *self.row), Listed(GONE, *[None] * len(self.row))] if params["after"] == b"" else []
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


@pytest.mark.parametrize("mode", ["gone", "frozen"])
async def test_a_process_that_starts_without_the_database_knows_from_the_notes(tmp_path: Path, mode: str) -> None:
    """Decision 0013, G2: also secrets; for hours, not for ever; what is not noted is not guessed."""
    database, clock = FakeDatabase(), ManualClock(datetime(2026, 5, 1, tzinfo=UTC))
    sealed = seal_hook_secret(SEALER, 1, 2, "+12015550110", Secret("the number's own secret"))
    database.row = database.row._replace(hook_numbers=("+12015550110",), hook_secrets_sealed=(sealed,))
    await PlatformNotes(tmp_path, database, clock).renew()
    assert "secret" not in (tmp_path / "platforms.json").read_text().replace("hook_secrets_sealed", "")
    assert (tmp_path / "platforms.json").stat().st_mode & 0o077 == 0
    database.mode = mode
    clock.advance(3600)
    platforms = CachedPlatforms(database, SEALER, clock, PlatformNotes(tmp_path, database, clock))
    known = await platforms.find("restcomm", "token")
    assert known is not None
    assert [secret.value.reveal() for secret in known.proof.secrets] == ["the number's own secret"]
    assert await platforms.find("inteliquent", "token") is None
    asked = database.asked
    assert await platforms.find("restcomm", "token") is known
    assert database.asked == asked
    if mode == "gone":
        with pytest.raises(Unavailable):
            await platforms.find("restcomm", "another")
    clock.advance(KEEP_WITHOUT_DATABASE_S)
    waiting = asyncio.create_task(platforms.find("restcomm", "token"))
    await asyncio.wait([waiting], timeout=ANSWER_S + 0.5)
    assert not waiting.done() or isinstance(waiting.exception(), Unavailable)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    database.mode = "answers"
    assert await CachedPlatforms(database, SEALER, clock).find("restcomm", "token") is not None


async def test_memory_that_is_older_than_the_notes_gives_way_to_them(tmp_path: Path) -> None:
    """A platform without traffic for a night is still known when the database goes in the morning."""
    database, clock = FakeDatabase(), ManualClock(datetime(2026, 5, 1, tzinfo=UTC))
    notes = PlatformNotes(tmp_path, database, clock)
    platforms = CachedPlatforms(database, SEALER, clock, notes)
    await platforms.find("restcomm", "token")
    clock.advance(KEEP_WITHOUT_DATABASE_S + 1)
    await notes.renew()
    database.mode = "gone"
    assert await platforms.find("restcomm", "token") is not None


async def test_notes_are_renewed_when_they_are_old_and_when_something_changes(tmp_path: Path) -> None:
    """By one process for all of its machine; spoilt ones are made anew."""
    database, clock = FakeDatabase(), ManualClock(datetime(2026, 5, 1, tzinfo=UTC))

    async def noted(notes: PlatformNotes) -> str | None:
        found = await notes.find(KNOWN)
        return None if found is None else found.platform.carrier_account

    (tmp_path / "platforms.json").write_text("{half")
    mine, others = (PlatformNotes(tmp_path, database, clock, soon_s=0.01) for _ in range(2))
    assert await noted(mine) is None
    keeping = [asyncio.create_task(notes.keep()) for notes in (mine, others)]
    async with asyncio.timeout(5):
        while await noted(others) is None:
            await asyncio.sleep(0.01)
        database.row = database.row._replace(carrier_account="AC2")
        CachedPlatforms(database, SEALER, clock, mine).forget()
        while await noted(others) != "AC2":
            await asyncio.sleep(0.01)
    for task in keeping:
        task.cancel()
    await asyncio.gather(*keeping, return_exceptions=True)
    assert await PlatformNotes(tmp_path, database, clock).find(GONE) is None
