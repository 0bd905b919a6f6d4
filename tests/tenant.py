"""A tenant made by the product's own commands, beside simulated carriers: what tests of provisioning and opt-in stand on."""

import contextlib
import itertools
import tempfile
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import psycopg
from psycopg.rows import namedtuple_row

from kereru.api.app import create_app
from kereru.carriers.ingress import Ingress
from kereru.entrypoints.jobs import handlers
from kereru.entrypoints.wiring import desk_of, portal_ports
from kereru.kernel.clock import SystemClock
from kereru.kernel.db import INSTALLATION, Database, ProviderScope
from kereru.kernel.http_client import Answered, CarrierClient, NotSent, Outgoing, Result, StrangerClient
from kereru.kernel.jobs.worker import JobStore, work_until_idle
from kereru.kernel.objects import Objects
from kereru.kernel.secrets import Sealer
from kereru.kernel.settings import Settings
from kereru.messaging import api as messaging_api
from kereru.messaging.attachments.intake import Files
from kereru.messaging.attachments.jobs import Fetcher
from kereru.messaging.attachments.links import Links
from kereru.messaging.commands import release_withheld
from kereru.messaging.inbound.sink import Sink
from kereru.provisioning import api
from kereru.provisioning.desk import Desk
from kereru.provisioning.licences.commands import set_licence
from kereru.provisioning.licences.model import Product
from kereru.provisioning.numbers.assigning import assign_number
from kereru.provisioning.numbers.model import Assigned, NewAssignment
from kereru.provisioning.platforms.commands import create_platform
from kereru.provisioning.platforms.directory import CachedPlatforms
from kereru.provisioning.platforms.model import NewPlatform
from kereru.realtime.cursor import CursorCodec
from kereru.simulators.config import Config, example_config
from kereru.simulators.testing import RunningSimulators, running_simulators
from kereru.tenancy import api as tenancy_api
from kereru.tenancy import commands as tenancy
from kereru.tenancy.model import Level
from role_databases import as_role, without_user

PASSWORD = "correct horse battery staple"
KEY = bytes(range(32))
RESTCOMM_NUMBER, INTELIQUENT_NUMBER = "+12015550110", "+13125550142"
PHONE = "+12025550142"


def _phones() -> Iterator[str]:
    """Fictional ones, of places that the demo and the constants above do not use."""
    for area in itertools.cycle(("303", "305", "404", "415", "503", "512", "602", "617", "702", "713", "808", "907")):
        yield from (f"+1{area}555{line:04d}" for line in range(110, 200))


_new_phones = _phones()


def new_phone() -> str:
    """A phone that no other test of this process uses."""
    return next(_new_phones)


@dataclass(frozen=True, slots=True)
class Person:
    """An end user."""

    id: int
    feed_id: int
    email: str
    sign_in_id: int


@dataclass(slots=True)
class ApplicationDoor:
    """The way out of the self-check, to our own address: it leads to the application itself, or to whatever else a test puts there."""

    app: object = None

    async def send(self, request: Outgoing) -> Result:
        """One request, as a proxy in front of us would pass it on."""
        if self.app is None:
            return NotSent("unreachable", "connection refused")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app)) as client:
            answer = await client.request(request.method, request.url, headers=dict(request.headers), content=request.body)
        return Answered(answer.status_code, dict(answer.headers), answer.content, 1)


