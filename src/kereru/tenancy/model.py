"""The tree of organisations and what a name or an e-mail address may be. No database here."""

import re
from enum import IntEnum
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from phonenumbers import SUPPORTED_REGIONS

from kereru.kernel.errors import FieldProblem, Invalid
from kereru.kernel.limits import NAME_GRAPHEMES
from kereru.kernel.names import as_name
from kereru.tenancy.errors import NotAName, NotAnEmail

EMAIL_CHARACTERS = 254
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})?")
_EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?)*")


class Level(IntEnum):
    """A level of the tree with a portal (R186); the value is what the database stores."""

    PROVIDER = 1
    RESELLER = 2
    GROUP = 3

    @property
    def word(self) -> str:
        """The name on the wire."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Self:
        """The level called `word`. Raises KeyError."""
        return cls[word.upper()]


class Path(msgspec.Struct, frozen=True):
    """Where something stands in one provider's tree: the organisations above it, itself included. None below its own level."""

    provider_id: int
    reseller_id: int | None = None
    group_id: int | None = None
    user_id: int | None = None


class NewProvider(msgspec.Struct, frozen=True):
    """A provider and the reseller "Direct" it starts with (design §7)."""

    provider_id: int
    direct_reseller_id: int


class NewUser(msgspec.Struct, frozen=True):
    """A user just made. `joined`: the e-mail had a sign-in already, whose password stays as it was."""

    id: int
    sign_in_id: int
    feed_id: int
    joined: bool


class NewPortalAccount(msgspec.Struct, frozen=True):
    """A portal account just made. `joined`: the e-mail had a sign-in already, whose password stays as it was."""

    id: int
    sign_in_id: int
    joined: bool


def clean_email(typed: str) -> str:
    """The address as it is kept: lower case, without blanks around it. Raises NotAnEmail for what cannot be one (bad inputs 20, 97)."""
    email = typed.strip().lower()
    if len(email) > EMAIL_CHARACTERS or not _EMAIL.fullmatch(email) or ".." in email:
        raise NotAnEmail(fields=(FieldProblem("email", NotAnEmail.code, "This is not an e-mail address we can use."),))
    return email


def clean_detail(typed: str, field: str) -> str:
    """A name or number people keep about a user, as it is kept; may be empty. Raises Invalid for what could be no name."""
    text = as_name(typed)
    if text is None:
        raise Invalid(fields=(FieldProblem(field, "not_a_detail", f"Use at most {NAME_GRAPHEMES} characters on one line."),))
    return text


def check_locale(region: str, timezone: str, language: str) -> None:
    """Raise Invalid for what is no country code, no time zone of the IANA database, or no language tag."""
    problems: list[FieldProblem] = []
    if region not in SUPPORTED_REGIONS:
        problems.append(FieldProblem("region", "not_a_region", "Give the country as two capital letters, like US."))
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        problems.append(FieldProblem("timezone", "not_a_timezone", "Give the time zone by its name, like America/New_York."))
    if not _LANGUAGE.fullmatch(language):
        problems.append(FieldProblem("language", "not_a_language", "Give the language by its code, like en or pt-BR."))
    if problems:
        raise Invalid(fields=tuple(problems))


def clean_name(typed: str, field: str = "name") -> str:
    """A name as it is kept (NFC). Raises NotAName when it is empty, too long, or holds control characters (bad inputs 10, 20, 23, 24)."""
    name = as_name(typed)
    if not name:
        words = f"Give it a name of 1 to {NAME_GRAPHEMES} characters on one line."
        raise NotAName(fields=(FieldProblem(field, NotAName.code, words),))
    return name
