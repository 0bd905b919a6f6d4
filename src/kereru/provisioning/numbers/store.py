"""All SQL of numbers and assignments."""

from collections.abc import Mapping, Sequence

from kereru.kernel.db import Row, Transaction
from kereru.provisioning.numbers.model import UNDER_WAY, AssignmentState, HookState

_OWNER = """
SELECT u.name, g.name AS group_name, a.state FROM number n
JOIN assignment a ON a.provider_id = n.provider_id AND a.number_id = n.id AND a.ended_at IS NULL
JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
JOIN user_group g ON g.provider_id = u.provider_id AND g.id = u.group_id
WHERE n.provider_id = scope_provider() AND n.e164 = %(e164)s
"""
_NUMBER = """
INSERT INTO number (provider_id, id, platform_id, e164) VALUES (scope_provider(), new_id(), %(platform)s, %(e164)s)
ON CONFLICT (provider_id, platform_id, e164) DO UPDATE SET platform_id = excluded.platform_id RETURNING id
"""
_ASSIGNMENT = """
INSERT INTO assignment (provider_id, id, number_id, user_id, friendly_name, messaging_type, user_can_block, enable_confirmed, state)
VALUES (scope_provider(), new_id(), %(number)s, %(user)s, %(friendly_name)s, %(type)s, %(user_can_block)s, %(enable_confirmed)s, %(state)s)
RETURNING id
"""
_FACTS = """
SELECT a.provider_id, a.id, a.number_id, a.user_id, a.state, a.problem, a.problem_code, a.started_at, a.ended_at, app_now() - a.started_at AS age,
  a.friendly_name, a.messaging_type, a.user_can_block, a.enable_confirmed, p.mms AND coalesce(a.messaging_type, 2) = 2 AS mms,
  u.feed_id, u.name AS user, n.e164, n.carrier_ref, n.hook_secret_sealed, n.hook_state, n.platform_id, p.name AS platform_name, p.user_confirmation,
  p.mms AS platform_mms
FROM assignment a
JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
JOIN platform p ON p.provider_id = n.provider_id AND p.id = n.platform_id
JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
WHERE a.provider_id = scope_provider()
"""
_LIST = """
SELECT a.id, n.id AS number_id, n.e164, a.friendly_name, u.id AS user_id, u.name AS user, p.id AS platform_id, p.carrier, a.state, a.problem,
  coalesce(o.state, 0) AS opt_in, a.started_at, a.ended_at
FROM assignment a
JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
JOIN platform p ON p.provider_id = n.provider_id AND p.id = n.platform_id
JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
LEFT JOIN opt_in o ON o.provider_id = a.provider_id AND o.assignment_id = a.id
WHERE a.provider_id = scope_provider() AND (%(past)s OR a.ended_at IS NULL) ORDER BY a.id
"""


async def lock_e164(tx: Transaction, e164: str) -> None:
    """Serialise who assigns this number within the provider, on whichever platform."""
    await tx.run("SELECT pg_advisory_xact_lock(hashtextextended('assign ' || scope_provider() || ' ' || %(e164)s, 3))", {"e164": e164})


async def present_owner(tx: Transaction, e164: str) -> Row | None:
    """Who holds the number now, on any of the provider's platforms."""
    return await tx.row(_OWNER, {"e164": e164})


async def put_number(tx: Transaction, platform_id: int, e164: str) -> int:
    """The number's row, made if need be and held until the commit; its id."""
    return await tx.value(_NUMBER, {"platform": platform_id, "e164": e164})


async def put_secret(tx: Transaction, number_id: int, sealed: bytes) -> None:
    """The secret the number's webhooks will carry."""
    await tx.run(
        "UPDATE number SET hook_secret_sealed = %(sealed)s WHERE provider_id = scope_provider() AND id = %(id)s",
        {"id": number_id, "sealed": sealed},
    )


async def insert(tx: Transaction, values: Mapping[str, object]) -> int:
    """A new live assignment; its id."""
    return await tx.value(_ASSIGNMENT, values)


async def facts(tx: Transaction, assignment_id: int) -> Row | None:
    """An assignment with its number, platform and owner."""
    return await tx.row(_FACTS + " AND a.id = %(id)s", {"id": assignment_id})


async def live_of_number(tx: Transaction, number_id: int) -> Row | None:
    """The same for a number's live assignment."""
    return await tx.row(_FACTS + " AND a.number_id = %(number)s AND a.ended_at IS NULL", {"number": number_id})


async def enabled_of_platform(tx: Transaction, platform_id: int) -> Sequence[Row]:
    """The same for all numbers of a platform that are in use."""
    return await tx.rows(_FACTS + " AND n.platform_id = %(platform)s AND a.ended_at IS NULL AND a.state = 4 ORDER BY n.id", {"platform": platform_id})


