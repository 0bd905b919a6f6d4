"""Restcomm's simulator alone, driven by literal requests of carriers.md §1 over real HTTP."""

import asyncio
import base64
import re
from urllib.parse import parse_qsl

import aiohttp
import pytest
from yarl import URL

from kereru.simulators.customer import Customer
from kereru.simulators.testing import RunningSimulators

SID = "AC" + "0a" * 16
CHILD = "AC" + "0b" * 16
PHONE = "+13125550199"
FORM = "application/x-www-form-urlencoded"
SEND = b"From=%2B13125550142&To=%2B13125550199&Body=Your+table+is+ready"


def basic(user: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


class Caller:
    """A customer's program calling the account's API with raw bodies."""

    def __init__(self, sim: RunningSimulators, http: aiohttp.ClientSession, sid: str = SID) -> None:
        self.base = f"{sim.url}/restcomm/2012-04-24/Accounts/{sid}"
        self.http = http
        self.auth = basic(SID, "t0ken")

    async def ask(self, method: str, path: str, body: bytes | None = None, content_type: str = FORM) -> tuple[int, str]:
        headers = {"Authorization": self.auth} | ({"Content-Type": content_type} if body is not None else {})
        async with self.http.request(method, URL(self.base + path, encoded=True), data=body, headers=headers) as answer:
            return answer.status, await answer.text()

    async def json(self, method: str, path: str, body: bytes | None = None) -> dict[str, object]:
        import msgspec

        status, text = await self.ask(method, path, body)
        assert status == 200, (status, text)
        return msgspec.json.decode(text, type=dict[str, object])

    async def number_sid(self) -> str:
        found = await self.json("GET", "/IncomingPhoneNumbers.json?PhoneNumber=%2B13125550142")
        rows = found["incomingPhoneNumbers"]
        assert isinstance(rows, list)
        return str(rows[0]["sid"])  # pyright: ignore[reportUnknownArgumentType]

    async def hook(self, url: str) -> None:
        await self.json("POST", f"/IncomingPhoneNumbers/{await self.number_sid()}.json", b"SmsUrl=" + url.encode() + b"&SmsMethod=POST")


@pytest.fixture
def caller(sim: RunningSimulators, http: aiohttp.ClientSession) -> Caller:
    return Caller(sim, http)


async def test_the_account_echoes_its_token_and_refuses_strangers(caller: Caller) -> None:
    """§1.2: 200 with every field; 401 empty with a realm; the e-mail is a user name too; 403 in words when suspended."""
    account = await caller.json("GET", ".json")
    assert account["sid"] == SID
    assert account["status"] == "active"
    assert account["auth_token"] == "t0ken"
    assert {"organization", "friendly_name", "email_address", "type", "role", "date_created", "uri", "subresource_uris"} <= account.keys()
    assert re.fullmatch(r"[A-Z][a-z]{2}, [1-9]\d? [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", str(account["date_created"]))
    caller.auth = basic("ops@phones.example", "t0ken")
    assert (await caller.ask("GET", ".json"))[0] == 200
    caller.auth = basic(SID, "wrong")
    async with caller.http.get(caller.base + ".json", headers={"Authorization": caller.auth}) as answer:
        assert answer.status == 401
        assert await answer.read() == b""
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="Restcomm realm"'
    caller.auth = basic("AC" + "0c" * 16, "0ther")
    assert await caller.ask("GET", ".json") == (403, "Provided Account is not active")


async def test_unknown_accounts_and_children(caller: Caller, sim: RunningSimulators, http: aiohttp.ClientSession) -> None:
    """§1.2: an unknown account is 404, empty; a parent acts on its child, a child not on its parent (R95)."""
    assert await Caller(sim, http, "AC" + "ff" * 16).ask("GET", ".json") == (404, "")
    assert (await Caller(sim, http, CHILD).ask("GET", ".json"))[0] == 200
    caller.auth = basic(CHILD, "ch1ld")
    assert await caller.ask("GET", ".json") == (403, "")


async def test_numbers_match_by_substring_and_write_nulls_out(caller: Caller) -> None:
    """§1.3: the envelope's strings, substring match, `"null"` neighbours, an empty list for a stranger's number."""
    found = await caller.json("GET", "/IncomingPhoneNumbers.json?PhoneNumber=%2B13125550142")
    assert (found["page"], found["num_pages"], found["total"], found["start"], found["end"]) == (0, 0, 1, "0", "1")
    assert found["previous_page_uri"] == "null"
    assert found["next_page_uri"] == "null"
    rows = found["incomingPhoneNumbers"]
    assert isinstance(rows, list)
    row: dict[str, object] = rows[0]
    assert row["phone_number"] == "+13125550142"
    assert row["sms_url"] is None
    assert row["sms_application_sid"] is None
    assert str(row["sid"]).startswith("PN")
    assert len(str(row["sid"])) == 34
    assert (await caller.json("GET", "/IncomingPhoneNumbers.json?PhoneNumber=555014"))["total"] == 2
    missing = await caller.json("GET", "/IncomingPhoneNumbers.json?PhoneNumber=%2B13125550199")
    assert missing["total"] == 0
    assert missing["incomingPhoneNumbers"] == []


async def test_the_xml_list_carries_the_page_count_as_total(caller: Caller) -> None:
    """§1.3: XML is the default form, its `total` is the number of pages."""
    status, text = await caller.ask("GET", "/IncomingPhoneNumbers")
    assert status == 200
    assert '<IncomingPhoneNumbers page="0" numpages="0" pagesize="50" total="0"' in text
    assert text.count("<PhoneNumber>") == 2


async def test_a_hook_is_set_replaced_and_removed(caller: Caller) -> None:
    """§1.4: SmsUrl by POST or PUT, removed by an empty value; unknown PN 404; buying 21452; releasing 204."""
    sid = await caller.number_sid()
    number = await caller.json("POST", f"/IncomingPhoneNumbers/{sid}.json", b"SmsUrl=http%3A%2F%2Fus.example%2Fin&SmsMethod=POST")
    assert number["sms_url"] == "http://us.example/in"
    number = await caller.json("PUT", f"/IncomingPhoneNumbers/{sid}.json", b"SmsUrl=")
    assert number["sms_url"] is None
    assert await caller.ask("POST", "/IncomingPhoneNumbers/PN0.json", b"SmsUrl=") == (404, "")
    assert await caller.ask("POST", "/IncomingPhoneNumbers.json", b"PhoneNumber=%2B13125550170") == (400, "21452")
    assert (await caller.ask("POST", f"/IncomingPhoneNumbers/{sid}.json", b"{}", "application/json"))[0] == 415
    assert await caller.ask("DELETE", f"/IncomingPhoneNumbers/{sid}") == (204, "")
    assert await caller.ask("GET", f"/IncomingPhoneNumbers/{sid}.json") == (404, "")


async def test_an_application_wins_over_the_number_s_own_url(caller: Caller, sim: RunningSimulators, receiver: Customer) -> None:
    """§1.4: applications are listed as a bare array, and their RcmlUrl takes precedence."""
    await caller.hook(receiver.url + "/own")
    body = b"FriendlyName=Texts&Kind=sms&RcmlUrl=" + receiver.url.encode() + b"/app"
    app = await caller.json("POST", "/Applications.json", body)
    assert str(app["sid"]).startswith("AP")
    assert app["kind"] == "sms"
    assert (await caller.ask("GET", "/Applications.json"))[1].startswith('[{"sid":"AP')
    await caller.json("POST", f"/IncomingPhoneNumbers/{await caller.number_sid()}.json", f"SmsApplicationSid={app['sid']}".encode())
    await sim.control.phone_sends(PHONE, "+13125550142", "Hello")
    assert [got.path for got in await receiver.wait()] == ["/app"]
    assert (await caller.ask("DELETE", f"/Applications/{app['sid']}"))[0] == 204


async def test_a_send_is_answered_200_and_reaches_the_phone(caller: Caller, sim: RunningSimulators) -> None:
    """§1.5: the answer of the document; the text is in the recipient's phone."""
    message = await caller.json("POST", "/SMS/Messages.json", SEND)
    assert list(message) == [
        "sid", "date_created", "date_updated", "date_sent", "account_sid", "from", "to", "body", "status", "direction", "error_code",
        "error_message", "price", "price_unit", "api_version", "uri",
    ]  # fmt: skip
    assert message["status"] == "sending"
    assert message["direction"] == "outbound-api"
    assert message["date_sent"] is None
    assert len(str(message["sid"])) == 34
    assert str(message["sid"]).startswith("SM")
    assert message["price"] == "0"
    texts = await sim.control.phone_messages(PHONE)
    assert [(t.direction, t.from_, t.text, t.message_id) for t in texts] == [("in", "+13125550142", "Your table is ready", message["sid"])]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"To=%2B13125550199&Body=x", 400, "From can not be null."),
        (b"From=%2B13125550142&Body=x", 400, "To can not be null."),
        (b"From=%2B13125550142&To=%2B13125550199", 400, "Body can not be null."),
        (b"From=%2B13125550177&To=%2B13125550199&Body=x", 400, "From is not a number of this account."),
        (b"From=%2B13125550142&To=5550199&Body=x", 400, "To is not a valid number."),
        (b"From=%2B13125550142&To=%2B13125550199&Body=x&StatusCallback=%2Fhook", 400, "StatusCallback must be an absolute URL."),
        (b"From=%2B13125550142&To=%2B13125550199&Body=" + b"x" * 1601, 400, "Body is longer than 1600 characters."),
        (b"From=%2B13125550142&To=%2B13125550199&Body=%FF%FE", 400, "The form is not UTF-8."),
    ],
)
async def test_a_wrong_send_is_refused_and_sent_to_nobody(caller: Caller, sim: RunningSimulators, body: bytes, status: int, words: str) -> None:
    """§1.8: missing fields are refused in words; nothing is accepted."""
    assert await caller.ask("POST", "/SMS/Messages.json", body) == (status, words)
    assert await sim.control.phone_messages(PHONE) == []


