"""read_10m: list, open, sync and search at ten million texts by HTTP, beside the same SQL as the same role with BEGIN and scope."""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlencode

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row

from bench.load import Connection, connect, request
from bench.machine import Meter
from bench.options import Options
from bench.rounds import Figures, Result, by_difference, in_turns, percentile, say
from bench.world import Person, World, running_world, serving
from kereru.kernel.db.transaction import Transaction
from kereru.kernel.secrets import load_or_make_key
from kereru.messaging import store as messaging
from kereru.messaging.queries import oldest_kept
from kereru.messaging.search import store as searching
from kereru.realtime import store as realtime
from kereru.realtime.cursor import CursorCodec

TEXTS, CONVERSATIONS, PEOPLE, WEEKS = 10_000_000, 250_000, 2000, 12
OVER_MS = 1.5
SPREAD = 7919
"""Text i stands in conversation 1 + i * SPREAD modulo their number."""
TIMES = 300
_LARGEST_ID = (1 << 63) - 1

Wanted = tuple[Person, int]
ByHand = Callable[[Transaction, Person, int], Awaitable[object]]


async def run(options: Options) -> list[Result]:
    """The benchmark; one result for each kind of reading."""
    with running_world(people=PEOPLE) as world:
        begun = time.monotonic()
        texts, conversations = round(TEXTS * options.scale), max(PEOPLE, round(CONVERSATIONS * options.scale))
        await asyncio.to_thread(fill, world, texts=texts, conversations=conversations, weeks=WEEKS)
        say(f"read_10m: data made in {time.monotonic() - begun:.0f} s")
        owners = _owners(world)
        codec = CursorCodec(load_or_make_key(world.home / "kereru" / "master.key"))
        provider = world.company.provider_id

        def listing(person: Person, _: int) -> str:
            return "/api/v1/conversations?limit=50"

        def opening(_: Person, conversation: int) -> str:
            return f"/api/v1/conversations/{conversation}/messages?limit=50"

        def syncing(person: Person, _: int) -> str:
            return "/api/v1/changes?after=" + codec.encode(provider, person.user_id, ((person.feed_id, 0),))

        async def list_by_hand(tx: Transaction, person: Person, _: int) -> object:
            return await messaging.conversation_page(tx, person.user_id, before=_LARGEST_ID, since=oldest_kept(datetime.now(UTC)), limit=50)

        async def open_by_hand(tx: Transaction, person: Person, conversation: int) -> object:
            await messaging.owns(tx, person.user_id, conversation)
            return await messaging.message_page(tx, conversation, before=_LARGEST_ID, since=oldest_kept(datetime.now(UTC)), limit=50)

        async def sync_by_hand(tx: Transaction, person: Person, _: int) -> object:
            rows = await realtime.read_changes(tx, provider, [(person.feed_id, 0)], page=100, now=datetime.now(UTC))
            await messaging.conversations_seen(tx, sorted({(person.user_id, row.conversation_id) for row in rows if row.conversation_id}))
            return await messaging.messages_seen(tx, sorted({(person.user_id, row.message_id) for row in rows if row.message_id}))

        finding, find_by_hand = _search(world, conversations)
        kinds = (
            ("list", listing, list_by_hand), ("open", opening, open_by_hand), ("sync", syncing, sync_by_hand), ("search", finding, find_by_hand),
        )  # fmt: skip
        results: list[Result] = []
        async with serving(world) as server:
            for name, path, by_hand in kinds:
                reading = Reading(world, server.port, server.process.pid, owners, path, by_hand)
                result = await in_turns(
                    f"read_10m_{name}", reading.subject, reading.ruler, goal=OVER_MS, sense="at most", compare=by_difference, unit="ms",
                    rounds=options.rounds,
                )  # fmt: skip
                result.note = f"p50 by HTTP less p50 of the SQL, {round(TEXTS * options.scale):,} texts"
                results.append(result)
    return results


class Reading:
    """One kind of reading, by HTTP and by hand, one at a time."""

    def __init__(self, world: World, port: int, pid: int, owners: list[Wanted], path: Callable[[Person, int], str], by_hand: ByHand) -> None:
        self._world, self._port, self._pid = world, port, pid
        self._owners, self._path, self._by_hand = owners, path, by_hand
        self._dice = random.Random(8)  # noqa: S311 - repeatable, guards nothing

    async def subject(self) -> Figures:
        """By HTTP."""
        meter = Meter(server=[self._pid], database=[self._world.engine_pid], load=[os.getpid()])
        answers: asyncio.Queue[int] = asyncio.Queue()
        connection: Connection = await connect(self._port, lambda _, status, __: answers.put_nowait(status))
        took: list[float] = []
        meter.start()
        for _ in range(TIMES):
            person, conversation = self._dice.choice(self._owners)
            start = time.perf_counter()
            connection.send(request("GET", self._path(person, conversation), self._port, cookie=person.session))
            status = await answers.get()
            took.append((time.perf_counter() - start) * 1000)
            if status != 200:
                message = f"{self._path(person, conversation)} was answered {status}"
                raise RuntimeError(message)
        connection.close()
        return Figures(percentile(took, 0.5), TIMES, meter.stop(), {"p99_ms": percentile(took, 0.99)})

    async def ruler(self) -> Figures:
        """By hand."""
        meter = Meter(database=[self._world.engine_pid], load=[os.getpid()])
        took: list[float] = []
        opened = await AsyncConnection.connect(
            self._world.url, user="kereru_app", autocommit=True, prepare_threshold=3, row_factory=cast("Any", namedtuple_row)
        )
        async with opened as connection:
            meter.start()
            for _ in range(TIMES):
                person, conversation = self._dice.choice(self._owners)
                start = time.perf_counter()
                await connection.execute(f"BEGIN; SET LOCAL app.provider = '{self._world.company.provider_id}'".encode())
                await self._by_hand(Transaction(connection), person, conversation)
                await connection.execute("COMMIT")
                took.append((time.perf_counter() - start) * 1000)
        return Figures(percentile(took, 0.5), TIMES, meter.stop())


