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
