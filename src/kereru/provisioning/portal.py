"""What all routes of the portal's provisioning share: who acts, what he may, which provider is meant."""

from typing import Any

from litestar import Request

from kereru.kernel import ids
from kereru.kernel.errors import NotFound
from kereru.provisioning.desk import Author
from kereru.provisioning.opt_in.model import Witness
from kereru.tenancy.policy import Principal

AGENT_CHARACTERS = 300
AnyRequest = Request[Any, Any, Any]


def witness_of(request: AnyRequest, principal: Principal) -> Witness:
    """Who it is and from where, as evidence keeps it."""
    agent = request.headers.get("user-agent", "")[:AGENT_CHARACTERS]
    return Witness(principal.email, request.client.host if request.client else "", storable(agent))


def author_of(request: AnyRequest, principal: Principal) -> Author:
    """The same for the history log too."""
    return Author(witness_of(request, principal), principal)


def may_write(principal: Principal) -> bool:
    """Whether what he came with is good for changes in the portal."""
    return principal.can("portal.write")


def require_own_provider(principal: Principal, provider: str | None) -> None:
    """Pass when nothing or the caller's own provider is named. Raises NotFound: foreign looks like missing."""
    if provider is not None and ids.decode(provider) != principal.provider_id:
        raise NotFound


def storable(header: str) -> str:
    """A header as evidence may keep it: printable, whatever was sent."""
    return "".join(character if character.isprintable() else "�" for character in header)
