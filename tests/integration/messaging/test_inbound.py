"""Texts from carriers into conversations: deduplicated, in the right conversation, on the right feed, never lost, never shown to the wrong person."""

import asyncio

import msgspec
import pytest
from arrivals import batch, text

from kereru.carriers.ingress import NotDurable
from kereru.kernel.db import INSTALLATION, Database
from kereru.messaging.inbound.sink import Sink
from world import PHONE, World


@pytest.fixture
def sink(ingest: Database) -> Sink:
    """The sink of one web process."""
    return Sink(ingest)


async def test_a_text_becomes_a_message_in_its_owners_conversation_and_feed(world: World, sink: Sink) -> None:
    """R41, R104, R105."""
    await sink.put(batch(world.ana, text(world.ana, "Is the blue one still there?")))
    [message] = world.sql("SELECT m.*, c.remote, c.unread FROM message m JOIN conversation c ON c.id = m.conversation_id")
    assert (message.text, message.remote, message.assignment_id, message.unread) == (
        "Is the blue one still there?",
        PHONE,
        world.ana.assignment_id,
        1,
    )
    assert [(c.feed_id, c.number, c.kind, c.message_id) for c in world.sql("SELECT * FROM change")] == [(world.ana.feed_id, 1, 1, message.id)]
    assert world.sql("SELECT raw FROM exchange WHERE message_id IS NOT NULL")[0].raw.endswith("Body=hello")


async def test_twenty_texts_at_once_from_one_phone_are_one_conversation(world: World, ingest: Database) -> None:
    """R41, P2: through two sinks at once, as two web processes have it."""
    sinks = [Sink(ingest), Sink(ingest)]
    await asyncio.gather(*(sinks[i % 2].put(batch(world.ana, text(world.ana, f"text {i}"))) for i in range(20)))
    assert [c.unread for c in world.sql("SELECT unread FROM conversation")] == [20]
    assert [c.number for c in world.sql("SELECT number FROM change ORDER BY number")] == list(range(1, 21))


@pytest.mark.parametrize("copies", [2, 7])
async def test_copies_of_one_webhook_are_one_message(world: World, ingest: Database, copies: int) -> None:
    """G3, input 65: the same carrier id, in parallel and later again."""
    sinks = [Sink(ingest), Sink(ingest)]
    await asyncio.gather(*(sinks[i % 2].put(batch(world.ana, text(world.ana, cid="SM1"))) for i in range(copies)))
    await sinks[0].put(batch(world.ana, text(world.ana, cid="SM1")))
    assert len(world.sql("SELECT 1 FROM message")) == 1
    assert len(world.sql("SELECT 1 FROM change")) == 1


async def test_one_carrier_id_may_come_for_two_of_our_numbers(world: World, sink: Sink) -> None:
    """Design §6, dedupe key: a group text carries one id to several numbers."""
    other = world.sql(
        "WITH n AS (INSERT INTO number (provider_id, id, platform_id, e164) VALUES (%(p)s, new_id(), %(pl)s, '+12015550111') RETURNING id)"
        " INSERT INTO assignment (provider_id, id, number_id, user_id, state) SELECT %(p)s, new_id(), n.id, %(u)s, 4 FROM n RETURNING id",
        p=world.ana.provider_id, pl=world.ana.platform_id, u=world.ana.user_id,
    )  # fmt: skip
    await sink.put(batch(world.ana, text(world.ana, cid="G1"), text(world.ana, cid="G1", to="+12015550111")))
    assert {row.assignment_id for row in world.sql("SELECT assignment_id FROM conversation")} == {world.ana.assignment_id, other[0].id}


async def test_a_text_without_an_id_is_kept_each_time(world: World, sink: Sink) -> None:
    """G4: "yes", "yes" may be two texts."""
    await sink.put(batch(world.ana, text(world.ana, "yes", cid="")))
    await sink.put(batch(world.ana, text(world.ana, "yes", cid="")))
    assert len(world.sql("SELECT 1 FROM message")) == 2


async def test_the_same_number_at_two_providers_stays_apart(world: World, sink: Sink) -> None:
    """G29: a platform's webhook reaches only its own provider's number."""
    await sink.put(batch(world.foreign, text(world.foreign)))
    assert [c.feed_id for c in world.sql("SELECT feed_id FROM change")] == [world.foreign.feed_id]


@pytest.mark.parametrize("state", [1, 3, 4])
async def test_before_opt_in_a_text_is_withheld(world: World, sink: Sink, state: int) -> None:
    """R4, Q26: stored, in no feed, counter or list."""
    world.sql("UPDATE opt_in SET state = %(s)s WHERE assignment_id = %(a)s", s=state, a=world.ana.assignment_id)
    await sink.put(batch(world.ana, text(world.ana)))
    assert [m.visibility for m in world.sql("SELECT visibility FROM message")] == [1]
    assert [(c.last_message_id, c.unread) for c in world.sql("SELECT * FROM conversation")] == [(None, 0)]
    assert not world.sql("SELECT 1 FROM change")


async def test_without_a_licence_a_text_is_withheld(world: World, sink: Sink) -> None:
    """R115, Q26."""
    world.sql("UPDATE licence SET ends_at = app_now() - interval '1 day'")
    await sink.put(batch(world.ana, text(world.ana)))
    assert [m.visibility for m in world.sql("SELECT visibility FROM message")] == [1]


