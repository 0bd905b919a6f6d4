-- messaging: the batch functions read by key, whatever the planner believes of tables that are still empty.
--
-- A generic plan made while a week was new took the range of ids, which is there to leave other weeks' tables out, for the better index, or joined by
-- hash: a batch then read everything the week held, up to eight times the work, until statistics were gathered (docs/reference/performance.md).
-- So what is read is read through LATERAL with OFFSET, which makes it a look by key for each item; what is changed has its range written so that the
-- planner does not take it for a narrow one (as a pair of bounds it counts for half a percent of the table); and only nested loops are left.

-- By its carrier's id is how a receipt is looked for; there is no other index to be taken for that.
ALTER TABLE receipt DROP CONSTRAINT receipt_pkey;
DROP INDEX receipt_carrier_id;
ALTER TABLE receipt ADD PRIMARY KEY (provider_id, platform_id, carrier_id, id);

CREATE OR REPLACE FUNCTION ingest_receipts(items jsonb) RETURNS TABLE (feed_id bigint, number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  providers bigint[]; messages bigint[]; ordinals bigint[]; named bigint[];
  first_named bigint; last_named bigint; first_id bigint; last_id bigint;
  -- Carriers repeat themselves within days; a receipt kept twice does no harm. The weeks to come are empty.
  first_receipt bigint := lowest_id(app_now() - interval '14 days'); newest_id bigint := lowest_id(app_now() + interval '1 day');
BEGIN
  PERFORM lock_carrier_ids(ARRAY(SELECT i.platform || ' ' || i.cid FROM jsonb_to_recordset(items) AS i (platform bigint, cid text)));

  INSERT INTO receipt (provider_id, id, platform_id, carrier_id, state, carrier_state, error_code, reason)
  SELECT DISTINCT ON (i.provider, i.platform, i.cid, i.state, i.code)
    i.provider, new_id(), i.platform, i.cid, i.state, i.carrier_state, i.code, i.reason
  FROM jsonb_to_recordset(items) AS i (provider bigint, platform bigint, cid text, state smallint, carrier_state text, code text, reason text)
  WHERE NOT EXISTS (SELECT 1 FROM receipt r WHERE r.provider_id = i.provider AND r.platform_id = i.platform AND r.carrier_id = i.cid
                    AND r.state = i.state AND r.error_code = i.code AND r.id BETWEEN first_receipt AND newest_id OFFSET 0);

  -- Which texts they are about: by the carrier's id, or by the part that the callback's path names.
  SELECT min(i.message), max(i.message) INTO first_named, last_named FROM jsonb_to_recordset(items) AS i (message bigint);
  SELECT array_agg(f.provider_id), array_agg(f.message_id), array_agg(f.ordinal), min(f.message_id), max(f.message_id)
  INTO providers, named, ordinals, first_id, last_id FROM (
    SELECT i.ordinal, p.provider_id, p.message_id
    FROM ROWS FROM (jsonb_to_recordset(items) AS (provider bigint, platform bigint, cid text)) WITH ORDINALITY
      AS i (provider, platform, cid, ordinal)
    CROSS JOIN LATERAL (
      SELECT provider_id, message_id FROM part WHERE provider_id = i.provider AND platform_id = i.platform AND carrier_id = i.cid OFFSET 0) p
    UNION ALL
    SELECT i.ordinal, p.provider_id, p.message_id
    FROM ROWS FROM (jsonb_to_recordset(items) AS (provider bigint, platform bigint, message bigint, attempt smallint, part smallint)) WITH ORDINALITY
      AS i (provider, platform, message, attempt, part, ordinal)
    CROSS JOIN LATERAL (
      SELECT provider_id, message_id FROM part
      WHERE provider_id = i.provider AND platform_id = i.platform AND message_id = i.message AND attempt = i.attempt AND part = i.part
        AND message_id BETWEEN first_named AND last_named OFFSET 0) p) f;
  SELECT array_agg(m.provider_id), array_agg(m.id) INTO providers, messages FROM (
    SELECT m.provider_id, m.id FROM message m
    WHERE m.provider_id = ANY (providers) AND m.id = ANY (named) AND m.id BETWEEN first_id AND last_id
    ORDER BY m.provider_id, m.id FOR NO KEY UPDATE) m;

  -- A callback whose path names our part settles it even if the answer with the carrier's id was lost (design §7).
  UPDATE part p SET carrier_id = i.cid
  FROM (SELECT DISTINCT ON (provider, message, attempt, part) * FROM jsonb_to_recordset(items)
          AS i (provider bigint, platform bigint, cid text, message bigint, attempt smallint, part smallint)
        WHERE message IS NOT NULL ORDER BY provider, message, attempt, part, cid LIMIT jsonb_array_length(items)) i
  WHERE p.provider_id = i.provider AND p.platform_id = i.platform AND p.message_id = i.message AND p.attempt = i.attempt AND p.part = i.part
    AND p.message_id >= first_id AND p.message_id < ANY (ARRAY[last_id + 1]) AND p.carrier_id IS NULL AND p.handover IN (2, 5);

  INSERT INTO exchange (provider_id, id, platform_id, message_id, kind, request_id, raw)
  SELECT i.provider, new_id(), i.platform, named[array_position(ordinals, i.ordinal)], 2, i.request, i.raw
  FROM ROWS FROM (jsonb_to_recordset(items) AS (provider bigint, platform bigint, raw text, request text)) WITH ORDINALITY
    AS i (provider, platform, raw, request, ordinal);

  RETURN QUERY SELECT s.feed_id, s.number FROM settle_messages(providers, messages) s;
END $$;

CREATE OR REPLACE FUNCTION settle_messages(providers bigint[], messages bigint[]) RETURNS TABLE (feed_id bigint, number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  c_providers bigint[]; c_feeds bigint[]; c_conversations bigint[]; c_messages bigint[]; c_versions integer[];
  first_id bigint; last_id bigint; first_receipt bigint; last_receipt bigint;
BEGIN
  SELECT min(m), max(m) INTO first_id, last_id FROM unnest(messages) AS m;
  first_receipt := lowest_id(made_at(first_id) - interval '1 day');
  last_receipt := lowest_id(app_now() + interval '1 day');

  WITH wanted AS (
    SELECT DISTINCT w.provider_id, w.message_id FROM unnest(providers, messages) AS w (provider_id, message_id)
  ), receipts AS MATERIALIZED (
    SELECT p.provider_id, p.message_id, p.attempt, p.part, p.handover,
      coalesce(array_agg(r.state) FILTER (WHERE r.state IS NOT NULL), '{}')::smallint[] AS states,
      -- The reason comes from the receipts that decide: failed before undelivered before expired, as in part_status.
      (array_agg(coalesce(nullif(r.error_code, ''), r.carrier_state) ORDER BY array_position('{6,5,7}', r.state), r.id)
        FILTER (WHERE r.state IN (5, 6, 7)))[1] AS bad_code,
      (array_agg(r.reason ORDER BY array_position('{6,5,7}', r.state), r.id) FILTER (WHERE r.state IN (5, 6, 7)))[1] AS bad_reason
    FROM wanted w
    CROSS JOIN LATERAL (
      SELECT * FROM part WHERE provider_id = w.provider_id AND message_id = w.message_id AND message_id BETWEEN first_id AND last_id OFFSET 0) p
    LEFT JOIN LATERAL (
      SELECT id, state, error_code, carrier_state, reason FROM receipt
      WHERE provider_id = p.provider_id AND platform_id = p.platform_id AND carrier_id = p.carrier_id AND id BETWEEN first_receipt AND last_receipt
      OFFSET 0) r ON true
    GROUP BY p.provider_id, p.message_id, p.attempt, p.part, p.handover
  ), parts AS (
    UPDATE part p SET status = part_status(r.handover, r.states),
      contradicted = 4 = ANY (r.states) AND r.states && ARRAY[5, 6, 7]::smallint[],
      look_up_at = CASE WHEN part_status(r.handover, r.states) = 8 THEN p.look_up_at END,
      reason_code = coalesce(r.bad_code, p.reason_code), reason = coalesce(r.bad_reason, p.reason)
    FROM receipts r
    WHERE p.provider_id = r.provider_id AND p.message_id = r.message_id AND p.attempt = r.attempt AND p.part = r.part
      AND p.message_id >= first_id AND p.message_id < ANY (ARRAY[last_id + 1])
    RETURNING p.provider_id, p.message_id, p.attempt, p.part, p.status, p.reason_code, p.reason, p.text, p.cut_to
  ), summed AS (
    -- The part that speaks for the attempt gives the reason: the first in attempt_status's order.
    SELECT provider_id, message_id, attempt, attempt_status(array_agg(status)) AS status,
      (array_agg(reason_code ORDER BY array_position('{8,2,1,6,5,7,3,4}', status), part))[1] AS reason_code,
      (array_agg(reason ORDER BY array_position('{8,2,1,6,5,7,3,4}', status), part))[1] AS reason,
      CASE WHEN bool_or(cut_to IS NOT NULL) THEN string_agg(coalesce(cut_to, text), '' ORDER BY part) END AS cut_to
    FROM parts GROUP BY 1, 2, 3
  ), attempts AS (
    UPDATE attempt a SET status = s.status, reason_code = s.reason_code, reason = s.reason
    FROM summed s
    WHERE a.provider_id = s.provider_id AND a.message_id = s.message_id AND a.attempt = s.attempt
      AND a.message_id >= first_id AND a.message_id < ANY (ARRAY[last_id + 1])
    RETURNING a.provider_id, a.message_id, a.attempt, a.status, a.reason_code, a.reason, s.cut_to
  ), known AS (
    -- An attempt that was asked for and not yet claimed has no parts; it still is the newest one.
    SELECT * FROM attempts
    UNION ALL
    SELECT a.provider_id, a.message_id, a.attempt, a.status, a.reason_code, a.reason, NULL
    FROM wanted w CROSS JOIN LATERAL (
      SELECT * FROM attempt WHERE provider_id = w.provider_id AND message_id = w.message_id AND message_id BETWEEN first_id AND last_id OFFSET 0) a
    WHERE NOT EXISTS (SELECT 1 FROM receipts r WHERE r.provider_id = a.provider_id AND r.message_id = a.message_id AND r.attempt = a.attempt)
  ), spoken AS (
    -- Delivered = any attempt wholly delivered; else the newest attempt speaks (design §6).
    SELECT DISTINCT ON (provider_id, message_id) provider_id, message_id, status, cut_to,
      CASE WHEN status IN (5, 6, 7, 8) THEN reason_code END AS reason_code, CASE WHEN status IN (5, 6, 7, 8) THEN reason END AS reason
    FROM known ORDER BY provider_id, message_id, (status = 4) DESC, attempt DESC
  ), changed AS (
    UPDATE message m SET status = s.status, version = m.version + 1, reason_code = s.reason_code, reason = s.reason, cut_to = s.cut_to
    FROM spoken s
    WHERE m.provider_id = s.provider_id AND m.id = s.message_id AND m.id >= first_id AND m.id < ANY (ARRAY[last_id + 1])
      AND (m.status, m.reason_code, m.cut_to) IS DISTINCT FROM (s.status, s.reason_code, s.cut_to)
    RETURNING m.provider_id, m.id, m.conversation_id, m.version
  )
  SELECT array_agg(c.provider_id), array_agg(u.feed_id), array_agg(c.conversation_id), array_agg(c.id), array_agg(c.version)
  INTO c_providers, c_feeds, c_conversations, c_messages, c_versions
  FROM changed c
  JOIN conversation v ON v.provider_id = c.provider_id AND v.id = c.conversation_id
  JOIN assignment a ON a.provider_id = v.provider_id AND a.id = v.assignment_id
  JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id;

  IF c_feeds IS NULL THEN RETURN; END IF;
  RETURN QUERY SELECT w.feed_id, w.number FROM append_changes(c_providers, c_feeds, array_fill(3::smallint, ARRAY[cardinality(c_feeds)]),
    c_conversations, c_messages, array_fill(NULL::bigint, ARRAY[cardinality(c_feeds)]), c_versions) w;
END $$;

-- Nested loops over the few rows of a batch, each a look by key.
DO $$
DECLARE
  its_function regprocedure;
  its_setting text;
BEGIN
  FOREACH its_function IN ARRAY ARRAY[
    'ingest_receipts(jsonb)', 'settle_messages(bigint[], bigint[])', 'settle_handovers(bigint, bigint, jsonb)', 'expire_outbox(integer)',
    'claim_outbox(bigint, bigint, text, bigint, integer)', 'disown(bigint[], bigint[], bigint[], bigint[])']::regprocedure[]
  LOOP
    FOREACH its_setting IN ARRAY ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'enable_material'] LOOP
      EXECUTE format('ALTER FUNCTION %s SET %I = off', its_function, its_setting);
    END LOOP;
  END LOOP;
END $$;
