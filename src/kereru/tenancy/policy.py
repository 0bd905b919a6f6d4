"""Who may: decided once per request, from what the caller is and what a route declares (design §9, R195, G29, G32).

A route says `opt=policy(END_USER, conversation_id="conversation")`: whom it serves, and what its path parameters name. The application refuses to
start with a route that says nothing, and the authorisation matrix tests every route against what it says. Authority comes from roles only and flows
down the tree only: `Reach` covers a path when one of the caller's organisations stands on it. Nothing here asks the database; the tree is read by
the statement that reads the object, so a moved group obeys its new parents at once.
"""

from typing import Literal

import msgspec

from kereru.kernel.errors import Forbidden, NotFound, Unauthenticated
from kereru.tenancy.model import Level, Path
from kereru.tenancy.people.desk import Desk

OPT_KEY = "policy"
STREAMS_KEY = "streams"
"""Beside the policy in a route's `opt`: it reads its body itself, piece by piece, and holds its own limits."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
IN_PERSON = "in person"
"""The scope of routes that no API key serves: what decides who somebody is, he does himself."""
SCOPES = ("client.read", "client.write", "portal.read", "portal.write")


class Role(msgspec.Struct, frozen=True):
    """A portal account: one organisation at which somebody may act, and on everything below it. `name` is the organisation's."""

    level: Level
    organisation_id: int
    name: str


class UserIdentity(msgspec.Struct, frozen=True):
    """The end user a sign-in is, with what decides how numbers and times are shown to him, and whether he texts any number (R23)."""

    id: int
    group_id: int
    feed_id: int
    name: str
    region: str
    exclude_leading_zero: bool
    language: str
    timezone: str
    desk: Desk = Desk()
    any_number: bool = True


class Principal(msgspec.Struct, frozen=True):
    """Who is asking: one sign-in, by a session or by an API key (then only within its scopes).

    `credential` is the hash of what proved it, `address` where this request's connection comes from.
    """

    provider_id: int
    sign_in_id: int
    email: str
    user: UserIdentity | None
    roles: tuple[Role, ...]
    via: Literal["session", "api_key"]
    scopes: frozenset[str] = frozenset()
    credential: bytes = b""
    address: str = ""

    def can(self, scope: str) -> bool:
        """Whether what he came with is good for `scope`; a session is good for everything he is."""
        return self.via == "session" or scope in self.scopes


class Audience(msgspec.Struct, frozen=True):
    """Whom a route serves. `levels` are those of the portal; empty elsewhere."""

    kind: Literal["anyone", "signed_in", "end_user", "portal"]
    levels: frozenset[Level] = frozenset()


ANYONE = Audience("anyone")
SIGNED_IN = Audience("signed_in")
END_USER = Audience("end_user")


def PORTAL(*levels: Level) -> Audience:  # noqa: N802 - reads as a constant where routes declare it
    """Portal accounts of these levels; none named: of every level."""
    return Audience("portal", frozenset(levels or Level))


class Policy(msgspec.Struct, frozen=True):
    """What a route declares. `path_ids`: path parameter → kind of thing it names. `scope`: what an API key needs; empty: as the method says."""

    audience: Audience
    path_ids: dict[str, str]
    scope: str = ""

    def scope_for(self, method: str) -> str:
        """The API-key scope this route needs; empty when any key will do."""
        area = {"end_user": "client", "portal": "portal"}.get(self.audience.kind)
        if self.scope or area is None:
            return self.scope
        return f"{area}.{'read' if method in SAFE_METHODS else 'write'}"


def policy(audience: Audience, *, scope: str = "", **path_ids: str) -> dict[str, Policy]:
    """What a route passes as `opt`: its audience and, for each path parameter, the kind of thing it names (`conversation_id="conversation"`)."""
    return {OPT_KEY: Policy(audience, path_ids, scope)}


class ScopeMissing(Forbidden):
    """This API key was not given the right to do this. Make one with the scope that is needed."""

    code = "scope_missing"


def authorise(declared: Policy, principal: Principal | None, method: str) -> None:
    """Let `principal` pass or raise Unauthenticated, Forbidden, ScopeMissing. Looks at no object: those are found within his reach or not at all."""
    audience = declared.audience
    if audience.kind == "anyone":
        return
    if principal is None:
        raise Unauthenticated
    if audience.kind == "end_user" and principal.user is None:
        raise Forbidden
    if audience.kind == "portal" and not any(role.level in audience.levels for role in principal.roles):
        raise Forbidden
    scope = declared.scope_for(method)
    if scope and not principal.can(scope):
        if scope == IN_PERSON:
            message = "An API key cannot do this. Sign in yourself."
            raise ScopeMissing(message)
        message = f"This API key does not have the scope {scope}. Make one that has it."
        raise ScopeMissing(message)


class Reach(msgspec.Struct, frozen=True):
    """What part of one provider's tree a caller may act on in the portal: all of it, or what hangs under these organisations.

    In a statement: `(%(whole)s OR g.reseller_id = ANY(%(resellers)s) OR g.id = ANY(%(groups)s))`, with `params()`.
    """

    provider_id: int
    whole: bool
    resellers: frozenset[int]
    groups: frozenset[int]

    def covers(self, path: Path) -> bool:
        """Whether the thing that stands at `path` is at or below one of the caller's organisations."""
        if path.provider_id != self.provider_id:
            return False
        return self.whole or path.reseller_id in self.resellers or path.group_id in self.groups

    def require(self, path: Path | None) -> None:
        """Pass, or raise NotFound: foreign looks like missing (G29)."""
        if path is None or not self.covers(path):
            raise NotFound

    def params(self) -> dict[str, object]:
        """The parameters of the condition above."""
        return {"whole": self.whole, "resellers": sorted(self.resellers), "groups": sorted(self.groups)}


def reach(principal: Principal) -> Reach:
    """The caller's reach; nothing for somebody without portal accounts."""
    at = {level: frozenset(role.organisation_id for role in principal.roles if role.level is level) for level in Level}
    return Reach(principal.provider_id, principal.provider_id in at[Level.PROVIDER], at[Level.RESELLER], at[Level.GROUP])


def abilities(principal: Principal) -> list[str]:
    """What answers carry as `can`, so that the web app never copies rules (design §7)."""
    able: list[str] = []
    if principal.user is not None:
        able += ["licence.read", "conversations.read"] if principal.can("client.read") else []
        able += ["opt_in.answer", "messages.send"] if principal.can("client.write") else []
    if principal.roles:
        able += [scope for scope in ("portal.read", "portal.write") if principal.can(scope)]
    return able
