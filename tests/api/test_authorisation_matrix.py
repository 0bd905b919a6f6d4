"""The authorisation matrix (G29, G30, G32): every route × everybody × everything a route can name, made from what the routes declare.

A new route is picked up by itself. What it declares is what is expected: its audience decides 401 and 403 before anything is looked at; what its path
and body name must be the caller's own, or the answer is the one for something that does not exist, to the byte.
"""

import os
import pathlib
from collections.abc import Callable

import msgspec
import psycopg
import pytest
from litestar import get

from kereru.api.app import PREFIX
from kereru.api.authorisation import require_policies
from kereru.api.errors import RouteWithoutPolicy
from kereru.entrypoints.web import ROUTES
from kereru.kernel.db import INSTALLATION, Database, ProviderScope
from kereru.kernel.errors import NotFound
from kereru.tenancy.access.queries import Authenticator
from kereru.tenancy.model import Level
from kereru.tenancy.policy import END_USER, Policy, Principal, policy
from matrix import MISSING, SERVED_ELSEWHERE, ask, digest, discover, everybody_asks, names, words

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFERENCE = pathlib.Path(__file__).parents[2] / "docs/reference/authorisation.md"


async def test_nobody_and_nonsense_are_nobody(stage) -> None:
    """G29: without a session or key, and with worthless ones, every route that is not open answers 401 in the same words."""
    person = stage.people["ana"]
    token = person.headers["cookie"].partition("=")[2]
    worthless: list[dict[str, str]] = [
        {}, {"cookie": "kereru_session="}, {"cookie": "kereru_session=1.x"}, {"cookie": f"kereru_session={token}x"}, {"cookie": f"other={token}"},
        {"cookie": f"kereru_session={token.replace(str(person.provider_id), str(stage.people['fay'].provider_id))}"},
        {"authorization": f"Bearer {token}"}, {"authorization": "Bearer krr_1_x"}, {"authorization": "Basic YTpi"},
        {"authorization": "Bearer krr_1_x", "cookie": person.headers["cookie"]},
    ]  # fmt: skip
    app = stage.application()
    answers = set()
    for headers in worthless:
        async with stage.client(app=app, headers=headers) as client:
            for route in discover():
                if route.declared.audience.kind != "anyone":
                    answer = await ask(client, route, dict.fromkeys(names(route), MISSING))
                    answers.add(words(answer))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 401


async def test_foreign_things_look_missing_and_stay_as_they_are(stage) -> None:
    """G29: every route × everybody × others' things: one's own, the same group's, a sibling's, another reseller's, another provider's, none's."""
    before = digest(stage)
    asked = [(one, wrong) async for one, wrong in everybody_asks(stage, own=False)]
    assert [f"{one.who}: {one.route.name} with {one.case.label}: {one.answer.status_code}, {wrong}" for one, wrong in asked if wrong] == []
    assert digest(stage) == before
    assert len(asked) > 100


async def test_everybody_reaches_his_own(stage) -> None:
    """G29, G32: the other half: each route lets its owner in, and refuses whom its policy refuses even with things of his own."""
    asked = [(one, wrong) async for one, wrong in everybody_asks(stage, own=True)]
    assert [f"{one.who}: {one.route.name}: {one.answer.status_code} {one.answer.text[:200]}, {wrong}" for one, wrong in asked if wrong] == []
    served = {one.route.name for one, _ in asked if one.answer.is_success}
    assert {route.name for route in discover() if route.declared.audience.kind != "anyone"} - served == set(SERVED_ELSEWHERE)


async def test_the_matrix_sees_a_leak(stage) -> None:
    """The matrix itself: a route that forgets whose conversation it shows is found, in its tenant; outside, the database still says no."""

    @get("/leaky/{conversation_id:str}", opt=policy(END_USER, conversation_id="conversation"))
    async def leaky(conversation_id: str, principal: Principal, database: Database) -> str:
        async with database.transaction(ProviderScope(principal.provider_id)) as tx:
            remote = await tx.value("SELECT remote FROM conversation WHERE id = %(id)s", {"id": int(conversation_id)})
        if remote is None:
            raise NotFound
        return remote

    found = {(one.who, one.case.label) async for one, wrong in everybody_asks(stage, own=False, routes=[leaky]) if wrong}
    assert {who for who, _ in found} == {"ana", "ana_key", "ana_reading_key", "ben", "chloe", "dev"}
    assert ("ana", "ben's conversation_id") in found
    assert ("ana", "fay's conversation_id") not in found


