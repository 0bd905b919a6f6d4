"""The list of numbers at every level (R173 to R178): what is searched, in which order it stands, page by page."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kereru.kernel.db import Row, Transaction
from kereru.kernel.errors import FieldProblem, Invalid
from kereru.kernel.paging import BadCursor
from kereru.tenancy.policy import Reach

State = Literal["live", "past", "all"]
ListLevel = Literal["provider", "reseller", "group", "user"]

# How each order compares; all of one row's own columns, so that a page goes on from a row's id alone.
_SORTS: Mapping[str, str] = {
    "number": "n.e164",
    "friendly_name": "lower(coalesce(nullif(a.friendly_name, ''), n.e164))",
    "user": "lower(u.name)",
    "group": "lower(g.name)",
    "platform": "lower(p.name)",
    "messaging_type": "(CASE WHEN p.mms THEN coalesce(a.messaging_type, 2) ELSE 1 END)",
    "state": "a.state",
    "opt_in": "coalesce(o.state, 0)",
    "started": "a.started_at",
    "ended": "coalesce(a.ended_at, '9999-01-01 00:00+00')",
}
DEFAULT_SORT = "number"
SORTS = tuple(sorted([*_SORTS, *(f"-{name}" for name in _SORTS)]))

_FROM = """
FROM assignment a
JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
JOIN platform p ON p.provider_id = n.provider_id AND p.id = n.platform_id
JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
LEFT JOIN sign_in s ON s.provider_id = u.provider_id AND s.id = u.sign_in_id -- none: the user was deleted
JOIN user_group g ON g.provider_id = u.provider_id AND g.id = u.group_id
JOIN reseller r ON r.provider_id = g.provider_id AND r.id = g.reseller_id
LEFT JOIN opt_in o ON o.provider_id = a.provider_id AND o.assignment_id = a.id
WHERE a.provider_id = scope_provider() AND (%(whole)s OR g.reseller_id = ANY (%(resellers)s) OR g.id = ANY (%(groups)s))
"""
_SELECT = """
SELECT a.id, n.id AS number_id, n.e164, a.friendly_name, a.messaging_type AS own_type,
  CASE WHEN p.mms THEN coalesce(a.messaging_type, 2) ELSE 1 END AS type,
  n.hook_state, n.hook_looked_at,
  a.user_can_block AS own_block, coalesce(a.user_can_block, p.user_can_block) AS block, a.state, a.problem, a.problem_code, a.started_at, a.ended_at,
  u.id AS user_id, u.name AS user, coalesce(s.email, '') AS email, g.id AS group_id, g.name AS group_name, r.id AS reseller_id,
  r.name AS reseller_name,
  p.id AS platform_id, p.name AS platform_name, p.carrier, p.mms AS platform_mms, p.user_can_block AS platform_block, p.endpoints,
  p.user_confirmation, p.ended_at IS NOT NULL AS platform_ended, coalesce(o.state, 0) AS opt_in, o.opted_in_at, o.opted_out_at, o.postponed_at
"""
_WHERE: Mapping[str, str] = {
    "live": " AND a.ended_at IS NULL",
    # What was never set up is no past assignment, only a try.
    "past": " AND a.ended_at IS NOT NULL AND a.state <> 5",
    "all": " AND (a.ended_at IS NULL OR a.state <> 5)",
}
_AT: Mapping[str, str] = {
    "provider": " AND a.provider_id = %(organisation)s",
    "reseller": " AND g.reseller_id = %(organisation)s",
    "group": " AND g.id = %(organisation)s",
    "user": " AND u.id = %(organisation)s",
}
# Found in scans of what is narrow, before anything is joined: all joined first costs three times as much (docs/reference/performance.md, portal).
_SEARCH = """
 AND a.id = ANY (ARRAY(
  SELECT l.id FROM number o JOIN assignment l ON l.provider_id = o.provider_id AND l.number_id = o.id
  WHERE o.provider_id = (SELECT scope_provider()) AND o.e164 LIKE %(digits)s
  UNION
  SELECT l.id FROM assignment l WHERE l.provider_id = (SELECT scope_provider()) AND lower(l.friendly_name) LIKE lower(%(words)s)
  UNION
  SELECT l.id FROM (
    SELECT e.id FROM end_user e WHERE e.provider_id = (SELECT scope_provider()) AND lower(e.name) LIKE lower(%(words)s)
    UNION
    SELECT e.id FROM sign_in i JOIN end_user e ON e.provider_id = i.provider_id AND e.sign_in_id = i.id
    WHERE i.provider_id = (SELECT scope_provider()) AND lower(i.email) LIKE lower(%(words)s)) h
  JOIN assignment l ON l.provider_id = (SELECT scope_provider()) AND l.user_id = h.id))
