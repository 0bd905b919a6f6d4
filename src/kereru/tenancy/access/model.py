"""Tokens and one-time codes: how they look, what is stored of them, when a code is good. No database here."""

import hashlib
import secrets
from datetime import datetime
from typing import Literal

import msgspec
from pyotp.totp import TOTP

from kereru.kernel import ids
from kereru.kernel.secrets import Secret

KEY_PREFIX = "krr_"
_RANDOM_BYTES = 32
_LONGEST_TOKEN = 128
_STEP_S = 30


class Credential(msgspec.Struct, frozen=True):
    """What a caller came with: the tenant it names, so that it is looked for inside it only, and its hash."""

    kind: Literal["session", "api_key"]
    provider_id: int
    hash: bytes


class NewApiKey(msgspec.Struct, frozen=True):
    """An API key just made; `token` is shown this once."""

    id: int
    token: Secret


def new_session_token(provider_id: int) -> Secret:
    """A session token: `provider.random`, 256 bits."""
    return Secret(f"{provider_id}.{secrets.token_urlsafe(_RANDOM_BYTES)}")


def new_api_key_token(provider_id: int) -> Secret:
    """An API key: `krr_provider_random`, 256 bits; the prefix lets scanners find leaked ones."""
    return Secret(f"{KEY_PREFIX}{provider_id}_{secrets.token_urlsafe(_RANDOM_BYTES)}")


def token_hash(token: str) -> bytes:
    """What is stored of a token. It is random, so a fast hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def session_credential(token: str) -> Credential | None:
    """What a session cookie says; None for anything that cannot be one."""
    return _credential("session", token, token.partition(".")[0])


def api_key_credential(token: str) -> Credential | None:
    """What a Bearer token says; None for anything that cannot be one."""
    if not token.startswith(KEY_PREFIX):
        return None
    return _credential("api_key", token, token[len(KEY_PREFIX) :].partition("_")[0])


def _credential(kind: Literal["session", "api_key"], token: str, provider: str) -> Credential | None:
    if len(token) > _LONGEST_TOKEN:
        return None
    try:
        return Credential(kind, ids.decode(provider), token_hash(token))
    except ids.InvalidId:
        return None


def code_step(secret: Secret, code: str, at: datetime, newest_used: int) -> int | None:
    """The time step of `code` if it is good at `at`: of the present step or one beside it, and newer than `newest_used` (RFC 6238 §5.2)."""
    typed = code.replace(" ", "")
    if not (len(typed) == 6 and typed.isascii() and typed.isdigit()):
        return None
    present = int(at.timestamp()) // _STEP_S
    one_time = TOTP(secret.reveal())
    for step in (present, present - 1, present + 1):
        if step > newest_used and secrets.compare_digest(one_time.generate_otp(step), typed):
            return step
    return None
