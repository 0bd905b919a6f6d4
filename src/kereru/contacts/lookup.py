"""Who is this number, in one person's eyes: the port that outside directories fill (R65, R66, Q15).

Names are joined when something is read (`name_seen` in SQL): from a person's own contacts, the colleagues of the group, and what directories answered
before. So reading never waits for a directory. `Lookup.ask` asks the directories all at once, each for a bounded time; every answer is kept as it
comes, and where it is better than what was on screen, the viewer's feed tells of the new name.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from kereru.contacts import store
from kereru.contacts.model import Source
from kereru.kernel.db import Database, ProviderScope
from kereru.kernel.logging import get_logger
from kereru.messaging.names import tell_renamed

ANSWER_S = 5.0
_log = get_logger("contacts.lookup")


class Viewer(msgspec.Struct, frozen=True):
    """In whose eyes."""

    provider_id: int
    user_id: int


class Found(msgspec.Struct, frozen=True):
    """A directory's answer: a name, and what stands behind it (R67), such as a product and a type of record; empty where it has no types.

    `mobile`: it has the number in a field for mobile phones, so that somebody who texts mobile numbers only may text it (R25).
    """

    name: str
    detail: str = ""
    mobile: bool = False


class Directory(Protocol):
    """One outside directory. `key` tells it from others of the same source."""

    @property
    def source(self) -> Source:
        """Which place it has in the order of Q15."""
        ...

    @property
    def key(self) -> str:
        """Its name in the store; stays as long as the directory is configured."""
        ...

    async def find(self, viewer: Viewer, number: str) -> Found | None:
        """Who has this number (E.164), or None. May fail or take its time: others are not kept waiting."""
        ...


class Lookup:
    """Asks directories, and keeps and tells what they answer."""

    def __init__(self, database: Database, directories: Sequence[Directory], *, answer_s: float = ANSWER_S) -> None:
        self._database, self._directories, self._answer_s = database, directories, answer_s

    async def ask(self, viewer: Viewer, number: str) -> None:
        """Ask every directory about a number; returns when the last one has answered or was given up."""
        await asyncio.gather(*(self._one(directory, viewer, number) for directory in self._directories))

    async def _one(self, directory: Directory, viewer: Viewer, number: str) -> None:
        try:
            async with asyncio.timeout(self._answer_s):
                found = await directory.find(viewer, number)
        except Exception as error:  # noqa: BLE001 - what one directory does is no reason to lose the others' answers; the old answer stays
            _log.warning("directory.failed", directory=directory.key, error=repr(error))
            return
        async with self._database.transaction(ProviderScope(viewer.provider_id)) as tx:
            before = await store.seen(tx, viewer.user_id, number)
            place: dict[str, object] = {"user": viewer.user_id, "number": number, "source": int(directory.source), "directory": directory.key}
            if found is None:
                await store.forget_name(tx, place)
            else:
                await store.keep_name(tx, {**place, "name": found.name, "detail": found.detail, "mobile": found.mobile})
            if await store.seen(tx, viewer.user_id, number) != before:
                await tell_renamed(tx, viewer.provider_id, viewer.user_id, [number])
