-- tenancy: organisations, people, sign-in.

CREATE TABLE provider (
  provider_id bigint PRIMARY KEY,
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT app_now(),
  demands_second_factor boolean NOT NULL DEFAULT false -- of everybody at it and below; likewise in the next two
);
-- What was deleted stays as a row without a name to look for: numbers, evidence and the history log still speak of it.
CREATE TABLE reseller (
  provider_id bigint NOT NULL REFERENCES provider,
  id bigint NOT NULL,
  name text NOT NULL,
  demands_second_factor boolean NOT NULL DEFAULT false,
  deleted_at timestamptz,
  PRIMARY KEY (provider_id, id)
);
CREATE UNIQUE INDEX reseller_name ON reseller (provider_id, lower(name)) WHERE deleted_at IS NULL;
-- "group" is a reserved word of SQL; the field's word stays in the API.
CREATE TABLE user_group (
  provider_id bigint NOT NULL,
  id bigint NOT NULL,
  reseller_id bigint NOT NULL,
  name text NOT NULL,
  demands_second_factor boolean NOT NULL DEFAULT false,
  deleted_at timestamptz,
  PRIMARY KEY (provider_id, id),
  FOREIGN KEY (provider_id, reseller_id) REFERENCES reseller
);
CREATE UNIQUE INDEX user_group_name ON user_group (provider_id, reseller_id, lower(name)) WHERE deleted_at IS NULL;

-- One e-mail is one sign-in in the whole installation; found before a tenant is known, so it is no tenant table.
CREATE TABLE sign_in_email (
  email text PRIMARY KEY CHECK (email = lower(email)),
  provider_id bigint NOT NULL,
  sign_in_id bigint NOT NULL
);
CREATE TABLE sign_in (
  provider_id bigint NOT NULL REFERENCES provider,
  id bigint NOT NULL,
  email text NOT NULL,
  password_hash text NOT NULL, -- empty: none yet, the person was invited
  totp_sealed bytea,
  totp_pending_sealed bytea,   -- shown to the person, not proved by a code yet
  totp_step bigint NOT NULL DEFAULT 0, -- the newest time step whose code was used: none is good twice
  disabled_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT app_now(),
  PRIMARY KEY (provider_id, id),
  UNIQUE (provider_id, email)
);
CREATE TABLE portal_role (
  provider_id bigint NOT NULL,
  id bigint NOT NULL,
  sign_in_id bigint NOT NULL,
  name text NOT NULL,
  level smallint NOT NULL CHECK (level IN (1, 2, 3)), -- 1 provider, 2 reseller, 3 group
  organisation_id bigint NOT NULL,
  send_technical boolean NOT NULL DEFAULT false,
  send_alerts boolean NOT NULL DEFAULT false,
  send_invoices boolean NOT NULL DEFAULT false,
  send_licence_expiry boolean NOT NULL DEFAULT false,
  PRIMARY KEY (provider_id, id),
  UNIQUE (provider_id, sign_in_id, level, organisation_id),
  FOREIGN KEY (provider_id, sign_in_id) REFERENCES sign_in ON DELETE CASCADE
);
CREATE INDEX portal_role_organisation ON portal_role (provider_id, organisation_id);

-- A feed is an ordered, resumable list of changes for one audience (design §6).
CREATE TABLE feed (
  provider_id bigint NOT NULL,
  id bigint NOT NULL,
  kind smallint NOT NULL CHECK (kind IN (1, 2, 3)), -- 1 user, 2 queue, 3 organisation
  head bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (provider_id, id)
) WITH (fillfactor = 50);

CREATE TABLE end_user (
  provider_id bigint NOT NULL,
  id bigint NOT NULL,
  group_id bigint NOT NULL,
  sign_in_id bigint,                          -- null once the user is deleted
  feed_id bigint NOT NULL,
  name text NOT NULL,
  external_id text NOT NULL DEFAULT '',       -- R145: user id or MAC address, as BroadWorks has it
  computer_name text NOT NULL DEFAULT '',
  external_reference text NOT NULL DEFAULT '',
  region text NOT NULL DEFAULT 'US' CHECK (region ~ '^[A-Z]{2}$'),
  exclude_leading_zero boolean NOT NULL DEFAULT true,
  language text NOT NULL DEFAULT 'en',
  timezone text NOT NULL DEFAULT 'America/New_York',
  deleted_at timestamptz,
  PRIMARY KEY (provider_id, id),
  UNIQUE (provider_id, sign_in_id),
  FOREIGN KEY (provider_id, group_id) REFERENCES user_group,
  FOREIGN KEY (provider_id, sign_in_id) REFERENCES sign_in ON DELETE CASCADE,
  FOREIGN KEY (provider_id, feed_id) REFERENCES feed
);
CREATE INDEX end_user_group ON end_user (provider_id, group_id);
CREATE UNIQUE INDEX end_user_external_id ON end_user (provider_id, lower(external_id)) WHERE external_id <> '' AND deleted_at IS NULL;

