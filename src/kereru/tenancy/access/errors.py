"""Why somebody does not get in. Words never tell which half was wrong, nor whether an address is known (bad input 95)."""

from kereru.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooMany, Unauthenticated


class WrongSignIn(Unauthenticated):
    """The e-mail address or the password is not right. Check both and try again."""

    code = "wrong_sign_in"


class CodeNeeded(Unauthenticated):
    """Enter the six-digit code of your authenticator app."""

    code = "code_needed"


class WrongCode(Unauthenticated):
    """This code is not right, or was used already. Wait for the next one and try again."""

    code = "wrong_code"


class SecondFactorNeeded(Forbidden):
    """Your organisation asks for a second factor, and you have none yet. Set one up: start the set-up, enter the key that is shown in an
    authenticator app on your phone, then sign in with the six-digit code of the app.
    """

    code = "second_factor_needed"


class SecondFactorSet(Conflict):
    """There is a second factor already. Remove it first, then set up the new one."""

    code = "second_factor_set"


class SecondFactorNotBegun(Conflict):
    """Nothing is being set up. Start the set-up of a second factor first."""

    code = "second_factor_not_begun"


class SecondFactorDemanded(Conflict):
    """Your organisation asks for a second factor, so it cannot be removed. Somebody who manages your account can reset it if you lost it."""

    code = "second_factor_demanded"


class LinkNotGood(NotFound):
    """This link is not good. Each link can be used once, within a day. Ask for a new one."""

    code = "link_not_good"


class NoSuchSession(NotFound):
    """There is no such session, or it has ended."""


class NoSuchApiKey(NotFound):
    """There is no such API key, or it has ended."""


class TooManyTries(TooMany):
    """Too many tries to sign in. Wait a little, then try again."""

    code = "too_many_tries"


class WeakPassword(Invalid):
    """This password cannot be used. Choose one of 8 to 200 characters."""

    code = "weak_password"


class UnknownScope(Invalid):
    """An API key cannot be given this right."""

    code = "unknown_scope"
