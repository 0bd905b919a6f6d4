-- messaging: conversations, messages, attempts, parts, receipts, the outbox, what carriers said. Weekly tables follow message ids (design §6).

CREATE TABLE conversation (
  provider_id bigint NOT NULL,
  id bigint NOT NULL,
  assignment_id bigint NOT NULL,
  remote text NOT NULL,
  last_message_id bigint,          -- null: nothing its owner may see yet (withheld, blocked)
  last_inbound_id bigint,
  unread integer NOT NULL DEFAULT 0,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (provider_id, id),
  UNIQUE (provider_id, assignment_id, remote), -- R38, P2
  FOREIGN KEY (provider_id, assignment_id) REFERENCES assignment
) WITH (fillfactor = 85);
CREATE INDEX conversation_newest ON conversation (provider_id, assignment_id, last_message_id DESC) WHERE last_message_id IS NOT NULL;

-- status: 1 queued, 2 sending, 3 sent, 4 delivered, 5 undelivered, 6 failed, 7 expired, 8 unknown, 9 received.
CREATE TABLE message (
  provider_id bigint NOT NULL,
  id bigint NOT NULL,
  conversation_id bigint NOT NULL,
  outbound boolean NOT NULL,
  status smallint NOT NULL CHECK (status BETWEEN 1 AND 9),
  visibility smallint NOT NULL DEFAULT 0 CHECK (visibility IN (0, 1, 2)), -- 0 shown, 1 withheld (Q26), 2 blocked (Q13)
  text text NOT NULL,
  client_id text,
  attempt smallint NOT NULL DEFAULT 0,
  unicode boolean NOT NULL DEFAULT false,
  segments smallint NOT NULL DEFAULT 0,
  reason_code text,
  reason text,
  cut_to text,                      -- put together from the parts'
  arrived_before boolean NOT NULL DEFAULT false,
  platform_id bigint NOT NULL,
  carrier_id text,                  -- inbound: the carrier's own id
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (provider_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX message_conversation ON message (provider_id, conversation_id, id DESC);
-- For counting what nobody sees; it holds nothing of ordinary texts.
CREATE INDEX message_hidden ON message (provider_id, conversation_id, id) WHERE visibility <> 0;

CREATE TABLE attempt (
  provider_id bigint NOT NULL,
  message_id bigint NOT NULL,
  attempt smallint NOT NULL,
  status smallint NOT NULL CHECK (status BETWEEN 1 AND 8),
  epoch bigint NOT NULL DEFAULT 0,
  started_at timestamptz NOT NULL DEFAULT app_now(),
  reason_code text,
  reason text,
  PRIMARY KEY (provider_id, message_id, attempt)
) PARTITION BY RANGE (message_id);

-- handover: 1 not yet, 2 open (bytes may be on the wire), 3 accepted, 4 refused, 5 unknown.
CREATE TABLE part (
  provider_id bigint NOT NULL,
  message_id bigint NOT NULL,
  attempt smallint NOT NULL,
  part smallint NOT NULL,
  platform_id bigint NOT NULL,
  text text NOT NULL,
  handover smallint NOT NULL DEFAULT 1 CHECK (handover BETWEEN 1 AND 5),
  status smallint NOT NULL DEFAULT 1 CHECK (status BETWEEN 1 AND 8),
  carrier_id text,
  tries smallint NOT NULL DEFAULT 0,
  handed_over_at timestamptz,
  look_ups smallint NOT NULL DEFAULT 0,
  look_up_at timestamptz,
  contradicted boolean NOT NULL DEFAULT false,
  cut_to text,                      -- what the carrier says it took, when that is shorter
  reason_code text,
  reason text,
  PRIMARY KEY (provider_id, message_id, attempt, part)
) PARTITION BY RANGE (message_id);
CREATE INDEX part_carrier_id ON part (provider_id, platform_id, carrier_id) WHERE carrier_id IS NOT NULL;
CREATE INDEX part_unknown ON part (provider_id, platform_id, look_up_at) WHERE handover = 5;

-- Kept whether or not the part is known yet: a receipt may beat the send answer (G20). state as message.status; 0: a word we do not know.
CREATE TABLE receipt (
  provider_id bigint NOT NULL,
  id bigint NOT NULL,
  platform_id bigint NOT NULL,
  carrier_id text NOT NULL,
  state smallint NOT NULL CHECK (state BETWEEN 0 AND 8),
  carrier_state text NOT NULL,
  error_code text NOT NULL DEFAULT '',
  reason text NOT NULL DEFAULT '',
  PRIMARY KEY (provider_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX receipt_carrier_id ON receipt (provider_id, platform_id, carrier_id);

-- Check-then-insert under the number's row lock (perf.md §9): a unique key would have to hold the partition's id.
CREATE TABLE dedupe (
  provider_id bigint NOT NULL,
  platform_id bigint NOT NULL,
  number_id bigint NOT NULL,
  kind smallint NOT NULL,
  carrier_id text NOT NULL,
  id bigint NOT NULL,
  PRIMARY KEY (provider_id, platform_id, number_id, kind, carrier_id, id)
) PARTITION BY RANGE (id);

-- The raw exchange with a carrier, secrets masked, 14 days (design §7).
CREATE TABLE exchange (
  provider_id bigint NOT NULL,
  id bigint NOT NULL,
  platform_id bigint NOT NULL,
  message_id bigint,
  kind smallint NOT NULL, -- 1 text in, 2 receipt, 3 hand-over, 4 unreadable, 5 look-up
  request_id text NOT NULL DEFAULT '',
  raw text NOT NULL,
  PRIMARY KEY (provider_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX exchange_message ON exchange (provider_id, message_id) WHERE message_id IS NOT NULL;

-- Feeds' entries. kind: 1 message.received, 2 message.queued, 3 message.changed, 4 conversation.read, 5 number.changed, 6 conversation.changed.
CREATE TABLE change (
  provider_id bigint NOT NULL,
  feed_id bigint NOT NULL,
  number bigint NOT NULL,
  id bigint NOT NULL,
  kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 6),
  conversation_id bigint,
  message_id bigint,
  subject_id bigint,
  version integer NOT NULL,
  PRIMARY KEY (provider_id, feed_id, number, id)
) PARTITION BY RANGE (id);

INSERT INTO weekly_table VALUES ('message'), ('attempt'), ('part'), ('receipt'), ('dedupe'), ('exchange'), ('change');

-- Texts for numbers without a live assignment, and what could not be read (R115, G5): logged, shown to nobody.
CREATE TABLE quarantine (
  provider_id bigint NOT NULL,
  id bigint NOT NULL,
  platform_id bigint NOT NULL,
  kind smallint NOT NULL, -- 1 unknown number, 2 no live assignment, 3 unreadable
  dedupe_key text NOT NULL,
  to_number text NOT NULL DEFAULT '',
  raw text NOT NULL,
  reason text NOT NULL DEFAULT '',
  PRIMARY KEY (provider_id, id),
  UNIQUE (provider_id, platform_id, kind, dedupe_key)
);

CREATE TABLE outbox (
  provider_id bigint NOT NULL,
  message_id bigint NOT NULL,
  platform_id bigint NOT NULL,
  group_id bigint NOT NULL,
  conversation_id bigint NOT NULL,
  attempt smallint NOT NULL,
  parts text[] NOT NULL,
  run_at timestamptz NOT NULL DEFAULT app_now(),
  expires_at timestamptz NOT NULL,
  claimed_at timestamptz,           -- since when a sender has it in hand
  claimed boolean NOT NULL GENERATED ALWAYS AS (claimed_at IS NOT NULL) STORED,
  deferrals smallint NOT NULL DEFAULT 0,
  reason text NOT NULL DEFAULT '',
  PRIMARY KEY (provider_id, message_id)
) WITH (fillfactor = 70);
CREATE INDEX outbox_turn ON outbox (provider_id, platform_id, group_id, message_id) WHERE NOT claimed;
CREATE INDEX outbox_conversation ON outbox (provider_id, conversation_id, message_id);
CREATE INDEX outbox_expiry ON outbox (expires_at) WHERE NOT claimed;
CREATE INDEX outbox_in_hand ON outbox (claimed_at) WHERE claimed;

-- Each platform is leased to one sender process; the epoch fences out one that slept (G13).
CREATE TABLE platform_lease (
  provider_id bigint NOT NULL,
  platform_id bigint NOT NULL,
  holder text NOT NULL,
  epoch bigint NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (provider_id, platform_id)
);

-- Idempotency of sends (G9): the same key is the same message; another body under it is refused.
CREATE TABLE client_key (
  provider_id bigint NOT NULL,
  user_id bigint NOT NULL,
  client_id text NOT NULL,
  message_id bigint NOT NULL,
  request_hash bytea NOT NULL,
  PRIMARY KEY (provider_id, user_id, client_id)
);
CREATE INDEX client_key_age ON client_key (message_id);

-- A remote party's STOP; scope is the group (one business).
CREATE TABLE remote_consent (
  provider_id bigint NOT NULL,
  group_id bigint NOT NULL,
  remote text NOT NULL,
  stopped boolean NOT NULL,
  at timestamptz NOT NULL DEFAULT app_now(),
  PRIMARY KEY (provider_id, group_id, remote)
);
-- A remote party its owner does not want to hear from (R129, Q13).
CREATE TABLE blocked_remote (
  provider_id bigint NOT NULL,
  assignment_id bigint NOT NULL,
  remote text NOT NULL,
  id bigint NOT NULL DEFAULT new_id(),
  at timestamptz NOT NULL DEFAULT app_now(),
  blocked_by text NOT NULL DEFAULT '', -- the e-mail that was signed in
  reason text NOT NULL DEFAULT '',
  PRIMARY KEY (provider_id, assignment_id, remote)
);

CREATE PROCEDURE guard_messaging() LANGUAGE plpgsql AS $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['conversation', 'message', 'attempt', 'part', 'receipt', 'dedupe', 'exchange', 'change', 'quarantine', 'outbox',
    'platform_lease', 'client_key', 'remote_consent', 'blocked_remote'] LOOP
    CALL guard_tenant_table(name::regclass);
  END LOOP;
END $$;
CALL guard_messaging();
DROP PROCEDURE guard_messaging();
CALL make_partitions(5);
