-- notifications: what a platform's alerts are about (R141; bad input 68): one row a day for the same trouble, so that nobody is written twice about it.

CREATE TABLE alert (
  provider_id bigint NOT NULL REFERENCES provider,
  id bigint NOT NULL,
  -- As of mails: 4 the carrier refuses the account, 5 a number's webhook is missing, 6 texts come for a number that nobody has.
  kind smallint NOT NULL CHECK (kind IN (4, 5, 6)),
  platform_id bigint NOT NULL,
  e164 text NOT NULL DEFAULT '',
  day date NOT NULL,
  at timestamptz NOT NULL,
  problem text NOT NULL DEFAULT '',
  PRIMARY KEY (provider_id, id),
  UNIQUE (provider_id, kind, platform_id, e164, day)
);
CALL guard_tenant_table('alert', false);

-- Raises an alert, unless it was raised today, and writes the job that mails it, in the caller's transaction. For the batches of carriers; people's
-- requests insert in their own scope (notifications.store).
CREATE FUNCTION put_alert(its_provider bigint, its_kind integer, its_platform bigint, its_e164 text, its_problem text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH raised AS (
    INSERT INTO alert (provider_id, id, kind, platform_id, e164, day, at, problem)
    SELECT its_provider, new_id(), its_kind, its_platform, its_e164, (app_now() AT TIME ZONE 'UTC')::date, app_now(), its_problem
    ON CONFLICT (provider_id, kind, platform_id, e164, day) DO NOTHING RETURNING id
  )
  SELECT put_job('notifications.alert_platform', jsonb_build_object('provider', its_provider, 'alert', id), 0) FROM raised
$$;
