"""reliability.md §6 "Stop": an orderly stop that is asked for while the database cannot be reached."""

import asyncio
import json
import signal
from pathlib import Path

import pytest
from desk import Desk, door, eventually
from hand import SENT

from integration.entrypoints.test_database_away import Away, away, serving
from kereru.carriers.registry import Carriers
from kereru.entrypoints.sender import end
from kereru.kernel.clock import SystemClock
from kereru.kernel.db import Database
from kereru.kernel.faults import Faults
from kereru.kernel.settings import Settings
from kereru.messaging.delivery.sender import Sender
from kereru.simulators.testing import running_simulators

__all__ = ["away"]


@pytest.mark.timeout(120)
def test_a_stop_needs_no_database(away: Away, short_folder: Path) -> None:
    """Every process ends by itself, well before it would be ended by force, and says what it left."""
    home = short_folder / "home"
    with serving(home, away.url) as running:
        away.go()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0
    said = [json.loads(line) for line in (home / "log").read_text().splitlines() if line.startswith("{")]
    events = {line["event"] for line in said}
    assert "ending by force" not in events
    assert {"sender.left", "jobs_left", "everything has stopped"} <= events
    assert [line["running"] for line in said if line["event"] == "jobs_left"] == [0]


async def test_what_a_carrier_said_is_written_down_before_the_end(away: Away, short_folder: Path) -> None:
    """G10, G11: a sender that is asked to end with an outcome in its hands keeps it until the database takes it."""
    faults, cut = Faults(), asyncio.Event()

    async def go() -> None:
        faults.disarm("delivery.before_settle")
        await asyncio.to_thread(away.go)
        cut.set()

    faults.arm("delivery.before_settle", go)
    settings = Settings(home=short_folder, database_url=away.url)
    async with (
        running_simulators() as simulators,
        door(simulators) as way_out,
        Database(away.world.url, "kereru_app") as app,
        Database(away.url, "kereru_service") as service,
    ):
        desk = Desk(away.world, app, service, Carriers(way_out, SystemClock()), simulators)
        sender = Sender(service, desk.open_platform, holder="sender-1", clock=SystemClock(), lease_s=15, faults=faults)
        sending = asyncio.create_task(sender.run())
        message = await desk.send(away.world.ana)
        await cut.wait()
        ending = asyncio.create_task(end(sender, sending, settings))

        async def hurries() -> bool:
            return sender.database is not service

        await eventually(hurries)
        assert not ending.done()
        away.come()
        await ending
        row = desk.status(message)
        assert (row.status, row.attempt) == (SENT, 1)
