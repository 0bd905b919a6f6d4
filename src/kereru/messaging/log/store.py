"""All SQL of the message log.

A page never reads a week whole, however many texts it holds and however few are wanted. Where few conversations can be meant (a user's, a
group's, a number's), the newest of each are read by key. Otherwise the newest texts are looked at from the top, so many at a time, and the reader
goes on from there.
"""

from collections.abc import Mapping, Sequence

from kereru.kernel.db import Row, Transaction

CONVERSATIONS_MOST = 1000
"""Up to so many conversations are read one by one."""
LOOKED_AT = 10_000
"""So many texts are looked at for one page otherwise, by what they say themselves ..."""
LOOKED_AT_WITH_OWNER = 2_500
"""... or, which costs more, by whose they are and between which numbers."""

_JOINS = """
JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
JOIN user_group g ON g.provider_id = u.provider_id AND g.id = u.group_id
"""
_COLUMNS = """m.id, m.outbound, m.status, m.visibility, m.text, m.segments, m.kind, m.files, m.reason_code, m.reason,
  v.remote, n.e164, a.id AS assignment_id,
  u.id AS user_id, u.name AS user, g.id AS group_id, g.name AS group_name"""
_REACH = " AND (%(whole)s OR g.reseller_id = ANY (%(resellers)s) OR g.id = ANY (%(groups)s))"
AT: Mapping[str, str] = {
    "provider": "",
    "reseller": " AND g.reseller_id = %(place)s",
    "group": " AND g.id = %(place)s",
    "user": " AND u.id = %(place)s",
    "assignment": " AND a.id = %(place)s",
}
_WIDE = frozenset({"provider", "reseller"})
_TEXTS = """
  SELECT m.* FROM message m WHERE m.provider_id = scope_provider() AND {whose} m.id < %(before)s AND m.id >= %(since)s {wanted}
  ORDER BY m.id DESC LIMIT %(most)s"""
_BY_CONVERSATION = f"""
SELECT {_COLUMNS} FROM unnest(%(conversations)s::bigint[]) AS w (id)
JOIN conversation v ON v.provider_id = scope_provider() AND v.id = w.id
JOIN assignment a ON a.provider_id = v.provider_id AND a.id = v.assignment_id
{_JOINS}
CROSS JOIN LATERAL ({_TEXTS.format(whose="m.conversation_id = v.id AND", wanted="{wanted}")}) m
ORDER BY m.id DESC LIMIT %(limit)s
"""
# OFFSET keeps it one look by key for each text.
_FROM_THE_TOP = f"""
SELECT {_COLUMNS} FROM ({_TEXTS.format(whose="", wanted="")}) m
CROSS JOIN LATERAL (SELECT * FROM conversation WHERE provider_id = scope_provider() AND id = m.conversation_id OFFSET 0) v
JOIN assignment a ON a.provider_id = v.provider_id AND a.id = v.assignment_id
{_JOINS}
WHERE true {{wanted}} {_REACH} {{at}} ORDER BY m.id DESC LIMIT %(limit)s
"""
_BOTTOM = """
SELECT id FROM message WHERE provider_id = scope_provider() AND id < %(before)s AND id >= %(since)s ORDER BY id DESC OFFSET %(most)s - 1 LIMIT 1
"""
_CANDIDATES = f"""
SELECT v.id FROM assignment a
{_JOINS}
CROSS JOIN LATERAL ({{conversations}}) v
WHERE a.provider_id = scope_provider() {_REACH} {{at}} LIMIT %(candidates)s
"""
_OF_ASSIGNMENT = "SELECT id FROM conversation WHERE provider_id = a.provider_id AND assignment_id = a.id"
# By one number, ours or theirs; by both; by none.
_CONVERSATIONS = {
    0: f"{_OF_ASSIGNMENT} OFFSET 0",
    1: f"{_OF_ASSIGNMENT} AND n.e164 = %(one)s UNION ALL {_OF_ASSIGNMENT} AND n.e164 <> %(one)s AND remote = %(one)s OFFSET 0",
    2: f"{_OF_ASSIGNMENT} AND remote = CASE n.e164 WHEN %(one)s THEN %(other)s WHEN %(other)s THEN %(one)s END OFFSET 0",
}
# The same from the side of the numbers, where assignments are many: a provider's or a reseller's. Conversations with a remote number are found by
# the key (assignment, remote), skipping from one assignment to the next (PostgreSQL 18), or in one pass over that key.
_OWN = """SELECT v.id, v.assignment_id FROM number n
  JOIN assignment a ON a.provider_id = n.provider_id AND a.number_id = n.id
  JOIN conversation v ON v.provider_id = a.provider_id AND v.assignment_id = a.id {with_remote}
  WHERE n.provider_id = scope_provider() AND n.e164 = %({own})s"""
