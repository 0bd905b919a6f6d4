"""The SQL of users and portal accounts in the portal."""

from kereru.tenancy.lists import Listing

_USERS = """
SELECT u.id, u.name, i.email, u.group_id, g.name AS group_name, g.reseller_id, r.name AS reseller, u.external_id, u.computer_name,
  u.external_reference, u.region, u.exclude_leading_zero, u.language, u.timezone, u.any_number, i.id AS sign_in_id, i.password_hash = '' AS invited,
  i.totp_sealed IS NOT NULL AS second_factor, i.disabled_at IS NOT NULL AS disabled, {key} AS sort_key
FROM end_user u JOIN sign_in i ON i.provider_id = u.provider_id AND i.id = u.sign_in_id
JOIN user_group g ON g.provider_id = u.provider_id AND g.id = u.group_id
JOIN reseller r ON r.provider_id = g.provider_id AND r.id = g.reseller_id
WHERE u.provider_id = %(provider_id)s AND u.deleted_at IS NULL
"""
USER = _USERS.format(key="''::text") + " AND u.id = %(id)s"
LOCK_USER = f"{USER} FOR NO KEY UPDATE OF u, i"
_WITHIN = f"""{_USERS} AND (%(whole)s OR g.reseller_id = ANY(%(resellers)s) OR g.id = ANY(%(groups)s))
  AND (%(reseller)s::bigint IS NULL OR g.reseller_id = %(reseller)s) AND (%(group)s::bigint IS NULL OR g.id = %(group)s)"""
_USER_KEYS = {
    "name": "lower(u.name)",
    "email": "i.email",
    "external_id": "lower(u.external_id)",
    "computer_name": "lower(u.computer_name)",
    "group": "lower(g.name)",
    "created": "''::text",
}
USERS = Listing(_WITHIN, "u.id", _USER_KEYS)
# Found in scans of what is narrow, before anything is joined (docs/reference/performance.md, portal).
USERS_NAMED = Listing(
    f"""{_WITHIN} AND u.id = ANY (ARRAY(
  SELECT e.id FROM end_user e WHERE e.provider_id = %(provider_id)s
    AND strpos(lower(concat_ws(E'\\n', e.name, e.external_id, e.computer_name, e.external_reference)), lower(%(q)s)) > 0
  UNION
  SELECT e.id FROM sign_in s JOIN end_user e ON e.provider_id = s.provider_id AND e.sign_in_id = s.id
  WHERE s.provider_id = %(provider_id)s AND strpos(lower(s.email), lower(%(q)s)) > 0))""",
    "u.id",
    _USER_KEYS,
)
SET_USER = """
UPDATE end_user SET name = %(name)s, external_id = %(external_id)s, computer_name = %(computer_name)s, external_reference = %(external_reference)s,
  region = %(region)s, exclude_leading_zero = %(exclude_leading_zero)s, language = %(language)s, timezone = %(timezone)s,
  any_number = %(any_number)s
WHERE provider_id = %(provider_id)s AND id = %(id)s
"""

MOVE_USER = "UPDATE end_user SET group_id = %(group_id)s WHERE provider_id = %(provider_id)s AND id = %(id)s"

