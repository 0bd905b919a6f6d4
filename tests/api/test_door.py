"""The application from outside: signing in by HTTP, what is refused at the door, what every answer carries (bad inputs 39 to 55, 94 to 99)."""

import asyncio
import dataclasses
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import msgspec
import pytest
import pytest_asyncio
from litestar import get, post
from pyotp.totp import TOTP

from kereru.api.dispatcher import SOCKET
from kereru.api.health import PROBE_EVERY_S
from kereru.kernel.clock import ManualClock
from kereru.kernel.db import INSTALLATION, ProviderScope
from kereru.kernel.logging import configure
from kereru.kernel.settings import Settings
from kereru.migrations.runner import head
from kereru.tenancy import commands
from kereru.tenancy.access import second_factor
from kereru.tenancy.policy import ANYONE, policy

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "correct horse"
SESSION = "/api/v1/session"


@dataclass(frozen=True)
class Gus:
    """Somebody with a password."""

    provider_id: int
    email: str


@pytest_asyncio.fixture(loop_scope="module")
async def gus(stage) -> Gus:
    """A new one for each test."""
    async with stage.database.transaction(INSTALLATION) as tx:
        made = await commands.create_provider(tx, "Western Phone Co.")
        email = f"gus{made.provider_id}@people.example"
        group = await commands.create_group(tx, made.provider_id, made.direct_reseller_id, "Gus Ltd")
        await commands.create_user(tx, made.provider_id, group, "Gus", email, PASSWORD, "GB", timezone="Europe/London")
    return Gus(made.provider_id, email)


async def test_signing_in_and_out_by_cookie(stage, gus: Gus) -> None:
    """Design §7, §9: server-side session, plain HttpOnly SameSite=Lax cookie on http."""
    async with stage.client() as client:
        answer = await client.post(SESSION, json={"email": gus.email, "password": PASSWORD})
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"].lower()
        assert cookie.startswith("kereru_session=")
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "path=/" in cookie
        assert "secure" not in cookie
        assert "domain" not in cookie
        said = answer.json()
        assert said["user"] | {"id": ""} == {
            "id": "", "name": "Gus", "email": gus.email, "language": "en", "timezone": "Europe/London", "region": "GB",
        }  # fmt: skip
        assert (said["roles"], said["can"]) == ([], ["licence.read", "conversations.read", "opt_in.answer", "messages.send"])
        # Recovery codes are shown in the moment they are made, and never again.
        assert (await client.get(SESSION)).json() | {"recovery_codes": []} == said
        left = await client.delete(SESSION)
        assert left.status_code == 204
        assert "max-age=0" in left.headers["set-cookie"].lower()
        assert (await client.get(SESSION)).status_code == 401
        assert (await client.delete(SESSION)).status_code == 204


async def test_cookies_over_https(stage, gus: Gus) -> None:
    """Design §9: over https the `__Host-` cookie, Secure, and no other is listened to."""
    settings = Settings(public_url="https://text.southern.example")
    transport = httpx.ASGITransport(dataclasses.replace(stage, settings=settings).application())
    async with httpx.AsyncClient(transport=transport, base_url="https://text.southern.example") as client:
        answer = await client.post(SESSION, json={"email": gus.email, "password": PASSWORD})
        assert answer.headers["set-cookie"].startswith("__Host-kereru_session=")
        assert "secure" in answer.headers["set-cookie"].lower()
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        assert (await client.get(SESSION)).status_code == 200
        token = client.cookies["__Host-kereru_session"]
        client.cookies.clear()
        assert (await client.get(SESSION, headers={"cookie": f"kereru_session={token}"})).status_code == 401


async def test_signing_in_again_ends_the_session_the_browser_came_with(stage, gus: Gus) -> None:
    """Bad input 96: fixation, old cookie."""
    async with stage.client() as client:
        await client.post(SESSION, json={"email": gus.email, "password": PASSWORD})
        first = client.cookies["kereru_session"]
        await client.post(SESSION, json={"email": gus.email, "password": PASSWORD})
        assert client.cookies["kereru_session"] != first
    async with stage.client(headers={"cookie": f"kereru_session={first}"}) as old:
        assert (await old.get(SESSION)).status_code == 401
    async with stage.client(headers={"cookie": "kereru_session=7.chosen-by-a-stranger"}) as planted:
        answer = await planted.post(SESSION, json={"email": gus.email, "password": PASSWORD})
        assert "chosen-by-a-stranger" not in answer.headers["set-cookie"]


