"""The one way to tell an audience that something changed: an entry in its feed, in the transaction that changes it."""

from collections.abc import Sequence
from enum import IntEnum

import msgspec

from kereru.kernel.db import Transaction


class ChangeKind(IntEnum):
    """What happened; past-tense facts. The value is what the database stores."""

    MESSAGE_RECEIVED = 1
    MESSAGE_QUEUED = 2
    MESSAGE_CHANGED = 3
    CONVERSATION_READ = 4
    NUMBER_CHANGED = 5
    CONVERSATION_CHANGED = 6

    @property
    def wire(self) -> str:
        """The name on the wire, `noun.participle`."""
        return self.name.lower().replace("_", ".", 1)


class Entry(msgspec.Struct, frozen=True):
    """One change for one feed. Ids name what changed; `version` is that entity's own."""

    feed_id: int
    kind: ChangeKind
    version: int
    conversation_id: int | None = None
    message_id: int | None = None
    subject_id: int | None = None


_APPEND = """
SELECT feed_id, number FROM append_changes(%(providers)s::bigint[], %(feeds)s::bigint[], %(kinds)s::smallint[], %(conversations)s::bigint[],
  %(messages)s::bigint[], %(subjects)s::bigint[], %(versions)s::integer[])
"""


async def append(tx: Transaction, provider_id: int, entries: Sequence[Entry]) -> None:
    """Append `entries` in order and wake their readers after the commit. Call it last in a transaction: it takes the feeds' locks (design §6)."""
    if not entries:
        return
    woken = await tx.rows(
        _APPEND,
        {
            "providers": [provider_id] * len(entries),
            "feeds": [entry.feed_id for entry in entries],
            "kinds": [int(entry.kind) for entry in entries],
            "conversations": [entry.conversation_id for entry in entries],
            "messages": [entry.message_id for entry in entries],
            "subjects": [entry.subject_id for entry in entries],
            "versions": [entry.version for entry in entries],
        },
    )
    for row in woken:
        tx.wake(row.feed_id, row.number)
