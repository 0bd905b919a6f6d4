"""Races of the send pipeline, each forced: what one transaction holds while another comes, and what a process does when an answer is lost."""

import asyncio

import psycopg
import pytest
from arrivals import batch, receipt, text
from desk import Desk, eventually
from hand import DELIVERED, FAILED, QUEUED, SENDING, SENT, UNKNOWN, Hand, blocked, ended, held, release_lease

from kereru.kernel.db import Database
from kereru.kernel.errors import KereruError
from kereru.kernel.faults import Faults
from kereru.messaging.delivery.part_reference import PartName, put_together
from kereru.messaging.delivery.sender import OpenPlatform
from kereru.messaging.inbound.sink import Sink
from kereru.messaging.model import Message
from world import PHONE

OTHER_PHONE = "+12025550143"


@pytest.fixture
async def hand(desk: Desk) -> Hand:
    """Ana's platform, leased."""
    hand = Hand(desk.service, desk.world.ana)
    await hand.lease()
    return hand


@pytest.fixture
async def ben_hand(desk: Desk) -> Hand:
    """Ben's platform, leased by the same holder."""
    hand = Hand(desk.service, desk.world.ben)
    await hand.lease()
    return hand


async def send_in_parts(desk: Desk, parts: int = 3) -> Message:
    """A text that its carrier takes only in pieces (none of today's carriers needs that; the next one may)."""
    message = await desk.send(desk.world.ben)
    await desk.sql("UPDATE outbox SET parts = %(p)s", p=[f"piece {n} " for n in range(parts)])
    return message


def reference(message: Message, attempt: int = 1, part: int = 1) -> int:
    """What a callback's path says."""
    return put_together(PartName(int(message.id), attempt, part))


async def test_a_takeover_leaves_alone_what_its_predecessor_put_back_meanwhile(desk: Desk, hand: Hand) -> None:
    """G12, G13: the takeover waits for the message while the old holder's `deferred` is being written; the text stays queued, and is sent."""
    message = await desk.send(desk.world.ana)
    [part] = await hand.claim()
    release_lease(desk.world)
    heir = Hand(desk.service, desk.world.ana, "heir")
    assert await heir.lease() == hand.epoch + 1
    with held(desk.world, "SELECT 1 FROM message WHERE id = %(id)s FOR UPDATE", id=int(message.id)) as other:
        old = asyncio.create_task(hand.settle(ended(part, "deferred")))
        await blocked(desk.world)
        takeover = asyncio.create_task(heir.disown())
        await blocked(desk.world, 2)
        other.rollback()
        await asyncio.gather(old, takeover)
    assert desk.status(message).status == QUEUED
    assert [claimed.message_id for claimed in await heir.claim()] == [int(message.id)]


async def test_an_outcome_written_twice_does_not_end_the_next_try(desk: Desk, hand: Hand) -> None:
    """G10: a commit whose answer was lost is written again; by then the text may be on its way once more."""
    await desk.send(desk.world.ana)
    [first] = await hand.claim()
    await hand.settle(ended(first, "unsent"))
    [second] = await hand.claim()
    await hand.settle(ended(first, "unsent"))
    assert await hand.claim() == []
    await hand.settle(ended(second, "accepted", cid="SM1"))
    assert [p.carrier_id for p in desk.world.sql("SELECT carrier_id FROM part")] == ["SM1"]


async def test_the_whole_truth_comes_out_after_a_takeover(desk: Desk, hand: Hand) -> None:
    """G13: who slept past his lease cannot overwrite, but what he knows of his own hand-over for sure settles the unknown."""
    told = {"accepted": SENT, "refused": FAILED, "deferred": FAILED, "unsent": FAILED, "unknown": UNKNOWN}
    messages = [await desk.send(desk.world.ana, to=f"+120255501{n:02d}") for n in range(len(told))]
    parts = {part.message_id: part for part in await hand.claim()}
    release_lease(desk.world)
    heir = Hand(desk.service, desk.world.ana, "heir")
    await heir.lease()
    await heir.disown()
    assert {desk.status(message).status for message in messages} == {UNKNOWN}
    for message, outcome in zip(messages, told, strict=True):
        await hand.settle(ended(parts[int(message.id)], outcome, cid="SM1" if outcome == "accepted" else None))
    assert [desk.status(message).status for message in messages] == list(told.values())
    assert await heir.claim() == []


