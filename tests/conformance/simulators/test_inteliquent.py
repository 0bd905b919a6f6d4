"""Inteliquent's simulator alone, driven by literal requests of carriers.md §2 over real HTTP."""

import asyncio
import base64
import hashlib

import aiohttp
import msgspec
import pytest

from kereru.simulators.customer import Customer
from kereru.simulators.inteliquent.accounts import token_hash
from kereru.simulators.testing import RunningSimulators

PHONE = "+13125550199"
SEND = b'{"from":"13125550160","to":["13125550199"],"text":"Your table is ready"}'
BASIC = "Basic " + base64.b64encode(b"svc-key:svc-secret").decode()


class Broker:
    """A customer's program calling the broker or the Services API with raw bodies."""

    def __init__(self, sim: RunningSimulators, http: aiohttp.ClientSession, auth: str = "Bearer out-key", path: str = "/msgbroker/rest") -> None:
        self.base = f"{sim.url}/inteliquent{path}"
        self.http, self.auth = http, auth

    async def ask(self, call: str, body: bytes = b"{}", content_type: str = "application/json") -> tuple[int, dict[str, object]]:
        headers = {"Authorization": self.auth, "Content-Type": content_type}
        async with self.http.post(f"{self.base}/{call}", data=body, headers=headers) as answer:
            content = await answer.read()
            return answer.status, msgspec.json.decode(content, type=dict[str, object]) if content else {}

    async def hook(self, url: str, extra: str = "") -> int:
        body = f'{{"authorizations":[{{"inboundAuth":true,"webhookUrl":"{url}"{extra}}}]}}'
        status, answer = await self.ask("configureAuthorization", body.encode())
        assert (status, answer["success"]) == (200, True), answer
        return entries(answer)[0]["authId"]  # pyright: ignore[reportReturnType]


def entries(answer: dict[str, object]) -> list[dict[str, object]]:
    return msgspec.convert(answer["authConfig"], dict[str, list[dict[str, object]]])["authorizations"]


@pytest.fixture
def broker(sim: RunningSimulators, http: aiohttp.ClientSession) -> Broker:
    return Broker(sim, http)


@pytest.fixture
def services(sim: RunningSimulators, http: aiohttp.ClientSession) -> Broker:
    return Broker(sim, http, BASIC, "/Services/2.0.0")


async def test_the_key_is_verified(broker: Broker, sim: RunningSimulators) -> None:
    """§2A.2, C.6: `{}` lists keys and webhooks; a wrong key is 401, or 408 when switched."""
    status, answer = await broker.ask("selectAuthorization")
    assert status == 200
    assert (answer["success"], answer["reason"], answer["detail"]) == (True, "SUCCESS", "SUCCESS")
    assert entries(answer) == [{"authId": 19, "inboundAuth": False, "apiKey": "out-key"}]
    broker.auth = "Bearer wrong"
    assert await broker.ask("selectAuthorization") == (401, {"success": False, "reason": "UNAUTHORIZED", "detail": "Invalid API key"})
    await sim.control.set_modes("inteliquent", wrong_key="408")
    assert await broker.ask("selectAuthorization") == (408, {"statusCode": "408", "status": "Invalid API key"})


async def test_a_webhook_is_added_listed_and_removed(broker: Broker) -> None:
    """§2A.3, §2A.4, C.7, R157, R158: one entry a number, shown with a leading 1, secrets readable; unknown ids are NOT_FOUND."""
    auth_id = await broker.hook("http://us.example/in", ',"tn":"13125550160","headerName":"X-Hook-Token","headerValue":"9f0c"')
    assert entries((await broker.ask("selectAuthorization"))[1])[1] == {
        "authId": auth_id, "inboundAuth": True, "tn": "13125550160", "headerName": "X-Hook-Token", "headerValue": "9f0c",
        "webhookUrl": "http://us.example/in",
    }  # fmt: skip
    again = await broker.hook("http://us.example/again", ',"tn":"13125550160"')
    assert again != auth_id
    assert (await broker.ask("removeAuthorization", b'{"authorizations":[{"authId":%d}]}' % auth_id))[1]["success"] is True
    missing = await broker.ask("removeAuthorization", b'{"authorizations":[{"authId":"%d"}]}' % auth_id)
    assert missing[1]["reason"] == "NOT_FOUND"
    assert missing[1]["success"] is False


