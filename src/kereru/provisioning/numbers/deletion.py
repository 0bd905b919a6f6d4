"""Ending a number's assignment and deleting what was said on it (R182, R184, R185, Q27, Q28, P57)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kereru.kernel.db import ProviderScope, Transaction
from kereru.kernel.ids import lowest_at
from kereru.kernel.jobs import JobKind, defer
from kereru.provisioning.changes import Owned, lock_numbers, make_readers_reload, tell_owners
from kereru.provisioning.desk import OPERATOR, Author, DeletedCounts, Desk
from kereru.provisioning.errors import NoSuchAssignment, NothingSaved
from kereru.provisioning.evidence.commands import witness_event
from kereru.provisioning.evidence.model import Event
from kereru.provisioning.numbers import store
from kereru.provisioning.numbers.assigning import REMOVE_WEBHOOK, TAKES_OVER_AFTER_S
from kereru.provisioning.numbers.commands import take_hook_off

PURGE_AGAIN = JobKind("provisioning.purge_again")
"""A day after a deletion: what came in between is deleted too, and the carrier's ids are forgotten; ids: provider, assignment, before."""
DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What deleting a number did."""

    assignment_id: int
    number_id: int
    deleted: DeletedCounts


async def end_assignment(desk: Desk, provider_id: int, assignment_id: int, author: Author = OPERATOR) -> None:
    """End an assignment: no text is shown or sent from here on, the owner keeps his history (Q28), and the carrier's webhook is removed (R185).

    A carrier that does not answer is told later by a job. Ending twice is ending once. Raises NoSuchAssignment.
    """
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        row = await store.facts(tx, assignment_id)
        if row is None:
            raise NoSuchAssignment
        await lock_numbers(tx, [row.number_id])
        if not await store.end(tx, assignment_id):
            return
        await defer(tx, REMOVE_WEBHOOK, delay_s=TAKES_OVER_AFTER_S, provider=provider_id, number=row.number_id)
        await desk.record_history(tx, author.principal, "number.ended", "assignment", assignment_id, row.e164, {"user": row.user}, {})
        await witness_event(tx, Event.NUMBER_ENDED, assignment_id, author.witness)
        await tell_owners(tx, provider_id, [Owned(row.number_id, row.feed_id)])
    await take_hook_off(desk, provider_id, row.number_id)


async def delete_number(desk: Desk, provider_id: int, assignment_id: int, author: Author = OPERATOR) -> Ended:
    """End an assignment and delete every message to and from the number under it, at once (R184, R185, Q18); of a past one, what was kept.

    Doing it twice is doing it once. Raises NoSuchAssignment.
    """
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        done = await delete_in(desk, tx, provider_id, [assignment_id], author)
        if not done:
            raise NoSuchAssignment
    await remove_hooks(desk, provider_id, [done[0].number_id])
    return done[0]


async def delete_in(desk: Desk, tx: Transaction, provider_id: int, assignment_ids: Sequence[int], author: Author) -> list[Ended]:
    """The same for several in the caller's transaction, which then calls `remove_hooks`; what is not there is left out. It takes feeds' locks."""
    rows = await store.among(tx, assignment_ids)
    await lock_numbers(tx, [row.number_id for row in rows])
    done: list[Ended] = []
    owned: list[Owned] = []
    for row in rows:
        was_live = await store.end(tx, row.id)
        deleted = await desk.messages.delete(tx, provider_id, row.id)
        done.append(Ended(row.id, row.number_id, deleted))
        if not was_live and not deleted.messages:
            continue
        counts: dict[str, object] = {"messages": deleted.messages, "conversations": deleted.conversations}
        await defer(tx, REMOVE_WEBHOOK, delay_s=TAKES_OVER_AFTER_S, provider=provider_id, number=row.number_id)
        await _purge_later(desk, tx, provider_id, row.id)
        await desk.record_history(tx, author.principal, "number.deleted", "assignment", row.id, row.e164, {"user": row.user}, counts)
        await witness_event(tx, Event.NUMBER_DELETED, row.id, author.witness, deleted=counts)
        owned.append(Owned(row.number_id, row.feed_id))
    await make_readers_reload(tx, sorted({one.feed_id for one in owned}))
    await tell_owners(tx, provider_id, owned)
    return done


async def remove_hooks(desk: Desk, provider_id: int, number_ids: Sequence[int]) -> None:
    """Tell the carriers now; those who do not answer are told by the jobs that were written with the deletion."""
    for number_id in number_ids:
        await take_hook_off(desk, provider_id, number_id)


async def delete_saved_messages(desk: Desk, provider_id: int, assignment_id: int, author: Author = OPERATOR) -> DeletedCounts:
    """Delete what was said on a number and leave it to its user, for example when another person takes the account over (R182, R183).

    Raises NoSuchAssignment, NothingSaved.
    """
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        row = await store.facts(tx, assignment_id)
        if row is None:
            raise NoSuchAssignment
        await lock_numbers(tx, [row.number_id])
        deleted = await desk.messages.delete(tx, provider_id, assignment_id)
        if not deleted.messages:
            raise NothingSaved
        counts: dict[str, object] = {"messages": deleted.messages, "conversations": deleted.conversations}
        await _purge_later(desk, tx, provider_id, assignment_id)
        await desk.record_history(tx, author.principal, "messages.deleted", "assignment", assignment_id, row.e164, counts, {})
        await witness_event(tx, Event.MESSAGES_DELETED, assignment_id, author.witness, deleted=counts)
        await make_readers_reload(tx, [row.feed_id])
    return deleted


async def purge_again(desk: Desk, ids: Mapping[str, int]) -> None:
    """The job PURGE_AGAIN: a send that was under way while the number was deleted may have stored its text a moment later."""
    provider_id, assignment_id = ids["provider"], ids["assignment"]
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        row = await store.facts(tx, assignment_id)
        if row is None:
            return
        await lock_numbers(tx, [row.number_id])
        if row.ended_at is not None:
            await desk.messages.delete(tx, provider_id, assignment_id)
        await desk.messages.forget_references(tx, provider_id, row.number_id, ids["before"])


async def _purge_later(desk: Desk, tx: Transaction, provider_id: int, assignment_id: int) -> None:
    await defer(tx, PURGE_AGAIN, delay_s=DAY_S, provider=provider_id, assignment=assignment_id, before=lowest_at(desk.clock.now()))