_ACCOUNTS = """
SELECT p.id, p.name, i.email, p.level, p.organisation_id, coalesce(g.name, s.name, v.name) AS organisation,
  coalesce(g.reseller_id, s.id) AS reseller_id, g.id AS group_id, p.send_technical, p.send_alerts, p.send_invoices, p.send_licence_expiry,
  i.id AS sign_in_id, i.password_hash = '' AS invited, i.totp_sealed IS NOT NULL AS second_factor, i.disabled_at IS NOT NULL AS disabled,
  {key} AS sort_key
FROM portal_role p JOIN sign_in i ON i.provider_id = p.provider_id AND i.id = p.sign_in_id
LEFT JOIN provider v ON p.level = 1 AND v.provider_id = p.provider_id
LEFT JOIN reseller s ON p.level = 2 AND s.provider_id = p.provider_id AND s.id = p.organisation_id
LEFT JOIN user_group g ON p.level = 3 AND g.provider_id = p.provider_id AND g.id = p.organisation_id
WHERE p.provider_id = %(provider_id)s
"""
ACCOUNT = _ACCOUNTS.format(key="''::text") + " AND p.id = %(id)s"
LOCK_ACCOUNT = f"{ACCOUNT} FOR NO KEY UPDATE OF p, i"
ACCOUNTS = Listing(
    f"""{_ACCOUNTS} AND (%(whole)s OR coalesce(g.reseller_id, s.id) = ANY(%(resellers)s) OR g.id = ANY(%(groups)s))
  AND (%(level)s::smallint IS NULL OR p.level = %(level)s) AND (%(organisation)s::bigint IS NULL OR p.organisation_id = %(organisation)s)
  AND (%(q)s = '' OR strpos(lower(p.name || E'\\n' || i.email), lower(%(q)s)) > 0)""",
    "p.id",
    {"name": "lower(p.name)", "email": "i.email", "organisation": "lower(coalesce(g.name, s.name, v.name))", "created": "''::text"},
)
SET_ACCOUNT = """
UPDATE portal_role SET name = %(name)s, send_technical = %(send_technical)s, send_alerts = %(send_alerts)s, send_invoices = %(send_invoices)s,
  send_licence_expiry = %(send_licence_expiry)s
WHERE provider_id = %(provider_id)s AND id = %(id)s
"""
DELETE_ACCOUNT = "DELETE FROM portal_role WHERE provider_id = %(provider_id)s AND id = %(id)s"

# Everything a sign-in is, so that nobody changes it who does not manage all of it: authority never flows up.
STANDINGS = """
SELECT coalesce(g.reseller_id, CASE p.level WHEN 2 THEN p.organisation_id END) AS reseller_id, g.id AS group_id FROM portal_role p
LEFT JOIN user_group g ON p.level = 3 AND g.provider_id = p.provider_id AND g.id = p.organisation_id
WHERE p.provider_id = %(provider_id)s AND p.sign_in_id = %(sign_in_id)s
UNION ALL
SELECT g.reseller_id, g.id FROM end_user u JOIN user_group g ON g.provider_id = u.provider_id AND g.id = u.group_id
WHERE u.provider_id = %(provider_id)s AND u.sign_in_id = %(sign_in_id)s
"""
SET_EMAIL = "UPDATE sign_in SET email = %(email)s WHERE provider_id = %(provider_id)s AND id = %(sign_in_id)s"
RELEASE_EMAIL = "SELECT release_email(%(email)s, %(provider_id)s)"

LOCK_USERS = """
SELECT u.id FROM end_user u JOIN user_group g ON g.provider_id = u.provider_id AND g.id = u.group_id
WHERE u.provider_id = %(provider_id)s AND u.deleted_at IS NULL AND (%(user_id)s::bigint IS NULL OR u.id = %(user_id)s)
  AND (%(group_id)s::bigint IS NULL OR g.id = %(group_id)s) AND (%(reseller_id)s::bigint IS NULL OR g.reseller_id = %(reseller_id)s)
ORDER BY u.id FOR NO KEY UPDATE OF u
"""
DELETE_USERS = """
WITH old AS (
  SELECT u.provider_id, u.id, u.sign_in_id FROM end_user u JOIN user_group g ON g.provider_id = u.provider_id AND g.id = u.group_id
  WHERE u.provider_id = %(provider_id)s AND u.deleted_at IS NULL AND (%(user_id)s::bigint IS NULL OR u.id = %(user_id)s)
    AND (%(group_id)s::bigint IS NULL OR g.id = %(group_id)s) AND (%(reseller_id)s::bigint IS NULL OR g.reseller_id = %(reseller_id)s)
  FOR UPDATE OF u
)
UPDATE end_user u SET deleted_at = app_now(), sign_in_id = NULL FROM old
WHERE u.provider_id = old.provider_id AND u.id = old.id RETURNING u.id, old.sign_in_id
"""
DELETE_ROLES_OF = """
DELETE FROM portal_role WHERE provider_id = %(provider_id)s AND organisation_id = ANY(%(organisations)s) RETURNING sign_in_id
"""
DELETE_EMPTY_SIGN_INS = """
DELETE FROM sign_in i WHERE i.provider_id = %(provider_id)s AND i.id = ANY(%(sign_ins)s)
  AND NOT EXISTS (SELECT 1 FROM portal_role p WHERE p.provider_id = i.provider_id AND p.sign_in_id = i.id)
  AND NOT EXISTS (SELECT 1 FROM end_user u WHERE u.provider_id = i.provider_id AND u.sign_in_id = i.id)
RETURNING i.email
"""
