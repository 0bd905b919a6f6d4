"""Searching a person's own conversations: texts by their words, people by number and name."""

from datetime import datetime

from kereru.carriers.numbering import habits_of, pieces_of
from kereru.kernel.db import INSTALLATION, Database, Transaction
from kereru.kernel.limits import SEARCH_PEOPLE
from kereru.messaging import queries
from kereru.messaging import store as messaging
from kereru.messaging.errors import NoSuchConversation
from kereru.messaging.model import Conversation
from kereru.messaging.search import store
from kereru.messaging.search.model import Hit, marks
from kereru.tenancy.policy import UserIdentity

_DIGITS_LEAST = 3
"""Fewer digits are in nearly every number."""


async def texts(
    tx: Transaction, user: UserIdentity, asked: str, conversation_id: int | None, *, before: int, now: datetime, limit: int
) -> tuple[list[Hit], tuple[Conversation, ...]]:
    """The user's texts older than `before` with all the words, newest first, and their conversations. Raises NoSuchConversation."""
    if conversation_id is not None and not await messaging.owns(tx, user.id, conversation_id):
        raise NoSuchConversation
    row = await store.texts(tx, user.id, conversation_id, asked, before=before, since=queries.oldest_kept(now), limit=limit)
    messages = await queries.messages(tx, user.id, row.found)
    around = await queries.conversations(tx, user.id, user.region, sorted({int(message.conversation_id) for message in messages.values()}))
    hits = [Hit(messages[id_], marks(messages[id_].text, row.words)) for id_ in row.found if id_ in messages]
    return hits, tuple(around.values())


async def people(tx: Transaction, user: UserIdentity, asked: str, *, now: datetime) -> tuple[Conversation, ...]:
    """The user's conversations with whom a name, or digits of a number in any form, means; the newest of them, newest first."""
    digits: list[str] = []
    if not any(character.isalpha() for character in asked):
        pieces = pieces_of(asked, habits_of(user.region, exclude_leading_zero=user.exclude_leading_zero))
        digits = [f"%{piece}%" for piece in pieces if len(piece) >= _DIGITS_LEAST]
    found = await store.people(tx, user.id, user.group_id, asked, digits, since=queries.oldest_kept(now), limit=SEARCH_PEOPLE)
    shown = await queries.conversations(tx, user.id, user.region, found)
    return tuple(shown[id_] for id_ in found if id_ in shown)


async def tidy_search(service: Database) -> int:
    """Put what came since the last time in the order in which it is searched; answers how many pages of it. Raises Unavailable, psycopg.Error."""
    async with service.transaction(INSTALLATION) as tx:
        return await tx.value("SELECT tidy_search()")
