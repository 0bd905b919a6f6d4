"""A user blocks somebody (R129 to R131, Q5, Q13; P63): kept out of sight, counted, reversible, the same on every device."""

import asyncio

import pytest
from arrivals import batch, text
from desk import person
from test_commands import Screen

from kereru.kernel.db import Database, ProviderScope
from kereru.messaging import commands
from kereru.messaging.blocking import commands as blocking
from kereru.messaging.blocking.errors import BlockingOff
from kereru.messaging.commands import Draft
from kereru.messaging.errors import CannotSend, NoSuchConversation
from kereru.messaging.inbound.sink import Sink
from kereru.provisioning.desk import Author
from kereru.provisioning.opt_in.model import Witness
from world import PHONE, World

ANA = Author(Witness("ana@bluedoor.example", "192.0.2.44", "test"))


@pytest.fixture
def ana(world: World, app: Database) -> Screen:
    """Ana's screen."""
    return Screen(app, world.ana)


@pytest.fixture
def sink(ingest: Database) -> Sink:
    """The webhooks' sink."""
    return Sink(ingest)


async def block(ana: Screen, conversation: str, reason: str = "") -> None:
    async with ana.app.transaction(ProviderScope(ana.owner.provider_id)) as tx:
        await blocking.block(tx, ana.owner.provider_id, ana.owner.user_id, int(conversation), reason, ANA)


async def unblock(ana: Screen, conversation: str) -> None:
    async with ana.app.transaction(ProviderScope(ana.owner.provider_id)) as tx:
        await blocking.unblock(tx, ana.owner.provider_id, ana.owner.user_id, int(conversation), ANA)


async def receive(sink: Sink, ana: Screen, words: str) -> None:
    await sink.put(batch(ana.owner, text(ana.owner, words)))


async def test_blocked_texts_are_kept_out_of_sight_for_ever(world: World, ana: Screen, sink: Sink) -> None:
    """R130, Q13: in no list and no counter, not even after unblocking; every device follows by its changes alone."""
    await ana.check(lambda: receive(sink, ana, "one"))
    [conversation] = await ana.conversations()
    await ana.check(lambda: block(ana, conversation.id))
    [blocked] = await ana.conversations()
    assert (blocked.blocked, blocked.can, blocked.unread) == (True, ("unblock",), 1)

    before = await ana.state()
    await receive(sink, ana, "two, unseen")
    assert await ana.state() == before, "a blocked text changed what its owner sees"

    await ana.check(lambda: unblock(ana, conversation.id))
    await ana.check(lambda: receive(sink, ana, "three"))
    assert [message.text for message in await ana.messages(conversation.id)] == ["three", "one"]
    assert [row.visibility for row in world.sql("SELECT visibility FROM message ORDER BY id")] == [0, 2, 0]


async def test_blocking_twice_is_blocking_once(world: World, ana: Screen, sink: Sink) -> None:
    """Two devices at once: one block, one change, one piece of evidence."""
    await receive(sink, ana, "one")
    [conversation] = await ana.conversations()
    await asyncio.gather(block(ana, conversation.id), block(ana, conversation.id))
    assert [row.kind for row in world.sql("SELECT kind FROM change WHERE kind = 6")] == [6]
    await asyncio.gather(unblock(ana, conversation.id), unblock(ana, conversation.id))
    events = [row.event for row in world.sql("SELECT event FROM evidence ORDER BY number")]
    assert events == ["remote.blocked", "remote.unblocked"]


async def test_history_and_evidence_say_who_and_not_whom(world: World, ana: Screen, sink: Sink) -> None:
    """R191, P57: both outlive the texts, so of somebody else's number they hold its ending only."""
    await receive(sink, ana, "one")
    [conversation] = await ana.conversations()
    await block(ana, conversation.id, "advertising")
    [row] = world.sql("SELECT body FROM evidence")
    assert '"ana@bluedoor.example"' in row.body
    assert '"…0142"' in row.body
    [entry] = world.sql("SELECT action, target_name, after::text AS after FROM history")
    assert (entry.action, entry.target_name, entry.after) == ("remote.blocked", world.ana.e164, '{"blocked": "…0142"}')
    assert PHONE not in row.body + entry.after
    assert world.sql("SELECT blocked_by, reason FROM blocked_remote") == [("ana@bluedoor.example", "advertising")]


