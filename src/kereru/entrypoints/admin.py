"""`kereru admin`: the operator above all providers makes organisations, people and API keys (design §7), beside a running server or without one.

Passwords are asked for, or read from standard input when it is no terminal; never from the command line, which every user of the machine can read.
"""

import asyncio
import getpass
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, cast
from urllib.parse import quote

import msgspec
import psycopg
from cyclopts import App, Parameter

from kereru.entrypoints.postgres import EmbeddedPostgres
from kereru.entrypoints.problems import MachineProblem
from kereru.entrypoints.serve import engine_options
from kereru.kernel import ids, logging
from kereru.kernel.db import INSTALLATION, Database, ProviderScope, Transaction
from kereru.kernel.settings import Settings
from kereru.provisioning.platforms.alerts import alert_recipients_guard
from kereru.tenancy import commands, queries
from kereru.tenancy.access import commands as access
from kereru.tenancy.access import queries as access_queries
from kereru.tenancy.access import second_factor
from kereru.tenancy.access.mails import LINK_S, link_in_hand
from kereru.tenancy.errors import NoSuchOrganisation, NoSuchPerson
from kereru.tenancy.model import Level, clean_email

app = App(name="admin", help="Act as the operator above all providers.", result_action="return_value")

Home = Annotated[Path | None, Parameter(help="Folder for the database, keys and files. [env: KERERU_HOME]")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs instead of words for people.")]
Provider = Annotated[str, Parameter(help="The provider's id, as `kereru admin list` shows it.")]
Email = Annotated[str, Parameter(help="The e-mail address somebody signs in with.")]


@dataclass(frozen=True)
class Operator:
    """The database as the operator needs it: `app` for one provider at a time, `owner` only to see which providers there are."""

    app: Database
    owner: Database


@asynccontextmanager
async def operator(settings: Settings) -> AsyncGenerator[Operator]:
    """The installation's database: given by URL, of the running server, or started for as long as this takes. Raises MachineProblem, Unavailable."""
    with _address(settings) as url:
        its_app = Database(url, "kereru_app", size=2)
        its_owner = Database(url, "kereru_owner", size=2)
        async with its_app, its_owner:
            yield Operator(its_app, its_owner)


@contextmanager
def _address(settings: Settings) -> Generator[str]:
    if settings.database_url:
        yield settings.server_url
        return
    engine = EmbeddedPostgres(settings.home_path, engine_options(settings))
    running = _running(engine.data)
    if running is not None:
        yield running
        return
    if not engine.data.exists():
        raise MachineProblem(
            "no_database", f"There is no database in {settings.home_path}.", "Name the folder with --home, or run kereru migrate first."
        )
    try:
        yield engine.start()
    finally:
        engine.stop()


def _running(data: Path) -> str | None:
    """The address of the engine that runs on `data`, by what it wrote down itself."""
    try:
        lines = (data / "postmaster.pid").read_text().split("\n")
        port, folder = lines[3], lines[4]
    except (OSError, IndexError):
        return None
    url = f"postgresql://kereru_owner@/kereru?host={quote(folder, safe='')}&port={port}"
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return None
    return url


def run(home: Path | None, work: Callable[[Operator], Awaitable[object]], *, as_json: bool, words: Callable[[dict[str, object]], str]) -> int:
    """Do `work` and print what came of it: its fields as JSON, or `words` made of them."""

    async def working() -> object:
        async with operator(Settings.load(home=None if home is None else str(home))) as desk:
            return await work(desk)

    logging.configure("warning", process="admin")
    answer = plain(asyncio.run(working()))
    print(msgspec.json.encode(answer).decode() if as_json else words(answer))
    return 0


def printable(text: str) -> str:
    """What a terminal may be given of words that strangers wrote: controls and invisible characters escaped (bad input 21)."""
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode() for character in text)