async def test_a_claim_whose_answer_was_lost_is_given_back(desk: Desk) -> None:
    """G12: the claim is committed, the process never hears of it; nothing was handed over, so the text goes out after all, once."""
    faults = Faults()
    lost = asyncio.Event()

    async def lose() -> None:
        if not lost.is_set():
            lost.set()
            raise psycopg.OperationalError("the connection broke after COMMIT")

    faults.arm("delivery.claimed", lose)
    message = await desk.send(desk.world.ana)
    async with desk.sending(faults=faults):
        await desk.until(message, SENT, DELIVERED)
    assert lost.is_set()
    assert len(await desk.carrier.phone_messages(PHONE)) == 1


async def test_what_is_in_hand_is_never_given_back(desk: Desk, hand: Hand) -> None:
    """G10: only what no flight and no unwritten outcome knows of."""
    messages = [await desk.send(desk.world.ana, to=f"+120255501{n:02d}") for n in range(3)]
    await hand.claim()
    await hand.give_back([int(messages[0].id)])
    assert [desk.status(message).status for message in messages] == [SENDING, QUEUED, QUEUED]


@pytest.mark.parametrize("place", ["delivery.before_handover", "delivery.after_handover"])
async def test_a_flight_that_breaks_ends_as_what_is_known(desk: Desk, place: str) -> None:
    """G6, G12: an error of our own before the hand-over puts the text back, one after it makes it unknown; neither leaves it `sending`."""
    faults = Faults()
    broken = asyncio.Event()

    async def crash() -> None:
        if not broken.is_set():
            broken.set()
            raise RuntimeError("a mistake of ours")

    faults.arm(place, crash)
    message = await desk.send(desk.world.ana)
    async with desk.sending(faults=faults):
        if place == "delivery.after_handover":
            await desk.until(message, UNKNOWN)
        else:
            await desk.until(message, SENT, DELIVERED)
    assert len(await desk.carrier.phone_messages(PHONE)) == 1


async def test_one_platform_that_cannot_be_opened_does_not_stop_the_others(desk: Desk) -> None:
    """G6: credentials that nobody can read any more are one tenant's trouble."""
    opened = desk.open_platform

    def open_platform(row) -> OpenPlatform:
        if row.platform_id == desk.world.ben.platform_id:
            raise ValueError("cannot be unsealed")
        return opened(row)

    desk.open_platform = open_platform
    message = await desk.send(desk.world.ana)
    async with desk.sending():
        await desk.until(message, SENT, DELIVERED)
    assert len(await desk.carrier.phone_messages(PHONE)) == 1


@pytest.mark.parametrize("column", ["stopped_at", "ended_at"])
async def test_a_text_in_the_hands_of_a_dead_sender_of_a_stopped_platform_becomes_unknown(desk: Desk, hand: Hand, column: str) -> None:
    """G12: nobody leases the platform again, so nobody would ever say."""
    message = await desk.send(desk.world.ana)
    await hand.claim()
    desk.world.sql(f"UPDATE platform SET {column} = app_now()")
    await hand.expire()
    assert desk.status(message).status == SENDING, "its sender still lives"
    release_lease(desk.world)
    desk.world.sql("UPDATE outbox SET claimed_at = app_now() - interval '2 minutes'")
    await hand.expire()
    row = desk.status(message)
    assert (row.status, row.reason_code) == (UNKNOWN, "sender_stopped")
    assert not desk.world.sql("SELECT 1 FROM outbox")


async def test_a_text_nobody_reports_on_leaves_sending_at_its_deadline(desk: Desk, hand: Hand) -> None:
    """G12: even while the sender lives and renews its lease."""
    message = await desk.send(desk.world.ana)
    await hand.claim()
    desk.world.sql("UPDATE outbox SET claimed_at = app_now() - interval '2 minutes'")
    await hand.expire()
    assert desk.status(message).status == SENDING
    desk.world.sql("UPDATE outbox SET expires_at = app_now()")
    await hand.expire()
    assert desk.status(message).status == UNKNOWN


async def test_texts_of_an_ended_platform_fail_at_their_deadline(desk: Desk, hand: Hand) -> None:
    """G12: they never were claimed."""
    message = await desk.send(desk.world.ana)
    desk.world.sql("UPDATE platform SET ended_at = app_now(); UPDATE outbox SET expires_at = app_now()")
    await hand.expire()
    assert desk.status(message).status == FAILED


