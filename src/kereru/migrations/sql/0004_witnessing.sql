-- messaging: a block may have an end (P63).
ALTER TABLE blocked_remote ADD COLUMN ends_at timestamptz;

-- Each change of a remote party's consent, until a job has written it into the evidence (R20, G35). The hot paths only leave it here: the end of the
-- evidence's chain may be held for as long as somebody deletes messages.
CREATE TABLE consent_event (
  provider_id bigint NOT NULL REFERENCES provider,
  id bigint NOT NULL,
  group_id bigint NOT NULL,
  remote text NOT NULL,
  stopped boolean NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (provider_id, id)
);
CALL guard_tenant_table('consent_event');

CREATE FUNCTION note_consent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  its_id bigint := new_id();
BEGIN
  INSERT INTO consent_event VALUES (NEW.provider_id, its_id, NEW.group_id, NEW.remote, NEW.stopped, NEW.at);
  PERFORM put_job('messaging.witness_consent', jsonb_build_object('provider', NEW.provider_id, 'event', its_id), 0);
  RETURN NULL;
END $$;
-- What somebody of the business notes (source 3) is witnessed as he does it. Their own word afterwards is known by the change of the source, which
-- follows the word (0007_consent.sql). The same word again changes nothing, however often a phone sends it; HELP is no consent.
CREATE TRIGGER consent_made AFTER INSERT ON remote_consent FOR EACH ROW
  WHEN (NEW.source <> 3 AND (NEW.stopped OR NEW.helped_at IS NULL)) EXECUTE FUNCTION note_consent();
CREATE TRIGGER consent_changed AFTER UPDATE ON remote_consent FOR EACH ROW
  WHEN (NEW.source <> 3 AND (OLD.stopped IS DISTINCT FROM NEW.stopped OR OLD.source = 3)) EXECUTE FUNCTION note_consent();
