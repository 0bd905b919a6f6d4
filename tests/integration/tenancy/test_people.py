"""Changing, moving and deleting organisations and people, by the commands (R138, R139, R140, R145, R190, S27, G32)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kereru.kernel.db import INSTALLATION, Transaction
from kereru.kernel.errors import Conflict, Invalid
from kereru.tenancy import commands, queries
from kereru.tenancy.access import links
from kereru.tenancy.access import queries as access_queries
from kereru.tenancy.access.errors import LinkNotGood
from kereru.tenancy.access.mails import link_in_hand
from kereru.tenancy.errors import BelongsHigher, EmailTaken, ExternalIdTaken, HasNumbers, NameNotTyped, NameTaken, NoSuchOrganisation, OwnAccount
from kereru.tenancy.history.model import OPERATOR, Actor
from kereru.tenancy.model import Level, Path
from kereru.tenancy.organisations.commands import Changes, delete_organisation, move_group, update_organisation
from kereru.tenancy.people.commands import (
    AccountChanges,
    UserChanges,
    delete_portal_account,
    delete_user,
    update_portal_account,
    update_user,
)  # fmt: skip
from kereru.tenancy.policy import Principal, Reach, Role, reach

PASSWORD = "correct horse"


class Nothing:
    """Users who hold `numbers` numbers."""

    def __init__(self, numbers: int = 0) -> None:
        self.numbers = numbers
        self.ended: list[Path] = []

    async def count_numbers(self, tx: Transaction, path: Path) -> int:
        return self.numbers

    async def end_licences(self, tx: Transaction, path: Path) -> int:
        self.ended.append(path)
        return 0


class LastRecipient(Conflict):
    """Nobody would receive alerts any more."""

    code = "last_alert_recipient"


async def alert_guard(tx: Transaction, provider_id: int) -> None:
    """As provisioning's: somebody at the provider's level receives alerts, seen under a lock."""
    await tx.run("SELECT pg_advisory_xact_lock(4, 7)")
    if not await tx.value("SELECT 1 FROM portal_role WHERE provider_id = %(p)s AND level = 1 AND send_alerts", {"p": provider_id}):
        raise LastRecipient


async def no_guard(tx: Transaction, provider_id: int) -> None:
    """For tests of something else."""


async def _do(tenancy: Any, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
    async with tenancy.database.transaction(tenancy.scope) as tx:
        return await work(tx)


async def _account(tenancy: Any, email: str, level: Level = Level.PROVIDER, at: int | None = None, **switches: bool) -> Any:
    where = tenancy.provider_id if at is None else at
    return await _do(
        tenancy, lambda tx: commands.create_portal_account(tx, tenancy.provider_id, level, where, email.title(), email, None, **switches)
    )


async def test_a_new_portal_account_has_all_switches_off_and_no_password(tenancy: Any) -> None:
    """R140, R190."""
    made = await _account(tenancy, "olive@southern.example")
    rows = tenancy.owner_sql("SELECT send_technical, send_alerts, send_invoices, send_licence_expiry FROM portal_role WHERE id = %s", made.id)
    assert rows == [(False, False, False, False)]
    assert tenancy.owner_sql("SELECT password_hash FROM sign_in WHERE id = %s", made.sign_in_id) == [("",)]


async def test_a_user_is_changed_field_by_field(tenancy: Any) -> None:
    """R145, S27: what is not named stays."""
    changes = UserChanges(
        external_id="00:1B:44:11:3A:B7", computer_name="RECEPTION-1", external_reference="BW-7", language="mi", timezone="Pacific/Auckland"
    )
    await _do(tenancy, lambda tx: update_user(tx, tenancy.provider_id, tenancy.ana.id, changes, no_guard))
    rows = tenancy.owner_sql("SELECT name, external_id, computer_name, external_reference, language, timezone, region FROM end_user")
    assert rows == [("Ana Torres", "00:1B:44:11:3A:B7", "RECEPTION-1", "BW-7", "mi", "Pacific/Auckland", "US")]


@pytest.mark.parametrize("changes", [
    UserChanges(timezone="Mars/Olympus"), UserChanges(language="klingon!"), UserChanges(region="usa"), UserChanges(external_id="a\nb"),
    UserChanges(name=""), UserChanges(email="nobody"), UserChanges(computer_name="x" * 300),
])  # fmt: skip
async def test_what_a_user_cannot_be_changed_to(tenancy: Any, changes: UserChanges) -> None:
    """Bad inputs 10, 20: named at its field, nothing saved."""
    with pytest.raises(Invalid) as caught:
        await _do(tenancy, lambda tx: update_user(tx, tenancy.provider_id, tenancy.ana.id, changes, no_guard))
    assert caught.value.fields


async def test_external_ids_are_one_users_only(tenancy: Any) -> None:
    """S27: compared without regard to case, and free again after a deletion; the conflict names the field."""
    await _do(tenancy, lambda tx: update_user(tx, tenancy.provider_id, tenancy.ana.id, UserChanges(external_id="AA-1"), no_guard))

    async def ben(tx: Transaction) -> Any:
        return await commands.create_user(tx, tenancy.provider_id, tenancy.group_id, "Ben", "ben@bluedoor.example", None, external_id="aa-1")

    with pytest.raises(ExternalIdTaken) as caught:
        await _do(tenancy, ben)
    assert caught.value.fields[0].field == "external_id"
    await _do(tenancy, lambda tx: delete_user(tx, tenancy.provider_id, tenancy.ana.id, Nothing(), no_guard))
    made = await _do(tenancy, ben)
    await _account(tenancy, "cleo@bluedoor.example")
    with pytest.raises(EmailTaken):
        await _do(tenancy, lambda tx: update_user(tx, tenancy.provider_id, made.id, UserChanges(email="cleo@bluedoor.example"), no_guard))


async def test_a_deleted_user_signs_in_no_more_and_frees_the_address(tenancy: Any) -> None:
    """G26: sign-in, sessions and address go; the row stays for evidence and the log."""
    holdings = Nothing()
    await _do(tenancy, lambda tx: delete_user(tx, tenancy.provider_id, tenancy.ana.id, holdings, no_guard))
    assert [path.user_id for path in holdings.ended] == [tenancy.ana.id]
    async with tenancy.database.transaction(INSTALLATION) as tx:
        assert await access_queries.find_sign_in(tx, "ana@bluedoor.example") is None
    assert tenancy.owner_sql("SELECT name, sign_in_id FROM end_user WHERE id = %s", tenancy.ana.id) == [("Ana Torres", None)]
    assert await _do(tenancy, lambda tx: queries.path_of_user(tx, tenancy.provider_id, tenancy.ana.id)) is None


async def test_a_deleted_user_who_is_a_portal_account_too_stays_one(tenancy: Any) -> None:
    await _account(tenancy, "ana@bluedoor.example", Level.GROUP, tenancy.group_id)
    await _do(tenancy, lambda tx: delete_user(tx, tenancy.provider_id, tenancy.ana.id, Nothing(), no_guard))
    async with tenancy.database.transaction(INSTALLATION) as tx:
        assert await access_queries.find_sign_in(tx, "ana@bluedoor.example") == (tenancy.provider_id, tenancy.ana.sign_in_id)


async def test_numbers_below_stop_a_deletion(tenancy: Any) -> None:
    """R184: each number's webhook has to be taken back at its carrier first; the refusal says how many there are."""
    for work in (
        lambda tx: delete_user(tx, tenancy.provider_id, tenancy.ana.id, Nothing(3), no_guard),
        lambda tx: delete_organisation(tx, tenancy.provider_id, Level.GROUP, tenancy.group_id, "Blue Door Ltd", Nothing(3)),
    ):
        with pytest.raises(HasNumbers, match="3 numbers"):
            await _do(tenancy, work)