async def test_a_text_past_its_deadline_is_not_sent_late(desk: Desk, hand: Hand) -> None:
    """G12: a sender that comes back after an hour does not send what the scheduler has not failed yet."""
    await desk.send(desk.world.ana)
    desk.world.sql("UPDATE outbox SET expires_at = app_now() - interval '1 second'")
    assert await hand.claim() == []


async def test_a_stopped_platform_claims_nothing_from_that_moment(desk: Desk, hand: Hand) -> None:
    """Carrier answer → state, 401: nothing is sent until a person acts, not even before the next renewal."""
    await desk.send(desk.world.ana)
    desk.world.sql("UPDATE platform SET stopped_at = app_now()")
    assert await hand.claim() == []


async def test_an_unknown_part_makes_the_text_unknown_though_the_rest_was_given_up(desk: Desk, ben_hand: Hand) -> None:
    """G11: nobody can tell about the first part; `failed` would offer Send again without the warning."""
    message = await send_in_parts(desk)
    first, *rest = await ben_hand.claim()
    assert rest
    await ben_hand.settle(ended(first, "unknown", code="timeout"), *(ended(part, "unsent") for part in rest))
    row = desk.status(message)
    assert (row.status, row.reason_code) == (UNKNOWN, "timeout")
    with pytest.raises(KereruError) as refused:
        await desk.resend(desk.world.ben, message.id, 1)
    assert refused.value.code == "resend_needs_warning"


async def test_the_parts_after_a_refused_one_are_given_up(desk: Desk, ben_hand: Hand) -> None:
    """Design §6: a text whose middle is refused is not sent on."""
    message = await send_in_parts(desk)
    first, second, *rest = await ben_hand.claim()
    await ben_hand.settle(ended(first, "accepted", cid="g1"))
    await ben_hand.settle(ended(second, "refused", code="bad_content"), *(ended(part, "unsent") for part in rest))
    assert (desk.status(message).status, desk.status(message).reason_code) == (FAILED, "bad_content")
    assert await ben_hand.claim() == []
    assert not desk.world.sql("SELECT 1 FROM outbox")


async def test_a_text_goes_on_at_the_first_part_that_was_not_taken(desk: Desk, ben_hand: Hand) -> None:
    """Design §6: and no part twice."""
    message = await send_in_parts(desk)
    first, *rest = await ben_hand.claim()
    await ben_hand.settle(ended(first, "accepted", cid="g1"))
    await ben_hand.settle(ended(rest[0], "deferred"), *(ended(part, "unsent") for part in rest[1:]))
    assert desk.status(message).status == QUEUED
    assert [part.part for part in await ben_hand.claim()] == [part.part for part in rest]


async def test_a_receipt_that_fails_a_text_in_flight_does_not_break_send_again(desk: Desk, hand: Hand, ingest: Database) -> None:
    """R79: until the hand-over is written down the text is not free to be sent again; the answer is a sentence, not an error of ours."""
    message = await desk.send(desk.world.ana)
    [part] = await hand.claim()
    await Sink(ingest).put(batch(desk.world.ana, receipt(desk.world.ana, "SM1", "failed", reference=reference(message))))
    assert desk.status(message).status == FAILED
    with pytest.raises(KereruError) as refused:
        await desk.resend(desk.world.ana, message.id, 1)
    assert refused.value.code == "still_leaving"
    await hand.settle(ended(part, "accepted", cid="SM1"))
    assert (await desk.resend(desk.world.ana, message.id, 1)).attempt == 2
    assert len(await hand.claim()) == 1


async def test_a_callback_proves_that_the_carrier_has_it_whatever_the_answer_says(desk: Desk, hand: Hand, ingest: Database) -> None:
    """G10: a callback named our part, then a 503 says "not taken": it must not go out again."""
    message = await desk.send(desk.world.ana)
    [part] = await hand.claim()
    await Sink(ingest).put(batch(desk.world.ana, receipt(desk.world.ana, "SM1", "sent", reference=reference(message))))
    await hand.settle(ended(part, "deferred"))
    assert await hand.claim() == []
    assert desk.status(message).status == SENT