@pytest.mark.parametrize(
    "entry",
    [
        '{"inboundAuth":false,"webhookUrl":"http://us.example/in"}',
        '{"inboundAuth":true,"webhookUrl":"/in"}',
        '{"inboundAuth":true,"webhookUrl":"http://us.example/in","tn":"3125550160"}',
        '{"inboundAuth":true,"webhookUrl":"http://us.example/in","tn":"13125550177"}',
        '{"inboundAuth":true,"webhookUrl":"http://us.example/in","headerName":"X-A"}',
        '{"inboundAuth":true}',
    ],
)
async def test_a_wrong_webhook_is_refused(broker: Broker, entry: str) -> None:
    """§2A.3: eleven digits, absolute URL, header name and value together."""
    status, answer = await broker.ask("configureAuthorization", f'{{"authorizations":[{entry}]}}'.encode())
    assert (status, answer["success"], answer["reason"]) == (200, False, "INVALID_REQUEST")
    assert len(entries((await broker.ask("selectAuthorization"))[1])) == 1


async def test_a_text_is_published(broker: Broker, sim: RunningSimulators) -> None:
    """§2A.5: the answer of the document; the text is in the phone."""
    status, answer = await broker.ask("publishMessages", SEND)
    result = msgspec.convert(answer["result"], dict[str, object])
    assert status == 200
    assert answer["success"] is True
    assert result | {"referenceId": ""} == {
        "referenceId": "", "from": "13125550160", "text": "Your table is ready", "mediaUrls": [], "messageType": "SMS",
        "resultResponses": [{"to": "13125550199", "status": "SUCCESS"}],
    }  # fmt: skip
    texts = await sim.control.phone_messages(PHONE)
    assert [(t.from_, t.text, t.message_id) for t in texts] == [("+13125550160", "Your table is ready", result["referenceId"])]


async def test_media_make_it_mms_and_an_empty_list_does_not(broker: Broker) -> None:
    """§2A.5: mediaUrls non-empty → MMS."""
    body = b'{"from":"13125550160","to":["13125550199"],"text":"Menu","mediaUrls":["http://m.example/ab12/menu.jpg"]}'
    assert msgspec.convert((await broker.ask("publishMessages", body))[1]["result"], dict[str, object])["messageType"] == "MMS"
    body = b'{"from":"13125550160","to":["13125550199"],"text":"Menu","mediaUrls":[]}'
    assert msgspec.convert((await broker.ask("publishMessages", body))[1]["result"], dict[str, object])["messageType"] == "SMS"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"from":"+13125550160","to":["13125550199"],"text":"x"}', "INVALID_REQUEST"),
        (b'{"from":"3125550160","to":["13125550199"],"text":"x"}', "INVALID_REQUEST"),
        (b'{"from":"13125550160","to":"13125550199","text":"x"}', "INVALID_REQUEST"),
        (b'{"from":"13125550160","to":["+13125550199"],"text":"x"}', "INVALID_REQUEST"),
        (b'{"from":"13125550160","to":["13125550199"]}', "INVALID_REQUEST"),
        (b'{"from":"13125550160","to":["13125550199"],"text":"' + b"x" * 1601 + b'"}', "INVALID_REQUEST"),
        (b'{"from":"13125550160","to":["13125550199"],"mediaUrls":["http://m.example/a.exe"]}', "INVALID_REQUEST"),
        (b'{"from":"13125550161","to":["13125550199"],"text":"x"}', "INVALID_FROM"),
        (b'{"from":"13125550177","to":["13125550199"],"text":"x"}', "INVALID_FROM"),
    ],
)
async def test_a_wrong_text_is_refused_inside_a_200(broker: Broker, sim: RunningSimulators, body: bytes, reason: str) -> None:
    """§2A.5, C.8: number forms and limits; failure stands in the envelope; nobody gets anything."""
    status, answer = await broker.ask("publishMessages", body)
    assert (status, answer["success"], answer["reason"]) == (200, False, reason)
    assert await sim.control.phone_messages(PHONE) == []


