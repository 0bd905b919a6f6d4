"""What carriers bring, in types: webhooks, what proves them, what an adapter reads in them, and the masked record of an exchange.

Promises: nothing here holds a readable secret except inside `Secret`; whatever is made here can be written to the intake log and read again.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

import msgspec

from kereru.kernel.secrets import Secret


class ReceiptState(StrEnum):
    """Where one part stands at the carrier (carriers.md §0.3)."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """Whether the carrier says nothing more after this state, as far as it documents."""
        return self not in (ReceiptState.QUEUED, ReceiptState.SENDING, ReceiptState.SENT)


# --- The masked record of one exchange -------------------------------------------------------------------------------------------


class Exchange(msgspec.Struct, frozen=True, tag="exchange"):
    """One request and its answer with every secret masked; kept 14 days. Bodies are bytes, since carriers may send anything.

    Bodies are cut at `limits.EXCHANGE_BYTES` here; the whole answer was still judged.
    """

    direction: Literal["in", "out"]
    at: datetime
    duration_ms: int
    request_head: str
    request_body: bytes
    answer_head: str
    answer_body: bytes
    note: str = ""


# --- What comes in ---------------------------------------------------------------------------------------------------------------


class MediaReference(msgspec.Struct, frozen=True):
    """Where an inbound file lies at the carrier; `with_credentials` when it must be fetched with the account's own credentials."""

    url: str
    content_type: str | None = None
    with_credentials: bool = False


class InboundText(msgspec.Struct, frozen=True, tag="text"):
    """A text from outside.

    `to` is E.164 where the carrier's form allows it; `remote` is E.164, a short code or an alphanumeric sender, and only the first
    lets a person answer (`reply_possible`). `carrier_id` is empty when the carrier sent none: such texts are never deduplicated.
    `group` holds the other parties of a group text; where it is not empty, a `to` that is not ours belongs to somebody else and is
    no cause for an alert. `raw_flags` name what was odd about the wire form, for example `invalid_utf8` or `nul`.
    """

    provider_id: int
    platform_id: int
    carrier_id: str
    to: str
    remote: str
    text: str
    to_raw: str
    remote_raw: str
    reply_possible: bool = True
    raw_flags: tuple[str, ...] = ()
    media: tuple[MediaReference, ...] = ()
    group: tuple[str, ...] = ()
    carrier_at: datetime | None = None


class ReceiptReport(msgspec.Struct, frozen=True, tag="receipt"):
    """What the carrier says became of one part. `part_reference` is what the callback's path carries of ours.

    It may be larger than 63 bits, since it may name attempt and part as well. `opted_out`: the carrier refused because this person asked it for no
    more texts from us, which counts as a STOP.
    """

    provider_id: int
    platform_id: int
    carrier_id: str
    part_reference: int | None
    state: ReceiptState
    carrier_state: str
    error_code: str | None = None
    error_reason: str = ""
    opted_out: bool = False
    raw_flags: tuple[str, ...] = ()


class Asked(msgspec.Struct, frozen=True):
    """How a webhook came that could not be read, as far as an adapter must know to read it again. `number`: E.164, whose own secret proved it."""

    carrier: str
    method: str
    path_tail: str
    at: datetime
    number: str | None = None


class Unrecognised(msgspec.Struct, frozen=True, tag="unrecognised"):
    """Something authenticated that we could not read; kept raw for replay after a fix (G5). `raw` holds no secret. The ingress adds `asked`."""

    provider_id: int
    platform_id: int
    reason: str
    raw: bytes
    asked: Asked | None = None


Arrival = InboundText | ReceiptReport | Unrecognised


class ArrivalBatch(msgspec.Struct, frozen=True):
    """What one webhook request brought. `request_id` is ours and unique, so that a replay of the intake log cannot double."""

    request_id: UUID
    provider_id: int
    platform_id: int
    carrier: str
    received_at: datetime
    items: tuple[Arrival, ...]
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A webhook as it arrived: `path_tail` is what follows the token, header names are lower case, `body` is untouched."""

    provider_id: int
    platform_id: int
    method: str
    path_tail: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """One secret the carrier may prove itself with. `number` (E.164) is None where it serves the whole platform."""

    value: Secret
    kind: Literal["static_header", "token_hash"] = "static_header"
    number: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookProof:
    """What a platform's webhooks must match: the carrier's account id where webhooks name it, and every secret now in force.

    Two secrets stand side by side while one is being rotated (bad input 67). Build one proof per platform and keep it: static values are
    indexed by their hash here, so that thousands of numbers cost one look-up, whose time tells nothing of a secret.
    """

    account_id: str | None = None
    secrets: tuple[WebhookSecret, ...] = ()
    static: Mapping[bytes, str | None] = field(init=False, repr=False, compare=False)
    hash_keys: tuple[tuple[bytes, str | None], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        values = [(secret.kind, secret.value.reveal().encode(), secret.number) for secret in self.secrets]
        static = {hashlib.sha256(value).digest(): number for kind, value, number in values if kind == "static_header"}
        object.__setattr__(self, "static", static)
        object.__setattr__(self, "hash_keys", tuple((value, number) for kind, value, number in values if kind == "token_hash"))


@dataclass(frozen=True, slots=True)
class AuthResult:
    """Whether a webhook is the carrier's, and by which way; `number` when the matching secret belongs to one number only.

    `nonce` is the random token a hash was made of: the same one again with another body is a forgery, with the same body a retry.
    """

    genuine: bool
    how: str
    number: str | None = None
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What the carrier expects to hear."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
