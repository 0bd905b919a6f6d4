-- provisioning: platforms, numbers, assignments, licences, opt-in and its evidence.

CREATE TABLE platform (
  provider_id bigint NOT NULL REFERENCES provider,
  id bigint NOT NULL,
  carrier text NOT NULL,
  name text NOT NULL,
  carrier_account text NOT NULL DEFAULT '', -- the carrier's own name for the account, as its webhooks spell it
  credentials_sealed bytea NOT NULL,
  endpoints jsonb NOT NULL DEFAULT '{}',
  user_confirmation boolean NOT NULL DEFAULT true,  -- R128
  user_can_block boolean NOT NULL DEFAULT true,     -- R129
  mms boolean NOT NULL DEFAULT true,                -- R132
  mail_on_postpone boolean NOT NULL DEFAULT true,   -- R120, Q1
  takes_long_texts boolean NOT NULL DEFAULT false,  -- design §7
  token_hash boolean NOT NULL DEFAULT false,        -- webhooks are signed with the outbound key as well (carriers.md §2A.8)
  sends_per_second double precision NOT NULL DEFAULT 50 CHECK (sends_per_second > 0),
  queue_deadline_s integer NOT NULL DEFAULT 600 CHECK (queue_deadline_s > 0),
  -- Set when the carrier refuses the account (401, 403): nothing is sent until a person acts (design §6).
  stopped_at timestamptz,
  stopped_reason text,
  ended_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT app_now(),
  PRIMARY KEY (provider_id, id)
);
-- The webhook's path names the platform before any tenant is known; only the token's hash is stored.
CREATE TABLE ingress_token (
  token_hash bytea PRIMARY KEY,
  provider_id bigint NOT NULL,
  platform_id bigint NOT NULL,
  token_sealed bytea NOT NULL
);
CREATE INDEX ingress_token_platform ON ingress_token (provider_id, platform_id);

CREATE TABLE number (
  provider_id bigint NOT NULL,
  id bigint NOT NULL,
  platform_id bigint NOT NULL,
  e164 text NOT NULL CHECK (e164 ~ '^\+[1-9][0-9]{6,14}$'),
  carrier_ref text NOT NULL DEFAULT '',     -- what the carrier wants named when the webhook is removed; empty: no webhook is set
  hook_secret_sealed bytea,
  version integer NOT NULL DEFAULT 1,       -- of what its user sees, over all its assignments
  PRIMARY KEY (provider_id, id),
  UNIQUE (provider_id, platform_id, e164),
  FOREIGN KEY (provider_id, platform_id) REFERENCES platform
);
CREATE TABLE assignment (
  provider_id bigint NOT NULL,
  id bigint NOT NULL,
  number_id bigint NOT NULL,
  user_id bigint NOT NULL,
  friendly_name text NOT NULL DEFAULT '',
  messaging_type smallint CHECK (messaging_type IN (1, 2)), -- 1 SMS, 2 MMS & SMS; null: as the platform says (R152)
  user_can_block boolean,                                   -- null: as the platform says (R131, R152)
  enable_confirmed boolean NOT NULL DEFAULT false,          -- a person agreed that texting may be switched on at the carrier (Q17)
  -- 1 requested, 2 checking, 3 registering, 4 enabled, 5 rejected, 6 failed (product.md 5.2)
  state smallint NOT NULL CHECK (state BETWEEN 1 AND 6),
  problem text NOT NULL DEFAULT '',
  problem_code text NOT NULL DEFAULT '',
  started_at timestamptz NOT NULL DEFAULT app_now(),
  ended_at timestamptz,
  PRIMARY KEY (provider_id, id),
  FOREIGN KEY (provider_id, number_id) REFERENCES number,
  FOREIGN KEY (provider_id, user_id) REFERENCES end_user
);
CREATE UNIQUE INDEX assignment_one_live ON assignment (provider_id, number_id) WHERE ended_at IS NULL; -- P71
CREATE INDEX assignment_user ON assignment (provider_id, user_id);