async def test_what_is_not_json_is_408(broker: Broker) -> None:
    """§2A.1: the one documented error form."""
    assert await broker.ask("publishMessages", b"{") == (408, {"statusCode": "408", "status": "The request is not valid JSON"})
    assert (await broker.ask("publishMessages", SEND, "text/plain"))[0] == 415


async def test_an_inbound_text_prefers_the_number_s_own_entry(broker: Broker, sim: RunningSimulators, receiver: Customer) -> None:
    """§2A.7: own entry, else the company's, else dropped; static header; eleven digits; one tick per text."""
    receiver.content_type, receiver.body = "application/json", '{"statusCode":"200","status":"success"}'
    await sim.control.phone_sends(PHONE, "+13125550160", "Lost")
    await broker.hook(receiver.url + "/company")
    await sim.control.phone_sends(PHONE, "+13125550160", "Company")
    await broker.hook(receiver.url + "/own", ',"tn":"13125550160","headerName":"X-Hook-Token","headerValue":"s3cret"')
    await sim.control.phone_sends(PHONE, "+13125550160", "See you at 7")
    first, second = await receiver.wait(count=2)
    assert (first.path, second.path) == ("/company", "/own")
    assert second.headers["x-hook-token"] == "s3cret"
    body = second.json()
    assert body | {"referenceId": ""} == {
        "referenceId": "", "from": "13125550199", "text": "See you at 7", "deliveryReceipt": False, "to": ["13125550160"], "mediaUrls": [],
    }  # fmt: skip


async def test_the_token_hash_proves_the_key(broker: Broker, sim: RunningSimulators, receiver: Customer) -> None:
    """§2A.8 and B: hex SHA-256 of key and messageID, or the HMAC when switched."""
    key, token = "test-api-key", "7f1f6f0e-2f0b-4a53-9b4a-0a5b1f3f9c11"
    assert token_hash(key, token, "concatenation") == "78cfc50625c4f6e899df1a831905fdb2c5bf1b369eb03671164f8d16d5ccc475"
    assert token_hash(key, token, "hmac") == "200e07cf54bef7704cd4fbf11fecdd96b2b57a5d8a2fd0026b961104eb3d992c"
    await broker.hook(receiver.url, ',"apiKey":"test-api-key"')
    await sim.control.phone_sends(PHONE, "+13125550160", "Hi")
    headers = (await receiver.wait())[0].headers
    assert headers["verificationtoken"] == hashlib.sha256((key + headers["messageid"]).encode()).hexdigest()


async def test_a_webhook_is_tried_three_times(broker: Broker, sim: RunningSimulators, receiver: Customer) -> None:
    """C.10: again on anything but 2xx, with the same body, then given up."""
    await broker.hook(receiver.url)
    receiver.statuses = [500, 302, 503, 200]
    await sim.control.phone_sends(PHONE, "+13125550160", "Hi")
    tries = await receiver.wait(count=3)
    assert len({got.body for got in tries}) == 1
    await asyncio.sleep(0.1)
    assert len(receiver.got) == 3


