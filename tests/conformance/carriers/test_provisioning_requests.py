"""The exact requests that provisioning makes, against literal answers: what must never be sent matters most here."""

import json
from collections.abc import Awaitable, Callable

from conformance.carriers.harness import ACCOUNT, HARNESSES, Received, Stub, http, stubbed
from kereru.carriers.contract import (
    INTELIQUENT,
    RESTCOMM,
    CarrierAdapter,
    CarrierKind,
    Done,
    NumberFound,
    PlatformAccess,
    Problem,
    StandingWebhook,
    WebhookSet,
)
from kereru.carriers.registry import Carriers
from kereru.kernel.clock import SystemClock
from kereru.kernel.http_client import CarrierClient
from kereru.kernel.secrets import Secret

Call = Callable[[CarrierAdapter, PlatformAccess], Awaitable[object]]
NUMBER = {"sid": "PN1", "account_sid": ACCOUNT, "phone_number": "+12015550110", "capabilities": {"sms_capable": True, "mms_capable": False}}
GOOD = {"success": True, "reason": "SUCCESS", "detail": "SUCCESS"}
KEY = {"authId": 19, "inboundAuth": False, "apiKey": "k", "tn": "13125550142"}
COMPANY = {"authId": 20, "inboundAuth": True, "webhookUrl": "https://other.example/in"}
OLD = {"authId": 21, "inboundAuth": True, "tn": "3125550142", "webhookUrl": "https://old.example/in", "headerName": "X", "headerValue": "y"}
OTHER = {"authId": "22", "inboundAuth": True, "tn": "13125550143", "webhookUrl": "https://sms.example/in"}
NEW = {"authId": 23, "inboundAuth": True, "tn": "13125550142", "webhookUrl": "https://sms.example/in"}


