"""The route of search."""

from typing import Annotated

from litestar import get
from litestar.params import Parameter

from kereru.kernel import ids
from kereru.kernel.clock import Clock
from kereru.kernel.db import Database, ProviderScope
from kereru.kernel.errors import Forbidden
from kereru.kernel.limits import PAGE_ITEMS, SEARCH_CHARACTERS, SEARCH_ITEMS_DEFAULT
from kereru.kernel.paging import CursorCodec
from kereru.messaging.errors import NoSuchConversation
from kereru.messaging.search import queries
from kereru.messaging.search.model import SearchPage
from kereru.tenancy.policy import END_USER, Principal, policy


@get("/search", opt=policy(END_USER), operation_id="search", summary="Texts by their words, and people by number or name, in your own conversations")
async def search(
    principal: Principal,
    database: Database,
    clock: Clock,
    cursors: CursorCodec,
    q: Annotated[str, Parameter(max_length=SEARCH_CHARACTERS, description="Words, the last of which may be begun; or digits in any form.")] = "",
    conversation: Annotated[str | None, Parameter(description="Only texts of the conversation with this id.")] = None,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=PAGE_ITEMS)] = SEARCH_ITEMS_DEFAULT,
) -> SearchPage:
    """Newest first. Without a word in it, nothing is found. Raises NoSuchConversation, BadCursor."""
    if principal.user is None:
        raise Forbidden
    try:
        within = None if conversation is None else ids.decode(conversation)
    except ids.InvalidId as error:
        raise NoSuchConversation from error
    before = ids.MAX_ID if cursor is None else cursors.decode(cursor)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        hits, around = await queries.texts(tx, principal.user, q, within, before=before, now=clock.now(), limit=limit)
        people = () if within is not None or cursor is not None else await queries.people(tx, principal.user, q, now=clock.now())
    return SearchPage(hits, cursors.encode(int(hits[-1].message.id)) if len(hits) == limit else None, around, people)


ROUTES = (search,)
