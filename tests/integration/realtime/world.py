"""A small world for tests of realtime: a provider, feeds in a real PostgreSQL, a simple presenter, and web processes that serve sockets."""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from kereru.kernel import ids
from kereru.kernel.clock import SystemClock
from kereru.kernel.db import Database, ProviderScope, Transaction
from kereru.realtime.backbone import PostgresBackbone
from kereru.realtime.cursor import CursorCodec
from kereru.realtime.feeds import ChangeKind, Entry, append
from kereru.realtime.model import ChangeRow, PresentedChange, SocketViewer
from kereru.realtime.service import Realtime
from kereru.realtime.socket import Scope
from kereru.realtime.wire import SocketProtocol
from role_databases import without_user

PROVIDER = 7
CURSORS = CursorCodec(b"k" * 32)
_processes = itertools.count(1)


class Note(msgspec.Struct, frozen=True):
    """What the test's presenter shows of a change."""

    id: str
    version: int
    padding: str = ""


class SimplePresenter:
    """Shows each row as a note; counts how often it was asked, and can be told to fail or to leave rows out."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []
        self.padding = ""
        self.fail_for: set[int] = set()
        self.leave_out: set[int] = set()

    async def present(self, tx: Transaction, provider_id: int, wanted: Mapping[int, Sequence[ChangeRow]]) -> dict[int, list[PresentedChange]]:
        return {user_id: self._present(user_id, rows) for user_id, rows in wanted.items()}

    def _present(self, user_id: int, rows: Sequence[ChangeRow]) -> list[PresentedChange]:
        self.calls.append((user_id, len(rows)))
        if user_id in self.fail_for:
            message = "this user's changes cannot be shown"
            raise LookupError(message)
        return [
            PresentedChange(
                feed=ids.encode(row.feed_id),
                position=row.number,
                kind=ChangeKind(row.kind).wire,
                version=row.version,
                message=Note(ids.encode(row.message_id), row.version, self.padding) if row.message_id else None,
            )
            for row in rows
            if row.number not in self.leave_out
        ]


async def make_feed(database: Database, provider_id: int = PROVIDER) -> int:
    async with database.transaction(ProviderScope(provider_id)) as tx:
        return await tx.value("INSERT INTO feed (provider_id, id, kind) VALUES (%(p)s, new_id(), 1) RETURNING id", {"p": provider_id})


async def change(database: Database, feed_id: int, *versions: int, provider_id: int = PROVIDER, wake: bool = True) -> None:
    """Append changes, one for each version, in one transaction."""
    async with database.transaction(ProviderScope(provider_id)) as tx:
        await append_now(tx, feed_id, *versions, provider_id=provider_id)
        if not wake:
            tx._wakes.clear()


async def append_now(tx: Transaction, feed_id: int, *versions: int, provider_id: int = PROVIDER) -> None:
    await append(tx, provider_id, [Entry(feed_id, ChangeKind.MESSAGE_CHANGED, version, message_id=1000 + version) for version in versions])


class Server(uvicorn.Server):
    """uvicorn without signal handlers, so that several run in one test."""

    @contextlib.contextmanager
    def capture_signals(self):
        yield


@dataclass
class Process:
    """One web process's worth of realtime, served on a port of its own."""

    realtime: Realtime
    backbone: PostgresBackbone
    presenter: SimplePresenter
    server: Server
    port: int
    signed_out: set[bytes] = field(default_factory=set)
    refuse_origin: bool = False

    @contextlib.asynccontextmanager
    async def socket(
        self, user: int, feed: int, after: str | None = None, *, session: str = "s", follow: bool = True
    ) -> AsyncIterator[ClientConnection]:
        headers = {"X-User": str(user), "X-Feed": str(feed), "X-Session": session}
        async with connect(f"ws://127.0.0.1:{self.port}/api/v1/socket", additional_headers=headers, max_size=None, close_timeout=1) as ws:
            if follow:
                await ws.send(msgspec.json.encode({"type": "follow"} | ({"after": after} if after is not None else {})).decode())
            yield ws


@contextlib.asynccontextmanager
async def process(
    database: Database, url: str, *, heads_every_s: float = 0.3, stalled_s: float = 30.0, presenter: SimplePresenter | None = None
) -> AsyncIterator[Process]:
    presenter = presenter or SimplePresenter()
    backbone = PostgresBackbone(without_user(url), "kereru_app", database)
    signed_out: set[bytes] = set()

    async def authenticate(scope: Scope) -> SocketViewer | None:
        headers = dict(scope["headers"])
        if b"x-user" not in headers:
            return None
        return SocketViewer(PROVIDER, int(headers[b"x-user"]), (int(headers[b"x-feed"]),), headers[b"x-session"])

    async def still_signed_in(viewers: Sequence[SocketViewer]) -> set[bytes]:
        return {viewer.session_key for viewer in viewers} - signed_out

    realtime = Realtime(
        database=database,
        backbone=backbone,
        presenter=presenter,
        cursors=CURSORS,
        clock=SystemClock(),
        process=f"process-{next(_processes)}",
        authenticate=authenticate,
        from_our_page=lambda scope: dict(scope["headers"]).get(b"origin", b"").find(b"evil") < 0,
        still_signed_in=still_signed_in,
        heads_every_s=heads_every_s,
        stalled_s=stalled_s,
        check_signed_in_s=0.1,
    )
    await backbone.start()
    await realtime.start()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(realtime.socket, ws=SocketProtocol, lifespan="off", log_level="error", timeout_graceful_shutdown=2)
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await until(lambda: server.started)
    try:
        yield Process(realtime, backbone, presenter, server, listening.getsockname()[1], signed_out)
    finally:
        await realtime.drain()
        server.should_exit = True
        await serving
        await realtime.stop()
        await backbone.stop()


async def until(true: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(timeout_s):
        while not true():
            await asyncio.sleep(0.005)


async def frame(ws: ClientConnection, timeout_s: float = 5.0) -> dict:
    return msgspec.json.decode(await asyncio.wait_for(ws.recv(), timeout_s))


async def collect(ws: ClientConnection, count: int, timeout_s: float = 10.0) -> tuple[list[int], str]:
    """(positions of the next `count` changes, the cursor after them)."""
    positions: list[int] = []
    cursor = ""
    async with asyncio.timeout(timeout_s):
        while len(positions) < count:
            got = msgspec.json.decode(await ws.recv())
            assert got["type"] == "changes", got
            positions += [item["position"] for item in got["items"]]
            cursor = got["cursor"]
    return positions, cursor
