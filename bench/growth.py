"""growth: what a text costs, taken in and sent, while what is stored grows from ten thousand texts to ten million, and from one number to 100,000.

Costs are CPU microseconds of the database for each text, so that others' work on the machine counts for little: the batch function for texts in, and
the command, the claim and the outcome for texts out. The goal is a flat line: the dearest size at most 1.5 times the cheapest. The plot goes to
docs/images/growth.svg; its caption names the sizes.
"""

import itertools
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psycopg

from bench.machine import Meter
from bench.options import Options
from bench.plot import Chart, write
from bench.rounds import Figures, Result, by_rate, say, summed_up
from bench.texts import Texts, batches
from bench.world import World, running_world
from kereru.carriers.numbering import habits_of
from kereru.kernel.db import INSTALLATION, Database
from kereru.messaging import commands
from kereru.messaging.commands import Draft, Sender
from kereru.messaging.delivery import store as delivery
from kereru.messaging.delivery.store import Settlement

TEXTS = (10_000, 100_000, 1_000_000, 10_000_000)
NUMBERS = (1, 10, 100, 1_000, 10_000, 100_000)
PEOPLE, STORED = 1_000, 100_000
WEEKS = 12
BATCH = 50
MOST = 1.5
PLOT = Path(__file__).parent.parent / "docs" / "images" / "growth.svg"
_INGEST = "SELECT ordinal, outcome, message_id, feed_id, feed_number FROM ingest_texts(%s::text::jsonb)"
_seeds = itertools.count(0x400000)


@dataclass
class Costs:
    """What was measured at one size: a row of rounds for each direction."""

    size: int
    taken_in: list[Figures] = field(default_factory=list[Figures])
    sent: list[Figures] = field(default_factory=list[Figures])


async def run(options: Options) -> list[Result]:
    """The benchmark: first more and more texts in one database, then more and more numbers, each in a database of its own."""
    texts: list[Costs] = []
    with running_world(people=max(1, min(PEOPLE, round(TEXTS[-1] * options.scale)))) as world:
        filled = 0
        for size in _sizes(TEXTS, options.scale):
            _fill(world, filled, size)
            filled = size
            texts.append(await _measured(world, size, options))
    numbers: list[Costs] = []
    for size in _sizes(NUMBERS, options.scale):
        with running_world(people=size) as world:
            _fill(world, 0, max(1, round(STORED * options.scale)))
            numbers.append(await _measured(world, size, options))
    series = {"texts": texts, "numbers": numbers}
    charts = [
        Chart(
            f"{name} stored" if name == "texts" else name,
            f"{name} (powers of ten)",
            {"taken in": _line(costs, "taken_in"), "sent": _line(costs, "sent")},
        )
        for name, costs in series.items()
    ]
    write(PLOT, f"Database CPU a text, median of {options.rounds} rounds, scale {options.scale:g}", "µs a text", charts)
    return [_result(f"growth_{name}_{way}", costs, way) for name, costs in series.items() for way in ("taken_in", "sent")]


def _sizes(wanted: tuple[int, ...], scale: float) -> list[int]:
    return sorted({max(1, round(size * scale)) for size in wanted})


async def _measured(world: World, size: int, options: Options) -> Costs:
    costs = Costs(size)
    company = world.company
    async with Database(world.url, "kereru_app", size=1) as app, Database(world.url, "kereru_service", size=1) as service:
        async with service.transaction(INSTALLATION) as tx:
            epoch = next(row.epoch for row in await delivery.take_leases(tx, "growth", 3600) if row.platform_id == company.platform_id)
        with psycopg.connect(world.url, user="kereru_ingest", autocommit=True, prepare_threshold=0) as ingest:
            for number in range(options.rounds + 1):
                taken_in = _take_in(world, ingest, options.seconds)
                sent = await _send(world, app, service, epoch, options.seconds)
                if number:  # the first plans statements and fills caches
                    costs.taken_in.append(taken_in)
                    costs.sent.append(sent)
    say(f"growth at {size:,}: {_median(costs.taken_in):.0f} us taken in, {_median(costs.sent):.0f} us sent")
    return costs