async def test_odd_neighbours_do_not_hide_our_cookie(stage) -> None:
    cookie = stage.people["ana"].headers["cookie"]
    async with stage.client(headers={"cookie": f'odd="; \x7f=1; a[b]={{}}; {cookie}; last'}) as client:
        assert (await client.get(SESSION)).status_code == 200


async def test_wrong_ways_in_by_http(stage, gus: Gus) -> None:
    """Bad input 95: the same status, words and shape for an unknown address and a wrong password."""
    async with stage.client() as client:
        answers = [
            await client.post(SESSION, json=body)
            for body in ({"email": gus.email, "password": "nope nope"}, {"email": "eve@x.example", "password": PASSWORD})
        ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["code"] == "wrong_sign_in"
    assert "set-cookie" not in answers[0].headers


async def test_throttling_by_http(stage, gus: Gus) -> None:
    """Bad inputs 55, 94: 429 with Retry-After; a made-up X-Forwarded-For buys no more tries."""
    async with stage.client() as client:
        answers = [
            await client.post(SESSION, json={"email": gus.email, "password": f"guess {at}"}, headers={"x-forwarded-for": f"203.0.113.{at}"})
            for at in range(11)
        ]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 61
    assert answers[-1].json()["code"] == "too_many_tries"


async def test_second_factor_by_http(stage, gus: Gus) -> None:
    async with stage.database.transaction(ProviderScope(gus.provider_id)) as tx:
        sign_in_id = await tx.value("SELECT id FROM sign_in")
        secret = await second_factor.add(tx, stage.sealer, gus.provider_id, sign_in_id)
    code = TOTP(secret.reveal()).now()
    async with stage.client() as client:
        first = await client.post(SESSION, json={"email": gus.email, "password": PASSWORD})
        assert (first.status_code, first.json()["code"]) == (401, "code_needed")
        assert (await client.post(SESSION, json={"email": gus.email, "password": PASSWORD, "code": code})).status_code == 200
        again = await client.post(SESSION, json={"email": gus.email, "password": PASSWORD, "code": code})
        assert (again.status_code, again.json()["code"]) == (401, "wrong_code")


async def test_log_out_is_felt_by_other_processes_within_five_seconds(stage) -> None:
    """G26, in real time: another process that has just seen the session lets it go."""
    here, there = stage.application(), stage.application()
    async with stage.client("dev", app=here) as dev, stage.client("dev", app=there) as elsewhere:
        assert (await elsewhere.get(SESSION)).status_code == 200
        assert (await dev.delete(SESSION)).status_code == 204
        assert (await dev.get(SESSION)).status_code == 401
        began = time.monotonic()
        while (await elsewhere.get(SESSION)).status_code == 200:
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(("content", "headers", "status", "code"), [
    ('{"email":"a@b.example","email":"c@d.example","password":"x"}', {}, 400, "malformed"),                       # 39
    ('{"email":NaN,"password":"x"}', {}, 400, "malformed"), ('{"email":1e999,"password":"x"}', {}, 422, "invalid"),  # 40
    ('{"email":9223372036854775808,"password":"x"}', {}, 422, "invalid"),                                         # 40
    ("[" * 100_000, {}, 400, "malformed"), ('{"a":' * 100_000, {}, 400, "malformed"),                              # 41
    ('"' + "x" * 1_100_000 + '"', {}, 413, "too_large"), ("{}", {"content-length": "99999999999"}, 413, "too_large"),  # 42
    ("x", {"content-encoding": "gzip"}, 415, "not_json"),                                                         # 43
    ('{"email":"a@b.example","password":"x"}', {"content-type": "text/plain"}, 415, "not_json"),                  # 44
    ('{"email":"a@b.example","password":"x","role":"provider"}', {}, 422, "invalid"),                             # 45
    ('{"email":"a@b.example","password":"x","tenant_id":1}', {}, 422, "invalid"),                                 # 45
    ('{"email":true,"password":"x"}', {}, 422, "invalid"), ("[]", {}, 422, "invalid"), ("", {}, 422, "invalid"),  # 46
    ('{"email":"a@b.example","password":"\\ud800"}', {}, 422, "invalid"), ("{", {}, 400, "malformed"),            # 9
    ('{"email":"a@b.example"}', {}, 422, "invalid"), ("\ufeff{}", {}, 400, "malformed"),
])  # fmt: skip
async def test_bodies(stage, content: str, headers: dict[str, str], status: int, code: str) -> None:
    """Bad inputs 9, 39 to 46, each on the open door of the house."""
    async with stage.client() as client:
        answer = await client.post(SESSION, content=content, headers={"content-type": "application/json", **headers})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_strictness_of_types(stage) -> None:
    """Bad input 46: "true" for true, "1" for 1 → 422, by name."""
    async with stage.client("ana") as client:
        answer = await client.post(f"/api/v1/messages/{stage.of('message', 'ana')}/resend", json={"attempt": "1", "despite_unknown": False})
        assert answer.status_code == 422
        assert [field["field"] for field in answer.json()["fields"]] == ["attempt"]
        answer = await client.post(f"/api/v1/messages/{stage.of('message', 'ana')}/resend", json={"attempt": 1, "despite_unknown": "true"})
        assert [(field["field"], field["code"]) for field in answer.json()["fields"]] == [("despite_unknown", "wrong_type")]


@pytest.mark.parametrize(("query", "status"), [
    ("limit=-1", 422), ("limit=0", 422), ("limit=1000000000", 422), ("limit=201", 422), ("limit=x", 422), ("limit=200", 200), ("limit=", 422),  # 47
    ("limit=1&limit=2", 400), ("sort=password", 422), ("order=1%3BDROP", 422), ("cursor=x", 400), ("cursor=" + "A" * 20_000, 400),      # 48, 49, 51
    ("api_key=krr_1_x", 422), ("limit=%00", 400), ("limit=10&cursor=", 400),                                                           # 52, 99
])  # fmt: skip
async def test_queries(stage, query: str, status: int) -> None:
    """Bad inputs 47 to 49, 51, 52, 99: on a list."""
    async with stage.client("ana") as client:
        answer = await client.get(f"/api/v1/conversations?{query}")
    assert answer.status_code == status, answer.text
    assert "krr_1_x" not in answer.text


@pytest.mark.parametrize(
    "id_",
    [
        "0",
        "-1",
        str(2**64),
        str(2**63),
        "x",
        "1.0",
        "1e3",
        "00000000-0000-0000-0000-000000000000",
        "%00",
        "..%2f..",
        "٣",
        "1;DROP",
        "+1",
        " 1",
        "%C0%AF",
    ],
)
async def test_odd_ids(stage, id_: str) -> None:
    """Bad inputs 50, 52, 98: never 500, and never anything but missing."""
    async with stage.client("ana") as client:
        for path in (f"/api/v1/conversations/{id_}", f"/api/v1/conversations/{id_}/messages"):
            assert (await client.get(path)).status_code == 404, path


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "OPTIONS", "PROPFIND", "get"])
async def test_odd_methods(stage, method: str) -> None:
    """Bad input 53: TRACE and the like → 405; no preflight is ever answered, since nobody else's page may call us."""
    app, answers = stage.application(), []

    async def receive() -> dict:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict) -> None:
        answers.append(message)

    for path in (SESSION, "/", "/api/v1/nothing"):
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [(b"host", b"localhost")]}
        await app(scope, receive, send)
    assert [message["status"] for message in answers if message["type"] == "http.response.start"] == [405] * 3


