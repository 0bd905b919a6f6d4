"""Types of messaging and its pure rules: what a text may look like, and what the preflight light says about it."""

from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum
from typing import Literal

import msgspec

from kereru.carriers.contract import Capabilities
from kereru.carriers.encoding import culprits, has_lone_surrogate, measure, split
from kereru.carriers.numbering import is_costly_destination, is_e164, is_short_code
from kereru.kernel.limits import TEXT_CHARACTERS
from kereru.messaging.attachments.model import Attachment
from kereru.messaging.reasons import Reason

_BLANK = str.maketrans("", "", "\u200b\u200c\u200d\u2060\ufeff\u00ad")
_SEVERAL = 4
"""From this many segments on the light turns amber: the text is paid for several times."""


class Status(IntEnum):
    """Where a message stands (design §7); the value is what the database stores. Only `UNKNOWN` means unsettled."""

    QUEUED = 1
    SENDING = 2
    SENT = 3
    DELIVERED = 4
    UNDELIVERED = 5
    FAILED = 6
    EXPIRED = 7
    UNKNOWN = 8
    RECEIVED = 9

    @property
    def wire(self) -> str:
        """The name in the API and on screens."""
        return self.name.lower()


FAILURES = frozenset({Status.UNDELIVERED, Status.FAILED, Status.EXPIRED})


ConsentMark = Literal["stop", "start", "help", "review", "dismissed", "agreed"]
StoppedBy = Literal["person", "carrier", "colleague"]
STOPPED_BY: dict[int, StoppedBy] = {1: "person", 2: "carrier", 3: "colleague"}
"""By `remote_consent.source`."""


class Message(msgspec.Struct, frozen=True):
    """A message as its owner sees it. `consent`: what an inbound one is to consent; `automatic`: what an outbound one answers by itself."""

    id: str
    client_id: str | None
    conversation_id: str
    direction: Literal["in", "out"]
    text: str
    status: str
    reason: Reason | None
    at: datetime
    encoding: Literal["gsm7", "ucs2"]
    segments: int
    attempt: int
    arrived_before: bool
    cut_to: str | None
    version: int
    can: tuple[str, ...]
    kind: Literal["sms", "mms", "sms_link"] = "sms"
    attachments: tuple[Attachment, ...] = ()
    consent: ConsentMark | None = None
    automatic: Literal["help"] | None = None


class Stopped(msgspec.Struct, frozen=True):
    """The other side wants no more texts from the whole group: since when, and who said so."""

    at: datetime
    by: StoppedBy


class ConversationNumber(msgspec.Struct, frozen=True):
    """Our side of a conversation."""

    id: str
    number: str
    display: str
    friendly_name: str


class Conversation(msgspec.Struct, frozen=True):
    """A conversation as its owner sees it, with what he has begun to write. It stores no name: names depend on who looks (design §6)."""

    id: str
    number: ConversationNumber
    number_id: str
    remote: str
    remote_display: str
    name: str | None
    name_source: str | None
    unread: int
    last_message: Message | None
    last_at: datetime
    blocked: bool
    version: int
    can: tuple[str, ...]
    stopped: Stopped | None = None
    draft: str = ""


class SendFacts(msgspec.Struct, frozen=True):
    """What decides whether a text may leave, as the database knows it in this transaction."""

    assignment_id: int
    group_id: int
    feed_id: int
    platform_id: int
    carrier: str
    takes_long_texts: bool
    queue_deadline_s: int
    own_number: str
    enabled: bool
    licensed: bool
    opt_in: int
    blocked: bool
    stopped: bool
    to_own_number: bool
    platform_stopped: bool
    conversation_id: int | None
    has_inbound: bool
    platform_mms: bool
    number_mms: bool
    perhaps_no_mobile: bool


OPT_IN_OK = 2
_NOT_KNOWN_MOBILE = (
    "You text mobile numbers only, and nothing says that this is one. Note it as mobile in a contact, or allow any number in the settings."
)
"""R25, Q19."""


def text_problem(text: str, *, files: int = 0) -> Reason | None:
    """Why `text` cannot be sent as it stands, or None (bad inputs 1 to 4, 9, 10). With files it may be empty."""
    if not files and not text.translate(_BLANK).strip():
        return Reason("empty_text", "There is nothing to send yet. Write something first.")
    if len(text) > TEXT_CHARACTERS:
        return Reason("text_too_long", f"This text has {len(text):,} characters; at most {TEXT_CHARACTERS:,} fit. Shorten it or send it in pieces.")
    if "\x00" in text or has_lone_surrogate(text):
        return Reason("not_text", "This text holds characters that no phone can show. Paste it again without them.")
    return None


