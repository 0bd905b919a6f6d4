"""Texts to carriers: at most once, in order, told truthfully; judged by the simulator's ledger."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

import psycopg
import pytest
from arrivals import batch, receipt, text
from desk import Desk, eventually
from hand import Hand, ended

from kereru.carriers.ingress import NotDurable
from kereru.kernel.db import Database, Row
from kereru.kernel.errors import KereruError
from kereru.kernel.faults import Faults
from kereru.kernel.secrets import Secret
from kereru.messaging.delivery.part_reference import PartName, put_together
from kereru.messaging.delivery.sender import OpenPlatform
from kereru.messaging.inbound.sink import Sink
from world import PHONE

QUEUED, SENDING, SENT, DELIVERED, UNDELIVERED, FAILED, EXPIRED, UNKNOWN = range(1, 9)


async def sends(desk: Desk) -> list[object]:
    """What the carriers' send calls received."""
    return [item for item in await desk.carrier.ledger() if item.path.endswith(("/SMS/Messages.json", "/publishMessages"))]


@pytest.mark.parametrize("who", ["ana", "ben"])
async def test_a_text_reaches_the_phone_once_and_is_sent(desk: Desk, who: str) -> None:
    """R109: through both carriers."""
    owner = getattr(desk.world, who)
    message = await desk.send(owner, "It is. Keep it?")
    assert (message.status, message.direction, message.to if hasattr(message, "to") else None) == ("queued", "out", None)
    async with desk.sending():
        await desk.until(message, SENT, DELIVERED)
    assert [m.text for m in await desk.carrier.phone_messages(PHONE)] == ["It is. Keep it?"]
    assert len(await sends(desk)) == 1
    assert not desk.world.sql("SELECT 1 FROM outbox")
    [part] = desk.world.sql("SELECT * FROM part")
    assert part.carrier_id
    assert part.handover == 3


async def test_the_same_request_again_is_the_same_message(desk: Desk) -> None:
    """G9: in parallel too; another body under the key is refused."""
    answers = await asyncio.gather(*(desk.send(desk.world.ana, "once", key="the-same-key") for _ in range(8)))
    assert len({message.id for message in answers}) == 1
    assert (
        len(desk.world.sql("SELECT 1 FROM message"))
        == len(desk.world.sql("SELECT 1 FROM outbox"))
        == len(desk.world.sql("SELECT 1 FROM change"))
        == 1
    )
    with pytest.raises(KereruError) as refused:
        await desk.send(desk.world.ana, "twice", key="the-same-key")
    assert refused.value.code == "client_id_reused"


async def test_texts_of_one_conversation_leave_in_order_one_at_a_time(desk: Desk) -> None:
    """Design §6: at most one message of a conversation in flight."""
    for number in range(6):
        await desk.send(desk.world.ana, f"text {number}")
    async with desk.sending():
        async with asyncio.timeout(20):
            while len(await desk.carrier.phone_messages(PHONE)) < 6:
                await asyncio.sleep(0.02)
    assert [m.text for m in await desk.carrier.phone_messages(PHONE)] == [f"text {number}" for number in range(6)]


@pytest.mark.parametrize("kind", ["throttle"])
async def test_what_the_carrier_surely_did_not_take_is_tried_again(desk: Desk, kind: str) -> None:
    """G10, G14: 429 waits and goes out once."""
    await desk.carrier.add_fault("restcomm", kind, count=1)
    message = await desk.send(desk.world.ana)
    async with desk.sending():
        row = await desk.until(message, SENT, DELIVERED)
    assert row.attempt == 1
    assert len(await desk.carrier.phone_messages(PHONE)) == 1


