"""What the authorisation matrix is made of: every route, what it names, everybody who may ask, and what he has to hear (tests/api).

All of it comes from what the routes declare; what cannot be guessed from there stands in the tables at the top.
"""

import hashlib
import typing
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

import httpx
import msgspec
import pytest
from litestar.handlers import BaseRouteHandler

from kereru.api.app import PREFIX
from kereru.entrypoints.web import ROUTES
from kereru.kernel.errors import KereruError
from kereru.tenancy.access.queries import Authenticator
from kereru.tenancy.policy import OPT_KEY, Policy, Principal, authorise, reach

PLAIN_PARAMETERS = {"client_id": "matrix-{}", "token": "matrix-{}", "remote": "+12025550142"}
"""Path parameters that name nothing stored: the caller makes them up."""

SHARED = {"platform"}
"""Kinds that belong to the provider as a whole: whoever a route serves may name those of his own provider."""

BODY_KINDS: dict[str, str] = {"organisation_id": "group"}
"""Body fields that name a stored thing without saying so: field → kind. Every `x_id` is a thing of the kind x by itself. (`up_to` of a conversation's
reading mark is a place in time: any id is a good one, and nothing is told about what has it.)"""

PREPARED = {
    f"POST {PREFIX}/users/{{user_id:str}}/invite": "UPDATE sign_in SET password_hash = ''",
    f"POST {PREFIX}/numbers/{{number_id:str}}/opt-in": "UPDATE opt_in SET state = 1",
    f"POST {PREFIX}/assignments/{{assignment_id:str}}/reset-opt-in": "UPDATE opt_in SET state = 2",
    f"POST {PREFIX}/assignments/{{assignment_id:str}}/retry": "UPDATE assignment SET state = 6",
    f"POST {PREFIX}/users/{{user_id:str}}/assignments": "UPDATE assignment SET state = 4",
    f"PUT {PREFIX}/messages/{{client_id:str}}": "UPDATE assignment SET state = 4; DELETE FROM blocked_remote",
    f"POST {PREFIX}/attachments/{{attachment_id:str}}/shrink": "UPDATE assignment SET state = 4",
    f"POST {PREFIX}/conversations/{{conversation_id:str}}/block": "UPDATE assignment SET state = 4",
    f"DELETE {PREFIX}/assignments/{{assignment_id:str}}/blocked/{{remote:str}}": (
        "INSERT INTO blocked_remote (provider_id, assignment_id, remote) SELECT provider_id, id, '+12025550142' FROM assignment "
        "ON CONFLICT DO NOTHING"
    ),
    f"POST {PREFIX}/messages/{{message_id:str}}/resend": (
        "UPDATE assignment SET state = 4; DELETE FROM outbox; DELETE FROM attempt WHERE attempt > 1; "
        "UPDATE message SET status = 6, attempt = 1 WHERE outbound"
    ),
}
"""What must be so before a route can serve its owner: route → statement."""

PLAIN_FIELDS = {"external_id"}
"""Body fields that end in _id and name nothing of ours."""

SERVED_ELSEWHERE = {
    f"POST {PREFIX}/contacts/import": "needs a file: tests/api/test_contacts.py",
    f"DELETE {PREFIX}/resellers/{{reseller_id:str}}": "needs the name typed: tests/api/test_portal.py",
    f"DELETE {PREFIX}/groups/{{group_id:str}}": "needs the name typed: tests/api/test_portal.py",
    f"POST {PREFIX}/attachments": "needs a form with a file: tests/api/test_attachments.py",
    f"POST {PREFIX}/attachments/{{attachment_id:str}}/shrink": "needs a picture: tests/api/test_attachments.py",
    f"POST {PREFIX}/attachments/{{attachment_id:str}}/fetch": "needs a file that could not be had: tests/integration/messaging/test_media.py",
    f"POST {PREFIX}/session/totp": "needs a code: tests/api/test_own_sign_in.py",
    f"POST {PREFIX}/session/totp/remove": "needs a code: tests/api/test_own_sign_in.py",
    f"POST {PREFIX}/session/recovery-codes": "needs a code: tests/api/test_own_sign_in.py",
}
"""Routes whose success takes more than a request of the right shape, and where it is tested."""

_NUMBER = """WITH n AS (INSERT INTO number (provider_id, id, platform_id, e164)
    SELECT n.provider_id, new_id(), n.platform_id, '+1202' || lpad((nextval('id_sequence') %% 10000000)::text, 7, '0') FROM assignment a
    JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id WHERE a.id = %s RETURNING provider_id, id),
  a AS (INSERT INTO assignment (provider_id, id, number_id, user_id, state)
    SELECT n.provider_id, new_id(), n.id, a.user_id, 4 FROM n, assignment a WHERE a.id = %s RETURNING provider_id, id)"""
