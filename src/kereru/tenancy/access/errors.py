"""Why somebody does not get in. Words never tell which half was wrong, nor whether an address is known (bad input 95)."""

from kereru.kernel.errors import Invalid, TooMany, Unauthenticated


class WrongSignIn(Unauthenticated):
    """The e-mail address or the password is not right. Check both and try again."""

    code = "wrong_sign_in"


class CodeNeeded(Unauthenticated):
    """Enter the six-digit code of your authenticator app."""

    code = "code_needed"


class WrongCode(Unauthenticated):
    """This code is not right, or was used already. Wait for the next one and try again."""

    code = "wrong_code"


class TooManyTries(TooMany):
    """Too many tries to sign in. Wait a little, then try again."""

    code = "too_many_tries"


class WeakPassword(Invalid):
    """This password cannot be used. Choose one of 8 to 200 characters."""

    code = "weak_password"


class UnknownScope(Invalid):
    """An API key cannot be given this right."""

    code = "unknown_scope"