async def test_deleting_an_organisation_wants_its_name_and_says_what_is_lost(tenancy: Any) -> None:
    """Issue 4, point 1: what is lost, how many; then everything below is gone, and its names and addresses are free."""
    provider, group, direct = tenancy.provider_id, tenancy.group_id, tenancy.southern.direct_reseller_id
    await _account(tenancy, "gina@bluedoor.example", Level.GROUP, group)
    with pytest.raises(NameNotTyped) as caught:
        await _do(tenancy, lambda tx: delete_organisation(tx, provider, Level.RESELLER, direct, "direct", Nothing()))
    assert "1 group, 1 user and 1 portal account" in caught.value.detail
    lost = await _do(tenancy, lambda tx: delete_organisation(tx, provider, Level.RESELLER, direct, "Direct", Nothing()))
    assert (lost.groups, lost.users, lost.portal_accounts) == (1, 1, 1)
    assert tenancy.owner_sql("SELECT email FROM sign_in_email") == []
    with pytest.raises(NoSuchOrganisation):
        await _do(tenancy, lambda tx: commands.create_group(tx, provider, direct, "New"))
    again = await _do(tenancy, lambda tx: commands.create_reseller(tx, provider, "Direct"))
    await _do(tenancy, lambda tx: commands.create_group(tx, provider, again, "Blue Door Ltd"))


