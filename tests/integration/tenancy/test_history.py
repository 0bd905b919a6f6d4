"""The history log on the real database (R191, R195, G32, G34)."""

import asyncio
from typing import Any

import psycopg
import pytest

from kereru.kernel.db import ProviderScope
from kereru.kernel.ids import MAX_ID
from kereru.tenancy import commands
from kereru.tenancy.errors import HistoryBroken, NameTaken
from kereru.tenancy.history import queries
from kereru.tenancy.history.commands import record
from kereru.tenancy.history.model import Actor
from kereru.tenancy.history.queries import Filter
from kereru.tenancy.model import Level, Path
from kereru.tenancy.organisations.commands import Changes, move_group, update_organisation
from kereru.tenancy.policy import Reach

BY = Actor(7, "olive@southern.example", "192.0.2.9", "session")

SLIPPED_IN = """
INSERT INTO history (provider_id, actor, address, via, action, target_kind, target_id, target_name, before, after)
SELECT provider_id, 'x', '', 'x', 'x', 'x', 1, '', '{}', '{}' FROM provider
"""


def _reach(tenancy: Any, *, resellers: tuple[int, ...] = (), groups: tuple[int, ...] = ()) -> Reach:
    return Reach(tenancy.provider_id, not (resellers or groups), frozenset(resellers), frozenset(groups))


async def _seen(tenancy: Any, within: Reach, **wanted: Any) -> list[str]:
    async with tenancy.database.transaction(tenancy.scope) as tx:
        return [f"{entry.action} {entry.target_name}" for entry in await queries.entries(tx, within, Filter(**wanted))]


async def test_every_making_writes_one_row_by_the_operator(tenancy: Any) -> None:
    """G34: kereru admin and seeding act as the operator."""
    assert await _seen(tenancy, _reach(tenancy)) == [
        "user.created Ana Torres", "group.created Blue Door Ltd", "reseller.created Direct", "provider.created Southern Phone Co.",
    ]  # fmt: skip
    rows = tenancy.owner_sql("SELECT actor, via, address, actor_id FROM history WHERE provider_id = %s", tenancy.provider_id)
    assert set(rows) == {("operator", "operator", "", None)}


async def test_a_row_says_who_from_where_before_and_after(tenancy: Any) -> None:
    """R191: changed fields only; a change that changes nothing writes nothing."""
    async with tenancy.database.transaction(tenancy.scope) as tx:
        for _ in range(2):
            await update_organisation(tx, tenancy.provider_id, Level.GROUP, tenancy.group_id, Changes(name="Green Door Ltd"), by=BY)
        entries = await queries.entries(tx, _reach(tenancy), Filter(kind="group", who="OLIVE"))
    assert len(entries) == 1
    entry = entries[0]
    assert (entry.actor, entry.address, entry.via, entry.actor_id) == ("olive@southern.example", "192.0.2.9", "session", 7)
    assert [(change.field, change.before, change.after) for change in entry.changes] == [("name", "Blue Door Ltd", "Green Door Ltd")]


async def test_a_change_that_fails_leaves_no_row(tenancy: Any) -> None:
    """G34: the row is in the transaction of its change."""
    before = len(await _seen(tenancy, _reach(tenancy)))

    async def twice() -> None:
        async with tenancy.database.transaction(tenancy.scope) as tx:
            for _ in range(2):
                await commands.create_reseller(tx, tenancy.provider_id, "Harbour", by=BY)

    with pytest.raises(NameTaken):
        await twice()
    assert len(await _seen(tenancy, _reach(tenancy))) == before


@pytest.mark.parametrize("statement", ["UPDATE history SET actor = 'nobody'", "DELETE FROM history", "TRUNCATE history"])
async def test_the_application_can_add_but_not_alter(tenancy: Any, statement: str) -> None:
    """G34: direct UPDATE, DELETE and TRUNCATE are refused to the application's role."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with tenancy.database.transaction(tenancy.scope) as tx:
            await tx.run(statement)


async def _verified(tenancy: Any) -> queries.Verified:
    async with tenancy.database.transaction(tenancy.scope) as tx:
        return await queries.verify(tx, tenancy.provider_id)


async def test_the_chain_holds_and_goes_on(tenancy: Any) -> None:
    """G34: every row is linked, in whatever transactions; a later check finds the earlier head inside."""
    before = await _verified(tenancy)
    assert before.entries == len(await _seen(tenancy, _reach(tenancy)))
    async with tenancy.database.transaction(tenancy.scope) as tx:
        await commands.create_reseller(tx, tenancy.provider_id, "Harbour", by=BY)
        await commands.create_reseller(tx, tenancy.provider_id, "Valley", by=BY)
    after = await _verified(tenancy)
    assert after.entries == before.entries + 2
    assert after.head != before.head


async def test_changes_at_once_give_one_chain(tenancy: Any) -> None:
    """G34: two transactions that write at the same time wait for each other at their commits, and never for ever."""

    async def rename(name: str) -> None:
        async with tenancy.database.transaction(tenancy.scope) as tx:
            await record(tx, BY, "platform.created", "platform", 5, name, {}, {"name": name})
            await asyncio.sleep(0.01)

    await asyncio.gather(*(rename(f"Carrier {number}") for number in range(8)))
    assert (await _verified(tenancy)).entries == len(await _seen(tenancy, _reach(tenancy)))


@pytest.mark.parametrize("tampering", [
    "UPDATE history SET actor = 'nobody' WHERE action = 'group.created'", "UPDATE history SET after = after || '{\"name\": \"x\"}'",
    "DELETE FROM history WHERE action = 'group.created'", "DELETE FROM history_link WHERE number = 2",
    "DELETE FROM history_link WHERE number = (SELECT max(number) FROM history_link)", "UPDATE history_head SET number = number + 1",
    "UPDATE history_link SET hash = sha256('x') WHERE number = 1",
    f"ALTER TABLE history DISABLE TRIGGER history_linked; {SLIPPED_IN}; ALTER TABLE history ENABLE TRIGGER history_linked",
])  # fmt: skip
async def test_whatever_an_owner_does_to_it_shows(tenancy: Any, tampering: str) -> None:
    """G34: flip a byte, take a row out, put one in, cut the end off."""
    for statement in tampering.split("; "):
        tenancy.owner_sql(statement)
    with pytest.raises(HistoryBroken):
        await _verified(tenancy)


async def test_no_provider_sees_or_writes_anothers_log(tenancy: Any) -> None:
    """G29, G30: row-level security, beside the query's own condition."""
    northern = ProviderScope(tenancy.northern.provider_id)
    async with tenancy.database.transaction(northern) as tx:
        assert await queries.entries(tx, _reach(tenancy), Filter()) == []
        assert await tx.value("SELECT count(*) FROM history WHERE provider_id = %(p)s", {"p": tenancy.provider_id}) == 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with tenancy.database.transaction(northern) as tx:
            await tx.run(
                """INSERT INTO history (provider_id, actor, address, via, action, target_kind, target_id, target_name, before, after)
                VALUES (%(p)s, 'x', '', 'x', 'x', 'x', 1, '', '{}', '{}')""",
                {"p": tenancy.provider_id},
            )


