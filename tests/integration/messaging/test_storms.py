"""G14, G18: a carrier that says no to everything, and texts whose time is over just when they are taken."""

import asyncio
import time

from desk import Desk
from hand import DELIVERED, FAILED, QUEUED, SENDING, SENT, Hand

TEXTS = 30
RATE = 20.0


async def test_a_storm_of_refusals_is_waited_out_and_stays_one_platforms_affair(desk: Desk) -> None:
    """G14: 429 for everything trips the platform's circuit; the other platform sends meanwhile; afterwards each text has gone out once."""
    storm = await desk.carrier.add_fault("restcomm", "throttle", seconds=3600)
    waiting = [await desk.send(desk.world.ana, f"text {number}", to=f"+1202555{number:04d}") for number in range(8)]
    async with desk.sending():
        async with asyncio.timeout(30):
            while len(await desk.carrier.ledger("restcomm")) < 5:
                await asyncio.sleep(0.02)
        other = await desk.send(desk.world.ben)
        await desk.until(other, SENT, DELIVERED)
        asked = len(await desk.carrier.ledger("restcomm"))
        assert asked <= 16, "the circuit is open: nobody is asked again and again"
        assert {desk.status(message).status for message in waiting} <= {QUEUED, SENDING}
        assert storm
        await desk.carrier.clear_faults()
        for message in waiting:
            await desk.until(message, SENT, DELIVERED)
    taken = [item for item in await desk.carrier.ledger("restcomm") if item.method == "POST"][asked:]
    assert len(taken) <= len(waiting) + 1
    for number in range(8):
        assert [m.text for m in await desk.carrier.phone_messages(f"+1202555{number:04d}")] == [f"text {number}"]


async def test_a_platforms_rate_is_never_passed(desk: Desk) -> None:
    """G14: from the sender's start to the last arrival, no more than the rate and one burst, however much waits."""
    desk.world.sql("UPDATE platform SET sends_per_second = %(rate)s", rate=RATE)
    sent = [await desk.send(desk.world.ana, f"text {number}", to=f"+1202555{number:04d}") for number in range(TEXTS)]
    began = time.monotonic()
    async with desk.sending():
        for message in sent:
            await desk.until(message, SENT, DELIVERED)
        assert RATE * (time.monotonic() - began) + max(1.0, RATE / 10) >= TEXTS
    assert len([item for item in await desk.carrier.ledger("restcomm") if item.method == "POST"]) == TEXTS


async def test_either_its_time_is_over_or_it_is_sent_never_both(desk: Desk) -> None:
    """G18: two schedulers end what is late while two claims of the sender are under way; every text ends one way."""
    world, hand = desk.world, Hand(desk.service, desk.world.ana)
    await hand.lease()
    for number in range(120):
        await desk.send(world.ana, f"text {number}", to=f"+1202555{number:04d}")
    await desk.sql("UPDATE outbox SET expires_at = app_now() + random() * interval '0.8 seconds'")
    claimed: list[int] = []

    async def claiming() -> None:
        while await left():
            claimed.extend(part.message_id for part in await hand.claim(2))
            await asyncio.sleep(0.01)

    async def expiring() -> None:
        while await left():
            await hand.expire()

    async def left() -> bool:
        return bool(await desk.sql("SELECT 1 FROM outbox WHERE NOT claimed LIMIT 1"))

    await asyncio.gather(claiming(), claiming(), expiring(), expiring())
    rows = world.sql("SELECT id, status, reason_code FROM message")
    failed = {row.id for row in rows if (row.status, row.reason_code) == (FAILED, "not_sent")}
    assert claimed
    assert failed
    assert len(set(claimed)) == len(claimed)
    assert not failed & set(claimed)
    assert failed | set(claimed) == {row.id for row in rows}
    assert {row.status for row in rows if row.id not in failed} == {SENDING}
    assert {row.message_id for row in world.sql("SELECT message_id FROM part WHERE handover = 2")} == set(claimed)