async def test_a_group_made_while_its_reseller_is_deleted_is_never_left_over(tenancy: Any) -> None:
    """Two operators at once: either the group is deleted with its reseller, or it cannot be made any more."""
    harbour = await _do(tenancy, lambda tx: commands.create_reseller(tx, tenancy.provider_id, "Harbour"))
    results = await asyncio.gather(
        _do(tenancy, lambda tx: delete_organisation(tx, tenancy.provider_id, Level.RESELLER, harbour, "Harbour", Nothing())),
        *(_do(tenancy, lambda tx, at=at: commands.create_group(tx, tenancy.provider_id, harbour, f"Group {at}")) for at in range(3)),
        return_exceptions=True,
    )
    assert not isinstance(results[0], Exception)
    assert all(isinstance(result, int | NoSuchOrganisation) for result in results[1:])
    assert tenancy.owner_sql("SELECT name FROM user_group WHERE reseller_id = %s AND deleted_at IS NULL", harbour) == []


async def test_a_name_is_taken_where_a_group_moves_to(tenancy: Any) -> None:
    harbour = await _do(tenancy, lambda tx: commands.create_reseller(tx, tenancy.provider_id, "Harbour"))
    await _do(tenancy, lambda tx: commands.create_group(tx, tenancy.provider_id, harbour, "blue door ltd"))
    with pytest.raises(NameTaken):
        await _do(tenancy, lambda tx: move_group(tx, tenancy.provider_id, tenancy.group_id, harbour))


async def test_the_alert_guard_stops_every_way_to_lose_the_last_recipient(tenancy: Any) -> None:
    """R138, R139: switching it off, shutting out, deleting."""
    last = await _account(tenancy, "olive@southern.example", send_alerts=True)
    provider = tenancy.provider_id
    for work in (
        lambda tx: update_portal_account(tx, provider, last.id, AccountChanges(send_alerts=False), alert_guard),
        lambda tx: delete_portal_account(tx, provider, last.id, alert_guard),
    ):
        with pytest.raises(LastRecipient):
            await _do(tenancy, work)
    await _do(tenancy, lambda tx: update_portal_account(tx, provider, last.id, AccountChanges(name="Olive Park"), alert_guard))
    assert tenancy.owner_sql("SELECT name, send_alerts FROM portal_role") == [("Olive Park", True)]


async def test_of_two_who_switch_each_other_off_one_is_refused(tenancy: Any) -> None:
    """R138: two operators acting at once never leave a state that the guard forbids."""
    accounts = [await _account(tenancy, f"{name}@southern.example", send_alerts=True) for name in ("olive", "quinn")]
    results = await asyncio.gather(
        *(_do(tenancy, lambda tx, one=one: update_portal_account(tx, tenancy.provider_id, one.id, AccountChanges(send_alerts=False), alert_guard))
          for one in accounts),
        return_exceptions=True,
    )  # fmt: skip
    assert sorted(type(result).__name__ for result in results) == ["LastRecipient", "NoneType"]
    assert tenancy.owner_sql("SELECT count(*) FROM portal_role WHERE send_alerts") == [(1,)]