async def live_of_platform(tx: Transaction, platform_id: int) -> Sequence[Row]:
    """The same for all live assignments of a platform, however far they are set up, in the order numbers are locked."""
    return await tx.rows(_FACTS + " AND n.platform_id = %(platform)s AND a.ended_at IS NULL ORDER BY n.id", {"platform": platform_id})


async def among(tx: Transaction, assignment_ids: Sequence[int]) -> Sequence[Row]:
    """The same for these assignments, in the order numbers are locked."""
    return await tx.rows(_FACTS + " AND a.id = ANY (%(ids)s::bigint[]) ORDER BY n.id", {"ids": list(assignment_ids)})


async def number(tx: Transaction, number_id: int) -> Row | None:
    """A number as such."""
    return await tx.row(
        "SELECT id, platform_id, e164, carrier_ref FROM number WHERE provider_id = scope_provider() AND id = %(id)s", {"id": number_id}
    )


async def set_state(
    tx: Transaction,
    assignment_id: int,
    state: AssignmentState,
    *,
    problem: str = "",
    code: str = "",
    over: bool = False,
    of: Sequence[AssignmentState] = UNDER_WAY,
) -> bool:
    """Move a live assignment on, with why in words and as a code; `over` ends it as well. Whether it stood at one of `of` still.

    Two jobs, or a job and a person, may be at it at once: whoever comes second finds it settled and changes nothing.
    """
    changed = await tx.run(
        """UPDATE assignment SET state = %(state)s, problem = %(problem)s, problem_code = %(code)s, ended_at = CASE WHEN %(over)s THEN app_now() END
        WHERE provider_id = scope_provider() AND id = %(id)s AND ended_at IS NULL AND state = ANY (%(of)s::smallint[])""",
        {"id": assignment_id, "state": int(state), "problem": problem, "code": code, "over": over, "of": [int(one) for one in of]},
    )
    return changed == 1


async def change(tx: Transaction, assignment_id: int, values: Mapping[str, object]) -> None:
    """What a person may change of a live assignment, all of it: friendly_name, messaging_type, user_can_block."""
    await tx.run(
        """UPDATE assignment SET friendly_name = %(friendly_name)s, messaging_type = %(messaging_type)s, user_can_block = %(user_can_block)s
        WHERE provider_id = scope_provider() AND id = %(id)s AND ended_at IS NULL""",
        {**values, "id": assignment_id},
    )


async def withdraw(tx: Transaction, assignment_id: int) -> None:
    """Undo a request that never went further than a question to a person."""
    await tx.run("DELETE FROM assignment WHERE provider_id = scope_provider() AND id = %(id)s AND state <= 2", {"id": assignment_id})


async def end(tx: Transaction, assignment_id: int) -> bool:
    """End an assignment now; whether it was live."""
    return (
        await tx.run(
            "UPDATE assignment SET ended_at = app_now() WHERE provider_id = scope_provider() AND id = %(id)s AND ended_at IS NULL",
            {"id": assignment_id},
        )
        == 1
    )


async def put_carrier_ref(tx: Transaction, number_id: int, carrier_ref: str) -> None:
    """The webhook was set just now; what the carrier wants named when it is removed."""
    await tx.run(
        """UPDATE number SET carrier_ref = %(ref)s, hook_state = %(ours)s, hook_looked_at = app_now()
        WHERE provider_id = scope_provider() AND id = %(id)s""",
        {"id": number_id, "ref": carrier_ref, "ours": int(HookState.OURS)},
    )


async def put_hook_states(tx: Transaction, states: Mapping[int, HookState]) -> None:
    """How the webhooks of these numbers stand, as was just seen."""
    await tx.run(
        """WITH seen AS (SELECT * FROM unnest(%(ids)s::bigint[], %(states)s::smallint[]) AS s (id, state)), held AS (
          SELECT n.id FROM number n WHERE n.provider_id = scope_provider() AND n.id IN (SELECT id FROM seen) ORDER BY n.id FOR NO KEY UPDATE)
        UPDATE number n SET hook_state = s.state, hook_looked_at = app_now() FROM held h JOIN seen s ON s.id = h.id
        WHERE n.provider_id = scope_provider() AND n.id = h.id""",
        {"ids": list(states), "states": [int(state) for state in states.values()]},
    )


async def clear_webhook(tx: Transaction, number_id: int) -> None:
    """No webhook is set at the carrier, and no secret is good any more."""
    await tx.run(
        """UPDATE number SET carrier_ref = '', hook_secret_sealed = NULL, hook_state = 0, hook_looked_at = NULL
        WHERE provider_id = scope_provider() AND id = %(id)s""",
        {"id": number_id},
    )


async def entries(tx: Transaction, *, past: bool) -> Sequence[Row]:
    """The list of numbers, with ended assignments where `past`."""
    return await tx.rows(_LIST, {"past": past})
