"""A mail server that keeps what it gets and sends nothing on.

Owns the SMTP side of the simulators. Promises: every mail is accepted, whoever it is for; the newest 500 can be read.
"""

import asyncio
import email
import email.policy
import time
from collections import deque
from collections.abc import Callable
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope, Session

from kereru.simulators.times import iso

KEPT = 500


class Mailbox:
    """The mails that came."""

    def __init__(self, clock: Callable[[], float] = time.time, changed: Callable[[], None] = lambda: None) -> None:
        self._mails: deque[dict[str, object]] = deque(maxlen=KEPT)
        self._clock = clock
        self._changed = changed
        self._serial = 0

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802, the name aiosmtpd calls
        """Take one mail (the hook that aiosmtpd calls)."""
        content = envelope.original_content or b""
        self.add(envelope.mail_from or "", [str(to) for to in envelope.rcpt_tos], content)
        return "250 Message accepted for delivery"

    def add(self, sender: str, recipients: list[str], content: bytes) -> None:
        """Keep one mail, its text and HTML parts taken out."""
        parsed = email.message_from_bytes(content, policy=email.policy.default)
        self._serial += 1
        self._mails.append(
            {
                "id": self._serial,
                "from": sender,
                "to": recipients,
                "subject": str(parsed["subject"] or ""),
                "text": _part(parsed, "plain"),
                "html": _part(parsed, "html"),
                "at": iso(self._clock()),
            }
        )
        self._changed()

    def newest_first(self) -> list[dict[str, object]]:
        """All kept mails."""
        return list(reversed(self._mails))

    def clear(self) -> None:
        """Forget all mails."""
        self._mails.clear()

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Start the mail server; port 0 takes a free one."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: SMTP(self, hostname="mail.simulator.example", enable_SMTPUTF8=True, loop=loop), host, port)


def _part(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body(preferencelist=(kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, UnicodeDecodeError):
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