async def test_nothing_of_one_tenant_is_in_any_answer_to_another(stage) -> None:
    """G33: names, numbers and ids of Southern in nothing that Northern is told."""
    southern = stage.people["ana"].provider_id
    canaries = {thing.id for thing in stage.things if thing.path.provider_id == southern} | {"Southern", "Harbour", "Orchard", "ana@people.example"}
    async for one, _ in everybody_asks(stage, own=True):
        if one.who in {"fay", "fay_key", "northern"}:
            found = [canary for canary in canaries if canary in one.answer.text]
            assert found == [], one.route.name


class WrongTenant(Authenticator):
    """Takes everybody for the person he is, but in another tenant: as if every filter of the application were wrong."""

    def __init__(self, stage, provider_id: int) -> None:
        super().__init__(stage.database, stage.settings, stage.clock)
        self._wrong = provider_id

    async def principal_of(self, headers) -> Principal | None:
        found = await super().principal_of(headers)
        if found is None:
            return None
        roles = tuple(msgspec.structs.replace(role, organisation_id=self._wrong) if role.level is Level.PROVIDER else role for role in found.roles)
        return msgspec.structs.replace(found, provider_id=self._wrong, roles=roles)


async def test_the_database_alone_says_no(stage) -> None:
    """G30: Ana with all her ids, but inside Northern: the application's own filters agree, row-level security alone is left, and finds nothing."""
    app = stage.application(WrongTenant(stage, stage.people["fay"].provider_id))
    before = digest(stage)
    canaries = {thing.id for thing in stage.things if thing.whose == "ana" and thing.kind != "user"} | {"Canary"}
    async with stage.client("ana", app=app) as client:
        for route in discover():
            if route.declared.audience.kind != "end_user":
                continue
            wanted = names(route)
            answer = await ask(client, route, {name: stage.of(kind, "ana") for name, kind in wanted.items()})
            if wanted:
                assert answer.status_code == 404, (route.name, answer.text)
            assert not [canary for canary in canaries if canary in answer.text], route.name
    assert digest(stage) == before


async def test_the_database_alone_says_no_in_the_portal(stage) -> None:
    """G30: Southern's operator with all of Southern's ids, but taken for Northern's: he finds and changes nothing."""
    app = stage.application(WrongTenant(stage, stage.people["fay"].provider_id))
    before = digest(stage)
    southern = stage.people["ana"].provider_id
    canaries = {thing.id for thing in stage.things if thing.path.provider_id == southern} | {"Southern", "Harbour", "Orchard", "ana@people.example"}
    tried = 0
    async with stage.client("southern", app=app) as client:
        for route in discover():
            wanted = names(route)
            if route.declared.audience.kind != "portal" or not (wanted or route.method == "GET"):
                continue
            chosen = {name: next(thing.id for thing in stage.things if thing.kind == kind) for name, kind in wanted.items()}
            answer = await ask(client, route, chosen)
            if wanted:
                assert answer.status_code == 404, (route.name, answer.text)
            assert not [canary for canary in canaries if canary in answer.text], route.name
            tried += 1
    assert digest(stage) == before
    assert tried > 10


async def test_every_tenant_table_is_closed_to_other_tenants(stage) -> None:
    """G30, G31: in another provider's scope, and in none, each table shows nothing of Southern, and takes nothing for it."""
    southern, northern = stage.people["ana"].provider_id, stage.people["fay"].provider_id
    tables = [
        row.name
        for row in stage.sql("SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relrowsecurity AND NOT relispartition ORDER BY 1")
    ]
    assert len(tables) > 20
    filled = {table for table in tables if stage.sql(f"SELECT 1 FROM {table} WHERE provider_id = %s LIMIT 1", southern)}
    assert {"conversation", "message", "number", "end_user", "session", "api_key"} <= filled
    for table in tables:
        for scope in (ProviderScope(northern), INSTALLATION):
            async with stage.database.transaction(scope) as tx:
                assert await tx.value(f"SELECT count(*) FROM {table} WHERE provider_id = %(p)s", {"p": southern}) == 0, table


