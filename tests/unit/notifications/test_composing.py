"""Mails as written, without a server (R13, R15, R145; bad input 20)."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest

from kereru.notifications.model import MailKind, Occasion, Recipient, Trouble, compose, compose_trouble, in_zone, one_line

AT = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)


def occasion(**changes: object) -> Occasion:
    words: dict = {
        "mail_id": 7, "kind": MailKind.OPTED_OUT, "e164": "+12015550110", "friendly_name": "Front desk", "user": "Ana Torres",
        "user_email": "ana@bluedoor.example", "group": "Café Mira", "provider": "Southern Phone Co.", "at": AT, "problem": "no",
    }  # fmt: skip
    return Occasion(**(words | changes))


def written(what: Occasion, recipient: Recipient | None = None):
    message = compose(
        what,
        recipient or Recipient("Olive Park", "olive@southern.example", "UTC"),
        sender="Kererū <kereru@phone.example>",
        base_url="https://phone.example",
    )
    return message_from_bytes(message.as_bytes(), policy=default)


_TROUBLES = (MailKind.ACCOUNT_REFUSED, MailKind.WEBHOOK_MISSING, MailKind.UNKNOWN_NUMBER, MailKind.WEBHOOKS_ASTRAY)


@pytest.mark.parametrize("kind", _TROUBLES)
def test_trouble_around_a_platform(kind: MailKind) -> None:
    """R141: which platform, which number, since when, what was said and what to do, in both parts; names write no header and no markup."""
    trouble = Trouble(7, kind, "Main\r\nBcc: thief@elsewhere.example", "Restcomm", "+12015550110", "Southern <b>Phone</b> Co.", AT, "401 refused")
    recipient = Recipient("Olive Park", "olive@southern.example", "UTC")
    mail = compose_trouble(trouble, recipient, sender="Kererū <kereru@phone.example>", base_url="https://phone.example")
    read = message_from_bytes(mail.as_bytes(), policy=default)
    assert read["To"].addresses[0].addr_spec == "olive@southern.example"
    assert "Bcc" not in read
    for part in ("plain", "html"):
        text = read.get_body((part,)).get_content()
        words = ["Restcomm", "Main Bcc: thief@elsewhere.example", "1 July 2026, 22:30 (UTC)", "https://phone.example"]
        words += ["(201) 555-0110"] if kind not in (MailKind.ACCOUNT_REFUSED, MailKind.WEBHOOKS_ASTRAY) else []
        words += ["401 refused"] if kind is not MailKind.UNKNOWN_NUMBER else []
        assert [word for word in words if word not in text] == []
        assert "{{" not in text
    assert "<b>Phone</b>" not in read.get_body(("html",)).get_content()


@pytest.mark.parametrize("kind", [kind for kind in MailKind if kind not in _TROUBLES])
def test_both_parts_name_number_user_and_time(kind: MailKind) -> None:
    """R13: the number and the user it is assigned to, in plain text and in HTML; nothing was left unfilled."""
    mail = written(occasion(kind=kind))
    for part in ("plain", "html"):
        text = mail.get_body((part,)).get_content()
        for word in ("(201) 555-0110", "Ana Torres", "Café Mira", "1 July 2026, 22:30 (UTC)", "https://phone.example"):
            assert word in text
        assert "{{" not in text
    assert mail["From"].addresses[0].display_name == "Kererū"
    assert mail["Message-ID"] == "<7.kereru@phone.example>"
    assert mail["Auto-Submitted"] == "auto-generated"


def test_postponed_is_told_apart_from_no() -> None:
    """Q1: the mail of a Cancel says postponed, and that it is no No."""
    mail = written(occasion(kind=MailKind.POSTPONED))
    assert "postponed" in mail["Subject"]
    assert "not a No" in mail.get_body(("plain",)).get_content()


@pytest.mark.parametrize("evil", ["A\r\nBcc: x@evil.example", "A\nB", "A\x00B", "A\u2028B", "A\x0b\x0cB", '"><b>', "Ана 🙂" * 200])
def test_no_name_ends_a_header(evil: str) -> None:
    """Bad input 20, also in the friendly name and in the recipient's own."""
    mail = written(occasion(user=evil, friendly_name=evil, group=evil), Recipient(evil, "olive@southern.example", "UTC"))
    assert mail["Bcc"] is None
    assert [address.addr_spec for address in mail["To"].addresses] == ["olive@southern.example"]
    assert "<b>" not in mail.get_body(("html",)).get_content().replace("<b>(201) 555-0110</b>", "").replace("<b>No</b>", "")


def test_the_zone_is_the_readers() -> None:
    """R145: daylight saving included; a day that is another one there is."""
    assert in_zone(AT, "Pacific/Auckland") == "2 July 2026, 10:30 (Pacific/Auckland)"
    assert in_zone(AT, "America/New_York") == "1 July 2026, 18:30 (America/New York)"


def test_one_line_keeps_what_can_be_read() -> None:
    """Line breaks, direction marks and blanks become one blank."""
    assert one_line("  Zoë\r\n\tO’Neil \u202e(x)  ") == "Zoë O’Neil (x)"
