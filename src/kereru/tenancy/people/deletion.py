"""Deleting people.

Users stay as rows without a sign-in, since numbers, evidence and the log speak of them. Portal accounts go. A sign-in that is nothing any more goes
too, and its e-mail address is free again.
"""

from collections.abc import Iterable

import msgspec

from kereru.kernel.db import Transaction
from kereru.tenancy.access.commands import tell
from kereru.tenancy.errors import HasNumbers
from kereru.tenancy.model import Path
from kereru.tenancy.people import store
from kereru.tenancy.ports import Holdings


class Lost(msgspec.Struct, frozen=True):
    """How much a deletion takes with it."""

    groups: int = 0
    users: int = 0
    portal_accounts: int = 0

    def words(self) -> str:
        """The same for people."""
        parts = [_count(self.groups, "group"), _count(self.users, "user"), _count(self.portal_accounts, "portal account")]
        said = [part for part in parts if part]
        return " and ".join(filter(None, [", ".join(said[:-1]), said[-1]])) if said else "nobody"


async def require_no_numbers(tx: Transaction, holdings: Holdings, path: Path) -> None:
    """Raise HasNumbers, naming how many, while numbers are assigned at or below `path`: their webhooks are at the carriers.

    The users are locked first: whoever assigns a number to one of them at this moment is waited for and seen, or finds him gone.
    """
    await tx.run(store.LOCK_USERS, _params(path))
    count = await holdings.count_numbers(tx, path)
    if count:
        message = f"There {'is 1 number' if count == 1 else f'are {count} numbers'} assigned here. Delete {'it' if count == 1 else 'them'} first."
        raise HasNumbers(message)


async def delete_people(tx: Transaction, holdings: Holdings, path: Path, organisations: list[int]) -> tuple[int, int]:
    """Delete all users at or below `path` and all portal accounts of these organisations; answers how many of each."""
    await holdings.end_licences(tx, path)
    users = await tx.rows(store.DELETE_USERS, _params(path))
    roles = await tx.rows(store.DELETE_ROLES_OF, {"provider_id": path.provider_id, "organisations": organisations})
    await drop_empty_sign_ins(tx, path.provider_id, {row.sign_in_id for row in (*users, *roles) if row.sign_in_id is not None})
    return len(users), len(roles)


async def drop_empty_sign_ins(tx: Transaction, provider_id: int, sign_ins: Iterable[int]) -> None:
    """Of these, delete those that are neither a user nor hold a portal account any more; all of them are told to look again (G26)."""
    wanted = sorted(sign_ins)
    for row in await tx.rows(store.DELETE_EMPTY_SIGN_INS, {"provider_id": provider_id, "sign_ins": wanted}):
        await tx.run(store.RELEASE_EMAIL, {"provider_id": provider_id, "email": row.email})
    for sign_in_id in wanted:
        tell(tx, provider_id, sign_in_id)


def _params(path: Path) -> dict[str, object]:
    return {"provider_id": path.provider_id, "reseller_id": path.reseller_id, "group_id": path.group_id, "user_id": path.user_id}


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}" if number else ""
