"""The SQL of sign-ins, sessions and API keys. Times are the database's (G43)."""

FIND_SIGN_IN = "SELECT provider_id, sign_in_id FROM find_sign_in(%(email)s)"
TAKE_EMAIL = "SELECT take_email(%(email)s, %(provider_id)s, %(sign_in_id)s)"
THROTTLE_TAKE = "SELECT throttle_take(%(subject)s, %(capacity)s, %(leak_per_s)s)"
THROTTLE_GIVE = "SELECT throttle_give(subject) FROM unnest(%(subjects)s::text[]) AS s (subject)"

SIGN_IN_BY_ID = """
SELECT id, email, password_hash, totp_sealed, totp_pending_sealed, totp_step FROM sign_in
WHERE provider_id = %(provider_id)s AND id = %(sign_in_id)s AND disabled_at IS NULL
"""
SIGN_IN_BY_EMAIL = """
SELECT i.id, EXISTS (SELECT 1 FROM end_user u WHERE u.provider_id = i.provider_id AND u.sign_in_id = i.id) AS has_user
FROM sign_in i WHERE i.provider_id = %(provider_id)s AND i.email = %(email)s FOR UPDATE OF i
"""
ADD_SIGN_IN = """
INSERT INTO sign_in (provider_id, id, email, password_hash) VALUES (%(provider_id)s, %(id)s, %(email)s, %(password_hash)s)
"""
NEW_HASH = "UPDATE sign_in SET password_hash = %(password_hash)s WHERE provider_id = %(provider_id)s AND id = %(sign_in_id)s"
SET_TOTP = """
UPDATE sign_in SET totp_sealed = %(sealed)s, totp_pending_sealed = NULL, totp_step = %(step)s
WHERE provider_id = %(provider_id)s AND id = %(sign_in_id)s
"""
SET_PENDING_TOTP = """
UPDATE sign_in SET totp_pending_sealed = %(sealed)s WHERE provider_id = %(provider_id)s AND id = %(sign_in_id)s AND totp_sealed IS NULL
"""
LOCK_SIGN_IN = """
SELECT id, email, password_hash, totp_sealed, totp_pending_sealed, totp_step FROM sign_in
WHERE provider_id = %(provider_id)s AND id = %(sign_in_id)s AND disabled_at IS NULL FOR NO KEY UPDATE
"""
EMAIL_OF = "SELECT email FROM sign_in WHERE provider_id = %(provider_id)s AND id = %(sign_in_id)s"
FORGET_CODES = "DELETE FROM recovery_code WHERE provider_id = %(provider_id)s AND sign_in_id = %(sign_in_id)s"
ADD_CODES = """
INSERT INTO recovery_code (provider_id, sign_in_id, code_hash)
SELECT %(provider_id)s, %(sign_in_id)s, hash FROM unnest(%(hashes)s::bytea[]) AS c (hash)
"""
USE_CODE = "DELETE FROM recovery_code WHERE provider_id = %(provider_id)s AND sign_in_id = %(sign_in_id)s AND code_hash = %(hash)s"
COUNT_CODES = "SELECT count(*) FROM recovery_code WHERE provider_id = %(provider_id)s AND sign_in_id = %(sign_in_id)s"
# A level binds everybody at it and below: one organisation that demands, on the way up from anything this sign-in is.
DEMANDED = """
WITH stands AS (
  SELECT CASE p.level WHEN 2 THEN p.organisation_id END AS reseller_id, CASE p.level WHEN 3 THEN p.organisation_id END AS group_id FROM portal_role p
  WHERE p.provider_id = %(provider_id)s AND p.sign_in_id = %(sign_in_id)s
  UNION ALL
  SELECT NULL, u.group_id FROM end_user u WHERE u.provider_id = %(provider_id)s AND u.sign_in_id = %(sign_in_id)s
)
SELECT EXISTS (
  SELECT 1 FROM stands s
  JOIN provider v ON v.provider_id = %(provider_id)s
  LEFT JOIN user_group g ON g.provider_id = v.provider_id AND g.id = s.group_id
  LEFT JOIN reseller r ON r.provider_id = v.provider_id AND r.id = coalesce(g.reseller_id, s.reseller_id)
  WHERE v.demands_second_factor OR g.demands_second_factor OR r.demands_second_factor
)
"""

FORGET_OLD_MAILS = """
DELETE FROM sign_in_mail WHERE provider_id = %(provider_id)s AND sign_in_id = %(sign_in_id)s AND created_at < app_now() - interval '30 days'
"""
ADD_MAIL = """
INSERT INTO sign_in_mail (provider_id, id, sign_in_id, kind, address, expires_at)
VALUES (%(provider_id)s, %(id)s, %(sign_in_id)s, %(kind)s, %(address)s, app_now() + make_interval(secs => %(seconds)s))
"""
SET_LINK = "UPDATE sign_in_mail SET token_hash = %(hash)s, token_sealed = %(sealed)s WHERE provider_id = %(provider_id)s AND id = %(id)s"
GOOD_LINK = """
SELECT m.id, m.kind, m.sign_in_id, i.email FROM sign_in_mail m
JOIN sign_in i ON i.provider_id = m.provider_id AND i.id = m.sign_in_id AND i.disabled_at IS NULL
WHERE m.provider_id = %(provider_id)s AND m.token_hash = %(hash)s AND m.used_at IS NULL AND m.expires_at > app_now() FOR NO KEY UPDATE OF m, i
"""
USE_LINKS = """
UPDATE sign_in_mail SET used_at = app_now(), token_sealed = NULL
WHERE provider_id = %(provider_id)s AND sign_in_id = %(sign_in_id)s AND kind IN (1, 2) AND used_at IS NULL
"""

