"""A web process: webhooks, API, sockets and the web app on one inherited socket. Wiring only."""

import asyncio
import contextlib
import os
import signal
import socket as sockets_module
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import uvicorn
import uvloop

from kereru.api.app import create_app
from kereru.api.asgi import App, Scope
from kereru.api.bundle import BundleApp
from kereru.api.connections import KEEP_ALIVE_S, HttpConnection
from kereru.api.doors import Doors
from kereru.carriers.ingress import Ingress
from kereru.carriers.intake.keeper import Keeper
from kereru.carriers.registry import Carriers
from kereru.contacts import api as contacts
from kereru.entrypoints.lifeline import Announce
from kereru.entrypoints.wiring import desk_of, own_host, portal_ports, sealer_of
from kereru.kernel.clock import SystemClock
from kereru.kernel.db import Database
from kereru.kernel.http_client import CarrierClient
from kereru.kernel.limits import SOCKET_FRAME_BYTES
from kereru.kernel.secrets import Sealer, load_or_make_key
from kereru.kernel.settings import Settings
from kereru.messaging import api as messaging
from kereru.messaging.attachments.intake import files_of
from kereru.messaging.attachments.links import Links
from kereru.messaging.changes import Presenter
from kereru.messaging.commands import release_withheld
from kereru.messaging.inbound.sink import Sink, has_consent_word
from kereru.migrations.runner import head
from kereru.provisioning import api as provisioning
from kereru.provisioning.platforms.directory import CONFIG_CHANNEL, CachedPlatforms
from kereru.provisioning.platforms.notes import PlatformNotes
from kereru.realtime import api as realtime_api
from kereru.realtime.backbone import PostgresBackbone
from kereru.realtime.cursor import CursorCodec
from kereru.realtime.model import SocketViewer
from kereru.realtime.service import Realtime
from kereru.realtime.wire import SocketProtocol
from kereru.tenancy import api as tenancy
from kereru.tenancy.access.queries import Authenticator
from kereru.tenancy.access.recording import SESSION_CHANNEL

DRAIN_S = 5
LISTEN_WITHIN_S = 5.0
PING_S = 20.0
ROUTES = (*tenancy.ROUTES, *realtime_api.ROUTES, *provisioning.ROUTES, *messaging.ROUTES, *contacts.ROUTES)
"""Every slice's routes, in the order of the slices."""


def main(settings: Settings, listening: Sequence[sockets_module.socket], announce: Announce) -> None:
    """Serve until SIGTERM or SIGINT, which make this process unready first, or SIGUSR1: a successor accepts on the same socket already."""
    uvloop.run(serve(settings, list(listening), announce))


async def serve(settings: Settings, listening: list[sockets_module.socket], announce: Announce) -> None:
    """Wire the process, serve, and leave in order: unready, then drained, then closed (reliability.md §6)."""
    async with contextlib.AsyncExitStack() as ending:
        parts = await _open(settings, ending)
        stopping, unready = asyncio.Event(), asyncio.Event()
        server = _Server(_uvicorn(_application(settings, parts, unready.is_set)), announce)
        loop = asyncio.get_running_loop()
        # Whoever asks this address while we are replaced is well served, so nobody may hear "unready" from a connection that was accepted before.
        loop.add_signal_handler(signal.SIGUSR1, stopping.set)
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, lambda: (unready.set(), stopping.set()))
        leaving = asyncio.create_task(_leave(stopping, parts.realtime, server))
        await server.serve(sockets=listening)
        stopping.set()
        await leaving
        # A database that is silent now must not hold up the end: what was answered lies in the intake log.
        await asyncio.wait([asyncio.create_task(parts.sink.drain())], timeout=DRAIN_S)


@dataclass(frozen=True)
class _Parts:
    """What the process holds open."""

    master_key: bytes
    sealer: Sealer
    clock: SystemClock
    app: Database
    door: CarrierClient
    own_door: CarrierClient
    authenticator: Authenticator
    platforms: CachedPlatforms
    sink: Sink
    keeper: Keeper
    cursors: CursorCodec
    realtime: Realtime


