"""The SQL of organisations and people."""

NEW_ID = "SELECT new_id()"
SCOPE = "SELECT scope_provider()"
ENTER = "SELECT set_config('app.provider', %(provider_id)s::text, true)"

ADD_PROVIDER = "INSERT INTO provider (provider_id, name) VALUES (%(provider_id)s, %(name)s)"
ADD_RESELLER = "INSERT INTO reseller (provider_id, id, name) VALUES (%(provider_id)s, %(id)s, %(name)s) ON CONFLICT DO NOTHING"
ADD_GROUP = """
INSERT INTO user_group (provider_id, id, reseller_id, name) VALUES (%(provider_id)s, %(id)s, %(reseller_id)s, %(name)s) ON CONFLICT DO NOTHING
"""
MOVE_GROUP = """
UPDATE user_group SET reseller_id = %(reseller_id)s
WHERE provider_id = %(provider_id)s AND id = %(group_id)s AND deleted_at IS NULL
"""
ADD_FEED = "INSERT INTO feed (provider_id, id, kind) VALUES (%(provider_id)s, %(id)s, %(kind)s)"
ADD_USER = """
INSERT INTO end_user (provider_id, id, group_id, sign_in_id, feed_id, name, external_id, computer_name, external_reference, region,
  exclude_leading_zero, language, timezone)
VALUES (%(provider_id)s, %(id)s, %(group_id)s, %(sign_in_id)s, %(feed_id)s, %(name)s, %(external_id)s, %(computer_name)s, %(external_reference)s,
  %(region)s, %(exclude_leading_zero)s, %(language)s, %(timezone)s)
ON CONFLICT (provider_id, lower(external_id)) WHERE external_id <> '' AND deleted_at IS NULL DO NOTHING
"""
ADD_PORTAL_ROLE = """
INSERT INTO portal_role (provider_id, id, sign_in_id, name, level, organisation_id, send_technical, send_alerts, send_invoices, send_licence_expiry)
VALUES (%(provider_id)s, %(id)s, %(sign_in_id)s, %(name)s, %(level)s, %(organisation_id)s, %(send_technical)s, %(send_alerts)s, %(send_invoices)s,
  %(send_licence_expiry)s)
ON CONFLICT (provider_id, sign_in_id, level, organisation_id) DO NOTHING
"""

PATH_OF_PROVIDER = "SELECT NULL::bigint AS reseller_id FROM provider WHERE provider_id = %(provider_id)s AND provider_id = %(id)s"
PATH_OF_RESELLER = "SELECT id AS reseller_id FROM reseller WHERE provider_id = %(provider_id)s AND id = %(id)s AND deleted_at IS NULL"
PATH_OF_GROUP = """
SELECT reseller_id, id AS group_id FROM user_group
WHERE provider_id = %(provider_id)s AND id = %(id)s AND deleted_at IS NULL
"""
PATH_OF_USER = """
SELECT g.reseller_id, g.id AS group_id, u.id AS user_id FROM end_user u
JOIN user_group g ON g.provider_id = u.provider_id AND g.id = u.group_id
WHERE u.provider_id = %(provider_id)s AND u.id = %(id)s AND u.deleted_at IS NULL
"""

# Shared, so that nothing is hung under an organisation while somebody deletes it.
HOLD_RESELLER = "SELECT name FROM reseller WHERE provider_id = %(provider_id)s AND id = %(id)s AND deleted_at IS NULL FOR SHARE"
HOLD_GROUP = "SELECT name FROM user_group WHERE provider_id = %(provider_id)s AND id = %(id)s AND deleted_at IS NULL FOR SHARE"

TREE = """
SELECT 'reseller' AS kind, id, NULL::bigint AS parent_id, name, '' AS email FROM reseller
  WHERE provider_id = %(provider_id)s AND deleted_at IS NULL
UNION ALL SELECT 'group', id, reseller_id, name, '' FROM user_group WHERE provider_id = %(provider_id)s AND deleted_at IS NULL
UNION ALL SELECT 'user', u.id, u.group_id, u.name, i.email FROM end_user u
  JOIN sign_in i ON i.provider_id = u.provider_id AND i.id = u.sign_in_id WHERE u.provider_id = %(provider_id)s AND u.deleted_at IS NULL
UNION ALL SELECT 'portal-account', r.id, r.organisation_id, r.name, i.email FROM portal_role r
  JOIN sign_in i ON i.provider_id = r.provider_id AND i.id = r.sign_in_id WHERE r.provider_id = %(provider_id)s
ORDER BY 2
"""
PROVIDERS = "SELECT provider_id AS id, name FROM provider ORDER BY provider_id"
