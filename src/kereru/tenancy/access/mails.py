"""Mails to one person about his own sign-in: an invitation, a password reset, a notice that the address was changed.

A link opens the choice of a password once, within `LINK_S`. It is made where the mail is written, so that a request never holds it, and only its hash
stays once the mail is out (bad input 95, ASVS 6.4.6: whoever administers can only start this).
"""

from enum import IntEnum

from kereru.kernel.db import Row, Transaction
from kereru.kernel.jobs import Backoff, JobKind, defer
from kereru.kernel.secrets import Sealer, Secret
from kereru.tenancy.access import store
from kereru.tenancy.access.model import new_session_token, token_hash

LINK_S = 24 * 3600
SEND_SIGN_IN_MAIL = JobKind("notifications.send_sign_in_mail", Backoff(first_s=5, factor=2, most_s=3600, tries=40))
"""Hand one such mail to the mail server; ids: provider, mail."""
START_RESET = JobKind("tenancy.start_reset")
"""Somebody asked for a reset; ids: provider, sign_in, both 0 for an address nobody has."""


class MailKind(IntEnum):
    """What it is about; the value is what the database stores."""

    INVITATION = 1
    RESET = 2
    EMAIL_CHANGED = 3

    @property
    def word(self) -> str:
        """The name on the wire, and of its templates."""
        return self.name.lower()

    @property
    def has_link(self) -> bool:
        """Whether it lets its reader choose a password."""
        return self is not MailKind.EMAIL_CHANGED


async def write_mail(tx: Transaction, provider_id: int, sign_in_id: int, kind: MailKind, address: str) -> int:
    """Have this mail sent after the commit; answers its id. Earlier links stay good until one of them is used."""
    mail_id = await _add(tx, provider_id, sign_in_id, kind, address)
    await defer(tx, SEND_SIGN_IN_MAIL, provider=provider_id, mail=mail_id)
    return mail_id


async def link_in_hand(tx: Transaction, provider_id: int, sign_in_id: int, address: str) -> Secret:
    """What opens an invitation that no mail carries: for the operator, who hands it over himself (no mail server may be there yet)."""
    mail_id = await _add(tx, provider_id, sign_in_id, MailKind.INVITATION, address)
    token = new_session_token(provider_id)
    await tx.run(store.SET_LINK, {"provider_id": provider_id, "id": mail_id, "hash": token_hash(token.reveal()), "sealed": None})
    return token


async def _add(tx: Transaction, provider_id: int, sign_in_id: int, kind: MailKind, address: str) -> int:
    mail_id = await tx.value("SELECT new_id()")
    whom: dict[str, object] = {"provider_id": provider_id, "sign_in_id": sign_in_id}
    await tx.run(store.FORGET_OLD_MAILS, whom)
    seconds = LINK_S if kind.has_link else None
    await tx.run(store.ADD_MAIL, {**whom, "id": mail_id, "kind": int(kind), "address": address, "seconds": seconds})
    return mail_id


async def link_token(tx: Transaction, sealer: Sealer, provider_id: int, mail: Row) -> Secret:
    """What opens the link of this mail: the same one however often the mail is tried."""
    bound = f"link {provider_id} {mail.id}"
    if mail.token_sealed is not None:
        return Secret(sealer.open(bytes(mail.token_sealed), bound).decode())
    token = new_session_token(provider_id)
    sealed = sealer.seal(token.reveal().encode(), bound)
    await tx.run(store.SET_LINK, {"provider_id": provider_id, "id": mail.id, "hash": token_hash(token.reveal()), "sealed": sealed})
    return token
