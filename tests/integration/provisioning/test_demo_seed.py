"""The demo's tenant, made by the real commands against the simulators (design §10)."""

import asyncio
from pathlib import Path

import msgspec

from kereru.entrypoints.demo_seed import make_tenant
from kereru.kernel.settings import Settings
from kereru.simulators.testing import RunningSimulators, running_simulators
from role_databases import without_user
from tenant import inventory


def _settings(home: Path, url: str, simulators: RunningSimulators, port: int) -> Settings:
    return Settings.load(
        {},
        home=str(home),
        database_url=without_user(url),
        public_url=f"http://localhost:{port}",
        allow_private_hosts=(simulators.url.removeprefix("http://"),),
    )


async def test_the_demo_provisions_itself_and_finds_itself_again(database_url: str, tmp_path: Path) -> None:
    """A, B and C are opted in, D is still to be asked, an account at each level; a second start with other ports re-points the webhooks."""
    (tmp_path / "inventory.json").write_bytes(msgspec.json.encode(inventory()))
    async with running_simulators(inventory()) as simulators:
        first = await make_tenant(_settings(tmp_path, database_url, simulators, 8080), simulators.url)
        assert [(account.role, len(account.numbers)) for account in first.accounts] == [
            ("user", 1), ("user", 1), ("user", 2), ("user", 1), ("provider", 0), ("reseller", 0), ("group", 0)
        ]  # fmt: skip
        assert {number.carrier for number in first.accounts[2].numbers} == {"restcomm", "inteliquent"}
        again = await make_tenant(_settings(tmp_path, database_url, simulators, 9090), simulators.url)
        assert again == first
        ledger = await simulators.control.ledger()
        urls = [str(item.body) for item in ledger if "9090" in str(item.body)]
        assert len(urls) == 5
    assert await asyncio.to_thread(_states, database_url) == [1, 2, 2, 2, 2]


def _states(url: str) -> list[int]:
    import psycopg

    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT state FROM opt_in ORDER BY state")]