async def test_each_level_sees_its_own_and_below_and_a_move_takes_the_past_along(tenancy: Any) -> None:
    """R195, G32: after a move the group's whole past is its new reseller's to read, and no longer the old one's, at once."""
    direct = tenancy.southern.direct_reseller_id
    async with tenancy.database.transaction(tenancy.scope) as tx:
        harbour = await commands.create_reseller(tx, tenancy.provider_id, "Harbour", by=BY)
    group_rows = ["user.created Ana Torres", "group.created Blue Door Ltd"]
    assert await _seen(tenancy, _reach(tenancy, groups=(tenancy.group_id,))) == group_rows
    assert await _seen(tenancy, _reach(tenancy, resellers=(direct,))) == [*group_rows, "reseller.created Direct"]
    assert await _seen(tenancy, _reach(tenancy, resellers=(harbour,))) == ["reseller.created Harbour"]
    async with tenancy.database.transaction(tenancy.scope) as tx:
        await move_group(tx, tenancy.provider_id, tenancy.group_id, harbour, by=BY)
    assert await _seen(tenancy, _reach(tenancy, resellers=(direct,))) == ["reseller.created Direct"]
    assert await _seen(tenancy, _reach(tenancy, resellers=(harbour,))) == [
        "group.moved Blue Door Ltd", "reseller.created Harbour", *group_rows,
    ]  # fmt: skip


async def test_filters_and_paging(tenancy: Any) -> None:
    """Issue 4, point 8: filter."""
    whole = _reach(tenancy)
    assert await _seen(tenancy, whole, place=Path(tenancy.provider_id, None, None, tenancy.ana.id)) == ["user.created Ana Torres"]
    assert await _seen(tenancy, whole, q="ana@bluedoor") == ["user.created Ana Torres"]
    assert await _seen(tenancy, whole, kind="reseller") == ["reseller.created Direct"]
    assert await _seen(tenancy, whole, q="' OR 1=1--") == []
    async with tenancy.database.transaction(tenancy.scope) as tx:
        collected, below = [], MAX_ID
        while found := await queries.entries(tx, whole, Filter(), below=below, limit=1):
            collected += found
            below = found[-1].id
    assert [entry.action for entry in collected] == ["user.created", "group.created", "reseller.created", "provider.created"]


async def test_an_assignments_kind_without_a_path_is_the_providers(tenancy: Any) -> None:
    """R195: what nobody placed is shown at the top only."""
    async with tenancy.database.transaction(tenancy.scope) as tx:
        await record(tx, None, "platform.created", "platform", 5, "Restcomm", {}, {"name": "Restcomm", "auth_token": "hush"})
    assert "platform.created Restcomm" not in await _seen(tenancy, _reach(tenancy, groups=(tenancy.group_id,)))
    assert "platform.created Restcomm" in await _seen(tenancy, _reach(tenancy))
    assert tenancy.owner_sql("SELECT 1 FROM history WHERE after::text LIKE %s", "%hush%") == []


async def test_a_check_while_others_write_finds_the_log_whole(tenancy: Any) -> None:
    """G34: what is written after the check began is no sign of tampering; it is left for the next one."""
    async with tenancy.database.transaction(tenancy.scope) as checking:

        class Slow:
            """A transaction between whose statements somebody changes something."""

            async def row(self, statement: str, params: Any) -> Any:
                found = await checking.row(statement, params)
                async with tenancy.database.transaction(tenancy.scope) as tx:
                    await record(tx, BY, "group.changed", "group", tenancy.group_id, "Blue Door Ltd", {"name": "a"}, {"name": "b"})
                return found

            async def rows(self, statement: str, params: Any) -> Any:
                return await checking.rows(statement, params)

        found = await queries.verify(Slow(), tenancy.provider_id)  # type: ignore[arg-type]
        assert found.entries == 4
        assert (await queries.verify(checking, tenancy.provider_id)).entries == 5
