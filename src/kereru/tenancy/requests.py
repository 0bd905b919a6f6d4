"""What all routes of tenancy share: ids of paths and bodies, what somebody may do, where an organisation stands within a caller's reach."""

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.params import Parameter

from kereru.kernel import ids
from kereru.kernel.db import Transaction
from kereru.kernel.errors import NotFound
from kereru.tenancy import queries
from kereru.tenancy.errors import NoSuchOrganisation, NoSuchPerson
from kereru.tenancy.model import Level, Path
from kereru.tenancy.policy import Principal, reach

AnyRequest = Request[Any, Any, Any]
Typed = Annotated[str, msgspec.Meta(max_length=400)]
Limit = Annotated[int, Parameter(ge=1, le=200, description="How many on a page.")]
Cursor = Annotated[str | None, Parameter(description="From `next` of the page before.")]
Query = Annotated[str, Parameter(max_length=200, description="Words to look for.")]


def organisation_id(text: str) -> int:
    """The id of an organisation. Raises NoSuchOrganisation for what cannot be one, in the words of a missing one."""
    return _decode(text, NoSuchOrganisation)


def person_id(text: str) -> int:
    """The id of a user or portal account. Raises NoSuchPerson."""
    return _decode(text, NoSuchPerson)


def _decode(text: str, missing: type[NotFound]) -> int:
    try:
        return ids.decode(text)
    except ids.InvalidId as error:
        raise missing from error


def may_write(principal: Principal) -> bool:
    """Whether what the caller came with is good for changes in the portal."""
    return principal.can("portal.write")


async def organisation_within(tx: Transaction, principal: Principal, level: Level, id_: int) -> Path:
    """Where an organisation stands, if the caller reaches it. Raises NoSuchOrganisation: foreign looks like missing (G29)."""
    path = await queries.path_of(tx, principal.provider_id, level, id_)
    if path is None or not reach(principal).covers(path):
        raise NoSuchOrganisation
    return path


async def user_within(tx: Transaction, principal: Principal, id_: int) -> Path:
    """The same for a user. Raises NoSuchPerson."""
    path = await queries.path_of_user(tx, principal.provider_id, id_)
    if path is None or not reach(principal).covers(path):
        raise NoSuchPerson
    return path
