"""What can be done at the door: sign in, sign out, set a password, add a second factor, disable, make and revoke API keys.

Whatever ends somebody's access notifies `kereru_session` with `provider:sign_in`, so that processes drop what they remember and close sockets (G26).
"""

from collections.abc import Sequence

import msgspec

from kereru.kernel import ids
from kereru.kernel.clock import Clock
from kereru.kernel.db import INSTALLATION, Database, ProviderScope, Transaction
from kereru.kernel.secrets import Sealer, Secret
from kereru.tenancy.access import second_factor, store, throttling
from kereru.tenancy.access.errors import CodeNeeded, SecondFactorNeeded, UnknownScope, WrongSignIn
from kereru.tenancy.access.model import Credential, NewApiKey, new_api_key_token, new_session_token, token_hash
from kereru.tenancy.access.passwords import PASSWORDS
from kereru.tenancy.access.recording import record_sign_in, tell
from kereru.tenancy.errors import NoSuchPerson, NotAnEmail
from kereru.tenancy.history.model import OPERATOR, Actor
from kereru.tenancy.model import clean_email, clean_name
from kereru.tenancy.policy import SCOPES

_AGENT_CHARACTERS = 300
_NO_PROVIDER = 0


class Try(msgspec.Struct, frozen=True):
    """Somebody at the door. `address` is the connection's, never a header's (bad input 55)."""

    email: str
    password: Secret
    code: str
    address: str
    agent: str


class Lifetimes(msgspec.Struct, frozen=True):
    """How long a session lasts without use, and in any case, in seconds."""

    idle_s: int
    max_s: int


class Proven(msgspec.Struct, frozen=True):
    """Whose password it was, and the buckets its try was counted in."""

    provider_id: int
    sign_in_id: int
    taken: tuple[str, ...]


async def prove_password(database: Database, tried: Try) -> Proven:
    """Whose password this is. Raises WrongSignIn, TooManyTries; the try stays counted until `taken` is given back.

    An unknown address takes the same statements and the same hash as a known one, and gets the same words (bad input 95).
    """
    try:
        email = clean_email(tried.email)
    except NotAnEmail:
        email = ""
    by_address, by_pair, by_email = throttling.subjects(email, tried.address)
    async with database.transaction(INSTALLATION) as tx:
        await throttling.take(tx, by_address, throttling.PER_ADDRESS)
        await throttling.take(tx, by_pair, throttling.PER_EMAIL_AT_ADDRESS)
        found = await tx.row(store.FIND_SIGN_IN, {"email": email})
    provider_id, sign_in_id = (found.provider_id, found.sign_in_id) if found else (_NO_PROVIDER, 0)
    whom: dict[str, object] = {"provider_id": provider_id, "sign_in_id": sign_in_id}

    taken = [by_address, by_pair]
    async with database.transaction(ProviderScope(provider_id)) as tx:
        person = await tx.row(store.SIGN_IN_BY_ID, whom)
        if not await tx.value(store.IS_KNOWN_ADDRESS, {**whom, "address": tried.address}):
            await throttling.take(tx, by_email, throttling.PER_EMAIL)
            taken.append(by_email)
    if not await PASSWORDS.matches(person.password_hash if person else None, tried.password.reveal()) or person is None:
        raise WrongSignIn
    return Proven(provider_id, sign_in_id, tuple(taken))


class Entered(msgspec.Struct, frozen=True):
    """A new session's token; with the recovery codes where this sign-in has ended the set-up of a second factor."""

    token: Secret
    recovery_codes: tuple[str, ...] = ()


async def sign_in(database: Database, sealer: Sealer, clock: Clock, lifetimes: Lifetimes, tried: Try) -> Entered:
    """A new session. Raises WrongSignIn, CodeNeeded, WrongCode, TooManyTries; SecondFactorNeeded where one is demanded and none set up.

    The code is of the authenticator app or one for recovery. Where a second factor is demanded and its set-up has begun, the first good code ends it.
    """
    proven = await prove_password(database, tried)
    provider_id = proven.provider_id
    whom: dict[str, object] = {"provider_id": provider_id, "sign_in_id": proven.sign_in_id}
    token = new_session_token(provider_id)
    async with database.transaction(ProviderScope(provider_id)) as tx:
        # Read again: it may have been disabled, or its password changed, while the hash was measured.
        person = await tx.row(store.SIGN_IN_BY_ID, whom)
        if person is None:
            raise WrongSignIn
        demanded = person.totp_sealed is None and await tx.value(store.DEMANDED, whom)
        missing = demanded and (person.totp_pending_sealed is None or not tried.code)
        if missing or (person.totp_sealed is not None and not tried.code):
            await throttling.give_back(tx, *proven.taken)
        else:
            codes: tuple[str, ...] = ()
            if demanded:
                codes = await second_factor.confirm(tx, sealer, clock, provider_id, proven.sign_in_id, tried.code, address=tried.address)
            elif person.totp_sealed is not None:
                await second_factor.check(tx, sealer, clock, provider_id, person, tried.code)
            await tx.run(
                store.ADD_SESSION,
                {**whom, **msgspec.structs.asdict(lifetimes), "hash": token_hash(token.reveal()), "address": tried.address,
                 "agent": "".join(c for c in tried.agent if c.isprintable())[:_AGENT_CHARACTERS]},
            )  # fmt: skip
            await tx.run(store.KNOW_ADDRESS, {**whom, "address": tried.address})
            await throttling.give_back(tx, *proven.taken)
            return Entered(token, codes)
    raise SecondFactorNeeded if missing else CodeNeeded


