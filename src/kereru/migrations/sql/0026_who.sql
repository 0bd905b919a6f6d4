-- tenancy: who a caller is, by one statement that enters the tenant its token names. It runs before nearly every request.

-- A role counts only while its organisation is there: the organisation's name is what joins it.
CREATE FUNCTION roles_of(its_provider bigint, its_sign_in bigint) RETURNS json LANGUAGE sql STABLE AS $$
  SELECT coalesce(json_agg(json_build_array(r.level, r.organisation_id::text, o.name) ORDER BY r.level, r.id), '[]'::json)
  FROM portal_role r JOIN LATERAL (
    SELECT p.name FROM provider p WHERE r.level = 1 AND p.provider_id = r.provider_id AND p.provider_id = r.organisation_id
    UNION ALL SELECT s.name FROM reseller s WHERE r.level = 2 AND s.provider_id = r.provider_id AND s.id = r.organisation_id
      AND s.deleted_at IS NULL
    UNION ALL SELECT g.name FROM user_group g WHERE r.level = 3 AND g.provider_id = r.provider_id AND g.id = r.organisation_id
      AND g.deleted_at IS NULL
  ) o ON true WHERE r.provider_id = its_provider AND r.sign_in_id = its_sign_in
$$;

-- No row: nobody we know, or not any more. A token counts as what it came as, a session's or an API key's. `stale`: that it was used should be noted.
CREATE FUNCTION who(its_provider bigint, its_hash bytea, by_session boolean, idle_s double precision, max_s double precision)
RETURNS TABLE (sign_in_id bigint, email text, user_id bigint, group_id bigint, feed_id bigint, name text, region text, exclude_leading_zero boolean,
  language text, timezone text, desk jsonb, any_number boolean, roles json, scopes text[], stale boolean)
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.provider', its_provider::text, true);
  RETURN QUERY
  SELECT i.id, i.email, u.id, u.group_id, u.feed_id, u.name, u.region, u.exclude_leading_zero, u.language, u.timezone, u.desk, u.any_number,
    roles_of(its_provider, i.id), c.scopes, c.stale
  FROM (
    SELECT s.sign_in_id, ARRAY[]::text[] AS scopes, s.seen_at < app_now() - interval '60 seconds' AS stale FROM session s
    WHERE by_session AND s.provider_id = its_provider AND s.token_hash = its_hash
      AND s.seen_at > app_now() - make_interval(secs => idle_s) AND s.created_at > app_now() - make_interval(secs => max_s)
    UNION ALL
    SELECT k.sign_in_id, k.scopes, coalesce(k.used_at < app_now() - interval '60 seconds', true) FROM api_key k
    WHERE NOT by_session AND k.provider_id = its_provider AND k.token_hash = its_hash
  ) c
  CROSS JOIN LATERAL (SELECT * FROM sign_in WHERE provider_id = its_provider AND id = c.sign_in_id AND disabled_at IS NULL OFFSET 0) i
  LEFT JOIN LATERAL (SELECT * FROM end_user WHERE provider_id = its_provider AND sign_in_id = c.sign_in_id OFFSET 0) u ON true;
END $$;
GRANT EXECUTE ON FUNCTION roles_of(bigint, bigint), who(bigint, bytea, boolean, double precision, double precision) TO kereru_app;
