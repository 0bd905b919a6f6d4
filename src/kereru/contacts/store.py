"""All SQL of contacts. Every statement runs in a provider's scope and names the user: a row of somebody else is not found."""

from collections.abc import Sequence

import msgspec

from kereru.contacts.model import KINDS, Draft, Kind
from kereru.kernel.db import Row, Transaction
from kereru.tenancy.lists import Listing

# Each with whether it may be texted: any, or only those known to be mobile (R25).
_NUMBERS = """(SELECT coalesce(jsonb_agg(jsonb_build_array(n.number, n.kind, '', %(any_number)s OR known_mobile(c.provider_id, c.user_id, n.number))
    ORDER BY n.place), '[]') FROM contact_number n
  WHERE n.provider_id = c.provider_id AND n.contact_id = c.id)"""
_OWN = f"""
SELECT 1 AS source, c.id, c.name, c.organisation, c.email, c.note, {_NUMBERS} AS numbers FROM contact c
WHERE c.provider_id = scope_provider() AND c.user_id = %(user)s
"""
_COLLEAGUES = """
SELECT 3 AS source, u.id, u.name, '' AS organisation, '' AS email, '' AS note, (
  SELECT coalesce(jsonb_agg(jsonb_build_array(n.e164, 2, a.friendly_name, %(any_number)s OR known_mobile(u.provider_id, %(user)s, n.e164))
    ORDER BY a.id), '[]') FROM assignment a
  JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
  WHERE a.provider_id = u.provider_id AND a.user_id = u.id AND a.ended_at IS NULL AND a.state = 4) AS numbers
FROM end_user u
WHERE u.provider_id = scope_provider() AND u.group_id = %(group)s AND u.id <> %(user)s AND u.deleted_at IS NULL
"""
PEOPLE = Listing(
    f"""
    SELECT {{key}} AS sort_key, p.* FROM ({_OWN} AND %(own)s UNION ALL {_COLLEAGUES} AND %(colleagues)s) p
    WHERE (%(words)s = '%%%%' OR p.name ILIKE %(words)s OR p.organisation ILIKE %(words)s OR p.email ILIKE %(words)s
      OR p.numbers::text LIKE ANY (%(digits)s))
    """,
    "p.id",
    {"name": "lower(p.name)"},
)
"""Contacts and colleagues by name; `words` and `digits` are patterns of LIKE."""

_ADD = """
INSERT INTO contact (provider_id, user_id, name, organisation, email, note)
VALUES (scope_provider(), %(user)s, %(name)s, %(organisation)s, %(email)s, %(note)s) RETURNING id
"""
_CHANGE = """
UPDATE contact SET name = %(name)s, organisation = %(organisation)s, email = %(email)s, note = %(note)s
WHERE provider_id = scope_provider() AND id = %(contact)s AND user_id = %(user)s
"""
_DROP_NUMBERS = "DELETE FROM contact_number WHERE provider_id = scope_provider() AND contact_id = %(contact)s"
_ADD_NUMBERS = """
INSERT INTO contact_number (provider_id, contact_id, place, user_id, number, kind)
SELECT scope_provider(), %(contact)s, w.place, %(user)s, w.number, w.kind
FROM unnest(%(numbers)s::text[], %(kinds)s::smallint[]) WITH ORDINALITY AS w (number, kind, place)
"""
_ADD_MANY = """
WITH given AS MATERIALIZED (
  SELECT i.*, new_id() AS id FROM jsonb_to_recordset(%(items)s::text::jsonb) AS i (
    name text, organisation text, email text, note text, numbers jsonb)
), added AS (
  INSERT INTO contact (provider_id, id, user_id, name, organisation, email, note)
  SELECT scope_provider(), id, %(user)s, name, organisation, email, note FROM given
)
INSERT INTO contact_number (provider_id, contact_id, place, user_id, number, kind)
SELECT scope_provider(), g.id, w.place, %(user)s, w.pair ->> 0, (w.pair ->> 1)::smallint
FROM given g CROSS JOIN LATERAL jsonb_array_elements(g.numbers) WITH ORDINALITY AS w (pair, place)
"""
_DELETE = "DELETE FROM contact WHERE provider_id = scope_provider() AND id = %(contact)s AND user_id = %(user)s"
# Whoever adds to somebody's contacts holds his row, so that two imports at once do not bring everybody twice.
_HOLD = """
WITH held AS (SELECT id FROM end_user WHERE provider_id = scope_provider() AND id = %(user)s FOR NO KEY UPDATE)
SELECT count(*) FROM contact WHERE provider_id = scope_provider() AND user_id = (SELECT id FROM held)
"""
_KEEP_NAME = """
INSERT INTO found_name AS f (provider_id, user_id, number, source, directory, name, detail, mobile)
VALUES (scope_provider(), %(user)s, %(number)s, %(source)s, %(directory)s, %(name)s, %(detail)s, %(mobile)s)
ON CONFLICT (provider_id, user_id, number, source, directory)
DO UPDATE SET name = excluded.name, detail = excluded.detail, mobile = excluded.mobile, at = excluded.at
"""
_FORGET_NAME = """
DELETE FROM found_name WHERE provider_id = scope_provider() AND user_id = %(user)s AND number = %(number)s AND source = %(source)s
  AND directory = %(directory)s
"""
_SEEN = """
SELECT s.name, s.source, s.detail, known_mobile(u.provider_id, u.id, %(number)s) AS mobile FROM end_user u
LEFT JOIN LATERAL name_seen(u.provider_id, u.id, u.group_id, %(number)s) s ON true
WHERE u.provider_id = scope_provider() AND u.id = %(user)s
"""


