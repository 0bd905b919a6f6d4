"""Platforms and carriers as the API shows them. Secrets go in and never come out: of each only that it is set, and its last characters."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from kereru.carriers.contract import CarrierAdapter
from kereru.kernel import ids
from kereru.kernel.db import Row
from kereru.kernel.secrets import CannotOpen, Sealer, Secret
from kereru.provisioning.platforms.model import open_credentials


class CredentialFieldShown(msgspec.Struct, frozen=True):
    """One field of the platform form (R120 to R122)."""

    name: str
    label: str
    secret: bool
    required: bool
    help: str


class CarrierCapabilities(msgspec.Struct, frozen=True):
    """What a carrier can do, as far as forms and pages need it."""

    mms: bool
    media_types: list[str]
    max_characters: int
    takes_long_texts_switch: bool
    token_hash_switch: bool
    receipts: Literal["callback", "webhook"]
    has_receipt_setting: bool
    can_enable_messaging: bool


class CarrierShown(msgspec.Struct, frozen=True):
    """A carrier that platforms can be added for."""

    kind: str
    title: str
    portal_url: str
    credential_fields: list[CredentialFieldShown]
    endpoints: dict[str, str]
    capabilities: CarrierCapabilities


class CredentialShown(msgspec.Struct, frozen=True):
    """Whether a field is set. `hint` is the end of a secret, if enough of it stays hidden; `value` only of what is no secret."""

    set: bool
    hint: str
    value: str | None


class Stopped(msgspec.Struct, frozen=True):
    """Since when nothing is sent, and why."""

    at: datetime
    reason: str


class PlatformShown(msgspec.Struct, frozen=True):
    """A platform. Below the provider's level `credentials` and `endpoints` are empty. `warnings` come with a saved one only."""

    id: str
    provider_id: str
    name: str
    carrier: str
    title: str
    portal_url: str
    credentials: dict[str, CredentialShown]
    endpoints: dict[str, str]
    user_confirmation: bool
    user_can_block: bool
    mms: bool
    mail_on_postpone: bool
    takes_long_texts: bool
    token_hash: bool
    sends_per_second: float
    queue_deadline_s: int
    stopped: Stopped | None
    numbers: int
    created_at: datetime
    can: list[str]
    warnings: list[str] = []


def portal_url(adapter: CarrierAdapter, endpoints: Mapping[str, str]) -> str:
    """Where to go for the carrier's own pages (R155): the host its API for numbers has on this platform."""
    parts = urlsplit([*{**adapter.endpoints, **endpoints}.values()][-1])
    return f"{parts.scheme}://{parts.netloc}/"


def carrier_shown(adapter: CarrierAdapter) -> CarrierShown:
    """A carrier, from its adapter."""
    able = adapter.capabilities
    return CarrierShown(
        kind=str(adapter.kind),
        title=adapter.title,
        portal_url=portal_url(adapter, {}),
        credential_fields=[CredentialFieldShown(one.name, one.label, one.secret, one.required, one.help) for one in adapter.credential_fields],
        endpoints=dict(adapter.endpoints),
        capabilities=CarrierCapabilities(
            mms=able.mms,
            media_types=sorted(able.media_types),
            max_characters=able.max_characters,
            takes_long_texts_switch=able.max_utf8_bytes is not None,
            token_hash_switch="token_hash" in able.webhook_proof,
            receipts=able.receipts,
            has_receipt_setting=able.has_receipt_setting,
            can_enable_messaging=able.can_enable_messaging,
        ),
    )


def platform_shown(
    row: Row, adapter: CarrierAdapter, sealer: Sealer, *, inside: bool, writable: bool, warnings: tuple[str, ...] = ()
) -> PlatformShown:
    """A platform, from its row. `inside`: the caller stands at the provider's level; `writable`: and may change it."""
    stopped = Stopped(row.stopped_at, row.stopped_reason or "") if row.stopped_at is not None else None
    return PlatformShown(
        id=ids.encode(row.id),
        provider_id=ids.encode(row.provider_id),
        name=row.name,
        carrier=row.carrier,
        title=adapter.title,
        portal_url=portal_url(adapter, row.endpoints),
        credentials=_credentials(row, adapter, sealer) if inside else {},
        endpoints=dict(row.endpoints) if inside else {},
        user_confirmation=row.user_confirmation,
        user_can_block=row.user_can_block,
        mms=row.mms,
        mail_on_postpone=row.mail_on_postpone,
        takes_long_texts=row.takes_long_texts,
        token_hash=row.token_hash,
        sends_per_second=row.sends_per_second,
        queue_deadline_s=row.queue_deadline_s,
        stopped=stopped,
        numbers=row.numbers,
        created_at=row.created_at,
        can=_abilities(row, adapter) if inside and writable else [],
        warnings=list(warnings),
    )


def _abilities(row: Row, adapter: CarrierAdapter) -> list[str]:
    able = ["update", "delete", "check", "repoint"]
    if row.stopped_at is not None:
        able.append("resume")
    if adapter.capabilities.has_receipt_setting:
        able.append("turn_receipts_on")
    return able


def _credentials(row: Row, adapter: CarrierAdapter, sealer: Sealer) -> dict[str, CredentialShown]:
    try:
        opened = open_credentials(sealer, row.provider_id, row.id, bytes(row.credentials_sealed))
    except CannotOpen:
        # Set, but under another key: the self-check says so in words.
        return {one.name: CredentialShown(True, "", None) for one in adapter.credential_fields}
    shown: dict[str, CredentialShown] = {}
    for one in adapter.credential_fields:
        value = opened.get(one.name)
        if isinstance(value, Secret):
            shown[one.name] = CredentialShown(True, value.hint(), None)
        else:
            shown[one.name] = CredentialShown(value is not None, "", value)
    return shown
