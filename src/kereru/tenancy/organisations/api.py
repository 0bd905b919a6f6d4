"""Routes of the tree: providers, resellers, groups (R186 to R189, R195): parse, authorise, call one command, present."""

from typing import Annotated

import msgspec
from litestar import delete, get, patch, post
from litestar.params import Parameter

from kereru.kernel import ids
from kereru.kernel.db import Database, ProviderScope, Row, Transaction
from kereru.kernel.errors import Forbidden
from kereru.kernel.paging import CursorCodec, Page
from kereru.tenancy import commands, lists
from kereru.tenancy.errors import NoSuchOrganisation
from kereru.tenancy.history.model import actor_of
from kereru.tenancy.lists import Sort, wanted
from kereru.tenancy.model import Level, Path
from kereru.tenancy.organisations import store
from kereru.tenancy.organisations.commands import Changes, delete_organisation, update_organisation
from kereru.tenancy.people.deletion import Lost
from kereru.tenancy.policy import PORTAL, Principal, Reach, policy, reach
from kereru.tenancy.ports import Holdings
from kereru.tenancy.requests import Cursor, Limit, Query, Typed, may_write, organisation_id, organisation_within

PROVIDER = PORTAL(Level.PROVIDER)
RESELLER = PORTAL(Level.PROVIDER, Level.RESELLER)
OfReseller = Annotated[str | None, Parameter(description="Only those of this reseller.")]


class ProviderShown(msgspec.Struct, frozen=True):
    """A provider, with how much it holds."""

    id: str
    name: str
    demands_second_factor: bool
    resellers: int
    groups: int
    users: int
    portal_accounts: int
    can: list[str]


class ResellerShown(msgspec.Struct, frozen=True):
    """A reseller, with how much it holds; deleting it takes all of that."""

    id: str
    name: str
    demands_second_factor: bool
    groups: int
    users: int
    portal_accounts: int
    can: list[str]


class GroupShown(msgspec.Struct, frozen=True):
    """A group, with how much it holds; deleting it takes all of that."""

    id: str
    name: str
    reseller_id: str
    reseller: str
    demands_second_factor: bool
    users: int
    portal_accounts: int
    can: list[str]


class TreeNode(msgspec.Struct, frozen=True):
    """One organisation of the tree; `parent_id` is null where the caller's view begins. `can` says what may be made below it."""

    level: str
    id: str
    parent_id: str | None
    name: str
    users: int
    can: list[str]


class Tree(msgspec.Struct, frozen=True):
    """All organisations the caller may see, parents before children, each level by name."""

    items: list[TreeNode]


class NameBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new reseller."""

    name: Typed


class GroupBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new group."""

    reseller_id: str
    name: Typed


class OrganisationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; what is not named stays. `demands_second_factor` binds everybody at it and below."""

    name: Typed | None = None
    demands_second_factor: bool | None = None


class ChangeGroupBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same; `reseller_id` moves the group, and authority over it follows at once."""

    name: Typed | None = None
    demands_second_factor: bool | None = None
    reseller_id: str | None = None


class DeleteBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The confirmation: the name of what is deleted, as a person typed it."""

    name: Typed = ""


@get("/tree", opt=policy(PORTAL()), operation_id="getTree", summary="The organisations you may see")
async def get_tree(principal: Principal, database: Database) -> Tree:
    """Your organisations and everything below them (R186, R195)."""
    within, write = reach(principal), may_write(principal)
    params = {"provider_id": principal.provider_id, **within.params()}
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        top = await tx.row(store.PROVIDER, params) if within.whole else None
        resellers = await tx.rows(store.TREE_RESELLERS, params)
        groups = await tx.rows(store.TREE_GROUPS, params)
    seen = {row.id for row in resellers}
    users: dict[int, int] = {}
    for row in groups:
        users[row.reseller_id] = users.get(row.reseller_id, 0) + row.users
    nodes: list[TreeNode] = []
    if top is not None:
        nodes.append(TreeNode("provider", ids.encode(top.id), None, top.name, top.users, ["resellers.create"] if write else []))
    parent = ids.encode(top.id) if top is not None else None
    able = ["groups.create"] if write else []
    nodes += [TreeNode("reseller", ids.encode(row.id), parent, row.name, users.get(row.id, 0), able) for row in resellers]
    able = ["users.create"] if write else []
    nodes += [
        TreeNode("group", ids.encode(row.id), ids.encode(row.reseller_id) if row.reseller_id in seen else None, row.name, row.users, able)
        for row in groups
    ]
    return Tree(nodes)


@get("/providers", opt=policy(PROVIDER), operation_id="listProviders", summary="Your provider; the operator makes others with kereru admin")
async def list_providers(principal: Principal, database: Database) -> Page[ProviderShown]:
    """One: your own. Providers above and beside each other do not see each other (G29)."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return Page([await _provider(tx, principal)])


