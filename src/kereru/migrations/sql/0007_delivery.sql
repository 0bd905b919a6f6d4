-- messaging, outward: claims, outcomes, receipts. A status is a pure function of the hand-over and the *set* of receipts (G19).

-- A part's status from how its hand-over ended and from all receipts for it, in whatever order and number they came.
CREATE FUNCTION part_status(handover smallint, receipts smallint[]) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN 4 = ANY (receipts) THEN 4              -- delivered stays, whatever contradicts it (P15)
    WHEN 6 = ANY (receipts) THEN 6
    WHEN 5 = ANY (receipts) THEN 5
    WHEN 7 = ANY (receipts) THEN 7
    WHEN handover = 4 THEN 6                    -- refused
    WHEN 3 = ANY (receipts) THEN 3
    WHEN receipts && ARRAY[1, 2]::smallint[] AND handover IN (2, 5) THEN 3 -- any word about it proves that the carrier has it
    WHEN 8 = ANY (receipts) THEN 8
    WHEN handover = 3 THEN 3
    WHEN handover = 5 THEN 8
    WHEN handover = 2 THEN 2
    ELSE 1 END::smallint
$$;

-- An attempt from its parts. What nobody can tell comes first, since it alone forbids a careless Send again (G11); then what is still on its way;
-- then failures, since one part that failed speaks for all; delivered only when every part is.
CREATE FUNCTION attempt_status(parts smallint[]) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN 8 = ANY (parts) THEN 8
    WHEN 2 = ANY (parts) THEN 2
    WHEN 1 = ANY (parts) THEN 1
    WHEN 6 = ANY (parts) THEN 6
    WHEN 5 = ANY (parts) THEN 5
    WHEN 7 = ANY (parts) THEN 7
    WHEN 3 = ANY (parts) THEN 3
    ELSE 4 END::smallint
$$;

