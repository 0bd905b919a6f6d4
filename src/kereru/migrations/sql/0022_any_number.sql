-- messaging: "allow messages to any number" (R23, R25, Q19), and which numbers are known to be mobile.

ALTER TABLE end_user ADD COLUMN any_number boolean NOT NULL DEFAULT true;
-- The directory has the number in a field for mobile phones.
ALTER TABLE found_name ADD COLUMN mobile boolean NOT NULL DEFAULT false;

-- Whether somebody who texts mobile numbers only may text this one: his own contacts or a directory say that it is mobile.
CREATE FUNCTION known_mobile(its_provider bigint, its_user bigint, its_number text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT 1 FROM contact_number n
      WHERE n.provider_id = its_provider AND n.user_id = its_user AND n.number = its_number AND n.kind = 1)
    OR EXISTS (SELECT 1 FROM found_name f WHERE f.provider_id = its_provider AND f.user_id = its_user AND f.number = its_number AND f.mobile)
$$;
GRANT EXECUTE ON FUNCTION known_mobile(bigint, bigint, text) TO kereru_app;