async def _open(settings: Settings, ending: contextlib.AsyncExitStack) -> _Parts:
    """Connect and start everything, each to be closed by `ending`."""
    clock = SystemClock()
    master_key = load_or_make_key(settings.key_path)
    sealer = sealer_of(master_key)
    # Patient: a process that starts while the database is away takes webhooks all the same (decision 0013).
    app = await ending.enter_async_context(Database(settings.database_url, "kereru_app", size=settings.pool_size, patient=True))
    ingest = await ending.enter_async_context(Database(settings.database_url, "kereru_ingest", size=settings.pool_size, patient=True))
    door = await ending.enter_async_context(
        CarrierClient(allow_private_hosts=settings.allow_private_hosts, ca_bundle=settings.ca_bundle, deadline_s=settings.carrier_timeout_s)
    )
    own_door = await ending.enter_async_context(CarrierClient(allow_private_hosts=(own_host(settings),), ca_bundle=settings.ca_bundle))
    authenticator = Authenticator(app, settings, clock)
    backbone = PostgresBackbone(settings.server_url, "kereru_app", app)
    app.hear_first = ingest.hear_first = backbone.deliver
    notes = PlatformNotes(settings.intake_path, ingest, clock)
    platforms = CachedPlatforms(ingest, sealer, clock, notes)
    backbone.subscribe(CONFIG_CHANNEL, lambda _: platforms.forget(), platforms.forget)
    backbone.subscribe(SESSION_CHANNEL, authenticator.hear, authenticator.forget_all)
    sink = Sink(ingest)
    keeper = Keeper(settings.intake_path, sink, ingest, has_consent_word, bytes_max=settings.intake_bytes, clock=clock)
    answered = await keeper.start()
    ending.push_async_callback(keeper.stop)
    cursors = CursorCodec(master_key)
    realtime = _realtime(settings, app, backbone, authenticator, cursors, clock)
    await backbone.start(LISTEN_WITHIN_S if answered else 0.0)
    ending.push_async_callback(backbone.stop)
    await realtime.start()
    ending.push_async_callback(realtime.stop)
    ending.callback(asyncio.create_task(notes.keep()).cancel)
    return _Parts(master_key, sealer, clock, app, door, own_door, authenticator, platforms, sink, keeper, cursors, realtime)


def _realtime(
    settings: Settings, app: Database, backbone: PostgresBackbone, authenticator: Authenticator, cursors: CursorCodec, clock: SystemClock
) -> Realtime:
    async def viewer_of(scope: Scope) -> SocketViewer | None:
        principal = await authenticator.principal_of(scope["headers"])
        if principal is None or principal.user is None or not principal.can("client.read"):
            return None
        return SocketViewer(principal.provider_id, principal.user.id, (principal.user.feed_id,), principal.credential)

    async def still_signed_in(viewers: Sequence[SocketViewer]) -> set[bytes]:
        return await authenticator.still_good((viewer.provider_id, viewer.session_key) for viewer in viewers)

    return Realtime(
        database=app,
        backbone=backbone,
        presenter=Presenter(),
        cursors=cursors,
        clock=clock,
        process=f"{os.uname().nodename}:{os.getpid()}",
        authenticate=viewer_of,
        from_our_page=Doors(settings).from_our_page,
        still_signed_in=still_signed_in,
    )


def _application(settings: Settings, parts: _Parts, draining: Callable[[], bool]) -> App:
    files = files_of(settings)
    return create_app(
        settings,
        parts.app,
        parts.clock,
        ROUTES,
        sealer=parts.sealer,
        master_key=parts.master_key,
        authenticator=parts.authenticator,
        dependencies={
            "hub": parts.realtime.hub,
            "feed_cursors": parts.cursors,
            "release_withheld": release_withheld,
            **portal_ports(),
            "files": files,
            "desk": desk_of(settings, parts.app, parts.door, parts.sealer, parts.own_door),
        },
        ingress=Ingress(Carriers(parts.door, parts.clock).all(), parts.platforms, parts.keeper.sink, parts.clock),
        socket=parts.realtime.socket,
        pages=BundleApp(),
        links=Links(parts.app, files),
        schema_version=head(),
        draining=draining,
        intake_problem=parts.keeper.problem,
    )


def _uvicorn(application: App) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        loop="none",
        http=HttpConnection,
        timeout_keep_alive=KEEP_ALIVE_S,
        ws=SocketProtocol,
        ws_max_size=SOCKET_FRAME_BYTES,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_S,
    )


class _Server(uvicorn.Server):
    """uvicorn, but the signals are ours: what is open is drained before the server stops. Says when it accepts, and can stop that alone."""

    def __init__(self, config: uvicorn.Config, announce: Announce) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[sockets_module.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()

    def accept_no_more(self) -> None:
        """Connections that nobody has accepted yet are left to the other processes on the same socket."""
        for one in self.servers:
            one.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def _leave(stopping: asyncio.Event, realtime: Realtime, server: "_Server") -> None:
    await stopping.wait()
    server.accept_no_more()
    await realtime.drain()
    server.should_exit = True
