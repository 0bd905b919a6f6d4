"""Organisations and people, through the commands, on the real database."""

from typing import Any

import pytest

from kereru.kernel.db import INSTALLATION, Database, ProviderScope
from kereru.kernel.errors import Invalid
from kereru.tenancy import commands, queries
from kereru.tenancy.access import queries as access_queries
from kereru.tenancy.errors import EmailTaken, NameTaken, NoSuchOrganisation, NotAnEmail, RoleTaken, WrongScope
from kereru.tenancy.model import Level, Path
from kereru.tenancy.organisations.commands import move_group

PASSWORD = "correct horse"


async def test_a_provider_starts_with_the_reseller_direct(tenancy: Any) -> None:
    """Design §7: groups always hang under a reseller."""
    async with tenancy.database.transaction(tenancy.scope) as tx:
        entries = await queries.tree(tx, tenancy.provider_id)
    assert [(entry.kind, entry.name) for entry in entries][:2] == [("reseller", "Direct"), ("group", "Blue Door Ltd")]


async def test_a_provider_is_not_made_inside_another(tenancy: Any) -> None:
    with pytest.raises(WrongScope):
        async with tenancy.database.transaction(tenancy.scope) as tx:
            await commands.create_provider(tx, "Trojan")


async def test_a_user_has_a_feed_and_a_sign_in(tenancy: Any) -> None:
    """Design §6: one feed per user; the e-mail is kept in lower case."""
    rows = tenancy.owner_sql(
        "SELECT u.name, i.email, f.kind, f.head FROM end_user u JOIN sign_in i ON i.id = u.sign_in_id JOIN feed f ON f.id = u.feed_id"
        " WHERE u.id = %s",
        tenancy.ana.id,
    )
    assert rows == [("Ana Torres", "ana@bluedoor.example", 1, 0)]


async def test_one_email_is_one_sign_in_with_one_user_and_any_roles(tenancy: Any) -> None:
    """Design §7: one e-mail is one sign-in, holding at most one user and any number of portal roles; its password stays."""
    southern = tenancy.southern
    async with tenancy.database.transaction(tenancy.scope) as tx:
        first = await commands.create_portal_account(
            tx, southern.provider_id, Level.RESELLER, southern.direct_reseller_id, "Ana", "ANA@bluedoor.example", "another password"
        )
        second = await commands.create_portal_account(tx, southern.provider_id, Level.GROUP, tenancy.group_id, "Ana", "ana@bluedoor.example", "x")
    assert first.joined
    assert (first.sign_in_id, second.sign_in_id) == (tenancy.ana.sign_in_id,) * 2
    with pytest.raises(RoleTaken):
        async with tenancy.database.transaction(tenancy.scope) as tx:
            await commands.create_portal_account(tx, southern.provider_id, Level.GROUP, tenancy.group_id, "Ana", "ana@bluedoor.example", PASSWORD)
    with pytest.raises(EmailTaken):
        async with tenancy.database.transaction(tenancy.scope) as tx:
            await commands.create_user(tx, southern.provider_id, tenancy.group_id, "Ana", "ana@bluedoor.example", PASSWORD)


async def test_a_portal_account_can_become_a_user(tenancy: Any) -> None:
    async with tenancy.database.transaction(tenancy.scope) as tx:
        account = await commands.create_portal_account(
            tx, tenancy.provider_id, Level.PROVIDER, tenancy.provider_id, "Pat", "pat@southern.example", PASSWORD
        )
        user = await commands.create_user(tx, tenancy.provider_id, tenancy.group_id, "Pat", "pat@southern.example", "ignored then")
    assert user.joined
    assert user.sign_in_id == account.sign_in_id


async def test_an_email_of_another_provider_is_taken_and_nothing_says_by_whom(tenancy: Any) -> None:
    """Design §9: e-mail is unique per installation. G29: the words are the same as for our own."""
    northern = tenancy.northern
    scope = ProviderScope(northern.provider_id)
    async with tenancy.database.transaction(scope) as tx:
        group = await commands.create_group(tx, northern.provider_id, northern.direct_reseller_id, "Spy Ltd")
    with pytest.raises(EmailTaken) as caught:
        async with tenancy.database.transaction(scope) as tx:
            await commands.create_user(tx, northern.provider_id, group, "Ana", "ana@bluedoor.example", PASSWORD)
    assert "Southern" not in caught.value.detail
    assert len(tenancy.owner_sql("SELECT 1 FROM sign_in_email")) == 1


