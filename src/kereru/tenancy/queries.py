"""Reading the tree."""

import msgspec

from kereru.kernel.db import Transaction
from kereru.tenancy import store
from kereru.tenancy.model import Level, Path


class Entry(msgspec.Struct, frozen=True):
    """One thing in a provider's tree, and what it hangs under."""

    kind: str
    id: int
    parent_id: int | None
    name: str
    email: str = ""


_PATHS = {Level.PROVIDER: store.PATH_OF_PROVIDER, Level.RESELLER: store.PATH_OF_RESELLER, Level.GROUP: store.PATH_OF_GROUP}


async def path_of(tx: Transaction, provider_id: int, level: Level, organisation_id: int) -> Path | None:
    """Where an organisation stands now; None when this provider has none such."""
    row = await tx.row(_PATHS[level], {"provider_id": provider_id, "id": organisation_id})
    return None if row is None else Path(provider_id, **row._asdict())


async def path_of_user(tx: Transaction, provider_id: int, user_id: int) -> Path | None:
    """Where a user stands now; None when this provider has none such."""
    row = await tx.row(store.PATH_OF_USER, {"provider_id": provider_id, "id": user_id})
    return None if row is None else Path(provider_id, **row._asdict())


async def tree(tx: Transaction, provider_id: int) -> list[Entry]:
    """Everything in one provider's tree, oldest first."""
    return [Entry(**row._asdict()) for row in await tx.rows(store.TREE, {"provider_id": provider_id})]


async def providers(tx: Transaction) -> list[Entry]:
    """All providers; for the operator above them, whose transaction is the owner's."""
    return [Entry("provider", row.id, None, row.name) for row in await tx.rows(store.PROVIDERS)]
