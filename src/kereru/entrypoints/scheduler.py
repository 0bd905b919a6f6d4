"""The scheduler process: jobs (mail, provisioning), deadlines of waiting texts, partitions ahead of time. Wiring only."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import psycopg
import uvloop

from kereru.entrypoints.jobs import run_jobs
from kereru.entrypoints.wiring import desk_of, sealer_of, stop_event
from kereru.kernel.db import INSTALLATION, Database
from kereru.kernel.errors import Unavailable
from kereru.kernel.http_client import CarrierClient
from kereru.kernel.logging import get_logger
from kereru.kernel.secrets import load_or_make_key
from kereru.kernel.settings import Settings
from kereru.messaging.delivery import store as delivery

_log = get_logger("scheduler")

EXPIRE_EVERY_S = 1.0
EXPIRE_MOST = 500
PARTITIONS_EVERY_S = 3600.0
PARTITION_WEEKS = 5


def main(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT."""
    uvloop.run(run(settings))


async def run(settings: Settings) -> None:
    """Wire the process and work."""
    stopping = stop_event()
    sealer = sealer_of(load_or_make_key(settings.key_path))
    async with (
        Database(settings.database_url, "kereru_app", size=settings.pool_size) as app,
        Database(settings.database_url, "kereru_service", size=2) as service,
        CarrierClient(allow_private_hosts=settings.allow_private_hosts, ca_bundle=settings.ca_bundle, deadline_s=settings.carrier_timeout_s) as door,
    ):
        desk = desk_of(settings, app, door, sealer)

        async def expire() -> None:
            async with service.transaction(INSTALLATION) as tx:
                await delivery.expire(tx, EXPIRE_MOST)

        async def partitions() -> None:
            async with service.transaction(INSTALLATION) as tx:
                await tx.run("SELECT ensure_partitions(%(weeks)s)", {"weeks": PARTITION_WEEKS})

        tasks = [
            asyncio.create_task(run_jobs(settings, app, desk)),
            asyncio.create_task(_every(EXPIRE_EVERY_S, expire)),
            asyncio.create_task(_every(PARTITIONS_EVERY_S, partitions)),
        ]
        await stopping.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _every(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    """Do `act` now and then every so often; a database that does not answer is tried again next time."""
    while True:
        with contextlib.suppress(Unavailable):
            try:
                await act()
            except psycopg.Error as error:
                _log.warning("round_failed", act=act.__name__, error=repr(error))
        await asyncio.sleep(seconds)
