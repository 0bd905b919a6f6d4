"""What an assignment is and how its number may be written; pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum

import msgspec

from kereru.carriers.numbering import DialingHabits, NumberProblem, read_typed
from kereru.kernel.errors import FieldProblem
from kereru.provisioning.errors import BadNumber

SMS = 1
MMS_AND_SMS = 2


class AssignmentState(IntEnum):
    """How far the number is set up (product.md 5.2); the value is what the database stores. Only ENABLED reaches a client (R3)."""

    REQUESTED = 1
    CHECKING = 2
    REGISTERING = 3
    ENABLED = 4
    REJECTED = 5
    FAILED = 6

    @property
    def wire(self) -> str:
        """The name in the API."""
        return self.name.lower()

    @property
    def under_way(self) -> bool:
        """Whether there is still something to do at the carrier."""
        return self in UNDER_WAY


UNDER_WAY = (AssignmentState.REQUESTED, AssignmentState.CHECKING, AssignmentState.REGISTERING)


class HookState(IntEnum):
    """How a number's webhook stood when it was looked at last; the value is what the database stores."""

    NOT_LOOKED = 0
    OURS = 1
    MISSING = 2
    ELSEWHERE = 3

    @property
    def wire(self) -> str:
        """The name in the API."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class NewAssignment:
    """A number for a user (R147). `number` as typed, ten digits suffice (R148); None takes the platform's setting (R152).

    `enable_messaging` is the one confirmation that texting may be switched on at the carrier (Q17).
    """

    user_id: int
    number: str
    platform_id: int | None = None
    friendly_name: str = ""
    mms: bool | None = None
    user_can_block: bool | None = None
    enable_messaging: bool = False


class Keep(Enum):
    """Leave it as it is, where None has a meaning of its own."""

    KEEP = "keep"


KEEP = Keep.KEEP


@dataclass(frozen=True, slots=True)
class AssignmentChanges:
    """What to change of an assignment. None of `messaging_type` (SMS, MMS_AND_SMS) and of `user_can_block`: as the platform says (R152)."""

    friendly_name: str | Keep = KEEP
    messaging_type: int | Keep | None = KEEP
    user_can_block: bool | Keep | None = KEEP


@dataclass(frozen=True, slots=True)
class Assigned:
    """What became of an assignment: `state` is ENABLED, or REGISTERING while the carrier takes its time (R150)."""

    id: int
    number_id: int
    e164: str
    state: AssignmentState
    warnings: tuple[str, ...] = ()


class AssignmentEntry(msgspec.Struct, frozen=True):
    """One line of the list of numbers (R173 to R178)."""

    id: int
    number_id: int
    e164: str
    friendly_name: str
    user_id: int
    user: str
    platform_id: int
    carrier: str
    state: int
    problem: str
    opt_in: int
    started_at: datetime
    ended_at: datetime | None


def read_number(typed: str) -> str:
    """The number in E.164; without a country code it is one of the United States (R148, R158). Raises BadNumber."""
    found = read_typed(typed, DialingHabits("US", "1", exclude_leading_zero=True))
    if isinstance(found, NumberProblem):
        raise BadNumber(found.text, fields=(FieldProblem("number", found.code, found.text),))
    return found.e164
