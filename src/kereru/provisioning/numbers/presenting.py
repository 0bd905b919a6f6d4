"""Assignments as the API and the CSV file show them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from kereru.carriers.numbering import display
from kereru.kernel import ids
from kereru.kernel.db import Row
from kereru.provisioning.desk import Carriers, SavedMessages
from kereru.provisioning.numbers.model import MMS_AND_SMS, AssignmentState, HookState
from kereru.provisioning.opt_in.model import OptIn
from kereru.provisioning.platforms.presenting import portal_url

MessagingType = Literal["sms", "mms_sms"]
_REGION = "US"


class Named(msgspec.Struct, frozen=True):
    """Something by its id and name."""

    id: str
    name: str


class NamedUser(msgspec.Struct, frozen=True):
    """A user, to go to (R177)."""

    id: str
    name: str
    email: str


class AssignedPlatform(msgspec.Struct, frozen=True):
    """What the form needs of the number's platform (R151, R152, R155)."""

    id: str
    name: str
    carrier: str
    title: str
    portal_url: str
    mms: bool
    user_can_block: bool


class OptInShown(msgspec.Struct, frozen=True):
    """Where the user stands, and when he said Yes, No and Cancel the last time (R174, R179, R180)."""

    state: str
    opted_in_at: datetime | None
    opted_out_at: datetime | None
    postponed_at: datetime | None


class SetUpProblem(msgspec.Struct, frozen=True):
    """Why the number is not set up."""

    code: str
    text: str


class WebhookShown(msgspec.Struct, frozen=True):
    """How the number's webhook stood at the carrier when it was looked at or set last: `not_looked`, `ours`, or `missing` and `elsewhere`, when texts
    do not arrive.
    """

    state: str
    looked_at: datetime | None


class Saved(msgspec.Struct, frozen=True):
    """How many messages are saved for the number; `withheld` of them nobody saw (Q26, R182)."""

    messages: int
    withheld: int


class AssignmentShown(msgspec.Struct, frozen=True):
    """A number of a user. The effective messaging type and blocking stand beside what was set here; null: as the platform says (R152).

    `ended_at` null: an active assignment (R178). `saved` is counted for one assignment, null in lists.
    """

    id: str
    number_id: str
    number: str
    display: str
    friendly_name: str
    shown_name: str
    user: NamedUser
    group: Named
    reseller: Named
    platform: AssignedPlatform
    messaging_type: MessagingType
    messaging_type_set: MessagingType | None
    user_can_block: bool
    user_can_block_set: bool | None
    state: str
    problem: SetUpProblem | None
    opt_in: OptInShown
    webhook: WebhookShown
    started_at: datetime
    ended_at: datetime | None
    saved: Saved | None
    can: list[str]
    warnings: list[str] = []


def assignment_shown(
    row: Row, carriers: Carriers, *, writable: bool, saved: SavedMessages | None = None, warnings: Sequence[str] = ()
) -> AssignmentShown:
    """An assignment, from a row of `listing`."""
    adapter = carriers.of(row.carrier)
    shown = display(row.e164, _REGION)
    return AssignmentShown(
        id=ids.encode(row.id),
        number_id=ids.encode(row.number_id),
        number=row.e164,
        display=shown,
        friendly_name=row.friendly_name,
        shown_name=row.friendly_name or shown,
        user=NamedUser(ids.encode(row.user_id), row.user, row.email),
        group=Named(ids.encode(row.group_id), row.group_name),
        reseller=Named(ids.encode(row.reseller_id), row.reseller_name),
        platform=AssignedPlatform(
            id=ids.encode(row.platform_id), name=row.platform_name, carrier=row.carrier, title=adapter.title,
            portal_url=portal_url(adapter, row.endpoints), mms=row.platform_mms, user_can_block=row.platform_block,
        ),
        messaging_type=_type(row.type),
        messaging_type_set=None if row.own_type is None else _type(row.own_type),
        user_can_block=row.block,
        user_can_block_set=row.own_block,
        state=AssignmentState(row.state).wire,
        problem=SetUpProblem(row.problem_code or "carrier_refused", row.problem) if row.problem else None,
        opt_in=OptInShown(OptIn(row.opt_in).wire, row.opted_in_at, row.opted_out_at, row.postponed_at),
        webhook=WebhookShown(HookState(row.hook_state).wire, row.hook_looked_at),
        started_at=row.started_at,
        ended_at=row.ended_at,
        saved=None if saved is None else Saved(saved.messages, saved.withheld),
        can=_abilities(row, saved) if writable else [],
        warnings=list(warnings),
    )  # fmt: skip


def _abilities(row: Row, saved: SavedMessages | None) -> list[str]:
    state, opt_in = AssignmentState(row.state), OptIn(row.opt_in)
    able: list[str] = []
    if row.ended_at is None:
        able += ["update", "delete"]
        if state is AssignmentState.FAILED:
            able.append("retry")
        if state is AssignmentState.ENABLED:
            able.append("repoint")
        if state is AssignmentState.ENABLED and opt_in is not OptIn.PENDING and (opt_in is not OptIn.NOT_NEEDED or row.user_confirmation):
            able.append("reset_opt_in")
    if saved is not None and saved.messages:
        able.append("delete_messages")
    return able


def _type(stored: int) -> MessagingType:
    return "mms_sms" if stored == MMS_AND_SMS else "sms"


COLUMNS = (
    "User", "E-mail", "Group", "Reseller", "CPaaS number", "Friendly name", "Messaging type", "Platform", "State", "Opt-in", "Opted in at",
    "Opted out at", "Start date", "End date",
)  # fmt: skip


def cells(row: Row) -> tuple[str, ...]:
    """An assignment as a line of the file, below COLUMNS; the end date as on the screen (R178)."""
    return (
        row.user, row.email, row.group_name, row.reseller_name, display(row.e164, _REGION), row.friendly_name,
        "MMS & SMS" if row.type == MMS_AND_SMS else "SMS", row.platform_name, AssignmentState(row.state).wire, OptIn(row.opt_in).wire,
        _time(row.opted_in_at), _time(row.opted_out_at), _time(row.started_at), _time(row.ended_at) or "Active Assignment",
    )  # fmt: skip


def _time(at: datetime | None) -> str:
    return "" if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")
