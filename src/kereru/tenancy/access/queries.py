"""Who is this? Turns what a caller came with into a Principal: one statement inside the tenant its token names, remembered for a moment."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from kereru.kernel.clock import Clock
from kereru.kernel.db import Database, ProviderScope, Row, Transaction
from kereru.kernel.settings import Settings
from kereru.tenancy.access import store
from kereru.tenancy.access.model import Credential, api_key_credential, session_credential
from kereru.tenancy.model import Level, clean_email
from kereru.tenancy.people.desk import desk_of
from kereru.tenancy.policy import Principal, Role, UserIdentity

REMEMBERED_S = 2.0
_MOST_REMEMBERED = 20_000


def cookie_name(settings: Settings) -> str:
    """The session cookie's name: the `__Host-` prefix makes browsers insist on https, the whole host, and no domain (design §9)."""
    return "__Host-kereru_session" if settings.secure else "kereru_session"


class Authenticator:
    """Knows who callers are. Whatever ends a session or a role is seen here within `REMEMBERED_S` (G26 allows 5 s), in this process at once."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._cookie = cookie_name(settings)
        self._limits = {"idle_s": settings.session_idle_s, "max_s": settings.session_max_s}
        self._remembered: dict[bytes, tuple[float, Principal]] = {}

    def credential(self, headers: Iterable[tuple[bytes, bytes]]) -> Credential | None:
        """What these ASGI headers prove, unverified. A Bearer token, even a wrong one, speaks before any cookie."""
        cookies: list[str] = []
        for name, value in headers:
            if name == b"authorization":
                scheme, _, token = value.decode("latin-1").partition(" ")
                return api_key_credential(token.strip()) if scheme.lower() == "bearer" else None
            if name == b"cookie":
                cookies.append(value.decode("latin-1"))
        token = _cookie_value("; ".join(cookies), self._cookie) if cookies else None
        return session_credential(token) if token else None

    async def principal_of(self, headers: Iterable[tuple[bytes, bytes]]) -> Principal | None:
        """Who sent these ASGI headers; None for nobody we know."""
        credential = self.credential(headers)
        return None if credential is None else await self.principal(credential)

    async def principal(self, credential: Credential) -> Principal | None:
        """Whose credential this is; None when it is unknown, expired, or its sign-in disabled."""
        now = self._clock.monotonic()
        known = self._remembered.get(credential.hash)
        # The tenant is part of the token, hence of its hash; comparing it again costs nothing.
        if known is not None and known[0] > now and known[1].provider_id == credential.provider_id:
            return known[1]
        found = await self._look_up(credential)
        if found is None:
            self._remembered.pop(credential.hash, None)
            return None
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[credential.hash] = (now + REMEMBERED_S, found)
        return found

    async def still_good(self, held: Iterable[tuple[int, bytes]]) -> set[bytes]:
        """Which of these (provider, Principal.credential) are good still, by the database: for sockets, which outlive requests (G26)."""
        by_provider: dict[int, list[bytes]] = {}
        for provider_id, key in held:
            by_provider.setdefault(provider_id, []).append(key)
        good: set[bytes] = set()
        for provider_id, keys in by_provider.items():
            async with self._database.transaction(ProviderScope(provider_id)) as tx:
                rows = await tx.rows(store.GOOD_NO_MORE, {"provider_id": provider_id, "hashes": b"".join(keys), **self._limits})
            good.update(set(keys) - {row.hash for row in rows})
        return good

    def forget(self, credential: Credential) -> None:
        """Drop what is remembered of a credential that was just ended."""
        self._remembered.pop(credential.hash, None)

    def hear(self, payload: str) -> None:
        """Drop what is remembered of a sign-in that changed: `provider:sign_in`, as `recording.tell` says it in every process."""
        provider, _, sign_in = payload.partition(":")
        if provider.isdigit() and sign_in.isdigit():
            self.forget_sign_in(int(provider), int(sign_in))

    def forget_sign_in(self, provider_id: int, sign_in_id: int) -> None:
        """Look again who this is, by whatever credential he comes."""
        self._remembered = {
            hash_: held for hash_, held in self._remembered.items() if (held[1].provider_id, held[1].sign_in_id) != (provider_id, sign_in_id)
        }

    def forget_all(self) -> None:
        """Look again who everybody is: something may have been missed."""
        self._remembered.clear()

    async def _look_up(self, credential: Credential) -> Principal | None:
        params: dict[str, object] = {"provider_id": credential.provider_id, "hash": credential.hash}
        scope, is_session = ProviderScope(credential.provider_id), credential.kind == "session"
        row = next(iter(await self._database.autocommit(store.WHO, {**params, "by_session": is_session, **self._limits})), None)
        if row is None:
            return None
        if row.stale:
            async with self._database.transaction(scope) as tx:
                await tx.run(store.SEEN_SESSION if is_session else store.SEEN_API_KEY, params)
        return _principal(credential, row)


def _principal(credential: Credential, row: Row) -> Principal:
    user = None
    if row.user_id is not None:
        user = UserIdentity(
            row.user_id, row.group_id, row.feed_id, row.name, row.region, row.exclude_leading_zero, row.language, row.timezone, desk_of(row.desk),
            row.any_number,
        )  # fmt: skip
    return Principal(
        provider_id=credential.provider_id,
        sign_in_id=row.sign_in_id,
        email=row.email,
        user=user,
        roles=tuple(Role(Level(level), int(organisation), name) for level, organisation, name in row.roles),
        via=credential.kind,
        scopes=frozenset(row.scopes),
        credential=credential.hash,
    )


def _cookie_value(header: str, name: str) -> str | None:
    # Python's own parser drops every cookie behind one it dislikes; ours must survive a neighbour's odd one.
    for piece in header.split(";"):
        key, _, value = piece.partition("=")
        if key.strip() == name:
            return value.strip()
    return None


async def find_sign_in(tx: Transaction, email: str) -> tuple[int, int] | None:
    """(provider, sign-in) of an e-mail address anywhere in the installation; None when nobody has it. Raises NotAnEmail."""
    row = await tx.row(store.FIND_SIGN_IN, {"email": clean_email(email)})
    return None if row is None else (row.provider_id, row.sign_in_id)


class ApiKey(msgspec.Struct, frozen=True):
    """An API key without what makes it one; `hint` is its last characters, times in ISO 8601."""

    id: int
    name: str
    hint: str
    scopes: tuple[str, ...]
    email: str
    created_at: datetime
    used_at: datetime | None


async def api_keys(tx: Transaction, provider_id: int) -> list[ApiKey]:
    """A provider's API keys, oldest first."""
    rows = await tx.rows(store.API_KEYS, {"provider_id": provider_id})
    return [ApiKey(row.id, row.name, row.hint, tuple(row.scopes), row.email, row.created_at, row.used_at) for row in rows]
