"""Kannel as its manual sets it up: a bearerbox that keeps what it holds in spool files, and one smsbox. The files are never fsynced."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import quote_plus

from bench.peers.install import Places
from bench.peers.processes import Peer, Processes, bound, listening
from bench.peers.smsc import Sink, Smsc
from kereru.entrypoints import ports

DURABILITY = "a file a text, not fsynced: a power cut loses them"
_CONFIG = """group = core
admin-port = {admin}
admin-password = bench
smsbox-port = {smsbox}
box-deny-ip = "*.*.*.*"
box-allow-ip = "127.0.0.1"
admin-deny-ip = "*.*.*.*"
admin-allow-ip = "127.0.0.1"
store-type = spool
store-location = {folder}/spool

group = smsc
smsc = smpp
smsc-id = bench
host = 127.0.0.1
port = {smsc}
transceiver-mode = true
smsc-username = bench
smsc-password = bench
system-type = ""
max-pending-submits = 64
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {http}

group = sms-service
keyword = default
get-url = "http://127.0.0.1:{sink}/mo?from=%p&to=%P&text=%a"
max-messages = 0
catch-all = true

group = sendsms-user
username = bench
password = bench
max-messages = 3
concatenation = true
"""


@contextlib.asynccontextmanager
async def running(places: Places, folder: Path, smsc: Smsc, sink: Sink) -> AsyncGenerator[Peer]:
    """Both boxes, bound to the SMSC. Raises PeerMissing."""
    names = ("admin", "smsbox", "http")
    at = dict(zip(names, (ports.free_port() for _ in names), strict=True)) | {"smsc": smsc.port, "sink": sink.port}
    (folder / "spool").mkdir(parents=True)
    (folder / "kannel.conf").write_text(_CONFIG.format(folder=folder, **at))
    with Processes(folder) as processes:
        processes.start("bearerbox", [places.program("bearerbox"), "-v", "3", str(folder / "kannel.conf")], places.environment())
        await listening(at["smsbox"], processes)
        processes.start("smsbox", [places.program("smsbox"), "-v", "3", str(folder / "kannel.conf")], places.environment())
        await listening(at["http"], processes)
        await bound(smsc, processes)
        await asyncio.sleep(0.5)

        def sending(remote: str, to: str, text: str) -> str:
            return f"/cgi-bin/sendsms?username=bench&password=bench&from={quote_plus(to)}&to={quote_plus(remote)}&text={quote_plus(text)}"

        yield Peer("kannel", processes.pids, at["http"], sending)
