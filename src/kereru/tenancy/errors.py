"""What can go wrong with organisations and people."""

from kereru.kernel.errors import Conflict, Invalid, KereruError, NotFound


class NotAnEmail(Invalid):
    """This is not an e-mail address we can use. Write it like name@example.com."""

    code = "not_an_email"


class NotAName(Invalid):
    """This name cannot be used. Choose one of up to 64 characters on one line."""

    code = "not_a_name"


class NoSuchOrganisation(NotFound):
    """There is no such organisation, or you may not see it."""


class NoSuchPerson(NotFound):
    """There is nobody with this sign-in, or you may not see them."""


class NameTaken(Conflict):
    """There is one with this name already. Choose another name."""

    code = "name_taken"


class EmailTaken(Conflict):
    """This e-mail address is in use already. Use another one."""

    code = "email_taken"


class ExternalIdTaken(Conflict):
    """Another user has this user id or MAC address already. Each can belong to one user only; correct it here, or at the other user first."""

    code = "external_id_taken"


class HasNumbers(Conflict):
    """There are numbers below. Delete them first, since each one's webhook has to be taken back at its carrier."""

    code = "has_numbers"


class NameNotTyped(Invalid):
    """To delete this, type its name exactly as it is shown."""

    code = "name_not_typed"


class OwnAccount(Conflict):
    """This is your own portal account. Somebody else has to do this, so that you do not lock yourself out."""

    code = "own_account"


class BelongsHigher(Conflict):
    """This person also has an account outside of what you manage. Somebody who manages all of them can change this."""

    code = "belongs_higher"


class HasPassword(Conflict):
    """This person has set a password already, so there is nothing to be invited to. Start a password reset instead."""

    code = "has_password"


class RoleTaken(Conflict):
    """This person has that portal account already."""

    code = "role_taken"


class WrongScope(KereruError):
    """A provider can only be made outside of every other provider."""

    code = "wrong_scope"


class HistoryBroken(Conflict):
    """The history log is not as it was written."""

    code = "history_broken"
