"""What can go wrong when somebody is blocked."""

from kereru.kernel.errors import Conflict, Invalid, NotFound


class BlockingOff(Conflict):
    """Blocking is switched off for this number. Ask your provider."""

    code = "blocking_off"


class EndIsPast(Invalid):
    """A block must end in the future, within ten years. Choose a later time, or none at all."""

    code = "end_is_past"


class NotBlocked(NotFound):
    """This number is not blocked, or not any more."""