_USER = """WITH s AS (INSERT INTO sign_in (provider_id, id, email, password_hash)
    SELECT provider_id, new_id(), id || '-' || nextval('id_sequence') || '@people.example', '' FROM end_user WHERE id = %s RETURNING provider_id, id),
  f AS (INSERT INTO feed (provider_id, id, kind) SELECT provider_id, new_id(), 1 FROM s RETURNING provider_id, id)
  INSERT INTO end_user (provider_id, id, group_id, sign_in_id, feed_id, name)
  SELECT u.provider_id, new_id(), u.group_id, s.id, f.id, 'Short' FROM end_user u, s, f WHERE u.id = %s RETURNING id"""
_ACCOUNT = """WITH s AS (INSERT INTO sign_in (provider_id, id, email, password_hash)
    SELECT provider_id, new_id(), 'p' || nextval('id_sequence') || '@people.example', '' FROM portal_role WHERE id = %s RETURNING id)
  INSERT INTO portal_role (provider_id, id, sign_in_id, name, level, organisation_id)
  SELECT r.provider_id, new_id(), s.id, r.name, r.level, r.organisation_id FROM portal_role r, s WHERE r.id = %s RETURNING id"""
_UPLOAD = """INSERT INTO file (provider_id, id, user_id, state, link) SELECT f.provider_id, new_id(), a.user_id, 2, ''
    FROM file f JOIN message m ON m.provider_id = f.provider_id AND m.id = f.message_id
    JOIN conversation c ON c.provider_id = m.provider_id AND c.id = m.conversation_id
    JOIN assignment a ON a.provider_id = c.provider_id AND a.id = c.assignment_id WHERE f.id IN (%s, %s) RETURNING id"""
FRESH = {
    f"DELETE {PREFIX}/users/{{user_id:str}}": ("user_id", _USER),
    f"DELETE {PREFIX}/users/{{user_id:str}}/sessions": ("user_id", _USER),
    f"DELETE {PREFIX}/portal-accounts/{{portal_account_id:str}}": ("portal_account_id", _ACCOUNT),
    f"DELETE {PREFIX}/sessions/{{session_id:str}}": (
        "session_id",
        """INSERT INTO session (provider_id, token_hash, sign_in_id)
           SELECT provider_id, sha256(nextval('id_sequence')::text::bytea), sign_in_id FROM kept_session WHERE id IN (%s, %s) RETURNING id""",
    ),
    f"DELETE {PREFIX}/api-keys/{{api_key_id:str}}": (
        "api_key_id",
        """INSERT INTO api_key (provider_id, id, token_hash, sign_in_id, name, hint, scopes)
           SELECT provider_id, new_id(), sha256(nextval('id_sequence')::text::bytea), sign_in_id, name, hint, scopes FROM api_key
           WHERE id IN (%s, %s) RETURNING id""",
    ),
    f"DELETE {PREFIX}/assignments/{{assignment_id:str}}": ("assignment_id", _NUMBER + " SELECT id FROM a"),
    f"POST {PREFIX}/assignments/{{assignment_id:str}}/delete-messages": (
        "assignment_id",
        _NUMBER
        + """, c AS (INSERT INTO conversation (provider_id, id, assignment_id, remote)
            SELECT provider_id, new_id(), id, '+12025550142' FROM a RETURNING provider_id, id, assignment_id),
          m AS (INSERT INTO message (provider_id, id, conversation_id, outbound, status, text, platform_id)
            SELECT provider_id, new_id(), id, false, 9, 'Hello', 1 FROM c)
          SELECT assignment_id AS id FROM c""",
    ),
    f"DELETE {PREFIX}/attachments/{{attachment_id:str}}": ("attachment_id", _UPLOAD),
    f"POST {PREFIX}/attachments/{{attachment_id:str}}/shrink": ("attachment_id", _UPLOAD),
    f"DELETE {PREFIX}/contacts/{{contact_id:str}}": (
        "contact_id",
        "INSERT INTO contact (provider_id, user_id, name) SELECT provider_id, user_id, name FROM contact WHERE id IN (%s, %s) RETURNING id",
    ),
    f"DELETE {PREFIX}/platforms/{{platform_id:str}}": (
        "platform_id",
        """INSERT INTO platform (provider_id, id, carrier, name, credentials_sealed)
           SELECT provider_id, new_id(), carrier, name, '' FROM platform WHERE id IN (%s, %s) RETURNING id""",
    ),
}
"""Routes that destroy what they name get a copy of their own, made just before: route → (parameter, statement; the original's id twice)."""

