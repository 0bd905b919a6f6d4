-- messaging: files that people send and that come with MMS (design §6, §9; R69 to R72, R194). The bytes lie in the object store; a row here is all that
-- leads to them, so a link lives and dies with its message.

-- How a text travels: 1 SMS, 2 MMS, 3 SMS with links to its files (Q2); and how many files it has, so that texts without any are read without asking.
ALTER TABLE message ADD COLUMN kind smallint NOT NULL DEFAULT 1;
ALTER TABLE message ADD COLUMN files smallint NOT NULL DEFAULT 0;
-- Addresses that the carrier fetches; and the same text with links, for a carrier that surely did not take the MMS (P27).
ALTER TABLE outbox ADD COLUMN media text[] NOT NULL DEFAULT '{}';
ALTER TABLE outbox ADD COLUMN fallback text;

CREATE TABLE file (
  provider_id bigint NOT NULL,
  id bigint NOT NULL,
  message_id bigint,                         -- null: uploaded and not sent yet
  user_id bigint,                            -- who uploaded it; null: it came with an MMS
  place smallint NOT NULL DEFAULT 0,
  state smallint NOT NULL CHECK (state IN (1, 2, 3)), -- 1 on its way to us, 2 here, 3 could not be had
  name text NOT NULL DEFAULT '',
  content_type text NOT NULL DEFAULT '',     -- as its content says, never as somebody declared
  bytes bigint NOT NULL DEFAULT 0,
  width integer,
  height integer,
  preview_width integer,                     -- null: there is no preview
  preview_height integer,
  link bytea,                                -- 128 random bits: the only way to it without a sign-in; null: it came with an MMS
  as_media boolean NOT NULL DEFAULT false,   -- it went (or came) inside an MMS; else as a link
  source text,                               -- where the carrier keeps it, until it is fetched
  source_type text,
  source_credentials boolean NOT NULL DEFAULT false,
  tries smallint NOT NULL DEFAULT 0,
  reason_code text,
  reason text,
  PRIMARY KEY (provider_id, id)
);
CREATE INDEX file_message ON file (provider_id, message_id, place) WHERE message_id IS NOT NULL;
CREATE INDEX file_unsent ON file (provider_id, user_id, id) WHERE message_id IS NULL;
CREATE INDEX file_link ON file (link) WHERE link IS NOT NULL;
CALL guard_tenant_table('file');

-- Files whose row is gone and whose bytes are still to be deleted.
CREATE TABLE file_trash (
  provider_id bigint NOT NULL,
  file_id bigint NOT NULL,
  PRIMARY KEY (provider_id, file_id)
);
CALL guard_tenant_table('file_trash');
REVOKE INSERT, UPDATE, DELETE ON file_trash FROM kereru_app;

-- No way of deleting a row can forget its bytes, and none of deleting a message its files (P57).
CREATE FUNCTION throw_file_away() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO file_trash (provider_id, file_id) SELECT provider_id, id FROM gone ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER file_gone AFTER DELETE ON file REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION throw_file_away();

CREATE FUNCTION delete_files_of_messages() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  DELETE FROM file f USING gone g WHERE g.files > 0 AND f.provider_id = g.provider_id AND f.message_id = g.id;
  RETURN NULL;
END $$;
CREATE TRIGGER message_gone AFTER DELETE ON message REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION delete_files_of_messages();

