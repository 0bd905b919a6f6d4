"""Runs jobs: polls each second, is woken at once by our own NOTIFY, survives a database that goes away, and takes over what a dead worker left."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import procrastinate
import psycopg
from procrastinate.connector import Notify
from procrastinate.exceptions import ProcrastinateException
from procrastinate.jobs import Job
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from psycopg.conninfo import make_conninfo

from kereru.kernel.db import as_role
from kereru.kernel.jobs.model import JOB_CHANNEL, Backoff, GiveUp, Handler, JobKind
from kereru.kernel.logging import get_logger

ROLE = "kereru_service"
POLL_S = 1.0
PARALLEL_JOBS = 4
STALLED_S = 30.0
"""A worker that gave no sign of life for this long is dead; its jobs go back into the queue."""
JOB_GRACE_S = 5.0
"""How long jobs that run may go on, and write down how they ended, once the end was asked for; what is left then is done again by whoever is next."""
LEAVE_S = 1.5
"""How long an idle worker waits at its end for a database that does not answer: it only wants to say good-bye."""
KEEP_FAILED_HOURS = 24 * 90
_WOKEN = '{"type": "job_inserted", "job_id": 0}'
_log = get_logger("jobs")


@dataclass(frozen=True, slots=True)
class JobStore:
    """Where jobs lie: `url` for work, `direct_url` past any pooler for LISTEN."""

    url: str
    direct_url: str


class _Connector(procrastinate.PsycopgConnector):
    """Listens on our channel instead of Procrastinate's, whose triggers halve every transaction that writes a job (perf.md)."""

    def __init__(self, store: JobStore) -> None:
        pool: dict[str, Any] = {
            "min_size": 1,
            "max_size": 2,
            "kwargs": {"autocommit": True, "application_name": "kereru_jobs", "prepare_threshold": None},
        }
        super().__init__(conninfo=_as_service(store.url), **pool)  # pyright: ignore[reportUnknownMemberType] - untyped JSON hooks, not used
        self._direct = _as_service(store.direct_url)

    async def hang_up(self) -> None:
        """Whoever waits for a connection, now or later, is told at once that there is none."""
        await self.pool.close(timeout=0)

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                async with await psycopg.AsyncConnection.connect(self._direct, autocommit=True, application_name="kereru_jobs") as connection:
                    await connection.execute(f"LISTEN {JOB_CHANNEL}")
                    async for _ in connection.notifies():
                        await on_notification(channel=JOB_CHANNEL, payload=_WOKEN)
            await asyncio.sleep(POLL_S)


class _Retry(BaseRetryStrategy):
    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, GiveUp):
            return None
        pause_s = self._backoff.pause_s(job.attempts + 1)
        return None if pause_s is None else RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=pause_s))


async def work(store: JobStore, handlers: Mapping[JobKind, Handler]) -> None:
    """Run jobs until cancelled. A database that cannot be reached is tried again each second; a worker that stops by itself is started anew."""
    while True:
        connector, busy = _Connector(store), _Busy()
        try:
            async with _opened(connector, {kind: busy.with_(handler) for kind, handler in handlers.items()}) as app:
                await _run(app, connector, busy)
        except (psycopg.Error, ProcrastinateException) as error:
            _log.warning("jobs_wait_for_database", error=type(error).__name__)
        await asyncio.sleep(POLL_S)


async def work_until_idle(store: JobStore, handlers: Mapping[JobKind, Handler]) -> int:
    """Run the jobs that are due, one after the other, and those they make due; answers how many runs that took. For commands and tests."""
    runs = 0

    def counted(handler: Handler) -> Handler:
        async def run(ids: Mapping[str, int]) -> None:
            nonlocal runs
            runs += 1
            await handler(ids)

        return run

    async with _opened(_Connector(store), {kind: counted(handler) for kind, handler in handlers.items()}) as app:
        before = -1
        while runs > before:
            before = runs
            await app.run_worker_async(wait=False, concurrency=1, listen_notify=False, delete_jobs="successful", install_signal_handlers=False)
    return runs


@contextlib.asynccontextmanager
async def _opened(connector: _Connector, handlers: Mapping[JobKind, Handler]) -> AsyncGenerator[procrastinate.App]:
    app = procrastinate.App(connector=connector)
    for kind, handler in handlers.items():
        app.task(name=kind.name, retry=_Retry(kind.backoff))(_task(kind, handler))
    async with app.open_async():
        yield app


def _task(kind: JobKind, handler: Handler) -> Callable[..., Awaitable[None]]:
    async def run(**ids: int) -> None:
        try:
            await handler(ids)
        except Exception as error:
            _log.warning("job_failed", job=kind.name, error=type(error).__name__, gives_up=isinstance(error, GiveUp))
            raise

    return run


class _Busy:
    """How many jobs run, and when one last ended: how it ended may not be written down yet."""

    def __init__(self) -> None:
        self.jobs = 0
        self._ended_at = -JOB_GRACE_S

    def with_(self, handler: Handler) -> Handler:
        """The handler, counted."""

        async def run(ids: Mapping[str, int]) -> None:
            self.jobs += 1
            try:
                await handler(ids)
            finally:
                self.jobs -= 1
                self._ended_at = asyncio.get_running_loop().time()

        return run

    def patience_s(self) -> float:
        """How long a worker that is asked to end may need for what it does."""
        return JOB_GRACE_S if self.jobs or asyncio.get_running_loop().time() - self._ended_at < JOB_GRACE_S else LEAVE_S


async def _run(app: procrastinate.App, connector: _Connector, busy: _Busy) -> None:
    caretaker = asyncio.ensure_future(_take_care(app))
    worker = asyncio.ensure_future(
        app.run_worker_async(
            concurrency=PARALLEL_JOBS,
            fetch_job_polling_interval=POLL_S,
            delete_jobs="successful",
            install_signal_handlers=False,
            stalled_worker_timeout=STALLED_S,
            shutdown_graceful_timeout=JOB_GRACE_S,
        )
    )
    try:
        await asyncio.shield(worker)
    except asyncio.CancelledError:
        patience_s = busy.patience_s()
        worker.cancel()
        if not (await asyncio.wait([worker], timeout=patience_s))[0]:
            _log.warning("jobs_left", running=busy.jobs, waited_s=patience_s)
            await connector.hang_up()
            await asyncio.wait([worker])
        raise
    finally:
        caretaker.cancel()
        await asyncio.gather(caretaker, return_exceptions=True)


async def _take_care(app: procrastinate.App) -> None:
    """Put what dead workers held back into the queue, and drop failures nobody will look at any more."""
    while True:
        for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_S):
            _log.warning("job_taken_over", job=job.task_name)
            await app.job_manager.retry_job(job)
        await app.job_manager.delete_old_jobs(nb_hours=KEEP_FAILED_HOURS, include_failed=True, include_cancelled=True, include_aborted=True)
        await asyncio.sleep(STALLED_S)


def _as_service(url: str) -> str:
    return make_conninfo(url, **as_role(url, ROLE))
