-- messaging, inward: one function per batch (design §6). Locks of texts: numbers sorted, conversations by their unique key, feeds sorted and last;
-- of receipts: carrier ids, messages sorted, their parts, feeds.

-- items: [{provider, platform, to, remote, cid|null, text, consent: "stop"|"start"|null, raw, request, place}]
-- request: ours, one for each webhook; place: of the text in it. A text without a carrier id is known by both, so that a replay of the intake log
-- stores it once while a person's second "yes" is a second text (G4).
-- outcome: 1 shown, 2 withheld, 3 blocked, 4 duplicate, 5 unknown number, 6 no live assignment
-- The weeks to come, which are empty, are not opened: `newest_id`.
-- Whole tables are never read: a plan made while a week was empty would go on reading it whole when it is full.
CREATE FUNCTION ingest_texts(items jsonb)
RETURNS TABLE (ordinal bigint, outcome smallint, message_id bigint, feed_id bigint, feed_number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  done_ordinals bigint[]; done_outcomes smallint[]; done_messages bigint[];
  providers bigint[]; feeds bigint[]; conversations bigint[]; messages bigint[]; versions integer[];
  newest_id bigint := lowest_id(app_now() + interval '1 day');
BEGIN
  PERFORM 1 FROM number n
  WHERE (n.provider_id, n.platform_id, n.e164) IN (
    SELECT i.provider, i.platform, i."to" FROM jsonb_to_recordset(items) AS i (provider bigint, platform bigint, "to" text))
  ORDER BY n.provider_id, n.id FOR NO KEY UPDATE;

  WITH input AS MATERIALIZED (
    SELECT i.*, CASE WHEN i.cid IS NULL THEN 2 ELSE 1 END AS key_kind,
      coalesce(i.cid, nullif(i.request, '') || '/' || coalesce(i.place, 0)) AS key
    FROM ROWS FROM (jsonb_to_recordset(items) AS (
      provider bigint, platform bigint, "to" text, remote text, cid text, text text, consent text, raw text, request text, place integer))
      WITH ORDINALITY AS i (provider, platform, to_number, remote, cid, text, consent, raw, request, place, ordinal)
  ), resolved AS MATERIALIZED (
    SELECT i.*, n.id AS number_id, a.id AS assignment_id, u.feed_id, u.group_id,
      CASE
        WHEN n.id IS NULL THEN 5
        WHEN n.id IS NOT NULL AND i.key IS NOT NULL AND (
          row_number() OVER (PARTITION BY i.provider, n.id, i.key_kind, i.key ORDER BY i.ordinal) > 1
          OR seen_before.id IS NOT NULL) THEN 4
        WHEN a.id IS NULL THEN 6
        WHEN b.remote IS NOT NULL THEN 3
        WHEN l.user_id IS NULL OR coalesce(o.state, 2) <> 2 THEN 2
        ELSE 1 END::smallint AS outcome
    FROM input i
    LEFT JOIN number n ON n.provider_id = i.provider AND n.platform_id = i.platform AND n.e164 = i.to_number
    LEFT JOIN assignment a ON a.provider_id = n.provider_id AND a.number_id = n.id AND a.ended_at IS NULL AND a.state = 4
    LEFT JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
    LEFT JOIN licence l ON l.provider_id = u.provider_id AND l.user_id = u.id AND l.starts_at <= app_now()
      AND (l.ends_at IS NULL OR l.ends_at > app_now())
    LEFT JOIN opt_in o ON o.provider_id = a.provider_id AND o.assignment_id = a.id
    LEFT JOIN blocked_remote b ON b.provider_id = a.provider_id AND b.assignment_id = a.id AND b.remote = i.remote
    -- LIMIT keeps this a probe for each text. As EXISTS it may be planned as one hash of the whole table, and stays so once it was planned
    -- while that was small: 95 µs a text became 260 after 20,000 texts (docs/reference/performance.md).
    LEFT JOIN LATERAL (
      SELECT d.id FROM dedupe d WHERE d.provider_id = i.provider AND d.platform_id = i.platform AND d.number_id = n.id AND d.kind = i.key_kind
        AND d.carrier_id = i.key AND d.id <= newest_id LIMIT 1) seen_before ON true
  ), taken AS MATERIALIZED (
    SELECT r.*, CASE WHEN r.outcome <> 4 THEN new_id() END AS id FROM resolved r ORDER BY r.ordinal
  ), remembered AS (
    INSERT INTO dedupe (provider_id, platform_id, number_id, kind, carrier_id, id)
    SELECT provider, platform, number_id, key_kind, key, id FROM taken WHERE key IS NOT NULL AND number_id IS NOT NULL AND outcome <> 4
  ), set_aside AS (
    INSERT INTO quarantine (provider_id, id, platform_id, kind, dedupe_key, to_number, raw, reason)
    SELECT provider, id, platform, CASE outcome WHEN 5 THEN 1 ELSE 2 END, to_number || ' ' || coalesce(key, id::text), to_number, raw,
      CASE outcome WHEN 5 THEN 'no such number on this platform' ELSE 'the number has no live assignment' END
    FROM taken WHERE outcome IN (5, 6)
    ON CONFLICT (provider_id, platform_id, kind, dedupe_key) DO NOTHING
  ), consented AS (
    INSERT INTO remote_consent AS c (provider_id, group_id, remote, stopped)
    SELECT DISTINCT ON (provider, group_id, remote) provider, group_id, remote, consent = 'stop' FROM taken
    WHERE consent IS NOT NULL AND outcome IN (1, 2, 3)
    ORDER BY provider, group_id, remote, ordinal DESC
    ON CONFLICT (provider_id, group_id, remote) DO UPDATE SET stopped = excluded.stopped, at = excluded.at
  ), joined AS (
    INSERT INTO conversation AS c (provider_id, id, assignment_id, remote, last_message_id, last_inbound_id, unread)
    SELECT provider, new_id(), assignment_id, remote, max(id) FILTER (WHERE outcome = 1), max(id) FILTER (WHERE outcome = 1),
      count(*) FILTER (WHERE outcome = 1)
    FROM taken WHERE outcome IN (1, 2, 3)
    GROUP BY provider, assignment_id, remote ORDER BY provider, assignment_id, remote
    ON CONFLICT (provider_id, assignment_id, remote) DO UPDATE
      SET last_message_id = greatest(c.last_message_id, excluded.last_message_id),
          last_inbound_id = greatest(c.last_inbound_id, excluded.last_inbound_id),
          unread = c.unread + excluded.unread,
          -- What its owner does not see is no news of it: nobody would be told of the new version.
          version = c.version + CASE WHEN excluded.last_message_id IS NULL THEN 0 ELSE 1 END
    RETURNING c.provider_id, c.id, c.assignment_id, c.remote, c.version
  ), stored AS (
    INSERT INTO message (provider_id, id, conversation_id, outbound, status, visibility, text, platform_id, carrier_id)
    SELECT t.provider, t.id, j.id, false, 9, t.outcome - 1, t.text, t.platform, t.cid
    FROM taken t JOIN joined j ON j.provider_id = t.provider AND j.assignment_id = t.assignment_id AND j.remote = t.remote
    WHERE t.outcome IN (1, 2, 3)
  ), logged AS (
    INSERT INTO exchange (provider_id, id, platform_id, message_id, kind, request_id, raw)
    SELECT provider, new_id(), platform, CASE WHEN outcome IN (1, 2, 3) THEN id END, 1, request, raw FROM taken WHERE outcome <> 4
  ), seen AS (
    SELECT t.ordinal, t.outcome, t.id, t.provider, CASE WHEN t.outcome = 1 THEN t.feed_id END AS feed_id, j.id AS conversation_id, j.version
    FROM taken t LEFT JOIN joined j ON j.provider_id = t.provider AND j.assignment_id = t.assignment_id AND j.remote = t.remote
  )
  SELECT array_agg(s.ordinal ORDER BY s.ordinal), array_agg(s.outcome ORDER BY s.ordinal), array_agg(s.id ORDER BY s.ordinal),
    array_agg(s.provider ORDER BY s.ordinal), array_agg(s.feed_id ORDER BY s.ordinal), array_agg(s.conversation_id ORDER BY s.ordinal),
    array_agg(s.id ORDER BY s.ordinal), array_agg(s.version ORDER BY s.ordinal)
  INTO done_ordinals, done_outcomes, done_messages, providers, feeds, conversations, messages, versions
  FROM seen s;

  IF 5 = ANY (done_outcomes) THEN
    -- The operator is told, once a day for each such number (bad input 68).
    PERFORM put_alert(i.provider, 6, i.platform, i."to", '') FROM (
      SELECT DISTINCT i.provider, i.platform, i."to"
      FROM ROWS FROM (jsonb_to_recordset(items) AS (provider bigint, platform bigint, "to" text)) WITH ORDINALITY
        AS i (provider, platform, "to", ordinal)
      JOIN unnest(done_ordinals, done_outcomes) AS d (ordinal, outcome) ON d.ordinal = i.ordinal AND d.outcome = 5
      ORDER BY 1, 2, 3) i;
  END IF;

  RETURN QUERY
  WITH woken AS MATERIALIZED (
    SELECT * FROM append_changes(providers, feeds, array_fill(1::smallint, ARRAY[cardinality(feeds)]), conversations, messages,
      array_fill(NULL::bigint, ARRAY[cardinality(feeds)]), versions)
  )
  SELECT d.ordinal, d.outcome, d.message_id, d.feed_id, w.number
  FROM unnest(done_ordinals, done_outcomes, done_messages, feeds) AS d (ordinal, outcome, message_id, feed_id)
  LEFT JOIN woken w ON w.feed_id = d.feed_id;
END $$;

-- Rows that somebody else holds just now: their texts wait for the next batch, the others' need not (design §6).
-- Answers the ordinals whose number, conversation, consent and feed are free.
CREATE FUNCTION ingest_free(items jsonb) RETURNS SETOF bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH input AS MATERIALIZED (
    SELECT i.provider, i.ordinal, n.id AS number_id, v.id AS conversation_id, u.group_id, c.remote, u.feed_id
    FROM ROWS FROM (jsonb_to_recordset(items) AS (provider bigint, platform bigint, "to" text, remote text)) WITH ORDINALITY
      AS i (provider, platform, to_number, remote, ordinal)
    LEFT JOIN number n ON n.provider_id = i.provider AND n.platform_id = i.platform AND n.e164 = i.to_number
    LEFT JOIN assignment a ON a.provider_id = n.provider_id AND a.number_id = n.id AND a.ended_at IS NULL
    LEFT JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
    LEFT JOIN conversation v ON v.provider_id = a.provider_id AND v.assignment_id = a.id AND v.remote = i.remote
    LEFT JOIN remote_consent c ON c.provider_id = u.provider_id AND c.group_id = u.group_id AND c.remote = i.remote
  ), numbers AS MATERIALIZED (
    SELECT id FROM number WHERE (provider_id, id) IN (SELECT provider, number_id FROM input) FOR NO KEY UPDATE SKIP LOCKED
  ), conversations AS MATERIALIZED (
    SELECT id FROM conversation WHERE (provider_id, id) IN (SELECT provider, conversation_id FROM input) FOR NO KEY UPDATE SKIP LOCKED
  ), consents AS MATERIALIZED (
    SELECT group_id, remote FROM remote_consent WHERE (provider_id, group_id, remote) IN (SELECT provider, group_id, remote FROM input)
    FOR NO KEY UPDATE SKIP LOCKED
  ), feeds AS MATERIALIZED (
    SELECT id FROM feed WHERE (provider_id, id) IN (SELECT provider, feed_id FROM input) FOR NO KEY UPDATE SKIP LOCKED
  )
  SELECT ordinal FROM input
  WHERE (number_id IS NULL OR number_id IN (SELECT id FROM numbers))
    AND (conversation_id IS NULL OR conversation_id IN (SELECT id FROM conversations))
    AND (remote IS NULL OR (group_id, remote) IN (SELECT group_id, remote FROM consents))
    AND (feed_id IS NULL OR feed_id IN (SELECT id FROM feeds))
$$;

-- What could not be read is kept raw and answered 2xx; it can be read again after a repair (G5).
CREATE FUNCTION ingest_unreadable(its_provider bigint, its_platform bigint, its_key text, its_raw text, its_reason text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO quarantine (provider_id, id, platform_id, kind, dedupe_key, raw, reason)
  VALUES (its_provider, new_id(), its_platform, 3, its_key, its_raw, its_reason)
  ON CONFLICT (provider_id, platform_id, kind, dedupe_key) DO NOTHING
$$;

GRANT EXECUTE ON FUNCTION ingest_texts(jsonb), ingest_free(jsonb), ingest_unreadable(bigint, bigint, text, text, text) TO kereru_ingest;

-- Serialises everything about one carrier id, so that a receipt and the answer it races see each other (G20).
CREATE FUNCTION lock_carrier_ids(keys text[]) RETURNS void LANGUAGE sql VOLATILE AS $$
  SELECT count(pg_advisory_xact_lock(k)) FROM (SELECT DISTINCT hashtextextended(key, 20) AS k FROM unnest(keys) AS key ORDER BY 1) sorted
$$;

-- items: [{provider, platform, cid, message|null, attempt|null, part|null, state, carrier_state, code, reason, raw, request}]
CREATE FUNCTION ingest_receipts(items jsonb) RETURNS TABLE (feed_id bigint, number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  providers bigint[]; messages bigint[];
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
                    AND r.state = i.state AND r.error_code = i.code AND r.id BETWEEN first_receipt AND newest_id);

  -- Which texts they are about: by the carrier's id, or by the part that the callback's path names.
  SELECT min(i.message), max(i.message) INTO first_named, last_named FROM jsonb_to_recordset(items) AS i (message bigint);
  SELECT array_agg(found.provider_id), array_agg(found.message_id), min(found.message_id), max(found.message_id)
  INTO providers, messages, first_id, last_id FROM (
    SELECT p.provider_id, p.message_id FROM jsonb_to_recordset(items) AS i (provider bigint, platform bigint, cid text)
    JOIN part p ON p.provider_id = i.provider AND p.platform_id = i.platform AND p.carrier_id = i.cid AND p.message_id <= newest_id
    UNION
    SELECT p.provider_id, p.message_id
    FROM jsonb_to_recordset(items) AS i (provider bigint, platform bigint, message bigint, attempt smallint, part smallint)
    JOIN part p ON p.provider_id = i.provider AND p.platform_id = i.platform AND p.message_id = i.message AND p.attempt = i.attempt
      AND p.part = i.part AND p.message_id BETWEEN first_named AND last_named) found;
  SELECT array_agg(m.provider_id), array_agg(m.id) INTO providers, messages FROM (
    SELECT m.provider_id, m.id FROM message m
    WHERE (m.provider_id, m.id) IN (SELECT * FROM unnest(providers, messages)) AND m.id BETWEEN first_id AND last_id
    ORDER BY m.provider_id, m.id FOR NO KEY UPDATE) m;

  -- A callback whose path names our part settles it even if the answer with the carrier's id was lost (design §7).
  UPDATE part p SET carrier_id = i.cid
  FROM (SELECT DISTINCT ON (provider, message, attempt, part) * FROM jsonb_to_recordset(items)
          AS i (provider bigint, platform bigint, cid text, message bigint, attempt smallint, part smallint)
        WHERE message IS NOT NULL ORDER BY provider, message, attempt, part, cid) i
  WHERE p.provider_id = i.provider AND p.platform_id = i.platform AND p.message_id = i.message AND p.attempt = i.attempt AND p.part = i.part
    AND p.message_id BETWEEN first_id AND last_id AND p.carrier_id IS NULL AND p.handover IN (2, 5);

  INSERT INTO exchange (provider_id, id, platform_id, message_id, kind, request_id, raw)
  SELECT i.provider, new_id(), i.platform, p.message_id, 2, i.request, i.raw
  FROM jsonb_to_recordset(items) AS i (provider bigint, platform bigint, cid text, raw text, request text)
  LEFT JOIN part p ON p.provider_id = i.provider AND p.platform_id = i.platform AND p.carrier_id = i.cid
    AND p.message_id BETWEEN first_id AND last_id;

  RETURN QUERY SELECT s.feed_id, s.number FROM settle_messages(providers, messages) s;
END $$;

-- As ingest_free, for receipts: answers the ordinals whose messages and feeds are free.
CREATE FUNCTION receipts_free(items jsonb) RETURNS SETOF bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH input AS MATERIALIZED (
    SELECT i.provider, i.ordinal, m.id AS message_id, u.feed_id
    FROM ROWS FROM (jsonb_to_recordset(items) AS (provider bigint, platform bigint, cid text, message bigint)) WITH ORDINALITY
      AS i (provider, platform, cid, message, ordinal)
    CROSS JOIN LATERAL (
      SELECT i.message AS id WHERE i.message IS NOT NULL
      UNION ALL
      SELECT p.message_id FROM part p WHERE p.provider_id = i.provider AND p.platform_id = i.platform AND p.carrier_id = i.cid) named
    JOIN message m ON m.provider_id = i.provider AND m.id = named.id
    JOIN conversation v ON v.provider_id = m.provider_id AND v.id = m.conversation_id
    JOIN assignment a ON a.provider_id = v.provider_id AND a.id = v.assignment_id
    JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
  ), messages AS MATERIALIZED (
    SELECT id FROM message WHERE (provider_id, id) IN (SELECT provider, message_id FROM input) FOR NO KEY UPDATE SKIP LOCKED
  ), feeds AS MATERIALIZED (
    SELECT id FROM feed WHERE (provider_id, id) IN (SELECT provider, feed_id FROM input) FOR NO KEY UPDATE SKIP LOCKED
  )
  SELECT generate_series(1, jsonb_array_length(items))
  EXCEPT
  SELECT ordinal FROM input WHERE message_id NOT IN (SELECT id FROM messages) OR feed_id NOT IN (SELECT id FROM feeds)
$$;
GRANT EXECUTE ON FUNCTION ingest_receipts(jsonb), receipts_free(jsonb) TO kereru_ingest;
