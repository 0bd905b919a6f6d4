"""All SQL of search. Both statements run in a provider's scope and name the user; what they answer are ids, to be read as everything is read."""

from collections.abc import Sequence

from kereru.kernel.db import Row, Transaction

# Whose texts: the user's, also of numbers that are no longer his (Q28).
_TEXTS = """
SELECT search_asked(%(asked)s) AS words, ARRAY(SELECT * FROM search_texts(scope_provider(), ARRAY(
  SELECT id FROM assignment WHERE provider_id = scope_provider() AND user_id = %(user)s
), %(conversation)s, %(asked)s, %(before)s, %(since)s, %(limit)s)) AS found
"""
# Numbers are found among the conversations; names where they are kept, and only then whether that is the name that is shown.
_PEOPLE = """
WITH asked AS MATERIALIZED (
  SELECT ARRAY(SELECT '%% ' || word || '%%' FROM unnest(search_asked(%(asked)s)) AS word) AS names
), named AS MATERIALIZED (
  SELECT n.number FROM contact c
  JOIN contact_number n ON n.provider_id = c.provider_id AND n.contact_id = c.id
  WHERE c.provider_id = scope_provider() AND c.user_id = %(user)s AND ' ' || search_form(c.name) LIKE ALL ((SELECT names FROM asked)::text[])
  UNION
  SELECT n.e164 FROM end_user u
  JOIN assignment a ON a.provider_id = u.provider_id AND a.user_id = u.id AND a.ended_at IS NULL
  JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
  WHERE u.provider_id = scope_provider() AND u.group_id = %(group)s AND u.id <> %(user)s AND u.deleted_at IS NULL
    AND ' ' || search_form(u.name) LIKE ALL ((SELECT names FROM asked)::text[])
  UNION
  SELECT f.number FROM found_name f
  WHERE f.provider_id = scope_provider() AND f.user_id = %(user)s AND ' ' || search_form(f.name) LIKE ALL ((SELECT names FROM asked)::text[])
)
SELECT c.id FROM assignment a
JOIN conversation c ON c.provider_id = a.provider_id AND c.assignment_id = a.id AND c.last_message_id >= %(since)s
WHERE a.provider_id = scope_provider() AND a.user_id = %(user)s AND (
  c.remote LIKE ANY (%(digits)s)
  OR cardinality((SELECT names FROM asked)) > 0 AND (
    left(c.remote, 1) <> '+' AND ' ' || search_form(c.remote) LIKE ALL ((SELECT names FROM asked)::text[])
    OR c.remote = ANY (ARRAY(SELECT number FROM named)) AND EXISTS (
      SELECT 1 FROM name_seen(c.provider_id, a.user_id, %(group)s, c.remote) s
      WHERE ' ' || search_form(s.name) LIKE ALL ((SELECT names FROM asked)::text[]))))
ORDER BY c.last_message_id DESC LIMIT %(limit)s
"""


async def texts(tx: Transaction, user_id: int, conversation_id: int | None, asked: str, *, before: int, since: int, limit: int) -> Row:
    """`words` that were asked for, and `found`: the ids of the user's texts with them, newest first."""
    params = {"user": user_id, "conversation": conversation_id, "asked": asked, "before": before, "since": since, "limit": limit}
    return await tx.row(_TEXTS, params)


async def people(tx: Transaction, user_id: int, group_id: int, asked: str, digits: Sequence[str], *, since: int, limit: int) -> list[int]:
    """The ids of the user's conversations with whom the name or number means, newest first. `digits`: patterns of LIKE."""
    params = {"user": user_id, "group": group_id, "asked": asked, "digits": list(digits), "since": since, "limit": limit}
    return [row.id for row in await tx.rows(_PEOPLE, params)]