async def test_a_send_must_be_a_form(caller: Caller) -> None:
    """§1.1: bodies are url-encoded forms."""
    assert (await caller.ask("POST", "/SMS/Messages.json", b'{"From":"+13125550142"}', "application/json"))[0] == 415


async def test_strict_mode_cuts_a_long_text_silently(caller: Caller, sim: RunningSimulators) -> None:
    """§1.7, C.4: over 160 bytes of UTF-8, 159 characters are left; otherwise up to 1600 go whole."""
    long = b"From=%2B13125550142&To=%2B13125550199&Body=" + b"%C3%A9" * 90
    assert len(str((await caller.json("POST", "/SMS/Messages.json", long))["body"])) == 90
    await sim.control.set_modes("restcomm", long_text="strict")
    assert len(str((await caller.json("POST", "/SMS/Messages.json", long))["body"])) == 90
    longer = b"From=%2B13125550142&To=%2B13125550199&Body=" + b"x" * 161
    assert len(str((await caller.json("POST", "/SMS/Messages.json", longer))["body"])) == 159
    exact = b"From=%2B13125550142&To=%2B13125550199&Body=" + b"x" * 160
    assert len(str((await caller.json("POST", "/SMS/Messages.json", exact))["body"])) == 160


async def test_status_callbacks_name_their_fields_and_double_the_body(caller: Caller, receiver: Customer) -> None:
    """§1.10: sent, then delivered, each once, as a form with Body twice and no signature."""
    await caller.json("POST", "/SMS/Messages.json", SEND + b"&StatusCallback=" + receiver.url.encode() + b"/status/77")
    first, second = await receiver.wait(count=2)
    assert [name for name, _ in first.form()] == ["MessageSid", "MessageStatus", "AccountSid", "From", "To", "Body", "Body"]
    assert (first.fields()["MessageStatus"], second.fields()["MessageStatus"]) == ("sent", "delivered")
    assert first.path == "/status/77"
    assert first.headers["content-type"] == FORM
    assert not [name for name in first.headers if "signature" in name]


