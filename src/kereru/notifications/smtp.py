"""The way to the mail server."""

import ssl
from email.message import EmailMessage

import aiosmtplib
from aiosmtplib.errors import SMTPRecipientRefused, SMTPRecipientsRefused, SMTPResponseException

from kereru.kernel.settings import Settings

DEADLINE_S = 20.0
_FOR_GOOD = 500


class MailRefused(Exception):
    """The mail server will not take this mail, however often it is offered."""


class MailDelayed(Exception):
    """The mail server could not be reached, or asks to come again."""


async def send(message: EmailMessage, settings: Settings) -> None:
    """Hand one mail to the configured server. Raises MailRefused, MailDelayed; their words hold no secret."""
    try:
        await aiosmtplib.send(
            message,
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_user or None,
            password=settings.smtp_password or None,
            start_tls=settings.smtp_starttls,
            tls_context=ssl.create_default_context(cafile=settings.ca_bundle) if settings.smtp_starttls and settings.ca_bundle else None,
            timeout=DEADLINE_S,
        )
    except SMTPRecipientsRefused as error:
        refused: list[SMTPRecipientRefused] = error.recipients
        words = "; ".join(f"{one.code} {one.message}" for one in refused)[:500]
        raise (MailRefused if all(one.code >= _FOR_GOOD for one in refused) else MailDelayed)(words) from error
    except aiosmtplib.SMTPAuthenticationError as error:
        # A person mends this; the mail waits for it.
        raise MailDelayed("the mail server does not accept our user name and password") from error
    except SMTPResponseException as error:
        words = f"{error.code} {error.message}"[:500]
        raise (MailRefused if error.code >= _FOR_GOOD else MailDelayed)(words) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise MailDelayed(f"the mail server cannot be reached ({type(error).__name__})") from error