def _take_in(world: World, ingest: "psycopg.Connection[tuple[object, ...]]", seconds: float) -> Figures:
    texts = Texts(world.company, next(_seeds))
    with _metered(world) as counted:
        while counted.seconds < seconds:
            for batch in batches(world.company, texts, 5, BATCH):
                ingest.execute(_INGEST, [msgspec.json.encode(batch).decode()]).fetchall()
                counted.count += BATCH
    return counted.figures()


async def _send(world: World, app: Database, service: Database, epoch: int, seconds: float) -> Figures:
    """Send by the command, one transaction each, then claim and settle by the hundred, as if a carrier had taken them all."""
    company, texts = world.company, Texts(world.company, next(_seeds))
    numbers = {person.e164: person for person in company.people}
    with _metered(world) as counted:
        while counted.seconds < seconds:
            for _ in range(BATCH):
                cid, own, _remote, words = texts.next()
                sender = Sender(company.provider_id, numbers[own].user_id, habits_of("US", exclude_leading_zero=True))
                to = f"+1202555{200 + counted.count % 9_800:04}"  # nobody's own: those are 01xx
                await commands.send(app, sender, f"{cid}-{counted.count}"[-64:], Draft(numbers[own].number_id, to, words))
                counted.count += 1
            await _deliver(service, world, epoch)
        while await _deliver(service, world, epoch):
            pass
    return counted.figures()


async def _deliver(service: Database, world: World, epoch: int) -> int:
    provider, platform = world.company.provider_id, world.company.platform_id
    async with service.transaction(INSTALLATION) as tx:
        parts = await delivery.claim(tx, provider, platform, "growth", epoch, 100)
    items = [
        Settlement(
            message=part.message_id,
            attempt=part.attempt,
            part=part.part,
            tries=part.tries,
            outcome="accepted",
            cid=f"SM{part.message_id}",
            raw=part.text,
        )
        for part in parts
    ]
    if items:
        async with service.transaction(INSTALLATION) as tx:
            await delivery.settle(tx, provider, platform, items)
    return len(items)


class _Counted:
    """Texts, and what the database used for them."""

    def __init__(self, world: World) -> None:
        self.count = 0
        self.meter = Meter(database=[world.engine_pid])
        self.meter.start()
        self._began = time.perf_counter()
        self._usage = None

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.perf_counter() - self._began

    def end(self) -> None:
        """Read the meter."""
        self._usage = self.meter.stop()

    def figures(self) -> Figures:
        """Microseconds of the database's CPU a text."""
        assert self._usage is not None
        return Figures(self._usage.groups["database"] / self.count * 1e6, self.count, self._usage)


@contextmanager
def _metered(world: World) -> Iterator[_Counted]:
    counted = _Counted(world)
    yield counted
    counted.end()


def _median(figures: list[Figures]) -> float:
    return statistics.median(one.value for one in figures)


def _line(costs: list[Costs], way: str) -> list[tuple[float, float]]:
    return [(each.size, _median(getattr(each, way))) for each in costs]


def _result(name: str, costs: list[Costs], way: str) -> Result:
    """The dearest size beside the cheapest."""
    ordered = sorted((getattr(each, way) for each in costs), key=_median)
    result = summed_up(name, list(zip(ordered[-1], ordered[0], strict=True)), goal=MOST, sense="at most", compare=by_rate, unit="x")
    result.extra.update({f"us_at_{size}": round(cost, 1) for size, cost in _line(costs, way)})
    result.note = "database CPU a text at the dearest size, beside the cheapest; docs/images/growth.svg"
    return result


