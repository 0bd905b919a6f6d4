"""All SQL of remote consent that people cause, and the calls by which batches of carriers tell of it (sql/0007_consent.sql)."""

from collections.abc import Sequence

from kereru.kernel.db import Row, Transaction

_LEARN = "SELECT provider_id, message_id FROM learn_stops(%(items)s::text::jsonb)"
_TELL = "SELECT feed_id, number FROM tell_consent(%(providers)s::bigint[], %(messages)s::bigint[], true)"

_HELD = """
SELECT c.id AS conversation_id, c.remote, a.id AS assignment_id, a.ended_at IS NULL AS live, n.e164, u.group_id, u.feed_id,
  coalesce(s.stopped, false) AS stopped, s.source
FROM conversation c
JOIN assignment a ON a.provider_id = c.provider_id AND a.id = c.assignment_id AND a.user_id = %(user)s
JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
LEFT JOIN remote_consent s ON s.provider_id = c.provider_id AND s.group_id = u.group_id AND s.remote = c.remote
WHERE c.provider_id = scope_provider() AND c.id = %(conversation)s AND c.last_message_id IS NOT NULL
"""
_STOP = """
INSERT INTO remote_consent AS c (provider_id, group_id, remote, stopped, source)
VALUES (scope_provider(), %(group)s, %(remote)s, true, 3)
ON CONFLICT (provider_id, group_id, remote) DO UPDATE SET stopped = true, source = 3, at = excluded.at WHERE NOT c.stopped
"""
_ALLOW = """
UPDATE remote_consent SET stopped = false, at = app_now()
WHERE provider_id = scope_provider() AND group_id = %(group)s AND remote = %(remote)s AND stopped AND source = 3
"""
# A row that is not stopped and holds HELP alone (its two times are one) says nothing against a STOP.
_CARRY_OVER = """
INSERT INTO remote_consent AS c (provider_id, group_id, remote, stopped, at, source)
SELECT s.provider_id, %(to)s, s.remote, true, s.at, s.source FROM remote_consent s
WHERE s.provider_id = scope_provider() AND s.group_id = %(from)s AND s.stopped AND EXISTS (
  SELECT 1 FROM assignment a JOIN conversation v ON v.provider_id = a.provider_id AND v.assignment_id = a.id AND v.remote = s.remote
  WHERE a.provider_id = s.provider_id AND a.user_id = %(user)s)
ORDER BY s.remote
ON CONFLICT (provider_id, group_id, remote) DO UPDATE SET stopped = true, at = excluded.at, source = excluded.source
  WHERE NOT c.stopped AND (c.at < excluded.at OR c.at BETWEEN c.helped_at AND c.helped_at + interval '1 second')
RETURNING c.remote
"""
_JUDGE = """
UPDATE message SET consent = %(mark)s, version = version + 1
WHERE provider_id = scope_provider() AND conversation_id = %(conversation)s AND id = ANY (%(messages)s) AND consent = 4 AND visibility = 0
RETURNING id, version
"""
_OPEN_WISHES = """
SELECT id FROM message WHERE provider_id = scope_provider() AND conversation_id = %(conversation)s AND consent = 4 AND visibility = 0
  AND id <= %(up_to)s AND id >= (SELECT oldest_kept())
"""
_ALIKE = """
SELECT u.feed_id, c.id AS conversation_id, c.version
FROM end_user u
JOIN assignment a ON a.provider_id = u.provider_id AND a.user_id = u.id
JOIN conversation c ON c.provider_id = a.provider_id AND c.assignment_id = a.id AND c.remote = %(remote)s AND c.last_message_id IS NOT NULL
WHERE u.provider_id = scope_provider() AND u.group_id = %(group)s ORDER BY u.feed_id, c.id
"""
_HELP = """
SELECT help_answer(g.provider_id, g.id) AS answer, coalesce(a.help_text, '') AS own, g.name
FROM user_group g LEFT JOIN consent_answer a ON a.provider_id = g.provider_id AND a.group_id = g.id
WHERE g.provider_id = scope_provider() AND g.id = %(group)s
"""
_SET_HELP = """
INSERT INTO consent_answer (provider_id, group_id, help_text) VALUES (scope_provider(), %(group)s, %(text)s)
ON CONFLICT (provider_id, group_id) DO UPDATE SET help_text = excluded.help_text
"""