@pytest.mark.parametrize("kind", ["reset_after_accept", "cut_body", "garbage_body"])
async def test_an_outcome_nobody_can_tell_is_unknown_and_never_sent_again(desk: Desk, kind: str) -> None:
    """G11: shown as unknown, then settled by asking the carrier."""
    await desk.carrier.add_fault("restcomm", kind, count=1)
    message = await desk.send(desk.world.ana)
    async with desk.sending():
        await desk.until(message, UNKNOWN)
        await desk.sql("UPDATE part SET look_up_at = app_now()")
        await desk.until(message, SENT, DELIVERED)
    assert len(await desk.carrier.phone_messages(PHONE)) == 1
    assert len(await sends(desk)) == 1


async def test_a_callback_that_names_our_part_settles_a_send_whose_answer_was_lost(desk: Desk, ingest: Database) -> None:
    """Design §7: Restcomm's path carries our part's id; then the carrier's own id is known."""
    await desk.carrier.add_fault("restcomm", "reset_after_accept", count=1)
    message = await desk.send(desk.world.ana)
    async with desk.sending():
        await desk.until(message, UNKNOWN)
    reference = put_together(PartName(int(message.id), 1, 1))
    await Sink(ingest).put(batch(desk.world.ana, receipt(desk.world.ana, "SM" + "9" * 32, "delivered", reference=reference)))
    assert desk.status(message).status == DELIVERED
    assert [p.carrier_id for p in desk.world.sql("SELECT carrier_id FROM part")] == ["SM" + "9" * 32]


async def test_a_receipt_of_another_platform_changes_nothing(desk: Desk, ingest: Database) -> None:
    """G21: even with our own ids."""
    message = await desk.send(desk.world.ana)
    async with desk.sending():
        await desk.until(message, SENT, DELIVERED)
    [part] = desk.world.sql("SELECT * FROM part")
    before = desk.status(message)
    for other in (desk.world.foreign, desk.world.ben):
        reference = put_together(PartName(int(message.id), 1, 1))
        await Sink(ingest).put(batch(other, receipt(other, part.carrier_id, "failed", reference=reference)))
    assert desk.status(message) == before


async def test_a_receipt_before_the_answer_is_kept_and_applied(desk: Desk, ingest: Database) -> None:
    """G20."""
    faults = Faults()
    sink = Sink(ingest)

    async def receipt_first() -> None:
        await sink.put(batch(desk.world.ana, receipt(desk.world.ana, (await desk.carrier.phone_messages(PHONE))[0].message_id, "delivered")))

    faults.arm("delivery.before_settle", receipt_first)
    message = await desk.send(desk.world.ana)
    async with desk.sending(faults=faults):
        await desk.until(message, DELIVERED)
    assert desk.world.sql("SELECT count(*) AS n FROM receipt")[0].n == 1


async def test_a_stop_before_the_claim_holds_the_text_back(desk: Desk, ingest: Database) -> None:
    """G17: checked in the claim's transaction."""
    message = await desk.send(desk.world.ana)
    await Sink(ingest).put(batch(desk.world.ana, text(desk.world.ana, "STOP")))
    async with desk.sending():
        row = await desk.until(message, FAILED)
    assert row.reason_code == "not_allowed"
    assert await sends(desk) == []


async def test_an_account_the_carrier_refuses_keeps_its_texts_waiting(desk: Desk) -> None:
    """Reliability table, 401: queued, circuit open, until a person acts; then it goes out."""
    wrong = True

    def opened(row: Row) -> OpenPlatform:
        platform = desk.open_platform(row)
        credentials = {**platform.access.credentials, **({"token_secret": Secret("wrong")} if wrong else {})}
        return replace(platform, access=replace(platform.access, credentials=credentials))

    message = await desk.send(desk.world.ana)
    whose = {"p": desk.world.ana.platform_id}
    async with desk.sending(open_platform=opened, lease_s=600) as sender:
        stopped = "SELECT stopped_reason FROM platform WHERE id = %(p)s AND stopped_at IS NOT NULL"
        await eventually(lambda: first(desk.sql(stopped, **whose)))
        assert desk.status(message).status == QUEUED
        [waits] = await desk.sql("SELECT run_at <= app_now() + interval '1 second' AS soon FROM outbox")
        assert waits.soon, "nothing is left to wait for but the person"
        wrong = False
        await desk.sql("UPDATE platform SET stopped_at = NULL, credentials_sealed = 'anew' WHERE id = %(p)s", **whose)
        sender.wake()
        # It still uses the old ones, which are refused again: that says nothing of the new ones, and stops nothing.
        await eventually(lambda: first(desk.sql("SELECT 1 FROM outbox WHERE deferrals > 1 AND claimed_at IS NULL")))
        assert await desk.sql(stopped, **whose) == []
        sender.look_again()
        await desk.until(message, SENT, DELIVERED)
    assert len(await desk.carrier.phone_messages(PHONE)) == 1


