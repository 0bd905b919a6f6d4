"""What hangs on users besides their sign-ins, for tenancy, which deletes users and asks first (tenancy.ports.Holdings)."""

from kereru.kernel.db import Transaction
from kereru.tenancy.model import Path

_BELOW = """
JOIN end_user u ON u.provider_id = x.provider_id AND u.id = x.user_id
JOIN user_group g ON g.provider_id = u.provider_id AND g.id = u.group_id
WHERE x.provider_id = %(provider_id)s AND (%(user_id)s::bigint IS NULL OR u.id = %(user_id)s)
  AND (%(group_id)s::bigint IS NULL OR g.id = %(group_id)s) AND (%(reseller_id)s::bigint IS NULL OR g.reseller_id = %(reseller_id)s)
"""
_NUMBERS = f"SELECT count(*) FROM assignment x {_BELOW} AND x.ended_at IS NULL"
_LICENCES = f"""
UPDATE licence l SET ends_at = app_now() FROM (SELECT x.provider_id, x.user_id FROM licence x {_BELOW}) gone
WHERE l.provider_id = gone.provider_id AND l.user_id = gone.user_id AND (l.ends_at IS NULL OR l.ends_at > app_now())
"""
PLACE_OF_ASSIGNMENT = """
SELECT g.reseller_id, g.id AS group_id, u.id AS user_id FROM assignment x
JOIN end_user u ON u.provider_id = x.provider_id AND u.id = x.user_id
JOIN user_group g ON g.provider_id = u.provider_id AND g.id = u.group_id WHERE x.provider_id = scope_provider() AND x.id = %(id)s
"""


class UserHoldings:
    """Numbers and licences of users."""

    async def count_numbers(self, tx: Transaction, path: Path) -> int:
        """How many numbers are assigned now to users at or below `path`."""
        return await tx.value(_NUMBERS, _params(path))

    async def end_licences(self, tx: Transaction, path: Path) -> int:
        """End the licences of everybody at or below `path`, who hold no numbers any more; answers how many there were."""
        return await tx.run(_LICENCES, _params(path))


async def place_of_assignment(tx: Transaction, provider_id: int, assignment_id: int) -> Path | None:
    """Where the user of an assignment stands, for the history log."""
    row = await tx.row(PLACE_OF_ASSIGNMENT, {"id": assignment_id})
    return None if row is None else Path(provider_id, **row._asdict())


def _params(path: Path) -> dict[str, object]:
    return {"provider_id": path.provider_id, "reseller_id": path.reseller_id, "group_id": path.group_id, "user_id": path.user_id}
