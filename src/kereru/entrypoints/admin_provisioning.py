"""`kereru admin`, second half: platforms, numbers, licences and opt-in, beside a running server or without one.

Credentials are asked for, or read from standard input as one `field=value` a line; never from the command line, which every user of the machine
can read.
"""

import getpass
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from kereru.entrypoints.admin import Home, Json, Operator, Provider, app, find_provider, in_provider, plain, run
from kereru.entrypoints.problems import MachineProblem
from kereru.entrypoints.wiring import desk_of, own_host, sealer_of
from kereru.kernel import ids
from kereru.kernel.db import ProviderScope, Transaction
from kereru.kernel.http_client import CarrierClient
from kereru.kernel.secrets import Secret, load_or_make_key
from kereru.kernel.settings import Settings
from kereru.messaging.commands import release_withheld
from kereru.provisioning.desk import OPERATOR, Desk
from kereru.provisioning.licences.commands import set_licence as give_licence
from kereru.provisioning.licences.model import Product
from kereru.provisioning.numbers import assigning, deletion
from kereru.provisioning.numbers import commands as numbers
from kereru.provisioning.numbers.model import AssignmentState, NewAssignment
from kereru.provisioning.opt_in import commands as opt_in
from kereru.provisioning.opt_in.model import OptIn
from kereru.provisioning.platforms import commands as platforms
from kereru.provisioning.platforms.check import check_platform as check_it
from kereru.provisioning.platforms.deletion import delete_platform as delete_it
from kereru.provisioning.platforms.model import NewPlatform, PlatformChanges