async def first(rows: Awaitable[list[Row]]) -> Row | None:
    """The first row of an answer to come."""
    return next(iter(await rows), None)


async def test_a_text_that_waited_too_long_fails_with_send_again(desk: Desk) -> None:
    """G12: not_sent after the deadline; Send again is a new attempt that really reaches the carrier (R79, R81)."""
    from kereru.kernel.db import INSTALLATION
    from kereru.messaging.delivery import store

    message = await desk.send(desk.world.ana)
    await desk.sql("UPDATE outbox SET expires_at = app_now() - interval '1 second'")
    async with desk.service.transaction(INSTALLATION) as tx:
        assert await store.expire(tx, 100) == 1
    row = desk.status(message)
    assert (row.status, row.reason_code) == (FAILED, "not_sent")
    again = await desk.resend(desk.world.ana, message.id, 1)
    assert (again.status, again.attempt) == ("queued", 2)
    async with desk.sending():
        await desk.until(message, SENT, DELIVERED)
    assert [a.attempt for a in desk.world.sql("SELECT attempt FROM attempt ORDER BY 1")] == [1, 2]
    assert len(await desk.carrier.phone_messages(PHONE)) == 1


async def test_a_double_click_on_send_again_is_one_resend(desk: Desk) -> None:
    """R79: the second click names an attempt that is no longer the newest."""
    message = await desk.send(desk.world.ana)
    await desk.sql("UPDATE message SET status = 6")
    await desk.sql("DELETE FROM outbox")
    results = await asyncio.gather(*(desk.resend(desk.world.ana, message.id, 1) for _ in range(2)), return_exceptions=True)
    assert sorted(getattr(result, "code", "resent") for result in results) == ["attempt_moved_on", "resent"]
    async with desk.sending():
        await desk.until(message, SENT, DELIVERED)
    assert len(await sends(desk)) == 1


async def test_an_unknown_text_is_sent_again_only_after_a_warning(desk: Desk) -> None:
    """Design §6."""
    message = await desk.send(desk.world.ana)
    await desk.sql("UPDATE message SET status = 8")
    await desk.sql("DELETE FROM outbox")
    with pytest.raises(KereruError) as refused:
        await desk.resend(desk.world.ana, message.id, 1)
    assert refused.value.code == "resend_needs_warning"
    assert (await desk.resend(desk.world.ana, message.id, 1, despite_unknown=True)).attempt == 2


async def test_a_sender_that_died_leaves_an_unknown_text_not_a_second_one(desk: Desk) -> None:
    """G10, G13: what its predecessor left open is never handed over again."""
    faults = Faults()
    reached = asyncio.Event()

    async def die() -> None:
        reached.set()
        await asyncio.sleep(3600)

    faults.arm("delivery.after_handover", die)
    message = await desk.send(desk.world.ana)
    from kereru.kernel.clock import SystemClock
    from kereru.messaging.delivery.sender import Sender

    first = Sender(desk.service, desk.open_platform, holder="first", clock=SystemClock(), lease_s=2, faults=faults)
    running = asyncio.create_task(first.run())
    await asyncio.wait_for(reached.wait(), 10)
    running.cancel()
    await desk.sql("UPDATE platform_lease SET expires_at = app_now() - interval '1 second'")
    async with desk.sending():
        row = await desk.until(message, UNKNOWN)
        assert row.reason_code == "sender_stopped"
        await desk.sql("UPDATE part SET look_up_at = app_now()")
        await desk.until(message, SENT, DELIVERED)
    assert len(await sends(desk)) == 1
    assert len(await desk.carrier.phone_messages(PHONE)) == 1


