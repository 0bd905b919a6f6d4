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


class RoleTaken(Conflict):
    """This person has that portal account already."""

    code = "role_taken"


class WrongScope(KereruError):
    """A provider can only be made outside of every other provider."""

    code = "wrong_scope"