async def test_override_headers_override_nothing(stage) -> None:
    """Bad input 53."""
    async with stage.client("ana") as client:
        answer = await client.post("/api/v1/conversations", json={}, headers={"x-http-method-override": "GET", "x-method-override": "GET"})
        assert answer.status_code == 405
        assert "GET" in answer.headers["allow"]
        assert (await client.get(SESSION, headers={"x-http-method-override": "DELETE"})).status_code == 200


@pytest.mark.parametrize("path", [SESSION, "/", "/metrics", "/api/v1/nothing"])
async def test_foreign_hosts(stage, path: str) -> None:
    """Bad input 54: 421 everywhere, but for health, which balancers ask by address."""
    async with stage.client(headers={"host": "evil.example"}) as client:
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (421, "wrong_host")
        assert "evil" not in answer.text
        assert (await client.get("/health/live")).status_code == 200


@pytest.mark.parametrize(("headers", "status"), [
    ({}, 200), ({"origin": "http://localhost:8080"}, 200), ({"sec-fetch-site": "same-origin"}, 200),
    ({"origin": "https://evil.example"}, 403), ({"origin": "null"}, 403),
    ({"sec-fetch-site": "cross-site"}, 403), ({"sec-fetch-site": "same-site"}, 403),
])  # fmt: skip
async def test_cross_site_requests(stage, headers: dict[str, str], status: int) -> None:
    """Bad input 96, design §7: by Origin and Sec-Fetch-Site; with neither it is no browser."""
    async with stage.client("ana", headers=headers) as client:
        answer = await client.post(f"/api/v1/conversations/{stage.of('conversation', 'ana')}/unread", json={})
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "cross_site"


