"""portal: what the pages of the portal cost with 1,000 groups and 20,000 users, beside the least that HTTP costs here; time and statements."""

import asyncio
import hashlib
import os
import re
import secrets
import time

import psycopg

from bench.load import Connection, connect, request
from bench.machine import Meter
from bench.options import Options
from bench.rounds import Figures, Result, by_difference, in_turns, percentile, say
from bench.world import World, running_world, serving

RESELLERS, GROUPS, USERS, ACCOUNTS, CHANGES = 20, 1_000, 20_000, 300, 50_000
TIMES = 60
PAGE_MS, STATEMENTS = 50.0, 6
_STATEMENT = re.compile(r"LOG:\s+(?:statement|execute [^:]*): (?!BEGIN|COMMIT|ROLLBACK|DEALLOCATE|SELECT pg_notify)")


async def run(options: Options) -> list[Result]:
    """Every page, its 95th percentile; the slowest decides, and the most statements."""
    with running_world(people=max(200, round(USERS * options.scale))) as world:
        session = await asyncio.to_thread(_fill, world, options.scale)
        pages = _pages(world)
        async with serving(world, web_processes="1") as server:
            portal = Portal(world, server.port, server.process.pid, session, pages)
            result = await in_turns(
                "portal", portal.subject, portal.ruler, goal=PAGE_MS, sense="at most", compare=by_difference, unit="ms", rounds=options.rounds
            )
            statements = await portal.statements()
    worst = max(statements, key=lambda name: statements[name])
    result.note = f"p95 of the slowest page less p95 of the least answer; most statements: {worst} with {statements[worst]} (goal {STATEMENTS})"
    result.extra = {**result.extra, **{f"{name}_statements": count for name, count in statements.items()}}
    result.holds = result.holds and statements[worst] <= STATEMENTS
    return [result]


class Portal:
    """A technician who opens one page after the other."""

    def __init__(self, world: World, port: int, pid: int, session: str, pages: dict[str, list[str]]) -> None:
        self._world, self._port, self._pid, self._session, self._pages = world, port, pid, session, pages
        self._answers: asyncio.Queue[int] = asyncio.Queue()

    async def subject(self) -> Figures:
        """p95 of the slowest page, in milliseconds; every page's own is among the extras."""
        meter = Meter(server=[self._pid], database=[self._world.engine_pid], load=[os.getpid()])
        connection = await connect(self._port, lambda _, status, __: self._answers.put_nowait(status))
        took: dict[str, list[float]] = {name: [] for name in self._pages}
        meter.start()
        for turn in range(TIMES):
            for name, paths in self._pages.items():
                start = time.perf_counter()
                await self._open(connection, paths[turn % len(paths)])
                took[name].append((time.perf_counter() - start) * 1000)
        connection.close()
        p95 = {f"{name}_ms": percentile(times, 0.95) for name, times in took.items()}
        return Figures(max(p95.values()), TIMES * len(took), meter.stop(), p95)

    async def ruler(self) -> Figures:
        """p95 of an answer that asks nobody."""
        meter = Meter(server=[self._pid], load=[os.getpid()])
        connection = await connect(self._port, lambda _, status, __: self._answers.put_nowait(status))
        took: list[float] = []
        meter.start()
        for _ in range(TIMES):
            start = time.perf_counter()
            await self._open(connection, "/health/live")
            took.append((time.perf_counter() - start) * 1000)
        connection.close()
        return Figures(percentile(took, 0.95), TIMES, meter.stop())

    async def statements(self) -> dict[str, int]:
        """How many statements the database saw for each page, by its own log."""
        log = self._world.home / "kereru" / "logs" / "postgres.log"
        connection = await connect(self._port, lambda _, status, __: self._answers.put_nowait(status))
        counts: dict[str, int] = {}
        for name, paths in self._pages.items():
            # Once before, so that nothing is counted that happens on the first visit only: who it is, prepared statements.
            await self._open(connection, paths[0])
            _log_statements(self._world, on=True)
            begun = log.stat().st_size
            await self._open(connection, paths[0])
            _log_statements(self._world, on=False)
            written = log.read_bytes()[begun:].decode(errors="replace")
            counts[name] = sum("kereru_app" in line and bool(_STATEMENT.search(line)) for line in written.splitlines())
        connection.close()
        return counts

    async def _open(self, connection: Connection, path: str) -> None:
        connection.send(request("GET", path, self._port, cookie=self._session))
        status = await self._answers.get()
        if status != 200:
            message = f"{path} was answered {status}"
            raise RuntimeError(message)