"""
_NUMBER_LIKE = re.compile(r"[0-9+().\-/ *]*[0-9][0-9+().\-/ *]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Search:
    """What was asked for. `organisation`: of the level named; `after`: the last assignment of the page before."""

    level: ListLevel | None = None
    organisation: int | None = None
    q: str = ""
    state: State = "live"
    sort: str = DEFAULT_SORT
    after: int | None = None
    limit: int = 50


def searched(q: str) -> str:
    """What is looked for, with the wildcards that were put around it (R176); empty for everything."""
    core = q.strip().strip("*").strip()
    return f"*{core}*" if core else ""


def patterns(q: str) -> tuple[str, str]:
    """(for the number, for words) in SQL's own signs. What looks like a number is found however it is written: (201) 555-0110, 2015550110."""
    shown = searched(q)
    words = re.sub(r"([\\%_])", r"\\\1", shown).replace("*", "%")
    if not _NUMBER_LIKE.fullmatch(shown):
        return "", words
    return re.sub(r"[^0-9%]", "", words), words


async def entries(tx: Transaction, reach: Reach, search: Search) -> Sequence[Row]:
    """One page. Raises Invalid for an unknown order, BadCursor when the page before ended with something that is gone."""
    name = search.sort.removeprefix("-")
    if name not in _SORTS:
        words = f"The list can be sorted by {', '.join(sorted(_SORTS))}, each also with - before it."
        raise Invalid(fields=(FieldProblem("sort", "unknown_sort", words),))
    key, down = _SORTS[name], search.sort.startswith("-")
    condition = _condition(search)
    params = _params(reach, search)
    if search.after is not None:
        found = await tx.row(f"SELECT {key} AS value {_FROM} AND a.id = %(after)s", params)
        if found is None:
            raise BadCursor
        params["value"] = found.value
        condition += f" AND ({key}, a.id) {'<' if down else '>'} (%(value)s, %(after)s)"
    direction = "DESC" if down else "ASC"
    return await tx.rows(f"{_SELECT}{_FROM}{condition} ORDER BY {key} {direction}, a.id {direction} LIMIT %(limit)s", params)


async def entry(tx: Transaction, reach: Reach, assignment_id: int) -> Row | None:
    """One assignment within somebody's reach, whatever became of it."""
    return await tx.row(f"{_SELECT}{_FROM} AND a.id = %(id)s", {**reach.params(), "id": assignment_id})


async def user_within(tx: Transaction, reach: Reach, user_id: int) -> bool:
    """Whether there is such a user within somebody's reach."""
    found = await tx.value(
        """SELECT 1 FROM end_user u JOIN user_group g ON g.provider_id = u.provider_id AND g.id = u.group_id
        WHERE u.provider_id = scope_provider() AND u.id = %(user)s AND u.deleted_at IS NULL
          AND (%(whole)s OR g.reseller_id = ANY (%(resellers)s) OR g.id = ANY (%(groups)s))""",
        {**reach.params(), "user": user_id},
    )
    return found is not None


def _condition(search: Search) -> str:
    at = "" if search.level is None or search.organisation is None else _AT[search.level]
    return _WHERE[search.state] + at + (_SEARCH if searched(search.q) else "")


def _params(reach: Reach, search: Search) -> dict[str, object]:
    digits, words = patterns(search.q)
    return {
        **reach.params(), "organisation": search.organisation, "digits": digits, "words": words, "after": search.after, "limit": search.limit,
    }  # fmt: skip
