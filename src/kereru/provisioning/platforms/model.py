"""What a platform is: a provider's account at a carrier, its switches, and its credentials, sealed."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from kereru.carriers.contract import CarrierAdapter, CarrierKind, Credentials, PlatformAccess, PlatformOptions
from kereru.kernel.db import Row
from kereru.kernel.errors import FieldProblem, Invalid
from kereru.kernel.secrets import Sealer, Secret
from kereru.provisioning.errors import BadCredentials

CREDENTIAL_CHARACTERS = 1000
NAME_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class NewPlatform:
    """A platform to be made (R120). The three switches of the form are on, as on a new form; `credentials` are the carrier's fields as typed."""

    carrier: str
    credentials: Credentials
    name: str = ""
    endpoints: Mapping[str, str] = field(default_factory=dict[str, str])
    user_confirmation: bool = True
    user_can_block: bool = True
    mms: bool = True
    mail_on_postpone: bool = True
    takes_long_texts: bool = False
    token_hash: bool = False


@dataclass(frozen=True, slots=True)
class PlatformChanges:
    """What to change of a platform; None keeps what is there. Credentials are given whole or not at all."""

    credentials: Credentials | None = None
    name: str | None = None
    endpoints: Mapping[str, str] | None = None
    user_confirmation: bool | None = None
    user_can_block: bool | None = None
    mms: bool | None = None
    mail_on_postpone: bool | None = None
    takes_long_texts: bool | None = None
    token_hash: bool | None = None


class Platform(msgspec.Struct, frozen=True):
    """A platform as people see it: everything but its secrets. `stopped_reason` says why nothing is sent, if so."""

    id: int
    name: str
    carrier: str
    user_confirmation: bool
    user_can_block: bool
    mms: bool
    mail_on_postpone: bool
    takes_long_texts: bool
    token_hash: bool
    stopped_at: datetime | None
    stopped_reason: str | None
    created_at: datetime


SWITCHES = ("user_confirmation", "user_can_block", "mms", "mail_on_postpone", "takes_long_texts", "token_hash")


@dataclass(frozen=True, slots=True)
class SavedPlatform:
    """A platform just saved, and what a careful person should know about it."""

    id: int
    warnings: tuple[str, ...] = ()


class _Sealed(msgspec.Struct, frozen=True):
    plain: dict[str, str]
    secret: dict[str, str]


def clean_credentials(adapter: CarrierAdapter, given: Credentials) -> Credentials:
    """The carrier's fields, secrets as `Secret`; what is pasted stays as it is but for blanks around it (R121). Raises BadCredentials."""
    known = {wanted.name: wanted for wanted in adapter.credential_fields}
    problems = [FieldProblem(f"credentials.{name}", "unknown", "This carrier has no such field.") for name in sorted(set(given) - set(known))]
    cleaned: dict[str, Secret | str] = {}
    for name, wanted in known.items():
        raw = given.get(name, "")
        value = (raw.reveal() if isinstance(raw, Secret) else raw).strip()
        if not value and wanted.required:
            problems.append(FieldProblem(f"credentials.{name}", "missing", f"{wanted.label} is missing. {wanted.help}"))
        elif len(value) > CREDENTIAL_CHARACTERS or not value.isprintable():
            words = f"{wanted.label} holds characters that cannot be part of it. Paste it again."
            problems.append(FieldProblem(f"credentials.{name}", "unreadable", words))
        elif value:
            cleaned[name] = Secret(value) if wanted.secret else value
    if problems:
        raise BadCredentials(problems[0].text, fields=tuple(problems))
    return cleaned


def clean_platform_name(typed: str) -> str:
    """A platform's name as it is kept; empty: named after the carrier. Raises Invalid."""
    name = unicodedata.normalize("NFC", typed.strip())
    if len(name) > NAME_CHARACTERS or any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in name):
        words = f"Give it a name of at most {NAME_CHARACTERS} characters on one line."
        raise Invalid(words, fields=(FieldProblem("name", "not_a_name", words),))
    return name


def merge_credentials(before: Credentials, given: Mapping[str, str]) -> Credentials:
    """The present credentials with those that were typed anew; a field left empty stays as it is, since no screen ever shows a secret."""
    return {**before, **{name: value for name, value in given.items() if value.strip()}}


def seal_credentials(sealer: Sealer, provider_id: int, platform_id: int, credentials: Credentials) -> bytes:
    """The credentials as the database keeps them."""
    plain = {name: value for name, value in credentials.items() if not isinstance(value, Secret)}
    secret = {name: value.reveal() for name, value in credentials.items() if isinstance(value, Secret)}
    return sealer.seal(msgspec.json.encode(_Sealed(plain, secret)), _credentials_bound(provider_id, platform_id))


def open_access(row: Row, sealer: Sealer) -> PlatformAccess:
    """What outgoing calls need, from a row with provider_id, platform_id, carrier, credentials_sealed, endpoints, takes_long_texts and, where a
    webhook is to be set, token_hash. Raises CannotOpen when the master key is not the one that sealed them.
    """
    credentials = open_credentials(sealer, row.provider_id, row.platform_id, bytes(row.credentials_sealed))
    options = PlatformOptions(takes_long_texts=row.takes_long_texts, token_hash=getattr(row, "token_hash", False))
    return PlatformAccess(row.provider_id, row.platform_id, CarrierKind(row.carrier), credentials, row.endpoints, options)


def open_credentials(sealer: Sealer, provider_id: int, platform_id: int, sealed: bytes) -> Credentials:
    """The carrier's fields, secrets as `Secret`. Raises CannotOpen."""
    fields = msgspec.json.decode(sealer.open(sealed, _credentials_bound(provider_id, platform_id)), type=_Sealed)
    return {**fields.plain, **{name: Secret(value) for name, value in fields.secret.items()}}


def seal_token(sealer: Sealer, provider_id: int, platform_id: int, token: str) -> bytes:
    """The path token of a platform's webhooks, sealed; the database finds it by its hash only."""
    return sealer.seal(token.encode(), f"ingress token {provider_id} {platform_id}")


def open_token(sealer: Sealer, provider_id: int, platform_id: int, sealed: bytes) -> str:
    """The path token. Raises CannotOpen."""
    return sealer.open(sealed, f"ingress token {provider_id} {platform_id}").decode()


def ingress_url(base_url: str, carrier: str, token: str) -> str:
    """Where a platform's webhooks arrive; an adapter's `inbound_path` or `status_path` follows (design §7)."""
    return f"{base_url}/ingress/{carrier}/{token}"


def seal_hook_secret(sealer: Sealer, provider_id: int, platform_id: int, e164: str, secret: Secret) -> bytes:
    """The secret that a number's webhook carries (carriers.md §2A.8)."""
    return sealer.seal(secret.reveal().encode(), _hook_bound(provider_id, platform_id, e164))


def open_hook_secret(sealer: Sealer, provider_id: int, platform_id: int, e164: str, sealed: bytes) -> Secret:
    """The secret of a number's webhook. Raises CannotOpen."""
    return Secret(sealer.open(sealed, _hook_bound(provider_id, platform_id, e164)).decode())


def _credentials_bound(provider_id: int, platform_id: int) -> str:
    return f"platform credentials {provider_id} {platform_id}"


def _hook_bound(provider_id: int, platform_id: int, e164: str) -> str:
    return f"webhook secret {provider_id} {platform_id} {e164}"
