"""The assembled application as a carrier and a person meet it: real routes, real ingress, two numbers set up by the product's own commands."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlencode

import httpx

from kereru.api.app import create_app
from kereru.carriers.adapters.inteliquent.wire import HOOK_HEADER
from kereru.carriers.ingress import Ingress
from kereru.carriers.registry import Carriers
from kereru.entrypoints.web import ROUTES
from kereru.entrypoints.wiring import portal_ports
from kereru.kernel.clock import SystemClock
from kereru.kernel.http_client import CarrierClient
from kereru.kernel.secrets import Sealer
from kereru.messaging.attachments.links import Links
from kereru.messaging.changes import Presenter
from kereru.messaging.commands import release_withheld
from kereru.messaging.inbound.sink import Sink
from kereru.provisioning.numbers.deletion import end_assignment
from kereru.provisioning.platforms import store as platform_store
from kereru.provisioning.platforms.directory import CachedPlatforms
from kereru.provisioning.platforms.model import open_hook_secret, open_token
from kereru.realtime.backbone import PostgresBackbone
from kereru.realtime.cursor import CursorCodec
from kereru.realtime.hub import Hub
from role_databases import as_role, without_user
from tenant import INTELIQUENT_NUMBER, KEY, PHONE, RESTCOMM_NUMBER, Person, Tenant, running_tenant

FORM = "application/x-www-form-urlencoded"
_ids = count(1)
_HOLDINGS = ("message", "conversation", "quarantine", "exchange", "receipt", "change", "outbox", "dedupe")


@dataclass(frozen=True)
class Hook:
    """How a carrier's webhook of one number looks: where it goes and what proves it."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass
