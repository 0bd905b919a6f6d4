-- contacts: people's own, and under which name each of them sees a number (R54 to R58, R65 to R67, Q15).

CREATE TABLE contact (
  provider_id bigint NOT NULL,
  id bigint NOT NULL DEFAULT new_id(),
  user_id bigint NOT NULL,
  name text NOT NULL,
  organisation text NOT NULL DEFAULT '',
  email text NOT NULL DEFAULT '',
  note text NOT NULL DEFAULT '',
  PRIMARY KEY (provider_id, id),
  FOREIGN KEY (provider_id, user_id) REFERENCES end_user
);
CREATE INDEX contact_user ON contact (provider_id, user_id, lower(name), id);
-- number: E.164, or as typed where it is none (an extension, a short code). kind: 1 mobile, 2 work, 3 home, 4 fax, 5 pager, 6 other.
CREATE TABLE contact_number (
  provider_id bigint NOT NULL,
  contact_id bigint NOT NULL,
  place smallint NOT NULL,
  user_id bigint NOT NULL,
  number text NOT NULL,
  kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 6),
  PRIMARY KEY (provider_id, contact_id, place),
  FOREIGN KEY (provider_id, contact_id) REFERENCES contact ON DELETE CASCADE
);
CREATE INDEX contact_number_of ON contact_number (provider_id, user_id, number);

-- What an outside directory answered, for one viewer: the lookup port keeps it here, so that reading never waits for a directory.
-- source, in the order of Q15: 1 personal contact, 2 CRM, 3 users of the group, 4 common phone list, 5 Outlook, 6 third-party directory.
CREATE TABLE found_name (
  provider_id bigint NOT NULL,
  user_id bigint NOT NULL,
  number text NOT NULL,
  source smallint NOT NULL CHECK (source IN (2, 4, 5, 6)),
  directory text NOT NULL,
  name text NOT NULL,
  detail text NOT NULL DEFAULT '', -- what stands behind the name (R67), such as "Zoho Lead"
  at timestamptz NOT NULL DEFAULT app_now(),
  PRIMARY KEY (provider_id, user_id, number, source, directory),
  FOREIGN KEY (provider_id, user_id) REFERENCES end_user
);
CREATE INDEX number_e164 ON number (provider_id, e164); -- which colleague's it is
CALL guard_tenant_table('contact');
CALL guard_tenant_table('contact_number');
CALL guard_tenant_table('found_name');

-- The name under which a user sees a number: the best of all sources in the order of Q15. `detail` names the number's type or where the name came from;
-- sources without types add nothing (R67). Inlined where it is joined, so it costs a few looks by key.
CREATE FUNCTION name_seen(its_provider bigint, its_user bigint, its_group bigint, its_number text)
RETURNS TABLE (name text, source smallint, detail text) LANGUAGE sql STABLE AS $$
  SELECT found.name, found.source, found.detail FROM (
    SELECT c.name, 1::smallint AS source, (ARRAY['mobile', 'work', 'home', 'fax', 'pager', ''])[n.kind] AS detail, c.id
    FROM contact_number n JOIN contact c ON c.provider_id = n.provider_id AND c.id = n.contact_id
    WHERE n.provider_id = its_provider AND n.user_id = its_user AND n.number = its_number
    UNION ALL
    SELECT u.name, 3::smallint, 'colleague', u.id
    FROM number p
    JOIN assignment a ON a.provider_id = p.provider_id AND a.number_id = p.id AND a.ended_at IS NULL AND a.user_id <> its_user
    JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id AND u.group_id = its_group AND u.deleted_at IS NULL
    WHERE p.provider_id = its_provider AND p.e164 = its_number
    UNION ALL
    SELECT f.name, f.source, f.detail, 0 FROM found_name f
    WHERE f.provider_id = its_provider AND f.user_id = its_user AND f.number = its_number
  ) AS found
  ORDER BY found.source, found.id LIMIT 1
$$;
GRANT EXECUTE ON FUNCTION name_seen(bigint, bigint, bigint, text) TO kereru_app, kereru_support;

-- Who is deleted leaves no address book behind.
CREATE FUNCTION forget_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM contact WHERE provider_id = new.provider_id AND user_id = new.id;
  DELETE FROM found_name WHERE provider_id = new.provider_id AND user_id = new.id;
  RETURN NULL;
END $$;
CREATE TRIGGER forget_contacts AFTER UPDATE OF deleted_at ON end_user
  FOR EACH ROW WHEN (new.deleted_at IS NOT NULL AND old.deleted_at IS NULL) EXECUTE FUNCTION forget_contacts();
