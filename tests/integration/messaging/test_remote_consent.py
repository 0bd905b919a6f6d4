"""What remote parties want (G17, G35; P30, P31, P34, P36): it counts for the group, everybody sees it, HELP is answered once, wishes are judged."""

import json

import pytest
from arrivals import batch, receipt, text
from desk import person
from test_commands import Screen

from kereru.kernel.db import Database, ProviderScope
from kereru.messaging import commands
from kereru.messaging.commands import Draft
from kereru.messaging.errors import CannotSend, NoSuchConversation
from kereru.messaging.inbound.sink import Sink
from kereru.messaging.remote_consent import commands as consent
from kereru.messaging.remote_consent.errors import BadHelpAnswer, NotYoursToAllow
from kereru.provisioning.desk import Author
from kereru.provisioning.opt_in.model import Witness
from kereru.tenancy.model import Path
from world import PHONE, World

ANA = Author(Witness("ana@bluedoor.example", "192.0.2.44", "test"))
STRANGER = "+12025550143"


@pytest.fixture
def ana(world: World, app: Database) -> Screen:
    """Ana's screen."""
    return Screen(app, world.ana)


@pytest.fixture
def ben(world: World, app: Database) -> Screen:
    """The screen of her colleague."""
    return Screen(app, world.ben)


@pytest.fixture
def sink(ingest: Database) -> Sink:
    """The webhooks' sink."""
    return Sink(ingest)


async def receive(sink: Sink, screen: Screen, words: str, remote: str = PHONE) -> None:
    await sink.put(batch(screen.owner, text(screen.owner, words, remote=remote)))


async def judge(screen: Screen, answer: str, up_to: int = 2**62) -> None:
    owner = screen.owner
    [conversation] = await screen.conversations()
    async with screen.app.transaction(ProviderScope(owner.provider_id)) as tx:
        if answer == "stop":
            await consent.stop(tx, owner.provider_id, owner.user_id, int(conversation.id), up_to, ANA)
        elif answer == "dismiss":
            await consent.dismiss(tx, owner.provider_id, owner.user_id, int(conversation.id), up_to)
        else:
            await consent.allow(tx, owner.provider_id, owner.user_id, int(conversation.id), ANA)


async def light(screen: Screen) -> tuple[str, list[str]]:
    async with screen.app.transaction(ProviderScope(screen.owner.provider_id)) as tx:
        found = await commands.preflight(tx, person(screen.owner), Draft(screen.owner.number_id, PHONE, "Hello"))
    return found.verdict, [reason.code for reason in found.reasons]


async def test_a_stop_is_marked_told_and_closes_the_conversation_until_a_start(ana: Screen, sink: Sink) -> None:
    """G35, P31: the change alone tells; the preflight and the send refuse with the same code; START opens again."""
    await ana.check(lambda: receive(sink, ana, "one"))
    await ana.check(lambda: receive(sink, ana, "Stop. Thank you"))
    [conversation] = await ana.conversations()
    assert conversation.stopped is not None
    assert (conversation.stopped.by, conversation.can) == ("person", ())
    assert [message.consent for message in await ana.messages(conversation.id)] == ["stop", None]
    assert await light(ana) == ("stop", ["stopped"])
    with pytest.raises(CannotSend) as refused:
        await ana.send()
    assert refused.value.code == "stopped"

    await ana.check(lambda: receive(sink, ana, "START"))
    [conversation] = await ana.conversations()
    assert (conversation.stopped, conversation.can) == (None, ("send",))
    assert await light(ana) == ("ok", [])


async def test_colleagues_who_text_with_the_same_person_learn_of_it(ana: Screen, ben: Screen, sink: Sink) -> None:
    """P34: the group is the scope, and nobody has to find out by a refusal."""
    await receive(sink, ana, "one")
    await receive(sink, ben, "other")
    ben.seen = 1
    await ben.check(lambda: receive(sink, ana, "STOP"))
    [seen] = await ben.conversations()
    assert seen.stopped is not None
    assert (await light(ben))[1] == ["stopped"]
    await ben.check(lambda: receive(sink, ana, "unstop"))
    assert [each.stopped for each in await ben.conversations()] == [None]


