-- realtime: the one way to write a feed, and what the hub reads.

-- Appends changes to feeds; the last statement before COMMIT, since it takes the feeds' row locks, sorted (design §6).
-- Order within a feed is the arrays' order; numbers are gapless in commit order (G23).
CREATE FUNCTION append_changes(
  providers bigint[], feeds bigint[], kinds smallint[], conversations bigint[], messages bigint[], subjects bigint[], versions integer[])
RETURNS TABLE (feed_id bigint, number bigint)
LANGUAGE sql VOLATILE AS $$
  WITH wanted AS (
    SELECT w.* FROM unnest(providers, feeds, kinds, conversations, messages, subjects, versions) WITH ORDINALITY
      AS w (provider_id, feed_id, kind, conversation_id, message_id, subject_id, version, ordinal)
    WHERE w.feed_id IS NOT NULL
  ), locked AS MATERIALIZED (
    SELECT f.provider_id, f.id, f.head FROM feed f
    WHERE (f.provider_id, f.id) IN (SELECT w.provider_id, w.feed_id FROM wanted w)
    ORDER BY f.provider_id, f.id FOR NO KEY UPDATE OF f
  ), numbered AS MATERIALIZED (
    SELECT w.*, l.head + row_number() OVER (PARTITION BY w.provider_id, w.feed_id ORDER BY w.ordinal) AS number
    FROM wanted w JOIN locked l ON l.provider_id = w.provider_id AND l.id = w.feed_id
  ), moved AS (
    UPDATE feed f SET head = n.head
    FROM (SELECT provider_id, feed_id, max(number) AS head FROM numbered GROUP BY 1, 2) n
    WHERE f.provider_id = n.provider_id AND f.id = n.feed_id
  ), written AS (
    INSERT INTO change (provider_id, feed_id, number, id, kind, conversation_id, message_id, subject_id, version)
    SELECT provider_id, feed_id, number, new_id(), kind, conversation_id, message_id, subject_id, version FROM numbered
  )
  SELECT n.feed_id, max(n.number) FROM numbered n GROUP BY n.provider_id, n.feed_id
$$;
GRANT EXECUTE ON FUNCTION append_changes(bigint[], bigint[], smallint[], bigint[], bigint[], bigint[], integer[]) TO kereru_app, kereru_service;

-- Heads of feeds that a hub shows, over all providers: how it learns of a notification that was lost.
CREATE FUNCTION feed_heads(providers bigint[], feeds bigint[]) RETURNS TABLE (feed_id bigint, head bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT f.id, f.head FROM unnest(providers, feeds) AS w (provider_id, feed_id)
  JOIN feed f ON f.provider_id = w.provider_id AND f.id = w.feed_id
$$;
GRANT EXECUTE ON FUNCTION feed_heads(bigint[], bigint[]) TO kereru_app, kereru_service;

-- A process says that it lives, and sweeps what dead ones left with the same providers. live_socket is unlogged: after a crash of the database it is
-- empty, so the answer tells the process how many of its rows are still there.
CREATE FUNCTION beat_live_sockets(providers bigint[], its_process text, stale interval) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  DELETE FROM live_socket WHERE provider_id = ANY (providers) AND process <> its_process AND seen_at < app_now() - stale;
  WITH beaten AS (
    UPDATE live_socket SET seen_at = app_now() WHERE provider_id = ANY (providers) AND process = its_process RETURNING 1
  )
  SELECT count(*)::integer FROM beaten
$$;
CREATE FUNCTION end_live_sockets(providers bigint[], its_process text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  DELETE FROM live_socket WHERE provider_id = ANY (providers) AND process = its_process
$$;
GRANT EXECUTE ON FUNCTION beat_live_sockets(bigint[], text, interval), end_live_sockets(bigint[], text) TO kereru_app;
