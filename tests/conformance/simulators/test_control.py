"""The control API, consoles, mailbox and page over real HTTP (design §8, R94-R98, R157, R193)."""

import re
import smtplib
from asyncio import to_thread
from email.message import EmailMessage

import aiohttp
import msgspec
import pytest
from yarl import URL

from kereru.simulators.testing import RunningSimulators

PHONE = "+12025550142"


async def ask(http: aiohttp.ClientSession, method: str, url: str, body: object = None, **headers: str) -> tuple[int, dict[str, object]]:
    data = None if body is None else msgspec.json.encode(body)
    async with http.request(method, URL(url, encoded=True), data=data, headers=headers) as answer:
        content = await answer.read()
        return answer.status, msgspec.json.decode(content, type=dict[str, object]) if content else {}


def items(answer: dict[str, object]) -> list[dict[str, object]]:
    return msgspec.convert(answer["items"], list[dict[str, object]])


async def test_a_phone_shows_what_it_sent_and_received(sim: RunningSimulators, http: aiohttp.ClientSession) -> None:
    """`+` comes as %2B; the shape of design §8; oldest first; `after` pages on."""
    url = f"{sim.url}/phones/%2B12025550142/messages"
    status, sent = await ask(http, "POST", url, {"to": "+13125550160", "text": "Is the blue one still there?"})
    assert (status, sent["direction"], sent["from"], sent["to"]) == (201, "out", PHONE, "+13125550160")
    status, page = await ask(http, "GET", url)
    assert status == 200
    assert [(m["direction"], m["text"], m["media"]) for m in items(page)] == [("out", "Is the blue one still there?", [])]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(items(page)[0]["at"]))
    assert items((await ask(http, "GET", f"{url}?after={sent['id']}"))[1]) == []


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/phones/%2B12025550142/messages", {"to": "+13125550177", "text": "x"}, 404, "nobody_has_this_number"),
        ("/phones/%2B12025550142/messages", {"to": "+13125550161", "text": "x"}, 404, "nobody_has_this_number"),
        ("/phones/%2B12025550142/messages", {"to": "+13125550160", "text": ""}, 422, "empty_text"),
        ("/phones/%2B12025550142/messages", {"to": "+13125550160", "words": "x"}, 422, "invalid"),
        ("/phones/5550142/messages", {"to": "+13125550160", "text": "x"}, 422, "not_a_number"),
        ("/faults", {"carrier": "restcomm", "kind": "explode"}, 422, "invalid"),
        ("/faults", {"carrier": "restcomm", "kind": "error", "count": 0}, 422, "invalid"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_words(
    sim: RunningSimulators, http: aiohttp.ClientSession, path: str, body: object, status: int, code: str
) -> None:
    """Errors are problem+json with a stable code."""
    got, answer = await ask(http, "POST", sim.url + path, body)
    assert (got, answer["code"]) == (status, code)
    assert str(answer["title"]).endswith((".", "`"))


async def test_another_site_s_page_changes_nothing(sim: RunningSimulators, http: aiohttp.ClientSession) -> None:
    """A browser's cross-site request is refused; scripts, which send neither header, are not."""
    fault = {"carrier": "restcomm", "kind": "error"}
    assert (await ask(http, "POST", f"{sim.url}/faults", fault, Origin="http://evil.example"))[0] == 403
    assert (await ask(http, "POST", f"{sim.url}/faults", fault, **{"Sec-Fetch-Site": "cross-site"}))[0] == 403
    assert (await ask(http, "POST", f"{sim.url}/faults", fault))[0] == 201


async def test_faults_are_listed_and_taken_away_one_by_one(sim: RunningSimulators, http: aiohttp.ClientSession) -> None:
    """GET shows what is left; DELETE /faults/{id} takes one; DELETE takes all."""
    first = await sim.control.add_fault("restcomm", "error", count=3)
    await sim.control.add_fault("inteliquent", "slow")
    listed = items((await ask(http, "GET", f"{sim.url}/faults"))[1])
    assert [(f["carrier"], f["kind"], f["left"]) for f in listed] == [("restcomm", "error", 3), ("inteliquent", "slow", None)]
    assert (await ask(http, "DELETE", f"{sim.url}/faults/{first}"))[1] == {"taken": 1}
    assert (await ask(http, "DELETE", f"{sim.url}/faults"))[1] == {"taken": 1}


async def test_the_ledger_keeps_order_and_hides_secrets(sim: RunningSimulators, http: aiohttp.ClientSession) -> None:
    """Every request with method, path, body, answer and time; keys and tokens are masked; control calls are not in it."""
    broker = f"{sim.url}/inteliquent/msgbroker/rest"
    auth = {"Authorization": "Bearer out-key", "Content-Type": "application/json"}
    await ask(http, "POST", f"{broker}/selectAuthorization", {}, **auth)
    await ask(http, "POST", f"{broker}/publishMessages", {"from": "13125550160", "to": ["12025550142"], "text": "Hi é"}, **auth)
    await ask(http, "GET", f"{sim.url}/restcomm/2012-04-24/Accounts/none.json")
    status, page = await ask(http, "GET", f"{sim.url}/ledger?carrier=inteliquent")
    first, second = items(page)
    assert status == 200
    assert "out-key" not in str(page)
    assert (first["method"], first["path"]) == ("POST", "/inteliquent/msgbroker/rest/selectAuthorization")
    assert second["body"] == {"from": "13125550160", "to": ["12025550142"], "text": "Hi é"}
    assert msgspec.convert(second["answer"], dict[str, object])["status"] == 200
    assert [e["carrier"] for e in items((await ask(http, "GET", f"{sim.url}/ledger"))[1])] == ["inteliquent", "inteliquent", "restcomm"]
    assert len(items((await ask(http, "GET", f"{sim.url}/ledger?after={second['id']}"))[1])) == 1


async def test_modes_are_set_by_carrier(sim: RunningSimulators, http: aiohttp.ClientSession) -> None:
    """PUT /modes changes what is named and refuses what it does not know (appendix C: each assumption can be switched)."""
    status, modes = await ask(http, "PUT", f"{sim.url}/modes", {"carrier": "restcomm", "long_text": "strict"})
    assert status == 200
    assert {m["long_text"] for m in msgspec.convert(modes["restcomm"], dict[str, dict[str, object]]).values()} == {"strict"}
    assert (await ask(http, "PUT", f"{sim.url}/modes", {"carrier": "restcomm", "colour": "red"}))[0] == 422
    assert (await ask(http, "PUT", f"{sim.url}/modes", {"receipt_delay_ms": 1}))[0] == 200


async def test_the_console_filters_and_details_messages(sim: RunningSimulators, http: aiohttp.ClientSession) -> None:
    """R94-R98: filters, inbound is received, detail with id, characters and segments; the account by e-mail (R95)."""
    for text in ("Hello", "Yes, see you at 7", "Zażółć"):
        await sim.control.phone_sends(PHONE, "+13125550142", text)
    rows = items((await ask(http, "GET", f"{sim.url}/console/restcomm/messages?body=see%20you"))[1])
    assert [(r["direction"], r["status"], r["body"]) for r in rows] == [("inbound", "received", "Yes, see you at 7")]
    first = items((await ask(http, "GET", f"{sim.url}/console/restcomm/messages?limit=2"))[1])
    assert [r["body"] for r in first] == ["Zażółć", "Yes, see you at 7"]
    for account, count in (("ops@phones.example", 3), ("child@phones.example", 0), ("nobody@phones.example", 0)):
        assert len(items((await ask(http, "GET", f"{sim.url}/console/restcomm/messages?account={account}"))[1])) == count
    assert items((await ask(http, "GET", f"{sim.url}/console/restcomm/messages?end=2020-01-01T00:00:00Z"))[1]) == []
    detail = (await ask(http, "GET", f"{sim.url}/console/restcomm/messages/{first[0]['id']}"))[1]
    assert (detail["characters"], detail["segments"], detail["encoding"]) == (6, 1, "ucs2")


async def test_keys_are_generated_and_deleted(sim: RunningSimulators, http: aiohttp.ClientSession) -> None:
    """R193: Generate API key makes one that works; deleting it shuts it out."""
    status, key = await ask(http, "POST", f"{sim.url}/console/inteliquent/svc-key/keys")
    url = f"{sim.url}/inteliquent/msgbroker/rest/selectAuthorization"
    auth = {"Authorization": f"Bearer {key['key']}", "Content-Type": "application/json"}
    assert status == 201
    assert (await ask(http, "POST", url, {}, **auth))[0] == 200
    assert (await ask(http, "DELETE", f"{sim.url}/console/inteliquent/svc-key/authorizations/{key['auth_id']}"))[0] == 204
    assert (await ask(http, "POST", url, {}, **auth))[0] == 401


async def test_mail_is_kept_and_shown(sim: RunningSimulators, http: aiohttp.ClientSession) -> None:
    """Whatever is mailed is at /mail/messages, both parts decoded."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "kereru@southernphone.example", "ana@bluedoor.example", "Willkommen, Ana – schön"
    mail.set_content("Your link: http://localhost:8000/start?t=abc\n")
    mail.add_alternative("<p>Your <b>link</b></p>", subtype="html")

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", sim.smtp_port) as server:
            server.send_message(mail)

    await to_thread(send)
    (got,) = items((await ask(http, "GET", f"{sim.url}/mail/messages"))[1])
    assert (got["from"], got["to"], got["subject"]) == ("kereru@southernphone.example", ["ana@bluedoor.example"], "Willkommen, Ana – schön")
    assert "http://localhost:8000/start?t=abc" in str(got["text"])
    assert "<b>link</b>" in str(got["html"])


async def test_the_page_is_strict_about_where_things_come_from(sim: RunningSimulators, http: aiohttp.ClientSession) -> None:
    """No inline script or style, no other host; every file the page names is there."""
    async with http.get(f"{sim.url}/") as answer:
        html = await answer.text()
        policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*src=)|style=|https?://", html)
    for path in re.findall(r'(?:src|href)="(/page/[^"]+)"', html):
        async with http.get(sim.url + path) as answer:
            assert answer.status == 200, path
    async with http.get(f"{sim.url}/mail") as answer:
        assert answer.status == 200
    assert (await ask(http, "GET", f"{sim.url}/page/..%2f__init__.py"))[0] == 404


async def test_live_events_tell_of_changes(sim: RunningSimulators, http: aiohttp.ClientSession) -> None:
    """/events is a text/event-stream that names what changed."""
    async with http.get(f"{sim.url}/events") as answer:
        assert answer.content_type == "text/event-stream"
        assert (await answer.content.readline()).startswith(b"retry")
        await sim.control.phone_sends(PHONE, "+13125550160", "Hello")
        topics: list[bytes] = []
        while b'"phone"' not in b"".join(topics):
            topics.append(await answer.content.readline())
