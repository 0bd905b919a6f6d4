"""The message log at every level (R94 to R98, R195, R197; Q13, Q26): reach, filters, pages, the detail and what it never shows."""

import csv
import io
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest

from kereru.kernel.ids import lowest_at
from tenant import INTELIQUENT_NUMBER, PHONE, RESTCOMM_NUMBER, Tenant, running_tenant

OTHER = "+12025550143"
_ids = itertools.count(1)


@pytest.fixture
async def tenant(database_url: str) -> AsyncIterator[Tenant]:
    """Ana has a number at Restcomm, Ben one at Inteliquent; nobody is asked first."""
    async with running_tenant(database_url) as running:
        for person, carrier, number in ((running.ana, "restcomm", RESTCOMM_NUMBER), (running.ben, "inteliquent", INTELIQUENT_NUMBER)):
            await running.license(person)
            platform = await running.platform(carrier, user_confirmation=False)
            await running.assign(person, number, platform_id=platform)
        yield running


def arrive(tenant: Tenant, words: str, *, to: str = RESTCOMM_NUMBER, remote: str = PHONE) -> str:
    platform = tenant.platforms["restcomm" if to == RESTCOMM_NUMBER else "inteliquent"]
    item = {"provider": tenant.provider_id, "platform": platform, "to": to, "remote": remote, "cid": f"SM{next(_ids):032d}"}
    rest = {"text": words, "raw": f"POST /\n\nBody={words}", "request": ""}
    [row] = tenant.sql("SELECT message_id FROM ingest_texts(%(items)s)", items=psycopg.types.json.Jsonb([item | rest]))
    return str(row.message_id)


