"""A machine's notes of whose webhooks it takes, for web processes that start while the database gives no answer (decision 0013).

One file beside the intake logs, written whole by whichever web process finds it old. Secrets in it are sealed as they are in the database, under
the installation's key, and tokens are hashes: without the key it opens nothing and proves nothing.
"""

import asyncio
import contextlib
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import psycopg

from kereru.kernel.clock import Clock
from kereru.kernel.db import Database, Row
from kereru.kernel.errors import Unavailable
from kereru.kernel.logging import get_logger
from kereru.provisioning.platforms import store

FILE = "platforms.json"
RENEW_EVERY_S = 300.0
SOON_S = 2.0
_PAGE = 500
_log = get_logger("provisioning.platforms")


class NotedPlatform(msgspec.Struct, frozen=True):
    """What `ingress_platform` answered."""

    provider_id: int
    platform_id: int
    carrier: str
    carrier_account: str | None
    credentials_sealed: bytes | None
    hook_numbers: tuple[str, ...]
    hook_secrets_sealed: tuple[bytes, ...]


class _Notes(msgspec.Struct, frozen=True):
    at: datetime
    platforms: dict[str, NotedPlatform]


@dataclass(frozen=True, slots=True)
class Noted:
    """A platform, and how long ago it was so, in seconds."""

    platform: NotedPlatform
    age_s: float


class PlatformNotes:
    """The notes in `folder`, which several web processes share. `database` has the role kereru_ingest."""

    def __init__(self, folder: Path, database: Database, clock: Clock, *, renew_every_s: float = RENEW_EVERY_S, soon_s: float = SOON_S) -> None:
        self._path = folder / FILE
        self._database = database
        self._clock = clock
        self._renew_every_s, self._soon_s = renew_every_s, soon_s
        self._changed = asyncio.Event()
        self._loaded: tuple[int, _Notes] | None = None

    async def find(self, token_hash: bytes) -> Noted | None:
        """What is noted of the platform behind a token; None when nothing is, or it cannot be read."""
        notes = await asyncio.to_thread(self._load)
        platform = None if notes is None else notes.platforms.get(token_hash.hex())
        return None if notes is None or platform is None else Noted(platform, self._age_s(notes))

    def renew_soon(self) -> None:
        """Configuration has changed."""
        self._changed.set()

    async def renew(self) -> None:
        """Read every platform and write the notes. Raises Unavailable, psycopg.Error, OSError."""
        at = self._clock.now()
        platforms: dict[str, NotedPlatform] = {}
        after = b""
        while rows := await store.ingress_platforms(self._database, after, _PAGE):
            after = bytes(rows[-1].token_hash)
            platforms.update({bytes(row.token_hash).hex(): _noted(row) for row in rows if row.provider_id is not None})
        await asyncio.to_thread(self._write, _Notes(at, platforms))

    async def keep(self) -> None:
        """Renew whenever they are old or something changed, until cancelled."""
        while True:
            try:
                notes = await asyncio.to_thread(self._load)
                if self._changed.is_set() or notes is None or not 0 <= self._age_s(notes) < self._renew_every_s:
                    self._changed.clear()
                    await self.renew()
            except (Unavailable, psycopg.Error, OSError) as error:
                _log.warning("platforms_not_noted", error=repr(error))
                self._changed.set()
            # Several changes at once are one; and a database that is away is not asked all the time.
            await asyncio.sleep(self._soon_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._renew_every_s):
                    await self._changed.wait()

    def _age_s(self, notes: _Notes) -> float:
        return (self._clock.now() - notes.at).total_seconds()

    def _load(self) -> _Notes | None:
        try:
            version = self._path.stat().st_mtime_ns
            if self._loaded is None or self._loaded[0] != version:
                self._loaded = (version, msgspec.json.decode(self._path.read_bytes(), type=_Notes))
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            _log.error("platform_notes_unreadable", error=repr(error))
            return None
        return self._loaded[1]

    def _write(self, notes: _Notes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._path.with_name(f".{FILE}.{os.getpid()}")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(notes))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def _noted(row: Row) -> NotedPlatform:
    sealed = None if row.credentials_sealed is None else bytes(row.credentials_sealed)
    secrets = tuple(bytes(each) for each in row.hook_secrets_sealed)
    return NotedPlatform(row.provider_id, row.platform_id, row.carrier, row.carrier_account, sealed, tuple(row.hook_numbers), secrets)
