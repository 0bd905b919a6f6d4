"""Answering, resetting, and switching the question off. Each runs in one transaction with its evidence, its mail job and its change."""

from kereru.kernel.db import Row, Transaction
from kereru.kernel.jobs import JobKind, defer
from kereru.provisioning.changes import Owned, lock_numbers, tell_owners
from kereru.provisioning.desk import ReleaseWithheld
from kereru.provisioning.errors import NoSuchAssignment, NotAsked
from kereru.provisioning.opt_in import store
from kereru.provisioning.opt_in.model import EVENT_OF, Answer, EventKind, OptIn, Witness, decide

OPT_IN_ALERT = JobKind("provisioning.alert_opt_in")
"""Somebody said No, or postponed for the first time; ids: provider, event. Handled by notifications."""
_SWITCH = Witness("User Confirmation Required was switched off")


async def answer(tx: Transaction, provider_id: int, user_id: int, number_id: int, given: Answer, witness: Witness, release: ReleaseWithheld) -> None:
    """The user answers the question of one of his numbers (R7 to R15, Q1, Q26). The same answer again changes nothing.

    Raises NoSuchAssignment for a number that is not his or not enabled, NotAsked, AlreadyAnswered.
    """
    await lock_numbers(tx, [number_id])
    facts = await store.of_user(tx, user_id, number_id)
    if facts is None:
        raise NoSuchAssignment
    wanted = decide(OptIn(facts.state), given)
    if wanted is None:
        return
    first_postpone = wanted is OptIn.POSTPONED and not facts.postpone_mailed and facts.mail_on_postpone
    await store.put(tx, facts.assignment_id, wanted, mailed=first_postpone)
    event_id = await store.add_event(tx, facts.assignment_id, EVENT_OF[given], witness)
    if wanted is OptIn.OPTED_OUT or first_postpone:
        await defer(tx, OPT_IN_ALERT, provider=provider_id, event=event_id)
    if wanted is OptIn.OPTED_IN:
        await _release(tx, provider_id, facts, release)
    await tell_owners(tx, provider_id, [Owned(facts.number_id, facts.feed_id)])


async def reset(tx: Transaction, provider_id: int, assignment_id: int, witness: Witness, release: ReleaseWithheld) -> None:
    """Have the user asked again at his next start, whatever he answered (R16, R17). With the question switched off, the number is usable (R19).

    Raises NoSuchAssignment, NotAsked when there is nothing to reset.
    """
    facts = await store.of_assignment(tx, assignment_id)
    if facts is None:
        raise NoSuchAssignment
    await lock_numbers(tx, [facts.number_id])
    facts = await store.of_assignment(tx, assignment_id)
    if facts is None:
        raise NoSuchAssignment
    state = OptIn(facts.state)
    if state is OptIn.PENDING:
        return
    if state is OptIn.NOT_NEEDED and not facts.user_confirmation:
        raise NotAsked
    await store.add_event(tx, assignment_id, EventKind.RESET, witness)
    if facts.user_confirmation:
        await store.put(tx, assignment_id, OptIn.PENDING)
    else:
        await store.drop(tx, assignment_id)
        await _release(tx, provider_id, facts, release)
    await tell_owners(tx, provider_id, [Owned(facts.number_id, facts.feed_id)])


async def stop_asking(tx: Transaction, provider_id: int, platform_id: int, release: ReleaseWithheld) -> None:
    """User Confirmation was switched off: open questions fall away and their numbers become usable; a No stays a No (Q16)."""
    await lock_numbers(tx, [row.number_id for row in await store.unanswered(tx, platform_id)])
    open_questions = await store.unanswered(tx, platform_id)
    for facts in open_questions:
        await store.drop(tx, facts.assignment_id)
        await store.add_event(tx, facts.assignment_id, EventKind.NOT_ASKED_ANY_MORE, _SWITCH)
        await _release(tx, provider_id, facts, release)
    await tell_owners(tx, provider_id, [Owned(facts.number_id, facts.feed_id) for facts in open_questions])


async def _release(tx: Transaction, provider_id: int, facts: Row, release: ReleaseWithheld) -> None:
    # Without a live licence texts stay withheld; the renewed licence releases them (Q26).
    if facts.licensed:
        await release(tx, provider_id, facts.assignment_id)
