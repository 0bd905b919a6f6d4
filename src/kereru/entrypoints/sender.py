"""The sender process: hands texts to carriers for the platforms it leases. Wiring only."""

import asyncio
import contextlib
import os

import psycopg
import uvloop

from kereru.carriers.registry import Carriers
from kereru.entrypoints.lifeline import Announce
from kereru.entrypoints.wiring import platform_opener, sealer_of, stop_event
from kereru.kernel.clock import SystemClock
from kereru.kernel.db import INSTALLATION, Database
from kereru.kernel.errors import Unavailable
from kereru.kernel.http_client import CarrierClient
from kereru.kernel.logging import get_logger
from kereru.kernel.secrets import load_or_make_key
from kereru.kernel.settings import Settings
from kereru.messaging.commands import OUTBOX_CHANNEL
from kereru.messaging.delivery import store as delivery
from kereru.messaging.delivery.sender import Sender
from kereru.provisioning.platforms.directory import CONFIG_CHANNEL
from kereru.realtime.backbone import PostgresBackbone

LEAVE_S = 0.5
"""A sender that is asked to end and takes longer looks whether the database answers."""
ANSWER_S = 1.0
MOMENT_S = 0.5
_log = get_logger("sender")


def main(settings: Settings, announce: Announce) -> None:
    """Send until SIGTERM or SIGINT; what is in flight then is finished and written down."""
    uvloop.run(run(settings, announce))


async def run(settings: Settings, announce: Announce) -> None:
    """Wire the process and work."""
    clock = SystemClock()
    sealer = sealer_of(load_or_make_key(settings.key_path))
    stopping = stop_event()
    async with (
        Database(settings.database_url, "kereru_service", size=settings.pool_size) as database,
        CarrierClient(allow_private_hosts=settings.allow_private_hosts, ca_bundle=settings.ca_bundle, deadline_s=settings.carrier_timeout_s) as door,
    ):
        # The supervisor starts a sender only after the last one ended, so what stands under this name is a dead one's: no need to sit its lease out.
        holder = f"{os.uname().nodename}:{os.getppid()}"
        await _inherit(database, holder)
        opener = platform_opener(Carriers(door, clock), sealer, settings.base_url)
        sender = Sender(database, opener, holder=holder, clock=clock, lease_s=settings.lease_s)
        backbone = PostgresBackbone(settings.server_url, "kereru_service", database)
        backbone.subscribe(OUTBOX_CHANNEL, lambda payload: sender.wake(int(payload)), sender.wake)
        backbone.subscribe(CONFIG_CHANNEL, lambda _: sender.look_again(), sender.look_again)
        await backbone.start()
        sending = asyncio.create_task(sender.run())
        announce()
        await asyncio.wait([sending, asyncio.create_task(stopping.wait())], return_when=asyncio.FIRST_COMPLETED)
        await end(sender, sending, settings)
        await backbone.stop()


async def end(sender: Sender, sending: "asyncio.Task[None]", settings: Settings) -> None:
    """Ask the sender to end and wait until it did: what is in flight is finished and written down, however long that takes."""
    sender.stop()
    while not (await asyncio.wait([sending], timeout=LEAVE_S))[0]:
        if not sending.done() and not await _answers(sender.database):
            await _end_without_database(sender, sending, settings)
    await sending


async def _answers(database: Database) -> bool:
    """Whether the database says anything within ANSWER_S."""
    try:
        async with asyncio.timeout(ANSWER_S):
            await database.autocommit("SELECT 1")
    except (TimeoutError, psycopg.Error, Unavailable):
        return False
    return True


async def _end_without_database(sender: Sender, sending: "asyncio.Task[None]", settings: Settings) -> None:
    """Nobody waits for a connection longer than a moment from now on: a good-bye stays unsaid, and an outcome is tried again until it is written."""
    silent = sender.database
    async with Database(settings.database_url, "kereru_service", size=settings.pool_size, wait_s=MOMENT_S, patient=True) as hasty:
        sender.database = hasty
        hanging_up = asyncio.create_task(silent.close())
        if not (await asyncio.wait([sending], timeout=3 * MOMENT_S))[0]:
            _log.warning("sender.waits", why="the database does not answer, and there are hand-overs under way or outcomes to write down")
        await asyncio.wait([sending])
        _log.warning("sender.left", why="the database did not answer", left="leases that were not given back, which run out by themselves")
        await hanging_up


async def _inherit(database: Database, holder: str) -> None:
    with contextlib.suppress(psycopg.Error, Unavailable):
        async with database.transaction(INSTALLATION) as tx:
            await delivery.drop_leases(tx, holder)
