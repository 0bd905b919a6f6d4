"""Blocking and unblocking, by the user and in the portal. Each runs in one transaction with its history, evidence and change."""

from kereru.kernel.db import Row, Transaction
from kereru.messaging.blocking import store
from kereru.messaging.blocking.errors import BlockingOff, NotBlocked
from kereru.messaging.blocking.model import ending
from kereru.messaging.errors import NoSuchConversation
from kereru.provisioning.changes import lock_numbers
from kereru.provisioning.desk import Author
from kereru.provisioning.evidence.commands import witness_event
from kereru.provisioning.evidence.model import Event
from kereru.provisioning.holdings import place_of_assignment
from kereru.realtime.feeds import ChangeKind, Entry, append
from kereru.tenancy.history.commands import record


async def block(tx: Transaction, provider_id: int, user_id: int, conversation_id: int, reason: str, author: Author) -> None:
    """The user blocks the other side of one of his conversations; doing it twice is doing it once.

    What it sends from now on is stored and shown in the portal only (R130, Q13). Raises NoSuchConversation, BlockingOff where the platform or the
    number does not let users block (R129, R131), or where the number is not theirs any more.
    """
    facts = await _held(tx, user_id, conversation_id)
    if not (facts.live and facts.user_can_block):
        raise BlockingOff
    if await store.add(tx, facts.assignment_id, facts.remote, author.witness.actor, reason.strip()):
        await _told(tx, provider_id, facts, author, Event.REMOTE_BLOCKED)


async def unblock(tx: Transaction, provider_id: int, user_id: int, conversation_id: int, author: Author) -> None:
    """The user takes it back, whatever the switches say now; what was kept from him stays so (Q13). Raises NoSuchConversation."""
    facts = await _held(tx, user_id, conversation_id)
    if await store.take(tx, facts.assignment_id, facts.remote):
        await _told(tx, provider_id, facts, author, Event.REMOTE_UNBLOCKED)


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


async def _told(tx: Transaction, provider_id: int, facts: Row, author: Author, event: Event) -> None:
    version = await store.bump(tx, facts.conversation_id)
    await _written_down(tx, provider_id, facts.assignment_id, facts.e164, facts.remote, author, event)
    if facts.last_message_id is not None:
        await append(tx, provider_id, [Entry(facts.feed_id, ChangeKind.CONVERSATION_CHANGED, version, facts.conversation_id)])


async def _written_down(tx: Transaction, provider_id: int, assignment_id: int, e164: str, remote: str, author: Author, event: Event) -> None:
    shown = {"blocked": ending(remote)}
    before, after = ({}, shown) if event is Event.REMOTE_BLOCKED else (shown, {})
    path = await place_of_assignment(tx, provider_id, assignment_id)
    await record(tx, author.principal, event.value, "assignment", assignment_id, e164, before, after, path=path)
    await witness_event(tx, event, assignment_id, author.witness, remote=ending(remote))