@pytest.mark.parametrize(("platform", "number", "allowed"), [(True, None, True), (False, None, False), (True, False, False), (False, True, True)])
async def test_the_number_overrides_the_platform(world: World, ana: Screen, sink: Sink, platform: bool, number: bool | None, allowed: bool) -> None:
    """R129, R131: inherit and override. A block stands when the switch goes off, and can be taken back."""
    await receive(sink, ana, "one")
    [conversation] = await ana.conversations()
    world.sql("UPDATE platform SET user_can_block = %(v)s", v=platform)
    world.sql("UPDATE assignment SET user_can_block = %(v)s", v=number)
    [shown] = (await ana.state()).numbers.values()
    assert ("block" in shown["can"]) is allowed
    if allowed:
        await block(ana, conversation.id)
    else:
        with pytest.raises(BlockingOff):
            await block(ana, conversation.id)
    world.sql("UPDATE assignment SET user_can_block = false")
    await unblock(ana, conversation.id)
    assert [each.blocked for each in await ana.conversations()] == [False]


async def test_who_is_blocked_is_not_texted(ana: Screen, sink: Sink) -> None:
    """The preflight says `blocked` and the send is refused with the same words; somebody else's conversation cannot be blocked."""
    await receive(sink, ana, "one")
    [conversation] = await ana.conversations()
    await block(ana, conversation.id)
    draft = Draft(ana.owner.number_id, PHONE, "Hello")
    async with ana.app.transaction(ProviderScope(ana.owner.provider_id)) as tx:
        light = await commands.preflight(tx, person(ana.owner), draft)
    assert (light.verdict, [reason.code for reason in light.reasons]) == ("stop", ["blocked"])
    with pytest.raises(CannotSend) as refused:
        await ana.send()
    assert refused.value.code == "blocked"


async def test_others_conversations_are_missing(world: World, ana: Screen, sink: Sink) -> None:
    """G29: Ben cannot block in Ana's place."""
    await receive(sink, ana, "one")
    [conversation] = await ana.conversations()
    async with ana.app.transaction(ProviderScope(world.ben.provider_id)) as tx:
        with pytest.raises(NoSuchConversation):
            await blocking.block(tx, world.ben.provider_id, world.ben.user_id, int(conversation.id), "", ANA)


async def test_stop_acts_although_blocked(world: World, ana: Screen, sink: Sink) -> None:
    """Q13 hides texts; it does not make us deaf to a STOP."""
    await receive(sink, ana, "one")
    [conversation] = await ana.conversations()
    await block(ana, conversation.id)
    await receive(sink, ana, "STOP")
    assert [row.stopped for row in world.sql("SELECT stopped FROM remote_consent")] == [True]


async def test_a_text_and_a_block_at_once_never_disagree(world: World, ana: Screen, sink: Sink) -> None:
    """Whichever comes first, what is shown was counted and what was kept back was not."""
    await receive(sink, ana, "one")
    [conversation] = await ana.conversations()
    for turn in range(6):
        before, seen = await ana.state(), len(await ana.messages(conversation.id))
        await asyncio.gather(receive(sink, ana, f"text {turn}"), block(ana, conversation.id))
        hidden = world.sql("SELECT count(*) FROM message WHERE visibility = 2")[0][0]
        shown = await ana.messages(conversation.id)
        assert len(shown) + hidden == 2 + turn
        assert (await ana.conversations())[0].unread == len(shown), (before, seen)
        await unblock(ana, conversation.id)
