"""What a request asks of the message log (R95), for the page and the file alike: read once, and checked against the caller's reach."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from litestar.params import Parameter, QueryParameter

from kereru.kernel import ids
from kereru.kernel.db import Transaction
from kereru.kernel.errors import FieldProblem, Invalid
from kereru.kernel.limits import SEARCH_CHARACTERS
from kereru.messaging.log import store
from kereru.messaging.log.queries import LogLevel, Search
from kereru.messaging.model import Status
from kereru.provisioning.errors import NoSuchAssignment
from kereru.provisioning.numbers import listing
from kereru.tenancy.errors import NoSuchPerson
from kereru.tenancy.model import Level
from kereru.tenancy.policy import Principal, reach
from kereru.tenancy.requests import organisation_id, organisation_within, person_id, user_within

Where = Annotated[LogLevel | None, Parameter(description="With `organisation`: whose log, with all below it.")]
Organisation = Annotated[str | None, Parameter(description="The id of the provider, reseller, group, user or assignment that `level` names.")]
Email = Annotated[str, Parameter(max_length=SEARCH_CHARACTERS, description="A user by e-mail, instead of `level` and `organisation` (R95).")]
From = Annotated[str, QueryParameter(name="from", max_length=SEARCH_CHARACTERS, description="Who sent it: a number in any form, or a piece of one.")]
To = Annotated[str, QueryParameter(name="to", max_length=SEARCH_CHARACTERS, description="Who was to get it, likewise.")]
Start = Annotated[datetime | None, Parameter(description="Texts at or after this time.")]
End = Annotated[datetime | None, Parameter(description="Texts before this time.")]
Words = Annotated[str, Parameter(max_length=SEARCH_CHARACTERS, description="Part of the message body.")]
Way = Annotated[Literal["in", "out"] | None, Parameter(description="Only inbound or outbound texts.")]
State = Annotated[
    Literal["queued", "sending", "sent", "delivered", "undelivered", "failed", "expired", "unknown", "received"] | None,
    QueryParameter(name="status", description="Only texts that stand so."),
]
Hidden = Annotated[Literal["withheld", "blocked"] | None, Parameter(description="Only texts that were kept from their owner (Q13, Q26).")]


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """The query as it came."""

    level: LogLevel | None
    organisation: str | None
    email: str
    sender: str
    recipient: str
    start: datetime | None
    end: datetime | None
    text: str
    direction: Literal["in", "out"] | None
    status: str | None
    hidden: Literal["withheld", "blocked"] | None


def filters(
    level: Where = None,
    organisation: Organisation = None,
    email: Email = "",
    sender: From = "",
    recipient: To = "",
    start: Start = None,
    end: End = None,
    text: Words = "",
    direction: Way = None,
    standing: State = None,
    hidden: Hidden = None,
) -> Filters:
    """The parameters of the query, for routes to depend on."""
    return Filters(
        level=level, organisation=organisation, email=email, sender=sender, recipient=recipient, start=start, end=end, text=text,
        direction=direction, status=standing, hidden=hidden,
    )  # fmt: skip


async def search_for(tx: Transaction, principal: Principal, asked: Filters) -> Search:
    """What is searched, if the caller reaches it. Raises NoSuchOrganisation, NoSuchPerson, NoSuchAssignment, Invalid."""
    level, place = await _place(tx, principal, asked.level, asked.organisation, asked.email)
    return Search(
        level=level, place=place, sender=asked.sender, recipient=asked.recipient, start=_aware("start", asked.start),
        end=_aware("end", asked.end), text=asked.text, direction=asked.direction,
        status=None if asked.status is None else Status[asked.status.upper()], hidden=asked.hidden,
    )  # fmt: skip


async def _place(tx: Transaction, principal: Principal, level: LogLevel | None, organisation: str | None, email: str) -> tuple[LogLevel, int | None]:
    """What the level's id is, if the caller reaches it."""
    if email and level is None and organisation is None:
        user = await store.user_by_email(tx, email.strip())
        if user is None:
            raise NoSuchPerson
        await user_within(tx, principal, user)
        return "user", user
    if (level is None) != (organisation is None) or email:
        words = "Name both, the level and which one of it, or a user by e-mail."
        raise Invalid(fields=(FieldProblem("organisation", "missing", words),))
    if level is None or organisation is None:
        return "provider", None
    if level == "assignment":
        row = await listing.entry(tx, reach(principal), ids.decode(organisation))
        if row is None:
            raise NoSuchAssignment
        return level, row.id
    if level == "user":
        user = person_id(organisation)
        await user_within(tx, principal, user)
        return level, user
    named = organisation_id(organisation)
    await organisation_within(tx, principal, Level.of(level), named)
    return level, named


def _aware(field: str, at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise Invalid(fields=(FieldProblem(field, "no_zone", "Give the time with its zone, like 2026-05-01T00:00:00Z."),))
    return at