async def test_another_provider_is_not_concerned(world: World, app: Database, ana: Screen, sink: Sink) -> None:
    """G30: the same two numbers at another provider are other people's business."""
    fay = Screen(app, world.foreign)
    await receive(sink, fay, "one")
    await receive(sink, ana, "STOP")
    assert [each.stopped for each in await fay.conversations()] == [None]
    assert (await light(fay))[0] == "ok"


async def test_help_is_answered_once_a_day_with_the_groups_words(world: World, ana: Screen, sink: Sink) -> None:
    """G35: a text like any other, which waits in the outbox; a second HELP of that day is not answered, nor one to a colleague's number."""
    await ana.check(lambda: receive(sink, ana, "Help!"))
    [conversation] = await ana.conversations()
    answer, asked = await ana.messages(conversation.id)
    assert (asked.consent, answer.automatic, answer.status, answer.direction) == ("help", "help", "queued", "out")
    assert answer.text == "Texts from Blue Door Ltd. A person reads what you write here. Reply STOP for no more texts."
    assert world.sql("SELECT message_id, parts FROM outbox") == [(int(answer.id), [answer.text])]
    await receive(sink, ana, "INFO")
    await sink.put(batch(world.ben, text(world.ben, "HELP")))
    assert len(world.sql("SELECT 1 FROM outbox")) == 1
    world.sql("UPDATE remote_consent SET helped_at = helped_at - interval '1 day'")
    await receive(sink, ana, "help")
    assert len(world.sql("SELECT 1 FROM outbox")) == 2


@pytest.mark.parametrize("before", ["STOP", None, "withheld", "blocked"])
async def test_who_is_not_answered(world: World, ana: Screen, sink: Sink, before: str | None) -> None:
    """G17, Q26, Q13: whoever asked for silence, whose text nobody sees, whom the user blocked, and names that cannot be texted."""
    remote = PHONE if before else "BLUEDOOR"
    if before == "STOP":
        await receive(sink, ana, "STOP", remote)
    elif before == "withheld":
        world.sql("UPDATE opt_in SET state = 1")
    elif before == "blocked":
        world.sql("INSERT INTO blocked_remote (provider_id, assignment_id, remote) VALUES (%(p)s, %(a)s, %(r)s)",
                  p=world.ana.provider_id, a=world.ana.assignment_id, r=PHONE)  # fmt: skip
    await receive(sink, ana, "HELP", remote)
    assert world.sql("SELECT 1 FROM outbox") == []


async def test_many_words_in_one_batch(world: World, sink: Sink) -> None:
    """G3: one batch of many people's words marks each, and answers each person once."""
    people = [f"+1202555{n:04d}" for n in range(100, 120)]
    words = ("STOP", "HELP", "help", "stop texting me", "hello")
    await sink.put(batch(world.ana, *(text(world.ana, word, remote=each) for each in people for word in words[1:])))
    assert [row.count for row in world.sql("SELECT count(*) FROM outbox")] == [20]
    marks = world.sql("SELECT consent, count(*) AS times FROM message WHERE NOT outbound GROUP BY 1 ORDER BY 1 NULLS LAST")
    assert [(row.consent, row.times) for row in marks] == [(3, 40), (4, 20), (None, 20)]
    assert world.sql("SELECT 1 FROM remote_consent WHERE stopped") == []


