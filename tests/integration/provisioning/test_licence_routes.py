"""A user's licence in the portal, over HTTP: R112, R115, R191."""

from tenant import Tenant

API = "/api/v1"
GINA = "gina@bluedoor.example"


async def test_r112_r115_a_licence_is_given_and_ended(tenant: Tenant) -> None:
    """Any product, from now on; null ends it; each change stands in the history log, and a repeated one does not."""
    async with tenant.portal(GINA) as portal:
        place = f"{API}/users/{tenant.ana.id}/licence"
        for product in ("agent", "agent", None, "desktop"):
            answer = await portal.put(place, json={"product": product})
            assert (answer.status_code, answer.json()["product"]) == (200, product)
            assert (await portal.get(place)).json() == answer.json()
        unknown = await portal.put(place, json={"product": "everything"})
        assert unknown.status_code == 422
        entries = (await portal.get(f"{API}/history", params={"level": "user", "organisation": str(tenant.ana.id), "kind": "user"})).json()["items"]
        changes = [entry["changes"][0] for entry in entries if entry["action"] == "licence.changed"]
    assert [change["after"] for change in changes[:3]] == ["desktop", None, "agent"]