async def test_a_receipt_comes_when_the_account_wants_it(broker: Broker, services: Broker, sim: RunningSimulators, receiver: Customer) -> None:
    """§2A.7, §2B.6, C.11: SMPP text, referenceId of the publish, from = handset; none when msgDeliveryReceipt is N."""
    await broker.hook(receiver.url)
    answer = (await broker.ask("publishMessages", SEND))[1]
    reference = msgspec.convert(answer["result"], dict[str, object])["referenceId"]
    receipt = (await receiver.wait())[0].json()
    assert (receipt["referenceId"], receipt["deliveryReceipt"]) == (reference, True)
    assert (receipt["from"], receipt["to"]) == ("13125550199", ["13125550160"])
    assert str(receipt["text"]).startswith(f"id:{str(reference)[:8]} sub:001 dlvrd:001 submit date:")
    assert str(receipt["text"]).endswith(" stat:DELIVRD err:000 text:")
    off = b'{"privateKey":"svc-key","customerDefault":{"msgDeliveryReceipt":"N"}}'
    assert (await services.ask("accountDefault", off))[1] == {"status": "Success", "statusCode": "200"}
    await broker.ask("publishMessages", SEND)
    await asyncio.sleep(0.08)
    assert len(receiver.got) == 1
    assert len(await sim.control.phone_messages(PHONE)) == 2


async def test_services_verify_the_credentials(services: Broker) -> None:
    """§2B.1–2B.3: Basic and privateKey; each failure has its own code."""
    status, answer = await services.ask("accountDefaultDetail", b'{"privateKey":"svc-key"}')
    detail = msgspec.convert(answer["accountDefaultDetail"], dict[str, str])
    assert (status, answer["status"], answer["statusCode"], detail["msgDeliveryReceipt"]) == (200, "Success", "200", "Y")
    assert (await services.ask("accountDefaultDetail", b'{"privateKey":""}'))[1]["statusCode"] == "408"
    assert (await services.ask("accountDefaultDetail", b'{"privateKey":"x"}'))[1]["statusCode"] == "409"
    services.auth = "Basic " + base64.b64encode(b"svc-key:wrong").decode()
    status, answer = await services.ask("accountDefaultDetail", b'{"privateKey":"svc-key"}')
    assert (status, answer["statusCode"], answer["message"]) == (401, "401001", "Invalid authentication information provided")


async def test_oauth_gives_a_token(services: Broker, sim: RunningSimulators, http: aiohttp.ClientSession) -> None:
    """§2B.1: client credentials; a wrong bearer is an XML fault."""
    form = {"client_id": "svc-key", "client_secret": "svc-secret", "grant_type": "client_credentials"}
    async with http.post(f"{sim.url}/inteliquent/oauth2/token", data=form) as answer:
        token = msgspec.json.decode(await answer.read(), type=dict[str, object])
    assert token["token_type"] == "bearer"
    services.auth = f"Bearer {token['access_token']}"
    assert (await services.ask("accountDefaultDetail", b'{"privateKey":"svc-key"}'))[0] == 200
    async with http.post(f"{services.base}/tnDetail", json={}, headers={"Authorization": "Bearer wrong"}) as answer:
        assert answer.status == 401
        assert "<ams:code>900901</ams:code>" in await answer.text()
    async with http.post(f"{sim.url}/inteliquent/oauth2/token", data=form | {"client_secret": "x"}) as answer:
        assert answer.status == 401
        assert "error_description" in await answer.text()


def search(mask: str, size: int = 10) -> bytes:
    sort = {"page": 1, "size": size, "direction": "asc", "property": "tn"}
    return msgspec.json.encode({"privateKey": "svc-key", "tnSearchList": {"tnSearchItem": [{"tnMask": mask}]}, "pageSort": sort})


