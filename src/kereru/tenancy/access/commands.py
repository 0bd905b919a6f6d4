"""What can be done at the door: sign in, sign out, set a password, add a second factor, disable, make and revoke API keys.

Whatever ends somebody's access notifies `kereru_session` with `provider:sign_in`, so that processes drop what they remember and close sockets (G26).
"""

from collections.abc import Sequence

import msgspec
import pyotp

from kereru.kernel import ids
from kereru.kernel.clock import Clock
from kereru.kernel.db import INSTALLATION, Database, ProviderScope, Row, Transaction
from kereru.kernel.secrets import Sealer, Secret
from kereru.tenancy.access import store, throttling
from kereru.tenancy.access.errors import CodeNeeded, UnknownScope, WrongCode, WrongSignIn
from kereru.tenancy.access.model import Credential, NewApiKey, code_step, new_api_key_token, new_session_token, token_hash
from kereru.tenancy.access.passwords import PASSWORDS
from kereru.tenancy.errors import NoSuchPerson, NotAnEmail
from kereru.tenancy.model import clean_email, clean_name
from kereru.tenancy.policy import SCOPES

SESSION_CHANNEL = "kereru_session"
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


async def sign_in(database: Database, sealer: Sealer, clock: Clock, lifetimes: Lifetimes, tried: Try) -> Secret:
    """A new session's token. Raises WrongSignIn, CodeNeeded, WrongCode, TooManyTries.

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

    token = new_session_token(provider_id)
    async with database.transaction(ProviderScope(provider_id)) as tx:
        # Read again: it may have been disabled, or its password changed, while the hash was measured.
        person = await tx.row(store.SIGN_IN_BY_ID, whom)
        if person is None:
            raise WrongSignIn
        if person.totp_sealed is not None and not tried.code:
            await throttling.give_back(tx, *taken)
        else:
            await _second_factor(tx, sealer, clock, provider_id, person, tried.code)
            await tx.run(
                store.ADD_SESSION,
                {**whom, **msgspec.structs.asdict(lifetimes), "hash": token_hash(token.reveal()), "address": tried.address,
                 "agent": "".join(c for c in tried.agent if c.isprintable())[:_AGENT_CHARACTERS]},
            )  # fmt: skip
            await tx.run(store.KNOW_ADDRESS, {**whom, "address": tried.address})
            await throttling.give_back(tx, *taken)
            return token
    raise CodeNeeded


async def _second_factor(tx: Transaction, sealer: Sealer, clock: Clock, provider_id: int, person: Row, code: str) -> None:
    if person.totp_sealed is None:
        return
    secret = Secret(sealer.open(person.totp_sealed, _totp_bound(provider_id, person.id)).decode())
    step = code_step(secret, code, clock.now(), person.totp_step)
    if step is None or not await tx.run(store.USE_TOTP_STEP, {"provider_id": provider_id, "sign_in_id": person.id, "step": step}):
        raise WrongCode


async def sign_out(database: Database, credential: Credential) -> None:
    """End one session; nothing happens when it has ended already."""
    async with database.transaction(ProviderScope(credential.provider_id)) as tx:
        ended = await tx.value(store.END_SESSION, {"provider_id": credential.provider_id, "hash": credential.hash})
        if ended is not None:
            _tell(tx, credential.provider_id, ended)


async def set_password(tx: Transaction, provider_id: int, sign_in_id: int, password: str) -> None:
    """Set a password and end every session. Raises WeakPassword, NoSuchPerson."""
    hashed = await PASSWORDS.hash(password)
    whom = {"provider_id": provider_id, "sign_in_id": sign_in_id}
    if not await tx.run(store.NEW_HASH, {**whom, "password_hash": hashed}):
        raise NoSuchPerson
    await tx.run(store.END_SESSIONS, whom)
    _tell(tx, provider_id, sign_in_id)


async def set_disabled(tx: Transaction, provider_id: int, sign_in_id: int, *, disabled: bool) -> None:
    """Shut somebody out, or let him in again. Sessions end; API keys stay, and are refused meanwhile. Raises NoSuchPerson."""
    whom = {"provider_id": provider_id, "sign_in_id": sign_in_id}
    if not await tx.run(store.SET_DISABLED, {**whom, "disabled": disabled}):
        raise NoSuchPerson
    if disabled:
        await tx.run(store.END_SESSIONS, whom)
    _tell(tx, provider_id, sign_in_id)


async def add_second_factor(tx: Transaction, sealer: Sealer, provider_id: int, sign_in_id: int) -> Secret:
    """Require a one-time code from now on; answers the secret for the authenticator app (RFC 6238). Raises NoSuchPerson."""
    secret = Secret(pyotp.random_base32())
    sealed = sealer.seal(secret.reveal().encode(), _totp_bound(provider_id, sign_in_id))
    if not await tx.run(store.SET_TOTP, {"provider_id": provider_id, "sign_in_id": sign_in_id, "sealed": sealed}):
        raise NoSuchPerson
    return secret


async def create_api_key(tx: Transaction, provider_id: int, sign_in_id: int, name: str, scopes: Sequence[str]) -> NewApiKey:
    """A key that acts as this sign-in within `scopes` (policy.SCOPES). Raises UnknownScope, NotAName, NoSuchPerson."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        message = f"{unknown[0] if unknown else 'No scope'} is not a right of API keys. They are: {', '.join(SCOPES)}."
        raise UnknownScope(message)
    if await tx.row(store.SIGN_IN_BY_ID, {"provider_id": provider_id, "sign_in_id": sign_in_id}) is None:
        raise NoSuchPerson
    token = new_api_key_token(provider_id)
    key_id = await tx.value("SELECT new_id()")
    await tx.run(
        store.ADD_API_KEY,
        {
            "provider_id": provider_id,
            "id": key_id,
            "hash": token_hash(token.reveal()),
            "sign_in_id": sign_in_id,
            "name": clean_name(name),
            "hint": token.hint(),
            "scopes": sorted(set(scopes)),
        },
    )
    return NewApiKey(key_id, token)


async def revoke_api_key(tx: Transaction, provider_id: int, key_id: int) -> None:
    """End an API key. Raises NoSuchPerson when there is none."""
    sign_in_id = await tx.value(store.END_API_KEY, {"provider_id": provider_id, "id": key_id})
    if sign_in_id is None:
        message = f"There is no API key {ids.encode(key_id)}. `kereru admin list` shows them."
        raise NoSuchPerson(message)
    _tell(tx, provider_id, sign_in_id)


def _tell(tx: Transaction, provider_id: int, sign_in_id: int) -> None:
    tx.notify(SESSION_CHANNEL, f"{provider_id}:{sign_in_id}")


def _totp_bound(provider_id: int, sign_in_id: int) -> str:
    return f"totp {provider_id} {sign_in_id}"
