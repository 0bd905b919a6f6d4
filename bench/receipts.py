"""receipts: status callbacks, shuffled and repeated, by HTTP → committed, beside the same batch function on one bare connection."""

import asyncio
import os
import random
import time

import msgspec
import psycopg

from bench.load import Connection, connect
from bench.machine import Meter
from bench.options import Options
from bench.rounds import Figures, Result, in_turns
from bench.texts import receipt_webhook
from bench.world import Server, World, running_world, serving
from kereru.messaging.delivery.part_reference import PartName, put_together

CONNECTIONS = 64
BATCH = 50
PARTS_A_ROUND = 2_000
_STATES = ("sent", "delivered", "sent", "delivered", "queued")
"""What comes for each part, in any order; twice of some, as carriers do."""

_RECEIPTS = "SELECT feed_id, number FROM ingest_receipts(%s::text::jsonb)"

# Texts that a carrier has taken: what the sender leaves behind.
_TAKEN = """
CREATE TEMP TABLE taken AS
  SELECT i, new_id() AS conversation_id, new_id() AS message_id, 'SM' || lpad(to_hex(i), 32, '0') AS cid, a.id AS assignment_id
  FROM generate_series(1, %(count)s) AS i
  JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n, count(*) OVER () AS of FROM assignment) a ON a.n = i %% a.of;
INSERT INTO conversation (provider_id, id, assignment_id, remote, last_message_id)
  SELECT %(p)s, conversation_id, assignment_id, '+447700' || lpad(i::text, 6, '0'), message_id FROM taken;
INSERT INTO message (provider_id, id, conversation_id, outbound, status, text, client_id, attempt, segments, platform_id)
  SELECT %(p)s, message_id, conversation_id, true, 3, 'Your order is ready.', 'bench-' || i, 1, 1, %(platform)s FROM taken;
INSERT INTO attempt (provider_id, message_id, attempt, status) SELECT %(p)s, message_id, 1, 3 FROM taken;
INSERT INTO part (provider_id, message_id, attempt, part, platform_id, text, handover, status, carrier_id, tries, handed_over_at)
  SELECT %(p)s, message_id, 1, 1, %(platform)s, 'Your order is ready.', 3, 3, cid, 1, app_now() FROM taken
"""


class Receiving:
    """The subject and its ruler in one world."""

    def __init__(self, world: World, server: Server, ours: list[tuple[int, str]], rulers: list[tuple[int, str]]) -> None:
        self._world, self._server = world, server
        self._ours, self._rulers = ours, rulers
        self._dice = random.Random(5)  # noqa: S311 - repeatable, guards nothing
        self._waiting: list[bytes] = []
        self.refused = 0

    def _shuffled(self, parts: list[tuple[int, str]]) -> list[tuple[int, str, str]]:
        made = [(message, cid, state) for message, cid in parts for state in _STATES]
        self._dice.shuffle(made)
        return made

    async def subject(self) -> Figures:
        """Ten thousand receipts by HTTP."""
        parts, self._ours = self._ours[:PARTS_A_ROUND], self._ours[PARTS_A_ROUND:]
        company, port = self._world.company, self._server.port
        self._waiting = [
            receipt_webhook(company, port, put_together(PartName(message, 1, 1)), cid, state) for message, cid, state in self._shuffled(parts)
        ]
        count = len(self._waiting)
        meter = Meter(server=[self._server.process.pid], database=[self._world.engine_pid], load=[os.getpid()])
        connections = [await connect(port, self._answered) for _ in range(CONNECTIONS)]
        meter.start()
        start = time.perf_counter()
        for connection in connections:
            connection.send(self._waiting.pop())
        while any(connection.busy and not connection.lost for connection in connections):
            await asyncio.sleep(0.002)
        spent = time.perf_counter() - start
        usage = meter.stop()
        for connection in connections:
            connection.close()
        return Figures(count / spent, count, usage)

    def _answered(self, connection: Connection, status: int, _: bytes) -> None:
        self.refused += status != 200
        if self._waiting:
            connection.send(self._waiting.pop())

    async def ruler(self) -> Figures:
        """The same function, batches of 50, one connection."""
        return await asyncio.to_thread(self._ruler)

    def _ruler(self) -> Figures:
        parts, self._rulers = self._rulers[:PARTS_A_ROUND], self._rulers[PARTS_A_ROUND:]
        company = self._world.company
        items = [
            {
                "provider": company.provider_id, "platform": company.platform_id, "cid": cid, "message": message, "attempt": 1, "part": 1,
                "state": {"queued": 1, "sent": 3, "delivered": 4}[state], "carrier_state": state, "code": "", "reason": "",
                "raw": receipt_webhook(company, 8080, message, cid, state).decode(), "request": "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f",
            }
            for message, cid, state in self._shuffled(parts)
        ]  # fmt: skip
        made = [msgspec.json.encode(items[at : at + BATCH]).decode() for at in range(0, len(items), BATCH)]
        meter = Meter(database=[self._world.engine_pid], load=[os.getpid()])
        with psycopg.connect(self._world.ruler_url, user="kereru_ingest", autocommit=True, prepare_threshold=0) as connection:
            meter.start()
            start = time.perf_counter()
            for batch in made:
                connection.execute(_RECEIPTS, [batch]).fetchall()
            spent = time.perf_counter() - start
            return Figures(len(items) / spent, len(items), meter.stop())


def hand_out(world: World, url: str, count: int) -> list[tuple[int, str]]:
    """Make `count` texts that a carrier has taken; (message id, the carrier's id) of each."""
    company = world.company
    with psycopg.connect(url) as connection:
        for statement in _TAKEN.split(";"):
            connection.execute(statement.encode(), {"p": company.provider_id, "platform": company.platform_id, "count": count})
        return [(int(message), str(cid)) for message, cid in connection.execute("SELECT message_id, cid FROM taken ORDER BY i").fetchall()]


async def run(options: Options) -> list[Result]:
    """The benchmark."""
    with running_world() as world:
        count = PARTS_A_ROUND * (options.rounds + 4)
        ours, rulers = hand_out(world, world.url, count), hand_out(world, world.ruler_url, count)
        async with serving(world) as server:
            receiving = Receiving(world, server, ours, rulers)
            await receiving.subject()
            result = await in_turns("receipts", receiving.subject, receiving.ruler, goal=0.60, rounds=options.rounds, extra_rounds=2)
            done = (result.rounds + 1) * PARTS_A_ROUND
            rows = world.query("SELECT count(*) FILTER (WHERE status = 4) FROM message WHERE outbound")
    result.extra.update({"delivered": rows[0][0], "refused": receiving.refused})
    result.holds = result.holds and int(str(rows[0][0])) >= done and not receiving.refused
    return [result]
