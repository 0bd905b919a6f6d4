"""The demo's invented phone company, made by the same commands as the portal's, with webhooks really set at the simulated carriers.

Safe to repeat on a used home: what is there stays, what is missing is made, webhooks are pointed at the present address. A Restcomm platform's switch
"carrier takes long texts" stays off, as for a new platform: longer texts are refused with words instead of being cut.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from kereru.entrypoints.demo import DemoAccount, DemoNumber, DemoPlatform, Seeded
from kereru.entrypoints.wiring import desk_of, sealer_of
from kereru.kernel import ids
from kereru.kernel.db import INSTALLATION, Database, ProviderScope, Transaction
from kereru.kernel.http_client import CarrierClient
from kereru.kernel.secrets import load_or_make_key
from kereru.kernel.settings import Settings
from kereru.messaging.commands import release_withheld
from kereru.provisioning.desk import Desk
from kereru.provisioning.licences.commands import set_licence
from kereru.provisioning.licences.model import Product
from kereru.provisioning.numbers.assigning import assign_number
from kereru.provisioning.numbers.commands import list_numbers, repoint_webhooks
from kereru.provisioning.numbers.model import AssignmentEntry, NewAssignment
from kereru.provisioning.opt_in import commands as opt_in
from kereru.provisioning.opt_in.model import Answer, OptIn, Witness
from kereru.provisioning.opt_in.store import events
from kereru.provisioning.platforms.commands import create_platform, list_platforms, update_platform
from kereru.provisioning.platforms.model import NewPlatform, PlatformChanges
from kereru.simulators.config import Config, load_config
from kereru.tenancy import commands as tenancy
from kereru.tenancy import queries
from kereru.tenancy.access.queries import find_sign_in
from kereru.tenancy.model import Level

PASSWORD = "kereru-demo-2026"  # noqa: S105 - shown to everybody who starts the demo
"""Of every demo account; printed by the demo, and useless elsewhere."""
PROVIDER = "Southern Phone Co."
RESELLERS = ("Harbour Resellers", "Valley Partners")
GROUPS = (("Harbour Resellers", "Blue Door Ltd"), ("Valley Partners", "Café Mira"))
_PORTAL = (
    (Level.PROVIDER, PROVIDER, "Olive Park", "olive@southernphone.example"),
    (Level.RESELLER, "Harbour Resellers", "Rae Quill", "rae@harbour.example"),
    (Level.GROUP, "Blue Door Ltd", "Gina Stone", "gina@bluedoor.example"),
)


@dataclass(frozen=True, slots=True)
class _Wish:
    """A number that somebody of the demo shall have; `answer` is what its user says when asked, None: nothing yet."""

    carrier: str
    e164: str
    friendly_name: str
    answer: Answer | None = Answer.YES


@dataclass(frozen=True, slots=True)
class _User:
    name: str
    email: str
    wishes: tuple[_Wish, ...]


_USERS = (
    _User("Ana Torres", "ana@bluedoor.example", (_Wish("restcomm", "+12015550110", "Front desk"),)),
    _User("Ben Carter", "ben@bluedoor.example", (_Wish("inteliquent", "+13125550142", "Sales"),)),
    _User(
        "Chloe Meyer",
        "chloe@bluedoor.example",
        (_Wish("restcomm", "+12015550111", "Orders"), _Wish("inteliquent", "+13125550143", "Support line")),
    ),
    _User("Dev Patel", "dev@bluedoor.example", (_Wish("restcomm", "+12015550112", "Workshop", None),)),
)


@dataclass(slots=True)
class _Tree:
    """Ids by name: organisations, and what exists already by e-mail."""

    provider_id: int
    organisations: dict[str, int] = field(default_factory=dict[str, int])
    people: dict[str, int] = field(default_factory=dict[str, int])


def seed(settings: Settings, simulator_url: str) -> Seeded:
    """Make the demo tenant, or bring an earlier one up to date. Run in a process of its own, before the server starts."""
    return asyncio.run(make_tenant(settings, simulator_url))


async def make_tenant(settings: Settings, simulator_url: str) -> Seeded:
    """The same within a running event loop. Raises what the commands raise; what was made until then stays and is found again."""
    inventory = load_config((settings.home_path / "inventory.json").read_bytes())
    sealer = sealer_of(load_or_make_key(settings.key_path))
    async with (
        Database(settings.database_url, "kereru_app", size=4) as database,
        CarrierClient(allow_private_hosts=settings.allow_private_hosts, ca_bundle=settings.ca_bundle) as door,
    ):
        desk = desk_of(settings, database, door, sealer)
        tree = await _people(database)
        platforms = await _platforms(desk, tree.provider_id, inventory, simulator_url)
        for user in _USERS:
            await _numbers(desk, tree, platforms, user)
        async with database.transaction(ProviderScope(tree.provider_id)) as tx:
            held = await list_numbers(tx)
    return Seeded(_accounts(tree, held), _shown_platforms(inventory, simulator_url))


async def _people(database: Database) -> _Tree:
    """Organisations, portal accounts and users; each is looked for before it is made."""
    async with database.transaction(INSTALLATION) as tx:
        there = await find_sign_in(tx, _PORTAL[0][3])
        provider_id = there[0] if there else (await tenancy.create_provider(tx, PROVIDER)).provider_id
        if not there:
            # In the same transaction: an interrupted first start must not leave a second company behind.
            await _portal_account(tx, _Tree(provider_id, {PROVIDER: provider_id}), *_PORTAL[0])
    async with database.transaction(ProviderScope(provider_id)) as tx:
        tree = _Tree(provider_id, {PROVIDER: provider_id})
        for entry in await queries.tree(tx, provider_id):
            tree.organisations.setdefault(entry.name, entry.id)
            if entry.email:
                tree.people[entry.email] = entry.id
        await _organisations(tx, tree)
        for account in _PORTAL:
            if account[3] not in tree.people:
                await _portal_account(tx, tree, *account)
        for user in _USERS:
            if user.email not in tree.people:
                made = await tenancy.create_user(tx, provider_id, tree.organisations["Blue Door Ltd"], user.name, user.email, PASSWORD)
                tree.people[user.email] = made.id
                await set_licence(tx, provider_id, made.id, Product.DESKTOP, release_withheld)
    return tree


async def _organisations(tx: Transaction, tree: _Tree) -> None:
    for name in RESELLERS:
        if name not in tree.organisations:
            tree.organisations[name] = await tenancy.create_reseller(tx, tree.provider_id, name)
    for reseller, name in GROUPS:
        if name not in tree.organisations:
            tree.organisations[name] = await tenancy.create_group(tx, tree.provider_id, tree.organisations[reseller], name)


async def _portal_account(tx: Transaction, tree: _Tree, level: Level, organisation: str, name: str, email: str) -> None:
    at = tree.organisations[organisation]
    await tenancy.create_portal_account(tx, tree.provider_id, level, at, name, email, PASSWORD, send_alerts=level is Level.PROVIDER)


async def _platforms(desk: Desk, provider_id: int, inventory: Config, simulator_url: str) -> dict[str, int]:
    """One platform a carrier, its addresses those of the simulators of this start, its webhooks those of this server."""
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        there = {platform.carrier: platform.id for platform in await list_platforms(tx)}
    for carrier, credentials in _credentials(inventory).items():
        endpoints = _endpoints(carrier, simulator_url)
        if carrier in there:
            await update_platform(desk, provider_id, there[carrier], PlatformChanges(credentials=credentials, endpoints=endpoints))
            await repoint_webhooks(desk, provider_id, there[carrier])
        else:
            made = await create_platform(desk, provider_id, NewPlatform(carrier, credentials, endpoints=endpoints))
            there[carrier] = made.id
    return there


async def _numbers(desk: Desk, tree: _Tree, platforms: dict[str, int], user: _User) -> None:
    """The user's numbers, set up at the carriers, and his answers by the same command as the client's."""
    scope = ProviderScope(tree.provider_id)
    user_id = tree.people[user.email]
    async with desk.database.transaction(scope) as tx:
        held = {entry.e164 for entry in await list_numbers(tx)}
    for wish in user.wishes:
        if wish.e164 not in held:
            wanted = NewAssignment(user_id, wish.e164, platforms[wish.carrier], wish.friendly_name, enable_messaging=True)
            await assign_number(desk, tree.provider_id, wanted)
        if wish.answer is not None:
            await _answer(desk, tree.provider_id, user_id, user.email, wish)


async def _answer(desk: Desk, provider_id: int, user_id: int, email: str, wish: _Wish) -> None:
    """Once only: somebody who was asked again in the demo is left to answer himself."""
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        number = next((entry for entry in await list_numbers(tx) if entry.e164 == wish.e164 and entry.user_id == user_id), None)
        if wish.answer is not None and number is not None and number.opt_in == OptIn.PENDING and not await events(tx, number.id):
            witness = Witness(email, agent="kereru demo")
            await opt_in.answer(tx, provider_id, user_id, number.number_id, wish.answer, witness, release_withheld)


def _credentials(inventory: Config) -> dict[str, dict[str, str]]:
    """The first simulated account of each carrier, as the platform form wants it (R120)."""
    found: dict[str, dict[str, str]] = {}
    for one in inventory.restcomm[:1]:
        found["restcomm"] = {"account_key": one.account_sid, "token_secret": one.auth_token}
    for other in inventory.inteliquent[:1]:
        found["inteliquent"] = {"account_key": other.key, "token_secret": other.secret, "outbound_api_key": other.outbound_key}
    return found


def _endpoints(carrier: str, simulator_url: str) -> dict[str, str]:
    if carrier == "restcomm":
        base = f"{simulator_url}/restcomm"
        return {"api": f"{base}/2012-04-24", "messages": f"{base}/api/2012-04-24"}
    base = f"{simulator_url}/inteliquent"
    return {"broker": f"{base}/msgbroker/rest", "services": f"{base}/Services/2.0.0"}


def _accounts(tree: _Tree, held: Sequence[AssignmentEntry]) -> tuple[DemoAccount, ...]:
    users = [DemoAccount("user", user.email, PASSWORD, _numbers_of(tree.people[user.email], held)) for user in _USERS]
    return (*users, *(DemoAccount(level.word, email, PASSWORD) for level, _, _, email in _PORTAL))


def _numbers_of(user_id: int, entries: Sequence[AssignmentEntry]) -> tuple[DemoNumber, ...]:
    mine = (entry for entry in entries if entry.user_id == user_id)
    return tuple(DemoNumber(ids.encode(entry.number_id), entry.e164, entry.carrier) for entry in mine)


def _shown_platforms(inventory: Config, simulator_url: str) -> tuple[DemoPlatform, ...]:
    return tuple(
        DemoPlatform(carrier, next(iter(_endpoints(carrier, simulator_url).values())), credentials)
        for carrier, credentials in _credentials(inventory).items()
    )
