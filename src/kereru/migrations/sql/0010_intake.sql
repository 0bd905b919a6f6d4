-- carriers: which web processes hold webhooks back in their intake logs, and whether senders may claim (design §6).

-- One row a slot of an intake log. `known_at`: at this time of the database, or later, the process looked at its log for this report.
CREATE TABLE intake_holder (
  holder text PRIMARY KEY,
  holding boolean NOT NULL,
  entries bigint NOT NULL,
  bytes bigint NOT NULL,
  known_at timestamptz NOT NULL,
  excused boolean NOT NULL DEFAULT false -- an operator's word that senders need not wait for it; ends when it reports an empty log
);

-- A web process says how its log stands, and is answered the time to name in its next report: one that was on its way while the database stood still
-- must not pass for a fresh one.
CREATE FUNCTION report_intake(its_holder text, its_holding boolean, its_entries bigint, its_bytes bigint, its_known_at timestamptz)
RETURNS timestamptz
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO intake_holder AS h (holder, holding, entries, bytes, known_at) VALUES (its_holder, its_holding, its_entries, its_bytes, its_known_at)
  ON CONFLICT (holder) DO UPDATE
    SET holding = excluded.holding, entries = excluded.entries, bytes = excluded.bytes, known_at = excluded.known_at,
      excused = h.excused AND excluded.holding;
  SELECT clock_timestamp()
$$;
-- A slot that is empty and given up.
CREATE FUNCTION retire_intake(its_holder text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  DELETE FROM intake_holder WHERE holder = its_holder
$$;

-- Senders may claim when every web process has said, since the database last came up and since its last silence as the sender saw it, that its log is
-- empty.
CREATE FUNCTION sending_allowed(since timestamptz) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT NOT EXISTS (
    SELECT 1 FROM intake_holder h WHERE NOT h.excused AND (h.holding OR h.known_at < greatest(since, pg_postmaster_start_time())))
$$;
-- The operator's override: whom senders no longer wait for. `late_s`: who has not reported for so long counts as gone.
CREATE FUNCTION excuse_intake(late_s double precision)
RETURNS TABLE (holder text, holding boolean, entries bigint, bytes bigint, known_at timestamptz)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE intake_holder h SET excused = true
  WHERE h.holding OR h.known_at < pg_postmaster_start_time() OR h.known_at < clock_timestamp() - make_interval(secs => late_s)
  RETURNING h.holder, h.holding, h.entries, h.bytes, h.known_at
$$;
GRANT EXECUTE ON FUNCTION report_intake(text, boolean, bigint, bigint, timestamptz), retire_intake(text) TO kereru_ingest;
GRANT EXECUTE ON FUNCTION sending_allowed(timestamptz), excuse_intake(double precision) TO kereru_service;
