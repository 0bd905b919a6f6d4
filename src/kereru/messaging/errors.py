"""What can go wrong in messaging, as people and programs read it."""

from kereru.kernel.errors import Conflict, Invalid, NotFound
from kereru.messaging.reasons import Reason


class NoSuchConversation(NotFound):
    """This conversation does not exist, or it is not yours."""

    code = "conversation_not_found"


class NoSuchMessage(NotFound):
    """This message does not exist, or it is not yours."""

    code = "message_not_found"


class NoSuchNumber(NotFound):
    """This number does not exist, or it is not yours."""

    code = "number_not_found"


class ClientIdReused(Invalid):
    """This message id was already used for another text. Nothing was sent; send it again as a new message."""

    code = "client_id_reused"


class BadClientId(Invalid):
    """A message id has 8 to 64 letters, digits, dashes or underscores."""

    code = "bad_client_id"


class CannotKeep(Invalid):
    """This draft holds characters that no phone can show. Paste it again without them."""

    code = "not_text"


class CannotSend(Invalid):
    """This text cannot be sent."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.code = reason.code  # type: ignore[misc] - the reason's own code is the stable one


class AttemptMovedOn(Conflict):
    """This text is already being sent again."""

    code = "attempt_moved_on"


class ResendNeedsWarning(Conflict):
    """The carrier may have delivered this text already; sending it again may make a double. Confirm to send it all the same."""

    code = "resend_needs_warning"


class NothingToResend(Conflict):
    """This text did not fail, so there is nothing to send again."""

    code = "nothing_to_resend"


class StillLeaving(Conflict):
    """This text is still being handed over to the carrier. Try again in a minute."""

    code = "still_leaving"


class TooManyAttempts(Conflict):
    """This text was tried too many times. Write a new one."""

    code = "too_many_attempts"
