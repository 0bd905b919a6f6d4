-- messaging: a text's way out in few statements. A person's text is judged and queued by one function each, claims and outcomes look everything up by
-- key, and what nearly every text goes through (its only try, claimed once, accepted, no receipt yet) is written without working its state out anew.

-- What these functions read, they read row by row by key, whatever the planner believes of tables that are still empty (0016).

-- What `commands.send` and `preflight` judge by (messaging/model.py, SendFacts), and the text that the same key of this user stands for already. No row:
-- the number is not his. It enters its provider's scope by itself, so that it may be called alone.
CREATE FUNCTION send_facts(its_provider bigint, its_user bigint, its_number bigint, its_remote text, its_client_id text DEFAULT NULL)
RETURNS TABLE (earlier_id bigint, assignment_id bigint, group_id bigint, feed_id bigint, platform_id bigint, carrier text,
  takes_long_texts boolean, queue_deadline_s integer, own_number text, enabled boolean, licensed boolean, opt_in smallint, blocked boolean,
  stopped boolean, to_own_number boolean, platform_stopped boolean, conversation_id bigint, has_inbound boolean, platform_mms boolean,
  number_mms boolean, perhaps_no_mobile boolean)
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  now_at timestamptz := app_now();
BEGIN
  PERFORM set_config('app.provider', its_provider::text, true);
  RETURN QUERY
  SELECT k.message_id, a.id, u.group_id, u.feed_id, p.id, p.carrier, p.takes_long_texts, p.queue_deadline_s, n.e164,
    a.state = 4 AND p.ended_at IS NULL, l.user_id IS NOT NULL, coalesce(o.state, 2::smallint), b.remote IS NOT NULL, coalesce(s.stopped, false),
    EXISTS (SELECT 1 FROM assignment oa JOIN number own ON own.provider_id = oa.provider_id AND own.id = oa.number_id
            WHERE oa.provider_id = its_provider AND oa.user_id = its_user AND oa.ended_at IS NULL AND own.e164 = its_remote),
    p.stopped_at IS NOT NULL, c.id, c.last_inbound_id IS NOT NULL, p.mms, coalesce(a.messaging_type, 2) = 2,
    NOT (u.any_number OR c.last_inbound_id IS NOT NULL OR known_mobile(its_provider, its_user, its_remote))
  FROM (SELECT * FROM number WHERE provider_id = its_provider AND id = its_number OFFSET 0) n
  CROSS JOIN LATERAL (
    SELECT * FROM assignment WHERE provider_id = its_provider AND number_id = n.id AND ended_at IS NULL AND user_id = its_user OFFSET 0) a
  CROSS JOIN LATERAL (SELECT * FROM end_user WHERE provider_id = its_provider AND id = its_user OFFSET 0) u
  CROSS JOIN LATERAL (SELECT * FROM platform WHERE provider_id = its_provider AND id = n.platform_id OFFSET 0) p
  LEFT JOIN LATERAL (
    SELECT user_id FROM licence WHERE provider_id = its_provider AND user_id = its_user AND starts_at <= now_at
      AND (ends_at IS NULL OR ends_at > now_at) OFFSET 0) l ON true
  LEFT JOIN LATERAL (SELECT state FROM opt_in WHERE provider_id = its_provider AND assignment_id = a.id OFFSET 0) o ON true
  LEFT JOIN LATERAL (
    SELECT remote FROM blocked_remote WHERE provider_id = its_provider AND assignment_id = a.id AND remote = its_remote OFFSET 0) b ON true
  LEFT JOIN LATERAL (
    SELECT stopped FROM remote_consent WHERE provider_id = its_provider AND group_id = u.group_id AND remote = its_remote OFFSET 0) s ON true
  LEFT JOIN LATERAL (
    SELECT id, last_inbound_id FROM conversation WHERE provider_id = its_provider AND assignment_id = a.id AND remote = its_remote OFFSET 0) c ON true
  LEFT JOIN LATERAL (
    SELECT message_id FROM client_key WHERE provider_id = its_provider AND user_id = its_user AND client_id = its_client_id OFFSET 0) k ON true;
END $$;

-- Key, conversation, text, place in the outbox and its owner's feed, in one statement. No row: the key was taken in the meantime. The key goes first:
-- whoever loses the race for it waits there until the winner has committed. The feed goes last, since it takes its lock (design §6).
-- `its_files` are the uploads it takes along, held by the caller's transaction, of which `its_media` are part of its MMS.
CREATE FUNCTION queue_text(its_provider bigint, its_user bigint, its_client_id text, its_hash bytea, its_assignment bigint, its_feed bigint,
  its_remote text, its_text text, its_unicode boolean, its_segments smallint, its_platform bigint, its_group bigint, its_kind smallint,
  its_parts text[], its_media_links text[], its_fallback text, its_deadline_s double precision, its_files bigint[], its_media bigint[])