def _search(world: World, conversations: int) -> tuple[Callable[[Person, int], str], ByHand]:
    """Searching, by HTTP and by hand."""
    [(group,)] = world.query("SELECT DISTINCT group_id FROM end_user")

    def asked(conversation: int) -> str:
        """By turns what stands in every text of everybody, and what stands in one of this person's."""
        if conversation % 2:
            return "order read"
        return f"order {(conversation - 1) * pow(SPREAD, -1, conversations) % conversations or conversations}"

    def finding(_: Person, conversation: int) -> str:
        return "/api/v1/search?" + urlencode({"q": asked(conversation), "limit": 20})

    async def find_by_hand(tx: Transaction, person: Person, conversation: int) -> object:
        words, since = asked(conversation), oldest_kept(datetime.now(UTC))
        row = await searching.texts(tx, person.user_id, None, words, before=_LARGEST_ID, since=since, limit=20)
        messages = await messaging.messages_by_id(tx, person.user_id, row.found)
        await messaging.conversations_by_id(tx, person.user_id, sorted({message.conversation_id for message in messages}))
        return await searching.people(tx, person.user_id, int(str(group)), words, [], since=since, limit=10)

    return finding, find_by_hand


def fill(world: World, *, texts: int, conversations: int, weeks: int) -> None:
    """Conversations spread over the numbers, texts over the conversations and over the weeks; two changes for each conversation."""
    names = {
        "p": world.company.provider_id, "platform": world.company.platform_id, "texts": texts, "conversations": conversations, "weeks": weeks,
        "spread": SPREAD,
    }  # fmt: skip
    with psycopg.connect(world.url, autocommit=True) as connection:
        for week in range(weeks + 1):
            connection.execute("CALL make_partitions(0, now() - make_interval(weeks => %s))", [week])
        # Made at once for all of them, the index for search costs a tenth of what it costs text by text.
        [search] = connection.execute("SELECT pg_get_indexdef('message_search'::regclass)").fetchone() or ("",)
        connection.execute("DROP INDEX message_search")
        for statement in _FILL.split(";\n"):
            connection.execute(statement.encode(), names)
        connection.execute(str(search).replace(" ON ONLY ", " ON ").encode())
        connection.execute("VACUUM ANALYZE")


_FILL = """
CREATE TABLE numbered AS SELECT a.id AS assignment_id, u.feed_id, row_number() OVER (ORDER BY a.id) - 1 AS n
  FROM assignment a JOIN end_user u ON u.id = a.user_id;
INSERT INTO conversation (provider_id, id, assignment_id, remote, last_message_id, last_inbound_id)
  SELECT %(p)s, i, n.assignment_id, '+1' || (200 + i %% 799) || '555' || lpad((i / 799)::text, 4, '0'), 1, 1
  FROM generate_series(1, %(conversations)s) AS i JOIN numbered n ON n.n = i %% (SELECT count(*) FROM numbered);
INSERT INTO message (provider_id, id, conversation_id, assignment_id, outbound, status, text, platform_id, carrier_id)
  SELECT %(p)s, lowest_id(now() - make_interval(weeks => %(weeks)s) + make_interval(weeks => %(weeks)s) * (i::float / %(texts)s)) + i %% 1048576,
    c.id, c.assignment_id, false, 9, 'the order is ready can you come by before six today ' || i, %(platform)s, 'SM' || i
  FROM generate_series(1::bigint, %(texts)s) AS i
  JOIN conversation c ON c.provider_id = %(p)s AND c.id = 1 + (i * %(spread)s) %% %(conversations)s;
UPDATE conversation c SET last_message_id = m.id, last_inbound_id = m.id
  FROM (SELECT conversation_id, max(id) AS id FROM message GROUP BY 1) m WHERE c.id = m.conversation_id;
INSERT INTO change (provider_id, feed_id, number, id, kind, conversation_id, message_id, version)
  SELECT %(p)s, n.feed_id, row_number() OVER (PARTITION BY n.feed_id ORDER BY m.id), new_id(), 1, c.id, m.id, 1
  FROM numbered n JOIN conversation c ON c.assignment_id = n.assignment_id
  CROSS JOIN LATERAL (SELECT id FROM message WHERE provider_id = %(p)s AND conversation_id = c.id ORDER BY id DESC LIMIT 2) m;
UPDATE feed f SET head = (SELECT coalesce(max(number), 0) FROM change c WHERE c.feed_id = f.id);
DROP TABLE numbered
"""


def _owners(world: World) -> list[Wanted]:
    """People with one of their conversations each."""
    people = {person.user_id: person for person in world.company.people}
    rows = world.query("SELECT DISTINCT ON (a.user_id) a.user_id, c.id FROM conversation c JOIN assignment a ON a.id = c.assignment_id"
                       " WHERE c.last_message_id > 1 ORDER BY a.user_id, c.id")  # fmt: skip
    return [(people[int(str(user))], int(str(conversation))) for user, conversation in rows]