async def test_a_get_callback_replaces_the_url_s_own_query(caller: Caller, receiver: Customer) -> None:
    """§1.10: with GET, the parameters take the place of the query."""
    url = receiver.url.encode() + b"/status%3Ftoken%3Dabc"
    await caller.json("POST", "/SMS/Messages.json", SEND + b"&StatusCallbackMethod=GET&StatusCallback=" + url)
    got = (await receiver.wait())[0]
    assert got.method == "GET"
    assert "token" not in got.query
    assert dict(parse_qsl(got.query))["MessageStatus"] == "sent"


async def test_error_codes_alternate_between_number_and_name(caller: Caller, receiver: Customer) -> None:
    """§1.10, C.12, C.13: recipient …0101 is undelivered; the resource itself always holds the number."""
    body = b"From=%2B13125550142&To=%2B13125550101&Body=x&StatusCallback=" + receiver.url.encode()
    sid = (await caller.json("POST", "/SMS/Messages.json", body))["sid"]
    await receiver.wait(count=2)
    await caller.json("POST", "/SMS/Messages.json", body)
    codes = [got.fields()["ErrorCode"] for got in await receiver.wait(lambda g: "ErrorCode" in g.fields(), count=2)]
    assert codes == ["30003", "UNREACHABLE_DESTINATION_HANDSET"]
    message = await caller.json("GET", f"/SMS/Messages/{sid}.json")
    assert (message["status"], message["error_code"]) == ("undelivered", 30003)