RETURNS TABLE (id bigint, conversation_id bigint, outbound boolean, status smallint, text text, client_id text, attempt smallint, unicode boolean,
  segments smallint, reason_code text, reason text, cut_to text, arrived_before boolean, consent smallint, automatic smallint, version integer,
  kind smallint, files smallint, feed_number bigint)
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  its_message bigint := new_id();
  its_conversation bigint; its_version integer; stored message;
BEGIN
  PERFORM set_config('app.provider', its_provider::text, true);
  INSERT INTO client_key (provider_id, user_id, client_id, message_id, request_hash)
  VALUES (its_provider, its_user, its_client_id, its_message, its_hash) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN RETURN; END IF;
  INSERT INTO conversation AS c (provider_id, id, assignment_id, remote, last_message_id)
  VALUES (its_provider, new_id(), its_assignment, its_remote, its_message)
  ON CONFLICT (provider_id, assignment_id, remote) DO UPDATE
    SET last_message_id = greatest(c.last_message_id, excluded.last_message_id), version = c.version + 1
  RETURNING c.id, c.version INTO its_conversation, its_version;
  INSERT INTO message (provider_id, id, conversation_id, assignment_id, outbound, status, text, client_id, attempt, unicode, segments, platform_id,
    kind, files)
  VALUES (its_provider, its_message, its_conversation, its_assignment, true, 1, its_text, its_client_id, 1, its_unicode, its_segments, its_platform,
    its_kind, cardinality(its_files))
  RETURNING * INTO stored;
  INSERT INTO outbox (provider_id, message_id, platform_id, group_id, conversation_id, attempt, parts, media, fallback, expires_at)
  VALUES (its_provider, its_message, its_platform, its_group, its_conversation, 1, its_parts, its_media_links, its_fallback,
    app_now() + make_interval(secs => its_deadline_s));
  IF cardinality(its_files) > 0 THEN
    UPDATE file f SET message_id = its_message, place = w.place, as_media = f.id = ANY (its_media)
    FROM unnest(its_files) WITH ORDINALITY AS w (id, place)
    WHERE f.provider_id = its_provider AND f.id = w.id AND f.user_id = its_user AND f.message_id IS NULL;
  END IF;
  RETURN QUERY
  SELECT stored.id, stored.conversation_id, stored.outbound, stored.status, stored.text, stored.client_id, stored.attempt, stored.unicode,
    stored.segments, stored.reason_code, stored.reason, stored.cut_to, stored.arrived_before, stored.consent, stored.automatic, stored.version,
    stored.kind, stored.files, w.number
  FROM append_changes(ARRAY[its_provider], ARRAY[its_feed], ARRAY[2::smallint], ARRAY[its_conversation], ARRAY[its_message], ARRAY[NULL::bigint],
    ARRAY[its_version]) w;
END $$;
GRANT EXECUTE ON FUNCTION send_facts(bigint, bigint, bigint, text, text), queue_text(bigint, bigint, text, bytea, bigint, bigint, text, text, boolean,
  smallint, bigint, bigint, smallint, text[], text[], text, double precision, bigint[], bigint[]) TO kereru_app;

-- As in 0005: the last statement before COMMIT, since it takes the feeds' row locks, sorted (design §6). Order within a feed is the arrays' order;
-- numbers are gapless in commit order (G23). One change alone, which is what people cause, is written without the sorting.
CREATE OR REPLACE FUNCTION append_changes(
  providers bigint[], feeds bigint[], kinds smallint[], conversations bigint[], messages bigint[], subjects bigint[], versions integer[])
RETURNS TABLE (feed_id bigint, number bigint)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  its_number bigint;
BEGIN
  IF cardinality(feeds) = 1 THEN
    UPDATE feed f SET head = f.head + 1 WHERE f.provider_id = providers[1] AND f.id = feeds[1] RETURNING f.head INTO its_number;
    IF its_number IS NULL THEN RETURN; END IF;
    INSERT INTO change (provider_id, feed_id, number, id, kind, conversation_id, message_id, subject_id, version)
    VALUES (providers[1], feeds[1], its_number, new_id(), kinds[1], conversations[1], messages[1], subjects[1], versions[1]);
    RETURN QUERY SELECT feeds[1], its_number;
    RETURN;
  END IF;
  RETURN QUERY
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
  SELECT n.feed_id, max(n.number) FROM numbered n GROUP BY n.provider_id, n.feed_id;
END $$;

