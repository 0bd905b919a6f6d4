-- provisioning: whether each number's webhook still stands at its carrier and is ours, as the daily look found it (R141, R156).
ALTER TABLE number
  ADD COLUMN hook_state smallint NOT NULL DEFAULT 0 CHECK (hook_state BETWEEN 0 AND 3), -- 0 not looked yet, 1 ours, 2 missing, 3 leads elsewhere
  ADD COLUMN hook_looked_at timestamptz;

-- Writes a job for each platform that texts arrive through, each some time within `spread_s` seconds. Answers how many.
CREATE FUNCTION ask_for_looks(spread_s double precision) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT count(put_job('provisioning.look_at_webhooks', jsonb_build_object('provider', p.provider_id, 'platform', p.id), random() * spread_s))
  FROM platform p WHERE p.ended_at IS NULL AND EXISTS (
    SELECT 1 FROM number n JOIN assignment a ON a.provider_id = n.provider_id AND a.number_id = n.id AND a.ended_at IS NULL AND a.state = 4
    WHERE n.provider_id = p.provider_id AND n.platform_id = p.id)
$$;
GRANT EXECUTE ON FUNCTION ask_for_looks(double precision) TO kereru_service;

-- notifications: 7, webhooks of a platform's numbers do not stand. What a kind may be is the program's to know.
ALTER TABLE alert DROP CONSTRAINT alert_kind_check, ADD CONSTRAINT alert_kind_check CHECK (kind >= 4);
ALTER TABLE mail DROP CONSTRAINT mail_kind_check, ADD CONSTRAINT mail_kind_check CHECK (kind >= 1);

-- What told people of something goes after the 90 days of texts, at most `most` rows of each a call; what could not be mailed in that time never will
-- be. Answers how many.
CREATE FUNCTION forget_old_notices(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
  oldest bigint := oldest_kept();
  gone bigint;
  more bigint;
BEGIN
  DELETE FROM alert t USING provider p CROSS JOIN LATERAL (
    SELECT o.id FROM alert o WHERE o.provider_id = p.provider_id AND o.id < oldest ORDER BY o.id LIMIT most) old
  WHERE t.provider_id = p.provider_id AND t.id = old.id;
  GET DIAGNOSTICS gone = ROW_COUNT;
  DELETE FROM sign_in_mail m USING provider p CROSS JOIN LATERAL (
    SELECT o.id FROM sign_in_mail o WHERE o.provider_id = p.provider_id AND o.id < oldest ORDER BY o.id LIMIT most) old
  WHERE m.provider_id = p.provider_id AND m.id = old.id;
  GET DIAGNOSTICS more = ROW_COUNT;
  RETURN gone + more;
END $$;
GRANT EXECUTE ON FUNCTION forget_old_notices(integer) TO kereru_service;

-- tenancy: a user's part of the history log (a page of it was a walk through the provider's).
CREATE INDEX history_user ON history (provider_id, user_id, id) WHERE user_id IS NOT NULL;

-- provisioning: a number's past assignments, by which the message log finds whose texts it carried (it read all assignments of the provider).
CREATE INDEX assignment_number ON assignment (provider_id, number_id);
