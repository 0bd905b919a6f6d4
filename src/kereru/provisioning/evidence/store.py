"""All SQL of the evidence."""

from collections.abc import Sequence

import msgspec

from kereru.kernel.db import Row, Transaction
from kereru.provisioning.evidence.model import Event
from kereru.provisioning.opt_in.model import Witness

_ADD = """
SELECT add_evidence(scope_provider(), %(event)s, %(assignment)s, %(actor)s, %(address)s, %(agent)s, %(details)s::json)
"""
_SUBJECT = """
SELECT n.e164, a.friendly_name, u.id AS user_id, u.name AS user, coalesce(s.email, '') AS email, g.name AS group_name
FROM assignment a
JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
LEFT JOIN sign_in s ON s.provider_id = u.provider_id AND s.id = u.sign_in_id -- none: the user was deleted
JOIN user_group g ON g.provider_id = u.provider_id AND g.id = u.group_id
WHERE a.provider_id = scope_provider() AND a.id = %(assignment)s
"""
_PAGE = """
SELECT e.number, e.at, e.event, e.assignment_id, e.body, e.hash FROM evidence e
LEFT JOIN assignment a ON a.provider_id = e.provider_id AND a.id = e.assignment_id
LEFT JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
LEFT JOIN user_group g ON g.provider_id = u.provider_id AND g.id = u.group_id
WHERE e.provider_id = scope_provider() AND e.number < %(before)s AND (%(assignment)s::bigint IS NULL OR e.assignment_id = %(assignment)s)
  AND (%(whole)s OR g.reseller_id = ANY (%(resellers)s) OR g.id = ANY (%(groups)s))
ORDER BY e.number DESC LIMIT %(limit)s
"""


async def add(tx: Transaction, event: Event, assignment_id: int | None, witness: Witness, details: dict[str, object]) -> int:
    """Add an entry to the provider's chain, with whom and which number it is about; its number in the chain."""
    about: dict[str, object] = {}
    row = None if assignment_id is None else await tx.row(_SUBJECT, {"assignment": assignment_id})
    if row is not None:
        user = {"id": str(row.user_id), "name": row.user, "email": row.email, "group": row.group_name}
        about = {"phone_number": row.e164, "friendly_name": row.friendly_name, "user": user}
    return await tx.value(
        _ADD,
        {
            "event": event.value, "assignment": assignment_id, "actor": witness.actor, "address": witness.address, "agent": witness.agent,
            "details": msgspec.json.encode({**about, **details}).decode(),
        },
    )  # fmt: skip


async def page(tx: Transaction, reach: dict[str, object], assignment_id: int | None, *, before: int, limit: int) -> Sequence[Row]:
    """Entries within somebody's reach, newest first, below the number `before`."""
    return await tx.rows(_PAGE, {**reach, "assignment": assignment_id, "before": before, "limit": limit})


async def head(tx: Transaction) -> Row | None:
    """Name of the provider, length and last hash of its chain; None without any entry."""
    return await tx.row(
        """SELECT v.name, h.number, h.hash, app_now() AS now FROM provider v
        LEFT JOIN evidence_head h ON h.provider_id = v.provider_id WHERE v.provider_id = scope_provider()"""
    )


async def stretch(tx: Transaction, after: int, until: int, limit: int) -> Sequence[Row]:
    """Entries after `after` up to `until`, oldest first."""
    return await tx.rows(
        """SELECT number, body, previous_hash, hash FROM evidence
        WHERE provider_id = scope_provider() AND number > %(after)s AND number <= %(until)s ORDER BY number LIMIT %(limit)s""",
        {"after": after, "until": until, "limit": limit},
    )
