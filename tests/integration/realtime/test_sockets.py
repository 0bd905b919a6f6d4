"""The socket, from outside: a real server, real clients, a real database (issue 2 §5)."""

import asyncio
import json

import pytest
from integration.realtime.world import CURSORS, PROVIDER, Process, change, collect, frame, make_feed, process
from websockets.exceptions import ConnectionClosed, InvalidStatus

from kereru.kernel.db import Database, ProviderScope
from kereru.realtime.live import has_live_socket


async def closed(ws, timeout_s: float = 5.0) -> tuple[int, str]:
    """The close code and reason, once it comes."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                await ws.recv()
    except ConnectionClosed as error:
        return (error.rcvd.code, error.rcvd.reason) if error.rcvd else (1006, "")


async def test_a_change_reaches_an_open_socket(database: Database, database_url: str) -> None:
    feed = await make_feed(database)
    async with process(database, database_url) as web, web.socket(1, feed) as ws:
        first = await frame(ws)
        assert first["type"] == "changes"
        assert first["items"] == []
        await change(database, feed, 1)
        second = await frame(ws)
        assert second["items"] == [
            {
                "feed": str(feed),
                "position": 1,
                "kind": "message.changed",
                "version": 1,
                "message": {"id": "1001", "version": 1, "padding": ""},
                "conversation": None,
                "licence_number": None,
            }
        ]
        assert second["cursor"] == CURSORS.encode(PROVIDER, 1, ((feed, 1),))
