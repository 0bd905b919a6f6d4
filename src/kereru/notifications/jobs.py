"""From an event to mails in people's boxes: one job addresses them, one job each sends them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from functools import partial

from kereru.kernel.db import Database, ProviderScope, Transaction
from kereru.kernel.jobs import Backoff, GiveUp, Handler, JobKind, defer
from kereru.kernel.logging import get_logger
from kereru.kernel.metrics import counter
from kereru.kernel.settings import Settings
from kereru.notifications import smtp, store
from kereru.notifications.model import MailKind, Occasion, Recipient, Trouble, compose, compose_trouble
from kereru.provisioning.numbers.assigning import NUMBER_FAILED
from kereru.provisioning.opt_in.commands import OPT_IN_ALERT
from kereru.provisioning.opt_in.model import EventKind
from kereru.provisioning.platforms.alerts import PLATFORM_ALERT

SEND_MAIL = JobKind("notifications.send_mail", Backoff(first_s=5, factor=2, most_s=3600, tries=200))
"""Hand one mail to the mail server; ids: provider, mail. 200 tries last more than a week."""
_WAITING = 1
MAILS = counter("mails", "Mails by what became of them.", ("outcome",))
_log = get_logger("notifications")

SendMail = Callable[[EmailMessage, Settings], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class MailRoom:
    """What the jobs need. `database` has the role kereru_app; `send` is the way to the mail server."""

    database: Database
    settings: Settings
    send: SendMail = smtp.send


def handlers(room: MailRoom) -> dict[JobKind, Handler]:
    """What the worker needs to run them."""
    return {
        OPT_IN_ALERT: partial(alert_opt_in, room),
        NUMBER_FAILED: partial(alert_number_failed, room),
        PLATFORM_ALERT: partial(alert_platform, room),
        SEND_MAIL: partial(send_mail, room),
    }


async def alert_opt_in(room: MailRoom, ids: Mapping[str, int]) -> None:
    """Mail every portal account at provider level that gets alerts about a No or a first Cancel (R12, R13, R15, Q1)."""
    async with room.database.transaction(ProviderScope(ids["provider"])) as tx:
        kind = await store.event_kind(tx, ids["event"])
        if kind == EventKind.NO:
            await _address(tx, ids["provider"], MailKind.OPTED_OUT, ids["event"])
        elif kind == EventKind.CANCEL:
            await _address(tx, ids["provider"], MailKind.POSTPONED, ids["event"])


async def alert_number_failed(room: MailRoom, ids: Mapping[str, int]) -> None:
    """Mail the same people about a number that could not be set up (R141)."""
    async with room.database.transaction(ProviderScope(ids["provider"])) as tx:
        await _address(tx, ids["provider"], MailKind.NUMBER_FAILED, ids["assignment"])


async def alert_platform(room: MailRoom, ids: Mapping[str, int]) -> None:
    """Mail the same people about trouble around a platform: its account, a webhook, a number that nobody has (R141; bad input 68)."""
    async with room.database.transaction(ProviderScope(ids["provider"])) as tx:
        kind = await store.alert_kind(tx, ids["alert"])
        if kind is not None:
            await _address(tx, ids["provider"], MailKind(kind), ids["alert"])


async def send_mail(room: MailRoom, ids: Mapping[str, int]) -> None:
    """Hand one mail over, unless that was done. Raises MailDelayed to be tried again, GiveUp when the server refuses it for good."""
    scope = ProviderScope(ids["provider"])
    async with room.database.transaction(scope) as tx:
        message = await _message(tx, room.settings, ids["mail"])
    if message is None:
        return
    try:
        await room.send(message, room.settings)
    except (smtp.MailRefused, smtp.MailDelayed) as error:
        final = isinstance(error, smtp.MailRefused)
        MAILS.labels("refused" if final else "delayed").inc()
        async with room.database.transaction(scope) as tx:
            await store.troubled(tx, ids["mail"], str(error), final=final)
        if final:
            raise GiveUp(str(error)) from error
        raise
    MAILS.labels("sent").inc()
    async with room.database.transaction(scope) as tx:
        await store.sent(tx, ids["mail"])


async def _message(tx: Transaction, settings: Settings, mail_id: int) -> EmailMessage | None:
    """The mail as it is now; None when it was sent, or nobody is there any more to read it."""
    row = await store.mail(tx, mail_id)
    if row is not None and row.state == _WAITING:
        occasion = Occasion(
            mail_id=row.id, kind=MailKind(row.kind), e164=row.e164, friendly_name=row.friendly_name, user=row.user, user_email=row.user_email,
            group=row.group_name, provider=row.provider, at=row.at, problem=row.problem,
        )  # fmt: skip
        recipient = Recipient(row.recipient, row.email, row.timezone)
        return compose(occasion, recipient, sender=settings.mail_from, base_url=settings.base_url)
    row = await store.trouble_mail(tx, mail_id)
    if row is None or row.state != _WAITING:
        return None
    trouble = Trouble(
        mail_id=row.id, kind=MailKind(row.kind), platform=row.platform, carrier=row.carrier.title(), e164=row.e164, provider=row.provider, at=row.at,
        problem=row.problem,
    )  # fmt: skip
    return compose_trouble(trouble, Recipient(row.recipient, row.email, row.timezone), sender=settings.mail_from, base_url=settings.base_url)


async def _address(tx: Transaction, provider_id: int, kind: MailKind, subject_id: int) -> None:
    mails = await store.address(tx, kind, subject_id)
    if not mails:
        _log.warning("alert_without_new_recipient", kind=kind.name.lower())
    for mail_id in mails:
        await defer(tx, SEND_MAIL, provider=provider_id, mail=mail_id)