@app.command
def create_platform(
    provider: Provider,
    carrier: Literal["restcomm", "inteliquent"],
    *,
    name: str = "",
    endpoint: Annotated[tuple[str, ...], Parameter(help="NAME=URL, for a carrier that is reached elsewhere.", negative="")] = (),
    user_confirmation: Annotated[bool, Parameter(help="Users are asked before they text with a number.")] = True,
    user_can_block: Annotated[bool, Parameter(help="Users may block people.")] = True,
    mms: Annotated[bool, Parameter(help="Pictures may be sent.")] = True,
    mail_on_postpone: Annotated[bool, Parameter(help="Mail alerts also when a user postpones.")] = True,
    takes_long_texts: Annotated[bool, Parameter(help="Restcomm: the carrier takes texts over 160 bytes whole.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> int:
    """Make a platform. Its credentials are tried at the carrier first; if they fail, nothing is saved."""

    async def work(desk: Desk, provider_id: int) -> object:
        credentials = _ask_credentials(desk, carrier)
        wanted = NewPlatform(
            carrier, credentials, name, _endpoints(endpoint), user_confirmation, user_can_block, mms, mail_on_postpone, takes_long_texts
        )
        made = await platforms.create_platform(desk, provider_id, wanted)
        return {"id": made.id, "warnings": list(made.warnings)}

    return _at_desk(home, provider, work, as_json=as_json, words=lambda made: _with_warnings(f"Platform {made['id']} at {carrier}.", made))


@app.command
def update_credentials(provider: Provider, platform: str, *, home: Home = None, as_json: Json = False) -> int:
    """Give a platform new credentials. They are tried at the carrier first; a platform that was stopped goes on."""

    async def work(desk: Desk, provider_id: int) -> object:
        platform_id = ids.decode(platform)
        async with desk.database.transaction(ProviderScope(provider_id)) as tx:
            carrier = next((one.carrier for one in await platforms.list_platforms(tx) if one.id == platform_id), "")
        credentials = _ask_credentials(desk, carrier)
        made = await platforms.update_platform(desk, provider_id, platform_id, PlatformChanges(credentials=credentials))
        return {"id": made.id, "warnings": list(made.warnings)}

    return _at_desk(home, provider, work, as_json=as_json, words=lambda made: _with_warnings(f"Platform {platform} has new credentials.", made))


@app.command
def resume_platform(provider: Provider, platform: str, *, home: Home = None, as_json: Json = False) -> int:
    """Send again through a platform that was stopped because the carrier refused the account."""

    async def work(tx: Transaction, _: int) -> object:
        await platforms.resume_platform(tx, ids.decode(platform))
        return ids.decode(platform)

    return run(home, in_provider(provider, work), as_json=as_json, words=lambda _: f"Platform {platform} sends again.")


@app.command
def repoint_webhooks(provider: Provider, platform: str, *, home: Home = None, as_json: Json = False) -> int:
    """Point every used number of a platform at this installation's present address."""

    async def work(desk: Desk, provider_id: int) -> object:
        return {"id": ids.decode(platform), "warnings": list(await numbers.repoint_webhooks(desk, provider_id, ids.decode(platform)))}

    return _at_desk(home, provider, work, as_json=as_json, words=lambda made: _with_warnings("The webhooks point here.", made))


@app.command
def check_platform(provider: Provider, platform: str, *, home: Home = None, as_json: Json = False) -> int:
    """Say what is wrong between this installation and a platform's carrier: credentials, clock, webhook, receipts, numbers."""

    async def work(desk: Desk, provider_id: int) -> object:
        return msgspec.to_builtins(await check_it(desk, provider_id, ids.decode(platform)))

    return _at_desk(home, provider, work, as_json=as_json, words=_check_lines)


@app.command
def delete_platform(
    provider: Provider,
    platform: str,
    *,
    end_assignments: Annotated[int, Parameter(help="How many numbers it has: they are deleted with it, and all their messages.")] = 0,
    home: Home = None,
    as_json: Json = False,
) -> int:
    """Delete a platform. While it has numbers, this says how many, and does nothing until you confirm that."""

    async def work(desk: Desk, provider_id: int) -> object:
        return {"ended_assignments": await delete_it(desk, provider_id, ids.decode(platform), end_assignments=end_assignments)}

    return _at_desk(
        home, provider, work, as_json=as_json, words=lambda made: f"Platform {platform} is deleted, with {made['ended_assignments']} numbers."
    )


@app.command(name="platforms")
def list_platforms(provider: Provider, *, home: Home = None, as_json: Json = False) -> int:
    """List a provider's platforms."""

    async def work(tx: Transaction, _: int) -> object:
        return {"items": [plain(platform) for platform in await platforms.list_platforms(tx)]}

    return run(home, in_provider(provider, work), as_json=as_json, words=_platform_lines)


@app.command
def assign_number(
    provider: Provider,
    user: str,
    number: Annotated[str, Parameter(help="Ten digits suffice for a number of the United States.")],
    *,
    platform: Annotated[str | None, Parameter(help="Its platform's id; needed when there are several.")] = None,
    name: Annotated[str, Parameter(help="What its user calls it.")] = "",
    mms: Annotated[bool | None, Parameter(help="Pictures too; without it as the platform says.")] = None,
    enable_messaging: Annotated[bool, Parameter(negative="", help="Texting may be switched on at the carrier if it is off.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> int:
    """Give a number to a user and set it up at the carrier. This may take several minutes."""

    async def work(desk: Desk, provider_id: int) -> object:
        its_platform = None if platform is None else ids.decode(platform)
        wanted = NewAssignment(ids.decode(user), number, its_platform, name, mms, enable_messaging=enable_messaging)
        made = await assigning.assign_number(desk, provider_id, wanted)
        return {"id": made.id, "number_id": made.number_id, "number": made.e164, "state": made.state.wire, "warnings": list(made.warnings)}

    return _at_desk(
        home,
        provider,
        work,
        as_json=as_json,
        words=lambda made: _with_warnings(f"Assignment {made['id']} of {made['number']}: {made['state']}.", made),
    )


@app.command
def end_assignment(provider: Provider, assignment: str, *, home: Home = None, as_json: Json = False) -> int:
    """Take a number from its user. Its messages stay; the carrier's webhook is removed."""

    async def work(desk: Desk, provider_id: int) -> object:
        await deletion.end_assignment(desk, provider_id, ids.decode(assignment))
        return ids.decode(assignment)

    return _at_desk(home, provider, work, as_json=as_json, words=lambda _: f"Assignment {assignment} was ended.")


@app.command(name="numbers")
def list_numbers(
    provider: Provider,
    *,
    past: Annotated[bool, Parameter(negative="", help="Ended assignments too.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> int:
    """List a provider's numbers, whose they are, and whether their users agreed."""

    async def work(tx: Transaction, _: int) -> object:
        entries = await numbers.list_numbers(tx, past=past)
        words = [{"state": AssignmentState(entry.state).wire, "opt_in": OptIn(entry.opt_in).wire} for entry in entries]
        return {"items": [plain(entry) | said for entry, said in zip(entries, words, strict=True)]}

    return run(home, in_provider(provider, work), as_json=as_json, words=_number_lines)


@app.command
def delete_number(provider: Provider, assignment: str, *, home: Home = None, as_json: Json = False) -> int:
    """Delete a number: it is taken from its user, all its messages are deleted, the carrier's webhook is removed."""

    async def work(desk: Desk, provider_id: int) -> object:
        done = await deletion.delete_number(desk, provider_id, ids.decode(assignment))
        return {"id": done.assignment_id, "messages": done.deleted.messages, "conversations": done.deleted.conversations}

    return _at_desk(home, provider, work, as_json=as_json, words=lambda made: f"The number is deleted, with {made['messages']} messages.")


@app.command
def set_licence(
    provider: Provider,
    user: str,
    product: Literal["desktop", "agent", "supervisor", "reception", "none"],
    *,
    home: Home = None,
    as_json: Json = False,
) -> int:
    """License a user from now on, or with `none` end the licence now."""

    async def work(tx: Transaction, provider_id: int) -> object:
        chosen = None if product == "none" else Product[product.upper()]
        await give_licence(tx, provider_id, ids.decode(user), chosen, release_withheld)
        return ids.decode(user)

    return run(home, in_provider(provider, work), as_json=as_json, words=lambda _: f"User {user} has the licence: {product}.")


@app.command
def reset_opt_in(provider: Provider, assignment: str, *, home: Home = None, as_json: Json = False) -> int:
    """Have a user asked again, at the next start of the client, whether to text with a number."""

    async def work(tx: Transaction, provider_id: int) -> object:
        await opt_in.reset(tx, provider_id, ids.decode(assignment), OPERATOR.witness, release_withheld)
        return ids.decode(assignment)

    return run(home, in_provider(provider, work), as_json=as_json, words=lambda _: f"The user of assignment {assignment} will be asked again.")


def _at_desk(
    home: Path | None, provider: str, work: Callable[[Desk, int], Awaitable[object]], *, as_json: bool, words: Callable[[dict[str, object]], str]
) -> int:
    """`work` with everything that speaks to carriers."""
    settings = Settings.load(home=None if home is None else str(home))

    async def working(desk: Operator) -> object:
        provider_id = await find_provider(desk, provider)
        sealer = sealer_of(load_or_make_key(settings.key_path))
        async with CarrierClient(allow_private_hosts=settings.allow_private_hosts, ca_bundle=settings.ca_bundle) as door:
            own = CarrierClient(allow_private_hosts=(own_host(settings),), ca_bundle=settings.ca_bundle)
            async with own:
                return await work(desk_of(settings, desk.app, door, sealer, own), provider_id)

    return run(home, working, as_json=as_json, words=words)


def _ask_credentials(desk: Desk, carrier: str) -> dict[str, Secret | str]:
    """Each field of the carrier's form, asked for at a terminal (secrets without echo) or read from standard input. Raises MachineProblem."""
    fields = desk.carriers.of(carrier).credential_fields
    if sys.stdin.isatty():
        return {one.name: Secret(getpass.getpass(f"{one.label}: ")) if one.secret else input(f"{one.label} ({one.help}): ") for one in fields}
    given: dict[str, Secret | str] = {}
    for line in sys.stdin.read().splitlines():
        name, equals, value = line.partition("=")
        if line.strip() and not equals:
            wanted = ", ".join(one.name for one in fields)
            raise MachineProblem("bad_credentials", "A line of the credentials is not field=value.", f"Give one line each for: {wanted}.")
        if equals:
            given[name.strip()] = Secret(value)
    return given


def _endpoints(given: tuple[str, ...]) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    wrong = next((whole for whole, equals, _ in pairs if not equals), None)
    if wrong is not None:
        raise MachineProblem("bad_endpoint", f"“{wrong}” is not NAME=URL.", "Write it like api=https://example.com/path.")
    return {name: url for name, _, url in pairs}


def _with_warnings(sentence: str, made: dict[str, object]) -> str:
    warnings: list[str] = made.get("warnings") or []  # pyright: ignore[reportAssignmentType]
    return "\n".join((sentence, *warnings))


def _check_lines(answer: dict[str, object]) -> str:
    checks: list[dict[str, str]] = answer["checks"]  # pyright: ignore[reportAssignmentType]
    marks = {"good": "ok   ", "note": "note ", "wrong": "WRONG"}
    return "\n".join(f"{marks[one['state']]}  {one['text']}" + (f"\n       → {one['advice']}" if one["advice"] else "") for one in checks)


def _platform_lines(answer: dict[str, object]) -> str:
    items: list[dict[str, object]] = answer["items"]  # pyright: ignore[reportAssignmentType]
    lines = [_line(item, "carrier", "name", "stopped_reason") for item in items]
    return "\n".join(lines) or "There is no platform yet. Make one with: kereru admin create-platform PROVIDER CARRIER"


def _number_lines(answer: dict[str, object]) -> str:
    items: list[dict[str, object]] = answer["items"]  # pyright: ignore[reportAssignmentType]
    lines = [_line(item, "e164", "user", "friendly_name", "state", "opt_in", "problem") + ("  ended" if item["ended_at"] else "") for item in items]
    return "\n".join(lines) or "No number is assigned yet. Assign one with: kereru admin assign-number PROVIDER USER NUMBER"


def _line(item: dict[str, object], *fields: str) -> str:
    return f"{item['id']:>20}  " + "  ".join(str(item[field]) for field in fields if item[field])