async def send(client: httpx.AsyncClient, words: str, to: str = PHONE) -> str:
    number = (await client.get("/api/v1/licence")).json()["numbers"][0]["id"]
    body = {"number_id": number, "to": to, "text": words, "attachments": []}
    answer = await client.put(f"/api/v1/messages/key-{next(_ids):08d}", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def log(portal: httpx.AsyncClient, **params: object) -> list[dict]:
    answer = await portal.get("/api/v1/message-log", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def texts(portal: httpx.AsyncClient, **params: object) -> list[str]:
    return [line["text"] for line in await log(portal, **params)]


async def test_columns(tenant: Tenant) -> None:
    """R94, R96: date, from, to, direction, status, body; an inbound one is "received"."""
    client = await tenant.client(tenant.ana)
    arrive(tenant, "Is it there?")
    await send(client, "It is.")
    async with tenant.portal("gina@bluedoor.example") as portal:
        out, into = await log(portal)
    assert (into["from"], into["to"], into["direction"], into["status"], into["text"]) == (PHONE, RESTCOMM_NUMBER, "in", "received", "Is it there?")
    assert (out["from"], out["to"], out["direction"], out["status"]) == (RESTCOMM_NUMBER, PHONE, "out", "queued")
    assert (out["from_display"], out["user"]["name"], out["group"]["name"], out["segments"]) == ("(201) 555-0110", "Ana Torres", "Blue Door Ltd", 1)


async def test_every_level_and_account(tenant: Tenant) -> None:
    """R95, R195: the current account, or one below it by id or e-mail; foreign looks like missing."""
    arrive(tenant, "for Ana")
    arrive(tenant, "for Ben", to=INTELIQUENT_NUMBER)
    assignment = tenant.sql("SELECT id FROM assignment ORDER BY id")[0].id
    reseller = tenant.sql("SELECT id FROM reseller")[0].id
    async with tenant.portal() as portal:
        for level, organisation, wanted in (
            ("provider", tenant.provider_id, ["for Ben", "for Ana"]),
            ("reseller", reseller, ["for Ben", "for Ana"]),
            ("group", tenant.group_id, ["for Ben", "for Ana"]),
            ("user", tenant.ben.id, ["for Ben"]),
            ("assignment", assignment, ["for Ana"]),
        ):
            assert await texts(portal, level=level, organisation=organisation) == wanted
            missing = await portal.get("/api/v1/message-log", params={"level": level, "organisation": 12345})
            assert missing.status_code == 404
        assert await texts(portal, email="BEN@bluedoor.example") == ["for Ben"]
        assert (await portal.get("/api/v1/message-log", params={"email": "nobody@elsewhere.example"})).status_code == 404
        assert (await portal.get("/api/v1/message-log", params={"level": "group"})).status_code == 422


async def test_filters(tenant: Tenant) -> None:
    """R95: from, to, start, end, body; numbers in any form, or a piece; direction and status besides."""
    client = await tenant.client(tenant.ana)
    arrive(tenant, "Where is the blue one?")
    arrive(tenant, "100% off_now", remote=OTHER)
    await send(client, "Here it is.")
    await send(client, "No.", OTHER)
    arrive(tenant, "elsewhere", to=INTELIQUENT_NUMBER)
    async with tenant.portal() as portal:
        cases: list[tuple[dict[str, object], list[str]]] = [
            ({"from": "(202) 555-0142"}, ["elsewhere", "Where is the blue one?"]),
            ({"from": "2025550142", "to": "201-555-0110"}, ["Where is the blue one?"]),
            ({"to": OTHER}, ["No."]),
            ({"from": RESTCOMM_NUMBER}, ["No.", "Here it is."]),
            ({"from": RESTCOMM_NUMBER, "to": PHONE}, ["Here it is."]),
            ({"from": "0143"}, ["100% off_now"]),
            ({"to": "555-01"}, ["elsewhere", "No.", "Here it is.", "100% off_now", "Where is the blue one?"]),
            ({"from": "a name"}, []),
            ({"text": "BLUE"}, ["Where is the blue one?"]),
            ({"text": "%"}, ["100% off_now"]),
            ({"text": "_"}, ["100% off_now"]),
            ({"direction": "in"}, ["elsewhere", "100% off_now", "Where is the blue one?"]),
            ({"status": "queued", "to": PHONE}, ["Here it is."]),
            ({"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}, []),
            ({"start": "9999-12-31T00:00:00Z"}, []),
            ({"end": "0001-01-01T00:00:00Z"}, []),
            ({"start": (datetime.now(UTC) - timedelta(minutes=5)).isoformat(), "text": "elsewhere"}, ["elsewhere"]),
            ({"end": (datetime.now(UTC) + timedelta(minutes=5)).isoformat(), "direction": "out"}, ["No.", "Here it is."]),
        ]
        for params, wanted in cases:
            assert await texts(portal, **params) == wanted, params
            narrowed = {**params, "level": "user", "organisation": tenant.ana.id}
            assert await texts(portal, **narrowed) == [each for each in wanted if each != "elsewhere"], narrowed
        assert (await portal.get("/api/v1/message-log", params={"start": "2020-01-01T00:00:00"})).status_code == 422


@pytest.mark.parametrize("narrow", [False, True])
async def test_pages_hold_everything_once(tenant: Tenant, narrow: bool) -> None:
    """Keyset pages, both ways of reading: each text once, newest first, whatever arrives meanwhile."""
    wanted = [arrive(tenant, f"text {turn}", remote=f"+1202555{turn % 3:04d}") for turn in range(11)]
    params: dict[str, object] = {"limit": 4, "text": "text"} | ({"level": "user", "organisation": tenant.ana.id} if narrow else {})
    seen: list[str] = []
    async with tenant.portal() as portal:
        cursor = None
        while True:
            page = (await portal.get("/api/v1/message-log", params=params | ({"cursor": cursor} if cursor else {}))).json()
            seen += [line["id"] for line in page["items"]]
            arrive(tenant, "text, later")
            cursor = page["next"]
            assert (page["searched_to"] is None) == (cursor is None)
            if cursor is None:
                break
    assert seen == list(reversed(wanted))


async def test_a_wide_search_goes_on_from_where_it_came(tenant: Tenant) -> None:
    """10,000 texts are looked at for a page: what lies below is found by going on, and the page says how far it came."""
    arrive(tenant, "the needle")
    conversation = tenant.sql("SELECT id FROM conversation")[0].id
    # Newer than the needle.
    tenant.sql(
        """INSERT INTO message (provider_id, id, conversation_id, outbound, status, text, platform_id)
        SELECT %(p)s, lowest_id(app_now()) + n, %(c)s, false, 9, 'hay', 1 FROM generate_series(1, 15000) n""",
        p=tenant.provider_id, c=conversation,
    )  # fmt: skip
    async with tenant.portal() as portal:
        first = (await portal.get("/api/v1/message-log", params={"text": "needle"})).json()
        assert (first["items"], first["next"] is None) == ([], False)
        second = (await portal.get("/api/v1/message-log", params={"text": "needle", "cursor": first["next"]})).json()
        assert ([line["text"] for line in second["items"]], second["next"]) == (["the needle"], None)
        exported = (await portal.get("/api/v1/message-log/export", params={"text": "needle"})).text
    assert "the needle" in exported


async def test_hidden_texts(tenant: Tenant) -> None:
    """Q13: a blocked text is shown here. Q26: of a withheld one only that it is there; it is not found by its words, nor shown raw."""
    arrive(tenant, "first")
    tenant.sql("INSERT INTO blocked_remote (provider_id, assignment_id, remote) SELECT provider_id, id, %(r)s FROM assignment", r=OTHER)
    arrive(tenant, "from somebody blocked", remote=OTHER)
    await tenant.license(tenant.ana, None)
    withheld = arrive(tenant, "private before the yes")
    async with tenant.portal() as portal:
        assert [(line["text"], line["hidden"]) for line in await log(portal)] == [
            (None, "withheld"), ("from somebody blocked", "blocked"), ("first", None),
        ]  # fmt: skip
        assert await texts(portal, hidden="blocked") == ["from somebody blocked"]
        assert await texts(portal, text="private") == []
        shown = await portal.get(f"/api/v1/message-log/{withheld}")
        exported = await portal.get("/api/v1/message-log/export")
    assert (shown.json()["verdict"]["who"], shown.json()["exchanges"]) == ("customer", [])
    assert "private" not in shown.text + exported.text


async def test_what_is_past_its_time_is_gone(tenant: Tenant) -> None:
    """R45: 90 days, whatever the tables still hold."""
    arrive(tenant, "new")
    conversation = tenant.sql("SELECT id FROM conversation")[0].id
    old = lowest_at(datetime.now(UTC) - timedelta(days=91))
    tenant.sql("CALL make_partitions(0, now() - interval '91 days')")
    tenant.sql(
        """INSERT INTO message (provider_id, id, conversation_id, outbound, status, text, platform_id)
        VALUES (%(p)s, %(i)s, %(c)s, false, 9, 'old', 1)""", p=tenant.provider_id, i=old, c=conversation,
    )  # fmt: skip
    async with tenant.portal() as portal:
        assert await texts(portal) == await texts(portal, email="ana@bluedoor.example") == ["new"]
        assert (await portal.get(f"/api/v1/message-log/{old}")).status_code == 404


async def test_the_file_is_for_spreadsheets(tenant: Tenant) -> None:
    """Bad input 22: what would begin a formula is quoted; the same filters as on the screen."""
    arrive(tenant, "=cmd|' /C calc'!A0")
    arrive(tenant, "plain, with a comma")
    async with tenant.portal() as portal:
        answer = await portal.get("/api/v1/message-log/export", params={"level": "group", "organisation": tenant.group_id})
    assert answer.headers["content-disposition"] == 'attachment; filename="message-log.csv"'
    head, *lines = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert head[:7] == ["Date (UTC)", "From", "To", "Direction", "Status", "Reason", "Body"]
    assert [line[6] for line in lines] == ["plain, with a comma", "'=cmd|' /C calc'!A0"]
    assert lines[0][1:5] == ["(202) 555-0142", "(201) 555-0110", "inbound", "received"]


async def test_detail_of_an_inbound_text(tenant: Tenant) -> None:
    """R97, R98: SID, from, to, direction, status, body with characters and segments; offered, then opened."""
    client = await tenant.client(tenant.ana)
    message = arrive(tenant, "x" * 170)
    async with tenant.portal("gina@bluedoor.example") as portal:
        shown = (await portal.get(f"/api/v1/message-log/{message}")).json()
        assert (shown["from"], shown["to"], shown["direction"], shown["status"]) == (PHONE, RESTCOMM_NUMBER, "inbound", "received")
        assert (shown["characters"], shown["segments"], len(shown["sids"][0])) == (170, 2, 34)
        assert [step["text"] for step in shown["steps"]] == ["Received from the carrier and stored", "Offered to the user's devices"]
        assert shown["sids"][0] in shown["ticket"]["text"]
        conversation = (await client.get("/api/v1/conversations")).json()["items"][0]["id"]
        await client.post(f"/api/v1/conversations/{conversation}/read", json={})
        opened = (await portal.get(f"/api/v1/message-log/{message}")).json()
    assert opened["steps"][-1]["text"] == "The user opened the conversation"
    assert opened["verdict"]["title"] == "Received and opened"


async def test_others_messages_are_missing(tenant: Tenant) -> None:
    """G29: a portal account of another group finds nothing, neither in the list nor by id."""
    message = arrive(tenant, "for Ana")
    tenant.sql(
        """WITH g AS (INSERT INTO user_group (provider_id, id, reseller_id, name)
             SELECT provider_id, new_id(), id, 'Elsewhere' FROM reseller RETURNING id)
        UPDATE portal_role SET organisation_id = g.id FROM g WHERE name = 'Gina Stone'"""
    )
    async with tenant.portal("gina@bluedoor.example") as portal:
        assert await log(portal) == []
        assert await log(portal, text="Ana") == []
        foreign = await portal.get(f"/api/v1/message-log/{message}")
        missing = await portal.get("/api/v1/message-log/123456789")
        assert (foreign.status_code, foreign.content) == (404, missing.content)
        assert (await portal.get("/api/v1/message-log", params={"email": "ana@bluedoor.example"})).status_code == 404
