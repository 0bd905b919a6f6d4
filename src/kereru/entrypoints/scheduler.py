"""The scheduler process: jobs (mail, provisioning), deadlines of waiting texts, weeks made ahead and dropped, what is too old, the
newest words of the search, the daily look at webhooks. Wiring only.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import psycopg
import uvloop

from kereru.entrypoints.jobs import run_jobs
from kereru.entrypoints.lifeline import Announce
from kereru.entrypoints.wiring import desk_of, sealer_of, stop_event
from kereru.kernel.clock import SystemClock
from kereru.kernel.db import INSTALLATION, Database
from kereru.kernel.db.weeks import drop_old_weeks, make_weeks
from kereru.kernel.errors import Unavailable
from kereru.kernel.http_client import CarrierClient, StrangerClient
from kereru.kernel.jobs.upkeep import DAY_S, HOUR_S, Task, keep_up, show_figures
from kereru.kernel.logging import get_logger
from kereru.kernel.secrets import load_or_make_key
from kereru.kernel.settings import Settings
from kereru.messaging.attachments.intake import Files, files_of
from kereru.messaging.attachments.jobs import Fetcher, sweep
from kereru.messaging.delivery import store as delivery
from kereru.messaging.delivery.figures import FIGURES_EVERY_S, Figures
from kereru.messaging.retention import forget_old
from kereru.messaging.search.queries import tidy_search
from kereru.provisioning.numbers.watching import ask_for_looks

_log = get_logger("scheduler")

EXPIRE_EVERY_S = 1.0
EXPIRE_MOST = 500
SWEEP_EVERY_S = 60.0
TIDY_SEARCH_EVERY_S = 2.0


def main(settings: Settings, announce: Announce) -> None:
    """Work until SIGTERM or SIGINT."""
    uvloop.run(run(settings, announce))


async def run(settings: Settings, announce: Announce) -> None:
    """Wire the process and work."""
    stopping = stop_event()
    sealer = sealer_of(load_or_make_key(settings.key_path))
    async with (
        Database(settings.database_url, "kereru_app", size=settings.pool_size) as app,
        Database(settings.database_url, "kereru_service", size=2) as service,
        CarrierClient(allow_private_hosts=settings.allow_private_hosts, ca_bundle=settings.ca_bundle, deadline_s=settings.carrier_timeout_s) as door,
        StrangerClient(allow_private_hosts=settings.allow_private_hosts, ca_bundle=settings.ca_bundle) as strangers,
    ):
        desk = desk_of(settings, app, door, sealer)
        files = files_of(settings)
        fetcher = Fetcher(app, sealer, strangers, files, settings.allow_private_hosts)

        async def expire() -> None:
            async with service.transaction(INSTALLATION) as tx:
                await delivery.expire(tx, EXPIRE_MOST)

        async def search() -> None:
            await tidy_search(service)

        async def upkeep_figures() -> None:
            await show_figures(service)

        tasks = [
            asyncio.create_task(run_jobs(settings, app, desk, fetcher)),
            asyncio.create_task(_every(EXPIRE_EVERY_S, expire)),
            asyncio.create_task(_every(TIDY_SEARCH_EVERY_S, search)),
            asyncio.create_task(_every(FIGURES_EVERY_S, Figures(service, SystemClock(), settings.key_path).show)),
            asyncio.create_task(_every(FIGURES_EVERY_S, upkeep_figures)),
            *(asyncio.create_task(keep_up(service, task)) for task in upkeep(settings, service, files)),
        ]
        announce()
        await stopping.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def upkeep(settings: Settings, service: Database, files: Files) -> list[Task]:
    """What is done over and over. Dropping weeks takes the tables' owner, past any pooler; he is asked in only for that."""

    async def drop_weeks() -> None:
        async with Database(settings.server_url, "kereru_owner", size=1) as owner:
            await drop_old_weeks(owner)

    return [
        Task("make_weeks", HOUR_S, lambda: make_weeks(service)),
        Task("drop_weeks", HOUR_S, drop_weeks),
        Task("forget_old", DAY_S, lambda: forget_old(service)),
        Task("look_at_webhooks", DAY_S, lambda: ask_for_looks(service)),
        Task("sweep_files", SWEEP_EVERY_S, lambda: sweep(service, files)),
    ]


async def _every(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    """Do `act` now and then every so often; a database that does not answer is tried again next time."""
    while True:
        with contextlib.suppress(Unavailable):
            try:
                await act()
            except psycopg.Error as error:
                _log.warning("round_failed", act=act.__name__, error=repr(error))
        await asyncio.sleep(seconds)
