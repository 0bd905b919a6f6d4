"""The SQL of organisations in the portal. Counts never include what was deleted."""

from kereru.tenancy.lists import Listing

_BY_NAME = {"name": "lower(o.name)", "created": "''::text"}
_FOUND = "(%(q)s = '' OR strpos(lower(o.name), lower(%(q)s)) > 0)"

PROVIDER = """
SELECT o.provider_id AS id, o.name, o.demands_second_factor,
  (SELECT count(*) FROM reseller r WHERE r.provider_id = o.provider_id AND r.deleted_at IS NULL) AS resellers,
  (SELECT count(*) FROM user_group g WHERE g.provider_id = o.provider_id AND g.deleted_at IS NULL) AS groups,
  (SELECT count(*) FROM end_user u WHERE u.provider_id = o.provider_id AND u.deleted_at IS NULL) AS users,
  (SELECT count(*) FROM portal_role p WHERE p.provider_id = o.provider_id) AS portal_accounts
FROM provider o WHERE o.provider_id = %(provider_id)s
"""
_RESELLERS = """
SELECT o.id, o.name, o.demands_second_factor, {key} AS sort_key,
  (SELECT count(*) FROM user_group g WHERE g.provider_id = o.provider_id AND g.reseller_id = o.id AND g.deleted_at IS NULL) AS groups,
  (SELECT count(*) FROM user_group g JOIN end_user u ON u.provider_id = g.provider_id AND u.group_id = g.id AND u.deleted_at IS NULL
   WHERE g.provider_id = o.provider_id AND g.reseller_id = o.id AND g.deleted_at IS NULL) AS users,
  (SELECT count(*) FROM portal_role p WHERE p.provider_id = o.provider_id AND (p.organisation_id = o.id OR p.organisation_id IN (
    SELECT g.id FROM user_group g WHERE g.provider_id = o.provider_id AND g.reseller_id = o.id AND g.deleted_at IS NULL))) AS portal_accounts
FROM reseller o WHERE o.provider_id = %(provider_id)s AND o.deleted_at IS NULL
"""
_GROUPS = """
SELECT o.id, o.name, o.reseller_id, r.name AS reseller, o.demands_second_factor, {key} AS sort_key,
  (SELECT count(*) FROM end_user u WHERE u.provider_id = o.provider_id AND u.group_id = o.id AND u.deleted_at IS NULL) AS users,
  (SELECT count(*) FROM portal_role p WHERE p.provider_id = o.provider_id AND p.organisation_id = o.id) AS portal_accounts
FROM user_group o JOIN reseller r ON r.provider_id = o.provider_id AND r.id = o.reseller_id
WHERE o.provider_id = %(provider_id)s AND o.deleted_at IS NULL
"""
RESELLER = _RESELLERS.format(key="''::text") + " AND o.id = %(id)s"
GROUP = _GROUPS.format(key="''::text") + " AND o.id = %(id)s"
RESELLERS = Listing(f"{_RESELLERS} AND (%(whole)s OR o.id = ANY(%(resellers)s)) AND {_FOUND}", "o.id", _BY_NAME)
GROUPS = Listing(
    f"""{_GROUPS} AND (%(whole)s OR o.reseller_id = ANY(%(resellers)s) OR o.id = ANY(%(groups)s))
  AND (%(reseller)s::bigint IS NULL OR o.reseller_id = %(reseller)s) AND {_FOUND}""",
    "o.id",
    {**_BY_NAME, "reseller": "lower(r.name)"},
)

TREE_RESELLERS = """
SELECT r.id, r.name FROM reseller r WHERE r.provider_id = %(provider_id)s AND r.deleted_at IS NULL AND (%(whole)s OR r.id = ANY(%(resellers)s))
ORDER BY lower(r.name), r.id
"""
TREE_GROUPS = """
SELECT g.id, g.reseller_id, g.name, count(u.id) AS users FROM user_group g
LEFT JOIN end_user u ON u.provider_id = g.provider_id AND u.group_id = g.id AND u.deleted_at IS NULL
WHERE g.provider_id = %(provider_id)s AND g.deleted_at IS NULL
  AND (%(whole)s OR g.reseller_id = ANY(%(resellers)s) OR g.id = ANY(%(groups)s))
GROUP BY g.provider_id, g.id ORDER BY lower(g.name), g.id
"""

SET_PROVIDER = """
UPDATE provider SET name = %(name)s, demands_second_factor = %(demands_second_factor)s WHERE provider_id = %(provider_id)s
"""
SET_RESELLER = """
UPDATE reseller SET name = %(name)s, demands_second_factor = %(demands_second_factor)s
WHERE provider_id = %(provider_id)s AND id = %(id)s AND deleted_at IS NULL
"""
SET_GROUP = """
UPDATE user_group SET name = %(name)s, demands_second_factor = %(demands_second_factor)s, reseller_id = %(reseller_id)s
WHERE provider_id = %(provider_id)s AND id = %(id)s AND deleted_at IS NULL
"""
LOCK_PROVIDER = "SELECT name, demands_second_factor FROM provider WHERE provider_id = %(provider_id)s AND provider_id = %(id)s FOR NO KEY UPDATE"
LOCK_RESELLER = """
SELECT name, demands_second_factor FROM reseller
WHERE provider_id = %(provider_id)s AND id = %(id)s AND deleted_at IS NULL FOR NO KEY UPDATE
"""
LOCK_GROUP = """
SELECT g.name, g.demands_second_factor, g.reseller_id, r.name AS reseller FROM user_group g
JOIN reseller r ON r.provider_id = g.provider_id AND r.id = g.reseller_id
WHERE g.provider_id = %(provider_id)s AND g.id = %(id)s AND g.deleted_at IS NULL FOR NO KEY UPDATE OF g
"""

DELETE_RESELLER = "UPDATE reseller SET deleted_at = app_now() WHERE provider_id = %(provider_id)s AND id = %(id)s"
DELETE_GROUPS = """
UPDATE user_group SET deleted_at = app_now()
WHERE provider_id = %(provider_id)s AND deleted_at IS NULL AND reseller_id = %(reseller_id)s AND (%(group_id)s::bigint IS NULL OR id = %(group_id)s)
RETURNING id
"""
