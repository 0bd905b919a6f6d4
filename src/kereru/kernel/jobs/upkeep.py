"""What the scheduler does over and over, whoever else asks for it: each task once in its time, again soon when it failed, and never silently.

When a task last ended well, how often it has failed since and why stands in the database, so that a scheduler that is started anew knows it too.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psycopg

from kereru.kernel.db import INSTALLATION, Database
from kereru.kernel.errors import Unavailable
from kereru.kernel.jobs.model import Backoff
from kereru.kernel.logging import get_logger
from kereru.kernel.metrics import gauge

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
_AGAIN = Backoff(first_s=5.0, most_s=600.0)

_log = get_logger("upkeep")
_age = gauge("upkeep_age_seconds", "Since a task of the scheduler last ended well.", ("task",))
_failures = gauge("upkeep_failures", "How often a task of the scheduler has failed since it last ended well.", ("task",))


@dataclass(frozen=True, slots=True)
class Task:
    """`act` ends well, or raises and is tried again soon; `name` stays for ever, since the database and alerts know it."""

    name: str
    every_s: float
    act: Callable[[], Awaitable[object]]


async def keep_up(service: Database, task: Task, again: Backoff = _AGAIN) -> None:
    """Do the task whenever its time has come, until cancelled. A restart does not make it due."""
    pause_s = 0.0
    while True:
        try:
            pause_s = await _due_in(service, task)
            if pause_s <= 0:
                pause_s = await attempt(service, task, again)
        except (psycopg.Error, Unavailable) as error:
            _log.warning("upkeep_waits_for_database", task=task.name, error=type(error).__name__)
            pause_s = again.first_s
        await asyncio.sleep(pause_s)


async def attempt(service: Database, task: Task, again: Backoff = _AGAIN) -> float:
    """Do the task once and note how it ended; answers in how many seconds it is to be done again. Raises Unavailable, psycopg.Error of the note."""
    problem: str | None = None
    try:
        await task.act()
    except Exception as error:  # noqa: BLE001 - it is noted, counted and tried again
        problem = type(error).__name__
        _log.error("upkeep_failed", task=task.name, error=repr(error))
    async with service.transaction(INSTALLATION) as tx:
        failures = await tx.value("SELECT note_upkeep(%(name)s, %(problem)s)", {"name": task.name, "problem": problem})
    return task.every_s if problem is None else min(task.every_s, again.pause_s(failures) or again.most_s)


async def show_figures(service: Database) -> None:
    """Set the metrics of upkeep to what is so now. Raises Unavailable, psycopg.Error."""
    for row in await service.autocommit("SELECT name, age_s, failures FROM upkeep_figures()"):
        _age.labels(row.name).set(row.age_s)
        _failures.labels(row.name).set(row.failures)


async def _due_in(service: Database, task: Task) -> float:
    """Seconds until the task is due; not above 0 when it is, or never ended well."""
    rows = await service.autocommit("SELECT age_s, failures FROM upkeep_figures() WHERE name = %(name)s", {"name": task.name})
    return task.every_s - rows[0].age_s if rows and not rows[0].failures else 0.0