-- Works the statuses of these messages out again and tells their owners' feeds what changed. The caller holds the message rows.
-- Every statement bounds the ids it reads by these messages' own, so that only their weeks' tables are opened: opening all that are kept costs more
-- than the work itself (docs/reference/performance.md). A receipt is younger than its text, but for the clock's corrections.
CREATE FUNCTION settle_messages(providers bigint[], messages bigint[]) RETURNS TABLE (feed_id bigint, number bigint)
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
    JOIN part p ON p.provider_id = w.provider_id AND p.message_id = w.message_id AND p.message_id BETWEEN first_id AND last_id
    LEFT JOIN receipt r ON r.provider_id = p.provider_id AND r.platform_id = p.platform_id AND r.carrier_id = p.carrier_id
      AND r.id BETWEEN first_receipt AND last_receipt
    GROUP BY p.provider_id, p.message_id, p.attempt, p.part, p.handover
  ), parts AS (
    UPDATE part p SET status = part_status(r.handover, r.states),
      contradicted = 4 = ANY (r.states) AND r.states && ARRAY[5, 6, 7]::smallint[],
      look_up_at = CASE WHEN part_status(r.handover, r.states) = 8 THEN p.look_up_at END,
      reason_code = coalesce(r.bad_code, p.reason_code), reason = coalesce(r.bad_reason, p.reason)
    FROM receipts r
    WHERE p.provider_id = r.provider_id AND p.message_id = r.message_id AND p.attempt = r.attempt AND p.part = r.part
      AND p.message_id BETWEEN first_id AND last_id
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
    WHERE a.provider_id = s.provider_id AND a.message_id = s.message_id AND a.attempt = s.attempt AND a.message_id BETWEEN first_id AND last_id
    RETURNING a.provider_id, a.message_id, a.attempt, a.status, a.reason_code, a.reason, s.cut_to
  ), known AS (
    -- An attempt that was asked for and not yet claimed has no parts; it still is the newest one.
    SELECT * FROM attempts
    UNION ALL
    SELECT a.provider_id, a.message_id, a.attempt, a.status, a.reason_code, a.reason, NULL
    FROM wanted w JOIN attempt a ON a.provider_id = w.provider_id AND a.message_id = w.message_id AND a.message_id BETWEEN first_id AND last_id
    WHERE NOT EXISTS (SELECT 1 FROM receipts r WHERE r.provider_id = a.provider_id AND r.message_id = a.message_id AND r.attempt = a.attempt)
  ), spoken AS (
    -- Delivered = any attempt wholly delivered; else the newest attempt speaks (design §6).
    SELECT DISTINCT ON (provider_id, message_id) provider_id, message_id, status, cut_to,
      CASE WHEN status IN (5, 6, 7, 8) THEN reason_code END AS reason_code, CASE WHEN status IN (5, 6, 7, 8) THEN reason END AS reason
    FROM known ORDER BY provider_id, message_id, (status = 4) DESC, attempt DESC
  ), changed AS (
    UPDATE message m SET status = s.status, version = m.version + 1, reason_code = s.reason_code, reason = s.reason, cut_to = s.cut_to
    FROM spoken s
    WHERE m.provider_id = s.provider_id AND m.id = s.message_id AND m.id BETWEEN first_id AND last_id
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

-- Takes or renews the leases of every platform that has work or is ours; a new holder turns what its predecessor left open into unknown (G13).
CREATE FUNCTION take_leases(its_holder text, ttl_s double precision)
RETURNS TABLE (provider_id bigint, platform_id bigint, epoch bigint, carrier text, credentials_sealed bytea, endpoints jsonb,
  takes_long_texts boolean, sends_per_second double precision, ingress_token_sealed bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
  UPDATE platform_lease l SET expires_at = app_now() + make_interval(secs => ttl_s) WHERE l.holder = its_holder AND l.expires_at > app_now();

  INSERT INTO platform_lease AS l (provider_id, platform_id, holder, epoch, expires_at)
  SELECT p.provider_id, p.id, its_holder, 1, app_now() + make_interval(secs => ttl_s) FROM platform p
  WHERE p.ended_at IS NULL AND p.stopped_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM platform_lease h WHERE h.provider_id = p.provider_id AND h.platform_id = p.id AND h.expires_at > app_now())
  ORDER BY p.provider_id, p.id
  ON CONFLICT (provider_id, platform_id) DO UPDATE
    SET holder = excluded.holder, epoch = l.epoch + 1, expires_at = excluded.expires_at
    WHERE l.expires_at <= app_now();

  RETURN QUERY
  SELECT l.provider_id, l.platform_id, l.epoch, p.carrier, p.credentials_sealed, p.endpoints, p.takes_long_texts, p.sends_per_second,
    (SELECT t.token_sealed FROM ingress_token t WHERE t.provider_id = p.provider_id AND t.platform_id = p.id LIMIT 1)
  FROM platform_lease l JOIN platform p ON p.provider_id = l.provider_id AND p.id = l.platform_id
  WHERE l.holder = its_holder AND l.expires_at > app_now() AND p.ended_at IS NULL AND p.stopped_at IS NULL;
END $$;

-- Lets go at an orderly stop, so that the next holder need not wait.
CREATE FUNCTION drop_leases(its_holder text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE platform_lease SET expires_at = app_now() WHERE holder = its_holder
$$;

-- Takes claimed texts out of their senders' hands: what was open may or may not have reached the carrier, so it is unknown, never queued (G10, G11);
-- what was not begun is given up. The caller holds the message rows and has found the texts still claimed since. `others` are settled with them.
CREATE FUNCTION disown(providers bigint[], messages bigint[], other_providers bigint[] DEFAULT '{}', others bigint[] DEFAULT '{}')
RETURNS TABLE (feed_id bigint, number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
  WITH gone AS (
    DELETE FROM outbox o USING unnest(providers, messages) AS w (provider_id, message_id)
    WHERE o.provider_id = w.provider_id AND o.message_id = w.message_id
    RETURNING o.provider_id, o.message_id, o.attempt
  )
  UPDATE part p SET handover = CASE p.handover WHEN 2 THEN 5 ELSE 4 END,
    look_up_at = CASE p.handover WHEN 2 THEN app_now() + interval '5 seconds' END,
    reason_code = 'sender_stopped', reason = 'Our sender stopped while it was handing this text over.'
  FROM gone g
  WHERE p.provider_id = g.provider_id AND p.message_id = g.message_id AND p.attempt = g.attempt AND p.handover IN (1, 2);
  RETURN QUERY SELECT s.feed_id, s.number FROM settle_messages(providers || other_providers, messages || others) s;
END $$;

-- What earlier epochs of a platform left open (G13). Read again under the messages' locks: until then its old holder may have written how it ended.
CREATE FUNCTION disown_open(its_provider bigint, its_platform bigint, its_epoch bigint) RETURNS TABLE (feed_id bigint, number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  candidates bigint[]; messages bigint[];
BEGIN
  SELECT array_agg(o.message_id) INTO candidates FROM outbox o WHERE o.provider_id = its_provider AND o.platform_id = its_platform AND o.claimed;
  PERFORM 1 FROM message m WHERE m.provider_id = its_provider AND m.id = ANY (candidates) ORDER BY m.id FOR NO KEY UPDATE;
  SELECT array_agg(o.message_id) INTO messages FROM outbox o
  JOIN attempt a ON a.provider_id = o.provider_id AND a.message_id = o.message_id AND a.attempt = o.attempt
  WHERE o.provider_id = its_provider AND o.platform_id = its_platform AND o.message_id = ANY (candidates) AND o.claimed AND a.epoch < its_epoch;
  IF messages IS NULL THEN RETURN; END IF;
  RETURN QUERY SELECT d.feed_id, d.number FROM disown(array_fill(its_provider, ARRAY[cardinality(messages)]), messages) d;
END $$;

-- A holder puts back what it claimed under this epoch and knows nothing of: the claim was committed and its answer lost, so nothing was handed over.
-- `in_hand` names every text that it did begin and whose outcome is not yet written.
CREATE FUNCTION give_back(its_provider bigint, its_platform bigint, its_epoch bigint, in_hand bigint[]) RETURNS TABLE (feed_id bigint, number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  candidates bigint[]; messages bigint[];
BEGIN
  SELECT array_agg(o.message_id) INTO candidates FROM outbox o
  WHERE o.provider_id = its_provider AND o.platform_id = its_platform AND o.claimed AND o.message_id <> ALL (in_hand);
  PERFORM 1 FROM message m WHERE m.provider_id = its_provider AND m.id = ANY (candidates) ORDER BY m.id FOR NO KEY UPDATE;
  WITH back AS (
    UPDATE outbox o SET claimed_at = NULL FROM attempt a
    WHERE o.provider_id = its_provider AND o.platform_id = its_platform AND o.message_id = ANY (candidates) AND o.claimed
      AND a.provider_id = o.provider_id AND a.message_id = o.message_id AND a.attempt = o.attempt AND a.epoch = its_epoch
    RETURNING o.provider_id, o.message_id, o.attempt
  ), parts AS (
    UPDATE part p SET handover = 1, handed_over_at = NULL FROM back b
    WHERE p.provider_id = b.provider_id AND p.message_id = b.message_id AND p.attempt = b.attempt AND p.handover = 2
  )
  SELECT array_agg(b.message_id) INTO messages FROM back b;
  IF messages IS NULL THEN RETURN; END IF;
  RETURN QUERY SELECT s.feed_id, s.number FROM settle_messages(array_fill(its_provider, ARRAY[cardinality(messages)]), messages) s;
END $$;

-- Claims up to `most` texts of a platform: groups take turns (G15), one text of a conversation at a time and in order, consent checked again in
-- this transaction (G17). The attempt is committed open before any byte leaves (G10).
CREATE FUNCTION claim_outbox(its_provider bigint, its_platform bigint, its_holder text, its_epoch bigint, most integer)
RETURNS TABLE (message_id bigint, attempt smallint, part smallint, tries smallint, from_number text, to_number text, text text, deferrals smallint,
  feed_id bigint, feed_number bigint)
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
    SELECT p.message_id, p.attempt, p.part, p.tries, n.e164, v.remote, p.text, o.deferrals
    FROM outbox o
    JOIN part p ON p.provider_id = o.provider_id AND p.message_id = o.message_id AND p.attempt = o.attempt AND p.handover = 2
      AND p.message_id BETWEEN first_id AND last_id
    JOIN conversation v ON v.provider_id = o.provider_id AND v.id = o.conversation_id
    JOIN assignment a ON a.provider_id = v.provider_id AND a.id = v.assignment_id
    JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
    WHERE o.provider_id = its_provider AND o.message_id = ANY (going)
    ORDER BY p.message_id, p.part)
  SELECT w.message_id, w.attempt, w.part, w.tries, w.e164, w.remote, w.text, w.deferrals, NULL::bigint, NULL::bigint FROM work w
  UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, k.feed_id, k.number FROM woken k;
END $$;

-- Writes down how hand-overs ended. items: [{message, attempt, part, tries, outcome: accepted|refused|deferred|unknown|unsent, cid, cut_to, code,
-- reason, retry_s, raw, stop_account, credentials, opted_out}]. `tries` names the very hand-over that an outcome is about, so that one that is written twice, or
-- by a sender that slept past its lease, never touches a later one (G13); of the one it is about it is true whoever holds the lease by now.
CREATE FUNCTION settle_handovers(its_provider bigint, its_platform bigint, items jsonb) RETURNS TABLE (feed_id bigint, number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  messages bigint[];
  lately bigint := lowest_id(app_now() - interval '7 days');
  first_id bigint; last_id bigint;
BEGIN
  PERFORM lock_carrier_ids(ARRAY(SELECT its_platform || ' ' || i.cid FROM jsonb_to_recordset(items) AS i (cid text) WHERE i.cid IS NOT NULL));
  -- As in settle_messages: only the weeks of these texts are opened.
  SELECT min(i.message), max(i.message) INTO first_id, last_id FROM jsonb_to_recordset(items) AS i (message bigint);
  SELECT array_agg(m.id) INTO messages FROM (
    SELECT m.id FROM message m WHERE m.provider_id = its_provider AND m.id BETWEEN first_id AND last_id
      AND m.id IN (SELECT i.message FROM jsonb_to_recordset(items) AS i (message bigint))
    ORDER BY m.id FOR NO KEY UPDATE) m;
  IF messages IS NULL THEN RETURN; END IF;

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
    FROM jsonb_to_recordset(items) AS i (message bigint, attempt smallint, part smallint, tries smallint, outcome text, cid text, cut_to text,
      code text, reason text)) i
  WHERE p.provider_id = its_provider AND p.platform_id = its_platform AND p.message_id = i.message AND p.attempt = i.attempt AND p.part = i.part
    AND p.message_id BETWEEN first_id AND last_id AND p.tries = i.tries AND (p.handover = 2 OR p.handover = 5 AND i.outcome <> 'unknown');
  -- The parts after one that was refused or that nobody can tell of are not sent.
  UPDATE part p SET handover = 4, reason_code = 'earlier_part', reason = 'An earlier part of this text was not confirmed, so the rest was not sent.'
  WHERE p.provider_id = its_provider AND p.message_id = ANY (messages) AND p.message_id BETWEEN first_id AND last_id AND p.handover = 1
    AND EXISTS (SELECT 1 FROM part e WHERE e.provider_id = p.provider_id AND e.message_id = p.message_id AND e.attempt = p.attempt
                AND e.message_id BETWEEN first_id AND last_id AND e.handover IN (4, 5));

  INSERT INTO exchange (provider_id, id, platform_id, message_id, kind, raw)
  SELECT its_provider, new_id(), its_platform, i.message, 3, i.raw FROM jsonb_to_recordset(items) AS i (message bigint, raw text)
  WHERE i.raw IS NOT NULL AND i.message = ANY (messages); -- of a text deleted in the meantime nothing is written down (P57)

  -- A text whose hand-overs have all ended leaves its sender's hands: back to the queue if a part surely was not taken, else for good.
  WITH ended AS MATERIALIZED (
    SELECT i.message, i.attempt, max(coalesce(i.retry_s, 0)) AS retry_s, max(i.code) AS code,
      EXISTS (SELECT 1 FROM part p WHERE p.provider_id = its_provider AND p.message_id = i.message AND p.attempt = i.attempt
              AND p.message_id BETWEEN first_id AND last_id AND p.handover = 1) AS goes_on
    FROM jsonb_to_recordset(items) AS i (message bigint, attempt smallint, retry_s double precision, code text)
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
  IF jsonb_path_exists(items, '$[*].opted_out ? (@ == true)') THEN
    INSERT INTO remote_consent AS c (provider_id, group_id, remote, stopped)
    SELECT DISTINCT ON (u.group_id, v.remote) its_provider, u.group_id, v.remote, true
    FROM jsonb_to_recordset(items) AS i (message bigint, opted_out boolean)
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
  FROM jsonb_to_recordset(items) AS i (stop_account boolean, reason text, credentials text)
  WHERE i.stop_account AND p.provider_id = its_provider AND p.id = its_platform AND p.stopped_at IS NULL
    AND (coalesce(i.credentials, '') = '' OR i.credentials = encode(sha256(p.credentials_sealed), 'hex'));
  IF FOUND THEN
    PERFORM put_alert(its_provider, 4, its_platform, '', p.stopped_reason) FROM platform p
    WHERE p.provider_id = its_provider AND p.id = its_platform;
  END IF;

  RETURN QUERY SELECT s.feed_id, s.number FROM settle_messages(array_fill(its_provider, ARRAY[cardinality(messages)]), messages) s;
END $$;

-- Texts that waited past their deadline become failed, reason not_sent, with Send again (design §6, G12). Ones that a sender had in hand for
-- more than a minute become unknown when their deadline is over too, or when it holds the platform no more and nobody followed it, as with a
-- platform that was stopped or ended.
CREATE FUNCTION expire_outbox(most integer) RETURNS TABLE (feed_id bigint, number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  now_at timestamptz := app_now();
  providers bigint[]; messages bigint[];
  adrift_providers bigint[]; adrift bigint[];
BEGIN
  SELECT array_agg(l.provider_id), array_agg(l.message_id) INTO providers, messages FROM (
    SELECT o.provider_id, o.message_id FROM outbox o WHERE NOT o.claimed AND o.expires_at <= now_at
    ORDER BY o.expires_at LIMIT most FOR UPDATE SKIP LOCKED) l;
  SELECT array_agg(o.provider_id), array_agg(o.message_id) INTO adrift_providers, adrift FROM (
    SELECT o.provider_id, o.message_id FROM outbox o
    JOIN attempt a ON a.provider_id = o.provider_id AND a.message_id = o.message_id AND a.attempt = o.attempt
    WHERE o.claimed AND o.claimed_at <= now_at - interval '1 minute'
      AND (o.expires_at <= now_at OR NOT EXISTS (
        SELECT 1 FROM platform_lease l WHERE l.provider_id = o.provider_id AND l.platform_id = o.platform_id AND l.epoch = a.epoch
          AND l.expires_at > now_at))
    LIMIT most) o;
  IF messages IS NULL AND adrift IS NULL THEN RETURN; END IF;
  PERFORM 1 FROM message m WHERE (m.provider_id, m.id) IN (SELECT * FROM unnest(providers || adrift_providers, messages || adrift))
  ORDER BY m.provider_id, m.id FOR NO KEY UPDATE;

  WITH late AS MATERIALIZED (
    DELETE FROM outbox o USING unnest(providers, messages) AS w (provider_id, message_id)
    WHERE o.provider_id = w.provider_id AND o.message_id = w.message_id
    RETURNING o.provider_id, o.message_id, o.platform_id, o.attempt, o.parts
  ), attempts AS (
    INSERT INTO attempt (provider_id, message_id, attempt, status) SELECT provider_id, message_id, attempt, 6 FROM late
    ON CONFLICT (provider_id, message_id, attempt) DO UPDATE SET status = 6
  )
  INSERT INTO part AS p (provider_id, message_id, attempt, part, platform_id, text, handover, reason_code, reason)
  SELECT l.provider_id, l.message_id, l.attempt, t.ordinality, l.platform_id, t.text, 4, 'not_sent',
    'The carrier could not be reached in time, so this text was not sent.'
  FROM late l CROSS JOIN LATERAL unnest(l.parts) WITH ORDINALITY AS t (text, ordinality)
  ON CONFLICT (provider_id, message_id, attempt, part) DO UPDATE
    SET handover = 4, reason_code = excluded.reason_code, reason = excluded.reason WHERE p.handover = 1;

  -- Read again under the locks: a sender may have written the outcome down in the meantime, and even begun anew.
  SELECT array_agg(o.provider_id), array_agg(o.message_id) INTO adrift_providers, adrift
  FROM unnest(adrift_providers, adrift) AS w (provider_id, message_id)
  JOIN outbox o ON o.provider_id = w.provider_id AND o.message_id = w.message_id AND o.claimed AND o.claimed_at <= now_at - interval '1 minute';
  -- One call at the end, since it takes the feeds' locks.
  RETURN QUERY SELECT d.feed_id, d.number FROM disown(adrift_providers, adrift, providers, messages) d;
END $$;

-- Unknown hand-overs that are due for asking the carrier; each look pushes the next one back.
CREATE FUNCTION due_look_ups(its_provider bigint, its_platform bigint, window_s double precision, most integer)
RETURNS TABLE (message_id bigint, attempt smallint, part smallint, tries smallint, from_number text, to_number text, text text, carrier_id text,
  handed_over_at timestamptz, known_ids text[], others_nearby bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH due AS MATERIALIZED (
    SELECT p.provider_id, p.message_id, p.attempt, p.part FROM part p
    WHERE p.provider_id = its_provider AND p.platform_id = its_platform AND p.handover = 5 AND p.look_up_at <= (SELECT app_now())
    ORDER BY p.look_up_at LIMIT most FOR UPDATE SKIP LOCKED
  ), asked AS (
    UPDATE part p SET look_ups = p.look_ups + 1,
      look_up_at = CASE WHEN p.look_ups < 8 THEN app_now() + make_interval(secs => 5 * 2 ^ p.look_ups) END
    FROM due d WHERE p.provider_id = d.provider_id AND p.message_id = d.message_id AND p.attempt = d.attempt AND p.part = d.part
    RETURNING p.*
  )
  SELECT p.message_id, p.attempt, p.part, p.tries, n.e164, v.remote, p.text, p.carrier_id, p.handed_over_at, near.known_ids, near.others
  FROM asked p
  JOIN message m ON m.provider_id = p.provider_id AND m.id = p.message_id
  JOIN conversation v ON v.provider_id = m.provider_id AND v.id = m.conversation_id
  JOIN assignment a ON a.provider_id = v.provider_id AND a.id = v.assignment_id
  JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
  CROSS JOIN LATERAL (
    -- Our other parts between the same two numbers around that time: a carrier whose records carry no id cannot tell them apart.
    SELECT coalesce(array_agg(q.carrier_id) FILTER (WHERE q.carrier_id IS NOT NULL), '{}') AS known_ids, count(*) AS others
    FROM message k JOIN part q ON q.provider_id = k.provider_id AND q.message_id = k.id
    WHERE k.provider_id = m.provider_id AND k.conversation_id = m.conversation_id AND k.outbound
      AND (q.message_id, q.attempt, q.part) <> (p.message_id, p.attempt, p.part)
      AND q.handed_over_at BETWEEN p.handed_over_at - make_interval(secs => window_s) AND p.handed_over_at + make_interval(secs => window_s)
  ) near
$$;

-- Figures for metrics: age of the oldest queued and of the oldest unknown text, in seconds, and how many of each.
CREATE FUNCTION delivery_figures() RETURNS TABLE (queued bigint, queued_age_s double precision, unknown bigint, unknown_age_s double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT (SELECT count(*) FROM outbox), (SELECT coalesce(extract(epoch FROM app_now() - made_at(min(message_id))), 0) FROM outbox),
    (SELECT count(*) FROM part WHERE handover = 5 AND status = 8),
    (SELECT coalesce(extract(epoch FROM app_now() - min(handed_over_at)), 0) FROM part WHERE handover = 5 AND status = 8)
$$;

GRANT EXECUTE ON FUNCTION take_leases(text, double precision), drop_leases(text), disown_open(bigint, bigint, bigint),
  give_back(bigint, bigint, bigint, bigint[]), claim_outbox(bigint, bigint, text, bigint, integer), settle_handovers(bigint, bigint, jsonb),
  expire_outbox(integer), due_look_ups(bigint, bigint, double precision, integer), delivery_figures(), ingest_receipts(jsonb) TO kereru_service;