async def test_a_receipt_and_an_answer_without_id_do_not_lock_each_other_out(desk: Desk, hand: Hand, ingest: Database) -> None:
    """Locks: the message before its parts, everywhere."""
    message = await desk.send(desk.world.ana)
    [part] = await hand.claim()
    deadlocks = "SELECT deadlocks AS n FROM pg_stat_database WHERE datname = current_database()"
    with held(desk.world, "SELECT 1 FROM message WHERE id = %(id)s FOR UPDATE", id=int(message.id)) as other:
        told = asyncio.create_task(Sink(ingest).put(batch(desk.world.ana, receipt(desk.world.ana, "SM1", "sent", reference=reference(message)))))
        await blocked(desk.world)
        assert desk.world.sql("SELECT 1 FROM part FOR UPDATE NOWAIT"), "the receipt holds a part before its message"
        other.rollback()
        await told
    await hand.settle(ended(part, "unknown"))
    assert desk.world.sql(deadlocks)[0].n == 0


async def test_expiry_holds_the_message_before_its_parts(desk: Desk, hand: Hand) -> None:
    """Locks: the same for the scheduler."""
    message = await desk.send(desk.world.ana)
    [part] = await hand.claim()
    await hand.settle(ended(part, "deferred"))
    desk.world.sql("UPDATE outbox SET expires_at = app_now()")
    with held(desk.world, "SELECT 1 FROM message WHERE id = %(id)s FOR UPDATE", id=int(message.id)) as other:
        expiry = asyncio.create_task(hand.expire())
        await blocked(desk.world)
        assert desk.world.sql("SELECT 1 FROM part FOR UPDATE NOWAIT")
        assert desk.world.sql("SELECT 1 FROM attempt FOR UPDATE NOWAIT")
        other.rollback()
        await expiry
    assert (desk.status(message).status, desk.status(message).reason_code) == (FAILED, "not_sent")


async def test_expiry_and_claim_share_no_text(desk: Desk, hand: Hand) -> None:
    """G18: what the scheduler holds is not claimed, and the other way round."""
    message = await desk.send(desk.world.ana)
    with held(desk.world, "SELECT 1 FROM outbox FOR UPDATE"):
        assert await hand.claim() == []
        desk.world.sql("SELECT 1")
    [part] = await hand.claim()
    desk.world.sql("UPDATE outbox SET expires_at = app_now()")
    assert await hand.expire() == 0
    await hand.settle(ended(part, "accepted", cid="SM1"))
    assert desk.status(message).status == SENT


async def test_a_first_try_that_arrived_after_all_stops_the_second(desk: Desk, hand: Hand, ingest: Database) -> None:
    """R81: the late receipt beats the claim of the new attempt; the phone does not get it twice."""
    message = await desk.send(desk.world.ana)
    [part] = await hand.claim()
    await hand.settle(ended(part, "accepted", cid="SM1"))
    sink = Sink(ingest)
    await sink.put(batch(desk.world.ana, receipt(desk.world.ana, "SM1", "undelivered")))
    await desk.resend(desk.world.ana, message.id, 1)
    await sink.put(batch(desk.world.ana, receipt(desk.world.ana, "SM1", "delivered")))
    assert desk.status(message).status == DELIVERED
    assert await hand.claim() == []
    assert desk.status(message).status == DELIVERED
    assert not desk.world.sql("SELECT 1 FROM outbox")
    assert [(a.attempt, a.status, a.reason_code) for a in desk.world.sql("SELECT * FROM attempt ORDER BY attempt")][1] == (
        2,
        FAILED,
        "already_delivered",
    )


async def test_a_delivered_old_attempt_outshines_a_failed_new_one(desk: Desk, hand: Hand, ingest: Database) -> None:
    """Design §6: whatever order their receipts come in; the contradiction is flagged (P15)."""
    message = await desk.send(desk.world.ana)
    sink = Sink(ingest)
    [part] = await hand.claim()
    await hand.settle(ended(part, "accepted", cid="SM1"))
    await sink.put(batch(desk.world.ana, receipt(desk.world.ana, "SM1", "failed", code="30003")))
    await desk.resend(desk.world.ana, message.id, 1)
    [part] = await hand.claim()
    await hand.settle(ended(part, "accepted", cid="SM2"))
    await sink.put(batch(desk.world.ana, receipt(desk.world.ana, "SM2", "failed")))
    assert desk.status(message).status == FAILED
    await sink.put(batch(desk.world.ana, receipt(desk.world.ana, "SM1", "delivered")))
    assert (desk.status(message).status, desk.status(message).reason_code) == (DELIVERED, None)
    assert [p.contradicted for p in desk.world.sql("SELECT contradicted FROM part ORDER BY attempt")] == [True, False]