-- What a link leads to: nothing once its message is gone, too old, or not sent yet (R194).
CREATE FUNCTION file_by_link(its_link bytea)
RETURNS TABLE (provider_id bigint, id bigint, name text, content_type text, bytes bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT f.provider_id, f.id, f.name, f.content_type, f.bytes FROM file f
  WHERE f.link = its_link AND f.state = 2 AND f.message_id >= oldest_kept()
$$;
GRANT EXECUTE ON FUNCTION file_by_link(bytea) TO kereru_app;

-- The files of texts just stored, to be fetched by a job. items: as of ingest_texts, with media: [{url, content_type, with_credentials}]. Called in the
-- same statement as ingest_texts, so that the feeds' locks are held for no round trip, with what it stored and did not block.
CREATE FUNCTION ingest_files(items jsonb, ordinals bigint[], messages bigint[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE stored integer;
BEGIN
  WITH named AS MATERIALIZED (
    SELECT i.provider, m.message_id, i.media
    FROM ROWS FROM (jsonb_to_recordset(items) AS (provider bigint, media jsonb)) WITH ORDINALITY AS i (provider, media, ordinal)
    JOIN unnest(ordinals, messages) AS m (ordinal, message_id) ON m.ordinal = i.ordinal
    WHERE jsonb_array_length(i.media) > 0
  ), kept AS (
    INSERT INTO file (provider_id, id, message_id, place, state, as_media, source, source_type, source_credentials)
    SELECT n.provider, new_id(), n.message_id, f.place, 1, true, f.media->>'url', f.media->>'content_type',
      coalesce((f.media->>'with_credentials')::boolean, false)
    FROM named n CROSS JOIN LATERAL jsonb_array_elements(n.media) WITH ORDINALITY AS f (media, place)
  ), counted AS (
    UPDATE message m SET files = jsonb_array_length(n.media), kind = 2 FROM named n WHERE m.provider_id = n.provider AND m.id = n.message_id
  )
  SELECT count(put_job('messaging.fetch_media', jsonb_build_object('provider', n.provider, 'message', n.message_id), 0)) INTO stored FROM named n;
  RETURN stored;
END $$;
GRANT EXECUTE ON FUNCTION ingest_files(jsonb, bigint[], bigint[]) TO kereru_ingest;

-- The MMS of these texts were refused for certain and their links taken instead (P27).
CREATE FUNCTION went_as_links(its_provider bigint, messages bigint[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE message SET kind = 3 WHERE provider_id = its_provider AND id = ANY (messages);
  UPDATE file SET as_media = false WHERE provider_id = its_provider AND message_id = ANY (messages);
$$;

-- Files of texts that are too old, and uploads that were never sent; at most `most` of each a call. Answers how many.
CREATE FUNCTION forget_files(most integer, unsent interval) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
  oldest bigint := oldest_kept();
  abandoned bigint := lowest_id(app_now() - unsent);
  gone bigint;
  more bigint;
BEGIN
  DELETE FROM file f USING provider p CROSS JOIN LATERAL (
    SELECT o.id FROM file o WHERE o.provider_id = p.provider_id AND o.message_id < oldest LIMIT most) old
  WHERE f.provider_id = p.provider_id AND f.id = old.id;
  GET DIAGNOSTICS gone = ROW_COUNT;
  DELETE FROM file f USING provider p CROSS JOIN LATERAL (
    SELECT o.id FROM file o WHERE o.provider_id = p.provider_id AND o.message_id IS NULL AND o.id < abandoned LIMIT most) old
  WHERE f.provider_id = p.provider_id AND f.id = old.id AND f.message_id IS NULL;
  GET DIAGNOSTICS more = ROW_COUNT;
  RETURN gone + more;
END $$;

-- Whose bytes are to be deleted; forgotten once they are.
CREATE FUNCTION file_trash_list(most integer) RETURNS TABLE (provider_id bigint, file_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT t.provider_id, t.file_id FROM file_trash t ORDER BY t.provider_id, t.file_id LIMIT most
$$;
CREATE FUNCTION file_trash_emptied(providers bigint[], files bigint[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  DELETE FROM file_trash t USING unnest(providers, files) AS g (provider_id, file_id)
  WHERE t.provider_id = g.provider_id AND t.file_id = g.file_id
$$;
GRANT EXECUTE ON FUNCTION went_as_links(bigint, bigint[]), forget_files(integer, interval), file_trash_list(integer),
  file_trash_emptied(bigint[], bigint[]) TO kereru_service;

DROP FUNCTION claim_outbox(bigint, bigint, text, bigint, integer);
-- As in 0007, and with the files of each text. Claims up to `most` texts of a platform: groups take turns (G15), one text of a conversation at a time and in order, consent checked again in
-- this transaction (G17). The attempt is committed open before any byte leaves (G10).
CREATE FUNCTION claim_outbox(its_provider bigint, its_platform bigint, its_holder text, its_epoch bigint, most integer)
RETURNS TABLE (message_id bigint, attempt smallint, part smallint, tries smallint, from_number text, to_number text, text text, deferrals smallint,
  feed_id bigint, feed_number bigint, media text[], fallback text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  now_at timestamptz := app_now();
  touched bigint[]; conversations bigint[]; going bigint[]; held_back bigint[]; late_resends bigint[];
  first_id bigint; last_id bigint;
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
  PERFORM 1 FROM message m WHERE m.provider_id = its_provider AND m.id = ANY (touched) AND m.id BETWEEN first_id AND last_id ORDER BY m.id FOR NO KEY UPDATE;

  -- A statement of its own, so that it sees what was committed while the rows above were waited for; and over arrays, whose few rows the planner
  -- looks up one by one however much is stored.
  SELECT array_agg(g.message_id) FILTER (WHERE g.open AND NOT g.delivered), array_agg(g.message_id) FILTER (WHERE NOT g.open OR g.delivered),
    array_agg(g.message_id) FILTER (WHERE g.delivered)
  INTO going, held_back, late_resends
  FROM (
    SELECT c.message_id, m.status = 4 AS delivered,
      a.ended_at IS NULL AND a.state = 4 AND l.user_id IS NOT NULL AND coalesce(o.state, 2) = 2
        AND NOT coalesce(s.stopped, false) AND b.remote IS NULL AS open
    FROM unnest(touched, conversations) AS c (message_id, conversation_id)
    JOIN message m ON m.provider_id = its_provider AND m.id = c.message_id AND m.id BETWEEN first_id AND last_id
    JOIN conversation v ON v.provider_id = its_provider AND v.id = c.conversation_id
    JOIN assignment a ON a.provider_id = v.provider_id AND a.id = v.assignment_id
    JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
    LEFT JOIN licence l ON l.provider_id = a.provider_id AND l.user_id = a.user_id AND l.starts_at <= now_at
      AND (l.ends_at IS NULL OR l.ends_at > now_at)
    LEFT JOIN opt_in o ON o.provider_id = a.provider_id AND o.assignment_id = a.id
    LEFT JOIN remote_consent s ON s.provider_id = u.provider_id AND s.group_id = u.group_id AND s.remote = v.remote
    LEFT JOIN blocked_remote b ON b.provider_id = a.provider_id AND b.assignment_id = a.id AND b.remote = v.remote) g;

  INSERT INTO attempt (provider_id, message_id, attempt, status, epoch)
  SELECT o.provider_id, o.message_id, o.attempt, 2, its_epoch FROM outbox o WHERE o.provider_id = its_provider AND o.message_id = ANY (touched)
  ON CONFLICT (provider_id, message_id, attempt) DO UPDATE SET epoch = excluded.epoch;
  INSERT INTO part (provider_id, message_id, attempt, part, platform_id, text)
  SELECT o.provider_id, o.message_id, o.attempt, t.ordinality, o.platform_id, t.text
  FROM outbox o CROSS JOIN LATERAL unnest(o.parts) WITH ORDINALITY AS t (text, ordinality)
  WHERE o.provider_id = its_provider AND o.message_id = ANY (touched)
  ON CONFLICT (provider_id, message_id, attempt, part) DO NOTHING;

  UPDATE part p SET handover = CASE WHEN p.message_id = ANY (held_back) THEN 4 ELSE 2 END, tries = p.tries + 1,
    handed_over_at = CASE WHEN p.message_id = ANY (going) THEN now_at END,
    reason_code = CASE WHEN p.message_id = ANY (late_resends) THEN 'already_delivered' WHEN p.message_id = ANY (held_back) THEN 'not_allowed' END,
    reason = CASE WHEN p.message_id = ANY (late_resends) THEN 'An earlier try of this text arrived after all, so it was not sent again.'
      WHEN p.message_id = ANY (held_back) THEN 'Texting this person or from this number was stopped before the text was handed over.' END
  FROM outbox o
  WHERE o.provider_id = its_provider AND o.message_id = ANY (touched)
    AND p.provider_id = o.provider_id AND p.message_id = o.message_id AND p.attempt = o.attempt AND p.handover = 1
    AND p.message_id BETWEEN first_id AND last_id;
  UPDATE outbox o SET claimed_at = now_at WHERE o.provider_id = its_provider AND o.message_id = ANY (going);
  DELETE FROM outbox o WHERE o.provider_id = its_provider AND o.message_id = ANY (held_back);

  RETURN QUERY
  WITH woken AS MATERIALIZED (SELECT * FROM settle_messages(array_fill(its_provider, ARRAY[cardinality(touched)]), touched)),
  work AS (
    SELECT p.message_id, p.attempt, p.part, p.tries, n.e164, v.remote, p.text, o.deferrals, o.media, o.fallback
    FROM outbox o
    JOIN part p ON p.provider_id = o.provider_id AND p.message_id = o.message_id AND p.attempt = o.attempt AND p.handover = 2
      AND p.message_id BETWEEN first_id AND last_id
    JOIN conversation v ON v.provider_id = o.provider_id AND v.id = o.conversation_id
    JOIN assignment a ON a.provider_id = v.provider_id AND a.id = v.assignment_id
    JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
    WHERE o.provider_id = its_provider AND o.message_id = ANY (going)
    ORDER BY p.message_id, p.part)
  SELECT w.message_id, w.attempt, w.part, w.tries, w.e164, w.remote, w.text, w.deferrals, NULL::bigint, NULL::bigint, w.media, w.fallback FROM work w
  UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, k.feed_id, k.number, NULL, NULL FROM woken k;
END $$;
GRANT EXECUTE ON FUNCTION claim_outbox(bigint, bigint, text, bigint, integer) TO kereru_service;