async def sign_out(database: Database, credential: Credential) -> None:
    """End one session; nothing happens when it has ended already."""
    async with database.transaction(ProviderScope(credential.provider_id)) as tx:
        ended = await tx.value(store.END_SESSION, {"provider_id": credential.provider_id, "hash": credential.hash})
        if ended is not None:
            tell(tx, credential.provider_id, ended)


async def set_password(tx: Transaction, provider_id: int, sign_in_id: int, password: str, *, by: Actor = OPERATOR) -> None:
    """Set a password and end every session. Raises WeakPassword, NoSuchPerson."""
    hashed = await PASSWORDS.hash(password)
    whom = {"provider_id": provider_id, "sign_in_id": sign_in_id}
    if not await tx.run(store.NEW_HASH, {**whom, "password_hash": hashed}):
        raise NoSuchPerson
    await tx.run(store.END_SESSIONS, whom)
    tell(tx, provider_id, sign_in_id)
    await record_sign_in(tx, by, "password.set", provider_id, sign_in_id)


async def set_disabled(tx: Transaction, provider_id: int, sign_in_id: int, *, disabled: bool, by: Actor = OPERATOR, recorded: bool = False) -> None:
    """Shut somebody out, or let him in again. Sessions end; API keys stay, and are refused meanwhile. Raises NoSuchPerson.

    `recorded`: the caller writes the row of the history log.
    """
    whom = {"provider_id": provider_id, "sign_in_id": sign_in_id}
    if not await tx.run(store.SET_DISABLED, {**whom, "disabled": disabled}):
        raise NoSuchPerson
    if disabled:
        await tx.run(store.END_SESSIONS, whom)
    tell(tx, provider_id, sign_in_id)
    if not recorded:
        await record_sign_in(tx, by, "sign_in.disabled" if disabled else "sign_in.enabled", provider_id, sign_in_id)


async def create_api_key(tx: Transaction, provider_id: int, sign_in_id: int, name: str, scopes: Sequence[str], *, by: Actor = OPERATOR) -> NewApiKey:
    """A key that acts as this sign-in within `scopes` (policy.SCOPES). Raises UnknownScope, NotAName, NoSuchPerson."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        message = f"{unknown[0] if unknown else 'No scope'} is not a right of API keys. They are: {', '.join(SCOPES)}."
        raise UnknownScope(message)
    if await tx.row(store.SIGN_IN_BY_ID, {"provider_id": provider_id, "sign_in_id": sign_in_id}) is None:
        raise NoSuchPerson
    name, token = clean_name(name), new_api_key_token(provider_id)
    key_id = await tx.value("SELECT new_id()")
    await tx.run(
        store.ADD_API_KEY,
        {
            "provider_id": provider_id,
            "id": key_id,
            "hash": token_hash(token.reveal()),
            "sign_in_id": sign_in_id,
            "name": name,
            "hint": token.hint(),
            "scopes": sorted(set(scopes)),
        },
    )
    await record_sign_in(tx, by, "api_key.created", provider_id, sign_in_id, {}, {"name": name, "scopes": sorted(set(scopes))})
    return NewApiKey(key_id, token)


async def revoke_api_key(tx: Transaction, provider_id: int, key_id: int, *, by: Actor = OPERATOR) -> None:
    """End an API key. Raises NoSuchPerson when there is none."""
    row = await tx.row(store.END_API_KEY, {"provider_id": provider_id, "id": key_id})
    if row is None:
        message = f"There is no API key {ids.encode(key_id)}. `kereru admin list` shows them."
        raise NoSuchPerson(message)
    tell(tx, provider_id, row.sign_in_id)
    await record_sign_in(tx, by, "api_key.ended", provider_id, row.sign_in_id, {"name": row.name}, {})
