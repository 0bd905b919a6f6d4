"""What people do: every command's changes explain the state that a fresh read shows (issue 2 §5), and nobody reaches what is not his."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from arrivals import batch, text
from desk import person

from changes import State, assert_changes_explain, changes_after, state_of
from kereru.kernel import ids
from kereru.kernel.db import Database, ProviderScope
from kereru.kernel.errors import KereruError
from kereru.messaging import commands, queries
from kereru.messaging.changes import Presenter
from kereru.messaging.commands import Draft
from kereru.messaging.errors import CannotKeep, NoSuchConversation
from kereru.messaging.inbound.sink import Sink
from kereru.messaging.model import Conversation, Message
from kereru.provisioning.licences import queries as licences
from world import PHONE, Owner, World


class Screen:
    """A user's client below the API: what it fetches and what its feed tells."""

    def __init__(self, app: Database, owner: Owner) -> None:
        self.app, self.owner, self.seen = app, owner, 0
        self.before = State()

    async def conversations(self) -> list[Conversation]:
        """The activity list."""
        async with self.app.transaction(ProviderScope(self.owner.provider_id)) as tx:
            items, _ = await queries.conversation_page(tx, self.owner.user_id, "US", before=ids.MAX_ID, now=datetime.now(UTC), limit=200)
            return items

    async def messages(self, conversation: str) -> list[Message]:
        """One conversation, newest first."""
        async with self.app.transaction(ProviderScope(self.owner.provider_id)) as tx:
            return await queries.message_page(tx, self.owner.user_id, int(conversation), before=ids.MAX_ID, now=datetime.now(UTC), limit=200)

    async def state(self) -> State:
        """Everything fetched again."""
        found = await self.conversations()
        messages = [message for conversation in found for message in await self.messages(conversation.id)]
        async with self.app.transaction(ProviderScope(self.owner.provider_id)) as tx:
            numbers = await licences.numbers(tx, self.owner.user_id, "US", live=True)
        return state_of(numbers, found, messages)

    async def check(self, act: Callable[[], Awaitable[object]]) -> object:
        """Do `act`; fail unless the old state and its changes give the new state."""
        before = await self.state()
        result = await act()
        changes, self.seen = await changes_after(self.app, Presenter(), self.owner.provider_id, self.owner.user_id, self.owner.feed_id, self.seen)
        after = await self.state()
        assert changes, "the command told nobody"
        assert_changes_explain(before, changes, after)
        return result

    async def send(self, words: str = "Hello", to: str = PHONE, key: str = "client-key-1") -> Message:
        """Send a text."""
        return (await commands.send(self.app, person(self.owner), key, Draft(self.owner.number_id, to, words)))[0]


@pytest.fixture
def ana(world: World, app: Database) -> Screen:
    """Ana's screen."""
    return Screen(app, world.ana)


@pytest.fixture
def sink(ingest: Database) -> Sink:
    """The webhooks' sink."""
    return Sink(ingest)


async def test_an_arrival_explains_itself(world: World, ana: Screen, sink: Sink) -> None:
    """G22: message, conversation and unread count."""
    await ana.check(lambda: sink.put(batch(world.ana, text(world.ana, "one"))))
    await ana.check(lambda: sink.put(batch(world.ana, text(world.ana, "two"), text(world.ana, "other", remote="+12025550143"))))
    [newest, older] = await ana.conversations()
    assert (newest.remote, older.unread, older.remote_display) == ("+12025550143", 2, "(202) 555-0142")


async def test_sending_explains_itself(ana: Screen) -> None:
    """R40: the conversation comes into being with its first message."""
    assert await ana.conversations() == []
    await ana.check(ana.send)
    [conversation] = await ana.conversations()
    assert conversation.last_message is not None
    assert conversation.last_message.status == "queued"


@pytest.mark.parametrize("typed", ["2025550142", "(202) 555-0142", "1-202-555-0142", "+1 202 555 0142", "001 202 555 0142", "011 1 202 555 0142"])
async def test_every_way_to_write_a_number_is_one_conversation(world: World, ana: Screen, sink: Sink, typed: str) -> None:
    """R39, R43, R51, Q7."""
    await sink.put(batch(world.ana, text(world.ana)))
    await ana.send(to=typed)
    assert len(await ana.conversations()) == 1


