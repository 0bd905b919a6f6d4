"""Both simulated carriers with a small inventory, a customer's receiver, and an HTTP client."""

from collections.abc import AsyncGenerator

import aiohttp
import pytest_asyncio

from kereru.simulators.customer import Customer, customer
from kereru.simulators.testing import RunningSimulators, running_simulators

SID = "AC" + "0a" * 16
CHILD = "AC" + "0b" * 16
INVENTORY: dict[str, object] = {
    "restcomm": [
        {"account_sid": SID, "auth_token": "t0ken", "email": "ops@phones.example", "numbers": ["+13125550142", "+13125550143"],
         "names": {"+13125550142": "Front desk"}},
        {"account_sid": CHILD, "auth_token": "ch1ld", "email": "child@phones.example", "numbers": ["+13125550150"], "parent": SID},
        {"account_sid": "AC" + "0c" * 16, "auth_token": "0ther", "status": "suspended"},
    ],
    "inteliquent": {"outbound_key": "out-key", "key": "svc-key", "secret": "svc-secret", "numbers": ["+13125550160", "+13125550161"],
                    "messaging_enabled": ["+13125550160"]},
    "receipt_delay_ms": 12, "late_receipt_ms": 60, "hook_retry_seconds": [0, 0.02, 0.02], "hook_timeout_seconds": 2,
}  # fmt: skip


@pytest_asyncio.fixture
async def sim() -> AsyncGenerator[RunningSimulators, None]:
    async with running_simulators(INVENTORY) as running:
        yield running


@pytest_asyncio.fixture
async def receiver() -> AsyncGenerator[Customer, None]:
    async with customer() as running:
        yield running


@pytest_asyncio.fixture
async def http() -> AsyncGenerator[aiohttp.ClientSession, None]:
    async with aiohttp.ClientSession() as session:
        yield session