PHONE = "+12025550142"
MISSING = "9223372036854763462"


@dataclass(frozen=True)
class Route:
    """A method of an address, and what it declares."""

    method: str
    path: str
    declared: Policy
    body: type | None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def discover(routes: Iterable[BaseRouteHandler] = ROUTES) -> list[Route]:
    """Every route of the slices."""
    found: list[Route] = []
    for handler in routes:
        body = typing.get_type_hints(handler.fn).get("data")
        body = next((kind for kind in typing.get_args(body) if kind is not type(None)), body)
        methods = [str(method) for method in handler.http_methods if method != "OPTIONS"]
        found += [Route(method, PREFIX + path, handler.opt[OPT_KEY], body) for path in handler.paths for method in methods]
    return sorted(found, key=lambda route: (route.path, route.method))


def names(route: Route) -> dict[str, str]:
    """What the path and body of a route name: parameter or field → kind."""
    parameters = [piece[1:-1].partition(":")[0] for piece in route.path.split("/") if piece.startswith("{")]
    found: dict[str, str] = {}
    for parameter in parameters:
        if parameter in route.declared.path_ids:
            found[parameter] = route.declared.path_ids[parameter]
        elif parameter not in PLAIN_PARAMETERS:
            pytest.fail(f'{route.name}: say what {{{parameter}}} names, opt=policy(..., {parameter}="kind"), or add it to PLAIN_PARAMETERS')
    for name in route.declared.path_ids:
        if name not in parameters:
            pytest.fail(f"{route.name}: its policy speaks of {name}, which is not in its path")
    for one in msgspec.structs.fields(route.body) if route.body else ():
        if one.name in BODY_KINDS or (one.name.endswith("_id") and one.name not in PLAIN_PARAMETERS and one.name not in PLAIN_FIELDS):
            found[f"body.{one.name}"] = BODY_KINDS.get(one.name, one.name.removesuffix("_id"))
    return found


def sample(kind: object, name: str) -> object:
    """A value that fits a field's type: the least that gets a request as far as authorisation and beyond."""
    known = {
        "number": "2015550199",
        "level": "group",
        "scopes": ["client.read"],
        "carrier": "restcomm",
        "credentials": {"account_key": "AC0", "token_secret": "hush"},
        "to": PHONE,
        "text": "Hello",
        "email": "x@y.example",
        "password": "long enough",
        "attempt": 1,
        "e164": PHONE,
    }
    if name in known:
        return known[name]
    match msgspec.inspect.type_info(kind):
        case msgspec.inspect.LiteralType(values=values):
            return values[0]
        case msgspec.inspect.StrType():
            return "x"
        case msgspec.inspect.BoolType():
            return False
        case msgspec.inspect.IntType(ge=least):
            return least or 1
        case msgspec.inspect.ListType() | msgspec.inspect.VarTupleType():
            return []
        case msgspec.inspect.UnionType(includes_none=True):
            return None
    pytest.fail(f"no sample for the body field {name}; add one to sample()")


def body_of(route: Route, chosen: dict[str, str]) -> object:
    """A body that fits, naming the things chosen."""
    if route.body is None:
        return {}
    made: dict[str, object] = {}
    for one in msgspec.structs.fields(route.body):
        if f"body.{one.name}" in chosen:
            made[one.name] = chosen[f"body.{one.name}"]
        elif one.required:
            made[one.name] = sample(one.type, one.name)
    return made


_made_up = iter(range(10**9))


async def ask(client: httpx.AsyncClient, route: Route, chosen: dict[str, str]) -> httpx.Response:
    """One request to a route, naming the things chosen."""
    path = route.path
    for piece in path.split("/"):
        if piece.startswith("{"):
            name = piece[1:-1].partition(":")[0]
            path = path.replace(piece, chosen.get(name) or PLAIN_PARAMETERS[name].format(next(_made_up)))
    has_body = route.method in {"POST", "PUT", "PATCH"}
    return await client.request(route.method, path, json=body_of(route, chosen) if has_body else None)


def words(answer: httpx.Response) -> tuple[int, bytes]:
    """What an answer tells: foreign and missing must agree in it."""
    return answer.status_code, answer.content


@dataclass(frozen=True)
class Case:
    """One person's claim to one thing."""

    own: bool
    label: str
    chosen: dict[str, str]