class House:
    """A tenant with Ana (Restcomm) and Ben (Inteliquent), both opted in, behind the whole application. Nobody sends: what is queued stays queued."""

    tenant: Tenant
    app: object
    account_sid: str
    hooks: dict[str, Hook] = field(default_factory=dict[str, Hook])
    numbers: dict[str, str] = field(default_factory=dict[str, str])
    people: dict[str, httpx.AsyncClient] = field(default_factory=dict[str, httpx.AsyncClient])

    def outside(self, **headers: str) -> httpx.AsyncClient:
        """Somebody on the Internet."""
        transport = httpx.ASGITransport(app=self.app, client=("192.0.2.7", 5000), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://localhost:8080", headers=headers)

    async def send(self, who: str, text: str, *, to: object = PHONE, number: str | None = None) -> httpx.Response:
        """`who` sends a text; any characters JSON can escape."""
        body = {"number_id": number or self.numbers[who], "to": to, "text": text, "attachments": []}
        return await self.put(who, f"/api/v1/messages/bad-input-{next(_ids)}", body)

    async def preflight(self, who: str, text: str, *, to: str = PHONE) -> dict:
        """What the light says."""
        body = {"number_id": self.numbers[who], "to": to, "text": text, "attachments": []}
        answer = await self.people[who].post("/api/v1/messages/preflight", content=json.dumps(body), headers={"content-type": "application/json"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def put(self, who: str, path: str, body: object) -> httpx.Response:
        """A PUT whose JSON is pure ASCII, so that half characters can be written."""
        return await self.people[who].put(path, content=json.dumps(body), headers={"content-type": "application/json"})

    async def messages(self, who: str, remote: str) -> list[dict]:
        """All texts `who` has with `remote`, oldest first."""
        listed = (await self.people[who].get("/api/v1/conversations?limit=200")).json()["items"]
        for conversation in listed:
            if conversation["remote"] == remote:
                return (await self.people[who].get(f"/api/v1/conversations/{conversation['id']}/messages?limit=200")).json()["items"][::-1]
        return []

    async def restcomm(self, raw: bytes | None = None, *, tail: str = "/in", kind: str = FORM, **fields: str) -> httpx.Response:
        """A webhook from Restcomm: `raw` as it is, or a form of `fields` with what a text has; `kind` is its content type."""
        whole = {"SmsSid": f"SM{next(_ids):032d}", "AccountSid": self.account_sid, "From": PHONE, "To": RESTCOMM_NUMBER, "Body": "hi", **fields}
        content = urlencode(whole).encode() if raw is None else raw
        async with self.outside() as carrier:
            return await carrier.post(self.hooks["restcomm"].path + tail, content=content, headers={"content-type": kind})

    async def inteliquent(self, content: bytes | object, *, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """A webhook from Inteliquent: bytes as they are, anything else as JSON; `headers` stand in place of the number's own proof."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        hook = self.hooks["inteliquent"]
        sent = {"content-type": "application/json", **(hook.headers if headers is None else headers)}
        async with self.outside() as carrier:
            return await carrier.post(hook.path + "/in", content=body, headers=sent)

    async def outgoing(self, sent: httpx.Response) -> list[str]:
        """The parts in which a text waits to be handed over."""
        return self.tenant.sql("SELECT parts FROM outbox WHERE message_id = %(id)s", id=int(sent.json()["id"]))[0].parts

    async def end(self, assignment_id: int) -> None:
        """End an assignment by the command."""
        await end_assignment(self.tenant.desk, self.tenant.provider_id, assignment_id)

    def holdings(self) -> dict[str, int]:
        """Everything a webhook or a send could have left, of all tenants: rows by table."""
        counts = ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in _HOLDINGS)
        return self.tenant.sql(f"SELECT {counts}")[0]._asdict()


@asynccontextmanager
async def open_house(url: str, *, work_url: str = "") -> AsyncIterator[House]:
    """The house on a fresh, migrated database; `work_url`: another way to it, through a pooler, for all but what listens."""
    async with AsyncExitStack() as stack:
        tenant = await stack.enter_async_context(running_tenant(url, work_url=work_url))
        ingest = await stack.enter_async_context(as_role(work_url or url, "kereru_ingest"))
        door = await stack.enter_async_context(CarrierClient(allow_private_hosts=(tenant.simulators.url.removeprefix("http://"),)))
        clock, sealer = SystemClock(), Sealer({1: KEY}, 1)
        backbone = PostgresBackbone(without_user(url), "kereru_app", tenant.database)
        hub = Hub(tenant.database, backbone, Presenter(), CursorCodec(KEY), clock)
        await backbone.start()
        stack.push_async_callback(backbone.stop)
        await hub.open()
        stack.push_async_callback(hub.close)
        tenant.app = create_app(
            tenant.settings,
            tenant.database,
            clock,
            ROUTES,
            sealer=sealer,
            master_key=KEY,
            links=Links(tenant.database, tenant.files),
            dependencies={
                "files": tenant.files,
                "hub": hub,
                "feed_cursors": CursorCodec(KEY),
                "release_withheld": release_withheld,
                "desk": tenant.desk,
                **portal_ports(),
            },
            ingress=Ingress(Carriers(door, clock).all(), CachedPlatforms(ingest, sealer, clock), Sink(ingest), clock),
        )
        house = House(tenant, tenant.app, tenant.credentials("restcomm")["account_key"])
        await _set_up(house, "ana", "restcomm", RESTCOMM_NUMBER, tenant.ana)
        await _set_up(house, "ben", "inteliquent", INTELIQUENT_NUMBER, tenant.ben)
        for client in house.people.values():
            stack.push_async_callback(client.aclose)
        yield house


async def _set_up(house: House, who: str, carrier: str, number: str, person: Person) -> None:
    tenant = house.tenant
    await tenant.license(person)
    platform = await tenant.platform(carrier, token_hash=carrier == "inteliquent")
    assigned = await tenant.assign(person, number, platform_id=platform, friendly_name="Front desk")
    house.numbers[who] = str(assigned.number_id)
    house.people[who] = await tenant.client(person)
    answer = await house.people[who].post(f"/api/v1/numbers/{assigned.number_id}/opt-in", json={"answer": "yes"})
    assert answer.status_code == 200, answer.text
    house.hooks[carrier] = await hook_of(tenant, carrier, platform, number)


async def hook_of(tenant: Tenant, carrier: str, platform: int, number: str) -> Hook:
    """The webhook as provisioning set it at the carrier, read back from the sealed rows."""
    async with tenant.database.transaction(tenant.scope) as tx:
        sealed = await platform_store.token_sealed(tx, tenant.provider_id, platform)
    token = open_token(tenant.desk.sealer, tenant.provider_id, platform, sealed)
    [row] = tenant.sql("SELECT hook_secret_sealed FROM number WHERE e164 = %(e164)s AND platform_id = %(platform)s", e164=number, platform=platform)
    secret = open_hook_secret(tenant.desk.sealer, tenant.provider_id, platform, number, bytes(row.hook_secret_sealed))
    headers = {HOOK_HEADER: secret.reveal()} if carrier == "inteliquent" else {}
    return Hook(f"/ingress/{carrier}/{token}", headers)
