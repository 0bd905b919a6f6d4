-- retention: how long each thing is kept, and how what is older goes (R44, R45, Q8). Texts, whole: 90 days, and at most one week more until their
-- week is dropped, during which no read reaches them.

-- A week is dropped when all of it is older than this. kernel/limits.py holds the same figures.
ALTER TABLE weekly_table ADD COLUMN kept_days integer NOT NULL DEFAULT 90;
UPDATE weekly_table SET kept_days = 14 WHERE name = 'exchange';
UPDATE weekly_table SET kept_days = 28 WHERE name = 'change';

-- The smallest id of a text that people may still see, by the database's time (G43).
CREATE FUNCTION oldest_kept() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT lowest_id(app_now() - interval '90 days')
$$;
GRANT EXECUTE ON FUNCTION oldest_kept() TO kereru_app;

-- Weeks to be dropped, oldest first; stage: attached; detaching (a detach that was broken off has to be ended); detached (not yet dropped).
CREATE FUNCTION old_weeks() RETURNS TABLE (parent text, week text, stage text) LANGUAGE sql STABLE AS $$
  SELECT w.name, c.relname::text, CASE WHEN i.inhrelid IS NULL THEN 'detached' WHEN i.inhdetachpending THEN 'detaching' ELSE 'attached' END
  FROM weekly_table w
  JOIN pg_class c ON c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname ~ ('^' || w.name || '_w[0-9]{8}$')
  LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
  WHERE (to_date(right(c.relname, 8), 'YYYYMMDD') + 7)::timestamp AT TIME ZONE 'UTC' <= app_now() - make_interval(days => w.kept_days)
  ORDER BY right(c.relname, 8), w.name
$$;

