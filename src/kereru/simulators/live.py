"""Tells open pages that something changed. Promises: a page that is slow or gone costs the carriers nothing."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec


class Live:
    """A set of listeners; each holds at most 100 unread events and then only learns that it must read everything anew."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[dict[str, str]]] = set()

    def publish(self, topic: str, **facts: str) -> None:
        """Tell all listeners."""
        for queue in self._listeners:
            if not queue.full():
                queue.put_nowait({"topic": topic, **facts})

    async def stream(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Write events to one page in the text/event-stream form until it is cancelled."""
        queue: asyncio.Queue[dict[str, str]] = asyncio.Queue(100)
        self._listeners.add(queue)
        try:
            await write(b"retry: 1000\n\n")
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), 15)
                except TimeoutError:
                    await write(b": still here\n\n")
                    continue
                await write(b"data: " + msgspec.json.encode(event) + b"\n\n")
        finally:
            self._listeners.discard(queue)