async def test_a_shortened_text_is_told_to_its_owner(desk: Desk, hand: Hand, ingest: Database) -> None:
    """Design §7: even when a callback had already told that it was sent."""
    message = await desk.send(desk.world.ana)
    [part] = await hand.claim()
    await Sink(ingest).put(batch(desk.world.ana, receipt(desk.world.ana, "SM1", "sent", reference=reference(message))))
    before = desk.status(message)
    from msgspec.structs import replace

    await hand.settle(replace(ended(part, "accepted", cid="SM1"), cut_to="It is."))
    after = desk.status(message)
    assert (after.cut_to, after.version) == ("It is.", before.version + 1)
    assert desk.world.sql("SELECT max(version) AS v FROM change WHERE kind = 3")[0].v == after.version


async def test_a_stop_that_waits_for_nothing_beats_every_later_claim(desk: Desk, hand: Hand, ingest: Database) -> None:
    """G17: texts put back by the carrier are judged anew each time they are claimed."""
    message = await desk.send(desk.world.ana)
    [part] = await hand.claim()
    await hand.settle(ended(part, "deferred"))
    await Sink(ingest).put(batch(desk.world.ana, text(desk.world.ana, "STOP")))
    assert await hand.claim() == []
    assert (desk.status(message).status, desk.status(message).reason_code) == (FAILED, "not_allowed")


async def test_ids_of_another_provider_settle_nothing(desk: Desk, hand: Hand, ingest: Database) -> None:
    """G21, G29: message ids and carrier ids of another provider or platform, in receipts and in outcomes."""
    message = await desk.send(desk.world.ana)
    [part] = await hand.claim()
    for stranger in (desk.world.foreign, desk.world.ben):
        await Hand(desk.service, stranger).settle(ended(part, "accepted", cid="SM9"))
        await Hand(desk.service, stranger).give_back([])
        await Sink(ingest).put(batch(stranger, receipt(stranger, "SM9", "delivered", reference=reference(message))))
    assert desk.status(message).status == SENDING
    assert [p.carrier_id for p in desk.world.sql("SELECT carrier_id FROM part")] == [None]


async def test_a_batch_with_many_receipts_for_one_text(desk: Desk, hand: Hand, ingest: Database) -> None:
    """G19: more than one batch holds, copies and contradictions, one message, one change at most for each state."""
    message = await desk.send(desk.world.ana)
    [part] = await hand.claim()
    await hand.settle(ended(part, "accepted", cid="SM1"))
    sink = Sink(ingest)
    states = ["queued", "sending", "sent", "unknown", "delivered", "failed"] * 50
    await asyncio.gather(*(sink.put(batch(desk.world.ana, receipt(desk.world.ana, "SM1", state))) for state in states))
    assert desk.status(message).status == DELIVERED
    assert len(desk.world.sql("SELECT 1 FROM receipt")) <= 6 * 2
    numbers = [c.number for c in desk.world.sql("SELECT number FROM change WHERE feed_id = %(f)s ORDER BY number", f=desk.world.ana.feed_id)]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_busy_conversation_waits_while_the_others_go_on(desk: Desk, ingest: Database) -> None:
    """Design §6: whatever row is busy, not only numbers and feeds."""
    sink = Sink(ingest)
    await sink.put(batch(desk.world.ana, text(desk.world.ana, "first")))
    with held(desk.world, "SELECT 1 FROM conversation FOR UPDATE"):
        slow = asyncio.create_task(sink.put(batch(desk.world.ana, text(desk.world.ana, "waits"))))
        quick = asyncio.create_task(sink.put(batch(desk.world.ben, text(desk.world.ben, "goes on"))))
        await asyncio.wait_for(quick, 2)
        assert not slow.done()
    await asyncio.wait_for(slow, 3)