async def test_reading_and_unreading_explain_themselves(world: World, ana: Screen, sink: Sink, app: Database) -> None:
    """Q21: on all devices at once."""
    await sink.put(batch(world.ana, text(world.ana, "one"), text(world.ana, "two")))
    [conversation] = await ana.conversations()
    [newer, older] = await ana.messages(conversation.id)
    ana.seen = 2

    async def read(up_to: str | None) -> Conversation:
        async with app.transaction(ProviderScope(world.ana.provider_id)) as tx:
            return await commands.mark_read(
                tx, person(world.ana), world.ana.feed_id, int(conversation.id), up_to=int(up_to) if up_to else None, now=datetime.now(UTC)
            )

    async def unread() -> Conversation:
        async with app.transaction(ProviderScope(world.ana.provider_id)) as tx:
            return await commands.mark_unread(tx, person(world.ana), world.ana.feed_id, int(conversation.id))

    await ana.check(lambda: read(older.id))
    assert [c.unread for c in await ana.conversations()] == [1]
    await ana.check(lambda: read(newer.id))
    await ana.check(unread)
    assert [c.unread for c in await ana.conversations()] == [1]
    await ana.check(lambda: read(None))
    assert [c.unread for c in await ana.conversations()] == [0]


async def test_r68_what_was_begun_to_be_written_is_on_every_device(world: World, ana: Screen, sink: Sink, app: Database) -> None:
    """R68, R74: kept with the conversation and told to all devices; the same word again tells nobody; nothing else of it moves."""
    await sink.put(batch(world.ana, text(world.ana)))
    [conversation] = await ana.conversations()
    ana.seen = 1

    async def keep(words: str) -> Conversation:
        async with app.transaction(ProviderScope(world.ana.provider_id)) as tx:
            return await commands.keep_draft(tx, person(world.ana), world.ana.feed_id, int(conversation.id), words)

    await ana.check(lambda: keep("See you at"))
    [kept] = await ana.conversations()
    assert (kept.draft, kept.unread, kept.last_at) == ("See you at", conversation.unread, conversation.last_at)
    assert (await keep("See you at")).version == kept.version
    await ana.check(lambda: keep(""))
    assert [c.draft for c in await ana.conversations()] == [""]
    for words in ("NUL \x00", "half a pair \ud83d"):
        with pytest.raises(CannotKeep):
            await keep(words)


async def test_nobody_writes_in_anothers_conversation(world: World, ana: Screen, sink: Sink, app: Database) -> None:
    """G29: foreign looks like missing."""
    await sink.put(batch(world.ana, text(world.ana)))
    [conversation] = await ana.conversations()
    with pytest.raises(NoSuchConversation):
        async with app.transaction(ProviderScope(world.ana.provider_id)) as tx:
            await commands.keep_draft(tx, person(world.ben), world.ben.feed_id, int(conversation.id), "Mine now")
    assert [c.draft for c in await ana.conversations()] == [""]


async def test_releasing_withheld_texts_explains_itself(world: World, ana: Screen, sink: Sink, app: Database) -> None:
    """Q26: in order, marked as having arrived before; R8."""
    world.sql("UPDATE opt_in SET state = 1")
    await sink.put(batch(world.ana, text(world.ana, "first"), text(world.ana, "second")))
    assert await ana.conversations() == []
    world.sql("UPDATE opt_in SET state = 2")

    async def release() -> int:
        async with app.transaction(ProviderScope(world.ana.provider_id)) as tx:
            return await commands.release_withheld(tx, world.ana.provider_id, world.ana.assignment_id)

    assert await ana.check(release) == 2
    [conversation] = await ana.conversations()
    messages = await ana.messages(conversation.id)
    assert [(m.text, m.arrived_before) for m in messages] == [("second", True), ("first", True)]
    assert conversation.unread == 2


async def test_sending_again_explains_itself(world: World, ana: Screen, app: Database) -> None:
    """R79."""
    message = await ana.send()
    world.sql("UPDATE message SET status = 6, reason_code = 'x', reason = 'y', version = 2")
    world.sql("DELETE FROM outbox")
    ana.seen = 1

    async def again() -> Message:
        async with app.transaction(ProviderScope(world.ana.provider_id)) as tx:
            return await commands.resend(tx, person(world.ana), int(message.id), attempt=1, despite_unknown=False)

    await ana.check(again)