@app.command
def resume_sending(
    *,
    late: Annotated[float, Parameter(help="Web processes silent for so many seconds count as gone.")] = 20.0,
    home: Home = None,
    as_json: Json = False,
) -> int:
    """Let senders go on although web processes still hold webhooks in their intake logs. A STOP among those is heard only when it is replayed."""

    async def work(desk: Operator) -> object:
        async with desk.owner.transaction(INSTALLATION) as tx:
            rows = await tx.rows("SELECT holder, entries, known_at FROM excuse_intake(%(late)s)", {"late": late})
        return {"items": [{"holder": row.holder, "entries": row.entries, "known_at": row.known_at} for row in rows]}

    def words(answer: dict[str, object]) -> str:
        items: list[dict[str, object]] = answer["items"]  # pyright: ignore[reportAssignmentType]
        lines = [f"{item['holder']}: {item['entries']} webhooks not replayed, last heard of {item['known_at']}" for item in items]
        return "\n".join(("Senders no longer wait for:", *lines)) if lines else "Senders wait for nobody."

    return run(home, work, as_json=as_json, words=words)


async def find_provider(desk: Operator, provider: str) -> int:
    """The id of the provider that was typed. Raises NoSuchOrganisation when there is none such, before anything else goes wrong because of it."""
    with suppress(ids.InvalidId):
        provider_id = ids.decode(provider)
        async with desk.app.transaction(ProviderScope(provider_id)) as tx:
            if await queries.path_of(tx, provider_id, Level.PROVIDER, provider_id) is not None:
                return provider_id
    message = f"There is no provider {provider}. `kereru admin list` shows them with their ids."
    raise NoSuchOrganisation(message)


def in_provider(provider: str, work: Callable[[Transaction, int], Awaitable[object]]) -> Callable[[Operator], Awaitable[object]]:
    """`work` inside a transaction of that provider. Raises NoSuchOrganisation."""

    async def working(desk: Operator) -> object:
        provider_id = await find_provider(desk, provider)
        async with desk.app.transaction(ProviderScope(provider_id)) as tx:
            return await work(tx, provider_id)

    return working


def plain(answer: object) -> dict[str, object]:
    """The fields of an answer, ids as strings as everywhere outside."""
    if isinstance(answer, msgspec.Struct):
        fields = msgspec.structs.asdict(answer)
    else:
        fields = cast("dict[str, object]", answer) if isinstance(answer, dict) else {"id": answer}
    return {name: str(value) if isinstance(value, int) and not isinstance(value, bool) else value for name, value in fields.items()}


