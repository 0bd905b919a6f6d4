"""The Send-Alerts guard: R126, R127, R138, R139, and that two operators acting at once never get past it."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kereru.provisioning.errors import LastAlertRecipient, NoAlertRecipient, NoSuchPlatform
from kereru.provisioning.platforms.alerts import alert_recipients_guard
from kereru.provisioning.platforms.commands import create_platform
from kereru.provisioning.platforms.deletion import delete_platform
from kereru.provisioning.platforms.model import NewPlatform
from kereru.tenancy import commands as tenancy
from kereru.tenancy.errors import NoSuchPerson, RoleTaken
from kereru.tenancy.model import Level
from kereru.tenancy.people.commands import (
    AccountChanges,
    UserChanges,
    delete_portal_account,
    update_portal_account,
    update_user,
)  # fmt: skip
from tenant import Tenant

CHANGES = {
    "switch on": "UPDATE portal_role SET send_alerts = true WHERE name = %(name)s",
    "switch off": "UPDATE portal_role SET send_alerts = false WHERE name = %(name)s",
    "disable": "UPDATE sign_in SET disabled_at = now() WHERE id = (SELECT sign_in_id FROM portal_role WHERE name = %(name)s)",
    "enable": "UPDATE sign_in SET disabled_at = NULL WHERE id = (SELECT sign_in_id FROM portal_role WHERE name = %(name)s)",
    "move down": "UPDATE portal_role SET level = 3, organisation_id = %(group)s WHERE name = %(name)s",
    "move up": "UPDATE portal_role SET level = 1, organisation_id = %(provider)s WHERE name = %(name)s",
}
"""What can be done to a portal account that the guard is asked about."""


async def change(tenant: Tenant, what: str, name: str) -> None:
    """A change of a portal account as tenancy makes it: the statement, then the guard, in one transaction."""
    async with tenant.database.transaction(tenant.scope) as tx:
        await tx.run(CHANGES[what], {"name": name, "group": tenant.group_id, "provider": tenant.provider_id})
        await alert_recipients_guard(tx, tenant.provider_id)


def standing(tenant: Tenant) -> tuple[int, int]:
    """(live platforms, recipients), as everybody sees them."""
    return tuple(
        tenant.sql("""SELECT (SELECT count(*) FROM platform WHERE ended_at IS NULL) AS platforms,
      (SELECT count(*) FROM portal_role r JOIN sign_in s ON s.id = r.sign_in_id
       WHERE r.level = 1 AND r.send_alerts AND s.disabled_at IS NULL) AS recipients""")[0]
    )


async def test_r126_without_a_recipient_no_platform(tenant: Tenant) -> None:
    """R126, R127: refused with the reason, before the carrier is asked; somebody of a lower level does not count (Q25)."""
    await change(tenant, "switch off", "Olive Park")
    before = len(await tenant.simulators.control.ledger("restcomm"))
    with pytest.raises(NoAlertRecipient, match="nobody with a login at this level receives alerts"):
        await tenant.platform("restcomm")
    assert len(await tenant.simulators.control.ledger("restcomm")) == before
    assert tenant.sql("SELECT 1 FROM platform") == []
    async with tenant.portal() as client:
        answer = (await client.get("/api/v1/platforms")).json()
        assert (answer["can"], answer["why_not"]["code"]) == ([], "no_alert_recipient")
        body = {"carrier": "restcomm", "credentials": tenant.credentials("restcomm"), "endpoints": tenant.endpoints("restcomm")}
        refused = await client.post("/api/v1/platforms", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "no_alert_recipient")


@pytest.mark.parametrize("what", ["switch off", "disable", "move down"])
async def test_r138_the_last_recipient_stays(tenant: Tenant, what: str) -> None:
    """R138, R139: refused while there is a platform, with what to do; with another recipient, or without a platform, it goes through."""
    platform = await tenant.platform("restcomm")
    with pytest.raises(LastAlertRecipient, match="another recipient"):
        await change(tenant, what, "Olive Park")
    assert standing(tenant) == (1, 1)
    await change(tenant, "switch on", "Quiet Quinn")
    await change(tenant, what, "Olive Park")
    with pytest.raises(LastAlertRecipient):
        await change(tenant, "switch off", "Quiet Quinn")
    await delete_platform(tenant.desk, tenant.provider_id, platform)
    await change(tenant, "switch off", "Quiet Quinn")
    assert standing(tenant) == (0, 0)


ACTIONS = (
    "alerts on",
    "alerts off",
    "disable",
    "enable",
    "shut the user out",
    "let the user in",
    "delete",
    "add",
    "add a platform",
    "end a platform",
)
PEOPLE = ("olive@southern.example", "quinn@southern.example", "ben@bluedoor.example")
REFUSALS = (NoAlertRecipient, LastAlertRecipient, NoSuchPerson, RoleTaken, NoSuchPlatform)


async def act(tenant: Tenant, what: str, email: str) -> str:
    """One operator does one thing by the commands that the portal's routes call; why not, if he was refused."""
    provider, guard = tenant.provider_id, alert_recipients_guard
    try:
        if what == "add a platform":
            await create_platform(
                tenant.desk, provider, NewPlatform("restcomm", tenant.credentials("restcomm"), endpoints=tenant.endpoints("restcomm"))
            )
            return ""
        if what == "end a platform":
            there = tenant.sql("SELECT coalesce(max(id), 1) AS id FROM platform WHERE ended_at IS NULL")[0].id
            await delete_platform(tenant.desk, provider, there)
            return ""
        async with tenant.database.transaction(tenant.scope) as tx:
            found = "SELECT r.id FROM portal_role r JOIN sign_in s ON s.id = r.sign_in_id WHERE r.level = 1 AND s.email = %(e)s"
            account = await tx.value(found, {"e": email}) or 1
            if what in ("alerts on", "alerts off"):
                await update_portal_account(tx, provider, account, AccountChanges(send_alerts=what == "alerts on"), guard)
            elif what in ("disable", "enable"):
                await update_portal_account(tx, provider, account, AccountChanges(disabled=what == "disable"), guard)
            elif what in ("shut the user out", "let the user in"):
                await update_user(tx, provider, tenant.ben.id, UserChanges(disabled=what == "shut the user out"), guard)
            elif what == "delete":
                await delete_portal_account(tx, provider, account, guard)
            else:
                await tenancy.create_portal_account(tx, provider, Level.PROVIDER, provider, email, email, None, send_alerts=True)
    except REFUSALS as error:
        return error.code
    return ""


