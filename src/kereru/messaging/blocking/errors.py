"""What can go wrong when somebody is blocked."""

from kereru.kernel.errors import Conflict, NotFound


class BlockingOff(Conflict):
    """Blocking is switched off for this number. Ask your provider."""

    code = "blocking_off"


class NotBlocked(NotFound):
    """This number is not blocked, or not any more."""
