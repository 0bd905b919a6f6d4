"""The scheduler's figures (reliability.md §6, metrics): what waits, what waits for a person, and receipts half an hour later."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from arrivals import batch, receipt
from desk import Desk

from kereru.kernel.clock import ManualClock
from kereru.kernel.db import Database
from kereru.kernel.metrics import REGISTRY
from kereru.messaging.delivery.figures import Figures
from kereru.messaging.inbound.sink import Sink


def figure(name: str, **labels: str) -> float:
    """What a metric says now."""
    return REGISTRY.get_sample_value(f"kereru_{name}", labels) or 0.0


async def test_what_waits_is_counted(desk: Desk, tmp_path: Path) -> None:
    """Age of the oldest queued; platforms that stand still; the key's age."""
    key = tmp_path / "master.key"
    key.write_bytes(b"k")
    figures = Figures(desk.service, ManualClock(datetime.now(UTC)), key)
    await figures.show()
    assert (figure("queued_texts"), figure("platforms_stopped")) == (0, 0)
    await desk.send(desk.world.ana)
    await desk.sql("UPDATE platform SET stopped_at = app_now() WHERE id = %(id)s", id=desk.world.ana.platform_id)
    await figures.show()
    assert (figure("queued_texts"), figure("platforms_stopped")) == (1, 1)
    assert figure("queued_oldest_seconds") > 0
    assert figure("key_timestamp_seconds") == key.stat().st_mtime
    assert abs(figure("database_clock_offset_seconds")) < 60


async def test_receipts_are_looked_at_once_half_an_hour_later(desk: Desk, ingest: Database, tmp_path: Path) -> None:
    """Send-to-receipt delay and the share without a receipt."""
    clock = ManualClock(datetime.now(UTC))
    figures = Figures(desk.service, clock, tmp_path / "none")
    await desk.carrier.add_fault("restcomm", "no_receipt", count=2)
    messages = [await desk.send(desk.world.ana, text) for text in ("one", "two")]
    async with desk.sending():
        for message in messages:
            await desk.until(message, 3)
    [first, _] = await desk.sql("SELECT carrier_id FROM part ORDER BY message_id")
    await Sink(ingest).put(batch(desk.world.ana, receipt(desk.world.ana, first.carrier_id, "delivered")))
    before = figure("receipts_due_total", carrier="restcomm"), figure("receipts_missing_total", carrier="restcomm")
    for _ in range(2):
        clock.advance(timedelta(minutes=31).total_seconds())
        await figures.show()
        after = figure("receipts_due_total", carrier="restcomm"), figure("receipts_missing_total", carrier="restcomm")
        assert (after[0] - before[0], after[1] - before[1]) == (2, 1)
    assert 0 <= figure("receipt_delay_seconds", carrier="restcomm", quantile="0.5") < 60