async def test_organisations_of_another_provider_do_not_exist(tenancy: Any) -> None:
    """G29: no command of one tenant takes an id of another."""
    northern = ProviderScope(tenancy.northern.provider_id)
    for level, organisation in (
        (Level.PROVIDER, tenancy.provider_id),
        (Level.RESELLER, tenancy.southern.direct_reseller_id),
        (Level.GROUP, tenancy.group_id),
    ):
        with pytest.raises(NoSuchOrganisation):
            async with tenancy.database.transaction(northern) as tx:
                await commands.create_portal_account(tx, northern.provider_id, level, organisation, "Spy", "spy@northern.example", PASSWORD)
    with pytest.raises(NoSuchOrganisation):
        async with tenancy.database.transaction(northern) as tx:
            await commands.create_group(tx, northern.provider_id, tenancy.southern.direct_reseller_id, "Spy Ltd")


async def test_names_are_taken_within_their_organisation(tenancy: Any) -> None:
    for make in (
        lambda tx: commands.create_reseller(tx, tenancy.provider_id, "Direct"),
        lambda tx: commands.create_group(tx, tenancy.provider_id, tenancy.southern.direct_reseller_id, "Blue Door Ltd"),
    ):
        with pytest.raises(NameTaken):
            async with tenancy.database.transaction(tenancy.scope) as tx:
                await make(tx)
    async with tenancy.database.transaction(tenancy.scope) as tx:
        other = await commands.create_reseller(tx, tenancy.provider_id, "Harbour Resellers")
        await commands.create_group(tx, tenancy.provider_id, other, "Blue Door Ltd")


@pytest.mark.parametrize(("email", "region", "timezone", "error"), [
    ("nobody", "US", "UTC", NotAnEmail), ("x@y.example", "us", "UTC", Invalid), ("x@y.example", "USA", "UTC", Invalid),
    ("x@y.example", "US", "Mars/Olympus", Invalid), ("x@y.example", "US", "../../etc/passwd", Invalid), ("x@y.example", "US", "", Invalid),
])  # fmt: skip
async def test_what_a_user_cannot_have(tenancy: Any, email: str, region: str, timezone: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        async with tenancy.database.transaction(tenancy.scope) as tx:
            await commands.create_user(tx, tenancy.provider_id, tenancy.group_id, "X", email, PASSWORD, region, timezone=timezone)


async def test_a_moved_group_stands_under_its_new_reseller_at_once(tenancy: Any) -> None:
    """G32: authority follows a move at once; the tree is read live."""
    async with tenancy.database.transaction(tenancy.scope) as tx:
        other = await commands.create_reseller(tx, tenancy.provider_id, "Harbour Resellers")
        before = await queries.path_of_user(tx, tenancy.provider_id, tenancy.ana.id)
        await move_group(tx, tenancy.provider_id, tenancy.group_id, other)
        after = await queries.path_of_user(tx, tenancy.provider_id, tenancy.ana.id)
    assert before == Path(tenancy.provider_id, tenancy.southern.direct_reseller_id, tenancy.group_id, tenancy.ana.id)
    assert after == Path(tenancy.provider_id, other, tenancy.group_id, tenancy.ana.id)


async def test_the_operator_sees_all_providers_and_the_application_none(tenancy: Any) -> None:
    """G31: no context, no rows, for everybody but the owner."""
    async with tenancy.database.transaction(INSTALLATION) as tx:
        assert await queries.providers(tx) == []
    async with Database(tenancy.owner_url, "kereru_owner", size=1) as owner, owner.transaction(INSTALLATION) as tx:
        assert [entry.name for entry in await queries.providers(tx)] == ["Southern Phone Co.", "Northern Phone Co."]


async def test_an_owners_address_makes_nobody_the_owner(tenancy: Any) -> None:
    """Design §9: a web process given the owner's address is kereru_app all the same."""
    assert "kereru_owner@" in tenancy.owner_url
    async with tenancy.database.transaction(INSTALLATION) as tx:
        assert await tx.value("SELECT current_user::text") == "kereru_app"


async def test_finding_a_sign_in_tells_only_where_it_is(tenancy: Any) -> None:
    async with tenancy.database.transaction(INSTALLATION) as tx:
        assert await access_queries.find_sign_in(tx, "ANA@bluedoor.example") == (tenancy.provider_id, tenancy.ana.sign_in_id)
        assert await access_queries.find_sign_in(tx, "eve@bluedoor.example") is None
