"""A stage for tests of the API: two providers with a whole tree, people at every level, numbers and conversations, and the application as it is run.

`Stage.things` holds, for each kind of thing that routes name in their paths or bodies, one thing of every person or organisation. A new kind of thing
is added in `_THINGS` below, once, and the authorisation matrix then tries it against every route.
"""

import json
import pathlib
import secrets
import tempfile
import urllib.parse
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import psycopg
import pytest_asyncio
from litestar.handlers import BaseRouteHandler
from psycopg.rows import namedtuple_row

from kereru.api.app import create_app
from kereru.entrypoints.web import ROUTES
from kereru.entrypoints.wiring import desk_of, portal_ports
from kereru.kernel import ids
from kereru.kernel.clock import SystemClock
from kereru.kernel.db import INSTALLATION, Database
from kereru.kernel.http_client import Answered, Outgoing, Result
from kereru.kernel.objects import Objects
from kereru.kernel.secrets import Sealer, Secret
from kereru.kernel.settings import Settings
from kereru.messaging.attachments.intake import Files, key, preview_key
from kereru.messaging.changes import Presenter
from kereru.messaging.commands import release_withheld
from kereru.provisioning.platforms.model import seal_credentials, seal_hook_secret, seal_token
from kereru.provisioning.platforms.store import put_token
from kereru.realtime.backbone import PostgresBackbone
from kereru.realtime.cursor import CursorCodec
from kereru.realtime.hub import Hub
from kereru.tenancy import commands
from kereru.tenancy.access import commands as access
from kereru.tenancy.access import store
from kereru.tenancy.access.model import new_session_token, session_credential, token_hash
from kereru.tenancy.access.queries import Authenticator
from kereru.tenancy.model import Level, Path
from kereru.tenancy.policy import SCOPES

PASSWORD = "correct horse"
PHONE = "+12025550142"
MASTER_KEY = b"k" * 32
MISSING = ids.encode(ids.MAX_ID - 12345)


@dataclass(frozen=True)
class Person:
    """Somebody who signs in."""

    name: str
    provider_id: int
    sign_in_id: int
    user_id: int | None
    headers: dict[str, str]


@dataclass(frozen=True)
class Thing:
    """Something a route can name: whose it is, and where it stands in the tree."""

    kind: str
    whose: str
    id: str
    path: Path


class ObligingCarrier:
    """The way out, at whose end Restcomm says yes to everything: these tests are about who may ask."""

    async def send(self, request: Outgoing) -> Result:
        """The least that the adapter takes for a yes."""
        body = b'{"sid": "AC0", "status": "active"}'
        if "/IncomingPhoneNumbers.json" in request.path:
            [number] = urllib.parse.parse_qs(request.path.partition("?")[2]).get("PhoneNumber", ["+12015550110"])
            body = json.dumps([{"sid": "PN0", "phone_number": number, "capabilities": {"sms_capable": True}}]).encode()
        return Answered(200, {}, body, 1)


