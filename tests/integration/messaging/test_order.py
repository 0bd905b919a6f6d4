"""G7, G43: the order of a conversation is stable whatever comes when; and clocks that differ or jump lose, double and hide nothing."""

import random
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from arrivals import batch, receipt, text
from desk import person
from hand import Hand, ended

from kereru.kernel import ids
from kereru.kernel.db import Database, ProviderScope
from kereru.messaging import commands, queries
from kereru.messaging.commands import Draft
from kereru.messaging.inbound.sink import Sink
from kereru.messaging.model import Conversation, Message
from kereru.realtime import store as realtime
from kereru.realtime.delivery import stretches
from role_databases import as_role
from world import PHONE, World

WITHHELD, AGREED = 4, 2


class Reader:
    """What Ana's program fetches, on a web process whose clock may go wrong."""

    def __init__(self, app: Database, world: World, skew: timedelta = timedelta()) -> None:
        self.app, self.ana, self.skew = app, world.ana, skew

    @property
    def now(self) -> datetime:
        """What that process takes for the present."""
        return datetime.now(UTC) + self.skew

    async def conversations(self) -> list[Conversation]:
        """The activity list."""
        async with self.app.transaction(ProviderScope(self.ana.provider_id)) as tx:
            items, _ = await queries.conversation_page(tx, self.ana.user_id, "US", before=ids.MAX_ID, now=self.now, limit=50)
        return items

    async def messages(self, limit: int = 200) -> list[Message]:
        """The conversation with PHONE from its beginning, put together from pages."""
        found: list[Message] = []
        [conversation] = [item for item in await self.conversations() if item.remote == PHONE] or [None]
        before = ids.MAX_ID
        while conversation is not None:
            async with self.app.transaction(ProviderScope(self.ana.provider_id)) as tx:
                page = await queries.message_page(tx, self.ana.user_id, int(conversation.id), before=before, now=self.now, limit=limit)
            found += page
            if len(page) < limit:
                break
            before = int(page[-1].id)
        return found[::-1]

    async def send(self, words: str, key: str) -> Message:
        """Ana answers."""
        return (await commands.send(self.app, person(self.ana), key, Draft(self.ana.number_id, PHONE, words)))[0]


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_that_comes_later_moves_what_is_there(world: World, app: Database, ingest: Database, service: Database, seed: int) -> None:
    """G7: texts both ways, receipts in any order, texts sent again, and ones shown late: each keeps its place and its id, new ones slot in."""
    dice = random.Random(seed)
    reader, sink, hand = Reader(app, world), Sink(ingest), Hand(service, world.ana)
    await hand.lease()
    sent: list[str] = []

    async def arrive() -> None:
        await sink.put(batch(world.ana, *(text(world.ana, f"in {dice.random()}") for _ in range(dice.randint(1, 3)))))

    async def send() -> None:
        await reader.send("out", f"client-key-{len(sent):04d}")
        for part in await hand.claim():
            sent.append(f"SM{part.message_id}")
            await hand.settle(ended(part, dice.choice(["accepted", "unknown"]), cid=sent[-1]))

    async def report() -> None:
        for cid in dice.sample(sent, min(3, len(sent))):
            await sink.put(batch(world.ana, receipt(world.ana, cid, dice.choice(["sent", "delivered", "failed"]))))

    async def show_late() -> None:
        world.sql("UPDATE opt_in SET state = %(state)s WHERE assignment_id = %(id)s", state=WITHHELD, id=world.ana.assignment_id)
        await arrive()
        world.sql("UPDATE opt_in SET state = %(state)s WHERE assignment_id = %(id)s", state=AGREED, id=world.ana.assignment_id)
        await arrive()
        before = [message.id for message in await reader.messages()]
        async with app.transaction(ProviderScope(world.ana.provider_id)) as tx:
            await commands.release_withheld(tx, world.ana.provider_id, world.ana.assignment_id)
        after = [message.id for message in await reader.messages()]
        assert [each for each in after if each in set(before)] == before
        assert after[: len(before)] != before, "they stand where they came, before what came after them"

    seen: list[str] = []
    for _ in range(25):
        await dice.choice([arrive, arrive, send, report, show_late])()
        now = [message.id for message in await reader.messages()]
        assert [each for each in now if each in set(seen)] == seen, "what was there keeps its order, and none of it is gone"
        assert [int(each) for each in now] == sorted({int(each) for each in now})
        assert [message.id for message in await reader.messages(limit=3)] == now, "pages show the same"
        seen = now
    assert len(seen) > 20


MINUTES = timedelta(minutes=5)


@pytest.mark.parametrize("skew", [-MINUTES, timedelta(), MINUTES])
async def test_a_clock_that_jumps_loses_doubles_and_hides_nothing(world: World, skew: timedelta) -> None:
    """G43: the database's clock jumps an hour forward and back, a web process goes five minutes wrong all the time."""
    world.sql("UPDATE licence SET starts_at = starts_at - interval '1 day'")
    sink_texts: list[str] = []
    repeated = []
    for number, hours in enumerate((0, 1, 0, -1, 0)):
        with psycopg.connect(world.url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {connection.info.dbname} SET app.clock_offset = '{hours} hours'".encode())
        async with (
            as_role(world.url, "kereru_app") as app,
            as_role(world.url, "kereru_ingest") as ingest,
            as_role(world.url, "kereru_service") as service,
        ):
            reader, sink, hand = Reader(app, world, skew), Sink(ingest), Hand(service, world.ana)
            one = batch(world.ana, text(world.ana, f"in {number}"))
            repeated.append(one)
            for each in repeated:
                await sink.put(each)
            assert await hand.lease(), "a lease of its own is renewed or taken again at once"
            sent = await reader.send(f"out {number}", f"client-key-{number}")
            assert (await reader.send(f"out {number}", f"client-key-{number}")).id == sent.id
            [part] = await hand.claim()
            await hand.disown()
            await hand.settle(ended(part, "accepted", cid=f"SM-{number}"))
            await sink.put(batch(world.ana, receipt(world.ana, f"SM-{number}", "delivered")))
            assert await hand.expire() == 0
            sink_texts += [f"in {number}", f"out {number}"]
            messages = await reader.messages()
            assert sorted(message.text for message in messages) == sorted(sink_texts)
            assert {message.status for message in messages} == {"received", "delivered"}
            async with app.transaction(ProviderScope(world.ana.provider_id)) as tx:
                rows = await realtime.read_changes(tx, world.ana.provider_id, [(world.ana.feed_id, 0)], page=500, now=reader.now)
            found = stretches(rows)[world.ana.feed_id, 0]
            assert found.explains(0), "the feed has neither gap nor double"
            assert {row.message_id for row in found.rows} == {int(message.id) for message in messages}
            [conversation] = await reader.conversations()
            assert conversation.unread == number + 1
