-- messaging: a word like STOP counts in a text that came as a file of an MMS, too (G17, G35).

-- A text file of this message, which has no words of its own, was fetched and says what `mark` means. A file may come half an hour late, so what was
-- said since the message came stands; but silence is never made less by it. Called in the tenant's scope; it ends with feeds' locks.
CREATE FUNCTION consent_of_part(its_message bigint, mark smallint) RETURNS TABLE (feed_id bigint, number bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  its_provider bigint := scope_provider();
BEGIN
  PERFORM 1 FROM message m
  WHERE m.provider_id = its_provider AND m.id = its_message AND NOT m.outbound AND m.consent IS NULL AND m.text !~ '[^[:space:]]' FOR UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  IF mark IN (1, 2) THEN
    -- A row that is not stopped and holds HELP alone (its two times are one) says nothing against a STOP.
    INSERT INTO remote_consent AS c (provider_id, group_id, remote, stopped)
    SELECT u.provider_id, u.group_id, v.remote, mark = 1
    FROM message m
    JOIN conversation v ON v.provider_id = m.provider_id AND v.id = m.conversation_id
    JOIN assignment a ON a.provider_id = v.provider_id AND a.id = v.assignment_id
    JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
    WHERE m.provider_id = its_provider AND m.id = its_message
    ON CONFLICT (provider_id, group_id, remote) DO UPDATE SET stopped = excluded.stopped, at = excluded.at
      WHERE c.at <= made_at(its_message) OR (mark = 1 AND (c.stopped OR c.at BETWEEN c.helped_at AND c.helped_at + interval '1 second'));
    IF NOT FOUND THEN
      UPDATE message SET consent = mark WHERE provider_id = its_provider AND id = its_message;
      RETURN;
    END IF;
  END IF;
  RETURN QUERY SELECT w.feed_id, w.number FROM mark_consent(ARRAY[its_provider], ARRAY[its_message], ARRAY[mark]) w;
END $$;
GRANT EXECUTE ON FUNCTION consent_of_part(bigint, smallint) TO kereru_app;
