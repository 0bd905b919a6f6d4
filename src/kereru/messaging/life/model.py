"""What is known about one message, as programs read it. Ids are strings, instants in UTC, statuses as in the API."""

from datetime import datetime
from typing import Final, Literal

import msgspec

from kereru.messaging.attachments.model import Travel
from kereru.messaging.model import Reason

HANDOVERS: Final = {1: "waiting", 2: "open", 3: "accepted", 4: "refused", 5: "unknown"}
EXCHANGES: Final = {1: "text_in", 2: "receipt", 3: "hand_over", 4: "unreadable", 5: "look_up"}
VISIBILITIES: Final = {0: "shown", 1: "withheld", 2: "blocked"}


class ReceiptSeen(msgspec.Struct, frozen=True):
    """A receipt for one part. `state` is a message status, or `not_understood`; `carrier_state` and `error_code` are the carrier's own words."""

    at: datetime
    carrier_id: str
    state: str
    carrier_state: str
    error_code: str
    reason: str


class PartHandedOver(msgspec.Struct, frozen=True):
    """One part of an attempt. `handover` is one of HANDOVERS; `tries` counts hand-overs; `contradicted`: receipts disagree."""

    part: int
    text: str
    handover: str
    status: str
    carrier_id: str | None
    tries: int
    handed_over_at: datetime | None
    look_ups: int
    next_look_up_at: datetime | None
    contradicted: bool
    cut_to: str | None
    reason: Reason | None
    receipts: tuple[ReceiptSeen, ...]


class AttemptMade(msgspec.Struct, frozen=True):
    """One attempt at an outbound message; `sender_epoch` tells the senders that held the platform apart (G13)."""

    attempt: int
    status: str
    started_at: datetime
    sender_epoch: int
    reason: Reason | None
    parts: tuple[PartHandedOver, ...]


class Waiting(msgspec.Struct, frozen=True):
    """Its row among what waits to be handed over; `in_hand_since` while a sender works on it."""

    attempt: int
    next_try_at: datetime
    expires_at: datetime
    in_hand_since: datetime | None
    deferrals: int
    reason: str


class RawExchange(msgspec.Struct, frozen=True):
    """What went over the wire between the carrier and us, secrets masked when it was written; `kind` is one of EXCHANGES."""

    at: datetime
    kind: str
    request_id: str
    raw: str


class FileSent(msgspec.Struct, frozen=True):
    """A file of the message, without what is in it. `as_media`: it is part of an MMS; else the other side has a link to it."""

    name: str
    content_type: str
    bytes: int
    state: Literal["coming", "ready", "failed"]
    as_media: bool


class ChangeTold(msgspec.Struct, frozen=True):
    """An entry of the owner's feed that told his programs of it; `number` is its place there, `kind` as in the API."""

    at: datetime
    feed: str
    number: int
    kind: str
    version: int


class Life(msgspec.Struct, frozen=True):
    """Everything about one message. `seen`: the owner has read an inbound one; `seen_at`: when he first read its conversation after it came."""

    id: str
    provider_id: str
    at: datetime
    direction: Literal["in", "out"]
    status: str
    reason: Reason | None
    visibility: str
    text: str
    cut_to: str | None
    segments: int
    attempt: int
    version: int
    arrived_before: bool
    number: str
    remote: str
    user_id: str
    user_name: str
    conversation_id: str
    platform_id: str
    platform_name: str
    carrier: str
    carrier_id: str | None
    client_id: str | None
    seen: bool | None
    seen_at: datetime | None
    attempts: tuple[AttemptMade, ...]
    waiting: Waiting | None
    exchanges: tuple[RawExchange, ...]
    changes: tuple[ChangeTold, ...]
    kind: Travel = "sms"
    files: tuple[FileSent, ...] = ()