class FakeSocket:
    """Remembers that it was reached."""

    def __init__(self) -> None:
        self.reached = 0

    async def __call__(self, scope, receive, send) -> None:
        self.reached += 1
        await send({"type": "websocket.accept"})


@pytest.mark.parametrize(("path", "headers", "reached"), [
    (SOCKET, {}, 1), (SOCKET, {"origin": "http://localhost:8080"}, 1),
    (SOCKET, {"origin": "https://evil.example"}, 0), (SOCKET, {"origin": "null"}, 0),
    (SOCKET, {"host": "evil.example"}, 0), ("/api/v1/session", {}, 0), ("/", {}, 0),
])  # fmt: skip
async def test_sockets_pass_the_same_door(stage, path: str, headers: dict[str, str], reached: int) -> None:
    """Bad input 96, threat model: cross-site sockets."""
    socket, sent = FakeSocket(), []
    app = stage.application(socket=socket)
    pairs = [(name.encode(), value.encode()) for name, value in {"host": "localhost:8080", **headers}.items()]

    async def receive() -> dict:
        return {"type": "websocket.connect"}

    async def send(message: dict) -> None:
        sent.append(message["type"])

    await app({"type": "websocket", "path": path, "headers": pairs, "query_string": b""}, receive, send)
    assert socket.reached == reached
    assert sent == (["websocket.accept"] if reached else ["websocket.close"])


async def test_ingress_bypasses_everything(stage) -> None:
    """Design §4: webhooks pay for no framework, and nothing is read of them before their own application."""
    seen = []

    async def ingress(scope, receive, send) -> None:
        seen.append((scope["method"], scope["path"], (await receive())["body"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with stage.client(app=stage.application(ingress=ingress)) as client:
        answer = await client.post(
            "/ingress/restcomm/token/sms", content=b"From=%2B1&From=2", headers={"content-type": "application/x-www-form-urlencoded"}
        )
    assert (answer.status_code, dict(answer.headers)) == (204, {})
    assert seen == [("POST", "/ingress/restcomm/token/sms", b"From=%2B1&From=2")]
    async with stage.client() as client:
        assert (await client.post("/ingress/restcomm/token/sms")).status_code == 404


async def test_pages_get_the_pages_headers_and_may_say_more(stage) -> None:
    """Design §9: strict CSP, no frames, no guessing of types; the web app decides how long its files are kept."""

    async def pages(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"max-age=60")]})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    async with stage.client(app=stage.application(pages=pages)) as client:
        answer = await client.get("/portal/anything")
        assert answer.text == "/portal/anything"
        assert (await client.post("/portal/anything")).status_code == 405
        assert (await client.get("/api/elsewhere")).status_code == 404
    policy_said = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy_said
    assert "unsafe-eval" not in policy_said
    assert "script-src 'self' 'unsafe-inline'" not in policy_said
    assert "frame-ancestors 'none'" in policy_said
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "max-age=60"