@dataclass(slots=True)
class Tenant:
    """One provider with a group, two users, three portal accounts, and a way to every command."""

    url: str
    database: Database
    desk: Desk
    simulators: RunningSimulators
    settings: Settings
    provider_id: int
    group_id: int
    ana: Person
    ben: Person
    app: object = None
    files: Files | None = None
    platforms: dict[str, int] = field(default_factory=dict)

    @property
    def scope(self) -> ProviderScope:
        """The provider's own scope."""
        return ProviderScope(self.provider_id)

    def sql(self, statement: str, **params: object) -> list:
        """Rows as the owner, who sees everything."""
        with psycopg.connect(self.url, row_factory=namedtuple_row, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), params)
            return cursor.fetchall() if cursor.description else []

    def credentials(self, carrier: str) -> dict[str, str]:
        """What the simulated carrier accepts."""
        config = example_config()
        if carrier == "restcomm":
            return {"account_key": config.restcomm[0].account_sid, "token_secret": config.restcomm[0].auth_token}
        account = config.inteliquent[0]
        return {"account_key": account.key, "token_secret": account.secret, "outbound_api_key": account.outbound_key}

    def endpoints(self, carrier: str) -> Mapping[str, str]:
        """Where the simulated carrier listens."""
        base = self.simulators.url
        if carrier == "restcomm":
            return {"api": f"{base}/restcomm/2012-04-24", "messages": f"{base}/restcomm/api/2012-04-24"}
        return {"broker": f"{base}/inteliquent/msgbroker/rest", "services": f"{base}/inteliquent/Services/2.0.0"}

    async def platform(self, carrier: str, **switches: bool) -> int:
        """A platform of the carrier, made by the command."""
        wanted = NewPlatform(carrier, self.credentials(carrier), endpoints=self.endpoints(carrier), **switches)
        self.platforms[carrier] = (await create_platform(self.desk, self.provider_id, wanted)).id
        return self.platforms[carrier]

    async def license(self, person: Person, product: Product | None = Product.DESKTOP) -> None:
        """Give or end a licence."""
        async with self.database.transaction(self.scope) as tx:
            await set_licence(tx, self.provider_id, person.id, product, release_withheld)

    async def assign(self, person: Person, number: str = RESTCOMM_NUMBER, **wishes: object) -> Assigned:
        """Give a number to a person by the command."""
        return await assign_number(self.desk, self.provider_id, NewAssignment(person.id, number, **wishes))

    async def run_jobs(self) -> int:
        """Do the jobs that are due."""
        store = JobStore(without_user(self.url), without_user(self.url))
        async with StrangerClient(allow_private_hosts=self.settings.allow_private_hosts) as strangers:
            fetcher = Fetcher(self.database, self.desk.sealer, strangers, self.files, self.settings.allow_private_hosts)
            return await work_until_idle(store, handlers(self.settings, self.database, self.desk, fetcher))

    async def client(self, person: Person) -> httpx.AsyncClient:
        """A signed-in client program of this person, speaking HTTP with the real application."""
        return await self.signed_in(person.email)

    @contextlib.asynccontextmanager
    async def portal(self, who: str = "olive@southern.example") -> AsyncGenerator[httpx.AsyncClient]:
        """A signed-in portal account, by default one of the provider that receives alerts."""
        client = await self.signed_in(who)
        try:
            yield client
        finally:
            await client.aclose()

    async def signed_in(self, email: str) -> httpx.AsyncClient:
        """Whoever signs in with this e-mail."""
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app), base_url="http://localhost:8080", headers={"user-agent": "test client"}
        )
        answer = await client.post("/api/v1/session", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return client

    def mails(self) -> list[dict]:
        """Every mail the simulated mail server received, oldest first."""
        return list(reversed(self.simulators.simulators.mailbox.newest_first()))

    def changes(self, person: Person) -> list:
        """The person's feed, oldest first."""
        return self.sql("SELECT kind, subject_id, message_id, version FROM change WHERE feed_id = %(feed)s ORDER BY number", feed=person.feed_id)


def inventory(**overrides: object) -> Config:
    """The example inventory; at Inteliquent +13125550149 cannot text yet."""
    config = example_config()
    account = config.inteliquent[0]
    enabled = tuple(number for number in account.numbers if number != "+13125550149")
    changed = msgspec.structs.replace(config, inteliquent=(msgspec.structs.replace(account, messaging_enabled=enabled),), receipt_delay_ms=20)
    return msgspec.structs.replace(changed, **overrides)


@contextlib.asynccontextmanager
async def running_tenant(url: str, *, alerts: bool = True, work_url: str = "") -> AsyncGenerator[Tenant]:
    """Everything above, on a fresh database; `work_url`: another way to it, through a pooler."""
    async with contextlib.AsyncExitStack() as stack:
        simulators = await stack.enter_async_context(running_simulators(inventory()))
        database = await stack.enter_async_context(as_role(work_url or url, "kereru_app", size=8))
        host = simulators.url.removeprefix("http://")
        door = await stack.enter_async_context(CarrierClient(allow_private_hosts=(host,)))
        settings = Settings.load(
            {}, smtp_host="127.0.0.1", smtp_port=simulators.smtp_port, public_url="http://localhost:8080", allow_private_hosts=(host,)
        )
        sealer = Sealer({1: KEY}, 1)
        clock = SystemClock()
        own_door = ApplicationDoor()
        desk = desk_of(settings, database, door, sealer, own_door)
        async with database.transaction(INSTALLATION) as tx:
            made = await tenancy.create_provider(tx, "Southern Phone Co.")
            group = await tenancy.create_group(tx, made.provider_id, made.direct_reseller_id, "Blue Door Ltd")
            people: list[Person] = []
            for name, email in (("Ana Torres", "ana@bluedoor.example"), ("Ben Carter", "ben@bluedoor.example")):
                user = await tenancy.create_user(tx, made.provider_id, group, name, email, PASSWORD)
                people.append(Person(user.id, user.feed_id, email, user.sign_in_id))
            accounts = (
                (Level.PROVIDER, made.provider_id, "Olive Park", "olive@southern.example", alerts),
                (Level.PROVIDER, made.provider_id, "Quiet Quinn", "quinn@southern.example", False),
                (Level.GROUP, group, "Gina Stone", "gina@bluedoor.example", True),
            )
            for level, organisation, name, email, gets_alerts in accounts:
                await tenancy.create_portal_account(tx, made.provider_id, level, organisation, name, email, PASSWORD, send_alerts=gets_alerts)
        home = stack.enter_context(tempfile.TemporaryDirectory())
        files = Files(Objects(f"{Path(home).as_uri()}/files"), Path(home) / "arrivals", settings.media_base)
        dependencies = {"files": files, "feed_cursors": CursorCodec(KEY), "release_withheld": release_withheld, "desk": desk, **portal_ports()}
        routes = (*tenancy_api.ROUTES, *api.ROUTES, *messaging_api.ROUTES)
        ingest = await stack.enter_async_context(as_role(work_url or url, "kereru_ingest", size=2))
        sink = Sink(ingest)
        stack.push_async_callback(sink.drain)
        directory = CachedPlatforms(ingest, sealer, clock)
        ingress = Ingress(desk.carriers.all(), directory, sink, clock)
        app = own_door.app = create_app(
            settings, database, clock, routes, sealer=sealer, master_key=KEY, dependencies=dependencies, ingress=ingress, links=Links(database, files)
        )
        yield Tenant(url, database, desk, simulators, settings, made.provider_id, group, people[0], people[1], app, files)
