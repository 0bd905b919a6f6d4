"""What carriers sent and nobody could read or store is taken in after a repair (G5): all of it, once, and only for whom it is."""

import asyncio
import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from assembled import House, open_house
from kereru.carriers.arrivals import Arrival, WebhookRequest
from kereru.carriers.registry import Carriers
from kereru.entrypoints.cli import app as cli
from kereru.kernel.clock import SystemClock
from kereru.kernel.db import Database
from kereru.kernel.http_client import CarrierClient
from kereru.messaging.inbound import replay
from role_databases import as_role
from tenant import INTELIQUENT_NUMBER, RESTCOMM_NUMBER, new_phone

BEN = INTELIQUENT_NUMBER[1:]


@pytest_asyncio.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    """A house of the test's own: these tests look at everything that was set aside."""
    async with open_house(database_url) as running:
        yield running


@pytest_asyncio.fixture
async def owner(house: House) -> AsyncIterator[Database]:
    """As the operator's command has it."""
    async with as_role(house.tenant.url, "kereru_owner") as database:
        yield database


@pytest_asyncio.fixture
async def carriers() -> AsyncIterator[Carriers]:
    """The adapters of today."""
    async with CarrierClient() as door:
        yield Carriers(door, SystemClock())


def repaired(carriers: Carriers) -> replay.Parse:
    """Adapters of tomorrow, which know two things that those of today do not: a text in an object, and a body by the name of `Message`."""

    def parse(kind: str, request: WebhookRequest) -> tuple[Arrival, ...]:
        body = request.body.replace(b"&Message=", b"&Body=")
        body = re.sub(rb'"text": \{"body": ("[^"]*")\}', rb'"text": \1', body)
        known = WebhookRequest(request.provider_id, request.platform_id, request.method, request.path_tail, request.query, {}, body, request.at)
        return carriers.of(kind).parse(known)

    return parse


def outcomes(found: list[replay.Outcome]) -> list[tuple[str, int, int]]:
    return [(one.outcome, one.texts, one.receipts) for one in found]


async def test_what_could_not_be_read_is_taken_in_after_a_repair(house: House, owner: Database, carriers: Carriers) -> None:
    """G5: each once, at its owner's, with what it means for consent; what is still not understood stays, and a second round finds nothing new."""
    ana_phones, ben_phones = [new_phone() for _ in range(5)], [new_phone() for _ in range(5)]
    for number, phone in enumerate(ana_phones):
        form = f"SmsSid=SM{number:032d}&AccountSid={house.account_sid}&From=%2B{phone[1:]}&To=%2B{RESTCOMM_NUMBER[1:]}&Message=form+{number}"
        assert (await house.restcomm(form.encode())).status_code == 200
    events = [{"referenceId": f"r{n}", "from": phone[1:], "to": [BEN], "text": {"body": f"event {n}"}} for n, phone in enumerate(ben_phones)]
    readable = {"referenceId": "r9", "from": new_phone()[1:], "to": [BEN], "text": "read at once"}
    assert (await house.inteliquent([*events[:3], readable])).status_code == 200
    for event in events[3:]:
        assert (await house.inteliquent(event)).status_code == 200
    assert (await house.inteliquent(b"<html>")).status_code == 200
    before = house.holdings()
    assert before["quarantine"] == 11

    today = await _all(replay.take_in(owner, lambda kind, request: carriers.of(kind).parse(request)))
    assert outcomes(today) == [("still_unreadable", 0, 0)] * 11
    assert house.holdings() == before
    both = await asyncio.gather(*(_all(replay.take_in(owner, repaired(carriers))) for _ in range(2)))
    taken = [one for found in both for one in found if one.outcome == "taken_in"]
    assert len(taken) == 10, "two operators at once"
    assert all((one.texts, one.receipts) == (1, 0) for one in taken)
    assert house.holdings()["quarantine"] == 1
    assert house.holdings()["message"] == before["message"] + 10
    for number, phone in enumerate(ana_phones):
        assert [message["text"] for message in await house.messages("ana", phone)] == [f"form {number}"]
    for number, phone in enumerate(ben_phones):
        assert [message["text"] for message in await house.messages("ben", phone)] == [f"event {number}"]


async def test_a_stop_among_them_counts(house: House, owner: Database, carriers: Carriers) -> None:
    """G17: read late, it still stops."""
    phone = new_phone()
    form = f"SmsSid=SM{1:032d}&AccountSid={house.account_sid}&From=%2B{phone[1:]}&To=%2B{RESTCOMM_NUMBER[1:]}&Message=STOP"
    assert (await house.restcomm(form.encode())).status_code == 200
    assert outcomes(await _all(replay.take_in(owner, repaired(carriers)))) == [("taken_in", 1, 0)]
    assert (await house.send("ana", "hello", to=phone)).json()["code"] == "stopped"


