-- messaging: deleting the messages of an assignment (R182, R184, P57), and what stays of them for the bill (Q27).

-- What is left of deleted messages: no number, no carrier id, no text. Rows are only added; the price is filled in by billing.
CREATE TABLE usage_row (
  provider_id bigint NOT NULL REFERENCES provider,
  id bigint NOT NULL,
  platform_id bigint NOT NULL,
  group_id bigint NOT NULL,
  month date NOT NULL,
  outbound boolean NOT NULL,
  count integer NOT NULL,
  segments integer NOT NULL,
  price numeric(14, 5),
  PRIMARY KEY (provider_id, id)
);
CREATE INDEX usage_row_month ON usage_row (provider_id, month);
CALL guard_tenant_table('usage_row', false);
REVOKE INSERT ON usage_row FROM kereru_app;

-- Deletes every trace of an assignment's messages and answers how much that was; of an ended one also the people it blocked and what was set aside
-- for its number. The caller holds the number's row, so no inbound text comes in between. Carrier ids in `dedupe` stay until forget_references, or a
-- webhook that the carrier repeats would bring a deleted text back.
-- Order of locks: what waits to be sent, conversations, messages, what is being sent; so it never waits for a sender that waits for it.
CREATE FUNCTION purge_assignment(its_provider bigint, its_assignment bigint) RETURNS TABLE (messages bigint, conversations bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  it record;
  conversation_ids bigint[];
  message_ids bigint[];
BEGIN
  IF its_provider IS DISTINCT FROM scope_provider() THEN
    RAISE insufficient_privilege USING MESSAGE = 'messages are deleted in their own provider''s scope';
  END IF;
  SELECT u.feed_id, u.group_id, n.platform_id, n.e164, a.ended_at IS NOT NULL AS ended,
    NOT EXISTS (SELECT 1 FROM assignment l WHERE l.provider_id = a.provider_id AND l.number_id = a.number_id AND l.ended_at IS NULL) AS ownerless
  INTO it FROM assignment a
  JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
  JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
  WHERE a.provider_id = its_provider AND a.id = its_assignment;
  IF NOT FOUND THEN RETURN; END IF;

  PERFORM 1 FROM outbox o WHERE o.provider_id = its_provider AND NOT o.claimed AND o.conversation_id IN (
    SELECT c.id FROM conversation c WHERE c.provider_id = its_provider AND c.assignment_id = its_assignment)
  ORDER BY o.message_id FOR UPDATE;
  SELECT coalesce(array_agg(c.id), '{}') INTO conversation_ids FROM (
    SELECT c.id FROM conversation c WHERE c.provider_id = its_provider AND c.assignment_id = its_assignment ORDER BY c.id FOR UPDATE) c;
  SELECT coalesce(array_agg(m.id), '{}') INTO message_ids FROM (
    SELECT m.id FROM message m WHERE m.provider_id = its_provider AND m.conversation_id = ANY (conversation_ids) ORDER BY m.id FOR UPDATE) m;

  INSERT INTO usage_row (provider_id, id, platform_id, group_id, month, outbound, count, segments)
  SELECT its_provider, new_id(), m.platform_id, it.group_id, date_trunc('month', made_at(m.id) AT TIME ZONE 'UTC')::date, m.outbound,
    sum(taken.times), sum(taken.times * greatest(m.segments, 1))
  FROM message m
  CROSS JOIN LATERAL (
    -- A text counts as often as a carrier took it or may have taken it; an inbound one once.
    SELECT CASE WHEN m.outbound THEN count(DISTINCT p.attempt) ELSE 1 END AS times FROM part p
    WHERE p.provider_id = m.provider_id AND p.message_id = m.id AND p.handover IN (2, 3, 5)) taken
  WHERE m.provider_id = its_provider AND m.id = ANY (message_ids) AND taken.times > 0
  GROUP BY m.platform_id, date_trunc('month', made_at(m.id) AT TIME ZONE 'UTC')::date, m.outbound;

  DELETE FROM outbox o WHERE o.provider_id = its_provider AND o.message_id = ANY (message_ids);
  DELETE FROM receipt r USING part p WHERE p.provider_id = its_provider AND p.message_id = ANY (message_ids)
    AND r.provider_id = p.provider_id AND r.platform_id = p.platform_id AND r.carrier_id = p.carrier_id;
  DELETE FROM exchange x WHERE x.provider_id = its_provider AND x.message_id = ANY (message_ids);
  DELETE FROM part p WHERE p.provider_id = its_provider AND p.message_id = ANY (message_ids);
  DELETE FROM attempt t WHERE t.provider_id = its_provider AND t.message_id = ANY (message_ids);
  DELETE FROM client_key k WHERE k.provider_id = its_provider AND k.message_id = ANY (message_ids);
  DELETE FROM change c WHERE c.provider_id = its_provider AND c.feed_id = it.feed_id AND c.conversation_id = ANY (conversation_ids);
  DELETE FROM message m WHERE m.provider_id = its_provider AND m.id = ANY (message_ids);
  DELETE FROM conversation c WHERE c.provider_id = its_provider AND c.id = ANY (conversation_ids);
  IF it.ended THEN
    DELETE FROM blocked_remote b WHERE b.provider_id = its_provider AND b.assignment_id = its_assignment;
  END IF;
  IF it.ended AND it.ownerless THEN
    DELETE FROM quarantine q WHERE q.provider_id = its_provider AND q.platform_id = it.platform_id AND q.to_number = it.e164;
  END IF;
  messages := cardinality(message_ids);
  conversations := cardinality(conversation_ids);
  RETURN NEXT;
END $$;

-- How many messages an assignment holds, and how many of them were withheld (Q26).
CREATE FUNCTION saved_messages(its_provider bigint, its_assignment bigint) RETURNS TABLE (messages bigint, withheld bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT count(m.id), count(m.id) FILTER (WHERE m.visibility = 1)
  FROM conversation c JOIN message m ON m.provider_id = c.provider_id AND m.conversation_id = c.id
  WHERE c.provider_id = its_provider AND c.assignment_id = its_assignment AND its_provider = scope_provider()
$$;

-- Forgets the carrier's ids of texts of a number older than an id, once the carrier repeats them no more.
CREATE FUNCTION forget_references(its_provider bigint, its_number bigint, before_id bigint) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH gone AS (
    DELETE FROM dedupe d USING number n
    WHERE n.provider_id = its_provider AND n.id = its_number AND its_provider = scope_provider()
      AND d.provider_id = n.provider_id AND d.platform_id = n.platform_id AND d.number_id = n.id AND d.id < before_id
    RETURNING 1
  )
  SELECT count(*) FROM gone
$$;
GRANT EXECUTE ON FUNCTION purge_assignment(bigint, bigint), saved_messages(bigint, bigint), forget_references(bigint, bigint, bigint) TO kereru_app;
