"""The catalogue test (design §3, §6, §9; G30): what the database itself promises about tenants, roles and functions, read from its own catalogue.

Exceptions stand here by name, each with its reason. A new table or function that breaks a rule fails with its name.
"""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg.rows import namedtuple_row

ROLES = ("kereru_app", "kereru_ingest", "kereru_service", "kereru_support")
SEARCH_PATH = "search_path=public, pg_temp"

NO_TENANT = {
    "alembic_version": "the migration the database stands at; holds nothing of anybody",
    "weekly_table": "names of tables; holds nothing of anybody",
    "sign_in_email": "read before a tenant is known: which tenant an e-mail belongs to; only by listed functions",
    "ingress_token": "read before a tenant is known: which platform a webhook's address names; only by listed functions",
    "write_probe": "pages without meaning, to see whether the disk takes any; only by its listed function",
    "throttle": "tries at the door, counted before a tenant is known; only by listed functions",
    "upkeep": "how the scheduler's tasks have fared; holds nothing of anybody",
    "intake_holder": "which web processes hold webhooks back, installation-wide; only by listed functions",
}
"""Tables without a tenant, and why."""

JOBS = "procrastinate_"
"""Tables of the job runner: no tenant of their own, arguments hold ids only (design §4)."""


@pytest.fixture(scope="module")
def catalogue(module_database_url: str) -> Iterator[psycopg.Connection]:
    """A connection as the owner to a migrated database of this module's own."""
    with psycopg.connect(module_database_url, autocommit=True, row_factory=namedtuple_row) as connection:
        yield connection


def rows(catalogue: psycopg.Connection, statement: str, *params: object) -> list:
    return catalogue.execute(statement.encode(), params).fetchall()


def tables(catalogue: psycopg.Connection) -> list:
    """Every table of ours: name, whether it is a partition, what guards it."""
    return rows(
        catalogue,
        """SELECT c.relname AS name, c.relispartition AS partition, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced, c.relkind AS kind,
             EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'provider_id' AND NOT a.attisdropped) AS has_tenant
           FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.relname""",
    )


def tenant_tables(catalogue: psycopg.Connection) -> list:
    return [table for table in tables(catalogue) if not table.partition and table.name not in NO_TENANT and not table.name.startswith(JOBS)]


def test_every_table_has_a_tenant_or_a_reason(catalogue: psycopg.Connection) -> None:
    """Design §3: every tenant table has provider_id; a table without one is named above."""
    assert [table.name for table in tenant_tables(catalogue) if not table.has_tenant] == []
    assert set(NO_TENANT) - {table.name for table in tables(catalogue)} == set(), "an exception for a table that is not there"


def test_row_level_security_is_forced_on_every_tenant_table(catalogue: psycopg.Connection) -> None:
    """Design §9, G30: enabled and forced."""
    assert [table.name for table in tenant_tables(catalogue) if not (table.enabled and table.forced)] == []


def test_partitions_are_reached_through_their_tables_only(catalogue: psycopg.Connection) -> None:
    """A partition has no policy of its own, so no role but the owner's may touch it directly."""
    open_ones = rows(
        catalogue,
        """SELECT c.relname, r.role FROM pg_class c CROSS JOIN unnest(%s::text[]) AS r (role)
           WHERE c.relispartition AND c.relkind = 'r' AND has_table_privilege(r.role, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')""",
        list(ROLES),
    )
    assert open_ones == []


def test_policies_are_the_two_we_mean_and_hold_no_sub_select(catalogue: psycopg.Connection) -> None:
    """Design §3, §9: people's roles see one provider, by a plain comparison; only the owner's listed functions see all."""
    found = rows(
        catalogue,
        """SELECT c.relname AS name, p.polname AS policy, p.polpermissive AS permissive, p.polcmd AS command,
             ARRAY(SELECT r.rolname::text FROM pg_roles r WHERE r.oid = ANY (p.polroles) ORDER BY 1) AS roles,
             pg_get_expr(p.polqual, p.polrelid) AS uses, pg_get_expr(p.polwithcheck, p.polrelid) AS checks
           FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid ORDER BY 1, 2""",
    )
    by_table: dict[str, list] = {}
    for policy in found:
        by_table.setdefault(policy.name, []).append(policy)
    plain = "(provider_id = (NULLIF(current_setting('app.provider'::text, true), ''::text))::bigint)"
    for table in tenant_tables(catalogue):
        assert len(by_table[table.name]) == 2, table.name
        owners, tenants = by_table[table.name]
        assert (owners.policy, owners.roles, owners.uses, owners.checks) == ("listed_functions", ["kereru_owner"], "true", None), table.name
        assert (tenants.policy, tenants.uses, tenants.checks) == ("tenant", plain, None), table.name
        assert set(tenants.roles) <= {"kereru_app", "kereru_support"}, table.name
        assert (tenants.permissive, tenants.command) == (True, "*"), table.name


