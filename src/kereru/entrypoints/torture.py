"""`kereru torture`: the demo's product behind fault proxies, with a second phone company beside the first. Wiring only; kereru.torture does the rest.

Run as a module it is the product itself: it reads its ways from standard input and runs until SIGTERM.
"""

import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

import msgspec

from kereru.entrypoints.demo import Detours, Seeded, Seeding, demo
from kereru.simulators.config import Config, InteliquentAccount, RestcommAccount, example_config
from kereru.torture.run import CARRIER_TIMEOUT_S, LEASE_S, Ways, Wish
from kereru.torture.run import torture as run


def torture(minutes: float, seed: int | None, folder: Path | None) -> int:
    """Run for `minutes` under `seed` (None: a new one). Answers 0 when clean, 1 when a promise was broken."""
    chosen = secrets.randbelow(2**31) if seed is None else seed
    where = folder or Path(tempfile.mkdtemp(prefix="kereru-torture-"))
    clean = asyncio.run(run(Wish(minutes * 60, chosen, where.absolute()), _command, lambda line: print(line, flush=True)))
    return 0 if clean else 1


def _command(ways: Ways) -> tuple[list[str], bytes]:
    detours = Detours(
        public_url=f"http://localhost:{ways.hooks}",
        carriers_url=f"http://localhost:{ways.carriers}",
        database_folder=str(ways.database),
        pids_file=str(ways.pids),
        allow=(f"localhost:{ways.carriers}",),
        settings={
            "lease_s": LEASE_S,
            "carrier_timeout_s": CARRIER_TIMEOUT_S,
            "web_processes": 2,
            "pool_size": 4,
            "runtime_folder": str(ways.runtime),
        },
    )
    said = _Said(str(ways.home), ways.port, ways.simulator_port, detours)
    return [sys.executable, "-m", "kereru.entrypoints.torture"], msgspec.json.encode(said)


class _Said(msgspec.Struct, frozen=True):
    """What the product is told."""

    home: str
    port: int
    simulator_port: int
    detours: Detours


def _inventory() -> Config:
    """The demo's accounts and a second one at each carrier; a carrier that retries does so soon."""
    config = example_config()
    return msgspec.structs.replace(
        config,
        restcomm=(
            *config.restcomm,
            RestcommAccount(
                account_sid="AC" + "7a1b" * 8,
                auth_token="0f1e2d3c4b5a69788796a5b4c3d2e1f0",  # noqa: S106, an example that opens nothing
                friendly_name="Northern Phone Co.",
                numbers=tuple(f"+12015550{n}" for n in range(160, 164)),
            ),
        ),
        inteliquent=(
            *config.inteliquent,
            InteliquentAccount(
                outbound_key="obk-0000000000000002",
                key="svc-0000000000000002",
                secret="0000000000000002",  # noqa: S106, an example that opens nothing
                name="Northern Phone Co.",
                numbers=tuple(f"+13125550{n}" for n in range(160, 164)),
            ),
        ),
        hook_timeout_seconds=6.0,
        hook_retry_seconds=(0.0, 2.0, 4.0),
    )


def _seeding() -> Seeding:
    from kereru.entrypoints.demo_seed import seed
    from kereru.entrypoints.torture_seed import seed_neighbours
    from kereru.kernel.settings import Settings

    def both(settings: Settings, carriers_url: str) -> Seeded:
        first = seed(settings, carriers_url)
        return msgspec.structs.replace(first, accounts=(*first.accounts, *seed_neighbours(settings, carriers_url)))

    return both


def _product() -> None:
    said = msgspec.json.decode(sys.stdin.buffer.read(), type=_Said)
    home = Path(said.home)
    (home / "inventory.json").write_bytes(msgspec.json.encode(_inventory()))
    demo(port=said.port, simulator_port=said.simulator_port, home=home, as_json=True, seeding=_seeding, detours=said.detours)


if __name__ == "__main__":
    _product()
