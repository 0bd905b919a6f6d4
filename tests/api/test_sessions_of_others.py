"""Sessions of people whom somebody manages: seen, ended, written down (G26, G29, G32, G34, R191, R195)."""

from typing import Any

import pytest

from kereru.api.app import PREFIX

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def paths(own_stage: Any) -> dict[str, str]:
    """Ana of Blue Door, who is no portal account; Mira's portal account; the provider's own."""
    accounts = {
        row.email: row.id for row in own_stage.sql("SELECT i.email, r.id FROM portal_role r JOIN sign_in i ON i.id = r.sign_in_id")
    }  # fmt: skip
    of = lambda name: f"{PREFIX}/portal-accounts/{accounts[f'{name}@people.example']}/sessions"  # noqa: E731
    return {"ana": f"{PREFIX}/users/{own_stage.of('user', 'ana')}/sessions", "mira": of("mira"), "southern": of("southern")}


async def test_seen_ended_and_written_down(own_stage: Any, paths: dict[str, str]) -> None:
    """G26, G34: whoever manages somebody sees where that person is signed in; ended, the next request is nobody's; the log says who did it."""
    app = own_stage.application()
    async with own_stage.client("southern", app=app) as olive, own_stage.client("mira", app=app) as mira:
        assert (await mira.get(f"{PREFIX}/session")).status_code == 200
        [held] = (await olive.get(paths["mira"])).json()["items"]
        assert (held["address"], held["agent"], held["current"], held["can"]) == ("192.0.2.44", "test", False, [])
        assert (await olive.delete(paths["mira"])).status_code == 204
        assert (await mira.get(f"{PREFIX}/session")).status_code == 401
        assert (await olive.get(paths["mira"])).json()["items"] == []
        log = lambda: olive.get(f"{PREFIX}/history", params={"kind": "sign-in", "q": "mira@"})  # noqa: E731
        [entry] = [one for one in (await log()).json()["items"] if one["action"] == "sessions.ended"]
        assert (entry["who"], entry["target"]["name"]) == ("southern@people.example", "mira@people.example")
        assert entry["changes"] == [{"field": "sessions", "before": None, "after": 1}]
        # Nobody is signed in there any more: nothing happens, and nothing is written.
        assert (await olive.delete(paths["mira"])).status_code == 204
        assert [one["action"] for one in (await log()).json()["items"]].count("sessions.ended") == 1


async def test_authority_never_flows_up_or_sideways(own_stage: Any, paths: dict[str, str]) -> None:
    """G29, G32: beside and above there is nobody; who is more than the asker manages is left alone; nobody does it to himself."""
    provider = own_stage.people["ana"].provider_id
    async with own_stage.client("blue") as blue, own_stage.client("southern") as olive:
        for path in (paths["mira"], paths["southern"]):
            missing = f"{PREFIX}/portal-accounts/9223372036854763462/sessions"
            assert (await blue.get(path)).content == (await blue.get(missing)).content
            assert (await blue.delete(path)).status_code == (await blue.delete(missing)).status_code == 404
        assert len((await blue.get(paths["ana"])).json()["items"]) >= 1
        own_stage.sql(
            """INSERT INTO portal_role (provider_id, id, sign_in_id, name, level, organisation_id)
               VALUES (%s, new_id(), %s, 'Ana', 1, %s) RETURNING id""",
            provider, own_stage.people["ana"].sign_in_id, provider,
        )  # fmt: skip
        for method in ("GET", "DELETE"):
            assert (await blue.request(method, paths["ana"])).json()["code"] == "belongs_higher"
        assert (await olive.delete(paths["southern"])).json()["code"] == "own_account"
        assert (await olive.get(f"{PREFIX}/session")).status_code == 200
        assert (await olive.delete(paths["ana"])).status_code == 204