async def test_a_group_chooses_its_words(world: World, app: Database, ana: Screen, sink: Sink) -> None:
    """G35: they fit into one text for every carrier, or are refused; empty is the usual words again; the history log has it (R191)."""
    path = Path(world.ana.provider_id, None, world.ana.group_id)

    async def change(words: str) -> str:
        async with app.transaction(ProviderScope(world.ana.provider_id)) as tx:
            return (await consent.set_help_answer(tx, path, words, ANA)).answer

    usual = await change("")
    assert await change("Blue Door, 201-555-0110.\nCall us.") == "Blue Door, 201-555-0110. Call us."
    for bad in ("x" * 161, "Call us 🙂", "Помощь", "nul \x00"):
        with pytest.raises(BadHelpAnswer):
            await change(bad)
    await receive(sink, ana, "HELP")
    assert [row.parts for row in world.sql("SELECT parts FROM outbox")] == [["Blue Door, 201-555-0110. Call us."]]
    assert await change("") == usual
    assert [row.action for row in world.sql("SELECT action FROM history")] == ["group.changed", "group.changed"]


async def test_a_name_of_other_letters_still_leaves_one_plain_text(world: World, ana: Screen, sink: Sink) -> None:
    """The usual words leave such a name out instead of costing several segments."""
    world.sql("UPDATE user_group SET name = 'Кафе'")
    await receive(sink, ana, "HELP")
    assert [row.parts[0][:24] for row in world.sql("SELECT parts FROM outbox")] == ["Texts from a business. A"]


async def test_a_wish_is_offered_and_agreed_to(world: World, ana: Screen, ben: Screen, sink: Sink) -> None:
    """P32: nothing happens by itself; once a person agrees it is a STOP of the whole group, with evidence that names nobody else's number."""
    await receive(sink, ben, "hi")
    await receive(sink, ana, "please stop texting me")
    [conversation] = await ana.conversations()
    assert (conversation.stopped, conversation.can) == (None, ("send",))
    assert [message.consent for message in await ana.messages(conversation.id)] == ["review"]
    ana.seen, ben.seen = 1, 1
    await ana.check(lambda: judge(ana, "stop"))
    [conversation] = await ana.conversations()
    assert conversation.stopped is not None
    assert (conversation.stopped.by, conversation.can) == ("colleague", ("allow",))
    assert [message.consent for message in await ana.messages(conversation.id)] == ["agreed"]
    assert (await light(ben))[1] == ["stopped"]
    [row] = world.sql("SELECT event, body FROM evidence")
    assert row.event == "remote.stopped"
    assert PHONE not in row.body
    await judge(ana, "stop")
    assert len(world.sql("SELECT 1 FROM evidence")) == 1, "twice is once"

    await ana.check(lambda: judge(ana, "allow"))
    assert [each.stopped for each in await ana.conversations()] == [None]


async def test_a_wish_is_dismissed(ana: Screen, sink: Sink) -> None:
    """Those that were not read yet stay open."""
    await receive(sink, ana, "please stop texting me")
    [first] = await ana.messages((await ana.conversations())[0].id)
    await receive(sink, ana, "I said leave me alone")
    ana.seen = 2
    await ana.check(lambda: judge(ana, "dismiss", int(first.id)))
    [conversation] = await ana.conversations()
    assert [message.consent for message in await ana.messages(conversation.id)] == ["review", "dismissed"]
    assert (await light(ana))[0] == "ok"


async def test_only_the_person_takes_their_own_word_back(ana: Screen, sink: Sink) -> None:
    """A colleague may not overrule a STOP; and their own word replaces what a colleague noted."""
    await receive(sink, ana, "one")
    await judge(ana, "stop")
    await receive(sink, ana, "STOP")
    with pytest.raises(NotYoursToAllow):
        await judge(ana, "allow")
    await receive(sink, ana, "START")
    await judge(ana, "allow")
    assert [each.stopped for each in await ana.conversations()] == [None]


async def test_others_conversations_are_missing(world: World, ana: Screen, sink: Sink) -> None:
    """G29."""
    await receive(sink, ana, "one")
    [conversation] = await ana.conversations()
    async with ana.app.transaction(ProviderScope(world.ben.provider_id)) as tx:
        with pytest.raises(NoSuchConversation):
            await consent.stop(tx, world.ben.provider_id, world.ben.user_id, int(conversation.id), 1, ANA)