def cases(stage, route: Route, principal: Principal, whose: str) -> Iterable[Case]:
    """The caller's own things everywhere, and in turn each foreign thing and a missing one in each place."""
    wanted = names(route)
    kinds = {thing.kind for thing in stage.things}
    for name, kind in wanted.items():
        if kind not in kinds:
            pytest.fail(
                f"{route.name}: {name} names a {kind!r}, which the stage does not have; add how to make one to _THINGS in tests/api/conftest.py"
            )

    def mine(thing) -> bool:
        if thing.kind in SHARED:
            return thing.path.provider_id == principal.provider_id
        if route.declared.audience.kind == "portal":
            return reach(principal).covers(thing.path)
        return thing.whose == whose and thing.path.user_id is not None

    base = {name: next((thing.id for thing in stage.things if thing.kind == kind and mine(thing)), MISSING) for name, kind in wanted.items()}
    if all(base[name] != MISSING for name in wanted):
        yield Case(True, "own", base)
    for name, kind in wanted.items():
        yield Case(False, f"missing {name}", {**base, name: MISSING})
        for thing in stage.things:
            if thing.kind == kind and not mine(thing):
                yield Case(False, f"{thing.whose}'s {name}", {**base, name: thing.id})


def expected_refusal(route: Route, principal: Principal | None) -> KereruError | None:
    """What the declared policy raises for this caller, before anything is looked at."""
    try:
        authorise(route.declared, principal, route.method)
    except KereruError as error:
        return error
    return None


OWNER_OF = {"ana_key": "ana", "ana_reading_key": "ana", "ana_portal_key": "ana", "fay_key": "fay"}


async def principals(stage) -> dict[str, Principal | None]:
    """Everybody, by name; nobody is None, and so is who comes with something worthless."""
    authenticator = Authenticator(stage.database, stage.settings, stage.clock)
    found: dict[str, Principal | None] = {}
    for name, person in stage.people.items():
        found[name] = await authenticator.principal_of([(key.encode(), value.encode()) for key, value in person.headers.items()])
        assert found[name] is not None, name
    return found


@dataclass
class Asked:
    """A request that was made and what came back."""

    route: Route
    who: str
    case: Case | None
    answer: httpx.Response


async def everybody_asks(stage, *, own: bool, routes: Iterable[BaseRouteHandler] = ROUTES) -> AsyncIterator[tuple[Asked, str]]:
    """Make every request of the matrix with own or with others' things; each with what is wrong with its answer, empty for nothing."""
    app = stage.application(routes=routes)
    everybody = await principals(stage)
    for route in discover(routes):
        if route.declared.audience.kind == "anyone":
            continue
        for who, principal in everybody.items():
            if own and route.name in PREPARED:
                stage.sql(PREPARED[route.name])
            async with stage.client(who, app=app) as client:
                refusal = expected_refusal(route, principal)
                missing: dict[str, tuple[int, bytes]] = {}
                for case in cases(stage, route, principal, OWNER_OF.get(who, who)):
                    if case.own != own:
                        continue
                    if own and refusal is None and route.name in FRESH:
                        parameter, statement = FRESH[route.name]
                        original = int(case.chosen[parameter])
                        case.chosen[parameter] = str(stage.sql(statement, original, original)[0].id)
                    answer = await ask(client, route, case.chosen)
                    yield Asked(route, who, case, answer), judge(route, case, answer, refusal, missing)


def judge(route: Route, case: Case, answer: httpx.Response, refusal: KereruError | None, missing: dict[str, tuple[int, bytes]]) -> str:
    """What is wrong with an answer; empty for nothing."""
    if answer.status_code >= 500:
        return "an error of ours"
    if refusal is not None:
        right = (answer.status_code, answer.json().get("code")) == (refusal.status, refusal.code)
        return "" if right else f"expected {refusal.status} {refusal.code} whatever it names"
    if case.own:
        return "" if answer.status_code in range(200, 300) or answer.status_code in {409, 422} else "its owner is turned away"
    place = case.label.partition(" ")[2]
    if case.label.startswith("missing"):
        missing[place] = words(answer)
        return "" if answer.status_code == 404 else "something missing is not answered by 404"
    return "" if words(answer) == missing[place] else "foreign does not look like missing"


def digest(stage) -> str:
    """What the tenants' tables hold, but for what merely being there writes."""
    tables = [row.name for row in stage.sql("SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relrowsecurity ORDER BY 1")]
    digest = hashlib.sha256()
    for table in tables:
        if table not in {"session", "api_key", "live_socket"}:
            rows = stage.sql(f"SELECT t::text AS row FROM {table} t ORDER BY 1")
            digest.update(repr((table, rows)).encode())
    return digest.hexdigest()
