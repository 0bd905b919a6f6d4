"""`python -m kereru.simulators` as a process: the ready line, what outlives a restart, the stop."""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

import aiohttp
import msgspec
import pytest

from kereru.simulators.testing import Control

INVENTORY = {
    "restcomm": {"account_sid": "AC" + "0a" * 16, "auth_token": "t0ken", "numbers": ["+12015550110"]},
    "inteliquent": {"outbound_key": "out", "key": "svc", "secret": "s3cret", "numbers": ["+13125550142"]},
}


async def start(folder: Path) -> tuple[asyncio.subprocess.Process, dict[str, str]]:
    (folder / "inventory.json").write_text(json.dumps(INVENTORY))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kereru.simulators", "--inventory", str(folder / "inventory.json"), "--state", str(folder / "state.json"),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    return process, msgspec.json.decode(await asyncio.wait_for(process.stdout.readline(), 20), type=dict[str, str])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_webhooks_and_messages_outlive_a_restart(tmp_path: Path, number: signal.Signals) -> None:
    """One JSON line when ready; ends within a second of the signal; webhooks, settings, messages and texts are back."""
    process, ready = await start(tmp_path)
    assert set(ready) >= {"url", "smtp"}
    async with aiohttp.ClientSession() as http:
        control = Control(ready["url"], http)
        entry = {"authorizations": [{"inboundAuth": True, "tn": "13125550142", "webhookUrl": "http://127.0.0.1:9/in"}]}
        broker = "/inteliquent/msgbroker/rest"
        async with http.post(f"{ready['url']}{broker}/configureAuthorization", json=entry, headers={"Authorization": "Bearer out"}) as answer:
            assert answer.status == 200
        await control.set_modes("restcomm", long_text="strict")
        await control.phone_sends("+12025550142", "+12015550110", "Hello")
    began = time.monotonic()
    process.send_signal(number)
    assert await asyncio.wait_for(process.wait(), 5) == 0
    assert time.monotonic() - began < 1.5
    process, ready = await start(tmp_path)
    try:
        async with aiohttp.ClientSession() as http:
            control = Control(ready["url"], http)
            assert [t.text for t in await control.phone_messages("+12025550142")] == ["Hello"]
            async with http.get(f"{ready['url']}/console") as answer:
                facts = await answer.text()
            assert "http://127.0.0.1:9/in" in facts
            async with http.get(f"{ready['url']}/modes") as answer:
                assert '"long_text":"strict"' in await answer.text()
            async with http.get(f"{ready['url']}/console/restcomm/messages") as answer:
                assert '"body":"Hello"' in await answer.text()
    finally:
        process.terminate()
        await process.wait()


async def test_a_wrong_inventory_is_refused_in_words(tmp_path: Path) -> None:
    """The field is named, nothing is started, exit code 2."""
    (tmp_path / "inventory.json").write_text('{"restcomm": {"account_sid": "AC1"}}')
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kereru.simulators", "--inventory", str(tmp_path / "inventory.json"), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"auth_token" in errors