async def test_the_carriers_opt_out_is_learned_from_a_receipt(world: World, ana: Screen, ben: Screen, sink: Sink) -> None:
    """P36: 21610 in a receipt is a STOP, told to everybody of the group, once."""
    await receive(sink, ben, "hi")
    sent = await ana.send()
    world.sql("INSERT INTO attempt (provider_id, message_id, attempt, status) VALUES (%(p)s, %(m)s, 1, 3)", p=world.ana.provider_id, m=int(sent.id))
    world.sql("INSERT INTO part (provider_id, message_id, attempt, part, platform_id, text, handover, status, carrier_id)"
              " VALUES (%(p)s, %(m)s, 1, 1, %(pl)s, 'Hello', 3, 3, 'SM1')",
              p=world.ana.provider_id, m=int(sent.id), pl=world.ana.platform_id)  # fmt: skip
    ana.seen, ben.seen = 1, 1
    refusal = receipt(world.ana, "SM1", "undelivered", code="21610", opted_out=True)
    await ana.check(lambda: sink.put(batch(world.ana, refusal)))
    [conversation] = await ana.conversations()
    assert conversation.stopped is not None
    assert conversation.stopped.by == "carrier"
    assert [each.stopped is not None for each in await ben.conversations()] == [True]
    changes = len(world.sql("SELECT 1 FROM change"))
    await sink.put(batch(world.ana, refusal))
    assert len(world.sql("SELECT 1 FROM change")) == changes, "a copy of a receipt is no news"


async def test_the_carriers_opt_out_is_learned_from_an_answer(world: World, ana: Screen, ben: Screen, sink: Sink) -> None:
    """P22, P36: the same from the answer to a hand-over."""
    await receive(sink, ben, "hi")
    sent = await ana.send()
    world.sql("SELECT * FROM take_leases('me', 60)")
    [platform] = world.sql("SELECT epoch FROM platform_lease WHERE platform_id = %(p)s", p=world.ana.platform_id)
    world.sql("SELECT * FROM claim_outbox(%(p)s, %(pl)s, 'me', %(e)s, 5)", p=world.ana.provider_id, pl=world.ana.platform_id, e=platform.epoch)
    items = [{"provider": world.ana.provider_id, "message": int(sent.id), "opted_out": True}]
    learned = world.sql("SELECT message_id FROM learn_stops(%(i)s::jsonb)", i=json.dumps(items))
    assert learned == [(int(sent.id),)]
    assert world.sql("SELECT message_id FROM learn_stops(%(i)s::jsonb)", i=json.dumps(items)) == []
    told = world.sql(
        "SELECT feed_id FROM tell_consent(ARRAY[%(p)s]::bigint[], ARRAY[%(m)s]::bigint[], true)", p=world.ana.provider_id, m=int(sent.id)
    )
    assert {row.feed_id for row in told} == {world.ana.feed_id, world.ben.feed_id}


@pytest.mark.parametrize(
    "change", ["UPDATE assignment SET ended_at = app_now() WHERE id = %(a)s", "UPDATE assignment SET state = 3 WHERE id = %(a)s"]
)
@pytest.mark.parametrize("known", [True, False])
async def test_a_stop_to_a_number_that_nobody_holds_counts(world: World, ana: Screen, ben: Screen, sink: Sink, change: str, known: bool) -> None:
    """G17, G35: the group that texted from it, or had it last, texts this person from no other number either; a START there brings nobody back."""
    await receive(sink, ben, "other")
    if known:
        await receive(sink, ana, "one")
    world.sql(change, a=ana.owner.assignment_id)
    ben.seen = 1
    await ben.check(lambda: receive(sink, ana, "STOP"))
    assert (await light(ben))[1] == ["stopped"]
    await receive(sink, ana, "START")
    assert (await light(ben))[1] == ["stopped"]
    fay = world.sql("SELECT count(*) AS n FROM remote_consent WHERE group_id <> %(g)s", g=ana.owner.group_id)[0]
    assert fay.n == 0
    await receive(sink, ben, "START")
    assert (await light(ben))[0] == "ok"