_FILL = """
INSERT INTO conversation (provider_id, id, assignment_id, remote, last_message_id, last_inbound_id)
  SELECT %(p)s, i, a.id, '+1' || (200 + i %% 799) || '555' || lpad((i / 799 %% 10000)::text, 4, '0') || i / 7990000, 1, 1
  FROM generate_series(%(from)s / 20 + 1, %(to)s / 20 + 1) AS i
  JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n, count(*) OVER () AS many FROM assignment) a ON a.n = i %% a.many
  ON CONFLICT DO NOTHING;
INSERT INTO message (provider_id, id, conversation_id, assignment_id, outbound, status, text, platform_id, carrier_id)
  SELECT %(p)s, lowest_id(now() - make_interval(weeks => %(weeks)s) * random()) + i %% 1048576, c.id, c.assignment_id, i %% 3 = 0,
    CASE i %% 3 WHEN 0 THEN 4 ELSE 9 END, 'the order is ready can you come by before six today ' || i, %(platform)s, 'OLD' || i
  FROM generate_series(%(from)s + 1::bigint, %(to)s) AS i JOIN conversation c ON c.provider_id = %(p)s AND c.id = 1 + i / 20 ON CONFLICT DO NOTHING;
INSERT INTO dedupe (provider_id, platform_id, number_id, kind, carrier_id, id)
  SELECT m.provider_id, m.platform_id, a.number_id, 1, m.carrier_id, m.id FROM message m
  JOIN conversation c ON c.provider_id = m.provider_id AND c.id = m.conversation_id
  JOIN assignment a ON a.provider_id = c.provider_id AND a.id = c.assignment_id
  WHERE NOT m.outbound AND m.conversation_id > %(from)s / 20 AND m.carrier_id LIKE 'OLD%%' ON CONFLICT DO NOTHING;
INSERT INTO attempt (provider_id, message_id, attempt, status)
  SELECT provider_id, id, 1, 4 FROM message WHERE outbound AND conversation_id > %(from)s / 20 AND carrier_id LIKE 'OLD%%' ON CONFLICT DO NOTHING;
INSERT INTO part (provider_id, message_id, attempt, part, platform_id, text, handover, status, carrier_id)
  SELECT provider_id, id, 1, 1, platform_id, text, 3, 4, carrier_id FROM message
  WHERE outbound AND conversation_id > %(from)s / 20 AND carrier_id LIKE 'OLD%%' ON CONFLICT DO NOTHING;
INSERT INTO receipt (provider_id, id, platform_id, carrier_id, state, carrier_state)
  SELECT provider_id, id, platform_id, carrier_id, 4, 'delivered' FROM message
  WHERE outbound AND conversation_id > %(from)s / 20 AND carrier_id LIKE 'OLD%%' ON CONFLICT DO NOTHING;
UPDATE conversation c SET last_message_id = m.id, last_inbound_id = m.id
  FROM (SELECT conversation_id, max(id) AS id FROM message WHERE conversation_id > %(from)s / 20 AND carrier_id LIKE 'OLD%%' GROUP BY 1) m
  WHERE c.id = m.conversation_id
"""


def _fill(world: World, begin: int, end: int) -> None:
    """Old texts from the `begin`-th to the `end`-th, over twelve weeks and twenty to a conversation, with all that belongs to them."""
    names = {"p": world.company.provider_id, "platform": world.company.platform_id, "from": begin, "to": end, "weeks": WEEKS}
    with psycopg.connect(world.url, autocommit=True) as connection:
        for week in range(WEEKS + 1):
            connection.execute("CALL make_partitions(0, now() - make_interval(weeks => %s))", [week])
        # Made at once for all of them, the index for search costs a tenth of what it costs text by text.
        [search] = connection.execute("SELECT pg_get_indexdef('message_search'::regclass)").fetchone() or ("",)
        connection.execute("DROP INDEX message_search")
        for statement in _FILL.split(";\n"):
            connection.execute(statement.encode(), names)
        connection.execute(str(search).replace(" ON ONLY ", " ON ").encode())
        connection.execute("VACUUM ANALYZE")
