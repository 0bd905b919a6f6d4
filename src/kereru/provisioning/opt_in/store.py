"""All SQL of opt-in. `opt_in_event` is append-only: the role may insert and read, nothing else; each event is an entry of the evidence as well."""

from collections.abc import Sequence

from kereru.kernel.db import Row, Transaction
from kereru.provisioning.evidence import store as evidence
from kereru.provisioning.evidence.model import Event
from kereru.provisioning.opt_in.model import EventKind, OptIn, Witness

_AS_EVIDENCE = {
    EventKind.YES: Event.OPT_IN_ACCEPTED,
    EventKind.NO: Event.OPT_IN_DECLINED,
    EventKind.CANCEL: Event.OPT_IN_POSTPONED,
    EventKind.RESET: Event.OPT_IN_RESET,
    EventKind.NOT_ASKED_ANY_MORE: Event.OPT_IN_WAIVED,
}

_FACTS = """
SELECT a.id AS assignment_id, n.id AS number_id, u.feed_id, coalesce(o.state, 0) AS state, coalesce(o.postpone_mailed, false) AS postpone_mailed,
  p.mail_on_postpone, p.user_confirmation, p.id AS platform_id, l.user_id IS NOT NULL AS licensed
FROM assignment a
JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
JOIN platform p ON p.provider_id = n.provider_id AND p.id = n.platform_id
JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
LEFT JOIN licence l ON l.provider_id = a.provider_id AND l.user_id = a.user_id AND l.starts_at <= app_now()
  AND (l.ends_at IS NULL OR l.ends_at > app_now())
LEFT JOIN opt_in o ON o.provider_id = a.provider_id AND o.assignment_id = a.id
WHERE a.provider_id = scope_provider() AND a.ended_at IS NULL AND a.state = 4
"""
_PUT = """
INSERT INTO opt_in AS o (provider_id, assignment_id, state, opted_in_at, opted_out_at, postponed_at, postpone_mailed)
VALUES (scope_provider(), %(assignment)s, %(state)s, CASE WHEN %(state)s = 2 THEN app_now() END, CASE WHEN %(state)s = 3 THEN app_now() END,
  CASE WHEN %(state)s = 4 THEN app_now() END, %(mailed)s)
ON CONFLICT (provider_id, assignment_id) DO UPDATE SET state = excluded.state, opted_in_at = coalesce(excluded.opted_in_at, o.opted_in_at),
  opted_out_at = coalesce(excluded.opted_out_at, o.opted_out_at), postponed_at = coalesce(excluded.postponed_at, o.postponed_at),
  postpone_mailed = o.postpone_mailed OR excluded.postpone_mailed
"""
_EVENT = """
INSERT INTO opt_in_event (provider_id, id, assignment_id, kind, actor, address, agent)
VALUES (scope_provider(), new_id(), %(assignment)s, %(kind)s, %(actor)s, %(address)s, %(agent)s) RETURNING id
"""


async def of_user(tx: Transaction, user_id: int, number_id: int) -> Row | None:
    """The user's enabled assignment of a number with its opt-in, if it is his."""
    return await tx.row(_FACTS + " AND a.number_id = %(number)s AND a.user_id = %(user)s", {"number": number_id, "user": user_id})


async def of_assignment(tx: Transaction, assignment_id: int) -> Row | None:
    """The same for a live assignment."""
    return await tx.row(_FACTS + " AND a.id = %(assignment)s", {"assignment": assignment_id})


async def unanswered(tx: Transaction, platform_id: int) -> Sequence[Row]:
    """Enabled assignments of a platform whose question is open, in the order numbers are locked."""
    return await tx.rows(_FACTS + " AND p.id = %(platform)s AND o.state IN (1, 4) ORDER BY n.id", {"platform": platform_id})


async def of_platform(tx: Transaction, platform_id: int) -> Sequence[Row]:
    """Every enabled assignment of a platform, in the order numbers are locked."""
    return await tx.rows(_FACTS + " AND p.id = %(platform)s ORDER BY n.id", {"platform": platform_id})


async def put(tx: Transaction, assignment_id: int, state: OptIn, *, mailed: bool = False) -> None:
    """Store a state, and its time where it has one (R9, R11, R15). Earlier times stay."""
    await tx.run(_PUT, {"assignment": assignment_id, "state": int(state), "mailed": mailed})


async def drop(tx: Transaction, assignment_id: int) -> None:
    """No question any more (R19)."""
    await tx.run("DELETE FROM opt_in WHERE provider_id = scope_provider() AND assignment_id = %(assignment)s", {"assignment": assignment_id})


async def add_event(tx: Transaction, assignment_id: int, kind: EventKind, witness: Witness) -> int:
    """An event, and its entry in the evidence (R9, R11, R15, R20); the event's id."""
    await evidence.add(tx, _AS_EVIDENCE[kind], assignment_id, witness, {})
    values = {"assignment": assignment_id, "kind": int(kind), "actor": witness.actor, "address": witness.address, "agent": witness.agent}
    return await tx.value(_EVENT, values)


async def events(tx: Transaction, assignment_id: int) -> Sequence[Row]:
    """The evidence of one assignment, oldest first."""
    return await tx.rows(
        """SELECT id, kind, actor, address, agent, at FROM opt_in_event WHERE provider_id = scope_provider() AND assignment_id = %(assignment)s
        ORDER BY id""",
        {"assignment": assignment_id},
    )
