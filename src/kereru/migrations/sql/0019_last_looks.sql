-- messaging: a STOP counts although nobody holds the number that it was sent to, and a second hand-over looks at consent a second time (G17, G35).

-- Somebody said STOP to a number without a live assignment. It is set aside like any text to such a number, but its wish holds: for the group that had
-- the number last, and for each that texted with this person from it. Called in the transaction of ingest_texts; it ends with feeds' locks.
CREATE FUNCTION stop_former_groups(providers bigint[], platforms bigint[], numbers text[], remotes text[])
RETURNS TABLE (feed_id bigint, number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  t_providers bigint[]; feeds bigint[]; conversations bigint[]; versions integer[];
BEGIN
  WITH concerned AS MATERIALIZED (
    SELECT DISTINCT u.provider_id, u.group_id, w.remote
    FROM unnest(providers, platforms, numbers, remotes) AS w (provider_id, platform_id, e164, remote)
    JOIN number n ON n.provider_id = w.provider_id AND n.platform_id = w.platform_id AND n.e164 = w.e164
    JOIN assignment a ON a.provider_id = n.provider_id AND a.number_id = n.id
    JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
    WHERE a.id = (SELECT max(l.id) FROM assignment l WHERE l.provider_id = n.provider_id AND l.number_id = n.id)
      OR EXISTS (SELECT 1 FROM conversation v WHERE v.provider_id = a.provider_id AND v.assignment_id = a.id AND v.remote = w.remote)
  ), stopped AS (
    INSERT INTO remote_consent AS c (provider_id, group_id, remote, stopped, source)
    SELECT provider_id, group_id, remote, true, 1 FROM concerned ORDER BY provider_id, group_id, remote
    ON CONFLICT (provider_id, group_id, remote) DO UPDATE SET stopped = true, source = 1, at = excluded.at
    RETURNING c.provider_id, c.group_id, c.remote
  )
  SELECT array_agg(t.provider_id), array_agg(t.feed_id), array_agg(t.id), array_agg(t.version) INTO t_providers, feeds, conversations, versions
  FROM (
    SELECT DISTINCT v.provider_id, u.feed_id, v.id, v.version
    FROM stopped s
    JOIN end_user u ON u.provider_id = s.provider_id AND u.group_id = s.group_id
    JOIN assignment a ON a.provider_id = u.provider_id AND a.user_id = u.id
    JOIN conversation v ON v.provider_id = a.provider_id AND v.assignment_id = a.id AND v.remote = s.remote
    WHERE v.last_message_id IS NOT NULL
    ORDER BY 1, 2, 3) t;
  IF feeds IS NULL THEN RETURN; END IF;
  RETURN QUERY SELECT w.feed_id, w.number FROM append_changes(t_providers, feeds, array_fill(6::smallint, ARRAY[cardinality(feeds)]), conversations,
    array_fill(NULL::bigint, ARRAY[cardinality(feeds)]), array_fill(NULL::bigint, ARRAY[cardinality(feeds)]), versions) w;
END $$;
GRANT EXECUTE ON FUNCTION stop_former_groups(bigint[], bigint[], text[], text[]) TO kereru_ingest;

-- Whether a text that was claimed may be handed over once more, as links: the conditions of claim_outbox, as they stand now.
CREATE FUNCTION may_still_go(its_provider bigint, its_message bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (
    SELECT 1 FROM message m
    JOIN conversation v ON v.provider_id = m.provider_id AND v.id = m.conversation_id
    JOIN assignment a ON a.provider_id = v.provider_id AND a.id = v.assignment_id AND a.ended_at IS NULL AND a.state = 4
    JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
    JOIN licence l ON l.provider_id = a.provider_id AND l.user_id = a.user_id AND l.starts_at <= app_now()
      AND (l.ends_at IS NULL OR l.ends_at > app_now())
    LEFT JOIN opt_in o ON o.provider_id = a.provider_id AND o.assignment_id = a.id
    WHERE m.provider_id = its_provider AND m.id = its_message AND coalesce(o.state, 2) = 2
      AND NOT EXISTS (SELECT 1 FROM remote_consent s WHERE s.provider_id = u.provider_id AND s.group_id = u.group_id AND s.remote = v.remote
                      AND s.stopped)
      AND NOT EXISTS (SELECT 1 FROM blocked_remote b WHERE b.provider_id = a.provider_id AND b.assignment_id = a.id AND b.remote = v.remote))
$$;
GRANT EXECUTE ON FUNCTION may_still_go(bigint, bigint) TO kereru_service;