def as_json(value: object, status: int = 200) -> bytes:
    """A JSON answer."""
    return http(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def entries(*listed: object) -> bytes:
    """The broker's list."""
    return as_json({**GOOD, "authConfig": {"authorizations": listed}})


async def asked(kind: CarrierKind, call: Call, *answers: bytes) -> tuple[object, list[Received]]:
    """What `call` makes of those answers, and which requests it made."""
    async with stubbed(*answers) as stub:
        return await _within(stub, kind, call), stub.received


async def _within(stub: Stub, kind: CarrierKind, call: Call) -> object:
    async with CarrierClient(allow_private_hosts=(stub.url.removeprefix("http://"),)) as client:
        return await call(Carriers(client, SystemClock()).of(kind), HARNESSES[kind].access(stub.url))


async def test_restcomm_sets_the_url_and_unbinds_the_application():
    """§1.4: an application would win over SmsUrl."""
    found, (update,) = await asked(
        RESTCOMM, lambda a, p: a.set_webhook(p, "+12015550110", "https://sms.example/in", Secret("s"), "PN1"), as_json(NUMBER)
    )
    assert found == WebhookSet("PN1")
    assert update.path.endswith(f"/Accounts/{ACCOUNT}/IncomingPhoneNumbers/PN1.json")
    assert update.content() == {"SmsUrl": "https://sms.example/in", "SmsMethod": "POST", "SmsApplicationSid": ""}


async def test_restcomm_removes_the_url_and_never_the_number():
    """§1.4: DELETE would release the number."""
    found, requests = await asked(
        RESTCOMM, lambda a, p: a.remove_webhook(p, "+12015550110", None), as_json({"incomingPhoneNumbers": [NUMBER]}), as_json(NUMBER)
    )
    assert found == Done()
    assert [request.method for request in requests] == ["GET", "POST"]
    assert requests[1].content() == {"SmsUrl": ""}


async def test_restcomm_lists_numbers_in_three_shapes():
    """§1.3: a bare array, and either key."""
    near = {**NUMBER, "sid": "PN0", "phone_number": "+120155501100"}
    for shape in ([near, NUMBER], {"incomingPhoneNumbers": [near, NUMBER]}, {"incoming_phone_numbers": [near, NUMBER]}):
        found, (request,) = await asked(RESTCOMM, lambda a, p: a.find_number(p, "+12015550110"), as_json(shape))
        assert found == NumberFound("ready", "PN1", mms=False)
        assert "PhoneNumber=%2B12015550110" in request.path
    found, _ = await asked(RESTCOMM, lambda a, p: a.find_number(p, "+12015550110"), as_json([near]))
    assert found == NumberFound("absent")


async def test_restcomm_tells_an_inactive_account():
    """§1.2."""
    for answer in (http(403, b"Provided Account is not active"), as_json({"sid": ACCOUNT, "status": "suspended"})):
        found, _ = await asked(RESTCOMM, lambda a, p: a.verify_credentials(p), answer)
        assert isinstance(found, Problem)
        assert (found.code, found.account_problem) == ("account_inactive", True)


async def test_inteliquent_adds_first_and_then_removes_only_the_numbers_older_webhooks():
    """§2A.3, §2A.4: never a key, never the company's entry, never another number's."""
    found, requests = await asked(
        INTELIQUENT,
        lambda a, p: a.set_webhook(p, "+13125550142", "https://sms.example/in", Secret("s3"), None),
        entries(KEY, COMPANY, OLD, OTHER),
        entries(NEW),
        as_json(GOOD),
    )
    assert found == WebhookSet("23")
    assert [request.path.rsplit("/", 1)[1] for request in requests] == ["selectAuthorization", "configureAuthorization", "removeAuthorization"]
    entry = {"inboundAuth": True, "tn": "13125550142", "webhookUrl": "https://sms.example/in", "headerName": "X-Hook-Token", "headerValue": "s3"}
    assert requests[1].content() == {"authorizations": [entry]}
    assert requests[2].content() == {"authorizations": [{"authId": 21}]}


async def test_inteliquent_finds_its_own_webhook_again():
    """A repeated job adds nothing; what else stands for the number is cleared."""
    ours = {**NEW, "headerName": "X-Hook-Token", "headerValue": "s3"}
    found, requests = await asked(
        INTELIQUENT,
        lambda a, p: a.set_webhook(p, "+13125550142", "https://sms.example/in", Secret("s3"), None),
        entries(ours, OLD),
        as_json(GOOD),
    )
    assert found == WebhookSet("23")
    assert [request.path.rsplit("/", 1)[1] for request in requests] == ["selectAuthorization", "removeAuthorization"]
    assert requests[1].content() == {"authorizations": [{"authId": 21}]}


async def test_inteliquent_never_removes_a_key():
    """§2A.4: removing an outbound entry deletes an API key, even when it carries the number."""
    found, requests = await asked(INTELIQUENT, lambda a, p: a.remove_webhook(p, "+13125550142", None), entries(KEY, COMPANY, OTHER))
    assert found == Done()
    assert len(requests) == 1
    found, requests = await asked(INTELIQUENT, lambda a, p: a.remove_webhook(p, "+13125550142", "19"), entries(KEY, OLD))
    assert found == Done()
    assert len(requests) == 1


async def test_inteliquent_reads_the_code_in_the_body():
    """§2B.2: not the HTTP status; 430 is "not found", an empty list too."""
    for answer in (as_json({"statusCode": "430", "status": "No Result Found"}), as_json({"statusCode": "430"}, 430), as_json({"statusCode": "200"})):
        found, (request,) = await asked(INTELIQUENT, lambda a, p: a.find_number(p, "+13125550142"), answer)
        assert found == NumberFound("absent")
        body = request.content()
        assert isinstance(body, dict)
        assert body["tnSearchList"] == {"tnSearchItem": [{"tnMask": "3125550142"}]}
        assert body["privateKey"] == "svc-key"
    found, _ = await asked(INTELIQUENT, lambda a, p: a.find_number(p, "+13125550142"), as_json({"statusCode": "431", "status": "later"}))
    assert isinstance(found, NumberFound)
    assert found.problem is not None
    assert found.problem.temporary


async def test_inteliquent_tells_a_number_that_is_not_in_service():
    """§2B.4: usable is In Service with messaging."""
    cases: tuple[tuple[str, dict[str, dict[str, str]], str], ...] = (
        ("In Service", {"messaging": {"messageClass": "P2P", "messageType": "SMSMMS"}}, "ready"),
        ("INSVC", {"messaging": {"messageClass": "P2P", "messageType": "SMS"}}, "ready"),
        ("In Service", {"messaging": {}}, "without_messaging"),
        ("In Service", {}, "without_messaging"),
        ("Pending Disconnect", {"messaging": {"messageClass": "P2P", "messageType": "SMS"}}, "problem"),
    )
    for status, feature, expected in cases:
        item = {"tn": "3125550142", "tnStatus": status, "tnFeature": feature}
        found, _ = await asked(
            INTELIQUENT, lambda a, p: a.find_number(p, "+13125550142"), as_json({"statusCode": "200", "tnList": {"tnItem": [item]}})
        )
        assert isinstance(found, NumberFound)
        assert found.status == expected
        assert found.mms == (feature.get("messaging", {}).get("messageType") == "SMSMMS")


async def test_restcomm_lists_where_each_number_leads():
    """§1.3, §1.4: page by page; an application that is bound wins over the URL."""
    full = [{"sid": f"PN{at}", "phone_number": f"+1201555{at:04d}", "sms_url": "https://sms.example/in"} for at in range(50)]
    last = [
        {**NUMBER, "sms_url": "https://sms.example/in", "sms_application_sid": "AP1"},
        {**NUMBER, "phone_number": "+12015550111", "sms_url": None},
    ]
    found, requests = await asked(
        RESTCOMM, lambda a, p: a.list_webhooks(p), as_json({"incomingPhoneNumbers": full}), as_json({"incomingPhoneNumbers": last})
    )
    assert isinstance(found, dict)
    assert len(found) == 52
    assert found["+12015550000"] == (StandingWebhook("https://sms.example/in"),)
    assert found["+12015550110"] == found["+12015550111"] == (StandingWebhook(None),)
    assert [request.path.rsplit("?", 1)[1] for request in requests] == ["PageSize=50&Page=0", "PageSize=50&Page=1"]
    found, _ = await asked(RESTCOMM, lambda a, p: a.list_webhooks(p), as_json({"incomingPhoneNumbers": full}), http(500))
    assert isinstance(found, Problem)


async def test_inteliquent_lists_where_each_number_leads():
    """§2A.3: neither keys nor the company's entry; the header's value only where the header is ours."""
    ours = {**NEW, "headerName": "X-Hook-Token", "headerValue": "s3"}
    found, (request,) = await asked(INTELIQUENT, lambda a, p: a.list_webhooks(p), entries(KEY, COMPANY, OLD, ours, OTHER))
    assert found == {
        "+13125550142": [StandingWebhook("https://old.example/in", Secret("")), StandingWebhook("https://sms.example/in", Secret("s3"))],
        "+13125550143": [StandingWebhook("https://sms.example/in", Secret(""))],
    }
    assert request.path.endswith("/selectAuthorization")