async def test_an_inbound_text_is_posted_once_and_never_again(caller: Caller, sim: RunningSimulators, receiver: Customer) -> None:
    """§1.9, §1.11: a form without signature; an HTTP error leaves a warning and no retry."""
    await caller.hook(receiver.url + "/in/token")
    receiver.statuses = [500]
    await sim.control.phone_sends(PHONE, "+13125550142", "Yes, see you at 7")
    got = (await receiver.wait())[0]
    assert [name for name, _ in got.form()] == ["SmsSid", "AccountSid", "From", "To", "Body"]
    assert b"From=%2B13125550199&To=%2B13125550142&Body=Yes%2C+see+you+at+7" in got.body
    await asyncio.sleep(0.1)
    assert len(receiver.got) == 1
    logged = await caller.json("GET", "/SMS/Messages.json")
    rows = logged["messages"]
    assert isinstance(rows, list)
    row: dict[str, object] = rows[0]
    assert (row["direction"], row["status"], row["sid"]) == ("inbound", "received", got.fields()["SmsSid"])
    assert [n.code for n in sim.simulators.restcomm.accounts[SID].notices] == [11206]


async def test_the_fallback_is_tried_once(caller: Caller, sim: RunningSimulators, receiver: Customer) -> None:
    """§1.9: HTTP error, then SmsFallbackUrl; a wrong content type leaves 12300."""
    await caller.hook(receiver.url + "/in")
    fallback = b"SmsFallbackUrl=" + receiver.url.encode() + b"/fallback"
    await caller.json("POST", f"/IncomingPhoneNumbers/{await caller.number_sid()}.json", fallback)
    receiver.statuses, receiver.content_type = [503], "text/plain"
    await sim.control.phone_sends(PHONE, "+13125550142", "Hello")
    assert [got.path for got in await receiver.wait(count=2)] == ["/in", "/fallback"]
    await asyncio.sleep(0.05)
    assert [n.code for n in sim.simulators.restcomm.accounts[SID].notices] == [11206, 12300]


async def test_a_text_for_a_number_without_hook_is_dropped_with_a_warning(sim: RunningSimulators) -> None:
    """§1.4: 12003, and the message is in the log all the same (R100, R101)."""
    await sim.control.phone_sends(PHONE, "+13125550143", "Anybody?")
    await asyncio.sleep(0.02)
    assert [n.code for n in sim.simulators.restcomm.accounts[SID].notices] == [12003]
    assert len(sim.simulators.restcomm.messages) == 1


async def test_an_rcml_reply_is_sent(caller: Caller, sim: RunningSimulators, receiver: Customer) -> None:
    """§1.9: `<Sms>` in the answer becomes a text of direction outbound-reply."""
    await caller.hook(receiver.url + "/in")
    receiver.body = "<Response><Sms>We are closed.</Sms></Response>"
    await sim.control.phone_sends(PHONE, "+13125550142", "Open?")
    async with asyncio.timeout(3):
        while len(texts := await sim.control.phone_messages(PHONE)) < 2:
            await asyncio.sleep(0.01)
    assert (texts[1].direction, texts[1].text) == ("in", "We are closed.")
    listed = await caller.json("GET", "/SMS/Messages.json?Body=closed")
    rows = listed["messages"]
    assert isinstance(rows, list)
    row: dict[str, object] = rows[0]
    assert row["direction"] == "outbound-reply"


async def test_the_list_filters_by_suffix_and_counts_in_its_own_way(caller: Caller) -> None:
    """§1.5: suffix match, `%` wildcard, `Status` not in `total`, pages rounded down, 400 past the end and for a bad SortBy."""
    for number in range(5):
        await caller.json("POST", "/SMS/Messages.json", SEND + b"+%d" % number)
    await caller.json("POST", "/SMS/Messages.json", SEND.replace(b"0199", b"0198"))
    page = await caller.json("GET", "/SMS/Messages.json?PageSize=4")
    assert (page["total"], page["num_pages"], page["start"], page["end"]) == (6, 1, "0", "3")
    assert "AfterSid=SM" in str(page["next_page_uri"])
    assert page["previous_page_uri"] == "null"
    last = await caller.json("GET", "/SMS/Messages.json?PageSize=4&Page=1")
    assert (last["start"], last["end"], last["next_page_uri"]) == ("4", "6", "null")
    assert (await caller.json("GET", "/SMS/Messages.json?To=0199"))["total"] == 5
    assert (await caller.json("GET", "/SMS/Messages.json?To=%2B1312%25198"))["total"] == 1
    assert (await caller.json("GET", "/SMS/Messages.json?Body=ready+3"))["total"] == 1
    filtered = await caller.json("GET", "/SMS/Messages.json?Status=received")
    assert filtered["total"] == 6
    assert filtered["messages"] == []
    assert await caller.ask("GET", "/SMS/Messages.json?PageSize=4&Page=2") == (400, "")
    assert await caller.ask("GET", "/SMS/Messages.json?StartTime=soon") == (400, "")
    assert await caller.ask("GET", "/SMS/Messages.json?SortBy=Colour") == (400, '{"message":"Error parsing the SortBy parameter: Colour"}')
    assert (await caller.json("GET", "/SMS/Messages.json?EndTime=2019-07-05"))["total"] == 0
    oldest = await caller.json("GET", "/SMS/Messages.json?SortBy=DateCreated:asc&PageSize=1")
    rows = oldest["messages"]
    assert isinstance(rows, list)
    row: dict[str, object] = rows[0]
    assert row["body"] == "Your table is ready 0"