@pytest.mark.parametrize(("change", "kind"), [("UPDATE assignment SET ended_at = app_now()", 2), ("UPDATE assignment SET state = 3", 2)])
async def test_a_text_for_a_number_without_live_assignment_is_set_aside(world: World, sink: Sink, change: str, kind: int) -> None:
    """R115, input 68."""
    world.sql(change)
    await sink.put(batch(world.ana, text(world.ana)))
    assert [q.kind for q in world.sql("SELECT kind FROM quarantine")] == [kind]
    assert not world.sql("SELECT 1 FROM message")


async def test_a_text_for_an_unknown_number_is_set_aside_once(world: World, sink: Sink) -> None:
    """Input 68: quarantined and answered, so that the carrier does not try for ever."""
    for _ in range(3):
        await sink.put(batch(world.ana, text(world.ana, cid="SMx", to="+12015550199")))
    assert [(q.kind, q.to_number) for q in world.sql("SELECT * FROM quarantine")] == [(1, "+12015550199")]


async def test_a_blocked_person_is_stored_and_shown_to_nobody(world: World, sink: Sink) -> None:
    """R130, Q13."""
    world.sql("INSERT INTO blocked_remote (provider_id, assignment_id, remote) VALUES (%(p)s, %(a)s, %(r)s)",
              p=world.ana.provider_id, a=world.ana.assignment_id, r=PHONE)  # fmt: skip
    await sink.put(batch(world.ana, text(world.ana)))
    assert [m.visibility for m in world.sql("SELECT visibility FROM message")] == [2]
    assert not world.sql("SELECT 1 FROM change")


async def test_stop_acts_even_before_opt_in_and_start_takes_it_back(world: World, sink: Sink) -> None:
    """G35, Q26: the group is the scope."""
    world.sql("UPDATE opt_in SET state = 1")
    await sink.put(batch(world.ana, text(world.ana, "Stop. Thank you")))
    assert [(c.group_id, c.remote, c.stopped) for c in world.sql("SELECT * FROM remote_consent")] == [(world.ana.group_id, PHONE, True)]
    await sink.put(batch(world.ana, text(world.ana, "START")))
    assert [c.stopped for c in world.sql("SELECT stopped FROM remote_consent")] == [False]


async def test_the_last_consent_word_of_a_batch_counts(world: World, sink: Sink) -> None:
    """G35: in order of arrival."""
    await sink.put(batch(world.ana, text(world.ana, "STOP"), text(world.ana, "START"), text(world.ana, "stop")))
    assert [c.stopped for c in world.sql("SELECT stopped FROM remote_consent")] == [True]


async def test_a_nul_is_shown_as_a_replacement_character(world: World, sink: Sink) -> None:
    """Input 10."""
    await sink.put(batch(world.ana, text(world.ana, "a\x00b")))
    assert [m.text for m in world.sql("SELECT text FROM message")] == ["a\ufffdb"]


async def test_what_was_odd_on_the_wire_stays_with_the_raw_text(world: World, sink: Sink) -> None:
    """Input 11: replaced for display, raw kept, flagged."""
    await sink.put(batch(world.ana, msgspec.structs.replace(text(world.ana, "caf\ufffd"), raw_flags=("invalid_utf8",))))
    assert world.sql("SELECT raw FROM exchange WHERE message_id IS NOT NULL")[0].raw.startswith("flags: invalid_utf8")


async def test_a_busy_feed_waits_while_the_others_go_on(world: World, sink: Sink, ingest: Database) -> None:
    """Design §6: a lock held on one feed does not hold up other tenants' texts."""
    async with ingest.transaction(INSTALLATION):
        pass
    holder = await _hold_feed(world, world.ana.feed_id)
    try:
        slow = asyncio.create_task(sink.put(batch(world.ana, text(world.ana, "waits"))))
        await asyncio.sleep(0.02)
        await asyncio.wait_for(sink.put(batch(world.ben, text(world.ben, "goes on"))), 3)
        assert [m.text for m in world.sql("SELECT text FROM message")] == ["goes on"]
        assert not slow.done()
    finally:
        await holder.rollback()
        await holder.close()
    await asyncio.wait_for(slow, 3)
    assert {m.text for m in world.sql("SELECT text FROM message")} == {"waits", "goes on"}


async def test_what_was_not_committed_in_time_is_not_acknowledged(world: World, ingest: Database) -> None:
    """G2: not durable, no 2xx; the text is stored all the same once the database answers, and the carrier's copy finds it there."""
    sink = Sink(ingest, answer_within_s=0.3)
    holder = await _hold_feed(world, world.ana.feed_id)
    with pytest.raises(NotDurable):
        await sink.put(batch(world.ana, text(world.ana, cid="SM7")))
    await holder.rollback()
    await holder.close()
    await sink.drain()
    await sink.put(batch(world.ana, text(world.ana, cid="SM7")))
    assert len(world.sql("SELECT 1 FROM message")) == 1


async def test_one_item_the_database_refuses_does_not_hold_up_the_others(world: World, sink: Sink) -> None:
    """G6: it is set aside where people find it."""
    broken = text(world.ana, cid="x" * 9000)  # larger than an index entry may be
    await asyncio.gather(
        sink.put(batch(world.ana, text(world.ana, "first"))), sink.put(batch(world.ana, broken)), sink.put(batch(world.ana, text(world.ana, "last")))
    )
    assert {m.text for m in world.sql("SELECT text FROM message")} >= {"first", "last"}


async def _hold_feed(world: World, feed_id: int):
    import psycopg

    connection = await psycopg.AsyncConnection.connect(world.url)
    await connection.execute("SELECT 1 FROM feed WHERE id = %s FOR UPDATE", (feed_id,))
    return connection
