"""Operations under load (reliability.md §6 "Stop"; G28; issue 3, point 7): a rolling restart that nobody notices, a stop that loses nothing."""

import asyncio
import json
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo_fixture import Demo, Http, eventually, start_demo, stop_demo
from traffic import Traffic, traffic


@pytest.fixture
def own_demo() -> Iterator[Demo]:
    """A demo that a test may stop."""
    home = Path(tempfile.mkdtemp(prefix="kr-", dir="/tmp"))
    running = start_demo(home)
    try:
        yield running
    finally:
        left = stop_demo(running)
        shutil.rmtree(home, ignore_errors=True)
        (home.parent / (home.name + ".log")).unlink(missing_ok=True)
        assert not left, left


def log_of(demo: Demo) -> list[dict]:
    """What the processes have logged."""
    lines = (demo.home.parent / (demo.home.name + ".log")).read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def events(demo: Demo, event: str) -> list[dict]:
    """Lines of that event."""
    return [line for line in log_of(demo) if line.get("event") == event]


def texts_of(me: Http) -> list[str]:
    """Every text in the signed-in user's conversations, with copies."""
    found: list[str] = []
    for conversation in me.get("/api/v1/conversations?limit=200")["items"]:
        page = me.get(f"/api/v1/conversations/{conversation['id']}/messages?limit=200")
        while True:
            found += [message["text"] for message in page["items"]]
            if not page["next"]:
                break
            page = me.get(f"/api/v1/conversations/{conversation['id']}/messages?limit=200&cursor={page['next']}")
    return found


def all_there_once(me: Http, found: Traffic) -> bool:
    """Whether all that was answered 2xx is stored, and nothing twice."""
    texts = texts_of(me)
    assert len(texts) == len(set(texts)), "a text stands there twice"
    return set(texts) >= {*found.sent, *found.arrived}


@pytest.mark.timeout(180)
async def test_a_rolling_restart_is_noticed_by_nobody(own_demo: Demo) -> None:
    """SIGUSR1 twice under steady traffic: new processes, no failed request, no lost webhook, sockets called back with 1012 and a hint."""
    pids = own_demo.info["pids"]
    async with traffic(own_demo) as found:
        for turn in (1, 2):
            await asyncio.sleep(1)
            os.kill(pids["supervisor"], signal.SIGUSR1)
            await asyncio.to_thread(eventually, lambda turn=turn: len(events(own_demo, "every process was replaced")) == turn, 60)
        await asyncio.sleep(1)
    assert found.failures == []
    assert found.answered > 50
    assert [line["process"] for line in events(own_demo, "process replaced")] == ["web", "sender", "scheduler"] * 2
    assert not any(alive(pids[name]) for name in ("web", "sender", "scheduler"))
    assert alive(pids["postgres"]), "only processes of ours are replaced"
    assert alive(pids["simulator"]), "the world outside is not"
    assert found.closes, "sockets had to move"
    assert {code for code, _ in found.closes} == {1012}
    assert all(reason.startswith("retry=") for _, reason in found.closes)
    me = await asyncio.to_thread(own_demo.signed_in, own_demo.user("A"))
    await asyncio.to_thread(eventually, lambda: all_there_once(me, found), 30)
    assert await asyncio.to_thread(eventually, lambda: {"queued", "sending"}.isdisjoint(statuses_of(me)), 60)
    assert "unknown" not in statuses_of(me), "an orderly stop leaves nothing that nobody can tell"
    await asyncio.to_thread(eventually, lambda: processes_shown(me) == {"web", "sender", "scheduler"}, 15)


@pytest.mark.timeout(180)
async def test_a_stop_under_load_loses_nothing(own_demo: Demo) -> None:
    """SIGTERM while webhooks, requests and sockets are busy: it ends in time, and the next start has all that was answered 2xx, once."""
    home = own_demo.home
    async with traffic(own_demo) as found:
        await asyncio.sleep(2)
        found.stopping = True
        began = time.monotonic()
        own_demo.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(own_demo.process.wait, 30) == 0
        assert time.monotonic() - began < 20, "STOP_S and a little"
    assert found.failures == []
    assert len(found.sent) > 10
    assert len(found.arrived) > 10
    assert len(found.closes) >= 5
    assert {code for code, _ in found.closes} == {1012}
    assert all(reason.startswith("retry=") for _, reason in found.closes)
    assert not events(own_demo, "ending by force")
    again = await asyncio.to_thread(start_demo, home)
    try:
        me = await asyncio.to_thread(again.signed_in, again.user("A"))
        await asyncio.to_thread(eventually, lambda: all_there_once(me, found), 30)
    finally:
        assert not await asyncio.to_thread(stop_demo, again)


def processes_shown(me: Http) -> set[str]:
    """Whose figures `/metrics` shows."""
    status, text = me.call("GET", "/metrics")
    assert status == 200
    return set(re.findall(r'process="([a-z0-9-]+)"', text))


def statuses_of(me: Http) -> set[str]:
    """Where the newest messages of each conversation stand."""
    conversations = me.get("/api/v1/conversations?limit=200")["items"]
    return {
        message["status"]
        for conversation in conversations
        for message in me.get(f"/api/v1/conversations/{conversation['id']}/messages?limit=200")["items"]
    }


def alive(pid: int) -> bool:
    """Whether the process runs."""
    try:
        return "(zombie)" not in (Path("/proc") / str(pid) / "status").read_text()
    except OSError:
        return False
