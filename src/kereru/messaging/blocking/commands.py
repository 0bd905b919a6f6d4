"""Blocking and unblocking, by the user and in the portal. Each runs in one transaction with its history, evidence and change."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from kereru.kernel.db import Database, ProviderScope, Row, Transaction
from kereru.kernel.errors import FieldProblem, sentence
from kereru.kernel.jobs import JobKind, defer
from kereru.messaging.blocking import store
from kereru.messaging.blocking.errors import BlockingOff, EndIsPast, NotBlocked
from kereru.messaging.blocking.model import ending
from kereru.messaging.errors import NoSuchConversation
from kereru.provisioning.changes import lock_numbers
from kereru.provisioning.desk import Author
from kereru.provisioning.evidence.commands import witness_event
from kereru.provisioning.evidence.model import Event
from kereru.provisioning.holdings import place_of_assignment
from kereru.provisioning.opt_in.model import Witness
from kereru.realtime.feeds import ChangeKind, Entry, append
from kereru.tenancy.history.commands import record
from kereru.tenancy.history.model import Actor

END_BLOCK = JobKind("messaging.end_block")
"""The end of a block has come; ids: provider, block."""
LONGEST = timedelta(days=3653)
_END = Author(Witness("the end of the block"))


async def block(
    tx: Transaction, provider_id: int, user_id: int, conversation_id: int, reason: str, author: Author, *, ends_at: datetime | None = None
) -> None:
    """The user blocks the other side of one of his conversations, until `ends_at` (aware) where he gives an end (P63).

    Doing it twice is doing it once; with another reason or end it changes them.

    What it sends from now on is stored and shown in the portal only (R130, Q13). Raises NoSuchConversation, BlockingOff where the platform or the
    number does not let users block (R129, R131), or where the number is not theirs any more.
    """
    facts = await _held(tx, user_id, conversation_id)
    if not (facts.live and facts.user_can_block):
        raise BlockingOff
    left = None if ends_at is None else ends_at - await tx.value("SELECT app_now()")
    if left is not None and not timedelta() < left <= LONGEST:
        raise EndIsPast(fields=(FieldProblem("ends_at", EndIsPast.code, sentence(EndIsPast)),))
    made = await store.add(tx, facts.assignment_id, facts.remote, author.witness.actor, reason.strip(), ends_at)
    if made is None:
        return
    if left is not None:
        await defer(tx, END_BLOCK, delay_s=left.total_seconds(), provider=provider_id, block=made)
    await _told(tx, provider_id, facts, author, Event.REMOTE_BLOCKED, ends_at)


async def unblock(tx: Transaction, provider_id: int, user_id: int, conversation_id: int, author: Author) -> None:
    """The user takes it back, whatever the switches say now; what was kept from him stays so (Q13). Raises NoSuchConversation."""
    facts = await _held(tx, user_id, conversation_id)
    if await store.take(tx, facts.assignment_id, facts.remote):
        await _told(tx, provider_id, facts, author, Event.REMOTE_UNBLOCKED)


async def end_block(database: Database, ids: Mapping[str, int]) -> None:
    """The job END_BLOCK: texts are shown again from here on. A block that was taken back, or has no end any more, is left as it is."""
    provider_id = ids["provider"]
    async with database.transaction(ProviderScope(provider_id)) as tx:
        row = await store.standing(tx, ids["block"])
        if row is not None:
            await lock_numbers(tx, [row.number_id])
            row = await store.standing(tx, ids["block"])
        if row is None or row.left_s is None:
            return
        if row.left_s > 0:
            # The end was put off, or the job came a moment early.
            await defer(tx, END_BLOCK, delay_s=row.left_s, **ids)
            return
        await unblock_for(tx, provider_id, row.assignment_id, row.number_id, row.e164, row.remote, _END)


async def unblock_for(tx: Transaction, provider_id: int, assignment_id: int, number_id: int, e164: str, remote: str, author: Author) -> None:
    """Somebody takes it back in the portal. The caller has looked whose number it is. Raises NotBlocked."""
    await lock_numbers(tx, [number_id])
    if not await store.take(tx, assignment_id, remote):
        raise NotBlocked
    facts = await store.of_assignment(tx, assignment_id, remote)
    if facts is None:
        # Its messages were deleted meanwhile, so nobody's screen shows it.
        await _written_down(tx, provider_id, assignment_id, e164, remote, author, Event.REMOTE_UNBLOCKED)
    else:
        await _told(tx, provider_id, facts, author, Event.REMOTE_UNBLOCKED)


async def _held(tx: Transaction, user_id: int, conversation_id: int) -> Row:
    """The facts, while inbound batches wait: a text falls either before the block or after it."""
    facts = await store.of_user(tx, user_id, conversation_id)
    if facts is not None:
        await lock_numbers(tx, [facts.number_id])
        facts = await store.of_user(tx, user_id, conversation_id)
    if facts is None:
        raise NoSuchConversation
    return facts


async def _told(tx: Transaction, provider_id: int, facts: Row, author: Author, event: Event, ends_at: datetime | None = None) -> None:
    version = await store.bump(tx, facts.conversation_id)
    await _written_down(tx, provider_id, facts.assignment_id, facts.e164, facts.remote, author, event, ends_at)
    if facts.last_message_id is not None:
        await append(tx, provider_id, [Entry(facts.feed_id, ChangeKind.CONVERSATION_CHANGED, version, facts.conversation_id)])


async def _written_down(
    tx: Transaction, provider_id: int, assignment_id: int, e164: str, remote: str, author: Author, event: Event, ends_at: datetime | None = None
) -> None:
    until = {} if ends_at is None else {"until": ends_at.astimezone(UTC).isoformat(timespec="seconds")}
    shown = {"blocked": ending(remote), **until}
    before, after = ({}, shown) if event is Event.REMOTE_BLOCKED else (shown, {})
    path = await place_of_assignment(tx, provider_id, assignment_id)
    who = author.principal or Actor(None, author.witness.actor, author.witness.address, "schedule")
    await record(tx, who, event.value, "assignment", assignment_id, e164, before, after, path=path)
    await witness_event(tx, event, assignment_id, author.witness, remote=ending(remote), **until)