@get("/providers/{provider_id:str}", opt=policy(PROVIDER, provider_id="provider"), operation_id="getProvider", summary="One provider")
async def get_provider(provider_id: str, principal: Principal, database: Database) -> ProviderShown:
    """Raises NoSuchOrganisation."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await organisation_within(tx, principal, Level.PROVIDER, organisation_id(provider_id))
        return await _provider(tx, principal)


@patch("/providers/{provider_id:str}", opt=policy(PROVIDER, provider_id="provider"), operation_id="updateProvider", summary="Change a provider")
async def update_provider(provider_id: str, principal: Principal, database: Database, data: OrganisationBody) -> ProviderShown:
    """Raises NoSuchOrganisation, NotAName."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await _change(tx, principal, Level.PROVIDER, organisation_id(provider_id), data)
        return await _provider(tx, principal)


@get("/resellers", opt=policy(RESELLER), operation_id="listResellers", summary="Resellers")
async def list_resellers(
    principal: Principal, database: Database, cursors: CursorCodec, q: Query = "", sort: Sort = "name", limit: Limit = 50, cursor: Cursor = None
) -> Page[ResellerShown]:
    """Those you reach, by `name` or `created`. Raises BadCursor, Invalid."""
    within = reach(principal)
    params = {"provider_id": principal.provider_id, **within.params(), "q": q}
    which = wanted(store.RESELLERS, sort, limit, cursor)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await lists.page(tx, store.RESELLERS, params, which, cursors, lambda row: _reseller_shown(row, principal, within))


@post("/resellers", opt=policy(PROVIDER), status_code=201, operation_id="createReseller", summary="Add a reseller")
async def create_reseller(principal: Principal, database: Database, data: NameBody) -> ResellerShown:
    """Raises NotAName, NameTaken."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        id_ = await commands.create_reseller(tx, principal.provider_id, data.name, by=actor_of(principal))
        return await _reseller(tx, principal, id_)


@get("/resellers/{reseller_id:str}", opt=policy(RESELLER, reseller_id="reseller"), operation_id="getReseller", summary="One reseller")
async def get_reseller(reseller_id: str, principal: Principal, database: Database) -> ResellerShown:
    """Raises NoSuchOrganisation."""
    id_ = organisation_id(reseller_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await organisation_within(tx, principal, Level.RESELLER, id_)
        return await _reseller(tx, principal, id_)


@patch("/resellers/{reseller_id:str}", opt=policy(RESELLER, reseller_id="reseller"), operation_id="updateReseller", summary="Change a reseller")
async def update_reseller(reseller_id: str, principal: Principal, database: Database, data: OrganisationBody) -> ResellerShown:
    """Raises NoSuchOrganisation, NotAName, NameTaken."""
    id_ = organisation_id(reseller_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await _change(tx, principal, Level.RESELLER, id_, data)
        return await _reseller(tx, principal, id_)


@delete(
    "/resellers/{reseller_id:str}",
    opt=policy(PROVIDER, reseller_id="reseller"),
    status_code=200,
    operation_id="deleteReseller",
    summary="Delete a reseller with everything below it",
)
async def delete_reseller(reseller_id: str, principal: Principal, database: Database, holdings: Holdings, data: DeleteBody | None = None) -> Lost:
    """422 `name_not_typed` says what would be lost. Raises NoSuchOrganisation, HasNumbers, NameNotTyped."""
    return await _delete(principal, database, holdings, Level.RESELLER, organisation_id(reseller_id), data)


@get("/groups", opt=policy(PORTAL()), operation_id="listGroups", summary="Groups")
async def list_groups(
    principal: Principal,
    database: Database,
    cursors: CursorCodec,
    reseller: OfReseller = None,
    q: Query = "",
    sort: Sort = "name",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[GroupShown]:
    """Those you reach, by `name`, `reseller` or `created`. Raises BadCursor, Invalid, NoSuchOrganisation."""
    within = reach(principal)
    which = wanted(store.GROUPS, sort, limit, cursor)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        parent = None if reseller is None else organisation_id(reseller)
        if parent is not None:
            await organisation_within(tx, principal, Level.RESELLER, parent)
        params = {"provider_id": principal.provider_id, **within.params(), "q": q, "reseller": parent}
        return await lists.page(tx, store.GROUPS, params, which, cursors, lambda row: _group_shown(row, principal, within))


@post("/groups", opt=policy(RESELLER), status_code=201, operation_id="createGroup", summary="Add a group to a reseller")
async def create_group(principal: Principal, database: Database, data: GroupBody) -> GroupShown:
    """Raises NoSuchOrganisation, NotAName, NameTaken."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        path = await organisation_within(tx, principal, Level.RESELLER, organisation_id(data.reseller_id))
        id_ = await commands.create_group(tx, principal.provider_id, path.reseller_id or 0, data.name, by=actor_of(principal))
        return await _group(tx, principal, id_)