_REMOTE = "SELECT id, assignment_id FROM conversation WHERE provider_id = scope_provider() AND remote = %(one)s"
_FROM_NUMBERS = {
    1: f"{_OWN.format(own='one', with_remote='')} UNION {_REMOTE}",
    2: f"""{_OWN.format(own="one", with_remote="AND v.remote = %(other)s")}
  UNION {_OWN.format(own="other", with_remote="AND v.remote = %(one)s")}""",
}
_CANDIDATES_WIDE = f"""
SELECT v.id FROM ({{conversations}}) v
JOIN assignment a ON a.provider_id = scope_provider() AND a.id = v.assignment_id
{_JOINS}
WHERE true {_REACH} {{at}} LIMIT %(candidates)s
"""
_USER_BY_EMAIL = """
SELECT u.id FROM sign_in s JOIN end_user u ON u.provider_id = s.provider_id AND u.sign_in_id = s.id
WHERE s.provider_id = scope_provider() AND lower(s.email) = lower(%(email)s)
"""
_PLACE = f"""
SELECT g.reseller_id, g.id AS group_id, u.id AS user_id FROM message m
JOIN conversation v ON v.provider_id = m.provider_id AND v.id = m.conversation_id
JOIN assignment a ON a.provider_id = v.provider_id AND a.id = v.assignment_id
{_JOINS}
WHERE m.provider_id = scope_provider() AND m.id = %(message)s AND m.id >= %(since)s
"""


async def candidates(tx: Transaction, at: str, numbers: Sequence[str], params: Mapping[str, object]) -> list[int] | None:
    """The conversations that can be meant; None when they are too many to be read one by one."""
    pair = dict(zip(("one", "other"), numbers, strict=False))
    if numbers and at in _WIDE:
        statement = _CANDIDATES_WIDE.format(conversations=_FROM_NUMBERS[len(numbers)], at=AT[at])
    else:
        statement = _CANDIDATES.format(conversations=_CONVERSATIONS[len(numbers)], at=AT[at])
    rows = await tx.rows(statement, {**params, **pair, "candidates": CONVERSATIONS_MOST + 1})
    return [row.id for row in rows] if len(rows) <= CONVERSATIONS_MOST else None


async def by_conversation(tx: Transaction, conversations: Sequence[int], wanted: str, params: Mapping[str, object]) -> list[Row]:
    """The newest texts of these conversations. `wanted`: further conditions on `m`, `n` (our number) and `v` (the conversation)."""
    return await tx.rows(_BY_CONVERSATION.format(wanted=wanted), {**params, "conversations": list(conversations), "most": params["limit"]})


async def from_the_top(tx: Transaction, at: str, wanted: str, params: Mapping[str, object]) -> list[Row]:
    """What is wanted among the next so many texts (`most`) of the provider."""
    return await tx.rows(_FROM_THE_TOP.format(wanted=wanted, at=AT[at]), params)


async def bottom(tx: Transaction, params: Mapping[str, object]) -> int | None:
    """The last of the texts that `from_the_top` looks at; None when there are not so many."""
    return await tx.value(_BOTTOM, params)


async def user_by_email(tx: Transaction, email: str) -> int | None:
    """The user with this sign-in."""
    return await tx.value(_USER_BY_EMAIL, {"email": email})


async def place_of(tx: Transaction, message_id: int, since: int) -> Row | None:
    """Where in the tree a text's owner stands."""
    return await tx.row(_PLACE, {"message": message_id, "since": since})