-- What is older than 90 days in tables without weeks, and what carriers said about texts that are; at most `most` rows of each a call. Answers how many.
CREATE FUNCTION forget_old(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
  oldest bigint := oldest_kept();
  gone bigint;
  more bigint;
BEGIN
  DELETE FROM client_key k USING (SELECT o.provider_id, o.user_id, o.client_id FROM client_key o WHERE o.message_id < oldest LIMIT most) old
  WHERE k.provider_id = old.provider_id AND k.user_id = old.user_id AND k.client_id = old.client_id AND k.message_id < oldest;
  GET DIAGNOSTICS gone = ROW_COUNT;
  DELETE FROM quarantine q USING provider p CROSS JOIN LATERAL (
    SELECT o.id FROM quarantine o WHERE o.provider_id = p.provider_id AND o.id < oldest ORDER BY o.id LIMIT most) old
  WHERE q.provider_id = p.provider_id AND q.id = old.id;
  GET DIAGNOSTICS more = ROW_COUNT;
  gone := gone + more;
  DELETE FROM mail m USING provider p CROSS JOIN LATERAL (
    SELECT o.id FROM mail o WHERE o.provider_id = p.provider_id AND o.id < oldest ORDER BY o.id LIMIT most) old
  WHERE m.provider_id = p.provider_id AND m.id = old.id;
  GET DIAGNOSTICS more = ROW_COUNT;
  gone := gone + more;
  -- The exchange of a late Send again is younger than its text, and holds it.
  DELETE FROM exchange x USING provider p CROSS JOIN LATERAL (
    SELECT o.id FROM exchange o WHERE o.provider_id = p.provider_id AND o.message_id < oldest LIMIT most) old
  WHERE x.provider_id = p.provider_id AND x.id = old.id;
  GET DIAGNOSTICS more = ROW_COUNT;
  RETURN gone + more;
END $$;

-- Of the next `most` conversations after one: those whose last text is gone are deleted (Q8), unread marks of texts that are gone come off.
-- Answers where it got to, null at the end, and which feeds were told. Rows that somebody holds are left for the next time.
CREATE FUNCTION tidy_conversations(after_provider bigint, after_id bigint, most integer)
RETURNS TABLE (to_provider bigint, to_id bigint, gone bigint, feed_id bigint, number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  oldest bigint := oldest_kept();
  stretch_providers bigint[]; stretch bigint[]; stale_providers bigint[]; stale bigint[];
  providers bigint[]; feeds bigint[]; conversations bigint[]; versions integer[];
  deleted bigint;
BEGIN
  -- Younger ones hold nothing old: a conversation is made with its first text.
  SELECT array_agg(c.provider_id), array_agg(c.id) INTO stretch_providers, stretch FROM (
    SELECT c.provider_id, c.id FROM conversation c WHERE (c.provider_id, c.id) > (after_provider, after_id)
    ORDER BY c.provider_id, c.id LIMIT most) c;
  SELECT array_agg(c.provider_id), array_agg(c.id) INTO stale_providers, stale FROM (
    SELECT c.provider_id, c.id FROM unnest(stretch_providers, stretch) AS s (provider_id, id)
    JOIN conversation c ON c.provider_id = s.provider_id AND c.id = s.id
    WHERE c.id < oldest AND (coalesce(c.last_message_id, 0) < oldest OR c.unread > 0 AND c.last_inbound_id IS NOT NULL)
    ORDER BY c.provider_id, c.id FOR UPDATE OF c SKIP LOCKED) c;

  -- Whoever adds a text to a conversation holds its row, so from here on its texts are known.
  WITH dead AS (
    DELETE FROM conversation c USING unnest(stale_providers, stale) AS s (provider_id, id)
    WHERE c.provider_id = s.provider_id AND c.id = s.id AND coalesce(c.last_message_id, 0) < oldest
      AND NOT EXISTS (SELECT 1 FROM message m WHERE m.provider_id = c.provider_id AND m.conversation_id = c.id AND m.id >= oldest)
    RETURNING 1
  )
  SELECT count(*) INTO deleted FROM dead;
  -- The unread ones are the newest; a mark that a person put on a conversation nobody wrote in stays.
  WITH counted AS MATERIALIZED (
    SELECT c.provider_id, c.id, least(c.unread, kept.count) AS unread
    FROM unnest(stale_providers, stale) AS s (provider_id, id)
    JOIN conversation c ON c.provider_id = s.provider_id AND c.id = s.id AND c.unread > 0 AND c.last_inbound_id IS NOT NULL
    CROSS JOIN LATERAL (
      SELECT count(*)::integer AS count FROM message m WHERE m.provider_id = c.provider_id AND m.conversation_id = c.id AND m.id >= oldest
        AND NOT m.outbound AND m.visibility = 0) kept
  ), lowered AS (
    UPDATE conversation c SET unread = n.unread, version = c.version + 1 FROM counted n
    WHERE c.provider_id = n.provider_id AND c.id = n.id AND c.unread > n.unread
    RETURNING c.provider_id, c.id, c.assignment_id, c.version
  )
  SELECT array_agg(l.provider_id), array_agg(u.feed_id), array_agg(l.id), array_agg(l.version) INTO providers, feeds, conversations, versions
  FROM lowered l
  JOIN assignment a ON a.provider_id = l.provider_id AND a.id = l.assignment_id
  JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id;

  IF cardinality(stretch) = most THEN
    RETURN QUERY SELECT stretch_providers[most], stretch[most], deleted, NULL::bigint, NULL::bigint;
  ELSE
    RETURN QUERY SELECT NULL::bigint, NULL::bigint, deleted, NULL::bigint, NULL::bigint;
  END IF;
  IF feeds IS NOT NULL THEN
    RETURN QUERY SELECT NULL::bigint, NULL::bigint, NULL::bigint, w.feed_id, w.number FROM append_changes(
      providers, feeds, array_fill(4::smallint, ARRAY[cardinality(feeds)]), conversations, array_fill(NULL::bigint, ARRAY[cardinality(feeds)]),
      array_fill(NULL::bigint, ARRAY[cardinality(feeds)]), versions) w;
  END IF;
END $$;

-- kernel: what the scheduler does over and over, when each last ended well, and how often it has failed since.
CREATE TABLE upkeep (
  name text PRIMARY KEY,
  done_at timestamptz NOT NULL,
  failures integer NOT NULL DEFAULT 0,
  problem text NOT NULL DEFAULT ''
);
-- `its_problem` null: it ended well. Answers how often it has failed since it last did.
CREATE FUNCTION note_upkeep(its_name text, its_problem text) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO upkeep AS u (name, done_at, failures, problem)
  VALUES (its_name, CASE WHEN its_problem IS NULL THEN app_now() ELSE '-infinity' END, CASE WHEN its_problem IS NULL THEN 0 ELSE 1 END,
    coalesce(its_problem, ''))
  ON CONFLICT (name) DO UPDATE SET done_at = CASE WHEN its_problem IS NULL THEN excluded.done_at ELSE u.done_at END,
    failures = CASE WHEN its_problem IS NULL THEN 0 ELSE u.failures + 1 END, problem = excluded.problem
  RETURNING failures
$$;
-- age_s: since it last ended well; infinite when it never did.
CREATE FUNCTION upkeep_figures() RETURNS TABLE (name text, age_s double precision, failures integer, problem text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT u.name, CASE WHEN u.done_at = '-infinity' THEN 'infinity' ELSE extract(epoch FROM app_now() - u.done_at) END::double precision,
    u.failures, u.problem FROM upkeep u ORDER BY u.name
$$;
GRANT EXECUTE ON FUNCTION forget_old(integer), tidy_conversations(bigint, bigint, integer), note_upkeep(text, text), upkeep_figures()
  TO kereru_service;