async def one(tx: Transaction, user_id: int, contact_id: int, *, any_number: bool = True) -> Row | None:
    """A contact of the user's own."""
    return await tx.row(_OWN + " AND c.id = %(contact)s", {"user": user_id, "contact": contact_id, "any_number": any_number})


async def all_own(tx: Transaction, user_id: int) -> Sequence[Row]:
    """Every contact of the user's own, by name."""
    return await tx.rows(_OWN + " ORDER BY lower(c.name), c.id", {"user": user_id, "any_number": True})


async def hold(tx: Transaction, user_id: int) -> int:
    """Keep others from adding to this user's contacts until the transaction ends; how many there are."""
    return await tx.value(_HOLD, {"user": user_id})


async def add(tx: Transaction, user_id: int, draft: Draft) -> int:
    """A new contact; its id."""
    contact_id = await tx.value(_ADD, {"user": user_id, **_words(draft)})
    await _put_numbers(tx, user_id, contact_id, draft)
    return contact_id


async def add_many(tx: Transaction, user_id: int, drafts: Sequence[Draft]) -> None:
    """Many new contacts at once."""
    items = [{**_words(draft), "numbers": [(number, KINDS.index(kind) + 1) for number, kind in draft.numbers]} for draft in drafts]
    await tx.run(_ADD_MANY, {"user": user_id, "items": msgspec.json.encode(items).decode()})


async def change(tx: Transaction, user_id: int, contact_id: int, draft: Draft) -> None:
    """Replace a contact of the user's own."""
    await tx.run(_CHANGE, {"user": user_id, "contact": contact_id, **_words(draft)})
    await tx.run(_DROP_NUMBERS, {"contact": contact_id})
    await _put_numbers(tx, user_id, contact_id, draft)


async def delete(tx: Transaction, user_id: int, contact_id: int) -> None:
    """Delete a contact of the user's own."""
    await tx.run(_DELETE, {"user": user_id, "contact": contact_id})


async def keep_name(tx: Transaction, params: dict[str, object]) -> None:
    """Keep what a directory answered for one viewer and number."""
    await tx.run(_KEEP_NAME, params)


async def forget_name(tx: Transaction, params: dict[str, object]) -> None:
    """The directory does not know the number (any more)."""
    await tx.run(_FORGET_NAME, params)


async def seen(tx: Transaction, user_id: int, number: str) -> Row | None:
    """The best name of a number in this user's eyes."""
    return await tx.row(_SEEN, {"user": user_id, "number": number})


def draft_of(row: Row) -> Draft:
    """A stored contact."""
    numbers: tuple[tuple[str, Kind], ...] = tuple((number, kind_of(kind)) for number, kind, *_ in row.numbers)
    return Draft(row.name, row.organisation, row.email, row.note, numbers)


def kind_of(stored: int) -> Kind:
    """A number's type from its stored value."""
    return KINDS[stored - 1]


async def _put_numbers(tx: Transaction, user_id: int, contact_id: int, draft: Draft) -> None:
    numbers, kinds = [number for number, _ in draft.numbers], [KINDS.index(kind) + 1 for _, kind in draft.numbers]
    await tx.run(_ADD_NUMBERS, {"user": user_id, "contact": contact_id, "numbers": numbers, "kinds": kinds})


def _words(draft: Draft) -> dict[str, object]:
    return {"name": draft.name, "organisation": draft.organisation, "email": draft.email, "note": draft.note}
