-- jobs: Procrastinate's tables (made just before this file), adapted, and the mails that jobs send.

-- Its notify triggers halve every transaction that writes a job (perf.md); workers poll and are woken by our own NOTIFY after the commit.
DROP TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1 ON procrastinate_jobs;
DROP TRIGGER procrastinate_jobs_notify_queue_job_aborted_v1 ON procrastinate_jobs;

-- The one way to write a job: in the caller's transaction, ids only (kernel/jobs).
CREATE FUNCTION put_job(its_name text, its_ids jsonb, delay_s double precision) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT (procrastinate_defer_jobs_v1(ARRAY[ROW('default', its_name, 0, NULL, NULL, its_ids,
    CASE WHEN delay_s > 0 THEN now() + make_interval(secs => delay_s) END)::procrastinate_job_to_defer_v1]))[1]
$$;
GRANT EXECUTE ON FUNCTION put_job(text, jsonb, double precision) TO kereru_app, kereru_service;

-- The worker is the only one to read and finish jobs. They belong to the installation and hold nothing but ids.
DO $$
DECLARE it record;
BEGIN
  FOR it IN SELECT c.oid::regclass AS name, c.relkind FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname LIKE 'procrastinate\_%' AND c.relkind IN ('r', 'S') LOOP
    EXECUTE format(CASE it.relkind WHEN 'S' THEN 'GRANT USAGE ON SEQUENCE %s TO kereru_service'
      ELSE 'GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO kereru_service' END, it.name);
  END LOOP;
  FOR it IN SELECT p.oid::regprocedure AS name FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'procrastinate\_%' LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO kereru_service', it.name);
  END LOOP;
END $$;

-- notifications: one row per mail and recipient, made by the job of the event, so that a job that runs twice writes nobody twice.
CREATE TABLE mail (
  provider_id bigint NOT NULL REFERENCES provider,
  id bigint NOT NULL,
  kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 6), -- 1 a user said No, 2 a user postponed, 3 a number could not be set up; others: alert.kind
  subject_id bigint NOT NULL,                       -- the opt_in_event (1, 2), the assignment (3) or the alert
  role_id bigint NOT NULL,
  state smallint NOT NULL DEFAULT 1 CHECK (state IN (1, 2, 3)), -- 1 waiting, 2 handed to the mail server, 3 refused by it
  problem text NOT NULL DEFAULT '',
  sent_at timestamptz,
  PRIMARY KEY (provider_id, id),
  UNIQUE (provider_id, kind, subject_id, role_id)
);
CALL guard_tenant_table('mail');