async def test_only_the_holder_of_the_lease_claims(desk: Desk) -> None:
    """G13: two senders, one platform, every text once."""
    for number in range(20):
        await desk.send(desk.world.ana, f"text {number}", to=f"+120255501{number:02d}")
    async with desk.sending(), desk.sending():
        async with asyncio.timeout(20):
            while desk.world.sql("SELECT 1 FROM message WHERE status IN (1, 2)"):
                await asyncio.sleep(0.05)
    assert len(await sends(desk)) == 20


async def test_a_text_over_restcomms_limit_is_refused_before_it_is_cut(desk: Desk) -> None:
    """Design §7: Restcomm's cut at 160 bytes never happens silently."""
    with pytest.raises(KereruError) as refused:
        await desk.send(desk.world.ana, "é" * 81)
    assert refused.value.code == "too_long_for_carrier"
    assert (await desk.send(desk.world.ben, "é" * 81)).status == "queued"
    await desk.sql("UPDATE platform SET takes_long_texts = true")
    assert (await desk.send(desk.world.ana, "é" * 81)).status == "queued"


async def test_every_receipt_order_ends_in_the_same_state(desk: Desk) -> None:
    """G19: SQL's rule over all permutations, with copies."""
    from itertools import permutations

    sets = [(2, 3, 4), (3, 5), (4, 6), (3, 6), (8, 3), (7, 3), (5, 4, 6), (1, 2), (8,), ()]
    expected = [DELIVERED, UNDELIVERED, DELIVERED, FAILED, SENT, EXPIRED, DELIVERED, SENT, UNKNOWN, SENT]
    with psycopg.connect(desk.world.url) as connection:
        for states, status in zip(sets, expected, strict=True):
            for order in permutations(states + states[:1]):
                assert connection.execute("SELECT part_status(3::smallint, %s::smallint[])", (list(order),)).fetchone() == (status,)


def test_not_durable_is_what_the_ingress_knows() -> None:
    """The sink raises the ingress's own type."""
    assert issubclass(NotDurable, Exception)


@pytest.mark.parametrize("at_once", [True, False], ids=["in one writing", "one after the other"])
async def test_one_carrier_id_for_two_texts(desk: Desk, ingest: Database, at_once: bool) -> None:
    """Bad input 76: the first keeps it, the second is unknown and says why; a receipt for the id is about the first only."""
    ana = desk.world.ana
    for number, phone in enumerate(("+12025550142", "+12025550143")):
        await desk.send(ana, f"text {number}", to=phone)
    hand = Hand(desk.service, ana)
    await hand.lease()
    first, second = sorted(await hand.claim(), key=lambda part: part.message_id)
    settlements = [ended(part, "accepted", cid="SM-the-same") for part in (first, second)]
    for items in [settlements] if at_once else [settlements[:1], settlements[1:]]:
        await hand.settle(*items)
    await hand.settle(*settlements)
    await Sink(ingest).put(batch(ana, receipt(ana, "SM-the-same", "delivered")))
    rows = await desk.sql("SELECT status, reason_code FROM message ORDER BY id")
    assert [(row.status, row.reason_code) for row in rows] == [(DELIVERED, None), (UNKNOWN, "carrier_id_repeated")]
    assert not await desk.sql("SELECT 1 FROM outbox"), "no machine sends it again"
