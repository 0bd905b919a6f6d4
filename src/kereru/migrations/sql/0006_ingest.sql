-- messaging, inward: one function per batch (design §6). Locks: numbers sorted, conversations by their unique key, feeds sorted and last.

-- items: [{provider, platform, to, remote, cid|null, text, consent: "stop"|"start"|null, raw, request}]
-- outcome: 1 shown, 2 withheld, 3 blocked, 4 duplicate, 5 unknown number, 6 no live assignment
CREATE FUNCTION ingest_texts(items jsonb)
RETURNS TABLE (ordinal bigint, outcome smallint, message_id bigint, feed_id bigint, feed_number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  done_ordinals bigint[]; done_outcomes smallint[]; done_messages bigint[];
  providers bigint[]; feeds bigint[]; conversations bigint[]; messages bigint[]; versions integer[];
BEGIN
  PERFORM 1 FROM number n
  WHERE (n.provider_id, n.platform_id, n.e164) IN (
    SELECT i.provider, i.platform, i."to" FROM jsonb_to_recordset(items) AS i (provider bigint, platform bigint, "to" text))
  ORDER BY n.provider_id, n.id FOR NO KEY UPDATE;

  WITH input AS MATERIALIZED (
    SELECT i.* FROM ROWS FROM (jsonb_to_recordset(items) AS (
      provider bigint, platform bigint, "to" text, remote text, cid text, text text, consent text, raw text, request text)) WITH ORDINALITY
      AS i (provider, platform, to_number, remote, cid, text, consent, raw, request, ordinal)
  ), resolved AS MATERIALIZED (
    SELECT i.*, n.id AS number_id, a.id AS assignment_id, u.feed_id, u.group_id,
      CASE
        WHEN n.id IS NULL THEN 5
        WHEN n.id IS NOT NULL AND i.cid IS NOT NULL AND (
          row_number() OVER (PARTITION BY i.provider, n.id, i.cid ORDER BY i.ordinal) > 1
          OR EXISTS (SELECT 1 FROM dedupe d WHERE d.provider_id = i.provider AND d.platform_id = i.platform
                     AND d.number_id = n.id AND d.kind = 1 AND d.carrier_id = i.cid)) THEN 4
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
  ), taken AS MATERIALIZED (
    SELECT r.*, CASE WHEN r.outcome <> 4 THEN new_id() END AS id FROM resolved r ORDER BY r.ordinal
  ), remembered AS (
    INSERT INTO dedupe (provider_id, platform_id, number_id, kind, carrier_id, id)
    SELECT provider, platform, number_id, 1, cid, id FROM taken WHERE cid IS NOT NULL AND number_id IS NOT NULL AND outcome <> 4
  ), set_aside AS (
    INSERT INTO quarantine (provider_id, id, platform_id, kind, dedupe_key, to_number, raw, reason)
    SELECT provider, id, platform, CASE outcome WHEN 5 THEN 1 ELSE 2 END, to_number || ' ' || coalesce(cid, id::text), to_number, raw,
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
          unread = c.unread + excluded.unread, version = c.version + 1
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

  RETURN QUERY
  WITH woken AS MATERIALIZED (
    SELECT * FROM append_changes(providers, feeds, array_fill(1::smallint, ARRAY[cardinality(feeds)]), conversations, messages,
      array_fill(NULL::bigint, ARRAY[cardinality(feeds)]), versions)
  )
  SELECT d.ordinal, d.outcome, d.message_id, d.feed_id, w.number
  FROM unnest(done_ordinals, done_outcomes, done_messages, feeds) AS d (ordinal, outcome, message_id, feed_id)
  LEFT JOIN woken w ON w.feed_id = d.feed_id;
END $$;

-- Feeds and numbers that somebody else holds just now: their texts wait for the next batch, the others' need not (design §6).
-- Answers the ordinals whose rows are free.
CREATE FUNCTION ingest_free(items jsonb) RETURNS SETOF bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH input AS MATERIALIZED (
    SELECT i.*, n.id AS number_id, u.feed_id FROM ROWS FROM (jsonb_to_recordset(items) AS (provider bigint, platform bigint, "to" text)) WITH ORDINALITY
      AS i (provider, platform, to_number, ordinal)
    LEFT JOIN number n ON n.provider_id = i.provider AND n.platform_id = i.platform AND n.e164 = i.to_number
    LEFT JOIN assignment a ON a.provider_id = n.provider_id AND a.number_id = n.id AND a.ended_at IS NULL
    LEFT JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
  ), free_numbers AS MATERIALIZED (
    SELECT provider_id, id FROM number WHERE (provider_id, id) IN (SELECT provider, number_id FROM input) FOR NO KEY UPDATE SKIP LOCKED
  ), free_feeds AS MATERIALIZED (
    SELECT provider_id, id FROM feed WHERE (provider_id, id) IN (SELECT provider, feed_id FROM input) FOR NO KEY UPDATE SKIP LOCKED
  )
  SELECT ordinal FROM input
  WHERE (number_id IS NULL OR (provider, number_id) IN (SELECT provider_id, id FROM free_numbers))
    AND (feed_id IS NULL OR (provider, feed_id) IN (SELECT provider_id, id FROM free_feeds))
$$;

-- What could not be read is kept raw and answered 2xx; it can be read again after a repair (G5).
CREATE FUNCTION ingest_unreadable(its_provider bigint, its_platform bigint, its_key text, its_raw text, its_reason text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO quarantine (provider_id, id, platform_id, kind, dedupe_key, raw, reason)
  VALUES (its_provider, new_id(), its_platform, 3, its_key, its_raw, its_reason)
  ON CONFLICT (provider_id, platform_id, kind, dedupe_key) DO NOTHING
$$;

GRANT EXECUTE ON FUNCTION ingest_texts(jsonb), ingest_free(jsonb), ingest_unreadable(bigint, bigint, text, text, text) TO kereru_ingest;
