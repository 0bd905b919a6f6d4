"""What administrators may start, and never finish, for somebody's sign-in: invitation, password reset, a second factor taken off."""

from typing import Literal

from kereru.kernel.db import Row, Transaction
from kereru.tenancy.access import second_factor
from kereru.tenancy.access.mails import MailKind, write_mail
from kereru.tenancy.errors import HasPassword, NoSuchPerson, OwnAccount
from kereru.tenancy.history.commands import record
from kereru.tenancy.history.model import Actor
from kereru.tenancy.people import store
from kereru.tenancy.people.commands import require_all_within
from kereru.tenancy.policy import Reach

_ROWS = {"user": store.USER, "portal-account": store.ACCOUNT}
_ACTIONS = {MailKind.INVITATION: "invitation.sent", MailKind.RESET: "password_reset.sent"}


async def send(tx: Transaction, provider_id: int, target: Literal["user", "portal-account"], id_: int, kind: MailKind, by: Actor) -> None:
    """Mail somebody a link to choose a password. Raises NoSuchPerson; HasPassword for an invitation of somebody who chose one."""
    row = await _row(tx, target, provider_id, id_)
    if kind is MailKind.INVITATION and not row.invited:
        raise HasPassword
    await write_mail(tx, provider_id, row.sign_in_id, kind, row.email)
    await record(tx, by, _ACTIONS[kind], target, id_, row.name, {}, {"to": row.email})


async def reset_second_factor(tx: Transaction, provider_id: int, account_id: int, within: Reach | None, by: Actor) -> None:
    """Take off somebody's second factor. Raises NoSuchPerson, OwnAccount, BelongsHigher."""
    row = await _row(tx, "portal-account", provider_id, account_id)
    if by.sign_in_id == row.sign_in_id:
        raise OwnAccount
    await require_all_within(tx, provider_id, row.sign_in_id, within)
    await second_factor.remove(tx, provider_id, row.sign_in_id, by=by)


async def _row(tx: Transaction, target: str, provider_id: int, id_: int) -> Row:
    row = await tx.row(_ROWS[target], {"provider_id": provider_id, "id": id_})
    if row is None:
        raise NoSuchPerson
    return row
