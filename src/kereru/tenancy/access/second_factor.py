"""The second factor: set up with a key, proved by a code, replaced by recovery codes when the phone is lost, removed again (RFC 6238)."""

import base64
import hashlib
import secrets

import msgspec
import pyotp
from pyotp.totp import TOTP

from kereru.kernel.clock import Clock
from kereru.kernel.db import Row, Transaction
from kereru.kernel.secrets import Sealer, Secret
from kereru.tenancy.access import store
from kereru.tenancy.access.errors import SecondFactorDemanded, SecondFactorNotBegun, SecondFactorSet, WrongCode, WrongSignIn
from kereru.tenancy.access.model import code_step
from kereru.tenancy.access.recording import record_sign_in, tell
from kereru.tenancy.errors import NoSuchPerson
from kereru.tenancy.history.model import OPERATOR, Actor

ISSUER = "Kererū"
RECOVERY_CODES = 10
_CODE_BYTES = 10
_GROUP = 4


class SetUp(msgspec.Struct, frozen=True):
    """What the authenticator app wants: the key, and the same as an address for a QR code. Shown once."""

    secret: str
    uri: str


class Standing(msgspec.Struct, frozen=True):
    """How it stands with somebody's second factor."""

    set: bool
    demanded: bool
    recovery_codes_left: int


async def begin(tx: Transaction, sealer: Sealer, provider_id: int, sign_in_id: int) -> SetUp:
    """A new key, of no effect until a code proves it. Raises SecondFactorSet, WrongSignIn."""
    row = await _lock(tx, provider_id, sign_in_id)
    if row is None:
        raise WrongSignIn
    if row.totp_sealed is not None:
        raise SecondFactorSet
    secret = pyotp.random_base32()
    sealed = sealer.seal(secret.encode(), _bound(provider_id, sign_in_id))
    await tx.run(store.SET_PENDING_TOTP, {"provider_id": provider_id, "sign_in_id": sign_in_id, "sealed": sealed})
    return SetUp(secret, TOTP(secret).provisioning_uri(name=row.email, issuer_name=ISSUER))


async def confirm(
    tx: Transaction, sealer: Sealer, clock: Clock, provider_id: int, sign_in_id: int, code: str, *, address: str, via: str = "session"
) -> tuple[str, ...]:
    """The set-up ends with its first good code; answers the recovery codes, shown this once.

    Raises SecondFactorNotBegun, SecondFactorSet, WrongCode.
    """
    row = await _lock(tx, provider_id, sign_in_id)
    if row is None or row.totp_sealed is not None:
        raise SecondFactorSet
    if row.totp_pending_sealed is None:
        raise SecondFactorNotBegun
    sealed = bytes(row.totp_pending_sealed)
    step = code_step(Secret(sealer.open(sealed, _bound(provider_id, sign_in_id)).decode()), code, clock.now(), 0)
    if step is None:
        raise WrongCode
    await tx.run(store.SET_TOTP, {"provider_id": provider_id, "sign_in_id": sign_in_id, "sealed": sealed, "step": step})
    codes = await new_recovery_codes(tx, provider_id, sign_in_id)
    await record_sign_in(tx, Actor(sign_in_id, row.email, address, via), "second_factor.set", provider_id, sign_in_id)
    return codes


async def check(tx: Transaction, sealer: Sealer, clock: Clock, provider_id: int, person: Row, code: str) -> None:
    """Use up a code of the app, or one for recovery. Raises WrongCode."""
    whom: dict[str, object] = {"provider_id": provider_id, "sign_in_id": person.id}
    secret = Secret(sealer.open(bytes(person.totp_sealed), _bound(provider_id, person.id)).decode())
    step = code_step(secret, code, clock.now(), person.totp_step)
    if step is not None and await tx.run(store.USE_TOTP_STEP, {**whom, "step": step}):
        return
    if not await tx.run(store.USE_CODE, {**whom, "hash": _hash(provider_id, code)}):
        raise WrongCode


async def standing(tx: Transaction, provider_id: int, sign_in_id: int) -> Standing:
    """How it stands with somebody's second factor. Raises NoSuchPerson."""
    whom = {"provider_id": provider_id, "sign_in_id": sign_in_id}
    row = await tx.row(store.SIGN_IN_BY_ID, whom)
    if row is None:
        raise NoSuchPerson
    return Standing(row.totp_sealed is not None, bool(await tx.value(store.DEMANDED, whom)), await tx.value(store.COUNT_CODES, whom))