async def test_nobody_changes_the_sign_in_of_somebody_who_stands_higher(tenancy: Any) -> None:
    """G32: a group's admin must not take over a provider's admin by his account at the group, nor lock himself out."""
    high = await _account(tenancy, "olive@southern.example")
    low = await _account(tenancy, "olive@southern.example", Level.GROUP, tenancy.group_id)
    assert low.joined
    within = Reach(tenancy.provider_id, False, frozenset(), frozenset({tenancy.group_id}))
    for changes in (AccountChanges(email="mine@evil.example"), AccountChanges(disabled=True)):
        with pytest.raises(BelongsHigher):
            await _do(tenancy, lambda tx, c=changes: update_portal_account(tx, tenancy.provider_id, low.id, c, no_guard, within=within))
    own = Actor(high.sign_in_id, "olive@southern.example", "", "session")
    for work in (
        lambda tx: update_portal_account(tx, tenancy.provider_id, high.id, AccountChanges(disabled=True), no_guard, by=own),
        lambda tx: delete_portal_account(tx, tenancy.provider_id, high.id, no_guard, by=own),
    ):
        with pytest.raises(OwnAccount):
            await _do(tenancy, work)


async def test_a_changed_address_tells_the_old_one_and_ends_the_sessions(tenancy: Any) -> None:
    """ASVS 6.4.6: whoever manages an account cannot quietly take it."""
    changes = UserChanges(email="Ana.New@bluedoor.example")
    await _do(tenancy, lambda tx: update_user(tx, tenancy.provider_id, tenancy.ana.id, changes, no_guard))
    assert tenancy.owner_sql("SELECT kind, address, token_hash FROM sign_in_mail") == [(3, "ana@bluedoor.example", None)]
    assert tenancy.owner_sql("SELECT email FROM sign_in_email") == [("ana.new@bluedoor.example",)]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_authority_flows_down_under_moves(tenancy: Any, data: st.DataObject) -> None:
    """G32: random trees and moves by the real commands; whoever stands above reaches, at once, and nobody else does."""
    provider, tag = tenancy.provider_id, data.draw(st.uuids()).hex[:8]
    count = data.draw(st.integers(2, 3))
    resellers = [await _do(tenancy, lambda tx, at=at: commands.create_reseller(tx, provider, f"R{at} {tag}")) for at in range(count)]
    parents: dict[int, int] = {}
    for at in range(data.draw(st.integers(1, 3))):
        parent = data.draw(st.sampled_from(resellers))
        parents[await _do(tenancy, lambda tx, at=at, p=parent: commands.create_group(tx, provider, p, f"G{at} {tag}"))] = parent
    for _ in range(data.draw(st.integers(1, 4))):
        moved, to = data.draw(st.sampled_from(sorted(parents))), data.draw(st.sampled_from(resellers))
        await _do(tenancy, lambda tx, m=moved, t=to: move_group(tx, provider, m, t, by=OPERATOR))
        parents[moved] = to
        for group, parent in parents.items():
            path = await _do(tenancy, lambda tx, g=group: queries.path_of(tx, provider, Level.GROUP, g))
            for reseller in resellers:
                caller = Principal(provider, 1, "x@y.example", None, (Role(Level.RESELLER, reseller, "R"),), "session")
                assert reach(caller).covers(path) == (reseller == parent)


async def test_a_demand_is_written_down(tenancy: Any) -> None:
    await _do(
        tenancy, lambda tx: update_organisation(tx, tenancy.provider_id, Level.PROVIDER, tenancy.provider_id, Changes(demands_second_factor=True))
    )
    rows = tenancy.owner_sql("SELECT after FROM history WHERE action = 'provider.changed'")
    assert rows == [({"demands_second_factor": True},)]


@pytest.mark.parametrize("changes", [UserChanges(email="ana.new@bluedoor.example"), UserChanges(disabled=True)])
async def test_what_was_mailed_before_opens_nothing_any_more(tenancy: Any, changes: UserChanges) -> None:
    """ASVS 6.4.6: a link in the box of the old address, which may be why it was changed, does not choose the new password."""
    token = await _do(tenancy, lambda tx: link_in_hand(tx, tenancy.provider_id, tenancy.ana.sign_in_id, "ana@bluedoor.example"))
    assert (await links.look_at(tenancy.database, token.reveal())).email == "ana@bluedoor.example"
    await _do(tenancy, lambda tx: update_user(tx, tenancy.provider_id, tenancy.ana.id, changes, no_guard))
    await _do(tenancy, lambda tx: update_user(tx, tenancy.provider_id, tenancy.ana.id, UserChanges(disabled=False), no_guard))
    with pytest.raises(LinkNotGood):
        await links.use(tenancy.database, token.reveal(), "a new password", "192.0.2.9")
