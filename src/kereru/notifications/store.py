"""All SQL of notifications: a row per mail and recipient, and what a mail says, read when it is sent."""

from collections.abc import Sequence

from kereru.kernel.db import Row, Transaction
from kereru.notifications.model import MailKind

# R12: portal accounts at the provider's own level whose alerts are on. The mail is made once for each of them, however often the job runs.
_ADDRESS = """
INSERT INTO mail (provider_id, id, kind, subject_id, role_id)
SELECT r.provider_id, new_id(), %(kind)s, %(subject)s, r.id FROM portal_role r
JOIN sign_in s ON s.provider_id = r.provider_id AND s.id = r.sign_in_id AND s.disabled_at IS NULL
WHERE r.provider_id = scope_provider() AND r.level = 1 AND r.send_alerts
ORDER BY r.id
ON CONFLICT (provider_id, kind, subject_id, role_id) DO NOTHING RETURNING id
"""
_EVENT_KIND = "SELECT kind FROM opt_in_event WHERE provider_id = scope_provider() AND id = %(event)s"

_MAIL = """
SELECT m.id, m.kind, m.state, r.name AS recipient, s.email, coalesce(own.timezone, 'UTC') AS timezone, n.e164, a.friendly_name, u.name AS user,
  coalesce(us.email, '') AS user_email, g.name AS group_name, v.name AS provider, coalesce(e.at, a.started_at) AS at, a.problem
FROM mail m
JOIN portal_role r ON r.provider_id = m.provider_id AND r.id = m.role_id
JOIN sign_in s ON s.provider_id = r.provider_id AND s.id = r.sign_in_id
LEFT JOIN end_user own ON own.provider_id = s.provider_id AND own.sign_in_id = s.id
LEFT JOIN opt_in_event e ON m.kind IN (1, 2) AND e.provider_id = m.provider_id AND e.id = m.subject_id
JOIN assignment a ON m.kind IN (1, 2, 3) AND a.provider_id = m.provider_id AND a.id = coalesce(e.assignment_id, m.subject_id)
JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
LEFT JOIN sign_in us ON us.provider_id = u.provider_id AND us.id = u.sign_in_id
JOIN user_group g ON g.provider_id = u.provider_id AND g.id = u.group_id
JOIN provider v ON v.provider_id = m.provider_id
WHERE m.provider_id = scope_provider() AND m.id = %(mail)s
"""
_TROUBLE_MAIL = """
SELECT m.id, m.kind, m.state, r.name AS recipient, s.email, coalesce(own.timezone, 'UTC') AS timezone, p.name AS platform, p.carrier, t.e164,
  v.name AS provider, t.at, t.problem
FROM mail m
JOIN portal_role r ON r.provider_id = m.provider_id AND r.id = m.role_id
JOIN sign_in s ON s.provider_id = r.provider_id AND s.id = r.sign_in_id
LEFT JOIN end_user own ON own.provider_id = s.provider_id AND own.sign_in_id = s.id
JOIN alert t ON t.provider_id = m.provider_id AND t.id = m.subject_id AND t.kind = m.kind
JOIN platform p ON p.provider_id = t.provider_id AND p.id = t.platform_id
JOIN provider v ON v.provider_id = m.provider_id
WHERE m.provider_id = scope_provider() AND m.id = %(mail)s
"""


async def address(tx: Transaction, kind: MailKind, subject_id: int) -> Sequence[int]:
    """One mail for everybody who gets alerts and has none about this yet; their ids."""
    return [row.id for row in await tx.rows(_ADDRESS, {"kind": int(kind), "subject": subject_id})]


async def event_kind(tx: Transaction, event_id: int) -> int | None:
    """What kind of opt-in event this is."""
    return await tx.value(_EVENT_KIND, {"event": event_id})


async def alert_kind(tx: Transaction, alert_id: int) -> int | None:
    """What an alert is about."""
    return await tx.value("SELECT kind FROM alert WHERE provider_id = scope_provider() AND id = %(alert)s", {"alert": alert_id})


async def mail(tx: Transaction, mail_id: int) -> Row | None:
    """Everything a mail about a user's number says; None when its recipient is gone, or it is about something else."""
    return await tx.row(_MAIL, {"mail": mail_id})


async def trouble_mail(tx: Transaction, mail_id: int) -> Row | None:
    """The same of a mail about a platform."""
    return await tx.row(_TROUBLE_MAIL, {"mail": mail_id})


async def sent(tx: Transaction, mail_id: int) -> None:
    """The mail server has it."""
    await tx.run(
        "UPDATE mail SET state = 2, sent_at = app_now(), problem = '' WHERE provider_id = scope_provider() AND id = %(mail)s AND state = 1",
        {"mail": mail_id},
    )


async def troubled(tx: Transaction, mail_id: int, problem: str, *, final: bool) -> None:
    """It could not be handed over, for now or for good."""
    await tx.run(
        """UPDATE mail SET problem = %(problem)s, state = CASE WHEN %(final)s THEN 3 ELSE state END
        WHERE provider_id = scope_provider() AND id = %(mail)s AND state = 1""",
        {"mail": mail_id, "problem": problem, "final": final},
    )
