"""`kereru evidence`: writes a provider's chain of evidence to a file, checks such files on any machine, and checks the history log's own chain."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from kereru.entrypoints.admin import Home, Json, Operator, Provider, find_provider, run
from kereru.entrypoints.problems import MachineProblem, from_os_error
from kereru.kernel.db import ProviderScope
from kereru.provisioning.evidence.commands import export as export_chain
from kereru.provisioning.evidence.model import continues
from kereru.provisioning.evidence.model import verify as verify_chain
from kereru.tenancy.history import queries as history

app = App(name="evidence", help="Who agreed to what: write it out, and check that nobody changed it.", result_action="return_value")


@app.command
def export(
    *,
    provider: Provider,
    to: Annotated[Path, Parameter(help="The file to write; it must not be there yet.")],
    home: Home = None,
    as_json: Json = False,
) -> int:
    """Write a provider's whole evidence to a file, one JSON object a line. Keep it where this machine's operator cannot change it."""

    async def work(desk: Operator) -> object:
        provider_id = await find_provider(desk, provider)
        chain = export_chain(desk.app, provider_id)
        first = await anext(chain)
        try:
            with to.open("xb") as file:
                file.write(first)
                async for line in chain:
                    file.write(line)
        except FileExistsError as error:
            raise MachineProblem("file_exists", f"{to} is there already.", "Name a new file; evidence is never written over.") from error
        except OSError as error:
            raise from_os_error(error, to) from error
        with to.open("rb") as file:
            return verify_chain(file)

    return run(home, work, as_json=as_json, words=lambda made: f"{made['entries']} entries are in {to}. Last hash: {made['head']}")


@app.command
def verify(
    file: Path,
    *,
    after: Annotated[Path | None, Parameter(help="An older file of the same provider, which the new one must begin with.")] = None,
    as_json: Json = False,
) -> int:
    """Check a file of evidence: nothing in it was changed, taken out or put in. With --after, nor was it written anew since."""
    lines = _lines(file)
    found = verify_chain(lines) if after is None else continues(_lines(after), lines)
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        since = "" if after is None else f" It begins with all of {after}."
        print(f"The evidence of {found.name} holds: {found.entries} entries, as they were written.{since} Last hash: {found.head}")
    return 0


@app.command
def verify_history(*, provider: Provider, home: Home = None, as_json: Json = False) -> int:
    """Check a provider's history log in the database: no entry was changed, taken out or put in. Keep the last hash to compare with a later one."""

    async def work(desk: Operator) -> object:
        provider_id = await find_provider(desk, provider)
        async with desk.app.transaction(ProviderScope(provider_id)) as tx:
            return await history.verify(tx, provider_id)

    return run(home, work, as_json=as_json, words=lambda held: f"The history log holds: {held['entries']} entries. Last hash: {held['head']}")


def _lines(file: Path) -> list[bytes]:
    try:
        with file.open("rb") as opened:
            return opened.readlines()
    except OSError as error:
        raise from_os_error(error, file) from error