def permission_problem(facts: SendFacts) -> Reason | None:
    """Why this user may not text this person from this number now, or None; the order is product.md 5.7's gate."""
    checks: tuple[tuple[bool, str, str], ...] = (
        (not facts.enabled, "number_not_enabled", "This number is not ready for texting. Ask your provider to look at it."),
        (not facts.licensed, "no_licence", "There is no live licence for texting on your account. Ask your provider."),
        (facts.opt_in in (1, 4), "opt_in_pending", "You have not yet agreed to texting with this number. Answer the question first."),
        (facts.opt_in == 3, "opted_out", "You chose not to text with this number. Your administrator can have you asked again."),
        (facts.to_own_number, "own_number", "This is one of your own numbers. Pick somebody else's."),
        (facts.blocked, "blocked", "You have blocked this person. Unblock them to text."),
        (facts.stopped, "stopped", "This person asked for no more texts from your business. They can text START to allow them again."),
        (facts.perhaps_no_mobile, "not_known_mobile", _NOT_KNOWN_MOBILE),
    )  # fmt: skip
    return next((Reason(code, words) for failed, code, words in checks if failed), None)


def destination_problem(remote: str, capabilities: Capabilities) -> Reason | None:
    """Why nobody there is texted by this number, or None: dear destinations are closed (bad input 34), and a carrier may not reach every country."""
    if is_costly_destination(remote):
        return Reason("closed_destination", "Texts to this destination cost extra and are closed. Ask your provider if you need it.")
    if capabilities.reaches_only_plus_one and is_e164(remote) and not remote.startswith("+1"):
        return Reason(
            "destination_not_reached",
            "This number's carrier reaches the United States and Canada only. Use another of your numbers.",
        )
    return None


def carrier_problem(text: str, facts: SendFacts, capabilities: Capabilities) -> Reason | None:
    """Why this carrier would not take this text whole, or None. Restcomm's cut at 160 bytes never happens silently (design §7)."""
    size = len(text.encode())
    limit = capabilities.max_utf8_bytes
    if limit is not None and size > limit and not facts.takes_long_texts:
        return Reason(
            "too_long_for_carrier",
            f"This number's carrier cuts texts over {limit} bytes, and this one has {size}. Shorten it, or ask your provider to allow long texts.",
        )
    return None


def warnings(text: str, facts: SendFacts | None) -> list[Reason]:
    """What a careful person would like to know before sending."""
    found: list[Reason] = []
    measured = measure(text)
    odd = culprits(text)
    if odd and all(culprit.plain is not None for culprit in odd):
        plain = measure("".join(replacements(text)))
        if plain.segments < measured.segments:
            found.append(
                Reason("costs_more", f"“{odd[0].character}” makes this {measured.segments} segments; with plain characters it is {plain.segments}.")
            )
    if measured.segments >= _SEVERAL:
        found.append(Reason("several_segments", f"This text counts as {measured.segments} messages."))
    if facts and facts.platform_stopped:
        found.append(Reason("carrier_waits", "The carrier refuses your provider's account just now. The text will wait until that is mended."))
    return found


def replacements(text: str) -> list[str]:
    """The characters of `text` with plain ones in place of those that force UCS-2, where there are any."""
    plain = {culprit.character: culprit.plain or culprit.character for culprit in culprits(text, most=1000)}
    return [plain.get(character, character) for character in text]


def parts_of(text: str, capabilities: Capabilities) -> tuple[str, ...]:
    """`text` as the carrier takes it: whole where it splits by itself, else cut by us, one carrier id per part (design §6)."""
    return (text,) if len(text) <= capabilities.max_characters else split(text)


def abilities(remote: str, *, has_written: bool, blocked: bool, stopped: Stopped | None = None, may_be_texted: bool = True) -> tuple[str, ...]:
    """What a conversation's remote side allows: names cannot be answered, short codes only once they wrote; who is blocked can be unblocked.

    Whoever asked for silence is not texted until they write START; what a colleague noted for them, a colleague may take back.

    `may_be_texted` is false where their owner texts mobile numbers only, this is not known to be one, and they never wrote (R25, R26, Q19).
    Whether the number may text, and its user may block, is the licence number's own ability: a switch then changes one thing and not every
    conversation.
    """
    if blocked:
        return ("unblock",)
    if stopped is not None:
        return ("allow",) if stopped.by == "colleague" else ()
    if not may_be_texted:
        return ()
    return ("send",) if is_e164(remote) or (is_short_code(remote) and has_written) else ()


def verdict(stops: Sequence[Reason], warns: Sequence[Reason]) -> Literal["ok", "warn", "stop"]:
    """The light: stop beats warn beats ok."""
    return "stop" if stops else "warn" if warns else "ok"
