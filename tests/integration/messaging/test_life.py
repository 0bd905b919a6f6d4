"""`kereru message ID`: the life of a message from all sources (reliability.md §6), in words and as JSON."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from arrivals import batch, receipt, text
from desk import Desk, person

from kereru.carriers.exchange import secrets_of
from kereru.entrypoints.cli import app as cli
from kereru.kernel.db import Database, ProviderScope
from kereru.messaging import commands
from kereru.messaging.errors import NoSuchMessage
from kereru.messaging.inbound.sink import Sink
from kereru.messaging.life.model import Life
from kereru.messaging.life.queries import life_of
from world import PHONE, Owner, World

SENT, DELIVERED, FAILED, UNKNOWN = 3, 4, 6, 8


async def life(app: Database, owner: Owner, message_id: int, *, later: timedelta = timedelta()) -> Life:
    """As the portal would read it."""
    async with app.transaction(ProviderScope(owner.provider_id)) as tx:
        return await life_of(tx, message_id, datetime.now(UTC) + later)


async def test_a_text_that_was_sent_and_delivered(desk: Desk, app: Database, ingest: Database) -> None:
    """Attempt, part, receipt, exchange and changes, each where it belongs."""
    ana = desk.world.ana
    await desk.carrier.add_fault("restcomm", "no_receipt", count=1)
    message = await desk.send(ana, "It is. Keep it?")
    queued = await life(app, ana, int(message.id))
    assert queued.waiting is not None
    assert (queued.waiting.attempt, queued.waiting.in_hand_since, queued.attempts) == (1, None, ())
    async with desk.sending():
        await desk.until(message, SENT)
    [part] = desk.world.sql("SELECT carrier_id FROM part")
    await Sink(ingest).put(batch(ana, receipt(ana, part.carrier_id, "delivered")))
    found = await life(app, ana, int(message.id))
    assert (found.direction, found.status, found.number, found.remote) == ("out", "delivered", ana.e164, PHONE)
    assert (found.user_name, found.carrier, found.client_id, found.waiting, found.seen) == ("Ana", "restcomm", message.client_id, None, None)
    [attempt] = found.attempts
    [handed] = attempt.parts
    assert (attempt.status, handed.handover, handed.carrier_id, handed.tries) == ("delivered", "accepted", part.carrier_id, 1)
    assert [(one.state, one.carrier_id) for one in handed.receipts] == [("delivered", part.carrier_id)]
    assert [exchange.kind for exchange in found.exchanges] == ["hand_over", "receipt"]
    assert [change.kind for change in found.changes[:2]] == ["message.queued", "message.changed"]
    assert [change.number for change in found.changes] == sorted(change.number for change in found.changes)


async def test_no_secret_of_the_platform_is_in_it(desk: Desk, app: Database) -> None:
    """Reliability.md §6: raw exchanges are masked; what signed the hand-over is nowhere in the life of a message."""
    message = await desk.send(desk.world.ana)
    async with desk.sending():
        await desk.until(message, SENT, DELIVERED)
    found = str(await life(app, desk.world.ana, int(message.id))).encode()
    [platform] = desk.world.sql("SELECT provider_id, id AS platform_id, carrier FROM platform WHERE id = %(id)s", id=desk.world.ana.platform_id)
    assert b"hand_over" in found
    assert b"authorization" in found.lower()
    assert [secret for secret in secrets_of(desk.open_platform(platform).access) if secret in found] == []


async def test_a_text_that_came_and_was_read(desk: Desk, app: Database, ingest: Database) -> None:
    """Seen only once the newest unread ones are read; the raw webhook stands with it."""
    ana, sink = desk.world.ana, Sink(ingest)
    await sink.put(batch(ana, text(ana, "first")))
    await sink.put(batch(ana, text(ana, "second")))
    first, second = (row.id for row in desk.world.sql("SELECT id FROM message ORDER BY id"))
    assert [(await life(app, ana, one)).seen for one in (first, second)] == [False, False]
    [conversation] = desk.world.sql("SELECT id FROM conversation")
    async with app.transaction(ProviderScope(ana.provider_id)) as tx:
        await commands.mark_read(tx, person(ana), ana.feed_id, conversation.id, up_to=first, now=datetime.now(UTC))
    assert [(await life(app, ana, one)).seen for one in (first, second)] == [True, False]
    found = await life(app, ana, first)
    assert (found.seen_at is not None, found.seen_at and found.seen_at >= found.at) == (True, True)
    assert (found.direction, found.status, found.text, found.attempts, found.carrier_id) == ("in", "received", "first", (), found.carrier_id)
    assert [exchange.kind for exchange in found.exchanges] == ["text_in"]
    assert "Body=hello" in found.exchanges[0].raw
    assert [change.kind for change in found.changes] == ["message.received"]


async def test_whose_it_is_and_how_long(world: World, app: Database, ingest: Database) -> None:
    """G30: another provider's scope finds nothing. R45, design §7: exchanges are shown for 14 days, the message for 90."""
    await Sink(ingest).put(batch(world.ana, text(world.ana)))
    [row] = world.sql("SELECT id FROM message")
    with pytest.raises(NoSuchMessage):
        await life(app, world.foreign, row.id)
    assert len((await life(app, world.ana, row.id, later=timedelta(days=13))).exchanges) == 1
    assert (await life(app, world.ana, row.id, later=timedelta(days=15))).exchanges == ()
    with pytest.raises(NoSuchMessage):
        await life(app, world.ana, row.id, later=timedelta(days=91))


async def test_the_command_prints_it(desk: Desk, ingest: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In words, with what strangers wrote made harmless (bad input 21), and as JSON."""
    ana = desk.world.ana
    monkeypatch.setenv("KERERU_DATABASE_URL", desk.world.url)

    async def typed(*words: str) -> str:
        capsys.readouterr()
        assert await asyncio.to_thread(cli, ["message", *words]) == 0
        return capsys.readouterr().out

    await desk.carrier.add_fault("restcomm", "reset_after_accept", count=1)
    message = await desk.send(ana, "Is it \x1b[31mred\x1b[0m?")
    async with desk.sending():
        await desk.until(message, UNKNOWN)
    words = await typed(message.id)
    assert "\x1b" not in words
    assert r"\x1b[31mred" in words
    for said in (f"from {ana.e164} to {PHONE}", "Stands at: unknown", "nobody can tell whether the carrier took it", "message.queued", "POST "):
        assert said in words
    asked = json.loads(await typed(message.id, "--json"))
    assert (asked["id"], asked["status"], asked["attempts"][0]["parts"][0]["handover"]) == (message.id, "unknown", "unknown")
    with pytest.raises(NoSuchMessage):
        await typed(str(int(message.id) + 1))
