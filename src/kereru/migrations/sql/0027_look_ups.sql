-- messaging: each sender asks every other second and for each of its platforms what it should ask carriers about, which nearly always is nothing. To
-- learn that took 6 to 16 ms, most of it the planning of the whole question; now it takes one look into an index that is empty then.

CREATE OR REPLACE FUNCTION due_look_ups(its_provider bigint, its_platform bigint, window_s double precision, most integer)
RETURNS TABLE (message_id bigint, attempt smallint, part smallint, tries smallint, from_number text, to_number text, text text, carrier_id text,
  handed_over_at timestamptz, known_ids text[], others_nearby bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off AS $$
#variable_conflict use_column
DECLARE
  now_at timestamptz := app_now();
  messages bigint[]; attempts smallint[]; parts smallint[];
BEGIN
  SELECT array_agg(d.message_id), array_agg(d.attempt), array_agg(d.part) INTO messages, attempts, parts FROM (
    SELECT p.message_id, p.attempt, p.part FROM part p
    WHERE p.provider_id = its_provider AND p.platform_id = its_platform AND p.handover = 5 AND p.look_up_at <= now_at
    ORDER BY p.look_up_at LIMIT most FOR UPDATE SKIP LOCKED) d;
  IF messages IS NULL THEN RETURN; END IF;

  RETURN QUERY
  WITH asked AS (
    UPDATE part p SET look_ups = p.look_ups + 1,
      look_up_at = CASE WHEN p.look_ups < 8 THEN app_now() + make_interval(secs => 5 * 2 ^ p.look_ups) END
    FROM unnest(messages, attempts, parts) AS d (message_id, attempt, part)
    WHERE p.provider_id = its_provider AND p.message_id = d.message_id AND p.attempt = d.attempt AND p.part = d.part
    RETURNING p.*
  )
  SELECT p.message_id, p.attempt, p.part, p.tries, n.e164, v.remote, p.text, p.carrier_id, p.handed_over_at, near.known_ids, near.others
  FROM asked p
  CROSS JOIN LATERAL (SELECT conversation_id FROM message WHERE provider_id = its_provider AND id = p.message_id OFFSET 0) m
  CROSS JOIN LATERAL (SELECT assignment_id, remote FROM conversation WHERE provider_id = its_provider AND id = m.conversation_id OFFSET 0) v
  CROSS JOIN LATERAL (SELECT number_id FROM assignment WHERE provider_id = its_provider AND id = v.assignment_id OFFSET 0) a
  CROSS JOIN LATERAL (SELECT e164 FROM number WHERE provider_id = its_provider AND id = a.number_id OFFSET 0) n
  CROSS JOIN LATERAL (
    -- Our other parts between the same two numbers around that time: a carrier whose records carry no id cannot tell them apart.
    SELECT coalesce(array_agg(q.carrier_id) FILTER (WHERE q.carrier_id IS NOT NULL), '{}') AS known_ids, count(*) AS others
    FROM message k JOIN part q ON q.provider_id = k.provider_id AND q.message_id = k.id
    WHERE k.provider_id = its_provider AND k.conversation_id = m.conversation_id AND k.outbound
      AND (q.message_id, q.attempt, q.part) <> (p.message_id, p.attempt, p.part)
      AND q.handed_over_at BETWEEN p.handed_over_at - make_interval(secs => window_s) AND p.handed_over_at + make_interval(secs => window_s)
  ) near;
END $$;