async def start_anew(tenant: Tenant) -> None:
    """No platform; Olive receives alerts, Quinn does not, and Ben, who is a user as well, does."""
    tenant.sql("UPDATE platform SET ended_at = now() WHERE ended_at IS NULL")
    tenant.sql("UPDATE sign_in SET disabled_at = NULL")
    for email in PEOPLE:
        await act(tenant, "add", email)
    await act(tenant, "alerts off", PEOPLE[1])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(PEOPLE)), min_size=2, max_size=3), min_size=3, max_size=8))
async def test_operators_at_once_never_leave_a_platform_unheard(tenant: Tenant, rounds: list[list[tuple[str, str]]]) -> None:
    """R126, R138: whatever two or three people do at the same moment, after each moment a provider with a platform has a recipient."""
    await start_anew(tenant)
    for wishes in rounds:
        await asyncio.gather(*(act(tenant, *wish) for wish in wishes))
        platforms, recipients = standing(tenant)
        assert recipients or not platforms, wishes


@pytest.mark.parametrize("wishes", [
    [("alerts off", PEOPLE[0]), ("shut the user out", "")], [("delete", PEOPLE[0]), ("disable", PEOPLE[2])],
    [("add a platform", ""), ("disable", PEOPLE[0]), ("shut the user out", "")],
])  # fmt: skip
async def test_what_two_may_do_alone_they_may_not_do_at_once(tenant: Tenant, wishes: list[tuple[str, str]]) -> None:
    """R138: the same by hand: one of them is refused, whoever comes second."""
    for _ in range(5):
        await start_anew(tenant)
        if wishes[0][0] != "add a platform":
            assert await act(tenant, "add a platform", "") == ""
        results = await asyncio.gather(*(act(tenant, *wish) for wish in wishes))
        assert [result for result in results if result] in (["last_alert_recipient"], ["no_alert_recipient"]), results
        platforms, recipients = standing(tenant)
        assert recipients or not platforms


async def test_two_who_switch_each_other_off(tenant: Tenant) -> None:
    """R138: the very case of the requirement, many times: one goes through, the other is told why not."""
    await tenant.platform("restcomm")
    for _ in range(10):
        await asyncio.gather(*(change(tenant, "switch on", name) for name in ("Olive Park", "Quiet Quinn")))
        results = await asyncio.gather(*(change(tenant, "switch off", name) for name in ("Olive Park", "Quiet Quinn")), return_exceptions=True)
        assert sorted(type(result).__name__ for result in results) == ["LastAlertRecipient", "NoneType"]


async def test_the_guard_looks_at_its_own_provider_only(tenant: Tenant) -> None:
    """A guard in the wrong scope would say yes to everything."""
    async with tenant.database.transaction(tenant.scope) as tx:
        with pytest.raises(ValueError, match="own provider"):
            await alert_recipients_guard(tx, tenant.provider_id + 1)