async def test_nobody_reaches_what_is_not_his(world: World, ana: Screen, sink: Sink, app: Database) -> None:
    """G29: a colleague of the same group and a user of another provider find nothing."""
    await sink.put(batch(world.ana, text(world.ana)))
    message = await ana.send()
    [conversation] = await ana.conversations()
    for other in (world.ben, world.foreign):
        screen = Screen(app, other)
        assert await screen.conversations() == []
        with pytest.raises(KereruError) as missing:
            await screen.messages(conversation.id)
        assert missing.value.code == "conversation_not_found"
        async with app.transaction(ProviderScope(other.provider_id)) as tx:
            with pytest.raises(KereruError) as missing:
                await commands.resend(tx, person(other), int(message.id), attempt=1, despite_unknown=True)
            assert missing.value.code == "message_not_found"
        with pytest.raises(KereruError) as missing:
            await commands.send(app, person(other), "client-key-2", Draft(world.ana.number_id, PHONE, "x"))
        assert missing.value.code == "number_not_found"


async def test_what_is_older_than_90_days_is_gone_for_people(world: World, ana: Screen, sink: Sink) -> None:
    """R45: before its partition is dropped."""
    from datetime import timedelta

    await sink.put(batch(world.ana, text(world.ana)))
    async with ana.app.transaction(ProviderScope(world.ana.provider_id)) as tx:
        later = datetime.now(UTC) + timedelta(days=91)
        assert await queries.conversation_page(tx, world.ana.user_id, "US", before=ids.MAX_ID, now=later, limit=10) == ([], None)


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("+1202", "too_short"),
        ("+999 123", "not_a_number"),
        ("911", "emergency"),
        ("72345", "short_code"),
        ("+12015550110", "own_number"),
        ("+18765550110", "closed_destination"),
        ("+18095550110", "closed_destination"),
        ("+19005550110", "closed_destination"),
        ("+881612345678", "closed_destination"),
        ("+979123456789", "closed_destination"),
        ("٢٠٢٥٥٥٠١٤٢", "non_ascii_digits"),
        ("+12025550142;ext=5", "extension"),
    ],
)
async def test_a_number_that_cannot_be_texted_says_why(ana: Screen, to: str, code: str) -> None:
    """Inputs 26 to 35 (34: dear destinations that look ordinary); the preflight says the same and nothing is stored."""
    async with ana.app.transaction(ProviderScope(ana.owner.provider_id)) as tx:
        verdict = await commands.preflight(tx, person(ana.owner), Draft(ana.owner.number_id, to, "Hello"))
    assert verdict.verdict == "stop"
    if code != "not_a_number":
        assert verdict.reasons[0].code == code
    with pytest.raises(KereruError) as refused:
        await ana.send(to=to)
    assert refused.value.code == verdict.reasons[0].code
    assert await ana.conversations() == []


async def test_a_country_the_carrier_does_not_reach_is_named_beforehand(world: World, app: Database) -> None:
    """Inteliquent writes numbers with eleven digits and a leading 1 (carriers.md §2A.1); Restcomm reaches further."""
    for owner, code in ((world.ben, "destination_not_reached"), (world.ana, None)):
        async with app.transaction(ProviderScope(owner.provider_id)) as tx:
            verdict = await commands.preflight(tx, person(owner), Draft(owner.number_id, "+44 20 7946 0142", "Hello"))
        assert [reason.code for reason in verdict.reasons] == ([code] if code else [])


async def test_a_short_code_can_be_answered_once_it_wrote(world: World, ana: Screen, sink: Sink) -> None:
    """Input 32: reply only."""
    await sink.put(batch(world.ana, text(world.ana, "Your code", remote="72345"), text(world.ana, "Offer", remote="BANK")))
    assert (await ana.send(to="72345")).status == "queued"
    assert {c.remote: c.can for c in await ana.conversations()} == {"72345": ("send",), "BANK": ()}


async def test_the_preflight_counts_and_names(ana: Screen) -> None:
    """Design §7: encoding, segments, units, culprits with positions in code points."""
    async with ana.app.transaction(ProviderScope(ana.owner.provider_id)) as tx:
        found = await commands.preflight(tx, person(ana.owner), Draft(ana.owner.number_id, "2025550142", "It’s 🙂"))
    assert (found.to, found.to_display, found.encoding, found.segments, found.units) == ("+12025550142", "(202) 555-0142", "ucs2", 1, 7)
    assert [(c.character, c.position, c.plain) for c in found.culprits] == [("’", 2, "'"), ("🙂", 5, None)]
    assert (found.kind, found.verdict) == ("sms", "ok")