def test_the_tenant_comes_first_in_every_key(catalogue: psycopg.Connection) -> None:
    """Design §3: primary and unique keys begin with provider_id, so that a tenant can move to a node of its own."""
    wrong = rows(
        catalogue,
        """SELECT t.relname AS table, i.relname AS key FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
           JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
           WHERE t.relnamespace = 'public'::regnamespace AND NOT t.relispartition AND (x.indisunique OR x.indisprimary) AND a.attname <> 'provider_id'
           ORDER BY 1, 2""",
    )
    assert [(row.table, row.key) for row in wrong if row.table not in NO_TENANT and not row.table.startswith(JOBS)] == []


def test_every_tenant_table_has_a_primary_key(catalogue: psycopg.Connection) -> None:
    """Without one a row can be doubled, and logical replication has nothing to hold on to."""
    with_key = {row.name for row in rows(catalogue, "SELECT conrelid::regclass::text AS name FROM pg_constraint WHERE contype = 'p'")}
    assert [table.name for table in tables(catalogue) if not table.partition and table.name not in with_key and table.name != "alembic_version"] == []


def foreign_keys(catalogue: psycopg.Connection) -> list:
    return rows(
        catalogue,
        """SELECT f.conname AS name, c.relname AS child, p.relname AS parent, p.relkind AS parent_kind,
             ARRAY(SELECT a.attname::text FROM unnest(f.conkey) WITH ORDINALITY AS k (number, at)
                   JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.number ORDER BY k.at) AS child_columns,
             ARRAY(SELECT a.attname::text FROM unnest(f.confkey) WITH ORDINALITY AS k (number, at)
                   JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.number ORDER BY k.at) AS parent_columns
           FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class p ON p.oid = f.confrelid
           WHERE f.contype = 'f' AND c.relnamespace = 'public'::regnamespace AND f.conparentid = 0 ORDER BY 1""",
    )


def test_foreign_keys_carry_the_tenant(catalogue: psycopg.Connection) -> None:
    """Design §3, G30: a row cannot hang under another tenant's, whoever writes it."""
    ours = [key for key in foreign_keys(catalogue) if not key.child.startswith(JOBS)]
    assert len(ours) > 15
    assert [key.name for key in ours if (key.child_columns[0], key.parent_columns[0]) != ("provider_id", "provider_id")] == []


def test_nothing_has_a_foreign_key_to_a_weekly_table(catalogue: psycopg.Connection) -> None:
    """Design §6: weeks drop together, at once; a foreign key would make that a scan."""
    assert [key.name for key in foreign_keys(catalogue) if key.parent_kind == "p" or key.child in weekly(catalogue)] == []


def weekly(catalogue: psycopg.Connection) -> set[str]:
    return {row.name for row in rows(catalogue, "SELECT name FROM weekly_table")}


def test_every_partitioned_table_is_cut_and_dropped_with_the_others(catalogue: psycopg.Connection) -> None:
    """Design §6: all follow the same ranges of ids; at least four weeks ahead are there."""
    assert {table.name for table in tables(catalogue) if table.kind == "p"} == weekly(catalogue)
    bounds: dict[str, set[str]] = {}
    for row in rows(
        catalogue,
        """SELECT inhparent::regclass::text AS name, pg_get_expr(c.relpartbound, c.oid) AS bound FROM pg_inherits
           JOIN pg_class c ON c.oid = inhrelid WHERE c.relkind = 'r'""",
    ):
        bounds.setdefault(row.name, set()).add(row.bound)
    assert len({frozenset(one) for one in bounds.values()}) == 1
    assert rows(catalogue, "SELECT weeks_ahead() AS weeks")[0].weeks >= 4


def test_states_are_numbers_not_enums(catalogue: psycopg.Connection) -> None:
    """Design §9: only leakproof operators use an index under row-level security."""
    found = rows(catalogue, "SELECT typname AS name FROM pg_type WHERE typtype = 'e' AND typnamespace = 'public'::regnamespace")
    assert [row.name for row in found if not row.name.startswith(JOBS)] == []