-- Works the statuses of these messages out again, as in 0016; answers what changed, of which the caller, who holds the message rows, tells the feeds.
-- Every statement bounds the ids it reads by these messages' own, so that only their weeks' tables are opened. A receipt is younger than its text, but
-- for the clock's corrections.
CREATE FUNCTION work_out(providers bigint[], messages bigint[])
RETURNS TABLE (provider_id bigint, feed_id bigint, conversation_id bigint, message_id bigint, version integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off AS $$
#variable_conflict use_column
DECLARE
  first_id bigint; last_id bigint; first_receipt bigint; last_receipt bigint;
BEGIN
  SELECT min(m), max(m) INTO first_id, last_id FROM unnest(messages) AS m;
  first_receipt := lowest_id(made_at(first_id) - interval '1 day');
  last_receipt := lowest_id(app_now() + interval '1 day');

  RETURN QUERY
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
  SELECT c.provider_id, u.feed_id, c.conversation_id, c.id, c.version
  FROM changed c
  CROSS JOIN LATERAL (SELECT assignment_id FROM conversation WHERE provider_id = c.provider_id AND id = c.conversation_id OFFSET 0) v
  CROSS JOIN LATERAL (SELECT user_id FROM assignment WHERE provider_id = c.provider_id AND id = v.assignment_id OFFSET 0) a
  CROSS JOIN LATERAL (SELECT feed_id FROM end_user WHERE provider_id = c.provider_id AND id = a.user_id OFFSET 0) u;
END $$;

-- The same, and their owners' feeds are told.
CREATE OR REPLACE FUNCTION settle_messages(providers bigint[], messages bigint[]) RETURNS TABLE (feed_id bigint, number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off AS $$
#variable_conflict use_column
DECLARE
  c_providers bigint[]; c_feeds bigint[]; c_conversations bigint[]; c_messages bigint[]; c_versions integer[];
BEGIN
  SELECT array_agg(w.provider_id), array_agg(w.feed_id), array_agg(w.conversation_id), array_agg(w.message_id), array_agg(w.version)
  INTO c_providers, c_feeds, c_conversations, c_messages, c_versions FROM work_out(providers, messages) w;
  IF c_feeds IS NULL THEN RETURN; END IF;
  RETURN QUERY SELECT w.feed_id, w.number FROM append_changes(c_providers, c_feeds, array_fill(3::smallint, ARRAY[cardinality(c_feeds)]),
    c_conversations, c_messages, array_fill(NULL::bigint, ARRAY[cardinality(c_feeds)]), c_versions) w;
END $$;

-- Claims up to `most` texts of a platform: groups take turns (G15), one text of a conversation at a time and in order, consent checked again in this
-- transaction (G17). The attempt is committed open before any byte leaves (G10). `fresh` are first claims of first tries: nothing is stored of them that
-- could say anything but "being handed over", so their state is not worked out.
CREATE OR REPLACE FUNCTION claim_outbox(its_provider bigint, its_platform bigint, its_holder text, its_epoch bigint, most integer)
RETURNS TABLE (message_id bigint, attempt smallint, part smallint, tries smallint, from_number text, to_number text, text text, deferrals smallint,
  feed_id bigint, feed_number bigint, media text[], fallback text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off AS $$
#variable_conflict use_column
DECLARE
  now_at timestamptz := app_now();
  touched bigint[]; conversations bigint[]; first_id bigint; last_id bigint;
  going bigint[]; held_back bigint[]; late_resends bigint[]; fresh bigint[]; others bigint[];
  known bigint[]; their_feeds bigint[]; senders text[]; remotes text[];
  feeds bigint[]; its_conversations bigint[]; messages bigint[]; versions integer[];
  more_feeds bigint[]; more_conversations bigint[]; more_messages bigint[]; more_versions integer[];
BEGIN
  PERFORM 1 FROM platform_lease l JOIN platform p ON p.provider_id = l.provider_id AND p.id = l.platform_id
  WHERE l.provider_id = its_provider AND l.platform_id = its_platform AND l.holder = its_holder AND l.epoch = its_epoch AND l.expires_at > now_at
    AND p.stopped_at IS NULL AND p.ended_at IS NULL FOR SHARE OF l;
  IF NOT FOUND THEN RETURN; END IF;

  WITH RECURSIVE groups AS (
    (SELECT o.group_id FROM outbox o WHERE o.provider_id = its_provider AND o.platform_id = its_platform AND NOT o.claimed
     ORDER BY o.group_id LIMIT 1)
    UNION ALL
    SELECT (SELECT o.group_id FROM outbox o WHERE o.provider_id = its_provider AND o.platform_id = its_platform AND NOT o.claimed
            AND o.group_id > g.group_id ORDER BY o.group_id LIMIT 1)
    FROM groups g WHERE g.group_id IS NOT NULL
  ), candidates AS (
    SELECT w.message_id, w.run_at, row_number() OVER (PARTITION BY g.group_id ORDER BY w.message_id) AS turn
    FROM groups g CROSS JOIN LATERAL (
      SELECT o.message_id, o.run_at FROM outbox o
      WHERE o.provider_id = its_provider AND o.platform_id = its_platform AND o.group_id = g.group_id AND NOT o.claimed
        AND o.run_at <= now_at AND o.expires_at > now_at
        AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.provider_id = o.provider_id AND e.conversation_id = o.conversation_id
                        AND e.message_id < o.message_id)
        AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.provider_id = o.provider_id AND e.conversation_id = o.conversation_id AND e.claimed)
      ORDER BY o.message_id LIMIT most) w
    WHERE g.group_id IS NOT NULL
  )
  SELECT array_agg(o.message_id), array_agg(o.conversation_id) INTO touched, conversations FROM (
    SELECT o.message_id, o.conversation_id FROM outbox o
    WHERE o.provider_id = its_provider AND NOT o.claimed
      AND o.message_id = ANY (ARRAY(SELECT c.message_id FROM candidates c ORDER BY c.turn, c.message_id LIMIT most))
    ORDER BY o.message_id FOR UPDATE SKIP LOCKED) o;
  IF touched IS NULL THEN RETURN; END IF;
  -- As in settle_messages: only the weeks of these texts are opened.
  SELECT min(t), max(t) INTO first_id, last_id FROM unnest(touched) AS t;
  PERFORM 1 FROM message m WHERE m.provider_id = its_provider AND m.id = ANY (touched) AND m.id BETWEEN first_id AND last_id
  ORDER BY m.id FOR NO KEY UPDATE;

  -- A statement of its own, so that it sees what was committed while the rows above were waited for.
  SELECT array_agg(g.message_id), array_agg(g.feed_id), array_agg(g.e164), array_agg(g.remote),
    array_agg(g.message_id) FILTER (WHERE g.open AND NOT g.delivered), array_agg(g.message_id) FILTER (WHERE NOT g.open OR g.delivered),
    array_agg(g.message_id) FILTER (WHERE g.delivered)
  INTO known, their_feeds, senders, remotes, going, held_back, late_resends
  FROM (
    SELECT c.message_id, u.feed_id, n.e164, v.remote, m.status = 4 AS delivered,
      a.ended_at IS NULL AND a.state = 4 AND l.user_id IS NOT NULL AND coalesce(o.state, 2) = 2
        AND NOT coalesce(s.stopped, false) AND b.remote IS NULL AS open
    FROM unnest(touched, conversations) AS c (message_id, conversation_id)
    CROSS JOIN LATERAL (
      SELECT status FROM message WHERE provider_id = its_provider AND id = c.message_id AND id BETWEEN first_id AND last_id OFFSET 0) m
    CROSS JOIN LATERAL (SELECT assignment_id, remote FROM conversation WHERE provider_id = its_provider AND id = c.conversation_id OFFSET 0) v
    CROSS JOIN LATERAL (
      SELECT id, user_id, number_id, state, ended_at FROM assignment WHERE provider_id = its_provider AND id = v.assignment_id OFFSET 0) a
    CROSS JOIN LATERAL (SELECT e164 FROM number WHERE provider_id = its_provider AND id = a.number_id OFFSET 0) n
    CROSS JOIN LATERAL (SELECT group_id, feed_id FROM end_user WHERE provider_id = its_provider AND id = a.user_id OFFSET 0) u
    LEFT JOIN LATERAL (
      SELECT user_id FROM licence WHERE provider_id = its_provider AND user_id = a.user_id AND starts_at <= now_at
        AND (ends_at IS NULL OR ends_at > now_at) OFFSET 0) l ON true
    LEFT JOIN LATERAL (SELECT state FROM opt_in WHERE provider_id = its_provider AND assignment_id = a.id OFFSET 0) o ON true
    LEFT JOIN LATERAL (
      SELECT stopped FROM remote_consent WHERE provider_id = its_provider AND group_id = u.group_id AND remote = v.remote OFFSET 0) s ON true
    LEFT JOIN LATERAL (
      SELECT remote FROM blocked_remote WHERE provider_id = its_provider AND assignment_id = a.id AND remote = v.remote OFFSET 0) b ON true) g;

  WITH begun AS (
    INSERT INTO attempt (provider_id, message_id, attempt, status, epoch)
    SELECT o.provider_id, o.message_id, o.attempt, 2, its_epoch FROM outbox o
    WHERE o.provider_id = its_provider AND o.message_id = ANY (going) AND o.attempt = 1
    ON CONFLICT (provider_id, message_id, attempt) DO NOTHING
    RETURNING message_id
  )
  SELECT array_agg(b.message_id) INTO fresh FROM begun b;
  IF fresh IS NOT NULL THEN
    WITH taken AS (
      UPDATE outbox o SET claimed_at = now_at WHERE o.provider_id = its_provider AND o.message_id = ANY (fresh)
      RETURNING o.message_id, o.platform_id, o.parts
    ), opened AS (
      INSERT INTO part (provider_id, message_id, attempt, part, platform_id, text, handover, status, tries, handed_over_at)
      SELECT its_provider, k.message_id, 1, t.ordinality, k.platform_id, t.text, 2, 2, 1, now_at
      FROM taken k CROSS JOIN LATERAL unnest(k.parts) WITH ORDINALITY AS t (text, ordinality)
    ), changed AS (
      UPDATE message m SET status = 2, version = m.version + 1
      WHERE m.provider_id = its_provider AND m.id = ANY (fresh) AND m.id >= first_id AND m.id < ANY (ARRAY[last_id + 1])
      RETURNING m.id, m.conversation_id, m.version
    )
    SELECT array_agg(their_feeds[array_position(known, c.id)]), array_agg(c.conversation_id), array_agg(c.id), array_agg(c.version)
    INTO feeds, its_conversations, messages, versions FROM changed c;
  END IF;

  SELECT array_agg(t) INTO others FROM unnest(touched) AS t WHERE t <> ALL (coalesce(fresh, '{}'));
  IF others IS NOT NULL THEN
    INSERT INTO attempt (provider_id, message_id, attempt, status, epoch)
    SELECT o.provider_id, o.message_id, o.attempt, 2, its_epoch FROM outbox o WHERE o.provider_id = its_provider AND o.message_id = ANY (others)
    ON CONFLICT (provider_id, message_id, attempt) DO UPDATE SET epoch = excluded.epoch;
    INSERT INTO part (provider_id, message_id, attempt, part, platform_id, text)
    SELECT o.provider_id, o.message_id, o.attempt, t.ordinality, o.platform_id, t.text
    FROM outbox o CROSS JOIN LATERAL unnest(o.parts) WITH ORDINALITY AS t (text, ordinality)
    WHERE o.provider_id = its_provider AND o.message_id = ANY (others)
    ON CONFLICT (provider_id, message_id, attempt, part) DO NOTHING;

    UPDATE part p SET handover = CASE WHEN p.message_id = ANY (held_back) THEN 4 ELSE 2 END, tries = p.tries + 1,
      handed_over_at = CASE WHEN p.message_id = ANY (going) THEN now_at END,
      reason_code = CASE WHEN p.message_id = ANY (late_resends) THEN 'already_delivered' WHEN p.message_id = ANY (held_back) THEN 'not_allowed' END,
      reason = CASE WHEN p.message_id = ANY (late_resends) THEN 'An earlier try of this text arrived after all, so it was not sent again.'
        WHEN p.message_id = ANY (held_back) THEN 'Texting this person or from this number was stopped before the text was handed over.' END
    FROM outbox o
    WHERE o.provider_id = its_provider AND o.message_id = ANY (others)
      AND p.provider_id = o.provider_id AND p.message_id = o.message_id AND p.attempt = o.attempt AND p.handover = 1
      AND p.message_id >= first_id AND p.message_id < ANY (ARRAY[last_id + 1]);
    UPDATE outbox o SET claimed_at = now_at WHERE o.provider_id = its_provider AND o.message_id = ANY (others) AND o.message_id = ANY (going);
    DELETE FROM outbox o WHERE o.provider_id = its_provider AND o.message_id = ANY (held_back);
    SELECT array_agg(w.feed_id), array_agg(w.conversation_id), array_agg(w.message_id), array_agg(w.version)
    INTO more_feeds, more_conversations, more_messages, more_versions
    FROM work_out(array_fill(its_provider, ARRAY[cardinality(others)]), others) w;
    feeds := feeds || more_feeds;
    its_conversations := its_conversations || more_conversations;
    messages := messages || more_messages;
    versions := versions || more_versions;
  END IF;

  RETURN QUERY
  SELECT w.message_id, p.attempt, p.part, p.tries, w.e164, w.remote, p.text, o.deferrals, NULL::bigint, NULL::bigint, o.media, o.fallback
  FROM unnest(known, senders, remotes) AS w (message_id, e164, remote)
  CROSS JOIN LATERAL (
    SELECT attempt, deferrals, media, fallback FROM outbox WHERE provider_id = its_provider AND message_id = w.message_id OFFSET 0) o
  CROSS JOIN LATERAL (
    SELECT attempt, part, tries, text FROM part
    WHERE provider_id = its_provider AND message_id = w.message_id AND attempt = o.attempt AND handover = 2
      AND message_id BETWEEN first_id AND last_id OFFSET 0) p
  WHERE w.message_id = ANY (going)
  ORDER BY w.message_id, p.part;
  IF feeds IS NULL THEN RETURN; END IF;
  -- Once, at the end, since it takes the feeds' locks.
  RETURN QUERY
  SELECT NULL::bigint, NULL::smallint, NULL::smallint, NULL::smallint, NULL::text, NULL::text, NULL::text, NULL::smallint, k.feed_id, k.number,
    NULL::text[], NULL::text
  FROM append_changes(array_fill(its_provider, ARRAY[cardinality(feeds)]), feeds, array_fill(3::smallint, ARRAY[cardinality(feeds)]),
    its_conversations, messages, array_fill(NULL::bigint, ARRAY[cardinality(feeds)]), versions) k;
END $$;

-- Writes down how hand-overs ended, as in 0007. items: [{message, attempt, part, tries, outcome: accepted|refused|deferred|unknown|unsent, cid,
-- cut_to, code, reason, retry_s, raw, stop_account, credentials, opted_out}]. `tries` names the very hand-over that an outcome is about, so that one that is written
-- twice, or by a sender that slept past its lease, never touches a later one (G13); of the one it is about it is true whoever holds the lease by now.
CREATE OR REPLACE FUNCTION settle_handovers(its_provider bigint, its_platform bigint, items jsonb) RETURNS TABLE (feed_id bigint, number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off AS $$
#variable_conflict use_column
DECLARE
  messages bigint[]; others jsonb;
  lately bigint := lowest_id(app_now() - interval '7 days'); newest_id bigint := lowest_id(app_now() + interval '1 day');
  first_id bigint; last_id bigint; first_receipt bigint;
  feeds bigint[]; conversations bigint[]; changed bigint[]; versions integer[];
  more_feeds bigint[]; more_conversations bigint[]; more_changed bigint[]; more_versions integer[];
BEGIN
  PERFORM lock_carrier_ids(ARRAY(SELECT its_platform || ' ' || i.cid FROM jsonb_to_recordset(items) AS i (cid text) WHERE i.cid IS NOT NULL));
  SELECT min(i.message), max(i.message) INTO first_id, last_id FROM jsonb_to_recordset(items) AS i (message bigint);
  first_receipt := least(lately, lowest_id(made_at(first_id) - interval '1 day'));
  SELECT array_agg(m.id) INTO messages FROM (
    SELECT m.id FROM message m WHERE m.provider_id = its_provider AND m.id BETWEEN first_id AND last_id
      AND m.id = ANY (ARRAY(SELECT i.message FROM jsonb_to_recordset(items) AS i (message bigint)))
    ORDER BY m.id FOR NO KEY UPDATE) m;
  IF messages IS NULL THEN RETURN; END IF;

  INSERT INTO exchange (provider_id, id, platform_id, message_id, kind, raw)
  SELECT its_provider, new_id(), its_platform, i.message, 3, i.raw FROM jsonb_to_recordset(items) AS i (message bigint, raw text)
  WHERE i.raw IS NOT NULL AND i.message = ANY (messages); -- of a text deleted in the meantime nothing is written down (P57)

  -- How nearly all end: the only part of a text's first try was accepted, under an id that is nobody else's and of which no receipt has come. Then
  -- part, try and text are sent, and nothing needs to be worked out.
  WITH accepted AS (
    SELECT i.message, i.tries, i.cid, i.cut_to, count(*) OVER (PARTITION BY i.cid) AS times
    FROM jsonb_to_recordset(items) AS i (message bigint, attempt smallint, part smallint, tries smallint, outcome text, cid text, cut_to text)
    WHERE i.outcome = 'accepted' AND i.attempt = 1 AND i.part = 1 AND i.cid IS NOT NULL
  ), plain AS MATERIALIZED (
    SELECT a.* FROM accepted a
    CROSS JOIN LATERAL (
      SELECT 1 FROM outbox WHERE provider_id = its_provider AND message_id = a.message AND platform_id = its_platform AND attempt = 1 AND claimed
        AND cardinality(parts) = 1 OFFSET 0) o
    WHERE a.times = 1
      AND NOT EXISTS (SELECT 1 FROM part WHERE provider_id = its_provider AND platform_id = its_platform AND carrier_id = a.cid
                      AND message_id >= lately AND message_id < ANY (ARRAY[newest_id]) OFFSET 0)
      AND NOT EXISTS (SELECT 1 FROM receipt WHERE provider_id = its_provider AND platform_id = its_platform AND carrier_id = a.cid
                      AND id BETWEEN first_receipt AND newest_id OFFSET 0)
  ), parts AS (
    UPDATE part p SET handover = 3, status = 3, carrier_id = w.cid, cut_to = w.cut_to, look_up_at = NULL, reason_code = NULL, reason = NULL
    FROM plain w
    WHERE p.provider_id = its_provider AND p.message_id = w.message AND p.attempt = 1 AND p.part = 1 AND p.tries = w.tries AND p.handover = 2
      AND p.carrier_id IS NULL AND p.message_id >= first_id AND p.message_id < ANY (ARRAY[last_id + 1])
    RETURNING p.message_id, p.cut_to
  ), attempts AS (
    UPDATE attempt a SET status = 3, reason_code = NULL, reason = NULL FROM parts w
    WHERE a.provider_id = its_provider AND a.message_id = w.message_id AND a.attempt = 1
      AND a.message_id >= first_id AND a.message_id < ANY (ARRAY[last_id + 1])
  ), gone AS (
    DELETE FROM outbox o USING parts w WHERE o.provider_id = its_provider AND o.message_id = w.message_id
  ), sent AS (
    UPDATE message m SET status = 3, version = m.version + 1, reason_code = NULL, reason = NULL, cut_to = w.cut_to FROM parts w
    WHERE m.provider_id = its_provider AND m.id = w.message_id AND m.id >= first_id AND m.id < ANY (ARRAY[last_id + 1])
    RETURNING m.id, m.conversation_id, m.version
  )
  SELECT array_agg(u.feed_id), array_agg(s.conversation_id), array_agg(s.id), array_agg(s.version) INTO feeds, conversations, changed, versions
  FROM sent s
  CROSS JOIN LATERAL (SELECT assignment_id FROM conversation WHERE provider_id = its_provider AND id = s.conversation_id OFFSET 0) v
  CROSS JOIN LATERAL (SELECT user_id FROM assignment WHERE provider_id = its_provider AND id = v.assignment_id OFFSET 0) a
  CROSS JOIN LATERAL (SELECT feed_id FROM end_user WHERE provider_id = its_provider AND id = a.user_id OFFSET 0) u;

  SELECT jsonb_agg(i.item), array_agg(DISTINCT (i.item ->> 'message')::bigint) FILTER (WHERE (i.item ->> 'message')::bigint = ANY (messages))
  INTO others, messages FROM jsonb_array_elements(items) AS i (item)
  WHERE (i.item ->> 'message')::bigint <> ALL (coalesce(changed, '{}'));
  IF others IS NOT NULL THEN
    -- What surely was not taken goes back to the queue (1), but not out of the hands of a later holder, for whom it is unknown (5): it failed then.
    -- A carrier that called back about the part has it, whatever else it answered.
    UPDATE part p SET
      handover = CASE WHEN i.repeated OR i.outcome = 'unknown' THEN 5 WHEN i.outcome = 'accepted' THEN 3 WHEN i.outcome = 'refused' THEN 4
        WHEN p.carrier_id IS NOT NULL THEN 3 WHEN p.handover = 5 THEN 4 ELSE 1 END,
      carrier_id = coalesce(p.carrier_id, CASE WHEN NOT i.repeated THEN i.cid END), cut_to = i.cut_to,
      handed_over_at = CASE WHEN i.outcome <> 'unsent' THEN p.handed_over_at END,
      look_up_at = CASE WHEN i.outcome = 'unknown' OR i.repeated THEN app_now() + interval '5 seconds' END,
      reason_code = CASE WHEN i.repeated THEN 'carrier_id_repeated' WHEN p.handover = 5 AND i.outcome IN ('deferred', 'unsent') THEN 'not_sent'
        ELSE i.code END,
      reason = CASE WHEN i.repeated THEN 'The carrier gave this text the id of another one, so nobody can tell which of the two it took.'
        WHEN p.handover = 5 AND i.outcome IN ('deferred', 'unsent') THEN 'The carrier did not take this text, and our sender stopped.'
        ELSE i.reason END
    FROM (
      -- An id that another part of ours has already cannot say which of the two it is about (bad input 76).
      SELECT i.*, i.outcome = 'accepted' AND (
        dense_rank() OVER (PARTITION BY i.outcome, i.cid ORDER BY i.message, i.attempt, i.part) > 1 OR EXISTS (
          SELECT 1 FROM part q WHERE q.provider_id = its_provider AND q.platform_id = its_platform AND q.carrier_id = i.cid
            AND q.message_id >= lately AND (q.message_id, q.attempt, q.part) <> (i.message, i.attempt, i.part))) AS repeated
      FROM jsonb_to_recordset(others) AS i (message bigint, attempt smallint, part smallint, tries smallint, outcome text, cid text, cut_to text,
        code text, reason text)) i
    WHERE p.provider_id = its_provider AND p.platform_id = its_platform AND p.message_id = i.message AND p.attempt = i.attempt AND p.part = i.part
      AND p.message_id BETWEEN first_id AND last_id AND p.tries = i.tries AND (p.handover = 2 OR p.handover = 5 AND i.outcome <> 'unknown');
    -- The parts after one that was refused or that nobody can tell of are not sent.
    UPDATE part p SET handover = 4, reason_code = 'earlier_part', reason = 'An earlier part of this text was not confirmed, so the rest was not sent.'
    WHERE p.provider_id = its_provider AND p.message_id = ANY (messages) AND p.message_id BETWEEN first_id AND last_id AND p.handover = 1
      AND EXISTS (SELECT 1 FROM part e WHERE e.provider_id = p.provider_id AND e.message_id = p.message_id AND e.attempt = p.attempt
                  AND e.message_id BETWEEN first_id AND last_id AND e.handover IN (4, 5));

    -- A text whose hand-overs have all ended leaves its sender's hands: back to the queue if a part surely was not taken, else for good.
    WITH ended AS MATERIALIZED (
      SELECT i.message, i.attempt, max(coalesce(i.retry_s, 0)) AS retry_s, max(i.code) AS code,
        EXISTS (SELECT 1 FROM part p WHERE p.provider_id = its_provider AND p.message_id = i.message AND p.attempt = i.attempt
                AND p.message_id BETWEEN first_id AND last_id AND p.handover = 1) AS goes_on
      FROM jsonb_to_recordset(others) AS i (message bigint, attempt smallint, retry_s double precision, code text)
      WHERE NOT EXISTS (SELECT 1 FROM part p WHERE p.provider_id = its_provider AND p.message_id = i.message AND p.attempt = i.attempt
                        AND p.message_id BETWEEN first_id AND last_id AND p.handover = 2)
      GROUP BY i.message, i.attempt
    ), back AS (
      UPDATE outbox o SET claimed_at = NULL, deferrals = o.deferrals + 1, reason = coalesce(e.code, ''),
        run_at = app_now() + make_interval(secs => e.retry_s)
      FROM ended e
      WHERE o.provider_id = its_provider AND o.platform_id = its_platform AND o.message_id = e.message AND o.attempt = e.attempt AND o.claimed
        AND e.goes_on
    )
    DELETE FROM outbox o USING ended e
    WHERE o.provider_id = its_provider AND o.platform_id = its_platform AND o.message_id = e.message AND o.attempt = e.attempt AND o.claimed
      AND NOT e.goes_on;

    -- The carrier says that this person does not want our texts (21610 and its like): that is a STOP (P22).
    IF jsonb_path_exists(others, '$[*].opted_out ? (@ == true)') THEN
      INSERT INTO remote_consent AS c (provider_id, group_id, remote, stopped)
      SELECT DISTINCT ON (u.group_id, v.remote) its_provider, u.group_id, v.remote, true
      FROM jsonb_to_recordset(others) AS i (message bigint, opted_out boolean)
      JOIN message m ON m.provider_id = its_provider AND m.id = i.message
      JOIN conversation v ON v.provider_id = m.provider_id AND v.id = m.conversation_id
      JOIN assignment a ON a.provider_id = v.provider_id AND a.id = v.assignment_id
      JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
      WHERE i.opted_out ORDER BY u.group_id, v.remote
      ON CONFLICT (provider_id, group_id, remote) DO UPDATE SET stopped = true, at = excluded.at;
    END IF;
    -- The carrier refuses the account: nothing more is sent until a person acts (reliability.md, carrier answer → state). A person who acted meanwhile
    -- must not be undone by an answer to the old credentials; `credentials` is the SHA-256 of those that were used.
    UPDATE platform p SET stopped_at = app_now(), stopped_reason = i.reason
    FROM jsonb_to_recordset(others) AS i (stop_account boolean, reason text, credentials text)
    WHERE i.stop_account AND p.provider_id = its_provider AND p.id = its_platform AND p.stopped_at IS NULL
      AND (coalesce(i.credentials, '') = '' OR i.credentials = encode(sha256(p.credentials_sealed), 'hex'));
    IF FOUND THEN
      PERFORM put_alert(its_provider, 4, its_platform, '', p.stopped_reason) FROM platform p
      WHERE p.provider_id = its_provider AND p.id = its_platform;
    END IF;

    SELECT array_agg(w.feed_id), array_agg(w.conversation_id), array_agg(w.message_id), array_agg(w.version)
    INTO more_feeds, more_conversations, more_changed, more_versions
    FROM work_out(array_fill(its_provider, ARRAY[coalesce(cardinality(messages), 0)]), messages) w;
    feeds := feeds || more_feeds;
    conversations := conversations || more_conversations;
    changed := changed || more_changed;
    versions := versions || more_versions;
  END IF;

  IF feeds IS NULL THEN RETURN; END IF;
  RETURN QUERY SELECT w.feed_id, w.number FROM append_changes(array_fill(its_provider, ARRAY[cardinality(feeds)]), feeds,
    array_fill(3::smallint, ARRAY[cardinality(feeds)]), conversations, changed, array_fill(NULL::bigint, ARRAY[cardinality(feeds)]), versions) w;
END $$;