@pytest.mark.parametrize("statement", [
    "INSERT INTO reseller (provider_id, id, name) VALUES (%(southern)s, new_id(), 'Trojan')",
    "INSERT INTO conversation (provider_id, id, assignment_id, remote) VALUES (%(southern)s, new_id(), %(assignment)s, '+12025550199')",
    "UPDATE end_user SET provider_id = %(southern)s WHERE provider_id = %(northern)s",
])  # fmt: skip
async def test_nothing_can_be_written_for_another_tenant(stage, statement: str) -> None:
    """G30: the policies also check what is written."""
    southern, northern = stage.people["ana"].provider_id, stage.people["fay"].provider_id
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with stage.database.transaction(ProviderScope(northern)) as tx:
            await tx.run(statement, {"southern": southern, "northern": northern, "assignment": int(stage.of("assignment", "ana"))})


async def test_cursors_are_good_for_their_owner_only(stage) -> None:
    """G29, bad input 48: a page marker or a place in changes, taken from somebody else, is refused."""
    stage.sql("UPDATE conversation SET last_message_id = last_message_id")
    app = stage.application()
    async with stage.client("ana", app=app) as ana, stage.client("ben", app=app) as ben:
        place = (await ana.get(f"{PREFIX}/changes")).json()["cursor"]
        page = (await ana.get(f"{PREFIX}/conversations", params={"limit": 1})).json()["next"]
        assert page
        assert (await ana.get(f"{PREFIX}/changes", params={"after": place})).status_code == 200
        assert (await ana.get(f"{PREFIX}/conversations", params={"cursor": page})).status_code == 200
        for refused in (
            await ben.get(f"{PREFIX}/changes", params={"after": place}),
            await ben.get(f"{PREFIX}/conversations", params={"cursor": page}),
            await ana.get(f"{PREFIX}/conversations/{stage.of('conversation', 'ana')}/messages", params={"cursor": page}),
            await ana.get(f"{PREFIX}/conversations", params={"cursor": "A" * 32}),
        ):
            assert refused.status_code == 400, refused.text


async def test_the_matrix_knows_every_route_of_the_application(stage) -> None:
    """G29: nothing is served that the matrix does not try, but for the description of the API."""
    registered = set()
    for route in stage.application()._mounts.routes.routes:
        if route.path.startswith(PREFIX):
            registered |= {(str(method), route.path_format) for method in getattr(route, "route_handler_map", {}) if method != "OPTIONS"}
    assert registered - {("GET", f"{PREFIX}/openapi.json")} == {(route.method, route.path.replace(":str", "")) for route in discover()}


async def test_a_route_without_a_policy_does_not_start() -> None:
    """Issue 2, point 4."""

    @get("/secret")
    async def secret() -> str:
        return "x"

    with pytest.raises(RouteWithoutPolicy, match="secret"):
        require_policies([*ROUTES, secret])


def reference() -> str:
    """docs/reference/authorisation.md, from the routes."""
    audiences: dict[str, Callable[[Policy], str]] = {
        "anyone": lambda _: "anyone",
        "signed_in": lambda _: "anybody signed in",
        "end_user": lambda _: "end users",
        "portal": lambda declared: "portal accounts: " + ", ".join(level.word for level in sorted(declared.audience.levels)),
    }
    lines = [
        "# Who may do what",
        "",
        "Made from the routes themselves by `tests/api/test_authorisation_matrix.py`, which also tries every line of it against everybody.",
        "To make it again: `WRITE_REFERENCE=1 .venv/bin/pytest tests/api/test_authorisation_matrix.py -k reference`.",
        "",
        "Things named in a path or a body must be the caller's own: an end user's own, or, in the portal, at or below one of the caller's",
        "organisations. Anything else is answered like something that does not exist (404). Without a session or an API key: 401. Of the wrong",
        "kind, or with an API key that lacks the scope: 403.",
        "",
        "| Route | Whom it serves | API key needs | Names |",
        "|---|---|---|---|",
    ]
    for route in discover():
        things = ", ".join(f"`{name}`: {kind}" for name, kind in names(route).items())
        scope = route.declared.scope_for(route.method)
        audience = audiences[route.declared.audience.kind](route.declared)
        lines.append(f"| `{route.name.replace(':str', '')}` | {audience} | {f'`{scope}`' if scope else '–'} | {things or '–'} |")
    return "\n".join(lines) + "\n"


async def test_the_reference_is_what_the_routes_declare() -> None:
    """docs/reference/authorisation.md cannot fall behind."""
    if os.environ.get("WRITE_REFERENCE"):
        REFERENCE.parent.mkdir(parents=True, exist_ok=True)
        REFERENCE.write_text(reference(), encoding="utf-8")
    assert REFERENCE.read_text(encoding="utf-8") == reference()
