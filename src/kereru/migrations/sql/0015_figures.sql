-- Figures over all providers for metrics, and whether the database can be written, for readiness (reliability.md §6); none of them names a tenant.

-- Holds nothing of anybody. PLAIN, so that a few rows take a few pages.
CREATE UNLOGGED TABLE write_probe (number smallint PRIMARY KEY, filler text STORAGE PLAIN NOT NULL);
-- A new file of some pages each time: a row changed in place would go well on a full disk. Somebody else who tries, or copies the database, at this
-- moment is no trouble.
CREATE FUNCTION probe_writing() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '200ms' AS $$
BEGIN
  TRUNCATE write_probe;
  INSERT INTO write_probe SELECT n, repeat('x', 4000) FROM generate_series(1, 8) AS n;
EXCEPTION WHEN lock_not_available THEN NULL;
END $$;
GRANT EXECUTE ON FUNCTION probe_writing() TO kereru_app;

-- What waits for a person: platforms that their carriers refuse, webhooks that could not be read, jobs that were given up.
CREATE FUNCTION trouble_figures() RETURNS TABLE (stopped bigint, unreadable bigint, unreadable_age_s double precision, failed_jobs bigint,
  at timestamptz)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT (SELECT count(*) FROM platform WHERE stopped_at IS NOT NULL AND ended_at IS NULL),
    count(*), coalesce(extract(epoch FROM app_now() - made_at(min(id))), 0),
    (SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'), clock_timestamp()
  FROM quarantine WHERE kind = 3
$$;

-- Of the parts that carriers took of messages with these ids: how many there are, how many have no receipt by now, and how long the first one took,
-- in the middle and at its slowest hundredth. Provider by provider, by key.
CREATE FUNCTION receipt_figures(from_id bigint, to_id bigint)
RETURNS TABLE (carrier text, taken bigint, missing bigint, median_s double precision, slow_s double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT f.carrier, count(*), count(*) FILTER (WHERE r.first_id IS NULL),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(0, extract(epoch FROM made_at(r.first_id) - t.handed_over_at))),
    percentile_cont(0.99) WITHIN GROUP (ORDER BY greatest(0, extract(epoch FROM made_at(r.first_id) - t.handed_over_at)))
  FROM provider p
  CROSS JOIN LATERAL (
    SELECT t.* FROM part t
    WHERE t.provider_id = p.provider_id AND t.message_id >= from_id AND t.message_id < to_id AND t.handover = 3 AND t.carrier_id IS NOT NULL
    OFFSET 0) t
  JOIN platform f ON f.provider_id = t.provider_id AND f.id = t.platform_id
  CROSS JOIN LATERAL (
    SELECT min(r.id) AS first_id FROM receipt r
    WHERE r.provider_id = t.provider_id AND r.platform_id = t.platform_id AND r.carrier_id = t.carrier_id AND r.id >= from_id) r
  GROUP BY f.carrier
$$;

GRANT EXECUTE ON FUNCTION trouble_figures(), receipt_figures(bigint, bigint) TO kereru_service;