@dataclass
class Stage:
    """Everything a test needs."""

    url: str
    database: Database
    settings: Settings
    clock: SystemClock
    people: dict[str, Person] = field(default_factory=dict)
    things: list[Thing] = field(default_factory=list)
    hub: Hub | None = None
    sealer: Sealer = field(default_factory=lambda: Sealer({1: MASTER_KEY}, 1))
    files: Files = field(default_factory=lambda: Files(Objects("memory:///"), pathlib.Path(tempfile.gettempdir()) / "kereru-stage-arrivals", ""))

    def sql(self, statement: str, *params: object) -> list:
        """Rows of a statement as the owner, who sees everything."""
        with psycopg.connect(self.url, autocommit=True, row_factory=namedtuple_row) as connection:
            cursor = connection.execute(statement.encode(), params)
            return cursor.fetchall() if cursor.description else []

    def application(self, authenticator: Authenticator | None = None, *, routes: Iterable[BaseRouteHandler] = ROUTES, **more: object):
        """The application as entrypoints build it, but for the server around it."""
        return create_app(
            self.settings,
            self.database,
            self.clock,
            tuple(routes),
            sealer=self.sealer,
            master_key=MASTER_KEY,
            authenticator=authenticator,
            dependencies={
                "hub": self.hub,
                "feed_cursors": CursorCodec(MASTER_KEY),
                "files": self.files,
                "release_withheld": release_withheld,
                **portal_ports(),
                "desk": desk_of(self.settings, self.database, ObligingCarrier(), self.sealer),
            },
            **more,
        )

    def client(self, who: str | None = None, *, app: object = None, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
        """An HTTP client, signed in as `who`."""
        own = self.people[who].headers if who else {}
        transport = httpx.ASGITransport(app or self.application(), client=("192.0.2.44", 5000), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://localhost:8080", headers={**own, **(headers or {})})

    def of(self, kind: str, whose: str) -> str:
        """The id of somebody's thing."""
        return next(thing.id for thing in self.things if thing.kind == kind and thing.whose == whose)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage(module_database_url: str) -> AsyncIterator[Stage]:
    """The stage with everybody on it, one for all tests of a module: they find what others left, and must not mind."""
    async with _set(module_database_url) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def own_stage(database_url: str) -> AsyncIterator[Stage]:
    """A stage for one test alone, which may break it."""
    async with _set(database_url) as made:
        yield made


@asynccontextmanager
async def _set(url: str) -> AsyncIterator[Stage]:
    async with Database(url, "kereru_app", size=6) as database:
        made = Stage(url, database, Settings(), SystemClock())
        async with _hub(made):
            await _southern(made)
            await _northern(made)
            # From which a session is copied for whoever may end one, after "sign out everywhere else" has ended the first.
            made.sql("CREATE TABLE kept_session AS SELECT provider_id, id, sign_in_id FROM session")
            yield made


@asynccontextmanager
async def _hub(stage: Stage) -> AsyncIterator[None]:
    backbone = PostgresBackbone(stage.url, "kereru_app", stage.database)
    stage.hub = Hub(stage.database, backbone, Presenter(), CursorCodec(MASTER_KEY), stage.clock)
    await backbone.start()
    await stage.hub.open()
    try:
        yield
    finally:
        await stage.hub.close()
        await backbone.stop()


async def _southern(stage: Stage) -> None:
    """Provider with resellers Harbour (groups Blue Door, Café Mira) and Valley (group Orchard)."""
    async with stage.database.transaction(INSTALLATION) as tx:
        provider = (await commands.create_provider(tx, "Southern Phone Co.")).provider_id
        harbour, valley = await commands.create_reseller(tx, provider, "Harbour"), await commands.create_reseller(tx, provider, "Valley")
        blue = await commands.create_group(tx, provider, harbour, "Blue Door Ltd")
        mira = await commands.create_group(tx, provider, harbour, "Café Mira")
        orchard = await commands.create_group(tx, provider, valley, "Orchard")
        for kind, whose, id_, path in (
            ("provider", "southern", provider, Path(provider)),
            ("reseller", "harbour", harbour, Path(provider, harbour)),
            ("reseller", "valley", valley, Path(provider, valley)),
            ("group", "blue", blue, Path(provider, harbour, blue)),
            ("group", "mira", mira, Path(provider, harbour, mira)),
            ("group", "orchard", orchard, Path(provider, valley, orchard)),
        ):
            stage.things.append(Thing(kind, whose, ids.encode(id_), path))
        for name, path in (
            ("ana", Path(provider, harbour, blue)),
            ("ben", Path(provider, harbour, blue)),
            ("chloe", Path(provider, harbour, mira)),
            ("dev", Path(provider, valley, orchard)),
        ):
            await _user(stage, tx, name, path)
        for name, level, organisation in (
            ("southern", Level.PROVIDER, provider),
            ("harbour", Level.RESELLER, harbour),
            ("valley", Level.RESELLER, valley),
            ("blue", Level.GROUP, blue),
            ("mira", Level.GROUP, mira),
        ):
            await _account(stage, tx, provider, name, level, organisation)
        for name, of, scopes in (
            ("ana_key", "ana", SCOPES),
            ("ana_reading_key", "ana", ("client.read",)),
            ("ana_portal_key", "ana", ("portal.read", "portal.write")),
            ("southern_key", "southern", SCOPES),
            ("southern_client_key", "southern", ("client.read", "client.write")),
        ):
            await _key(stage, tx, name, of, scopes)


async def _northern(stage: Stage) -> None:
    """Another provider: one group, one user, a portal account."""
    async with stage.database.transaction(INSTALLATION) as tx:
        made = await commands.create_provider(tx, "Northern Phone Co.")
        provider, direct = made.provider_id, made.direct_reseller_id
        group = await commands.create_group(tx, provider, direct, "Blue Door Ltd")
        for kind, id_, path in (
            ("provider", provider, Path(provider)),
            ("reseller", direct, Path(provider, direct)),
            ("group", group, Path(provider, direct, group)),
        ):
            stage.things.append(Thing(kind, "northern", ids.encode(id_), path))
        await _user(stage, tx, "fay", Path(provider, direct, group))
        await _account(stage, tx, provider, "northern", Level.PROVIDER, provider)
        await _key(stage, tx, "fay_key", "fay", SCOPES)


async def _session(tx, provider_id: int, sign_in_id: int) -> dict[str, str]:
    token = new_session_token(provider_id).reveal()
    assert session_credential(token) is not None
    whom = {"provider_id": provider_id, "sign_in_id": sign_in_id, "idle_s": 3600, "max_s": 3600}
    await tx.run(store.ADD_SESSION, {**whom, "hash": token_hash(token), "address": "192.0.2.44", "agent": "test"})
    return {"cookie": f"kereru_session={token}"}


_SIGN_IN = "INSERT INTO sign_in (provider_id, id, email, password_hash) VALUES (%(p)s, %(i)s, %(e)s, '-')"
"""Without a password: the stage opens sessions itself, and a hash for each of ten people would take a second."""


async def _user(stage: Stage, tx, name: str, group: Path) -> None:
    provider_id = group.provider_id
    await _sign_in(tx, provider_id, name)
    user = await commands.create_user(tx, provider_id, group.group_id or 0, name.title(), f"{name}@people.example", "")
    stage.people[name] = Person(name, provider_id, user.sign_in_id, user.id, await _session(tx, provider_id, user.sign_in_id))
    path = Path(provider_id, group.reseller_id, group.group_id, user.id)
    stage.things.append(Thing("user", name, ids.encode(user.id), path))
    made: dict[str, int] = {"user": user.id}
    for kind, statement in _THINGS.items():
        values = {**made, "p": provider_id, "e164": f"+1201555{100 + len(stage.people):04}", "phone": PHONE, "client": secrets.token_hex(8)}
        made[kind] = await tx.value(statement, values)
        if kind == "number":
            secret = seal_hook_secret(stage.sealer, provider_id, made["platform"], str(values["e164"]), Secret("hush"))
            await tx.run("UPDATE number SET hook_secret_sealed = %(secret)s WHERE id = %(id)s", {"secret": secret, "id": made[kind]})
        if kind == "attachment":
            await _bytes(stage, provider_id, made[kind])
        if kind == "platform":
            await _secrets(stage, tx, provider_id, made[kind])
            stage.things.append(Thing(kind, name, ids.encode(made[kind]), Path(provider_id)))
            continue
        stage.things.append(Thing(kind, name, ids.encode(made[kind]), path))


async def _bytes(stage: Stage, provider_id: int, file_id: int) -> None:
    with tempfile.NamedTemporaryFile() as file:
        await stage.files.objects.put(key(provider_id, file_id), pathlib.Path(file.name))
        await stage.files.objects.put(preview_key(provider_id, file_id), pathlib.Path(file.name))


async def _secrets(stage: Stage, tx, provider_id: int, platform_id: int) -> None:
    sealed = seal_credentials(stage.sealer, provider_id, platform_id, {"account_key": "AC0", "token_secret": Secret("hush")})
    await tx.run("UPDATE platform SET credentials_sealed = %(sealed)s WHERE id = %(id)s", {"sealed": sealed, "id": platform_id})
    token = seal_token(stage.sealer, provider_id, platform_id, str(platform_id))
    await put_token(tx, token_hash(str(platform_id)), provider_id, platform_id, token)


_THINGS = {
    "session": """INSERT INTO session (provider_id, token_hash, sign_in_id) SELECT %(p)s, sha256(%(client)s::text::bytea), sign_in_id FROM end_user
        WHERE provider_id = %(p)s AND id = %(user)s RETURNING id""",
    "api_key": """INSERT INTO api_key (provider_id, id, token_hash, sign_in_id, name, hint, scopes)
        SELECT %(p)s, new_id(), sha256(%(client)s::text::bytea), sign_in_id, 'robot', '', '{client.read}' FROM end_user
        WHERE provider_id = %(p)s AND id = %(user)s RETURNING id""",
    "portal_account": """WITH s AS (INSERT INTO sign_in (provider_id, id, email, password_hash)
          VALUES (%(p)s, new_id(), %(client)s || '@people.example', '') RETURNING id)
        INSERT INTO portal_role (provider_id, id, sign_in_id, name, level, organisation_id)
        SELECT %(p)s, new_id(), s.id, 'Gina', 3, u.group_id FROM s, end_user u WHERE u.provider_id = %(p)s AND u.id = %(user)s RETURNING id""",
    "platform": """INSERT INTO platform (provider_id, id, carrier, name, credentials_sealed)
        VALUES (%(p)s, new_id(), 'restcomm', 'Restcomm', '') RETURNING id""",
    "number": "INSERT INTO number (provider_id, id, platform_id, e164) VALUES (%(p)s, new_id(), %(platform)s, %(e164)s) RETURNING id",
    "assignment": """INSERT INTO assignment (provider_id, id, number_id, user_id, messaging_type, state)
        VALUES (%(p)s, new_id(), %(number)s, %(user)s, 1, 4) RETURNING id""",
    "licence": """WITH l AS (INSERT INTO licence (provider_id, user_id, product) VALUES (%(p)s, %(user)s, 1))
        INSERT INTO opt_in (provider_id, assignment_id, state) VALUES (%(p)s, %(assignment)s, 2) RETURNING assignment_id""",
    "conversation": """INSERT INTO conversation (provider_id, id, assignment_id, remote, unread)
        VALUES (%(p)s, new_id(), %(assignment)s, %(phone)s, 1) RETURNING id""",
    "message": """WITH m AS (INSERT INTO message (provider_id, id, conversation_id, outbound, status, text, client_id, attempt, platform_id)
          VALUES (%(p)s, new_id(), %(conversation)s, true, 6, 'Canary', %(client)s, 1, %(platform)s) RETURNING id),
        a AS (INSERT INTO attempt (provider_id, message_id, attempt, status) SELECT %(p)s, id, 1, 6 FROM m)
        UPDATE conversation SET last_message_id = (SELECT id FROM m) WHERE provider_id = %(p)s AND id = %(conversation)s RETURNING last_message_id""",
    "attachment": """INSERT INTO file (provider_id, id, message_id, state, name, content_type, preview_width, preview_height)
        VALUES (%(p)s, new_id(), %(message)s, 2, 'canary.png', 'image/png', 1, 1) RETURNING id""",
    "contact": "INSERT INTO contact (provider_id, user_id, name) VALUES (%(p)s, %(user)s, 'Mia Ruiz') RETURNING id",
}
"""How one thing of each kind is made for every user; earlier ones may be named. The organisations and users themselves are made above."""


async def _sign_in(tx, provider_id: int, name: str) -> int:
    sign_in_id = await tx.value("SELECT new_id()")
    email = f"{name}@people.example"
    await tx.value(store.TAKE_EMAIL, {"email": email, "provider_id": provider_id, "sign_in_id": sign_in_id})
    await tx.run(_SIGN_IN, {"p": provider_id, "i": sign_in_id, "e": email})
    return sign_in_id


async def _account(stage: Stage, tx, provider_id: int, name: str, level: Level, organisation_id: int) -> None:
    await _sign_in(tx, provider_id, name)
    made = await commands.create_portal_account(
        tx, provider_id, level, organisation_id, name.title(), f"{name}@people.example", "", send_alerts=level is Level.PROVIDER
    )
    stage.people[name] = Person(name, provider_id, made.sign_in_id, None, await _session(tx, provider_id, made.sign_in_id))


async def _key(stage: Stage, tx, name: str, of: str, scopes: tuple[str, ...]) -> None:
    person = stage.people[of]
    key = await access.create_api_key(tx, person.provider_id, person.sign_in_id, name, scopes)
    stage.people[name] = Person(name, person.provider_id, person.sign_in_id, person.user_id, {"authorization": f"Bearer {key.token.reveal()}"})