@pytest.mark.parametrize("role", ROLES)
def test_roles_are_nobody_special(catalogue: psycopg.Connection, role: str) -> None:
    """Design §9: neither owner nor superuser nor BYPASSRLS, members of nothing, makers of nothing."""
    [attributes] = rows(
        catalogue,
        """SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolinherit AND EXISTS (
             SELECT 1 FROM pg_auth_members m WHERE m.member = r.oid) AS member
           FROM pg_roles r WHERE rolname = %s""",
        role,
    )
    assert not any(attributes), attributes
    owned = rows(catalogue, "SELECT 1 FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname = %s", role)
    assert owned == []
    [may] = rows(
        catalogue,
        "SELECT has_schema_privilege(%s, 'public', 'CREATE') AS make, has_database_privilege(%s, current_database(), 'CREATE') AS add",
        role,
        role,
    )
    assert not any(may)


def granted(catalogue: psycopg.Connection, role: str, privileges: str = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER") -> set[str]:
    """Tables, and columns of tables, that a role may do any of these with."""
    found = rows(
        catalogue,
        """SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
           AND (has_table_privilege(%s, oid, %s) OR has_any_column_privilege(%s, oid, 'SELECT, INSERT, UPDATE, REFERENCES'))""",
        role,
        privileges,
        role,
    )
    return {row.name for row in found}


def test_ingest_may_execute_its_functions_and_read_no_table(catalogue: psycopg.Connection) -> None:
    """Design §9: a process that speaks with strangers reaches tables through the batch functions only."""
    assert granted(catalogue, "kereru_ingest") == set()
    names = {row.name for row in executable(catalogue, "kereru_ingest")}
    assert {"ingest_texts", "ingress_platform"} <= names
    assert not names & {"find_sign_in", "take_email", "append_changes", "feed_heads", "put_ingress_token", "claim_outbox", "throttle_take"}


def test_the_service_reaches_tables_through_listed_functions_only(catalogue: psycopg.Connection) -> None:
    """Design §9: sender, hub and scheduler serve many providers; what they may do is listed."""
    assert {name for name in granted(catalogue, "kereru_service") if not name.startswith(JOBS)} == set()


def test_tables_without_a_tenant_are_closed_to_everybody(catalogue: psycopg.Connection) -> None:
    """What is read before a tenant is known goes through functions, so that nobody can list it."""
    for role in ROLES:
        assert granted(catalogue, role) & set(NO_TENANT) == set(), role


def test_support_reads_and_changes_nothing(catalogue: psycopg.Connection) -> None:
    """Design §9."""
    found = rows(
        catalogue,
        """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
           AND has_table_privilege('kereru_support', oid, 'INSERT, UPDATE, DELETE, TRUNCATE')""",
    )
    assert found == []


def test_evidence_is_only_added_to(catalogue: psycopg.Connection) -> None:
    """R20, threat model: who agreed to what cannot be rewritten by the application."""
    [may] = rows(catalogue, "SELECT has_table_privilege('kereru_app', 'opt_in_event', 'UPDATE, DELETE, TRUNCATE') AS change")
    assert not may.change


def functions(catalogue: psycopg.Connection) -> list:
    """Our functions and procedures; not the job runner's."""
    found = rows(
        catalogue,
        """SELECT p.oid, p.proname AS name, p.prosecdef AS definer, coalesce(p.proconfig, '{}') AS settings, r.rolname AS owner, p.prokind AS kind,
             p.proacl IS NULL OR EXISTS (SELECT 1 FROM aclexplode(p.proacl) a WHERE a.grantee = 0) AS public
           FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE p.pronamespace = 'public'::regnamespace ORDER BY 2""",
    )
    return [one for one in found if not one.name.startswith(JOBS)]


def executable(catalogue: psycopg.Connection, role: str) -> list:
    return [
        one for one in functions(catalogue) if rows(catalogue, "SELECT has_function_privilege(%s, %s::oid, 'EXECUTE') AS may", role, one.oid)[0].may
    ]


def test_functions_that_act_as_the_owner_find_only_what_they_name(catalogue: psycopg.Connection) -> None:
    """Design §9: a fixed search_path with pg_temp last, or a caller's table could stand in for ours."""
    definers = [one for one in functions(catalogue) if one.definer]
    assert len(definers) > 10
    assert [one.name for one in definers if SEARCH_PATH not in one.settings] == []
    assert {one.owner for one in functions(catalogue)} == {"kereru_owner"}


def test_no_function_is_for_everybody(catalogue: psycopg.Connection) -> None:
    """Design §9: each function is granted to the roles that need it. Triggers cannot be called by hand, and are no exception."""
    assert [one.name for one in functions(catalogue) if one.public] == []


def test_no_role_may_execute_what_alters_tables(catalogue: psycopg.Connection) -> None:
    for role in ROLES:
        assert {one.name for one in executable(catalogue, role)} & {"guard_tenant_table", "make_partitions"} == set(), role


def test_job_arguments_are_out_of_reach_of_strangers(catalogue: psycopg.Connection) -> None:
    """The job runner's tables have no tenant: only the roles that write and run jobs may touch them."""
    for role in ("kereru_ingest", "kereru_support"):
        assert {name for name in granted(catalogue, role) if name.startswith(JOBS)} == set(), role


OPEN_A_WEEK = """DO $$ BEGIN
  EXECUTE format('GRANT SELECT ON %s TO kereru_app', (SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'change'::regclass LIMIT 1));
END $$"""
BARE_KEY = "ALTER TABLE reseller ADD UNIQUE (id); ALTER TABLE user_group ADD FOREIGN KEY (reseller_id) REFERENCES reseller (id)"
WRONGS = [
    ("CREATE TABLE bare (id bigint PRIMARY KEY)", test_every_table_has_a_tenant_or_a_reason),
    ("CREATE TABLE bare (provider_id bigint PRIMARY KEY)", test_row_level_security_is_forced_on_every_tenant_table),
    ("ALTER TABLE message NO FORCE ROW LEVEL SECURITY", test_row_level_security_is_forced_on_every_tenant_table),
    ("ALTER TABLE conversation DISABLE ROW LEVEL SECURITY", test_row_level_security_is_forced_on_every_tenant_table),
    (OPEN_A_WEEK, test_partitions_are_reached_through_their_tables_only),
    ("CREATE POLICY wider ON number TO kereru_app USING (true)", test_policies_are_the_two_we_mean_and_hold_no_sub_select),
    ("ALTER POLICY tenant ON number USING (provider_id IN (SELECT 1))", test_policies_are_the_two_we_mean_and_hold_no_sub_select),
    ("ALTER POLICY tenant ON number TO kereru_app, kereru_service", test_policies_are_the_two_we_mean_and_hold_no_sub_select),
    ("CREATE UNIQUE INDEX wrong ON number (e164)", test_the_tenant_comes_first_in_every_key),
    ("CREATE TABLE keyless (provider_id bigint)", test_every_tenant_table_has_a_primary_key),
    (
        BARE_KEY,
        test_foreign_keys_carry_the_tenant,
    ),
    ("ALTER TABLE outbox ADD FOREIGN KEY (provider_id, message_id) REFERENCES message", test_nothing_has_a_foreign_key_to_a_weekly_table),
    ("CREATE TABLE whole (provider_id bigint) PARTITION BY RANGE (provider_id)", test_every_partitioned_table_is_cut_and_dropped_with_the_others),
    ("CREATE TYPE mood AS ENUM ('good')", test_states_are_numbers_not_enums),
    ("GRANT SELECT (e164) ON number TO kereru_ingest", test_ingest_may_execute_its_functions_and_read_no_table),
    ("GRANT EXECUTE ON FUNCTION find_sign_in(text) TO kereru_ingest", test_ingest_may_execute_its_functions_and_read_no_table),
    ("GRANT SELECT ON message TO kereru_service", test_the_service_reaches_tables_through_listed_functions_only),
    ("GRANT SELECT ON sign_in_email TO kereru_app", test_tables_without_a_tenant_are_closed_to_everybody),
    ("GRANT UPDATE ON message TO kereru_support", test_support_reads_and_changes_nothing),
    ("GRANT DELETE ON opt_in_event TO kereru_app", test_evidence_is_only_added_to),
    (
        "CREATE FUNCTION loose() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        test_functions_that_act_as_the_owner_find_only_what_they_name,
    ),
    ("GRANT EXECUTE ON FUNCTION weeks_ahead() TO PUBLIC", test_no_function_is_for_everybody),
    ("GRANT EXECUTE ON PROCEDURE make_partitions(integer, timestamptz) TO kereru_app", test_no_role_may_execute_what_alters_tables),
]


@pytest.mark.parametrize(("statement", "rule"), WRONGS, ids=[statement[:60] for statement, _ in WRONGS])
def test_each_rule_sees_its_breach(catalogue: psycopg.Connection, statement: str, rule: Callable[[psycopg.Connection], None]) -> None:
    """The rules themselves: each fails on a database that breaks it."""
    with catalogue.transaction(force_rollback=True):
        catalogue.execute(statement.encode())
        with pytest.raises(AssertionError):
            rule(catalogue)