@get("/groups/{group_id:str}", opt=policy(PORTAL(), group_id="group"), operation_id="getGroup", summary="One group")
async def get_group(group_id: str, principal: Principal, database: Database) -> GroupShown:
    """Raises NoSuchOrganisation."""
    id_ = organisation_id(group_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await organisation_within(tx, principal, Level.GROUP, id_)
        return await _group(tx, principal, id_)


@patch("/groups/{group_id:str}", opt=policy(PORTAL(), group_id="group"), operation_id="updateGroup", summary="Change a group, or move it")
async def update_group(group_id: str, principal: Principal, database: Database, data: ChangeGroupBody) -> GroupShown:
    """A move needs authority over both resellers. Raises NoSuchOrganisation, NotAName, NameTaken."""
    id_ = organisation_id(group_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        path = await organisation_within(tx, principal, Level.GROUP, id_)
        parent = None if data.reseller_id is None else organisation_id(data.reseller_id)
        if parent is not None:
            await organisation_within(tx, principal, Level.RESELLER, parent)
            await organisation_within(tx, principal, Level.RESELLER, path.reseller_id or 0)
        changes = Changes(name=data.name, demands_second_factor=data.demands_second_factor, reseller_id=parent)
        await update_organisation(tx, principal.provider_id, Level.GROUP, id_, changes, by=actor_of(principal))
        return await _group(tx, principal, id_)


@delete(
    "/groups/{group_id:str}",
    opt=policy(RESELLER, group_id="group"),
    status_code=200,
    operation_id="deleteGroup",
    summary="Delete a group with everybody in it",
)
async def delete_group(group_id: str, principal: Principal, database: Database, holdings: Holdings, data: DeleteBody | None = None) -> Lost:
    """422 `name_not_typed` says what would be lost. Raises NoSuchOrganisation, HasNumbers, NameNotTyped."""
    return await _delete(principal, database, holdings, Level.GROUP, organisation_id(group_id), data)


async def _change(tx: Transaction, principal: Principal, level: Level, id_: int, data: OrganisationBody) -> None:
    await organisation_within(tx, principal, level, id_)
    changes = Changes(name=data.name, demands_second_factor=data.demands_second_factor)
    await update_organisation(tx, principal.provider_id, level, id_, changes, by=actor_of(principal))


async def _delete(principal: Principal, database: Database, holdings: Holdings, level: Level, id_: int, data: DeleteBody | None) -> Lost:
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        path = await organisation_within(tx, principal, level, id_)
        # Only from above: whoever manages an organisation does not delete it from under himself.
        above = Path(principal.provider_id, path.reseller_id if level is Level.GROUP else None)
        if not reach(principal).covers(above):
            raise Forbidden
        typed = data.name if data else ""
        return await delete_organisation(tx, principal.provider_id, level, id_, typed, holdings, by=actor_of(principal))


async def _provider(tx: Transaction, principal: Principal) -> ProviderShown:
    row = await tx.row(store.PROVIDER, {"provider_id": principal.provider_id})
    if row is None:
        raise NoSuchOrganisation
    able = ["update", "resellers.create", "portal_accounts.create"] if may_write(principal) else []
    return ProviderShown(ids.encode(row.id), row.name, row.demands_second_factor, row.resellers, row.groups, row.users, row.portal_accounts, able)


async def _reseller(tx: Transaction, principal: Principal, id_: int) -> ResellerShown:
    row = await tx.row(store.RESELLER, {"provider_id": principal.provider_id, "id": id_})
    if row is None:
        raise NoSuchOrganisation
    return _reseller_shown(row, principal, reach(principal))


async def _group(tx: Transaction, principal: Principal, id_: int) -> GroupShown:
    row = await tx.row(store.GROUP, {"provider_id": principal.provider_id, "id": id_})
    if row is None:
        raise NoSuchOrganisation
    return _group_shown(row, principal, reach(principal))


def _reseller_shown(row: Row, principal: Principal, within: Reach) -> ResellerShown:
    able = ["update", *(["delete"] if within.whole else []), "groups.create", "portal_accounts.create"] if may_write(principal) else []
    return ResellerShown(ids.encode(row.id), row.name, row.demands_second_factor, row.groups, row.users, row.portal_accounts, able)


def _group_shown(row: Row, principal: Principal, within: Reach) -> GroupShown:
    above = within.covers(Path(principal.provider_id, row.reseller_id))
    more = [*(["move"] if within.whole or len(within.resellers) > 1 else []), "delete"] if above else []
    able = ["update", *more, "users.create", "portal_accounts.create"] if may_write(principal) else []
    return GroupShown(
        ids.encode(row.id), row.name, ids.encode(row.reseller_id), row.reseller, row.demands_second_factor, row.users, row.portal_accounts, able
    )


ROUTES = (
    get_tree, list_providers, get_provider, update_provider, list_resellers, create_reseller, get_reseller, update_reseller, delete_reseller,
    list_groups, create_group, get_group, update_group, delete_group,
)  # fmt: skip