async def test_a_number_is_found_by_ten_digits(services: Broker) -> None:
    """§2B.4: in service with messaging, owned without messaging, not found 430; size over 10000 is 417."""
    status, answer = await services.ask("tnDetail", search("3125550160"))
    assert (status, answer["page"], answer["totalPages"], answer["totalItems"]) == (200, "1", "1", "1")
    item = msgspec.convert(answer["tnList"], dict[str, list[dict[str, object]]])["tnItem"][0]
    assert (item["tn"], item["tnStatus"]) == ("3125550160", "In Service")
    feature = msgspec.convert(item["tnFeature"], dict[str, dict[str, str]])
    assert feature["messaging"] == {"messageClass": "P2P", "messageType": "SMSMMS", "netNumberId": "103242"}
    other = msgspec.convert((await services.ask("tnDetail", search("3125550161")))[1]["tnList"], dict[str, list[dict[str, object]]])["tnItem"][0]
    assert msgspec.convert(other["tnFeature"], dict[str, dict[str, str]])["messaging"] == {}
    assert (await services.ask("tnDetail", search("31255501xx")))[1]["totalItems"] == "2"
    assert (await services.ask("tnDetail", search("3125550177")))[1] == {"statusCode": "430", "status": "No Result Found"}
    assert (await services.ask("tnDetail", search("13125550160")))[1]["statusCode"] == "409"
    assert (await services.ask("tnDetail", search("3125550160", 10001)))[1]["statusCode"] == "417"
    assert "3125550160" not in str((await services.ask("tnInventory", b'{"privateKey":"svc-key"}'))[1])


async def test_messaging_is_enabled_and_removed(broker: Broker, services: Broker) -> None:
    """§2B.5: synchronous; 414 for missing fields, 425 for a stranger's number; sending follows at once."""
    base = '{"privateKey":"svc-key","tn":"%s","messageClass":"P2P","messageType":"SMSMMS"%s}'
    assert (await services.ask("tnMessaging", (base % ("3125550161", "")).encode()))[1]["statusCode"] == "200"
    send = SEND.replace(b"5550160", b"5550161")
    assert (await broker.ask("publishMessages", send))[1]["success"] is True
    await services.ask("tnMessaging", (base % ("3125550161", ',"removeMessaging":"Y"')).encode())
    assert (await broker.ask("publishMessages", send))[1]["reason"] == "INVALID_FROM"
    assert (await services.ask("tnMessaging", (base % ("3125550177", "")).encode()))[1]["statusCode"] == "425"
    assert (await services.ask("tnMessaging", b'{"privateKey":"svc-key","tn":"3125550161"}'))[1]["statusCode"] == "414"


async def test_records_have_no_reference_id(broker: Broker, services: Broker, sim: RunningSimulators) -> None:
    """§2B.7: found by source, destination and time only; 430 when nothing matches."""
    await broker.ask("publishMessages", SEND)
    await sim.control.phone_sends(PHONE, "+13125550160", "Hi")
    span = b'"startDate":"2020-01-01T00:00:00.000Z","endDate":"2099-01-01T00:00:00.000Z"'
    status, answer = await services.ask("messageDetailSearch", b'{"privateKey":"svc-key",' + span + b',"direction":"Outbound"}')
    rows = msgspec.convert(answer["messageDetails"], list[dict[str, str]])
    assert status == 200
    assert [(r["source"], r["destination"]) for r in rows] == [("13125550160", "13125550199")]
    assert set(rows[0]) == {
        "operator",
        "country",
        "region",
        "gateWay",
        "messageType",
        "source",
        "destination",
        "status",
        "statusCode",
        "description",
    }
    none = await services.ask("messageDetailSearch", b'{"privateKey":"svc-key",' + span + b',"sourceTn":"3125550177"}')
    assert none[1]["statusCode"] == "430"


async def test_a_picture_comes_with_a_layout_file(broker: Broker, sim: RunningSimulators, receiver: Customer, http: aiohttp.ClientSession) -> None:
    """§2A.7: mediaUrls hold a .smil file too; files are fetched without credentials."""
    await broker.hook(receiver.url)
    data = base64.b64encode(b"GIF89a").decode()
    await sim.control.phone_sends(PHONE, "+13125550160", "", [{"data": data, "content_type": "image/gif"}])
    urls = msgspec.convert((await receiver.wait())[0].json()["mediaUrls"], list[str])
    assert [url.rsplit(".", 1)[-1] for url in urls] == ["smil", "gif"]
    async with http.get(urls[1]) as answer:
        assert (answer.content_type, await answer.read()) == ("image/gif", b"GIF89a")
