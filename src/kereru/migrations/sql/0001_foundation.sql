-- What all tables stand on: roles, time, ids, weekly partitions, tenant policies.

DO $$
DECLARE role_name text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY['kereru_app', 'kereru_ingest', 'kereru_service', 'kereru_support'] LOOP
    -- Several databases of one server share the roles, and several may migrate at once.
    BEGIN
      EXECUTE format('CREATE ROLE %I LOGIN', role_name);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO kereru_app, kereru_ingest, kereru_service, kereru_support;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- The database's time decides (G43); a test shifts it with app.clock_offset.
CREATE FUNCTION app_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  SELECT clock_timestamp() + coalesce(nullif(current_setting('app.clock_offset', true), '')::interval, interval '0')
$$;

CREATE SEQUENCE id_sequence AS bigint CYCLE CACHE 32;

-- 43 bits of milliseconds since 2024-01-01 UTC, 20 bits of sequence (kernel/ids.py).
-- By way of UTC, since the epoch of a timestamptz is not immutable, and only then is the body put in place instead of called (4 µs each).
CREATE FUNCTION lowest_id(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (floor(extract(epoch FROM at AT TIME ZONE 'UTC') * 1000)::bigint - 1704067200000) << 20
$$;
CREATE FUNCTION new_id() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT lowest_id(app_now()) | (nextval('id_sequence') & 1048575)
$$;
CREATE FUNCTION made_at(id bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT to_timestamp(((id >> 20) + 1704067200000) / 1000.0)
$$;

-- The tenant of this transaction; nothing set means no rows (G31).
CREATE FUNCTION scope_provider() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE LEAKPROOF AS $$
  SELECT nullif(current_setting('app.provider', true), '')::bigint
$$;

GRANT EXECUTE ON FUNCTION app_now(), lowest_id(timestamptz), new_id(), made_at(bigint), scope_provider()
  TO kereru_app, kereru_ingest, kereru_service, kereru_support;
GRANT USAGE ON SEQUENCE id_sequence TO kereru_app;

-- Row-level security as every tenant table has it: people's roles see one provider, the owner (behind the listed functions) sees all.
CREATE PROCEDURE guard_tenant_table(tenant_table regclass, writable boolean DEFAULT true) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tenant_table);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tenant_table);
  EXECUTE format('CREATE POLICY tenant ON %s TO kereru_app, kereru_support
    USING (provider_id = nullif(current_setting(''app.provider'', true), '''')::bigint)', tenant_table);
  EXECUTE format('CREATE POLICY listed_functions ON %s TO kereru_owner USING (true)', tenant_table);
  EXECUTE format('GRANT SELECT ON %s TO kereru_support', tenant_table);
  EXECUTE format('GRANT SELECT %s ON %s TO kereru_app', CASE WHEN writable THEN ', INSERT, UPDATE, DELETE' ELSE ', INSERT' END, tenant_table);
END $$;

-- Tables cut into weeks by id; all of them are made and dropped together.
CREATE TABLE weekly_table (name text PRIMARY KEY);

-- A week is made on its own and then attached, which keeps nobody from reading or writing; PARTITION OF would wait for every reader, and everybody for it.
CREATE PROCEDURE make_partitions(weeks_ahead integer, from_instant timestamptz DEFAULT app_now()) LANGUAGE plpgsql AS $$
DECLARE
  table_name text;
  week_name text;
  week timestamptz;
BEGIN
  FOR table_name IN SELECT name FROM weekly_table ORDER BY name LOOP
    FOR step IN 0..weeks_ahead LOOP
      week := date_trunc('week', from_instant AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + step * interval '7 days';
      week_name := table_name || to_char(week AT TIME ZONE 'UTC', '"_w"YYYYMMDD');
      IF to_regclass(format('%I', week_name)) IS NULL THEN
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', week_name, table_name);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
          table_name, week_name, lowest_id(week), lowest_id(week + interval '7 days'));
      END IF;
    END LOOP;
  END LOOP;
END $$;

-- How many whole weeks ahead every weekly table has; readiness fails below 2 (design §6).
CREATE FUNCTION weeks_ahead() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT coalesce(min(ahead), 0)::integer FROM (
    SELECT (SELECT count(*) FROM pg_inherits
            JOIN pg_class child ON child.oid = inhrelid
            WHERE inhparent = to_regclass(name) AND child.relname > name || to_char(app_now() AT TIME ZONE 'UTC', '"_w"YYYYMMDD')) AS ahead
    FROM weekly_table) each
$$;
GRANT EXECUTE ON FUNCTION weeks_ahead() TO kereru_app, kereru_service;

-- For the scheduler, which is not the owner.
CREATE FUNCTION ensure_partitions(weeks integer) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  CALL make_partitions(weeks);
END $$;
GRANT EXECUTE ON FUNCTION ensure_partitions(integer) TO kereru_service;