@pytest.mark.parametrize("path", [SESSION, "/api/v1/openapi.json", "/api/v1/nothing", "/health/live"])
async def test_data_is_never_kept_nor_shown_in_frames(stage, path: str) -> None:
    async with stage.client() as client:
        answer = await client.get(path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; frame-ancestors 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(answer.headers["x-request-id"]) == 16


async def test_what_nobody_expected_is_logged_and_told_to_nobody(stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Reliability.md, errors: 500 as a problem, with the request's id to find the log line by; no stack, no words of the exception."""

    @get("/broken", opt=policy(ANYONE))
    async def broken() -> str:
        message = "the password is hunter2"
        raise ZeroDivisionError(message)

    class Answer(msgspec.Struct):
        text: str

    @post("/odd", opt=policy(ANYONE))
    async def odd() -> Answer:
        return Answer(text=object())  # type: ignore[arg-type]

    configure("info", process="test")
    async with stage.client(app=stage.application(routes=[broken, odd])) as client:
        answers = [await client.get("/api/v1/broken"), await client.post("/api/v1/odd")]
        lines = capsys.readouterr().err.splitlines()
        for answer in answers:
            assert answer.status_code == 500
            assert answer.json()["code"] == "internal"
            assert "hunter2" not in answer.text
            assert "Traceback" not in answer.text
            line = next(line for line in lines if answer.headers["x-request-id"] in line)
            assert json.loads(line)["event"] == "request_failed"
            assert "Traceback" in line


async def test_a_value_that_fits_its_type_but_no_column_is_the_callers(stage) -> None:
    """Bad input 10: NUL in a text → 422, never 500."""
    async with stage.client("ana") as client:
        body = {"number_id": stage.of("number", "ana"), "to": "+12025550142", "text": "a\0b", "attachments": []}
        assert (await client.put("/api/v1/messages/nul", json=body)).status_code == 422
        assert (await client.put("/api/v1/messages/%00", json=body)).status_code == 404


async def test_health(own_stage) -> None:
    """Reliability.md §6: ready means database, schema, partitions, not draining."""
    async with own_stage.client(app=own_stage.application(schema_version=head())) as client:
        assert (await client.get("/health/live")).json() == {"ok": True}
        ready = await client.get("/health/ready")
        assert (ready.status_code, [check["name"] for check in ready.json()["checks"]]) == (
            200,
            ["draining", "database", "writing", "schema", "partitions"],
        )
        assert (await client.get("/health/other")).status_code == 404
        own_stage.sql("CALL make_partitions(0)")
        own_stage.sql("DO $$ DECLARE t text; BEGIN FOR t IN SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'receipt'::regclass"
                  " ORDER BY 1 DESC LIMIT 4 LOOP EXECUTE 'DROP TABLE ' || t; END LOOP; END $$")  # fmt: skip
        unready = await client.get("/health/ready")
        assert (unready.status_code, [check["name"] for check in unready.json()["checks"] if not check["ok"]]) == (503, ["partitions"])
    for more, failing in (({"schema_version": "9999"}, "schema"), ({"draining": lambda: True}, "draining")):
        async with own_stage.client(app=own_stage.application(**more)) as client:
            answer = await client.get("/health/ready")
            assert answer.status_code == 503
            assert failing in [check["name"] for check in answer.json()["checks"] if not check["ok"]]


async def test_ready_only_while_the_database_can_be_written(own_stage) -> None:
    """Reliability.md §6, "DB writable": reading alone goes well on a full disk. However often somebody asks, it is tried now and then."""
    clock = ManualClock(datetime.now(UTC))
    written = "SELECT pg_relation_filenode('write_probe') AS file"
    [own] = own_stage.sql("SELECT pg_get_functiondef('probe_writing'::regproc) AS definition")
    async with own_stage.client(app=dataclasses.replace(own_stage, clock=clock).application()) as client:

        async def wrong() -> list[str]:
            answer = await client.get("/health/ready")
            found = [check["words"] for check in answer.json()["checks"] if not check["ok"]]
            assert answer.status_code == (503 if found else 200)
            return found

        assert await wrong() == []
        [first] = own_stage.sql(written)
        assert await wrong() == []
        assert own_stage.sql(written) == [first], "not tried again so soon"
        own_stage.sql("CREATE OR REPLACE FUNCTION probe_writing() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full; END $$")
        assert await wrong() == []
        clock.advance(PROBE_EVERY_S)
        assert await wrong() == ["the database's disk is full"]
        own_stage.sql(own.definition)
        clock.advance(1)
        assert await wrong() == [], "found again soon"
        assert own_stage.sql(written) != [first]


async def test_ready_without_a_database(own_stage) -> None:
    async with own_stage.client() as client:
        await own_stage.database.close()
        answer = await client.get("/health/ready")
    assert answer.status_code == 503
    assert [check["name"] for check in answer.json()["checks"] if not check["ok"]] == ["database"]


async def test_metrics_are_for_this_machine(stage) -> None:
    """Reliability.md, metrics; bad input 55: nobody talks himself onto this machine."""
    app = stage.application()
    local = httpx.ASGITransport(app, client=("127.0.0.1", 5000))
    async with httpx.AsyncClient(transport=local, base_url="http://localhost:8080") as client:
        answer = await client.get("/metrics")
        assert answer.status_code == 200
        assert "kereru_authorisation_denied" in answer.text
        assert (await client.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"})).status_code == 404
    async with stage.client(app=app, headers={"x-forwarded-for": "127.0.0.1"}) as stranger:
        assert (await stranger.get("/metrics")).status_code == 404


async def test_the_description_of_the_api(stage) -> None:
    """Design §7: OpenAPI is generated from the routes; the address says nothing of people."""
    async with stage.client() as client:
        described = (await client.get("/api/v1/openapi.json")).json()
    assert described["openapi"].startswith("3.1")
    assert {"/api/v1/session", "/api/v1/licence", "/api/v1/conversations"} <= set(described["paths"])
    assert not [path for path in described["paths"] if not path.startswith("/api/v1/")]
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
