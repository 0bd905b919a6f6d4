"""Who may, as pure rules (R195, G29, G32)."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kereru.kernel.errors import Forbidden, NotFound, Unauthenticated
from kereru.tenancy.model import Level, Path
from kereru.tenancy.policy import (
    ANYONE,
    END_USER,
    OPT_KEY,
    PORTAL,
    SIGNED_IN,
    Principal,
    Role,
    ScopeMissing,
    UserIdentity,
    abilities,
    authorise,
    policy,
    reach,
)

PROVIDER = 1
USER = UserIdentity(id=50, group_id=30, feed_id=51, name="Ana", region="US", exclude_leading_zero=True, language="en", timezone="America/New_York")


def principal(*roles: Role, user: UserIdentity | None = None, via: str = "session", scopes: frozenset[str] = frozenset()) -> Principal:
    return Principal(PROVIDER, 9, "ana@bluedoor.example", user, roles, via, scopes)  # type: ignore[arg-type]


def declared(audience: object, **ids: str) -> object:
    return policy(audience, **ids)[OPT_KEY]  # type: ignore[arg-type]


def test_nobody_passes_only_where_anyone_may() -> None:
    """G29: no session, no route but the open ones."""
    authorise(declared(ANYONE), None, "POST")
    for audience in (SIGNED_IN, END_USER, PORTAL()):
        with pytest.raises(Unauthenticated):
            authorise(declared(audience), None, "GET")


def test_end_users_do_not_enter_the_portal_and_portal_accounts_do_not_text() -> None:
    """Design §7: end users do not enter the portal."""
    with pytest.raises(Forbidden):
        authorise(declared(PORTAL()), principal(user=USER), "GET")
    with pytest.raises(Forbidden):
        authorise(declared(END_USER), principal(Role(Level.PROVIDER, PROVIDER, "P")), "GET")


def test_a_portal_route_serves_its_levels_only() -> None:
    """R186: each level has its own tabs."""
    route = declared(PORTAL(Level.PROVIDER, Level.RESELLER))
    authorise(route, principal(Role(Level.RESELLER, 2, "R")), "GET")
    with pytest.raises(Forbidden):
        authorise(route, principal(Role(Level.GROUP, 30, "G")), "GET")


@pytest.mark.parametrize(("method", "scope", "passes"), [
    ("GET", "client.read", True), ("POST", "client.read", False), ("PUT", "client.write", True), ("GET", "client.write", False),
    ("GET", "portal.read", False),
])  # fmt: skip
def test_api_keys_act_within_their_scopes(method: str, scope: str, passes: bool) -> None:
    """An API key never does more than it was made for (issue 2, point 4)."""
    key = principal(user=USER, via="api_key", scopes=frozenset({scope}))
    if passes:
        authorise(declared(END_USER), key, method)
    else:
        with pytest.raises(ScopeMissing):
            authorise(declared(END_USER), key, method)


def test_a_route_may_name_another_scope() -> None:
    """A POST that changes nothing may be open to readers."""
    route = policy(END_USER, scope="client.read")[OPT_KEY]
    authorise(route, principal(user=USER, via="api_key", scopes=frozenset({"client.read"})), "POST")


def test_abilities_follow_roles_and_scopes() -> None:
    """Design §7: `can` says what the caller can do, no more."""
    assert abilities(principal(user=USER)) == ["licence.read", "conversations.read", "opt_in.answer", "messages.send"]
    assert abilities(principal(user=USER, via="api_key", scopes=frozenset({"client.read"}))) == ["licence.read", "conversations.read"]
    assert abilities(principal(Role(Level.GROUP, 30, "G"))) == ["portal.read", "portal.write"]
    assert abilities(principal()) == []


class Tree:
    """A random tree by parents: the plain reading of "authority flows down the tree only", to hold Reach against."""

    def __init__(self, resellers: int, groups: list[int], users: list[int]) -> None:
        self.resellers = list(range(100, 100 + resellers))
        self.group_parent = {200 + at: self.resellers[parent % resellers] for at, parent in enumerate(groups)}
        group_ids = list(self.group_parent)
        self.user_parent = {300 + at: group_ids[parent % len(group_ids)] for at, parent in enumerate(users)} if group_ids else {}

    def ancestors(self, node: int) -> set[int]:
        parents: Mapping[int, int] = {**self.user_parent, **self.group_parent, **dict.fromkeys(self.resellers, PROVIDER)}
        found = {node}
        while node in parents:
            node = parents[node]
            found.add(node)
        return found

    def path(self, node: int) -> Path:
        group = self.user_parent.get(node, node if node in self.group_parent else None)
        reseller = self.group_parent.get(group, node if node in self.resellers else None) if group else (node if node in self.resellers else None)
        return Path(PROVIDER, reseller, group, node if node in self.user_parent else None)

    @property
    def nodes(self) -> list[int]:
        return [PROVIDER, *self.resellers, *self.group_parent, *self.user_parent]

    def level(self, node: int) -> Level | None:
        if node == PROVIDER:
            return Level.PROVIDER
        return Level.RESELLER if node in self.resellers else Level.GROUP if node in self.group_parent else None


trees = st.builds(Tree, st.integers(1, 4), st.lists(st.integers(0, 9), max_size=6), st.lists(st.integers(0, 9), max_size=8))


@given(tree=trees, data=st.data())
def test_authority_flows_down_the_tree_only(tree: Tree, data: st.DataObject) -> None:
    """G32: a caller reaches a thing exactly when one of his organisations is the thing or above it, whatever the tree and after any move."""
    organisations = [node for node in tree.nodes if tree.level(node)]
    held = data.draw(st.lists(st.sampled_from(organisations), max_size=3, unique=True))
    caller = principal(*(Role(tree.level(node) or Level.GROUP, node, "x") for node in held), user=USER)
    for _ in range(2):
        for node in tree.nodes:
            assert reach(caller).covers(tree.path(node)) == bool(tree.ancestors(node) & set(held)), (node, held)
        if tree.group_parent:  # a group moves; what is reached follows at once
            moved = data.draw(st.sampled_from(sorted(tree.group_parent)))
            tree.group_parent[moved] = data.draw(st.sampled_from(tree.resellers))


@given(tree=trees)
def test_another_provider_is_never_reached(tree: Tree) -> None:
    """G29: ids of another provider's tree, even equal ones, are out of reach."""
    everything = principal(Role(Level.PROVIDER, PROVIDER, "P"), *(Role(Level.RESELLER, node, "R") for node in tree.resellers))
    for node in tree.nodes:
        path = tree.path(node)
        assert not reach(everything).covers(Path(2, path.reseller_id, path.group_id, path.user_id))


def test_out_of_reach_looks_like_missing() -> None:
    """G29: foreign looks like missing."""
    nobody = reach(principal(user=USER))
    for path in (None, Path(PROVIDER, 100)):
        with pytest.raises(NotFound):
            nobody.require(path)


def test_no_organisation_is_nobodys_organisation() -> None:
    """A provider's own path has no reseller; a caller without resellers must not match that absence."""
    assert not reach(principal()).covers(Path(PROVIDER))
    assert not reach(principal(Role(Level.GROUP, 200, "G"))).covers(Path(PROVIDER, 100))
