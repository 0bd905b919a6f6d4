"""Judging wishes and noting an opt-out, by the user; what HELP is answered with, in the portal. Each runs with its evidence and its changes."""

from kereru.carriers.encoding import measure
from kereru.kernel.db import Row, Transaction
from kereru.messaging.blocking.model import ending
from kereru.messaging.consent import Mark
from kereru.messaging.errors import NoSuchConversation
from kereru.messaging.model import text_problem
from kereru.messaging.remote_consent import store
from kereru.messaging.remote_consent.errors import BadHelpAnswer, NotYoursToAllow
from kereru.provisioning.changes import lock_numbers, make_readers_reload
from kereru.provisioning.desk import Author
from kereru.provisioning.evidence.commands import witness_event
from kereru.provisioning.evidence.model import Event
from kereru.realtime.feeds import ChangeKind, Entry, append
from kereru.tenancy.history.commands import record
from kereru.tenancy.model import Path

HELP_BYTES = 160
"""What every carrier takes whole (design §7)."""


async def stop(tx: Transaction, provider_id: int, user_id: int, conversation_id: int, up_to: int, author: Author) -> None:
    """The other side wants no more texts from this business: nobody of the group texts them from now on (P34). Doing it twice is doing it once.

    The wishes up to the message `up_to` are judged with it. Raises NoSuchConversation.
    """
    facts = await _held(tx, user_id, conversation_id)
    judged = await store.judge(tx, conversation_id, await store.open_wishes(tx, conversation_id, up_to), Mark.AGREED)
    new = await store.stop(tx, facts.group_id, facts.remote)
    if new:
        await witness_event(tx, Event.REMOTE_STOPPED, facts.assignment_id, author.witness, remote=ending(facts.remote))
    await _tell(tx, provider_id, facts, judged, whole_group=new)


async def dismiss(tx: Transaction, provider_id: int, user_id: int, conversation_id: int, up_to: int) -> None:
    """The wishes up to the message `up_to` meant something else. Raises NoSuchConversation."""
    facts = await _held(tx, user_id, conversation_id)
    judged = await store.judge(tx, conversation_id, await store.open_wishes(tx, conversation_id, up_to), Mark.DISMISSED)
    await _tell(tx, provider_id, facts, judged, whole_group=False)


async def allow(tx: Transaction, provider_id: int, user_id: int, conversation_id: int, author: Author) -> None:
    """Take back what somebody of the business noted. Raises NoSuchConversation, NotYoursToAllow for the person's or their carrier's own word."""
    facts = await _held(tx, user_id, conversation_id)
    if not facts.stopped:
        return
    if not await store.allow(tx, facts.group_id, facts.remote):
        raise NotYoursToAllow
    await witness_event(tx, Event.REMOTE_ALLOWED, facts.assignment_id, author.witness, remote=ending(facts.remote))
    await _tell(tx, provider_id, facts, [], whole_group=True)


async def consent_follows(tx: Transaction, provider_id: int, user_id: int, from_group: int, to_group: int) -> None:
    """A user was moved to another group: whoever said STOP to the old one and texts with one of his numbers is stopped in the new one too, unless he
    said START there since. Other people's STOPs stay with the group that they were said to. It takes feeds' locks, so it comes last.
    """
    # Inbound batches hold a number while they read its user's group, so what is said from here on is said to the new one.
    await lock_numbers(tx, await store.numbers_of(tx, user_id))
    carried = await store.carry_over(tx, user_id, from_group, to_group)
    alike = [row for remote in carried for row in await store.alike(tx, to_group, remote)]
    feed_id = await store.feed_of(tx, user_id)
    others = sorted({row for row in alike if row.feed_id != feed_id})
    await append(tx, provider_id, [Entry(row.feed_id, ChangeKind.CONVERSATION_CHANGED, row.version, row.conversation_id) for row in others])
    # His own conversations may stand otherwise than before in either way.
    await make_readers_reload(tx, [feed_id])


async def set_help_answer(tx: Transaction, path: Path, text: str, author: Author) -> Row:
    """What a group answers to HELP from now on; empty: the usual words. The caller has looked whose group it is. Raises BadHelpAnswer."""
    group_id = path.group_id or 0
    wanted = " ".join(text.split())
    measured = measure(wanted)
    if wanted and (text_problem(wanted) or measured.encoding != "gsm7" or measured.segments > 1 or len(wanted.encode()) > HELP_BYTES):
        raise BadHelpAnswer
    before = await store.help_answer(tx, group_id)
    await store.set_help_answer(tx, group_id, wanted)
    after = await store.help_answer(tx, group_id)
    assert before is not None  # noqa: S101 - the caller has found the group
    assert after is not None  # noqa: S101
    was, became = {"help_answer": before.own}, {"help_answer": after.own}
    await record(tx, author.principal, "group.changed", "group", group_id, before.name, was, became, path=path)
    return after


async def _held(tx: Transaction, user_id: int, conversation_id: int) -> Row:
    facts = await store.held(tx, user_id, conversation_id)
    if facts is None:
        raise NoSuchConversation
    return facts


async def _tell(tx: Transaction, provider_id: int, facts: Row, judged: list[Row], *, whole_group: bool) -> None:
    entries = [Entry(facts.feed_id, ChangeKind.MESSAGE_CHANGED, row.version, facts.conversation_id, row.id) for row in judged]
    if whole_group:
        alike = await store.alike(tx, facts.group_id, facts.remote)
        entries += [Entry(row.feed_id, ChangeKind.CONVERSATION_CHANGED, row.version, row.conversation_id) for row in alike]
    await append(tx, provider_id, entries)
