"""Asking for a reset, and using a link from a mail. A used, late, foreign or invented link gets the same words (bad input 95)."""

from collections.abc import Mapping

import msgspec

from kereru.kernel.db import INSTALLATION, Database, ProviderScope, Row, Transaction
from kereru.kernel.jobs import defer
from kereru.tenancy.access import store, throttling
from kereru.tenancy.access.commands import set_password
from kereru.tenancy.access.errors import LinkNotGood
from kereru.tenancy.access.mails import START_RESET, MailKind, write_mail
from kereru.tenancy.access.model import Credential, session_credential
from kereru.tenancy.access.throttling import Bucket, network_of
from kereru.tenancy.errors import NotAnEmail
from kereru.tenancy.history.model import Actor
from kereru.tenancy.model import clean_email

RESETS_PER_ADDRESS = Bucket(20, 1 / 60)
RESETS_PER_EMAIL = Bucket(5, 1 / 600)


class Link(msgspec.Struct, frozen=True):
    """Whom a link is for, and what for."""

    kind: MailKind
    email: str


async def ask_for_reset(database: Database, typed: str, address: str) -> None:
    """Have a reset mailed, if somebody signs in with this e-mail address. Raises TooManyTries.

    The same statements run either way, and the job does the rest: neither the words nor the time tell whether the address is known.
    """
    try:
        email = clean_email(typed)
    except NotAnEmail:
        email = ""
    async with database.transaction(INSTALLATION) as tx:
        await throttling.take(tx, f"reset address {network_of(address)}", RESETS_PER_ADDRESS)
        await throttling.take(tx, f"reset email {email}", RESETS_PER_EMAIL)
        found = await tx.row(store.FIND_SIGN_IN, {"email": email})
        await defer(tx, START_RESET, provider=found.provider_id if found else 0, sign_in=found.sign_in_id if found else 0)


async def start_reset(database: Database, ids: Mapping[str, int]) -> None:
    """The job: write the mail, unless nobody is there or the sign-in is shut out."""
    async with database.transaction(ProviderScope(ids["provider"])) as tx:
        person = await tx.row(store.SIGN_IN_BY_ID, {"provider_id": ids["provider"], "sign_in_id": ids["sign_in"]})
        if person is not None:
            await write_mail(tx, ids["provider"], person.id, MailKind.RESET, person.email)


async def look_at(database: Database, token: str) -> Link:
    """Whom a link is for. Raises LinkNotGood."""
    credential = _credential(token)
    async with database.transaction(ProviderScope(credential.provider_id)) as tx:
        row = await _good(tx, credential)
    return Link(MailKind(row.kind), row.email)


async def use(database: Database, token: str, password: str, address: str) -> None:
    """Set the password; every link of this person and every session ends. Raises LinkNotGood, WeakPassword."""
    credential = _credential(token)
    async with database.transaction(ProviderScope(credential.provider_id)) as tx:
        row = await _good(tx, credential)
        by = Actor(row.sign_in_id, row.email, address, "link")
        await set_password(tx, credential.provider_id, row.sign_in_id, password, by=by)
        await tx.run(store.USE_LINKS, {"provider_id": credential.provider_id, "sign_in_id": row.sign_in_id})


def _credential(token: str) -> Credential:
    credential = session_credential(token)
    if credential is None:
        raise LinkNotGood
    return credential


async def _good(tx: Transaction, credential: Credential) -> Row:
    row = await tx.row(store.GOOD_LINK, {"provider_id": credential.provider_id, "hash": credential.hash})
    if row is None:
        raise LinkNotGood
    return row
