"""What the message log shows, and how it leaves as CSV; pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from kereru.carriers.encoding import measure
from kereru.carriers.numbering import display
from kereru.kernel import ids
from kereru.kernel.db import Row
from kereru.messaging.attachments.model import TRAVELS, Travel
from kereru.messaging.life.model import VISIBILITIES, FileSent
from kereru.messaging.model import Reason, Status

_REGION = "US"
WORDS: dict[Travel, str] = {"sms": "SMS", "mms": "MMS", "sms_link": "SMS with links"}
COLUMNS = ("Date (UTC)", "From", "To", "Direction", "Status", "Reason", "Body", "Segments", "User", "Group", "Message id", "Kind", "Files")


class Named(msgspec.Struct, frozen=True):
    """Something by its id and name."""

    id: str
    name: str


class LoggedMessage(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """One line of the log (R96). `hidden`: kept from its owner, blocked (Q13) or withheld (Q26); the text of a withheld one, and what its files are
    called, is shown to nobody.
    """

    id: str
    at: datetime
    from_: str
    from_display: str
    to: str
    to_display: str
    direction: Literal["in", "out"]
    status: str
    reason: Reason | None
    hidden: Literal["withheld", "blocked"] | None
    text: str | None
    segments: int
    kind: Travel
    files: list[FileSent]
    user: Named
    group: Named
    assignment_id: str


class LogPage(msgspec.Struct, frozen=True):
    """A page, newest first. A search looks at so many texts at a time: `searched_to` says how far back it came, and `next` goes on from there, also
    when nothing was found; null: everything was looked at.
    """

    items: list[LoggedMessage]
    next: str | None
    searched_to: datetime | None


def logged(row: Row, files: Sequence[FileSent] = ()) -> LoggedMessage:
    """A line, from a row of `store` and the message's files."""
    own, other = (row.e164, display(row.e164, _REGION)), (row.remote, display(row.remote, _REGION))
    (from_, from_display), (to, to_display) = (own, other) if row.outbound else (other, own)
    hidden = VISIBILITIES[row.visibility]
    return LoggedMessage(
        id=ids.encode(row.id),
        at=ids.made_at(row.id),
        from_=from_,
        from_display=from_display,
        to=to,
        to_display=to_display,
        direction="out" if row.outbound else "in",
        status=Status(row.status).wire,
        reason=Reason(row.reason_code, row.reason or "") if row.reason_code else None,
        hidden=None if hidden == "shown" else "withheld" if hidden == "withheld" else "blocked",
        text=None if hidden == "withheld" else row.text,
        segments=row.segments if row.outbound else measure(row.text).segments,
        kind=TRAVELS[int(row.kind) - 1],
        files=[] if hidden == "withheld" else list(files),
        user=Named(ids.encode(row.user_id), row.user),
        group=Named(ids.encode(row.group_id), row.group_name),
        assignment_id=ids.encode(row.assignment_id),
    )


def named(file: FileSent) -> str:
    """A file in words: its name, what it is and how large."""
    if file.state != "ready":
        return "not here yet" if file.state == "coming" else "could not be had"
    return f"{file.name} ({file.content_type}, {file.bytes:,} bytes)"


def cells(line: LoggedMessage) -> tuple[str, ...]:
    """A text as a line of the file, below COLUMNS."""
    reason = f"{line.reason.code}: {line.reason.text}" if line.reason else line.hidden or ""
    return (
        line.at.strftime("%Y-%m-%dT%H:%M:%SZ"), line.from_display, line.to_display, "inbound" if line.direction == "in" else "outbound-api",
        line.status, reason, line.text or "", str(line.segments), line.user.name, line.group.name, line.id, WORDS[line.kind],
        "; ".join(named(file) for file in line.files),
    )  # fmt: skip
