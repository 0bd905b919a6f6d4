"""Writes what a remote party, or their carrier, says about texts into the evidence: STOP or START, to which number, and when (R20, G35).

The hot paths only leave a row (0004_witnessing.sql), for the end of the evidence's chain may be held by somebody who deletes messages; a job takes it
from there a moment later. The evidence outlives what is deleted, so it names the other party by the last digits only (P57).
"""

from collections.abc import Mapping

from kereru.kernel.db import Database, ProviderScope, Row, Transaction
from kereru.kernel.jobs import JobKind
from kereru.messaging.blocking.model import ending
from kereru.messaging.model import STOPPED_BY
from kereru.provisioning.evidence.commands import witness_event
from kereru.provisioning.evidence.model import Event
from kereru.provisioning.opt_in.model import Witness

WITNESS_CONSENT = JobKind("messaging.witness_consent")
"""Write a change of consent into the evidence; ids: provider, event."""

_TAKE = """
DELETE FROM consent_event e USING user_group g, remote_consent c
WHERE e.provider_id = scope_provider() AND e.id = %(event)s AND g.provider_id = e.provider_id AND g.id = e.group_id
  AND c.provider_id = e.provider_id AND c.group_id = e.group_id AND c.remote = e.remote
RETURNING e.group_id, e.remote, e.stopped, e.at, g.name AS group_name, CASE WHEN c.at = e.at THEN c.source END AS source
"""
# To which of the group's numbers it was said: the one that has the newest text with this party by then.
_NUMBER = """
SELECT v.assignment_id FROM end_user u
JOIN assignment a ON a.provider_id = u.provider_id AND a.user_id = u.id
JOIN conversation v ON v.provider_id = a.provider_id AND v.assignment_id = a.id AND v.remote = %(remote)s
CROSS JOIN LATERAL (
  SELECT m.id FROM message m WHERE m.provider_id = v.provider_id AND m.conversation_id = v.id AND m.id < lowest_id(%(at)s + interval '1 minute')
    AND m.id >= lowest_id(%(at)s - interval '7 days') ORDER BY m.id DESC LIMIT 1) newest
WHERE u.provider_id = scope_provider() AND u.group_id = %(group)s ORDER BY newest.id DESC LIMIT 1
"""


async def witness_consent(database: Database, ids: Mapping[str, int]) -> None:
    """The job WITNESS_CONSENT; done twice is done once, since it takes the row away."""
    async with database.transaction(ProviderScope(ids["provider"])) as tx:
        row: Row | None = await tx.row(_TAKE, {"event": ids["event"]})
        if row is not None:
            await _write(tx, row)


async def _write(tx: Transaction, row: Row) -> None:
    assignment: int | None = await tx.value(_NUMBER, {"remote": row.remote, "group": row.group_id, "at": row.at})
    remote = ending(row.remote)
    event = Event.REMOTE_STOPPED if row.stopped else Event.REMOTE_STARTED
    group = {"id": str(row.group_id), "name": row.group_name}
    by = {} if row.source is None else {"by": STOPPED_BY[row.source]}
    said_at = row.at.isoformat(timespec="milliseconds")
    await witness_event(tx, event, assignment, Witness(remote), remote=remote, group=group, said_at=said_at, **by)