-- Tokens carry their provider, so the row is found inside its tenant; only hashes are stored.
CREATE TABLE session (
  provider_id bigint NOT NULL,
  token_hash bytea NOT NULL,
  id bigint NOT NULL DEFAULT new_id(), -- by which its person names it
  sign_in_id bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT app_now(),
  seen_at timestamptz NOT NULL DEFAULT app_now(),
  address text NOT NULL DEFAULT '',
  agent text NOT NULL DEFAULT '',
  PRIMARY KEY (provider_id, token_hash),
  FOREIGN KEY (provider_id, sign_in_id) REFERENCES sign_in ON DELETE CASCADE
);
CREATE INDEX session_sign_in ON session (provider_id, sign_in_id);
CREATE TABLE api_key (
  provider_id bigint NOT NULL,
  id bigint NOT NULL,
  token_hash bytea NOT NULL,
  sign_in_id bigint NOT NULL,
  name text NOT NULL,
  hint text NOT NULL,
  scopes text[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT app_now(),
  used_at timestamptz,
  PRIMARY KEY (provider_id, id),
  UNIQUE (provider_id, token_hash),
  FOREIGN KEY (provider_id, sign_in_id) REFERENCES sign_in ON DELETE CASCADE
);

-- One-time codes for somebody who lost his authenticator app; each is deleted when it is used.
CREATE TABLE recovery_code (
  provider_id bigint NOT NULL,
  sign_in_id bigint NOT NULL,
  code_hash bytea NOT NULL,
  PRIMARY KEY (provider_id, sign_in_id, code_hash),
  FOREIGN KEY (provider_id, sign_in_id) REFERENCES sign_in ON DELETE CASCADE
);
-- Mails to one person about his own sign-in. A link is good once, until it expires; what opens it is kept sealed only until the mail is out.
CREATE TABLE sign_in_mail (
  provider_id bigint NOT NULL,
  id bigint NOT NULL,
  sign_in_id bigint NOT NULL,
  kind smallint NOT NULL CHECK (kind IN (1, 2, 3)), -- 1 invitation, 2 password reset, 3 the address was changed
  address text NOT NULL,
  token_hash bytea,
  token_sealed bytea,
  expires_at timestamptz,
  used_at timestamptz,
  state smallint NOT NULL DEFAULT 1 CHECK (state IN (1, 2, 3)), -- 1 waiting, 2 handed to the mail server, 3 refused by it
  problem text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT app_now(),
  PRIMARY KEY (provider_id, id),
  UNIQUE (provider_id, token_hash),
  FOREIGN KEY (provider_id, sign_in_id) REFERENCES sign_in ON DELETE CASCADE
);
CREATE INDEX sign_in_mail_sign_in ON sign_in_mail (provider_id, sign_in_id);

-- The history log (R191, G34): who changed what, from where. Rows are only added. The path is where the target stood; the group's present parent
-- counts when it is read.
CREATE TABLE history (
  provider_id bigint NOT NULL REFERENCES provider,
  id bigint NOT NULL DEFAULT new_id(),
  at timestamptz NOT NULL DEFAULT app_now(),
  actor_id bigint,                 -- the sign-in; null: the operator of this machine
  actor text NOT NULL,
  address text NOT NULL,
  via text NOT NULL,
  action text NOT NULL,
  target_kind text NOT NULL,
  target_id bigint NOT NULL,
  target_name text NOT NULL,
  reseller_id bigint,
  group_id bigint,
  user_id bigint,
  before jsonb NOT NULL,
  after jsonb NOT NULL,
  PRIMARY KEY (provider_id, id)
);
CREATE INDEX history_reseller ON history (provider_id, reseller_id, id);
CREATE INDEX history_group ON history (provider_id, group_id, id);
CREATE INDEX history_target ON history (provider_id, target_id, id);
-- Its chain, one per provider: each link's hash holds the one before and the row (G34). Made at the commit, after every other lock, by a trigger that
-- nobody but the owner can leave out.
CREATE TABLE history_link (
  provider_id bigint NOT NULL REFERENCES provider,
  number bigint NOT NULL,          -- from 1, without gaps
  history_id bigint NOT NULL,
  hash bytea NOT NULL,             -- sha256(the hash before, followed by history_body in UTF-8)
  PRIMARY KEY (provider_id, number)
);
CREATE TABLE history_head (
  provider_id bigint PRIMARY KEY REFERENCES provider,
  number bigint NOT NULL,
  hash bytea NOT NULL
);

-- Addresses from which somebody has signed in: there, strangers' tries against his e-mail elsewhere do not lock him out (input 94).
CREATE TABLE known_address (
  provider_id bigint NOT NULL,
  sign_in_id bigint NOT NULL,
  address text NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT app_now(),
  PRIMARY KEY (provider_id, sign_in_id, address),
  FOREIGN KEY (provider_id, sign_in_id) REFERENCES sign_in ON DELETE CASCADE
);

-- Tries at the door, by e-mail and by address; a leaky bucket in one row each, for the whole installation (threat: stuffing).
CREATE UNLOGGED TABLE throttle (
  subject text PRIMARY KEY,
  level double precision NOT NULL,
  at timestamptz NOT NULL
);

CREATE PROCEDURE guard_tenancy() LANGUAGE plpgsql AS $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['provider', 'reseller', 'user_group', 'sign_in', 'portal_role', 'feed', 'end_user', 'session', 'api_key',
    'known_address', 'recovery_code', 'sign_in_mail'] LOOP
    CALL guard_tenant_table(name::regclass);
  END LOOP;
END $$;
CALL guard_tenancy();
DROP PROCEDURE guard_tenancy();
CALL guard_tenant_table('history', false);
CALL guard_tenant_table('history_link', false);
CALL guard_tenant_table('history_head', false);
REVOKE INSERT ON history_link, history_head FROM kereru_app;

-- A row as it is hashed.
CREATE FUNCTION history_body(h history) RETURNS text LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
  SELECT json_build_array(h.provider_id::text, h.id::text, to_char(h.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), h.actor_id::text,
    h.actor, h.address, h.via, h.action, h.target_kind, h.target_id::text, h.target_name, h.reseller_id::text, h.group_id::text, h.user_id::text,
    h.before, h.after)::text
$$;
CREATE FUNCTION link_history() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  head history_head;
  its_hash bytea;
BEGIN
  INSERT INTO history_head VALUES (NEW.provider_id, 0, sha256(convert_to('kereru history ' || NEW.provider_id, 'UTF8'))) ON CONFLICT DO NOTHING;
  SELECT * INTO head FROM history_head h WHERE h.provider_id = NEW.provider_id FOR UPDATE;
  its_hash := sha256(head.hash || convert_to(history_body(NEW), 'UTF8'));
  INSERT INTO history_link VALUES (NEW.provider_id, head.number + 1, NEW.id, its_hash);
  UPDATE history_head h SET number = head.number + 1, hash = its_hash WHERE h.provider_id = NEW.provider_id;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER history_linked AFTER INSERT ON history DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION link_history();
GRANT EXECUTE ON FUNCTION history_body(history) TO kereru_app;

-- Before a tenant is known: whose e-mail is this?
CREATE FUNCTION find_sign_in(wanted text) RETURNS TABLE (provider_id bigint, sign_in_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT e.provider_id, e.sign_in_id FROM sign_in_email e WHERE e.email = lower(wanted)
$$;
-- Takes an e-mail for a sign-in; false when somebody in the installation holds it already.
CREATE FUNCTION take_email(wanted text, its_provider bigint, its_sign_in bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO sign_in_email VALUES (lower(wanted), its_provider, its_sign_in) ON CONFLICT DO NOTHING;
  RETURN FOUND;
END $$;
CREATE FUNCTION release_email(wanted text, its_provider bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  DELETE FROM sign_in_email e WHERE e.email = lower(wanted) AND e.provider_id = its_provider
$$;
-- Adds one try to a leaky bucket and answers how many seconds to wait (0: go ahead). Refused tries do not fill it further.
CREATE FUNCTION throttle_take(whom text, capacity double precision, leak_per_s double precision) RETURNS double precision
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  instant timestamptz := app_now();
  filled double precision;
BEGIN
  INSERT INTO throttle VALUES (whom, 0, instant) ON CONFLICT DO NOTHING;
  IF FOUND AND random() < 0.01 THEN
    DELETE FROM throttle WHERE subject IN (
      SELECT subject FROM throttle WHERE at < instant - interval '1 day' LIMIT 200 FOR UPDATE SKIP LOCKED);
  END IF;
  SELECT greatest(0, level - leak_per_s * extract(epoch FROM instant - at)) INTO filled FROM throttle WHERE subject = whom FOR UPDATE;
  IF filled + 1 > capacity THEN
    RETURN (filled + 1 - capacity) / leak_per_s;
  END IF;
  UPDATE throttle SET level = filled + 1, at = instant WHERE subject = whom;
  RETURN 0;
END $$;
-- Takes one try back: it succeeded, and only failures count.
CREATE FUNCTION throttle_give(whom text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE throttle SET level = greatest(0, level - 1) WHERE subject = whom
$$;
-- The migration this database stands at, for readiness.
CREATE FUNCTION schema_version() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT version_num::text FROM alembic_version
$$;
GRANT EXECUTE ON FUNCTION throttle_give(text), schema_version() TO kereru_app;
GRANT EXECUTE ON FUNCTION find_sign_in(text), take_email(text, bigint, bigint), release_email(text, bigint),
  throttle_take(text, double precision, double precision) TO kereru_app;