def ask_password() -> str:
    """A password typed twice at a terminal, or the first line of standard input. Raises MachineProblem when the two differ."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise MachineProblem("passwords_differ", "The two passwords are not the same.", "Start again; nothing was changed.")
    return password


@app.command
def set_up(provider: str, name: str, email: Email, *, home: Home = None, as_json: Json = False) -> int:
    """Make a provider and its first portal account, and print the link at which that person chooses a password; the portal goes on from there."""
    base = Settings.load(home=None if home is None else str(home)).base_url

    async def work(desk: Operator) -> object:
        async with desk.app.transaction(INSTALLATION) as tx:
            made = await commands.create_provider(tx, provider)
            own = made.provider_id
            account = await commands.create_portal_account(tx, own, Level.PROVIDER, own, name, email, None, send_alerts=True)
            token = await link_in_hand(tx, own, account.sign_in_id, clean_email(email))
        return {"provider_id": own, "link": f"{base}/portal/password#{token.reveal()}"}

    def words(made: dict[str, object]) -> str:
        return f"{name} of {provider} chooses a password here, once and within {LINK_S // 3600} hours:\n{made['link']}"

    return run(home, work, as_json=as_json, words=words)


@app.command
def create_provider(name: str, *, home: Home = None, as_json: Json = False) -> int:
    """Make a provider, with its reseller "Direct"."""

    async def work(desk: Operator) -> object:
        async with desk.app.transaction(INSTALLATION) as tx:
            return await commands.create_provider(tx, name)

    return run(
        home,
        work,
        as_json=as_json,
        words=lambda made: f'Provider {made["provider_id"]} "{name}", with reseller {made["direct_reseller_id"]} "Direct".',
    )


@app.command
def create_reseller(provider: Provider, name: str, *, home: Home = None, as_json: Json = False) -> int:
    """Make a reseller of a provider."""

    async def work(tx: Transaction, provider_id: int) -> object:
        return await commands.create_reseller(tx, provider_id, name)

    return run(home, in_provider(provider, work), as_json=as_json, words=lambda made: f'Reseller {made["id"]} "{name}".')


@app.command
def create_group(provider: Provider, reseller: str, name: str, *, home: Home = None, as_json: Json = False) -> int:
    """Make a group of a reseller."""

    async def work(tx: Transaction, provider_id: int) -> object:
        return await commands.create_group(tx, provider_id, ids.decode(reseller), name)

    return run(home, in_provider(provider, work), as_json=as_json, words=lambda made: f'Group {made["id"]} "{name}".')


@app.command
def create_user(
    provider: Provider,
    group: str,
    name: str,
    email: Email,
    *,
    region: Annotated[str, Parameter(help="Country of the user's own numbers, two letters.")] = "US",
    timezone: Annotated[str, Parameter(help="Name of the IANA database.")] = "America/New_York",
    language: str = "en",
    keep_leading_zero: Annotated[bool, Parameter(negative="", help="National numbers keep their leading zero.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> int:
    """Make an end user. An e-mail that signs in already keeps its password."""
    password = ask_password()

    async def work(tx: Transaction, provider_id: int) -> object:
        return await commands.create_user(
            tx,
            provider_id,
            ids.decode(group),
            name,
            email,
            password,
            region,
            language=language,
            timezone=timezone,
            exclude_leading_zero=not keep_leading_zero,
        )

    return run(home, in_provider(provider, work), as_json=as_json, words=lambda made: f'User {made["id"]} "{name}" signs in as {email}.')


@app.command
def create_portal_account(
    provider: Provider,
    level: Literal["provider", "reseller", "group"],
    organisation: str,
    name: str,
    email: Email,
    *,
    alerts: Annotated[bool, Parameter(negative="", help="Mail alerts to this person.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> int:
    """Make a portal account at one organisation. An e-mail that signs in already keeps its password."""
    password = ask_password()

    async def work(tx: Transaction, provider_id: int) -> object:
        its_level, its_organisation = Level.of(level), ids.decode(organisation)
        return await commands.create_portal_account(tx, provider_id, its_level, its_organisation, name, email, password, send_alerts=alerts)

    return run(home, in_provider(provider, work), as_json=as_json, words=lambda made: f'Portal account {made["id"]} "{name}" signs in as {email}.')


@app.command
def set_password(email: Email, *, home: Home = None, as_json: Json = False) -> int:
    """Set somebody's password and end all their sessions."""
    password = ask_password()

    async def work(desk: Operator) -> object:
        provider_id, sign_in_id = await _find(desk, email)
        async with desk.app.transaction(ProviderScope(provider_id)) as tx:
            await access.set_password(tx, provider_id, sign_in_id, password)
        return sign_in_id

    return run(home, work, as_json=as_json, words=lambda _: f"The password of {email} was set, and every session ended.")


@app.command
def disable(email: Email, *, home: Home = None, as_json: Json = False) -> int:
    """Shut somebody out at once: sessions end, API keys are refused."""
    return _switch(email, home, disabled=True, as_json=as_json)


@app.command
def remove_second_factor(email: Email, *, home: Home = None, as_json: Json = False) -> int:
    """For somebody who lost phone and recovery codes: he signs in with his password alone until he sets up a new second factor."""

    async def work(desk: Operator) -> object:
        provider_id, sign_in_id = await _find(desk, email)
        async with desk.app.transaction(ProviderScope(provider_id)) as tx:
            await second_factor.remove(tx, provider_id, sign_in_id)
        return sign_in_id

    return run(home, work, as_json=as_json, words=lambda _: f"{email} has no second factor now, and every session ended.")