async def test_a_start_among_them_brings_nobody_back(house: House, owner: Database, carriers: Carriers) -> None:
    """G17: the STOP that was said after it, and read at once, is the newer word."""
    phone = new_phone()
    form = f"SmsSid=SM{1:032d}&AccountSid={house.account_sid}&From=%2B{phone[1:]}&To=%2B{RESTCOMM_NUMBER[1:]}&Message=START"
    assert (await house.restcomm(form.encode())).status_code == 200
    assert (await house.restcomm(From=phone, Body="STOP")).status_code == 200
    assert outcomes(await _all(replay.take_in(owner, repaired(carriers)))) == [("taken_in", 1, 0)]
    assert (await house.send("ana", "hello", to=phone)).json()["code"] == "stopped"


async def test_one_numbers_secret_brings_no_text_for_another(house: House, owner: Database, carriers: Carriers) -> None:
    """The rule of the ingress holds for what is read later."""
    event = {"referenceId": "r1", "from": new_phone()[1:], "to": [RESTCOMM_NUMBER[1:]], "text": {"body": "not yours"}}
    assert (await house.inteliquent(event)).status_code == 200
    before = house.holdings()
    assert outcomes(await _all(replay.take_in(owner, repaired(carriers)))) == [("still_unreadable", 0, 0)]
    assert house.holdings() == before


async def test_what_another_version_kept_costs_the_others_nothing(house: House, owner: Database, carriers: Carriers) -> None:
    """G45: nothing kept, or something in a form of tomorrow, stays; what stands behind it is taken in."""
    phones = [new_phone() for _ in range(3)]
    for number, phone in enumerate(phones):
        event = {"referenceId": f"v{number}", "from": phone[1:], "to": [BEN], "text": {"body": f"event {number}"}}
        assert (await house.inteliquent(event)).status_code == 200
    for place, kept in enumerate((None, b'{"type":"of tomorrow"}')):
        house.tenant.sql(
            "UPDATE quarantine SET again = %(kept)s WHERE id = (SELECT id FROM quarantine ORDER BY id OFFSET %(n)s LIMIT 1)", kept=kept, n=place
        )
    found = outcomes(await _all(replay.take_in(owner, repaired(carriers))))
    assert found == [("not_possible", 0, 0), ("not_possible", 0, 0), ("taken_in", 1, 0)]
    assert house.holdings()["quarantine"] == 2


async def test_what_could_not_be_stored_is_stored_after_a_repair(house: House, owner: Database, carriers: Carriers) -> None:
    """G5: a text that the database refused stays as an item, and is stored as it came."""
    house.tenant.sql("""CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF new.text = 'odd' THEN RAISE EXCEPTION USING ERRCODE = 'data_exception'; END IF; RETURN new; END $$""")
    house.tenant.sql("CREATE TRIGGER odd BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION odd()")
    phone = new_phone()
    assert (await house.restcomm(From=phone, Body="odd")).status_code == 200
    assert [one.outcome for one in await _all(replay.take_in(owner, repaired(carriers)))] == ["failed"]
    assert house.holdings()["quarantine"] == 1
    house.tenant.sql("DROP TRIGGER odd ON message")
    assert outcomes(await _all(replay.take_in(owner, repaired(carriers)))) == [("taken_in", 1, 0)]
    assert [message["text"] for message in await house.messages("ana", phone)] == ["odd"]
    assert house.holdings()["quarantine"] == 0


async def test_the_commands(house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`kereru quarantine show` prints it as it came, without what a terminal would obey (bad input 21); `take-in` says what it did."""
    monkeypatch.setenv("KERERU_DATABASE_URL", house.tenant.url)

    async def told(*words: str) -> str:
        capsys.readouterr()
        assert await asyncio.to_thread(cli, ["quarantine", *words]) == 0
        return capsys.readouterr().out

    assert await told("show") == "Nothing was set aside.\n"
    assert await told("take-in") == "Nothing was set aside.\n"
    assert (await house.inteliquent(b"<html>\x1b[2Jcanary")).status_code == 200
    shown = await told("show")
    assert "<html>\\x1b[2Jcanary" in shown
    assert "the body is not JSON" in shown
    assert json.loads(await told("show", "--json"))["items"][0]["again"] is True
    assert await told("take-in") == "Taken in: 0, with 0 texts and 0 receipts.\nLeft: 1. the body is not JSON\n"


async def _all(found: AsyncIterator[replay.Outcome]) -> list[replay.Outcome]:
    return [one async for one in found]
