"""How a user's programs see the changes of his feed: the entities as they are now, each read once for any number of changes."""

from collections.abc import Iterable, Sequence

from kereru.kernel import ids
from kereru.kernel.db import Transaction
from kereru.messaging import queries, store
from kereru.provisioning.licences.queries import numbers_by_id
from kereru.realtime.feeds import ChangeKind
from kereru.realtime.model import ChangeRow, PresentedChange


class Presenter:
    """Implements `realtime.model.ChangePresenter`. A change whose conversation or message is gone by now is left out."""

    async def present(self, tx: Transaction, provider_id: int, user_id: int, rows: Sequence[ChangeRow]) -> list[PresentedChange]:
        """The changes behind `rows`, in their order (three statements, however many rows)."""
        region = await store.region_of(tx, user_id)
        messages = await queries.messages(tx, user_id, _distinct(row.message_id for row in rows))
        conversations = await queries.conversations(tx, user_id, region, _distinct(row.conversation_id for row in rows))
        numbers = await numbers_by_id(tx, user_id, region, _distinct(row.subject_id for row in rows))
        presented: list[PresentedChange] = []
        for row in rows:
            message = None if row.message_id is None else messages.get(row.message_id)
            conversation = None if row.conversation_id is None else conversations.get(row.conversation_id)
            number = None if row.subject_id is None else numbers.get(row.subject_id)
            if (row.message_id is not None and message is None) or (row.conversation_id is not None and conversation is None):
                continue
            if row.subject_id is not None and number is None:
                continue
            kind = ChangeKind(row.kind).wire
            presented.append(PresentedChange(ids.encode(row.feed_id), row.number, kind, row.version, message, conversation, number))
        return presented


def _distinct(values: Iterable[int | None]) -> list[int]:
    return sorted({value for value in values if value is not None})