@app.command
def enable(email: Email, *, home: Home = None, as_json: Json = False) -> int:
    """Let somebody in again."""
    return _switch(email, home, disabled=False, as_json=as_json)


def _switch(email: str, home: Path | None, *, disabled: bool, as_json: bool) -> int:
    async def work(desk: Operator) -> object:
        provider_id, sign_in_id = await _find(desk, email)
        async with desk.app.transaction(ProviderScope(provider_id)) as tx:
            await access.set_disabled(tx, provider_id, sign_in_id, disabled=disabled)
            if disabled:
                await alert_recipients_guard(tx, provider_id)
        return sign_in_id

    return run(home, work, as_json=as_json, words=lambda _: f"{email} can{'not' if disabled else ''} sign in{'' if disabled else ' again'}.")


@app.command(name="create-api-key")
def create_api_key(
    email: Email, name: str, scopes: Annotated[list[str], Parameter(help="client.read, client.write, portal.read, portal.write")], *,
    home: Home = None, as_json: Json = False,
) -> int:  # fmt: skip
    """Make an API key that acts as this sign-in. It is shown this once."""

    async def work(desk: Operator) -> object:
        provider_id, sign_in_id = await _find(desk, email)
        async with desk.app.transaction(ProviderScope(provider_id)) as tx:
            made = await access.create_api_key(tx, provider_id, sign_in_id, name, scopes)
        return {"id": made.id, "token": made.token.reveal()}

    return run(home, work, as_json=as_json, words=lambda made: f'API key {made["id"]} "{name}" of {email}; it is not shown again:\n{made["token"]}')


@app.command(name="revoke-api-key")
def revoke_api_key(provider: Provider, key: str, *, home: Home = None, as_json: Json = False) -> int:
    """End an API key."""

    async def work(tx: Transaction, provider_id: int) -> object:
        await access.revoke_api_key(tx, provider_id, ids.decode(key))
        return ids.decode(key)

    return run(home, in_provider(provider, work), as_json=as_json, words=lambda _: f"API key {key} was ended.")


@app.command(name="list")
def list_everything(provider: Annotated[str | None, Parameter(help="Only this provider; none: all, without people.")] = None, *,
                    home: Home = None, as_json: Json = False) -> int:  # fmt: skip
    """Show the providers, or everything in one: resellers, groups, users, portal accounts, API keys."""

    async def all_providers(desk: Operator) -> object:
        async with desk.owner.transaction(INSTALLATION) as tx:
            return {"items": [plain(entry) for entry in await queries.providers(tx)]}

    async def one(tx: Transaction, provider_id: int) -> object:
        entries = [plain(entry) for entry in await queries.tree(tx, provider_id)]
        keys = [plain(key) for key in await access_queries.api_keys(tx, provider_id)]
        return {"items": [*entries, *({**key, "kind": "api-key", "parent_id": None} for key in keys)]}

    work = all_providers if provider is None else in_provider(provider, one)
    return run(home, work, as_json=as_json, words=_lines)


def _lines(answer: dict[str, object]) -> str:
    items: list[dict[str, object]] = answer["items"]  # pyright: ignore[reportAssignmentType]
    lines = [f"{item['kind']:<15}{item['id']:>20}  {item['name']}  {item.get('email') or ''}".rstrip() for item in items]
    return "\n".join(lines) or "There is nothing yet. Start with: kereru admin create-provider NAME"


async def _find(desk: Operator, email: str) -> tuple[int, int]:
    async with desk.app.transaction(INSTALLATION) as tx:
        found = await access_queries.find_sign_in(tx, email)
    if found is None:
        message = f"Nobody signs in as {email}. `kereru admin list PROVIDER` shows who does."
        raise NoSuchPerson(message)
    return found
