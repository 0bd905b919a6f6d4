-- What was set aside keeps what is needed to take it in after a repair (G5). NULL: set aside by an older version.
ALTER TABLE quarantine ADD COLUMN again bytea;

-- The function of the older version stays: its processes go on beside ours during a rolling upgrade (G45).
CREATE FUNCTION ingest_set_aside(its_provider bigint, its_platform bigint, its_key text, its_raw text, its_reason text, its_again bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO quarantine (provider_id, id, platform_id, kind, dedupe_key, raw, reason, again)
  VALUES (its_provider, new_id(), its_platform, 3, its_key, its_raw, its_reason, its_again)
  ON CONFLICT (provider_id, platform_id, kind, dedupe_key) DO NOTHING
$$;
GRANT EXECUTE ON FUNCTION ingest_set_aside(bigint, bigint, text, text, text, bytea) TO kereru_ingest;