CREATE TABLE licence (
  provider_id bigint NOT NULL,
  user_id bigint NOT NULL,
  product smallint NOT NULL CHECK (product IN (1, 2, 3, 4)), -- 1 desktop, 2 agent, 3 supervisor, 4 reception (R112)
  starts_at timestamptz NOT NULL DEFAULT app_now(),
  ends_at timestamptz,
  PRIMARY KEY (provider_id, user_id),
  FOREIGN KEY (provider_id, user_id) REFERENCES end_user ON DELETE CASCADE
);

-- The user's consent state for one assignment (R4 to R20); no row: not needed.
CREATE TABLE opt_in (
  provider_id bigint NOT NULL,
  assignment_id bigint NOT NULL,
  state smallint NOT NULL CHECK (state IN (1, 2, 3, 4)), -- 1 pending, 2 opted in, 3 opted out, 4 postponed
  opted_in_at timestamptz,
  opted_out_at timestamptz,
  postponed_at timestamptz,
  postpone_mailed boolean NOT NULL DEFAULT false,
  PRIMARY KEY (provider_id, assignment_id),
  FOREIGN KEY (provider_id, assignment_id) REFERENCES assignment
);
-- Evidence: append-only, one row per answer or reset (R9, R11, R15, R20).
CREATE TABLE opt_in_event (
  provider_id bigint NOT NULL,
  id bigint NOT NULL,
  assignment_id bigint NOT NULL,
  kind smallint NOT NULL CHECK (kind IN (1, 2, 3, 4, 5)), -- 1 yes, 2 no, 3 cancel, 4 reset, 5 the platform no longer asks
  actor text NOT NULL,
  address text NOT NULL DEFAULT '',
  agent text NOT NULL DEFAULT '',
  at timestamptz NOT NULL DEFAULT app_now(),
  PRIMARY KEY (provider_id, id),
  FOREIGN KEY (provider_id, assignment_id) REFERENCES assignment
);

-- The evidence: one chain per provider, each entry holding the hash of the one before (docs/reference/evidence.md). Entries come through
-- add_evidence only; nothing but the owner could change one, and then the chain would show it.
CREATE TABLE evidence (
  provider_id bigint NOT NULL REFERENCES provider,
  number bigint NOT NULL,          -- from 1, without gaps
  at timestamptz NOT NULL,
  event text NOT NULL,
  assignment_id bigint,
  body text NOT NULL,              -- the JSON exactly as it was hashed
  previous_hash bytea NOT NULL,
  hash bytea NOT NULL,             -- sha256(previous_hash followed by body in UTF-8)
  PRIMARY KEY (provider_id, number)
);
CREATE INDEX evidence_assignment ON evidence (provider_id, assignment_id, number) WHERE assignment_id IS NOT NULL;
CREATE TABLE evidence_head (
  provider_id bigint PRIMARY KEY REFERENCES provider,
  number bigint NOT NULL,
  hash bytea NOT NULL
);

-- Which users have a live socket, and on which process; a "start" is the load of a window while there is none (design §7).
CREATE UNLOGGED TABLE live_socket (
  provider_id bigint NOT NULL,
  user_id bigint NOT NULL,
  process text NOT NULL,
  sockets integer NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT app_now(),
  PRIMARY KEY (provider_id, user_id, process)
);

CALL guard_tenant_table('platform');
CALL guard_tenant_table('number');
CALL guard_tenant_table('assignment');
CALL guard_tenant_table('licence');
CALL guard_tenant_table('opt_in');
CALL guard_tenant_table('opt_in_event', false);
CALL guard_tenant_table('live_socket');
CALL guard_tenant_table('evidence', false);
CALL guard_tenant_table('evidence_head', false);
REVOKE INSERT ON evidence, evidence_head FROM kereru_app;

