-- messaging: search over all own conversations (design §9). An entry of the index is an owner with a word, so a search reads its owners' texts with
-- these words and no others, however much the installation holds. Each week's table has its own index, made and dropped with it.

-- Whose text it is: the conversation's assignment, which never changes.
ALTER TABLE message ADD COLUMN assignment_id bigint;
UPDATE message m SET assignment_id = c.assignment_id FROM conversation c WHERE c.provider_id = m.provider_id AND c.id = m.conversation_id;

-- Small letters without accents; what is neither letter nor digit is a space; letters of scripts that put no spaces between words stand alone. The same
-- for texts and for what is asked, and nothing in it means anything to LIKE or to a tsquery.
CREATE FUNCTION search_letters(words text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT regexp_replace(regexp_replace(regexp_replace(lower(normalize(words, NFKD)), '[\u0300-\u036f]+', '', 'g'), '[^[:alnum:]]+', ' ', 'g'),
    '([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])', ' \1 ', 'g')
$$;
-- With words of at most 100 letters where one might be too long for the index: what somebody sends must never keep it from being stored.
CREATE FUNCTION search_form(words text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN octet_length(words) <= 500 THEN public.search_letters(words)
    ELSE regexp_replace(public.search_letters(words), '([^ ]{100})[^ ]+', '\1', 'g') END
$$;
CREATE FUNCTION search_owner(its_assignment bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT to_hex(its_assignment % 4294967291) || ':'
$$;
-- One expression, so that it is put in place instead of called, and naming its schema, since nothing is in the path where an index is made.
-- A text's first 2,000 characters; people send at most 1,600.
CREATE FUNCTION search_entries(its_assignment bigint, words text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT array_to_tsvector(string_to_array(
    public.search_owner(its_assignment)
    || replace(public.search_form("left"(words, 2000)), ' ', ' ' || public.search_owner(its_assignment)), ' '))
$$;
-- What its owner does not see is not there to be found (Q13, Q26). New entries wait in a list, which tidy_search puts in order before it is full.
CREATE INDEX message_search ON message USING gin (search_entries(assignment_id, text)) WITH (fastupdate = on, gin_pending_list_limit = 16384)
  WHERE visibility = 0;

-- The words of what is asked; the first twenty count.
CREATE FUNCTION search_asked(asked text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (array_remove(string_to_array(search_form(asked), ' '), ''))[1:20]
$$;
-- Texts of these owners with all the words, the last of which may be the beginning of one; newest first. Weeks are read one by one, newest first, each
-- by its index, until there are enough; a conversation's texts are read by key.
CREATE FUNCTION search_texts(its_provider bigint, owners bigint[], its_conversation bigint, asked text, before bigint, since bigint, most integer)
RETURNS SETOF bigint LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  words text[] := search_asked(asked);
  wanted tsquery;
  runs text[];
  week timestamp := date_trunc('week', least(made_at(before), app_now() + interval '1 day') AT TIME ZONE 'UTC');
  last_week timestamp := date_trunc('week', made_at(since) AT TIME ZONE 'UTC');
  week_table regclass;
  got integer;
BEGIN
  IF its_provider IS DISTINCT FROM scope_provider() THEN
    RAISE insufficient_privilege USING MESSAGE = 'texts are searched in their own provider''s scope';
  END IF;
  IF coalesce(cardinality(words), 0) = 0 OR coalesce(cardinality(owners), 0) = 0 THEN RETURN; END IF;
  SELECT string_agg('(' || whole || ')', ' | ')::tsquery INTO wanted FROM (
    SELECT string_agg('''' || search_owner(o) || w || '''' || CASE WHEN place = cardinality(words) THEN ':*' ELSE '' END, ' & ') AS whole
    FROM unnest(owners) AS o CROSS JOIN unnest(words) WITH ORDINALITY AS u (w, place) GROUP BY o) each;
  -- Letters that stand alone have to follow each other as they were asked for.
  SELECT coalesce(array_agg(f[1]), '{}') INTO runs FROM regexp_matches(search_form(asked),
    '((?: [฀-໿က-႟ក-៿぀-ヿ㐀-鿿豈-﫿] ){2,})', 'g') AS f;

  IF its_conversation IS NOT NULL THEN
    RETURN QUERY EXECUTE '
      SELECT m.id FROM message m
      WHERE m.provider_id = $1 AND m.conversation_id = $7 AND m.assignment_id = ANY ($2) AND m.id < $4 AND m.id >= $5 AND m.visibility = 0
        AND search_entries(m.assignment_id, m.text) @@ $3
        AND NOT EXISTS (SELECT 1 FROM unnest($8) AS run WHERE strpos(search_form("left"(m.text, 2000)), run) = 0)
      ORDER BY m.id DESC LIMIT $6' USING its_provider, owners, wanted, before, since, most, its_conversation, runs;
    RETURN;
  END IF;
  WHILE most > 0 AND week >= last_week LOOP
    week_table := to_regclass(to_char(week, '"message_w"YYYYMMDD'));
    IF week_table IS NOT NULL THEN
      -- Planned each time, for this question. No index but this one can serve it: ids are compared so that theirs cannot.
      RETURN QUERY EXECUTE format('
        SELECT m.id FROM %s m
        WHERE search_entries(m.assignment_id, m.text) @@ $3 AND m.visibility = 0 AND m.provider_id + 0 = $1 AND m.assignment_id = ANY ($2)
          AND m.id + 0 < $4 AND m.id + 0 >= $5
          AND NOT EXISTS (SELECT 1 FROM unnest($7) AS run WHERE strpos(search_form("left"(m.text, 2000)), run) = 0)
        ORDER BY m.id + 0 DESC LIMIT $6', week_table) USING its_provider, owners, wanted, before, since, most, runs;
      GET DIAGNOSTICS got = ROW_COUNT;
      most := most - got;
    END IF;
    week := week - interval '7 days';
  END LOOP;
END $$;
-- The first four also for storing a text: an index's functions are the writer's to call.
GRANT EXECUTE ON FUNCTION search_letters(text), search_form(text), search_owner(bigint), search_entries(bigint, text), search_asked(text),
  search_texts(bigint, bigint[], bigint, text, bigint, bigint, integer) TO kereru_app;

-- Puts the newest entries of each week's index in order, so that neither a search nor whoever stores a text has to. Answers how many pages of them.
CREATE FUNCTION tidy_search() RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT coalesce(sum(gin_clean_pending_list(i.inhrelid)), 0)::bigint FROM pg_inherits i WHERE i.inhparent = 'message_search'::regclass
$$;
GRANT EXECUTE ON FUNCTION tidy_search() TO kereru_service;

-- Who stores texts, says whose they are.

-- items: [{provider, platform, to, remote, cid|null, text, consent: "stop"|"start"|null, raw, request, place}]
-- request: ours, one for each webhook; place: of the text in it. A text without a carrier id is known by both, so that a replay of the intake log
-- stores it once while a person's second "yes" is a second text (G4).
-- outcome: 1 shown, 2 withheld, 3 blocked, 4 duplicate, 5 unknown number, 6 no live assignment
-- The weeks to come, which are empty, are not opened: `newest_id`.
-- Whole tables are never read: a plan made while a week was empty would go on reading it whole when it is full.
CREATE OR REPLACE FUNCTION ingest_texts(items jsonb)
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
    INSERT INTO message (provider_id, id, conversation_id, assignment_id, outbound, status, visibility, text, platform_id, carrier_id)
    SELECT t.provider, t.id, j.id, j.assignment_id, false, 9, t.outcome - 1, t.text, t.platform, t.cid
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

-- Marks texts that ingest_texts has just stored in this transaction, answers HELP at most once a day for each person and group, and never one who
-- asked for silence (G17). The answer waits in the outbox like any text.
CREATE OR REPLACE FUNCTION mark_consent(its_providers bigint[], its_messages bigint[], marks smallint[]) RETURNS TABLE (feed_id bigint, number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  first_id bigint; last_id bigint; now_at timestamptz := app_now();
  providers bigint[]; feeds bigint[]; conversations bigint[]; answers bigint[]; versions integer[];
  t_providers bigint[]; t_messages bigint[];
BEGIN
  SELECT min(m), max(m) INTO first_id, last_id FROM unnest(its_messages) AS m;
  UPDATE message m SET consent = w.mark FROM unnest(its_providers, its_messages, marks) AS w (provider_id, message_id, mark)
  WHERE m.provider_id = w.provider_id AND m.id = w.message_id AND m.id BETWEEN first_id AND last_id;

  -- Their own word is newer than what a carrier or a colleague had said.
  UPDATE remote_consent c SET source = 1
  FROM unnest(its_providers, its_messages, marks) AS w (provider_id, message_id, mark)
  JOIN message m ON m.provider_id = w.provider_id AND m.id = w.message_id AND m.id BETWEEN first_id AND last_id
  JOIN conversation v ON v.provider_id = m.provider_id AND v.id = m.conversation_id
  JOIN assignment a ON a.provider_id = v.provider_id AND a.id = v.assignment_id
  JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
  WHERE w.mark IN (1, 2) AND c.provider_id = u.provider_id AND c.group_id = u.group_id AND c.remote = v.remote AND c.source <> 1;

  WITH asked AS MATERIALIZED (
    SELECT DISTINCT ON (m.provider_id, u.group_id, v.remote) m.provider_id, u.group_id, v.remote, v.id AS conversation_id, v.assignment_id, u.feed_id,
      m.platform_id, p.queue_deadline_s
    FROM unnest(its_providers, its_messages, marks) AS w (provider_id, message_id, mark)
    JOIN message m ON m.provider_id = w.provider_id AND m.id = w.message_id AND m.id BETWEEN first_id AND last_id
    JOIN platform p ON p.provider_id = m.provider_id AND p.id = m.platform_id
    JOIN conversation v ON v.provider_id = m.provider_id AND v.id = m.conversation_id
    JOIN assignment a ON a.provider_id = v.provider_id AND a.id = v.assignment_id
    JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
    WHERE w.mark = 3 AND m.visibility = 0 AND v.remote ~ '^\+?[0-9]+$'
    ORDER BY m.provider_id, u.group_id, v.remote, m.id DESC
  ), due AS (
    INSERT INTO remote_consent AS c (provider_id, group_id, remote, stopped, helped_at)
    SELECT provider_id, group_id, remote, false, now_at FROM asked
    ON CONFLICT (provider_id, group_id, remote) DO UPDATE SET helped_at = excluded.helped_at
      WHERE NOT c.stopped AND (c.helped_at IS NULL OR c.helped_at <= excluded.helped_at - interval '1 day')
    RETURNING c.provider_id, c.group_id, c.remote
  ), answering AS MATERIALIZED (
    SELECT a.*, new_id() AS id, help_answer(a.provider_id, a.group_id) AS text
    FROM asked a JOIN due d ON d.provider_id = a.provider_id AND d.group_id = a.group_id AND d.remote = a.remote
  ), joined AS (
    UPDATE conversation c SET last_message_id = greatest(c.last_message_id, a.id), version = c.version + 1
    FROM answering a WHERE c.provider_id = a.provider_id AND c.id = a.conversation_id
    RETURNING c.provider_id, c.id, c.version
  ), stored AS (
    INSERT INTO message (provider_id, id, conversation_id, assignment_id, outbound, status, text, attempt, segments, platform_id, automatic)
    SELECT provider_id, id, conversation_id, assignment_id, true, 1, text, 1, 1, platform_id, 1 FROM answering
  ), waiting AS (
    INSERT INTO outbox (provider_id, message_id, platform_id, group_id, conversation_id, attempt, parts, expires_at)
    SELECT provider_id, id, platform_id, group_id, conversation_id, 1, ARRAY[text], now_at + make_interval(secs => queue_deadline_s) FROM answering
  )
  SELECT array_agg(a.provider_id), array_agg(a.feed_id), array_agg(a.conversation_id), array_agg(a.id), array_agg(j.version)
  INTO providers, feeds, conversations, answers, versions
  FROM answering a JOIN joined j ON j.provider_id = a.provider_id AND j.id = a.conversation_id;

  IF feeds IS NOT NULL THEN
    RETURN QUERY SELECT w.feed_id, w.number FROM append_changes(providers, feeds, array_fill(2::smallint, ARRAY[cardinality(feeds)]), conversations,
      answers, array_fill(NULL::bigint, ARRAY[cardinality(feeds)]), versions) w;
  END IF;
  SELECT array_agg(w.provider_id), array_agg(w.message_id) INTO t_providers, t_messages
  FROM unnest(its_providers, its_messages, marks) AS w (provider_id, message_id, mark) WHERE w.mark IN (1, 2);
  IF t_messages IS NOT NULL THEN
    RETURN QUERY SELECT w.feed_id, w.number FROM tell_consent(t_providers, t_messages, false) w;
  END IF;
END $$;
