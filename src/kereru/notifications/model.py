"""What a mail is about and how it is written; pure. Names come from people, so nothing of them reaches a header unchecked (bad input 20)."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from enum import IntEnum
from functools import cache
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from kereru.carriers.numbering import display

HEADER_CHARACTERS = 200
_BLANKS = re.compile(r"\s+")


class MailKind(IntEnum):
    """What happened; the value is what the database stores."""

    OPTED_OUT = 1
    POSTPONED = 2
    NUMBER_FAILED = 3
    ACCOUNT_REFUSED = 4
    WEBHOOK_MISSING = 5
    UNKNOWN_NUMBER = 6
    WEBHOOKS_ASTRAY = 7

    @property
    def template(self) -> str:
        """The name of its two templates."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who reads it, and in which time zone (an IANA name)."""

    name: str
    email: str
    timezone: str


@dataclass(frozen=True, slots=True)
class Occasion:
    """What it is about: which number of whom, when (UTC), and what the carrier said where that matters."""

    mail_id: int
    kind: MailKind
    e164: str
    friendly_name: str
    user: str
    user_email: str
    group: str
    provider: str
    at: datetime
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What an alert about a platform says: which one, at which carrier, since when (UTC), which number where it is about one."""

    mail_id: int
    kind: MailKind
    platform: str
    carrier: str
    e164: str
    provider: str
    at: datetime
    problem: str = ""


def compose_trouble(trouble: Trouble, recipient: Recipient, *, sender: str, base_url: str) -> EmailMessage:
    """The whole mail about a platform, as `compose` writes those about a user's number."""
    words = {
        "number": display(trouble.e164, "US"),
        "platform": one_line(trouble.platform),
        "carrier": one_line(trouble.carrier),
        "provider": one_line(trouble.provider),
        "at": in_zone(trouble.at, recipient.timezone),
        "problem": one_line(trouble.problem),
        "base_url": base_url,
    }
    return write(Letter(trouble.mail_id, trouble.kind.template, trouble.at), recipient, words, sender=sender)


def compose(occasion: Occasion, recipient: Recipient, *, sender: str, base_url: str) -> EmailMessage:
    """The whole mail, plain text and HTML. The same mail always has the same Message-ID, so that a second copy is known as one."""
    words = {
        "number": display(occasion.e164, "US"),
        "name": one_line(occasion.friendly_name),
        "user": one_line(occasion.user),
        "user_email": occasion.user_email,
        "group": one_line(occasion.group),
        "provider": one_line(occasion.provider),
        "at": in_zone(occasion.at, recipient.timezone),
        "problem": one_line(occasion.problem),
        "base_url": base_url,
    }
    return write(Letter(occasion.mail_id, occasion.kind.template, occasion.at), recipient, words, sender=sender)


@dataclass(frozen=True, slots=True)
class Letter:
    """Which mail it is, the name of its templates, and when it was written (UTC)."""

    mail_id: int
    template: str
    at: datetime


def write(letter: Letter, recipient: Recipient, words: Mapping[str, str], *, sender: str) -> EmailMessage:
    """The whole mail from its templates. Nothing of `words` reaches a header but through the subject, which is made one line."""
    words = {**words, "recipient": one_line(recipient.name)}
    from_name, from_address = parseaddr(sender)
    message = EmailMessage(policy=SMTP)
    message["Subject"] = _header(_templates().get_template(f"{letter.template}.subject").render(words))
    message["From"] = _address(from_name, from_address)
    message["To"] = _address(recipient.name, recipient.email)
    message["Date"] = format_datetime(letter.at)
    message["Message-ID"] = f"<{letter.mail_id}.kereru@{from_address.rpartition('@')[2] or 'localhost'}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_templates().get_template(f"{letter.template}.txt").render(words))
    message.add_alternative(_templates().get_template(f"{letter.template}.html").render(words), subtype="html")
    return message


def one_line(text: str) -> str:
    """`text` without line breaks and control characters, which would end a header or hide words."""
    kept = "".join(" " if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else character for character in text)
    return _BLANKS.sub(" ", kept).strip()


def in_zone(at: datetime, timezone: str) -> str:
    """When it happened, as a person there reads it, with the zone."""
    local = at.astimezone(ZoneInfo(timezone))
    return f"{local.day} {local:%B %Y, %H:%M} ({timezone.replace('_', ' ')})"


def _header(text: str) -> str:
    return one_line(text)[:HEADER_CHARACTERS]


def _address(name: str, email: str) -> Address:
    user, _, domain = one_line(email).rpartition("@")
    return Address(_header(name), user, domain)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("kereru.notifications"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
