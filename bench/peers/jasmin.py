"""Jasmin with its broker (RabbitMQ) and its Redis, as its manual advises.

jasmind holds the HTTP interface and the bind to the SMSC; deliversmd, a process of its own, passes texts on by HTTP.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from urllib.parse import quote_plus

from bench.peers.install import PeerMissing, Places
from bench.peers.processes import Peer, Processes, bound, listening
from bench.peers.smsc import Sink, Smsc
from kereru.entrypoints import ports

DURABILITY = "persistent messages in RabbitMQ, not waited for: its publishers ask for no confirmation"
_CONFIG = """[smpp-server]
port={smpp}
bind=127.0.0.1
[smpp-server-pb]
port={smpp_pb}
bind=127.0.0.1
[smpp-server-pb-client]
port={smpp_pb}
[client-management]
port={clients}
bind=127.0.0.1
store_path={folder}/store
[router]
port={router}
bind=127.0.0.1
store_path={folder}/store
[http-api]
port={http}
bind=127.0.0.1
access_log={folder}/access.log
[jcli]
port={console}
bind=127.0.0.1
authentication=False
[amqp-broker]
port={broker}
spec={spec}
[redis-client]
port={redis}
"""
# One line each, as typed into Jasmin's console. By default a connector sends one text a second; 0 is without a limit.
_CONSOLE = """group -a
gid bench
ok
user -a
username bench
password bench
gid bench
uid bench
ok
smppccm -a
cid bench
host 127.0.0.1
port {smsc}
username bench
password bench
bind transceiver
submit_throughput 0
ok
mtrouter -a
type DefaultRoute
connector smppc(bench)
rate 0.0
ok
httpccm -a
cid sink
url http://127.0.0.1:{sink}/mo
method POST
ok
morouter -a
type DefaultRoute
connector http(sink)
ok
smppccm -1 bench"""


@contextlib.asynccontextmanager
async def running(places: Places, folder: Path, smsc: Smsc, sink: Sink) -> AsyncGenerator[Peer]:
    """All of it, bound to the SMSC. Raises PeerMissing."""
    names = ("smpp", "smpp_pb", "clients", "router", "http", "console", "broker", "redis", "epmd", "dist")
    at = dict(zip(names, (ports.free_port() for _ in names), strict=True)) | {"smsc": smsc.port, "sink": sink.port}
    (folder / "store").mkdir(parents=True)
    (folder / "logs").mkdir()
    with Processes(folder) as processes:
        redis = ["--port", str(at["redis"]), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        processes.start("redis", [places.program("redis-server"), *redis], places.environment())
        await _broker(places, folder, processes, at)
        spec = next(places.jasmin.glob("lib/python*/site-packages/txamqp/specs/standard/amqp0-9-1.stripped.xml"), None)
        if spec is None:
            message = "its AMQP library came without the description of the protocol"
            raise PeerMissing(message)
        (folder / "jasmin.cfg").write_text(_CONFIG.format(folder=folder, spec=spec, **at))
        environment = {"ROOT_PATH": str(folder), "LOG_PATH": str(folder / "logs"), "CONFIG_PATH": str(folder), "PATH": "/usr/bin:/bin"}
        command = [str(places.jasmin / "bin/python"), str(places.jasmin / "bin")]
        processes.start("jasmind", [command[0], f"{command[1]}/jasmind.py", "-c", str(folder / "jasmin.cfg")], environment)
        await listening(at["console"], processes)
        await _typed(at["console"], _CONSOLE.format(**at).splitlines())
        processes.start(
            "deliversmd", [command[0], f"{command[1]}/deliversmd.py", "-c", str(folder / "jasmin.cfg"), "-i", f"bench{at['http']}"], environment
        )
        await bound(smsc, processes)
        await asyncio.sleep(3.0)
        processes.check()

        def sending(remote: str, to: str, text: str) -> str:
            return f"/send?username=bench&password=bench&from={quote_plus(to)}&to={quote_plus(remote[1:])}&content={quote_plus(text)}"

        yield Peer("jasmin", processes.pids, at["http"], sending)


async def _broker(places: Places, folder: Path, processes: Processes, at: dict[str, int]) -> None:
    epmd = {"ERL_EPMD_PORT": str(at["epmd"]), "ERL_EPMD_ADDRESS": "127.0.0.1"}
    # Started here and not by RabbitMQ, which would leave it behind.
    processes.start("epmd", [places.program("epmd")], places.environment(**epmd))
    await listening(at["epmd"], processes)
    (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{at['broker']}\nlog.file.level = error\n")
    (folder / "plugins").write_text("[].\n")
    environment = places.environment(
        HOME=str(folder),
        RABBITMQ_NODENAME="bench@localhost",
        RABBITMQ_DIST_PORT=str(at["dist"]),
        RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}",
        RABBITMQ_NODE_PORT=str(at["broker"]),
        RABBITMQ_CONFIG_FILE=str(folder / "rabbitmq.conf"),
        RABBITMQ_CONF_ENV_FILE=str(folder / "none"),
        RABBITMQ_ENABLED_PLUGINS_FILE=str(folder / "plugins"),
        RABBITMQ_MNESIA_BASE=str(folder / "mnesia"),
        RABBITMQ_LOG_BASE=str(folder / "logs"),
        RABBITMQ_PID_FILE=str(folder / "rabbitmq.pid"),
        **epmd,
    )
    server = next(places.root.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"), None)
    if server is None:
        message = "rabbitmq-server is not among what was unpacked"
        raise PeerMissing(message)
    processes.start("rabbitmq", [str(server)], environment)
    await listening(at["broker"], processes)


async def _typed(port: int, lines: Sequence[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def prompted() -> bytes:
        seen = b""
        while not seen.rstrip().endswith((b"jcli :", b">")):
            seen += await asyncio.wait_for(reader.read(4096), 20)
        return seen

    try:
        # Without a sign-in the console says nothing before the first line.
        for line in ["", *lines]:
            writer.write(f"{line}\r\n".encode())
            said = await prompted()
            if b"Error" in said or b"Unknown" in said or b"Failed" in said:
                message = f"its console refused {line!r}: {said.decode(errors='replace').strip()}"
                raise PeerMissing(message)
    finally:
        writer.close()