def _log_statements(world: World, *, on: bool) -> None:
    with psycopg.connect(world.url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET log_statement = 'all'" if on else "ALTER SYSTEM RESET log_statement")
        connection.execute("SELECT pg_reload_conf()")
    time.sleep(0.3)


def _pages(world: World) -> dict[str, list[str]]:
    """What the portal's pages ask for."""
    api = "/api/v1"
    resellers = [str(row[0]) for row in world.query("SELECT id FROM reseller WHERE name LIKE 'Reseller %%' ORDER BY random() LIMIT 20")]
    groups = [str(row[0]) for row in world.query("SELECT id FROM user_group WHERE name LIKE 'Group %%' ORDER BY random() LIMIT 50")]
    people = world.company.people
    digits = [person.e164[-6:] for person in people[:: max(1, len(people) // 50)]]
    users = [str(person.user_id) for person in people[:: max(1, len(people) // 50)]]
    return {
        "tree": [f"{api}/tree"],
        "resellers": [f"{api}/resellers?limit=50"],
        "groups": [f"{api}/groups?limit=50", *(f"{api}/groups?reseller={one}&limit=50" for one in resellers)],
        "users": [f"{api}/users?limit=50", *(f"{api}/users?group={one}&limit=50" for one in groups)],
        "users_found": [f"{api}/users?q=user{number}&limit=50" for number in range(100, 150)],
        "user": [f"{api}/users/{one}" for one in users],
        "accounts": [f"{api}/portal-accounts?limit=50"],
        "numbers": [f"{api}/assignments?limit=50", *(f"{api}/assignments?level=group&organisation={one}&limit=50" for one in groups)],
        "numbers_found": [f"{api}/assignments?q={one}&limit=50" for one in digits],
        "history": [f"{api}/history?limit=50", *(f"{api}/history?level=group&organisation={one}&limit=50" for one in groups)],
    }


def _fill(world: World, scale: float) -> str:
    """Resellers, groups, portal accounts and a history over the world's people; answers a provider account's session."""
    provider = world.company.provider_id
    session = f"{provider}.{secrets.token_urlsafe(32)}"
    names = {
        "p": provider, "resellers": RESELLERS, "groups": max(20, round(GROUPS * scale)), "accounts": ACCOUNTS,
        "changes": max(1_000, round(CHANGES * scale)), "hash": hashlib.sha256(session.encode()).digest(),
    }  # fmt: skip
    with psycopg.connect(world.url, autocommit=True) as connection:
        for statement in _FILL.split(";\n"):
            connection.execute(statement.encode(), names)
        connection.execute("VACUUM ANALYZE")
    say("portal: data made")
    return session


_FILL = """
INSERT INTO reseller (provider_id, id, name) SELECT %(p)s, new_id(), 'Reseller ' || i FROM generate_series(1, %(resellers)s) AS i;
INSERT INTO user_group (provider_id, id, reseller_id, name)
  SELECT %(p)s, new_id(), r.id, 'Group ' || i FROM generate_series(1, %(groups)s) AS i
  JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM reseller WHERE name LIKE 'Reseller %%') r ON r.n = i %% %(resellers)s;
UPDATE end_user u SET group_id = g.id
  FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM user_group WHERE name LIKE 'Group %%') g,
       (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM end_user) w
  WHERE w.id = u.id AND g.n = w.n %% %(groups)s;
CREATE TABLE staff AS SELECT i, new_id() AS id FROM generate_series(1, %(accounts)s) AS i;
INSERT INTO sign_in (provider_id, id, email, password_hash) SELECT %(p)s, id, 'staff' || i || '@southern.example', '-' FROM staff;
INSERT INTO sign_in_email SELECT 'staff' || i || '@southern.example', %(p)s, id FROM staff;
INSERT INTO portal_role (provider_id, id, sign_in_id, level, organisation_id, name, send_alerts)
  SELECT %(p)s, new_id(), id, 1, %(p)s, 'Staff ' || i, i = 1 FROM staff;
INSERT INTO session (provider_id, token_hash, sign_in_id) SELECT %(p)s, %(hash)s, id FROM staff WHERE i = 1;
ALTER TABLE history DISABLE TRIGGER history_linked;
INSERT INTO history (provider_id, actor, address, via, action, target_kind, target_id, target_name, reseller_id, group_id, user_id, before, after)
  SELECT %(p)s, 'staff1@southern.example', '192.0.2.1', 'session', 'user.changed', 'user', u.id, u.name, g.reseller_id, g.id, u.id,
    '{"name": "Ann"}', '{"name": "Anne"}'
  FROM generate_series(1, %(changes)s) AS i
  JOIN (SELECT *, row_number() OVER (ORDER BY id) - 1 AS n, count(*) OVER () AS many FROM end_user) u ON u.n = i %% u.many
  JOIN user_group g ON g.id = u.group_id;
ALTER TABLE history ENABLE TRIGGER history_linked
"""
