-- messaging: what remote parties want besides a bare STOP or START: HELP and its answer, wishes for a person to judge, what carriers have learned, and
-- telling everybody of the business, since an opt-out counts for the whole group (G35, P31, P34 to P36).

-- consent: 1 stop, 2 start, 3 help, 4 a wish to look at, 5 looked at and dismissed, 6 looked at and taken as a stop. automatic: 1 the answer to HELP.
ALTER TABLE message ADD COLUMN consent smallint, ADD COLUMN automatic smallint;
-- source: 1 a text of theirs, 2 their carrier, 3 somebody of the business. A row that is not stopped may only hold when HELP was answered.
ALTER TABLE remote_consent
  ADD COLUMN source smallint NOT NULL DEFAULT 1 CHECK (source IN (1, 2, 3)),
  ADD COLUMN helped_at timestamptz;

-- What a group answers to HELP; empty or no row: the usual words.
CREATE TABLE consent_answer (
  provider_id bigint NOT NULL,
  group_id bigint NOT NULL,
  help_text text NOT NULL DEFAULT '',
  PRIMARY KEY (provider_id, group_id),
  FOREIGN KEY (provider_id, group_id) REFERENCES user_group
);
CALL guard_tenant_table('consent_answer');

-- The usual words keep to characters that every phone shows and to one segment, so a name with others in it is left out.
CREATE FUNCTION help_answer(its_provider bigint, its_group bigint) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT coalesce(nullif(a.help_text, ''), 'Texts from '
    || CASE WHEN g.name ~ '^[A-Za-z0-9 .,&''()/+-]{1,60}$' THEN g.name ELSE 'a business' END
    || '. A person reads what you write here. Reply STOP for no more texts.')
  FROM user_group g LEFT JOIN consent_answer a ON a.provider_id = g.provider_id AND a.group_id = g.id
  WHERE g.provider_id = its_provider AND g.id = its_group
$$;
GRANT EXECUTE ON FUNCTION help_answer(bigint, bigint) TO kereru_app, kereru_support;

-- Everybody who texts with the other side of these messages from a number of the same group learns how consent stands; `own`: those to whom the
-- messages themselves belong as well. It takes feeds' locks, so it comes last in its transaction.
CREATE FUNCTION tell_consent(its_providers bigint[], its_messages bigint[], own boolean) RETURNS TABLE (feed_id bigint, number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  first_id bigint; last_id bigint;
  providers bigint[]; feeds bigint[]; conversations bigint[]; versions integer[];
BEGIN
  SELECT min(m), max(m) INTO first_id, last_id FROM unnest(its_messages) AS m;
  SELECT array_agg(t.provider_id), array_agg(t.feed_id), array_agg(t.id), array_agg(t.version) INTO providers, feeds, conversations, versions
  FROM (
    SELECT DISTINCT o.provider_id, ou.feed_id, o.id, o.version
    FROM unnest(its_providers, its_messages) AS w (provider_id, message_id)
    JOIN message m ON m.provider_id = w.provider_id AND m.id = w.message_id AND m.id BETWEEN first_id AND last_id
    JOIN conversation v ON v.provider_id = m.provider_id AND v.id = m.conversation_id
    JOIN assignment a ON a.provider_id = v.provider_id AND a.id = v.assignment_id
    JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
    JOIN end_user ou ON ou.provider_id = u.provider_id AND ou.group_id = u.group_id
    JOIN assignment oa ON oa.provider_id = ou.provider_id AND oa.user_id = ou.id
    JOIN conversation o ON o.provider_id = oa.provider_id AND o.assignment_id = oa.id AND o.remote = v.remote
    WHERE o.last_message_id IS NOT NULL AND (own OR o.id <> v.id)
    ORDER BY 1, 2, 3) t;
  IF feeds IS NULL THEN RETURN; END IF;
  RETURN QUERY SELECT w.feed_id, w.number FROM append_changes(providers, feeds, array_fill(6::smallint, ARRAY[cardinality(feeds)]), conversations,
    array_fill(NULL::bigint, ARRAY[cardinality(feeds)]), array_fill(NULL::bigint, ARRAY[cardinality(feeds)]), versions) w;
END $$;

-- Marks texts that ingest_texts has just stored in this transaction, answers HELP at most once a day for each person and group, and never one who
-- asked for silence (G17). The answer waits in the outbox like any text.
CREATE FUNCTION mark_consent(its_providers bigint[], its_messages bigint[], marks smallint[]) RETURNS TABLE (feed_id bigint, number bigint)
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
    SELECT DISTINCT ON (m.provider_id, u.group_id, v.remote) m.provider_id, u.group_id, v.remote, v.id AS conversation_id, u.feed_id, m.platform_id,
      p.queue_deadline_s
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
    INSERT INTO message (provider_id, id, conversation_id, outbound, status, text, attempt, segments, platform_id, automatic)
    SELECT provider_id, id, conversation_id, true, 1, text, 1, 1, platform_id, 1 FROM answering
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

-- The carrier says that a person does not want our texts (21610 and its like): that is a STOP (P22, P36). Answers the messages by which that was
-- news. items: [{provider, platform, cid|null, message|null, opted_out}]
CREATE FUNCTION learn_stops(items jsonb) RETURNS TABLE (provider_id bigint, message_id bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
  WITH named AS MATERIALIZED (
    SELECT i.provider, i.message FROM jsonb_to_recordset(items) AS i (provider bigint, message bigint, opted_out boolean)
    WHERE i.opted_out AND i.message IS NOT NULL
    UNION
    SELECT p.provider_id, p.message_id FROM jsonb_to_recordset(items) AS i (provider bigint, platform bigint, cid text, opted_out boolean)
    JOIN part p ON i.opted_out AND p.provider_id = i.provider AND p.platform_id = i.platform AND p.carrier_id = i.cid
      AND p.message_id <= lowest_id(app_now() + interval '1 day')
  ), about AS MATERIALIZED (
    SELECT DISTINCT ON (m.provider_id, u.group_id, v.remote) m.provider_id, u.group_id, v.remote, m.id AS message_id
    FROM named w
    JOIN message m ON m.provider_id = w.provider AND m.id = w.message AND m.outbound
    JOIN conversation v ON v.provider_id = m.provider_id AND v.id = m.conversation_id
    JOIN assignment a ON a.provider_id = v.provider_id AND a.id = v.assignment_id
    JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
    ORDER BY m.provider_id, u.group_id, v.remote, m.id DESC
  ), learned AS (
    INSERT INTO remote_consent AS c (provider_id, group_id, remote, stopped, source)
    SELECT provider_id, group_id, remote, true, 2 FROM about
    ON CONFLICT (provider_id, group_id, remote) DO UPDATE SET stopped = true, source = 2, at = excluded.at WHERE NOT c.stopped
    RETURNING c.provider_id, c.group_id, c.remote
  )
  SELECT a.provider_id, a.message_id FROM about a
  JOIN learned l ON l.provider_id = a.provider_id AND l.group_id = a.group_id AND l.remote = a.remote
$$;

GRANT EXECUTE ON FUNCTION mark_consent(bigint[], bigint[], smallint[]) TO kereru_ingest;
GRANT EXECUTE ON FUNCTION tell_consent(bigint[], bigint[], boolean), learn_stops(jsonb) TO kereru_ingest, kereru_service;
