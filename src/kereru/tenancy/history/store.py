"""The SQL of the history log."""

from kereru.tenancy.store import PATH_OF_GROUP, PATH_OF_USER

ADD = """
INSERT INTO history (provider_id, actor_id, actor, address, via, action, target_kind, target_id, target_name, reseller_id, group_id, user_id, before,
  after)
VALUES (scope_provider(), %(actor_id)s, %(actor)s, %(address)s, %(via)s, %(action)s, %(target_kind)s, %(target_id)s, %(target_name)s,
  %(reseller_id)s, %(group_id)s, %(user_id)s, %(before)s::jsonb, %(after)s::jsonb)
"""
SCOPE = "SELECT scope_provider()"

PATH_OF_ROLE = """
SELECT coalesce(g.reseller_id, CASE r.level WHEN 2 THEN r.organisation_id END) AS reseller_id, g.id AS group_id FROM portal_role r
LEFT JOIN user_group g ON r.level = 3 AND g.provider_id = r.provider_id AND g.id = r.organisation_id
WHERE r.provider_id = %(provider_id)s AND r.id = %(id)s
"""
# Somebody's own sign-in belongs where he stands highest: nobody below reads of what a person above does with it.
PATH_OF_SIGN_IN = """
SELECT t.reseller_id, t.group_id, t.user_id FROM (
  SELECT r.level, coalesce(g.reseller_id, CASE r.level WHEN 2 THEN r.organisation_id END) AS reseller_id, g.id AS group_id, NULL::bigint AS user_id
  FROM portal_role r LEFT JOIN user_group g ON r.level = 3 AND g.provider_id = r.provider_id AND g.id = r.organisation_id
  WHERE r.provider_id = %(provider_id)s AND r.sign_in_id = %(id)s
  UNION ALL
  SELECT 4, g.reseller_id, g.id, u.id FROM end_user u JOIN user_group g ON g.provider_id = u.provider_id AND g.id = u.group_id
  WHERE u.provider_id = %(provider_id)s AND u.sign_in_id = %(id)s
) t ORDER BY t.level LIMIT 1
"""
PATHS = {
    "reseller": "SELECT id AS reseller_id FROM reseller WHERE provider_id = %(provider_id)s AND id = %(id)s",
    "group": PATH_OF_GROUP,
    "user": PATH_OF_USER,
    "portal-account": PATH_OF_ROLE,
    "sign-in": PATH_OF_SIGN_IN,
}

# The group's parent of today decides who reads its past: authority follows a move at once (G32).
LIST = """
SELECT h.id, h.at, h.actor_id, h.actor, h.address, h.via, h.action, h.target_kind, h.target_id, h.target_name, h.before, h.after
FROM history h LEFT JOIN user_group g ON g.provider_id = h.provider_id AND g.id = h.group_id
WHERE h.provider_id = %(provider_id)s
  AND (%(whole)s OR h.group_id = ANY(%(groups)s) OR coalesce(g.reseller_id, h.reseller_id) = ANY(%(resellers)s))
  AND (%(reseller_id)s::bigint IS NULL OR coalesce(g.reseller_id, h.reseller_id) = %(reseller_id)s)
  AND (%(group_id)s::bigint IS NULL OR h.group_id = %(group_id)s)
  AND (%(user_id)s::bigint IS NULL OR h.user_id = %(user_id)s)
  AND (%(who)s = '' OR strpos(lower(h.actor), lower(%(who)s)) > 0)
  AND (%(kind)s = '' OR h.target_kind = %(kind)s)
  AND (%(since)s::timestamptz IS NULL OR h.at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR h.at < %(until)s)
  AND (%(q)s = '' OR strpos(lower(h.target_name), lower(%(q)s)) > 0 OR strpos(h.action, lower(%(q)s)) > 0 OR h.target_id::text = %(q)s
       OR strpos(lower(h.before::text || h.after::text), lower(%(q)s)) > 0)
  AND h.id < %(below)s
ORDER BY h.id DESC LIMIT %(limit)s
"""

HEAD = """
SELECT coalesce(h.number, 0) AS number, coalesce(h.hash, '') AS hash, (SELECT count(*) FROM history e WHERE e.provider_id = v.provider_id) AS rows
FROM provider v LEFT JOIN history_head h ON h.provider_id = v.provider_id WHERE v.provider_id = %(provider_id)s
"""
LINKS = """
SELECT l.number, l.hash, CASE WHEN h.id IS NOT NULL THEN history_body(h) END AS body
FROM history_link l LEFT JOIN history h ON h.provider_id = l.provider_id AND h.id = l.history_id
WHERE l.provider_id = %(provider_id)s AND l.number > %(after)s AND l.number <= %(until)s ORDER BY l.number LIMIT %(limit)s
"""
