"""What can be done to an organisation that is there: rename, demand a second factor, move, delete."""

import msgspec
from psycopg.errors import UniqueViolation

from kereru.kernel.db import Row, Transaction
from kereru.kernel.errors import FieldProblem, sentence
from kereru.tenancy.errors import NameNotTyped, NameTaken, NoSuchOrganisation
from kereru.tenancy.history.commands import record
from kereru.tenancy.history.model import OPERATOR, Actor
from kereru.tenancy.model import Level, Path, clean_name
from kereru.tenancy.organisations import store
from kereru.tenancy.people.deletion import Lost, delete_people, require_no_numbers
from kereru.tenancy.ports import Holdings
from kereru.tenancy.store import HOLD_RESELLER

_LOCKS = {Level.PROVIDER: store.LOCK_PROVIDER, Level.RESELLER: store.LOCK_RESELLER, Level.GROUP: store.LOCK_GROUP}
_SETS = {Level.PROVIDER: store.SET_PROVIDER, Level.RESELLER: store.SET_RESELLER, Level.GROUP: store.SET_GROUP}


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What to change; None stays. `reseller_id`: the reseller a group moves to."""

    name: str | None = None
    demands_second_factor: bool | None = None
    reseller_id: int | None = None


async def update_organisation(tx: Transaction, provider_id: int, level: Level, id_: int, changes: Changes, *, by: Actor = OPERATOR) -> None:
    """Rename it, demand a second factor of everybody at it and below, hang a group elsewhere; authority follows a move at once (G32).

    Raises NotAName, NameTaken, NoSuchOrganisation.
    """
    row = await _lock(tx, provider_id, level, id_)
    name = row.name if changes.name is None else clean_name(changes.name)
    demands = row.demands_second_factor if changes.demands_second_factor is None else changes.demands_second_factor
    values: dict[str, object] = {"provider_id": provider_id, "id": id_, "name": name, "demands_second_factor": demands}
    before = {"name": row.name, "demands_second_factor": row.demands_second_factor}
    after = {"name": name, "demands_second_factor": demands}
    path = Path(provider_id, id_ if level is Level.RESELLER else None)
    if level is Level.GROUP:
        values["reseller_id"] = reseller_id = row.reseller_id if changes.reseller_id is None else changes.reseller_id
        before["reseller"], after["reseller"] = row.reseller, row.reseller
        if reseller_id != row.reseller_id:
            after["reseller"] = await hold_reseller(tx, provider_id, reseller_id)
        path = Path(provider_id, reseller_id, id_)
    try:
        await tx.run(_SETS[level], values)
    except UniqueViolation as error:
        raise name_taken() from error
    moved = before.get("reseller") != after.get("reseller")
    await record(tx, by, f"{level.word}.{'moved' if moved else 'changed'}", level.word, id_, name, before, after, path=path)


async def move_group(tx: Transaction, provider_id: int, group_id: int, reseller_id: int, *, by: Actor = OPERATOR) -> None:
    """Hang a group under another reseller. Raises NoSuchOrganisation, NameTaken."""
    await update_organisation(tx, provider_id, Level.GROUP, group_id, Changes(reseller_id=reseller_id), by=by)


async def delete_organisation(
    tx: Transaction, provider_id: int, level: Level, id_: int, typed: str, holdings: Holdings, *, by: Actor = OPERATOR
) -> Lost:
    """Delete a reseller or group with everybody in it; answers how much was lost. `typed` is its name, as the person typed it to confirm.

    Raises NoSuchOrganisation, HasNumbers, NameNotTyped saying what would be lost.
    """
    row = await _lock(tx, provider_id, level, id_)
    path = Path(provider_id, id_) if level is Level.RESELLER else Path(provider_id, row.reseller_id, id_)
    await require_no_numbers(tx, holdings, path)
    if typed.strip() != row.name:
        shown = await tx.row(store.RESELLER if level is Level.RESELLER else store.GROUP, {"provider_id": provider_id, "id": id_})
        groups = shown.groups if level is Level.RESELLER and shown else 0
        lost = Lost(groups, shown.users if shown else 0, shown.portal_accounts if shown else 0)
        message = f"Deleting {row.name} is for good and takes {lost.words()} with it. Type its name exactly to confirm."
        raise NameNotTyped(message, fields=(FieldProblem("name", NameNotTyped.code, sentence(NameNotTyped)),))
    groups = [
        gone.id
        for gone in await tx.rows(store.DELETE_GROUPS, {"provider_id": provider_id, "reseller_id": path.reseller_id, "group_id": path.group_id})
    ]
    organisations = [*groups, id_] if level is Level.RESELLER else groups
    users, accounts = await delete_people(tx, holdings, path, organisations)
    if level is Level.RESELLER:
        await tx.run(store.DELETE_RESELLER, {"provider_id": provider_id, "id": id_})
    lost = Lost(len(groups) if level is Level.RESELLER else 0, users, accounts)
    await record(tx, by, f"{level.word}.deleted", level.word, id_, row.name, {"name": row.name}, {"lost": lost}, path=path)
    return lost


async def hold_reseller(tx: Transaction, provider_id: int, reseller_id: int) -> str:
    """The reseller's name; until the commit it cannot be deleted. Raises NoSuchOrganisation."""
    name = await tx.value(HOLD_RESELLER, {"provider_id": provider_id, "id": reseller_id})
    if name is None:
        raise NoSuchOrganisation
    return name


def name_taken() -> NameTaken:
    """The conflict, named at its field."""
    return NameTaken(fields=(FieldProblem("name", NameTaken.code, sentence(NameTaken)),))


async def _lock(tx: Transaction, provider_id: int, level: Level, id_: int) -> Row:
    row = await tx.row(_LOCKS[level], {"provider_id": provider_id, "id": id_})
    if row is None:
        raise NoSuchOrganisation
    return row
