"""What every change of somebody's access shares: its row in the history log, and the note to all processes."""

from collections.abc import Mapping

from kereru.kernel.db import Transaction
from kereru.tenancy.access import store
from kereru.tenancy.history.commands import record
from kereru.tenancy.history.model import Actor

SESSION_CHANNEL = "kereru_session"


def tell(tx: Transaction, provider_id: int, sign_in_id: int) -> None:
    """After the commit, have every process look again who this is (G26)."""
    tx.notify(SESSION_CHANNEL, f"{provider_id}:{sign_in_id}")


async def record_sign_in(
    tx: Transaction,
    by: Actor,
    action: str,
    provider_id: int,
    sign_in_id: int,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """A row of the history log about somebody's sign-in, named by its e-mail address. Nothing of a secret is given to it."""
    email = await tx.value(store.EMAIL_OF, {"provider_id": provider_id, "sign_in_id": sign_in_id})
    await record(tx, by, action, "sign-in", sign_in_id, str(email or ""), before or {}, after or {})
