"""The Send-Alerts guard: R126, R127, R138, R139, and that two operators acting at once never get past it."""

import asyncio
import random

import pytest

from kereru.provisioning.errors import LastAlertRecipient, NoAlertRecipient
from kereru.provisioning.platforms.alerts import alert_recipients_guard
from kereru.provisioning.platforms.commands import create_platform
from kereru.provisioning.platforms.deletion import delete_platform
from kereru.provisioning.platforms.model import NewPlatform
from tenant import Tenant

ROUNDS = 25
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


@pytest.mark.parametrize("seed", [1, 2])
async def test_two_operators_at_once_never_leave_a_platform_unheard(tenant: Tenant, seed: int) -> None:
    """R126, R138: whatever two people do at the same moment, a provider with a platform has a recipient."""
    chance = random.Random(seed)
    wanted = NewPlatform("restcomm", tenant.credentials("restcomm"), endpoints=tenant.endpoints("restcomm"))

    refused: list[str] = []

    async def act(what: str, name: str) -> str:
        try:
            if what == "add a platform":
                await create_platform(tenant.desk, tenant.provider_id, wanted)
            elif what == "delete a platform":
                there = tenant.sql("SELECT id FROM platform WHERE ended_at IS NULL LIMIT 1")
                if there:
                    await delete_platform(tenant.desk, tenant.provider_id, there[0].id)
            else:
                await change(tenant, what, name)
        except (NoAlertRecipient, LastAlertRecipient) as error:
            return error.code
        return ""

    kinds = [*CHANGES, *(["switch off", "disable", "add a platform"] * 2), "delete a platform"]
    for _ in range(ROUNDS):
        wishes = [(chance.choice(kinds), chance.choice(["Olive Park", "Quiet Quinn"])) for _ in range(2)]
        refused += [one for one in await asyncio.gather(*(act(*wish) for wish in wishes)) if one]
        platforms, recipients = standing(tenant)
        assert recipients or not platforms, wishes
    assert len(refused) > 3


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
