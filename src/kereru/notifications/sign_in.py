"""Mails about somebody's own sign-in: invitation, password reset, changed address. One job sends one, and makes its link (tenancy.access.mails)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from kereru.kernel.db import Database, ProviderScope
from kereru.kernel.jobs import GiveUp
from kereru.kernel.secrets import Sealer
from kereru.kernel.settings import Settings
from kereru.notifications import smtp
from kereru.notifications.jobs import MAILS, SendMail
from kereru.notifications.model import Letter, Recipient, in_zone, one_line, write
from kereru.tenancy.access.mails import MailKind, link_token

_WAITING = 1
_MAIL = """
SELECT m.id, m.kind, m.state, m.address, m.token_sealed, m.created_at, m.expires_at, i.email, v.name AS provider,
  m.used_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > app_now()) AS good, coalesce(u.timezone, 'UTC') AS timezone,
  coalesce((SELECT r.name FROM portal_role r WHERE r.provider_id = i.provider_id AND r.sign_in_id = i.id ORDER BY r.level LIMIT 1), u.name, '')
    AS name
FROM sign_in_mail m JOIN sign_in i ON i.provider_id = m.provider_id AND i.id = m.sign_in_id AND i.disabled_at IS NULL
JOIN provider v ON v.provider_id = m.provider_id
LEFT JOIN end_user u ON u.provider_id = i.provider_id AND u.sign_in_id = i.id
WHERE m.provider_id = scope_provider() AND m.id = %(mail)s FOR NO KEY UPDATE OF m
"""
# What opens the link is of no use to us once it is out.
_SENT = "UPDATE sign_in_mail SET state = 2, token_sealed = NULL, problem = '' WHERE provider_id = scope_provider() AND id = %(mail)s"
_TROUBLED = """
UPDATE sign_in_mail SET problem = %(problem)s, state = CASE WHEN %(final)s THEN 3 ELSE state END,
  token_sealed = CASE WHEN %(final)s THEN NULL ELSE token_sealed END
WHERE provider_id = scope_provider() AND id = %(mail)s
"""


@dataclass(frozen=True, slots=True)
class SignInMails:
    """What the job needs. `database` has the role kereru_app."""

    database: Database
    settings: Settings
    sealer: Sealer
    send: SendMail = smtp.send


async def send_sign_in_mail(room: SignInMails, ids: Mapping[str, int]) -> None:
    """Hand one mail over, unless that was done or its link is good no more. Raises MailDelayed to be tried again, GiveUp when refused for good."""
    scope = ProviderScope(ids["provider"])
    async with room.database.transaction(scope) as tx:
        row = await tx.row(_MAIL, {"mail": ids["mail"]})
        if row is None or row.state != _WAITING or not row.good:
            return
        kind = MailKind(row.kind)
        token = await link_token(tx, room.sealer, ids["provider"], row) if kind.has_link else None
    base = room.settings.base_url
    # Behind the #, which browsers keep to themselves: the token is in no log of a server between.
    link = f"{base}/portal/password#{token.reveal()}" if token else ""
    message = write(
        Letter(row.id, kind.word, row.created_at),
        Recipient(row.name or row.address, row.address, row.timezone),
        {
            "link": link,
            "until": _until(row.expires_at, row.timezone),
            "provider": one_line(row.provider),
            "email": one_line(row.email),
            "base_url": base,
        },
        sender=room.settings.mail_from,
    )
    try:
        await room.send(message, room.settings)
    except (smtp.MailRefused, smtp.MailDelayed) as error:
        final = isinstance(error, smtp.MailRefused)
        MAILS.labels("refused" if final else "delayed").inc()
        async with room.database.transaction(scope) as tx:
            await tx.run(_TROUBLED, {"mail": ids["mail"], "problem": str(error), "final": final})
        if final:
            raise GiveUp(str(error)) from error
        raise
    MAILS.labels("sent").inc()
    async with room.database.transaction(scope) as tx:
        await tx.run(_SENT, {"mail": ids["mail"]})


def _until(expires_at: datetime | None, timezone: str) -> str:
    return in_zone(expires_at, timezone) if expires_at else ""
