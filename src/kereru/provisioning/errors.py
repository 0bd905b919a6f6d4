"""What can go wrong while numbers are set up and users are asked."""

from kereru.kernel.errors import Conflict, Invalid, NotFound, Unavailable


class NoSuchPlatform(NotFound):
    """There is no such platform, or you may not see it."""


class NoSuchAssignment(NotFound):
    """This number is not assigned, or you may not see it."""


class NoSuchUser(NotFound):
    """There is no such user, or you may not see them."""


class NoPlatform(Invalid):
    """There is no platform yet. Add one with your carrier account's details first (R116)."""

    code = "no_platform"


class ChoosePlatform(Invalid):
    """There are several platforms. Choose the one this number belongs to (R153)."""

    code = "choose_platform"


class BadCredentials(Invalid):
    """The details of the carrier account are not complete."""

    code = "bad_credentials"


class CredentialsRefused(Invalid):
    """The carrier does not accept these details. Nothing was saved (R142)."""

    code = "carrier_credentials"


class CarrierUnreachable(Unavailable):
    """The carrier cannot be reached just now. Nothing was changed; try again in a moment."""

    code = "carrier_unreachable"


class CarrierSaysNo(Invalid):
    """The carrier refused this."""

    code = "carrier_refused"


class BadNumber(Invalid):
    """This is not a phone number. Ten digits are enough for a number of the United States (R148)."""

    code = "not_a_number"


class NumberTaken(Conflict):
    """This number is assigned already. End that assignment first (P71)."""

    code = "number_taken"


class NumberNotInAccount(Invalid):
    """This number is not in the carrier account. Check it for a wrong digit, or order it at the carrier first (R155)."""

    code = "number_not_in_account"


class TextingIsOff(Conflict):
    """The number is in the carrier account, but texting is not switched on for it. Confirm that it may be switched on at the carrier (Q17)."""

    code = "texting_is_off"


class MmsIsOff(Invalid):
    """This platform does not offer MMS. Choose SMS (R151)."""

    code = "mms_is_off"


class NotAsked(Conflict):
    """There is no question to answer for this number."""

    code = "not_asked"


class AlreadyAnswered(Conflict):
    """This question was answered already. Your provider can have you asked again."""

    code = "already_answered"


class NoAlertRecipient(Conflict):
    """No platform can be added: nobody with a login at this level receives alerts.

    Alerts tell you that a user did not agree to text, or that something around a platform went wrong, so somebody has to get them. Switch Send Alerts
    on for a portal user of the provider first (R126, R127).
    """

    code = "no_alert_recipient"


class LastAlertRecipient(Conflict):
    """Nobody would receive alerts any more, and there is a platform whose alerts somebody has to get.

    Switch Send Alerts on again, or set up another recipient at the provider's level first (R138, R139).
    """

    code = "last_alert_recipient"


class PlatformHasNumbers(Conflict):
    """This platform still has numbers. Confirm how many of them are to be deleted with it (R202)."""

    code = "platform_has_numbers"


class EndpointNotAllowed(Invalid):
    """This address is not one of the carrier's. Whoever runs Kererū can set it with kereru admin create-platform."""

    code = "endpoint_not_allowed"


class NotRetried(Conflict):
    """Only a number whose set-up failed can be tried again."""

    code = "not_failed"


class NothingSaved(Conflict):
    """There are no saved messages to delete for this number (R182)."""

    code = "nothing_saved"


class NoSuchProvider(NotFound):
    """There is no such provider, or you may not see it."""