async def test_a_person_who_is_just_now_texting_the_same_phone_holds_up_nobody_else(desk: Desk, ingest: Database) -> None:
    """Design §6: a conversation that is being made is a lock nobody can see beforehand."""
    sink = Sink(ingest)
    making = "INSERT INTO conversation (provider_id, id, assignment_id, remote) VALUES (%(p)s, new_id(), %(a)s, %(r)s)"
    with held(desk.world, making, p=desk.world.ana.provider_id, a=desk.world.ana.assignment_id, r=PHONE):
        slow = asyncio.create_task(sink.put(batch(desk.world.ana, text(desk.world.ana, "waits"))))
        quick = asyncio.create_task(sink.put(batch(desk.world.ana, text(desk.world.ana, "goes on", remote=OTHER_PHONE))))
        await asyncio.wait_for(quick, 2)
        assert not slow.done()
    await asyncio.wait_for(slow, 3)


async def test_a_busy_feed_holds_up_no_other_owners_receipts(desk: Desk, hand: Hand, ben_hand: Hand, ingest: Database) -> None:
    """G6, design §6: receipts too."""
    first, second = await desk.send(desk.world.ana), await desk.send(desk.world.ben)
    for its, cid in ((hand, "SM1"), (ben_hand, "g1")):
        [part] = await its.claim()
        await its.settle(ended(part, "accepted", cid=cid))
    sink = Sink(ingest)
    with held(desk.world, "SELECT 1 FROM feed WHERE id = %(f)s FOR UPDATE", f=desk.world.ana.feed_id):
        slow = asyncio.create_task(sink.put(batch(desk.world.ana, receipt(desk.world.ana, "SM1", "delivered"))))
        quick = asyncio.create_task(sink.put(batch(desk.world.ben, receipt(desk.world.ben, "g1", "delivered"))))
        await asyncio.wait_for(quick, 3)
        assert not slow.done()
    await asyncio.wait_for(slow, 3)
    assert desk.status(first).status == desk.status(second).status == DELIVERED


@pytest.mark.parametrize("freed_after_ms", range(0, 160, 16))
async def test_what_one_person_sent_is_stored_in_its_order(desk: Desk, ingest: Database, freed_after_ms: int) -> None:
    """G17: a STOP right behind a START has the last word, though both wait for the same busy rows and try again at times of their own."""
    ana, sink = desk.world.ana, Sink(ingest)
    await sink.put(batch(ana, text(ana, "Hello", remote=PHONE)))
    words = ["START", "It is me", "STOP", "Sorry"]
    with held(desk.world, "SELECT 1 FROM feed WHERE id = %(f)s FOR UPDATE", f=ana.feed_id):
        puts: list[asyncio.Task[None]] = []
        for word in words:
            puts.append(asyncio.create_task(sink.put(batch(ana, text(ana, word, remote=PHONE)))))
            await asyncio.sleep(0.011)
        await asyncio.sleep(freed_after_ms / 1000)
    await asyncio.wait_for(asyncio.gather(*puts), 3)
    assert [row.text for row in desk.world.sql("SELECT text FROM message ORDER BY id")] == ["Hello", *words]
    assert [row.stopped for row in desk.world.sql("SELECT stopped FROM remote_consent")] == [True]


async def test_a_sender_that_slept_past_its_lease_hands_nothing_over(desk: Desk) -> None:
    """G13: stopped between claim and hand-over; the clock ran on. What it claimed is unknown to the next holder, and never sent by it."""
    faults, asleep, awake = Faults(), asyncio.Event(), asyncio.Event()

    async def sleep() -> None:
        asleep.set()
        await awake.wait()

    faults.arm("delivery.before_handover", sleep)
    message = await desk.send(desk.world.ana)
    async with desk.sending(lease_s=600, faults=faults) as sleeper:
        await asyncio.wait_for(asleep.wait(), 5)
        for line in sleeper._lines.values():  # as if the whole process had been stopped: nothing is renewed, the clock runs
            line.valid_until = 0.0
        await asyncio.to_thread(release_lease, desk.world)  # the sleeper may be renewing, and needs the loop to end that
        async with desk.sending():
            await desk.until(message, UNKNOWN, FAILED)
            awake.set()
            await asyncio.sleep(0.3)
    assert await desk.carrier.phone_messages(PHONE) == []
    await eventually(lambda: _settled(desk, message))


async def _settled(desk: Desk, message: Message):
    return desk.status(message) if desk.status(message).status == FAILED else None