SESSIONS = """
SELECT id, token_hash, address, agent, created_at, seen_at FROM session WHERE provider_id = %(provider_id)s AND sign_in_id = %(sign_in_id)s
  AND seen_at > app_now() - make_interval(secs => %(idle_s)s) AND created_at > app_now() - make_interval(secs => %(max_s)s)
ORDER BY seen_at DESC, id DESC LIMIT 200
"""
END_SESSION_BY_ID = """
DELETE FROM session WHERE provider_id = %(provider_id)s AND sign_in_id = %(sign_in_id)s AND id = %(id)s RETURNING token_hash
"""
END_OTHER_SESSIONS = """
DELETE FROM session WHERE provider_id = %(provider_id)s AND sign_in_id = %(sign_in_id)s AND token_hash <> %(hash)s
"""
OWN_API_KEYS = """
SELECT id, name, hint, scopes, created_at, used_at FROM api_key
WHERE provider_id = %(provider_id)s AND sign_in_id = %(sign_in_id)s ORDER BY id LIMIT 200
"""
END_OWN_API_KEY = """
DELETE FROM api_key WHERE provider_id = %(provider_id)s AND sign_in_id = %(sign_in_id)s AND id = %(id)s RETURNING name, token_hash
"""
USE_TOTP_STEP = """
UPDATE sign_in SET totp_step = %(step)s WHERE provider_id = %(provider_id)s AND id = %(sign_in_id)s AND totp_step < %(step)s
"""
SET_DISABLED = """
UPDATE sign_in SET disabled_at = CASE WHEN %(disabled)s THEN coalesce(disabled_at, app_now()) END
WHERE provider_id = %(provider_id)s AND id = %(sign_in_id)s
"""

IS_KNOWN_ADDRESS = """
SELECT EXISTS (SELECT 1 FROM known_address WHERE provider_id = %(provider_id)s AND sign_in_id = %(sign_in_id)s AND address = %(address)s)
"""
KNOW_ADDRESS = """
INSERT INTO known_address (provider_id, sign_in_id, address) VALUES (%(provider_id)s, %(sign_in_id)s, %(address)s)
ON CONFLICT (provider_id, sign_in_id, address) DO UPDATE SET seen_at = excluded.seen_at
"""

ADD_SESSION = """
WITH gone AS (
  DELETE FROM session WHERE provider_id = %(provider_id)s AND sign_in_id = %(sign_in_id)s
    AND (seen_at < app_now() - make_interval(secs => %(idle_s)s) OR created_at < app_now() - make_interval(secs => %(max_s)s))
)
INSERT INTO session (provider_id, token_hash, sign_in_id, address, agent)
VALUES (%(provider_id)s, %(hash)s, %(sign_in_id)s, %(address)s, %(agent)s)
"""
END_SESSION = "DELETE FROM session WHERE provider_id = %(provider_id)s AND token_hash = %(hash)s RETURNING sign_in_id"
END_SESSIONS = "DELETE FROM session WHERE provider_id = %(provider_id)s AND sign_in_id = %(sign_in_id)s RETURNING token_hash"
SEEN_SESSION = "UPDATE session SET seen_at = app_now() WHERE provider_id = %(provider_id)s AND token_hash = %(hash)s"

ADD_API_KEY = """
INSERT INTO api_key (provider_id, id, token_hash, sign_in_id, name, hint, scopes)
VALUES (%(provider_id)s, %(id)s, %(hash)s, %(sign_in_id)s, %(name)s, %(hint)s, %(scopes)s)
"""
END_API_KEY = "DELETE FROM api_key WHERE provider_id = %(provider_id)s AND id = %(id)s RETURNING sign_in_id, name"
END_API_KEYS = "DELETE FROM api_key WHERE provider_id = %(provider_id)s AND sign_in_id = %(sign_in_id)s"
API_KEYS = """
SELECT k.id, k.name, k.hint, k.scopes, k.created_at, k.used_at, i.email FROM api_key k
JOIN sign_in i ON i.provider_id = k.provider_id AND i.id = k.sign_in_id WHERE k.provider_id = %(provider_id)s ORDER BY k.id
"""
SEEN_API_KEY = "UPDATE api_key SET used_at = app_now() WHERE provider_id = %(provider_id)s AND token_hash = %(hash)s"

WHO = "SELECT * FROM who(%(provider_id)s, %(hash)s, %(by_session)s, %(idle_s)s, %(max_s)s)"
# Asked every two seconds for every open socket: the hashes come as one value, and only the few that are good no more come back.
GOOD_NO_MORE = """
SELECT h.hash FROM (
  SELECT substring(%(hashes)s::bytea FROM n * 32 + 1 FOR 32) AS hash FROM generate_series(0, length(%(hashes)s::bytea) / 32 - 1) AS n) h
WHERE NOT EXISTS (
    SELECT 1 FROM session s JOIN sign_in i ON i.provider_id = s.provider_id AND i.id = s.sign_in_id AND i.disabled_at IS NULL
    WHERE s.provider_id = %(provider_id)s AND s.token_hash = h.hash
      AND s.seen_at > app_now() - make_interval(secs => %(idle_s)s) AND s.created_at > app_now() - make_interval(secs => %(max_s)s))
  AND NOT EXISTS (
    SELECT 1 FROM api_key k JOIN sign_in i ON i.provider_id = k.provider_id AND i.id = k.sign_in_id AND i.disabled_at IS NULL
    WHERE k.provider_id = %(provider_id)s AND k.token_hash = h.hash)
"""