async def test_the_messages_api_is_off_until_switched_on(caller: Caller, sim: RunningSimulators) -> None:
    """§1.6, C.1: JSON with channels; media reach the phone; numbers are prefixed in the answer."""
    body = b'{"from":"mms:+13125550142","to":"mms:+13125550199","body":"Menu","media":[{"url":"http://m.example/a.jpg","content_type":"image/jpeg"}]}'
    assert (await caller.ask("POST", "/Messages", body, "application/json"))[0] == 403
    await sim.control.set_modes("restcomm", mms=True)
    status, text = await caller.ask("POST", "/Messages", body, "application/json")
    assert status == 200
    assert '"from":"mms:+13125550142"' in text
    assert (await sim.control.phone_messages(PHONE))[0].media[0]["url"] == "http://m.example/a.jpg"


async def test_a_phone_s_picture_comes_with_media_fields(caller: Caller, sim: RunningSimulators, receiver: Customer) -> None:
    """C.2: NumMedia, MediaUrlN, MediaContentTypeN; the file needs the account's Basic auth."""
    await caller.hook(receiver.url + "/in")
    data = base64.b64encode(b"\x89PNG fake").decode()
    await sim.control.phone_sends(PHONE, "+13125550142", "", [{"data": data, "content_type": "image/png"}])
    fields = (await receiver.wait())[0].fields()
    assert (fields["NumMedia"], fields["MediaContentType0"]) == ("1", "image/png")
    async with caller.http.get(fields["MediaUrl0"]) as answer:
        assert answer.status == 401
    async with caller.http.get(fields["MediaUrl0"], headers={"Authorization": caller.auth}) as answer:
        assert await answer.read() == b"\x89PNG fake"


async def test_a_text_between_two_simulated_accounts_arrives_as_inbound(
    caller: Caller, sim: RunningSimulators, http: aiohttp.ClientSession, receiver: Customer
) -> None:
    """Design §8: the simulator routes a text to the carrier that owns the recipient."""
    broker = f"{sim.url}/inteliquent/msgbroker/rest/configureAuthorization"
    hook = {"authorizations": [{"inboundAuth": True, "webhookUrl": receiver.url + "/iq"}]}
    async with http.post(broker, json=hook, headers={"Authorization": "Bearer out-key"}) as answer:
        assert answer.status == 200
    await caller.json("POST", "/SMS/Messages.json", SEND.replace(b"13125550199", b"13125550160"))
    got = (await receiver.wait())[0].json()
    assert (got["from"], got["to"], got["text"]) == ("13125550142", ["13125550160"], "Your table is ready")


async def test_no_callback_is_lost_to_a_busy_receiver(caller: Caller, sim: RunningSimulators, receiver: Customer) -> None:
    """Reports wait for a free connection; only a receiver that does not answer in time loses them (§1.10: no retry)."""
    await sim.control.set_modes(receipt_delay_ms=0)
    body = SEND + b"&StatusCallback=" + receiver.url.encode()
    await asyncio.gather(*(caller.json("POST", "/SMS/Messages.json", body) for _ in range(300)))
    got = await receiver.wait(count=600, seconds=20)
    assert len({(g.fields()["MessageSid"], g.fields()["MessageStatus"]) for g in got}) == 600


async def test_texts_of_one_phone_arrive_in_the_order_they_were_sent(caller: Caller, sim: RunningSimulators, receiver: Customer) -> None:
    """As from a real phone: the first webhook opens a connection and must not be overtaken by those behind it."""
    await caller.hook(receiver.url + "/in")
    for number in range(12):
        await sim.control.phone_sends(PHONE, "+13125550142", f"text {number}")
    assert [got.fields()["Body"] for got in await receiver.wait(count=12)] == [f"text {number}" for number in range(12)]
