"""Inteliquent's words and shapes: broker and Services envelopes, receipts, number forms (carriers.md §2). No I/O."""

import re

import msgspec

from kereru.carriers.arrivals import ReceiptState

HOOK_HEADER = "X-Hook-Token"
"""The static header that our webhooks are configured with (§2A.3)."""

STATS = {
    "ENROUTE": ReceiptState.SENDING,
    "ACCEPTD": ReceiptState.SENT,
    "DELIVRD": ReceiptState.DELIVERED,
    "EXPIRED": ReceiptState.EXPIRED,
    "DELETED": ReceiptState.EXPIRED,
    "UNDELIV": ReceiptState.UNDELIVERED,
    "UNKNOWN": ReceiptState.UNKNOWN,
    "REJECTD": ReceiptState.FAILED,
}

STATUS_WORDS = {
    "delivered": ReceiptState.DELIVERED,
    "successful": ReceiptState.DELIVERED,
    "success": ReceiptState.DELIVERED,
    "undelivered": ReceiptState.UNDELIVERED,
    "failed": ReceiptState.FAILED,
    "rejected": ReceiptState.FAILED,
}

DISPOSITIONS = {
    "enroute": ReceiptState.SENDING,
    "successful": ReceiptState.DELIVERED,
    "unknown": ReceiptState.UNKNOWN,
    "blocked": ReceiptState.FAILED,
    "failed": ReceiptState.UNDELIVERED,
}

_STAT = re.compile(r"\bstat:\s*([A-Za-z]{1,16})")
_ERR = re.compile(r"\berr:\s*([0-9A-Za-z]{1,16})")

SERVICE_NOT_FOUND = "430"
SERVICE_BUSY = frozenset({"431", "411"})
SERVICE_CREDENTIALS = frozenset({"400", "408", "410", "401001", "900901"})
SERVICE_REASONS = {
    "412": "The trunk group is not valid.",
    "414": "The account may not do this.",
    "417": "The page is too large.",
    "418": "A field is too long.",
    "425": "The carrier cannot switch texting on or off for this number; ask the carrier.",
}


class Hook(msgspec.Struct, frozen=True, rename="camel"):
    """What the webhook brings (§2A.7): every field in every form that was ever seen."""

    reference_id: str | int | None = None
    from_: str | int | None = msgspec.field(default=None, name="from")
    to: list[str | int] | str | int | None = None
    text: str | None = None
    delivery_receipt: bool | str | None = None
    media_urls: list[str] | str | None = None
    status: str | None = None


class Recipient(msgspec.Struct, frozen=True):
    """One recipient's part of a publish answer."""

    to: str | int | None = None
    status: str | None = None


class Published(msgspec.Struct, frozen=True, rename="camel"):
    """The result of a publish."""

    reference_id: str | int | None = None
    text: str | None = None
    result_responses: list[Recipient] | None = None


class Authorization(msgspec.Struct, frozen=True, rename="camel"):
    """One entry of the broker's authorizations: an outbound key or a webhook. Holds secrets; never logged."""

    auth_id: str | int | None = None
    inbound_auth: bool = False
    tn: str | int | None = None
    header_name: str | None = None
    header_value: str | None = None
    webhook_url: str | None = None


class AuthorizationConfig(msgspec.Struct, frozen=True):
    """The list of authorizations."""

    authorizations: list[Authorization] = []


class Broker(msgspec.Struct, frozen=True, rename="camel"):
    """The broker's envelope: its good form, its bad form, and the 408 body, which has neither `success` nor `reason`."""

    success: bool | str | None = None
    reason: str | None = None
    detail: str | None = None
    message: str | None = None
    error: str | None = None
    status_code: str | int | None = None
    status: str | None = None
    result: Published | None = None
    auth_config: AuthorizationConfig | None = None


class Service(msgspec.Struct, frozen=True, rename="camel"):
    """The Services envelope (§2B.2) around the answers we read."""

    status: str | None = None
    status_code: str | int | None = None
    tn_list: "TnList | None" = None
    account_default_detail: "AccountDetail | None" = None
    message_details: "list[MessageDetail] | None" = None


class AccountDetail(msgspec.Struct, frozen=True, rename="camel"):
    """The account defaults we look at (§2B.3)."""

    msg_delivery_receipt: str | None = None
    ip_filtering_enabled: str | None = None


class Messaging(msgspec.Struct, frozen=True, rename="camel"):
    """A number's messaging feature; empty where texting is off."""

    message_class: str | None = None
    message_type: str | None = None


class TnFeature(msgspec.Struct, frozen=True):
    """A number's features."""

    messaging: Messaging | None = None


class TnItem(msgspec.Struct, frozen=True, rename="camel"):
    """One number of the inventory (§2B.4)."""

    tn: str | int
    tn_status: str | None = None
    tn_feature: TnFeature | None = None


class TnList(msgspec.Struct, frozen=True, rename="camel"):
    """The numbers found."""

    tn_item: list[TnItem] = []


class MessageDetail(msgspec.Struct, frozen=True, rename="camel"):
    """One message record (§2B.7); it carries no reference id."""

    source: str | int | None = None
    destination: str | int | None = None
    status: str | None = None
    status_code: str | int | None = None
    description: str | None = None


HOOK = msgspec.json.Decoder(Hook)
HOOKS = msgspec.json.Decoder(list[msgspec.Raw])
BROKER = msgspec.json.Decoder(Broker)
SERVICE = msgspec.json.Decoder(Service)


def broker_number(e164: str) -> str:
    """The broker's form: eleven digits with a leading 1 and no plus sign."""
    return e164.removeprefix("+")


def service_number(e164: str) -> str:
    """The Services form: ten digits."""
    return e164.removeprefix("+1")


def last_ten(number: str | int | None) -> str:
    """What the carrier's differing forms of one number have in common."""
    return str(number or "")[-10:]


_OPT_OUT_WORDS = ("opted out", "opted_out", "opt-out", "opt_out", "optout", "unsubscribed")


def says_opted_out(words: str) -> bool:
    """Whether the carrier's words mean that this person asked for no more texts; no code for it is documented."""
    lowered = words.lower()
    return any(piece in lowered for piece in _OPT_OUT_WORDS)


def receipt(text: str, status: str | None) -> tuple[ReceiptState, str, str | None, bool]:
    """A receipt's state, the carrier's word for it, its error code, and whether the word is a listed one.

    `stat:` counts first, then `status`; with neither the state is unknown, never delivered (§2A.7).
    """
    code = _ERR.search(text)
    error = code[1] if code and code[1].strip("0") else None
    stat = _STAT.search(text)
    if stat:
        word = stat[1].upper()
        state = STATS.get(word)
        return state or ReceiptState.UNKNOWN, word, error, state is not None
    word = (status or "").strip()[:64]
    state = STATUS_WORDS.get(word.lower())
    return state or ReceiptState.UNKNOWN, word, error, state is not None


def reason_of(envelope: Broker) -> str:
    """The carrier's own words for a failure, short enough to show."""
    words = envelope.detail or envelope.message or envelope.error or envelope.status or envelope.reason or ""
    return words.strip()[:200]
