"""The portal's tree, lists, users, accounts and history, through the application as it is run (R140, R145, R186 to R191, R195, S27, G32, G34)."""

import csv
import io
from typing import Any

import pytest

from kereru.api.app import PREFIX

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _all(client: Any, path: str, **params: Any) -> list[dict[str, Any]]:
    """Every item of a list, page by page."""
    items, cursor = [], None
    while True:
        answer = await client.get(f"{PREFIX}{path}", params={**params, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        cursor = answer.json()["next"]
        if cursor is None:
            return items


@pytest.mark.parametrize(("who", "seen"), [
    ("southern", ["provider Southern Phone Co.", "reseller Direct", "reseller Harbour", "reseller Valley", "group Blue Door Ltd", "group Café Mira",
                  "group Orchard"]),
    ("harbour", ["reseller Harbour", "group Blue Door Ltd", "group Café Mira"]),
    ("blue", ["group Blue Door Ltd"]),
    ("northern", ["provider Northern Phone Co.", "reseller Direct", "group Blue Door Ltd"]),
])  # fmt: skip
async def test_each_level_sees_its_own_tree(own_stage: Any, who: str, seen: list[str]) -> None:
    """R186, R195: his own level and what lies below it; where his view begins there is no parent."""
    async with own_stage.client(who) as client:
        nodes = (await client.get(f"{PREFIX}/tree")).json()["items"]
    assert [f"{node['level']} {node['name']}" for node in nodes] == seen
    assert nodes[0]["parent_id"] is None
    ids = {node["id"] for node in nodes}
    assert all(node["parent_id"] in ids for node in nodes[1:])


async def test_lists_are_sorted_searched_and_paged(own_stage: Any) -> None:
    """S27, issue 4: by name, e-mail and external id; every page once, in both directions; what cannot be sorted by is said."""
    async with own_stage.client("southern") as client:
        group = own_stage.of("group", "blue")
        for at in range(5):
            made = await client.post(
                f"{PREFIX}/users", json={"group_id": group, "name": f"User {at}", "email": f"u{at}@people.example", "external_id": f"MAC-{at}"}
            )
            assert made.status_code == 201, made.text
        forward = [user["name"] for user in await _all(client, "/users", sort="name", limit=2)]
        assert forward == sorted(forward, key=str.lower)
        assert len(forward) == 9
        assert [user["name"] for user in await _all(client, "/users", sort="-name", limit=2)] == forward[::-1]
        assert [user["name"] for user in await _all(client, "/users", sort="-created", limit=4)][:5] == [f"User {at}" for at in (4, 3, 2, 1, 0)]
        for q in ("mac-3", "U3@PEOPLE", "user 3"):
            assert [user["name"] for user in await _all(client, "/users", q=q)] == ["User 3"]
        assert await _all(client, "/users", q="' OR 1=1--") == []
        assert len(await _all(client, "/users", group=group)) == 7
        assert (await client.get(f"{PREFIX}/users", params={"sort": "password_hash"})).json()["fields"][0]["code"] == "not_a_sort"
        page = (await client.get(f"{PREFIX}/users", params={"limit": 1})).json()["next"]
        assert (await client.get(f"{PREFIX}/users", params={"cursor": page, "sort": "email"})).json()["code"] == "bad_cursor"
        for path in ("/groups", "/resellers", "/portal-accounts"):
            for sort in ("name", "-name", "created", "-created"):
                assert len(await _all(client, path, sort=sort, limit=1)) == len(await _all(client, path))
    async with own_stage.client("blue") as client:
        foreign = await client.get(f"{PREFIX}/users", params={"group": own_stage.of("group", "mira")})
        assert foreign.content == (await client.get(f"{PREFIX}/users", params={"group": "9223372036854763462"})).content
        assert (await client.get(f"{PREFIX}/portal-accounts", params={"level": "provider"})).json()["items"] == []


async def test_lists_show_nobody_elses(stage: Any) -> None:
    """R195, G29: no list of a level holds anything beside or above it."""
    app = stage.application()
    for who, groups in (("harbour", {"Blue Door Ltd", "Café Mira"}), ("blue", {"Blue Door Ltd"}), ("northern", {"Blue Door Ltd"})):
        async with stage.client(who, app=app) as client:
            assert {group["name"] for group in await _all(client, "/groups")} == groups
            assert {user["group"] for user in await _all(client, "/users")} <= groups
            assert not [one for one in await _all(client, "/portal-accounts") if one["level"] == "provider"] or who == "northern"


async def test_conflicts_are_plain_words_at_their_field(own_stage: Any) -> None:
    """Issue 4: unique rules with plain-word conflicts."""
    group = own_stage.of("group", "blue")
    async with own_stage.client("southern") as client:
        base = {"group_id": group, "name": "Eve", "email": "eve@people.example", "external_id": "AB-1"}
        assert (await client.post(f"{PREFIX}/users", json=base)).status_code == 201
        for change, code, field in (
            ({"external_id": "AB-2"}, "email_taken", "email"),
            ({"email": "eve2@people.example", "external_id": "ab-1"}, "external_id_taken", "external_id"),
            ({"email": "fay@people.example", "external_id": ""}, "email_taken", "email"),
        ):
            answer = await client.post(f"{PREFIX}/users", json={**base, **change})
            assert (answer.status_code, answer.json()["code"], answer.json()["fields"][0]["field"]) == (409, code, field), answer.text
            assert "Northern" not in answer.text
        answer = await client.patch(f"{PREFIX}/groups/{group}", json={"name": "café mira"})
        assert (answer.status_code, answer.json()["code"], answer.json()["fields"][0]["field"]) == (409, "name_taken", "name")


async def test_a_group_moves_and_authority_follows_at_once(own_stage: Any) -> None:
    """G32: the old reseller loses it, the new one gains it, with the same requests right after."""
    app, group = own_stage.application(), own_stage.of("group", "blue")
    async with own_stage.client("southern", app=app) as top, own_stage.client("harbour", app=app) as old, own_stage.client("valley", app=app) as new:
        assert (await old.patch(f"{PREFIX}/groups/{group}", json={"reseller_id": own_stage.of("reseller", "valley")})).status_code == 404
        assert (await new.get(f"{PREFIX}/groups/{group}")).status_code == 404
        moved = await top.patch(f"{PREFIX}/groups/{group}", json={"reseller_id": own_stage.of("reseller", "valley")})
        assert moved.json()["reseller"] == "Valley"
        assert (await old.get(f"{PREFIX}/groups/{group}")).status_code == 404
        assert (await old.get(f"{PREFIX}/users/{own_stage.of('user', 'ana')}")).status_code == 404
        assert (await new.get(f"{PREFIX}/users/{own_stage.of('user', 'ana')}")).status_code == 200


async def test_deleting_wants_the_name_typed(own_stage: Any) -> None:
    """Issue 4: first what would be lost, then it goes with everything in it; numbers come first (R184)."""
    async with own_stage.client("southern") as client:
        reseller = (await client.post(f"{PREFIX}/resellers", json={"name": "Short-lived"})).json()
        group = (await client.post(f"{PREFIX}/groups", json={"reseller_id": reseller["id"], "name": "Pop-up"})).json()
        await client.post(f"{PREFIX}/users", json={"group_id": group["id"], "name": "Pip", "email": "pip@people.example"})
        with_numbers = await client.request("DELETE", f"{PREFIX}/groups/{own_stage.of('group', 'blue')}", json={"name": "Blue Door Ltd"})
        assert (with_numbers.status_code, with_numbers.json()["code"]) == (409, "has_numbers")
        for path, typed in ((f"/groups/{group['id']}", "pop up"), (f"/resellers/{reseller['id']}", "")):
            refused = await client.request("DELETE", PREFIX + path, json={"name": typed})
            assert (refused.status_code, refused.json()["code"]) == (422, "name_not_typed")
            assert "1 user" in refused.json()["detail"]
        gone = await client.request("DELETE", f"{PREFIX}/groups/{group['id']}", json={"name": "Pop-up"})
        assert gone.json() == {"groups": 0, "users": 1, "portal_accounts": 0}
        assert (await client.request("DELETE", f"{PREFIX}/resellers/{reseller['id']}", json={"name": "Short-lived"})).status_code == 200
        assert (await client.get(f"{PREFIX}/groups/{group['id']}")).status_code == 404
    async with own_stage.client("blue") as client:
        own = await client.request("DELETE", f"{PREFIX}/groups/{own_stage.of('group', 'blue')}", json={"name": "Blue Door Ltd"})
        assert own.status_code == 403


async def test_switches_start_off_and_the_last_alert_recipient_stays(own_stage: Any) -> None:
    """R138, R139, R140: the refusal names the reason and what to do."""
    async with own_stage.client("southern") as client:
        made = await client.post(
            f"{PREFIX}/portal-accounts",
            json={"level": "provider", "organisation_id": own_stage.of("provider", "southern"), "name": "New", "email": "new@people.example"},
        )
        body = made.json()
        assert [body[name] for name in ("send_technical", "send_alerts", "send_invoices", "send_licence_expiry")] == [False] * 4
        own = next(one for one in await _all(client, "/portal-accounts", q="southern@") if one["level"] == "provider")
        assert "delete" not in own["can"]
        refused = await client.patch(f"{PREFIX}/portal-accounts/{own['id']}", json={"send_alerts": False})
        assert (refused.status_code, refused.json()["code"]) == (409, "last_alert_recipient")
        assert (await client.patch(f"{PREFIX}/portal-accounts/{body['id']}", json={"send_alerts": True})).status_code == 200
        assert (await client.patch(f"{PREFIX}/portal-accounts/{own['id']}", json={"send_alerts": False})).status_code == 200
        assert (await client.delete(f"{PREFIX}/portal-accounts/{body['id']}")).json()["code"] == "last_alert_recipient"
        assert (await client.delete(f"{PREFIX}/portal-accounts/{own['id']}")).json()["code"] == "own_account"


async def test_every_change_is_in_the_log_with_who_and_where(own_stage: Any) -> None:
    """R191, G34: each changing route of this slice writes exactly one row; what is refused writes none."""
    group, provider = own_stage.of("group", "blue"), own_stage.of("provider", "southern")
    async with own_stage.client("southern") as client:

        async def rows() -> list[dict[str, Any]]:
            return await _all(client, "/history", limit=200)

        async def one_row(method: str, path: str, action: str, body: object = None) -> Any:
            before = len(await rows())
            answer = await client.request(method, PREFIX + path, json=body)
            assert answer.is_success, answer.text
            found = await rows()
            assert len(found) == before + 1, (method, path)
            assert (found[0]["action"], found[0]["who"], found[0]["address"]) == (action, "southern@people.example", "192.0.2.44")
            return answer.json() if answer.content else None

        await one_row("PATCH", f"/providers/{provider}", "provider.changed", {"name": "Southern Phones"})
        reseller = await one_row("POST", "/resellers", "reseller.created", {"name": "New"})
        await one_row("PATCH", f"/resellers/{reseller['id']}", "reseller.changed", {"name": "Newer"})
        made = await one_row("POST", "/groups", "group.created", {"reseller_id": reseller["id"], "name": "Shop"})
        await one_row("PATCH", f"/groups/{made['id']}", "group.changed", {"demands_second_factor": True})
        await one_row("PATCH", f"/groups/{made['id']}", "group.moved", {"reseller_id": own_stage.of("reseller", "valley")})
        user = await one_row("POST", "/users", "user.created", {"group_id": group, "name": "Kim", "email": "kim@people.example", "invite": False})
        await one_row("PATCH", f"/users/{user['id']}", "user.changed", {"timezone": "Europe/London"})
        await one_row("PATCH", f"/users/{user['id']}", "user.changed", {"disabled": True, "email": "kim2@people.example"})
        await one_row("POST", f"/users/{user['id']}/invite", "invitation.sent")
        await one_row("POST", f"/users/{user['id']}/password-reset", "password_reset.sent")
        await one_row("DELETE", f"/users/{user['id']}", "user.deleted")
        body = {"level": "group", "organisation_id": group, "name": "Lee", "email": "lee@people.example", "invite": False}
        account = await one_row("POST", "/portal-accounts", "portal_account.created", body)
        await one_row("PATCH", f"/portal-accounts/{account['id']}", "portal_account.changed", {"send_alerts": True})
        await one_row("DELETE", f"/portal-accounts/{account['id']}/second-factor", "second_factor.removed")
        await one_row("DELETE", f"/portal-accounts/{account['id']}", "portal_account.deleted")
        key = await one_row("POST", "/api-keys", "api_key.created", {"name": "robot", "scopes": ["portal.read"]})
        await one_row("DELETE", f"/api-keys/{key['id']}", "api_key.ended")
        await one_row("DELETE", f"/groups/{made['id']}", "group.deleted", {"name": "Shop"})
        await one_row("DELETE", f"/resellers/{reseller['id']}", "reseller.deleted", {"name": "Newer"})
        before = len(await rows())
        for refused in (
            await client.post(f"{PREFIX}/resellers", json={"name": "Harbour"}),
            await client.patch(f"{PREFIX}/users/{own_stage.of('user', 'ana')}", json={"timezone": "Mars/Olympus"}),
            await client.patch(f"{PREFIX}/users/{own_stage.of('user', 'fay')}", json={"name": "Mine"}),
        ):
            assert refused.status_code in {404, 409, 422}
        assert len(await rows()) == before
    async with own_stage.client("blue") as client:
        assert not {entry["target"]["kind"] for entry in await _all(client, "/history", limit=200)} & {"provider", "reseller", "platform"}


async def test_the_log_is_filtered_and_leaves_as_csv(own_stage: Any) -> None:
    """R191: filter, export; no cell is a formula (bad input 21)."""
    async with own_stage.client("southern") as client:
        ana = own_stage.of("user", "ana")
        await client.patch(f"{PREFIX}/users/{ana}", json={"name": "=HYPERLINK(1)"})
        of_ana = await _all(client, "/history", kind="user", level="user", organisation=ana)
        assert [entry["action"] for entry in of_ana] == ["user.changed", "user.created"]
        at = of_ana[0]["at"]
        assert [entry["action"] for entry in await _all(client, "/history", kind="user", level="user", organisation=ana, to=at)] == ["user.created"]
        assert (await _all(client, "/history", kind="user", **{"from": at}))[-1]["id"] == of_ana[0]["id"]
        assert (await client.get(f"{PREFIX}/history", params={"level": "user"})).status_code == 422
        assert (await client.get(f"{PREFIX}/history", params={"from": "2026-05-01T00:00:00"})).status_code == 422
        exported = await client.get(f"{PREFIX}/history/export", params={"kind": "user", "level": "user", "organisation": ana})
        assert exported.headers["content-type"].startswith("text/csv")
        lines = list(csv.reader(io.StringIO(exported.text.removeprefix("﻿"))))
        assert lines[1][7:] == ["'=HYPERLINK(1)", "name", "Ana", "'=HYPERLINK(1)"]
    async with own_stage.client("mira") as client:
        assert (await client.get(f"{PREFIX}/history", params={"level": "user", "organisation": ana})).status_code == 404


async def test_nobody_draws_in_who_stands_outside_of_his_reach(own_stage: Any) -> None:
    """G32: an account at one group for somebody of another would take him from those who manage him (BelongsHigher stops them). As with another
    provider's address the words say no more; from above it is allowed.
    """
    blue, mira = own_stage.of("group", "blue"), own_stage.of("group", "mira")
    account = {"level": "group", "organisation_id": blue, "name": "Drawn in"}
    async with own_stage.client("blue") as client:
        for body in ({**account, "email": "southern@people.example"}, {**account, "email": "mira@people.example"}):
            refused = await client.post(f"{PREFIX}/portal-accounts", json=body)
            assert (refused.status_code, refused.json()["code"], refused.json()["fields"][0]["field"]) == (409, "email_taken", "email")
        user = {"group_id": blue, "name": "Drawn in", "email": "southern@people.example"}
        assert (await client.post(f"{PREFIX}/users", json=user)).json()["code"] == "email_taken"
        foreign = await client.post(f"{PREFIX}/portal-accounts", json={**account, "email": "northern@people.example"})
        assert foreign.json() == refused.json()
        assert await _all(client, "/portal-accounts", q="drawn in") == await _all(client, "/users", q="drawn in") == []
    async with own_stage.client("mira") as client:
        [own] = await _all(client, "/portal-accounts", q="mira@people.example", level="group", organisation=mira)
        assert (await client.patch(f"{PREFIX}/portal-accounts/{own['id']}", json={"name": "Still mine"})).status_code == 200
    async with own_stage.client("southern") as client:
        assert (await client.post(f"{PREFIX}/portal-accounts", json={**account, "email": "mira@people.example"})).status_code == 201