async def learn(tx: Transaction, items: str) -> list[tuple[int, int]]:
    """Take a carrier's word (JSON list) for STOPs; the (provider, message) pairs by which that was news. Before the feeds' locks."""
    return [(row.provider_id, row.message_id) for row in await tx.rows(_LEARN, {"items": items})]


async def tell(tx: Transaction, news: Sequence[tuple[int, int]]) -> None:
    """Tell everybody of these messages' groups who texts with the same people; the last thing in a transaction."""
    if news:
        for row in await tx.rows(_TELL, {"providers": [provider for provider, _ in news], "messages": [message for _, message in news]}):
            tx.wake(row.feed_id, row.number)


async def held(tx: Transaction, user_id: int, conversation_id: int) -> Row | None:
    """A conversation that its owner sees, with how its other side's consent stands."""
    return await tx.row(_HELD, {"user": user_id, "conversation": conversation_id})


async def stop(tx: Transaction, group_id: int, remote: str) -> bool:
    """Somebody of the business says so; whether that is new."""
    return await tx.run(_STOP, {"group": group_id, "remote": remote}) == 1


async def allow(tx: Transaction, group_id: int, remote: str) -> bool:
    """Take back what somebody of the business said; a STOP of the person or the carrier stays. Whether anything changed."""
    return await tx.run(_ALLOW, {"group": group_id, "remote": remote}) == 1


async def numbers_of(tx: Transaction, user_id: int) -> list[int]:
    """The numbers that a user holds now."""
    rows = await tx.rows(
        "SELECT number_id FROM assignment WHERE provider_id = scope_provider() AND user_id = %(user)s AND ended_at IS NULL", {"user": user_id}
    )
    return [row.number_id for row in rows]


async def feed_of(tx: Transaction, user_id: int) -> int:
    """A user's feed."""
    return await tx.value("SELECT feed_id FROM end_user WHERE provider_id = scope_provider() AND id = %(user)s", {"user": user_id})


async def carry_over(tx: Transaction, user_id: int, from_group: int, to_group: int) -> list[str]:
    """STOPs of one group, by people who text with this user, stand in another group too; whose that is news there."""
    rows = await tx.rows(_CARRY_OVER, {"user": user_id, "from": from_group, "to": to_group})
    return [row.remote for row in rows]


async def open_wishes(tx: Transaction, conversation_id: int, up_to: int) -> list[int]:
    """The texts up to this one that wait for somebody's judgement."""
    return [row.id for row in await tx.rows(_OPEN_WISHES, {"conversation": conversation_id, "up_to": up_to})]


async def judge(tx: Transaction, conversation_id: int, messages: Sequence[int], mark: int) -> list[Row]:
    """Mark wishes as looked at: their ids and new versions."""
    return await tx.rows(_JUDGE, {"conversation": conversation_id, "messages": list(messages), "mark": mark})


async def alike(tx: Transaction, group_id: int, remote: str) -> list[Row]:
    """The conversations of a whole group with one remote number, by feed."""
    return await tx.rows(_ALIKE, {"group": group_id, "remote": remote})


async def help_answer(tx: Transaction, group_id: int) -> Row | None:
    """What a group answers to HELP, and its own words where it has any."""
    return await tx.row(_HELP, {"group": group_id})


async def set_help_answer(tx: Transaction, group_id: int, text: str) -> None:
    """Its own words from now on; empty: the usual ones."""
    await tx.run(_SET_HELP, {"group": group_id, "text": text})
