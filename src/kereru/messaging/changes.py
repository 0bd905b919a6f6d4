"""How users' programs see the changes of their feeds: the entities as they are now, read at once for however many changes and users."""

from collections.abc import Iterable, Mapping, Sequence

from kereru.kernel import ids
from kereru.kernel.db import Transaction
from kereru.messaging import queries, store
from kereru.messaging.model import Conversation, Message
from kereru.provisioning.licences.model import LicenceNumber
from kereru.provisioning.licences.queries import numbers_by_id
from kereru.realtime.feeds import ChangeKind
from kereru.realtime.model import ChangeRow, PresentedChange

Rows = Sequence[ChangeRow]


class Presenter:
    """Implements `realtime.model.ChangePresenter`. A change whose conversation or message is gone by now is left out."""

    async def present(self, tx: Transaction, provider_id: int, wanted: Mapping[int, Rows]) -> dict[int, list[PresentedChange]]:
        """The changes behind everybody's rows, in their order: one or two statements, and three more for each user whose numbers changed."""
        conversations = await queries.conversations_seen(tx, _pairs((user, row.conversation_id) for user, rows in wanted.items() for row in rows))
        # A new text nearly always is its conversation's last one, which has just been read.
        messages = {(user, int(seen.last_message.id)): seen.last_message for (user, _), seen in conversations.items() if seen.last_message}
        named = _pairs((user, row.message_id) for user, rows in wanted.items() for row in rows)
        messages |= await queries.messages_seen(tx, [pair for pair in named if pair not in messages])
        presented: dict[int, list[PresentedChange]] = {}
        for user, rows in wanted.items():
            numbers = await _numbers(tx, user, rows)
            changes = (_change(row, user, messages, conversations, numbers) for row in rows)
            presented[user] = [change for change in changes if change is not None]
        return presented


async def _numbers(tx: Transaction, user_id: int, rows: Rows) -> dict[int, LicenceNumber]:
    named = sorted({row.subject_id for row in rows if row.subject_id is not None})
    return await numbers_by_id(tx, user_id, await store.region_of(tx, user_id), named) if named else {}


def _change(
    row: ChangeRow,
    user_id: int,
    messages: Mapping[tuple[int, int], Message],
    conversations: Mapping[tuple[int, int], Conversation],
    numbers: Mapping[int, LicenceNumber],
) -> PresentedChange | None:
    message = None if row.message_id is None else messages.get((user_id, row.message_id))
    conversation = None if row.conversation_id is None else conversations.get((user_id, row.conversation_id))
    number = None if row.subject_id is None else numbers.get(row.subject_id)
    if (row.message_id is not None and message is None) or (row.conversation_id is not None and conversation is None):
        return None
    if row.subject_id is not None and number is None:
        return None
    return PresentedChange(ids.encode(row.feed_id), row.number, ChangeKind(row.kind).wire, row.version, message, conversation, number)


def _pairs(named: Iterable[tuple[int, int | None]]) -> list[tuple[int, int]]:
    return sorted({(user, wanted) for user, wanted in named if wanted is not None})