-- What ingress must know of a platform, before a tenant is known.
CREATE FUNCTION ingress_platform(wanted bytea) RETURNS TABLE (
  provider_id bigint, platform_id bigint, carrier text, carrier_account text, credentials_sealed bytea, hook_numbers text[],
  hook_secrets_sealed bytea[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT p.provider_id, p.id, p.carrier, p.carrier_account, CASE WHEN p.token_hash THEN p.credentials_sealed END,
    coalesce(h.numbers, '{}'), coalesce(h.secrets, '{}')
  FROM ingress_token t JOIN platform p ON p.provider_id = t.provider_id AND p.id = t.platform_id AND p.ended_at IS NULL
  CROSS JOIN LATERAL (
    SELECT array_agg(n.e164) AS numbers, array_agg(n.hook_secret_sealed) AS secrets FROM number n
    WHERE n.provider_id = p.provider_id AND n.platform_id = p.id AND n.hook_secret_sealed IS NOT NULL) h
  WHERE t.token_hash = wanted
$$;
-- The same of all, in order of their tokens' hashes, for a machine's notes (decision 0013). An address whose platform is gone has no provider.
CREATE FUNCTION ingress_platforms(after bytea, most integer) RETURNS TABLE (
  token_hash bytea, provider_id bigint, platform_id bigint, carrier text, carrier_account text, credentials_sealed bytea, hook_numbers text[],
  hook_secrets_sealed bytea[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT t.token_hash, k.* FROM (SELECT i.token_hash FROM ingress_token i WHERE i.token_hash > after ORDER BY i.token_hash LIMIT most) t
  LEFT JOIN LATERAL ingress_platform(t.token_hash) k ON true ORDER BY t.token_hash
$$;
CREATE FUNCTION put_ingress_token(its_hash bytea, its_provider bigint, its_platform bigint, its_sealed bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO ingress_token SELECT its_hash, its_provider, its_platform, its_sealed WHERE its_provider = scope_provider()
$$;
CREATE FUNCTION ingress_token_of(its_provider bigint, its_platform bigint) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT token_sealed FROM ingress_token t WHERE t.provider_id = its_provider AND t.platform_id = its_platform AND its_provider = scope_provider()
$$;
-- A platform was deleted: its address is nobody's any more.
CREATE FUNCTION drop_ingress_token(its_provider bigint, its_platform bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  DELETE FROM ingress_token t WHERE t.provider_id = its_provider AND t.platform_id = its_platform AND its_provider = scope_provider()
$$;

-- Adds an entry to the provider's chain and answers its number. It holds the head until the commit, so numbers have no gaps; callers take it after
-- the locks of numbers and before those of feeds.
CREATE FUNCTION add_evidence(its_provider bigint, its_event text, its_assignment bigint, its_actor text, its_address text, its_agent text,
  its_details json) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  head evidence_head;
  instant timestamptz;
  its_body text;
  its_hash bytea;
BEGIN
  IF its_provider IS DISTINCT FROM scope_provider() THEN
    RAISE insufficient_privilege USING MESSAGE = 'evidence is added in its own provider''s scope';
  END IF;
  INSERT INTO evidence_head VALUES (its_provider, 0, sha256(convert_to('kereru evidence ' || its_provider, 'UTF8'))) ON CONFLICT DO NOTHING;
  SELECT * INTO head FROM evidence_head h WHERE h.provider_id = its_provider FOR UPDATE;
  instant := app_now();
  its_body := json_build_object('provider', its_provider::text, 'number', head.number + 1,
    'at', to_char(instant AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'event', its_event, 'assignment', its_assignment::text,
    'actor', its_actor, 'address', its_address, 'agent', its_agent, 'details', its_details)::text;
  its_hash := sha256(head.hash || convert_to(its_body, 'UTF8'));
  INSERT INTO evidence VALUES (its_provider, head.number + 1, instant, its_event, its_assignment, its_body, head.hash, its_hash);
  UPDATE evidence_head h SET number = head.number + 1, hash = its_hash WHERE h.provider_id = its_provider;
  RETURN head.number + 1;
END $$;

GRANT EXECUTE ON FUNCTION ingress_platform(bytea), ingress_platforms(bytea, integer) TO kereru_ingest;
GRANT EXECUTE ON FUNCTION put_ingress_token(bytea, bigint, bigint, bytea), ingress_token_of(bigint, bigint), drop_ingress_token(bigint, bigint),
  add_evidence(bigint, text, bigint, text, text, text, json) TO kereru_app;
