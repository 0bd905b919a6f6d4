"""Which platform a webhook's token names: read through the functions ingress may call, kept for seconds, dropped when configuration changes.

While the database gives no answer, what was true before holds for hours: from memory, or from the machine's notes in a process that is new.
"""

import asyncio
import hashlib
from collections import OrderedDict

import psycopg

from kereru.carriers.arrivals import WebhookProof, WebhookSecret
from kereru.carriers.ingress import IngressPlatform
from kereru.kernel.clock import Clock
from kereru.kernel.db import Database, Row
from kereru.kernel.errors import Unavailable
from kereru.kernel.logging import get_logger
from kereru.kernel.secrets import CannotOpen, Sealer, Secret
from kereru.provisioning.platforms import store
from kereru.provisioning.platforms.model import open_credentials, open_hook_secret
from kereru.provisioning.platforms.notes import NotedPlatform, PlatformNotes

CONFIG_CHANNEL = "kereru_config"
KEEP_S = 10.0
"""A lost notification costs this long, no longer."""
ANSWER_S = 1.0
KEEP_WITHOUT_DATABASE_S = 6 * 3600.0
"""While the database gives no answer, what was true before holds for so long: the intake log needs to know whose webhook it takes (design §6)."""
ENTRIES_MAX = 10_000
_log = get_logger("provisioning.platforms")

_Kept = tuple[float, Row | NotedPlatform | None, IngressPlatform | None]
"""When it was read, what was read, what was made of it."""


class CachedPlatforms:
    """The ingress's `PlatformDirectory`. `database` has the role kereru_ingest. Whoever listens to CONFIG_CHANNEL calls `forget`.

    Unknown tokens are remembered too, so that guessing costs the database nothing more than once per guess and interval.
    """

    def __init__(self, database: Database, sealer: Sealer, clock: Clock, notes: PlatformNotes | None = None) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._notes = notes
        self._entries: OrderedDict[bytes, _Kept] = OrderedDict()
        self._stale = 0.0
        self._silent_until = 0.0

    def forget(self) -> None:
        """Read everything anew when it is next asked for, and the notes soon."""
        self._stale = self._clock.monotonic()
        if self._notes is not None:
            self._notes.renew_soon()

    async def find(self, carrier: str, token: str) -> IngressPlatform | None:
        """The platform of `carrier` with that token, or None. Raises Unavailable when it is not kept and the database does not answer."""
        key = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        now = self._clock.monotonic()
        kept = self._entries.get(key)
        if kept is None or now - kept[0] >= KEEP_S or kept[0] <= self._stale:
            kept = await self._renewed(key, kept, now)
        platform = kept[2]
        return platform if platform is not None and platform.carrier == carrier else None

    async def _renewed(self, key: bytes, kept: _Kept | None, now: float) -> _Kept:
        """The entry read anew, or the one that is kept while the database gives no answer. Raises Unavailable."""
        old = kept if kept is not None and kept[2] is not None and now - kept[0] <= KEEP_WITHOUT_DATABASE_S else None
        if now < self._silent_until and (old := old or await self._noted(key, now)) is not None:
            return old
        reading = asyncio.create_task(self._read(key, kept))
        # Without an end of its own: cancelling a query on a frozen server waits for that server.
        done, _ = await asyncio.wait([reading], timeout=None if old is None and self._notes is None else ANSWER_S)
        if not done or isinstance(reading.exception(), (Unavailable, psycopg.OperationalError)):
            old = old or await self._noted(key, now)
            if old is not None:
                reading.add_done_callback(lambda task: task.cancelled() or task.exception())
                self._silent_until = now + ANSWER_S
                return old
            await asyncio.wait([reading])
        return self._keep(key, (now, *reading.result()))

    def _keep(self, key: bytes, fresh: _Kept) -> _Kept:
        self._entries[key] = fresh
        self._entries.move_to_end(key)
        while len(self._entries) > ENTRIES_MAX:
            self._entries.popitem(last=False)
        return fresh

    async def _noted(self, key: bytes, now: float) -> _Kept | None:
        """What the machine's notes say, kept as if it had been read when they were made."""
        noted = None if self._notes is None else await self._notes.find(key)
        if noted is None or noted.age_s > KEEP_WITHOUT_DATABASE_S:
            return None
        return self._keep(key, (now - noted.age_s, noted.platform, self._platform(noted.platform)))

    async def _read(self, key: bytes, kept: _Kept | None) -> tuple[Row | None, IngressPlatform | None]:
        row = await store.ingress_platform(self._database, key)
        if row is None:
            return None, None
        if kept is not None and kept[1] == row:
            # Nothing changed: the proof's index need not be built again.
            return row, kept[2]
        return row, self._platform(row)

    def _platform(self, row: Row | NotedPlatform) -> IngressPlatform:
        secrets: list[WebhookSecret] = []
        for e164, sealed in zip(row.hook_numbers, row.hook_secrets_sealed, strict=True):
            try:
                value = open_hook_secret(self._sealer, row.provider_id, row.platform_id, e164, bytes(sealed))
            except CannotOpen:
                _log.error("webhook_secret_unreadable", platform=row.platform_id)
                continue
            secrets.append(WebhookSecret(value, "static_header", e164))
        if row.credentials_sealed is not None and (key := self._hash_key(row, bytes(row.credentials_sealed))) is not None:
            secrets.append(WebhookSecret(key, "token_hash"))
        return IngressPlatform(row.provider_id, row.platform_id, row.carrier, WebhookProof(row.carrier_account or None, tuple(secrets)))

    def _hash_key(self, row: Row | NotedPlatform, sealed: bytes) -> Secret | None:
        try:
            key = open_credentials(self._sealer, row.provider_id, row.platform_id, sealed).get("outbound_api_key")
        except CannotOpen:
            _log.error("credentials_unreadable", platform=row.platform_id)
            return None
        return key if isinstance(key, Secret) else None
