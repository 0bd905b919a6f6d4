"""Opt-in as a table of states; pure. The words of the question itself belong to the client (R6)."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from kereru.provisioning.errors import AlreadyAnswered, NotAsked


class OptIn(IntEnum):
    """Where a user stands with a number; the value is what the database stores, no row being NOT_NEEDED (R19)."""

    NOT_NEEDED = 0
    PENDING = 1
    OPTED_IN = 2
    OPTED_OUT = 3
    POSTPONED = 4

    @property
    def wire(self) -> str:
        """The name in the API."""
        return self.name.lower()

    @property
    def usable(self) -> bool:
        """Whether texts may be sent and shown (R4, R8)."""
        return self in (OptIn.NOT_NEEDED, OptIn.OPTED_IN)


class Answer(StrEnum):
    """The three answers (R7)."""

    YES = "yes"
    NO = "no"
    CANCEL = "cancel"


class EventKind(IntEnum):
    """An entry of the evidence; the value is what the database stores."""

    YES = 1
    NO = 2
    CANCEL = 3
    RESET = 4
    NOT_ASKED_ANY_MORE = 5


_LEADS_TO = {Answer.YES: OptIn.OPTED_IN, Answer.NO: OptIn.OPTED_OUT, Answer.CANCEL: OptIn.POSTPONED}
EVENT_OF = {Answer.YES: EventKind.YES, Answer.NO: EventKind.NO, Answer.CANCEL: EventKind.CANCEL}
_OPEN = frozenset({OptIn.PENDING, OptIn.POSTPONED})


@dataclass(frozen=True, slots=True)
class Witness:
    """Who did it and from where, as the evidence keeps it (R20)."""

    actor: str
    address: str = ""
    agent: str = ""


def decide(state: OptIn, answer: Answer) -> OptIn | None:
    """The state that `answer` leads to, or None when it was given before and nothing happens (a repeated request).

    Raises NotAsked when there is no question, AlreadyAnswered when another answer stands (R16: only a reset asks again).
    """
    wanted = _LEADS_TO[answer]
    if state in _OPEN:
        return wanted
    if state is wanted:
        return None
    if state is OptIn.NOT_NEEDED:
        raise NotAsked
    raise AlreadyAnswered