async def renew_codes(tx: Transaction, sealer: Sealer, clock: Clock, provider_id: int, sign_in_id: int, code: str, by: Actor) -> tuple[str, ...]:
    """New recovery codes; the old ones end. Raises SecondFactorNotBegun without a second factor, WrongCode."""
    row = await _lock(tx, provider_id, sign_in_id)
    if row is None or row.totp_sealed is None:
        raise SecondFactorNotBegun
    await check(tx, sealer, clock, provider_id, row, code)
    await record_sign_in(tx, by, "recovery_codes.renewed", provider_id, sign_in_id)
    return await new_recovery_codes(tx, provider_id, sign_in_id)


async def remove_own(tx: Transaction, sealer: Sealer, clock: Clock, provider_id: int, sign_in_id: int, code: str, by: Actor) -> None:
    """The person removes it, by a code. Raises SecondFactorDemanded, SecondFactorNotBegun, WrongCode."""
    row = await _lock(tx, provider_id, sign_in_id)
    if row is None or row.totp_sealed is None:
        raise SecondFactorNotBegun
    await check(tx, sealer, clock, provider_id, row, code)
    if await tx.value(store.DEMANDED, {"provider_id": provider_id, "sign_in_id": sign_in_id}):
        raise SecondFactorDemanded
    await remove(tx, provider_id, sign_in_id, by=by)


async def remove(tx: Transaction, provider_id: int, sign_in_id: int, *, by: Actor = OPERATOR) -> None:
    """Somebody lost phone and recovery codes: without a second factor until he sets up a new one; his sessions end. Raises NoSuchPerson."""
    whom: dict[str, object] = {"provider_id": provider_id, "sign_in_id": sign_in_id}
    if not await tx.run(store.SET_TOTP, {**whom, "sealed": None, "step": 0}):
        raise NoSuchPerson
    await tx.run(store.FORGET_CODES, whom)
    if by.sign_in_id != sign_in_id:
        await tx.run(store.END_SESSIONS, whom)
        tell(tx, provider_id, sign_in_id)
    await record_sign_in(tx, by, "second_factor.removed", provider_id, sign_in_id)


async def add(tx: Transaction, sealer: Sealer, provider_id: int, sign_in_id: int, *, by: Actor = OPERATOR) -> Secret:
    """Require a one-time code from now on; answers the secret for the authenticator app. For the operator. Raises NoSuchPerson."""
    secret = Secret(pyotp.random_base32())
    sealed = sealer.seal(secret.reveal().encode(), _bound(provider_id, sign_in_id))
    if not await tx.run(store.SET_TOTP, {"provider_id": provider_id, "sign_in_id": sign_in_id, "sealed": sealed, "step": 0}):
        raise NoSuchPerson
    await record_sign_in(tx, by, "second_factor.set", provider_id, sign_in_id)
    return secret


async def new_recovery_codes(tx: Transaction, provider_id: int, sign_in_id: int) -> tuple[str, ...]:
    """Ten codes in place of the old ones; only their hashes are kept. 80 random bits each, so a fast hash is enough."""
    whom = {"provider_id": provider_id, "sign_in_id": sign_in_id}
    raw = [base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode() for _ in range(RECOVERY_CODES)]
    await tx.run(store.FORGET_CODES, whom)
    await tx.run(store.ADD_CODES, {**whom, "hashes": [_hash(provider_id, code) for code in raw]})
    return tuple("-".join(code[at : at + _GROUP] for at in range(0, len(code), _GROUP)).lower() for code in raw)


async def _lock(tx: Transaction, provider_id: int, sign_in_id: int) -> Row | None:
    return await tx.row(store.LOCK_SIGN_IN, {"provider_id": provider_id, "sign_in_id": sign_in_id})


def _hash(provider_id: int, code: str) -> bytes:
    plain = "".join(character for character in code.upper() if character.isascii() and character.isalnum())
    return hashlib.sha256(f"{provider_id} {plain}".encode()).digest()


def _bound(provider_id: int, sign_in_id: int) -> str:
    return f"totp {provider_id} {sign_in_id}"
