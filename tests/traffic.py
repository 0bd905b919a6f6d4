"""Steady traffic of everybody on a demo of one's own, judged without mercy: carriers' webhooks and people's requests on connections that are kept,
newcomers with a connection for each request, sockets.

Promises: every request that failed is told with its reason; every webhook answered 2xx and every message that the API answered 200 or 201 for is
remembered, so that a test can look for each.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import aiohttp

from demo_fixture import Account, Demo


@dataclass
class Traffic:
    """What was asked and what came of it."""

    demo: Demo
    failures: list[str] = field(default_factory=list)
    sent: dict[str, str] = field(default_factory=dict)  # text -> message id, answered 2xx by the API
    arrived: list[str] = field(default_factory=list)  # texts whose webhook was answered 2xx
    closes: list[tuple[int, str]] = field(default_factory=list)
    answered: int = 0
    stopping: bool = False  # the product was asked to end: connections may be refused from now on


@asynccontextmanager
async def traffic(demo: Demo, *, carriers: int = 3, desks: int = 3, sockets: int = 5) -> AsyncIterator[Traffic]:
    """Traffic for as long as the block lasts. Desks text from user A's number, the carrier brings texts to it."""
    found = Traffic(demo)
    account = demo.user("A")
    done = asyncio.Event()
    # Carriers keep connections, but not for long.
    async with aiohttp.ClientSession(demo.client) as people, aiohttp.ClientSession(connector=aiohttp.TCPConnector(keepalive_timeout=2)) as carrier:
        async with people.post("/api/v1/session", json={"email": account.email, "password": account.password}) as answer:
            assert answer.status == 200
        token = "; ".join(f"{cookie.key}={cookie.value}" for cookie in people.cookie_jar)
        hook, sid = await _webhook(demo, account)
        tasks = [asyncio.create_task(_carrier(found, carrier, hook, sid, account, number, done)) for number in range(carriers)]
        tasks += [asyncio.create_task(_desk(found, people, token, account, number, done)) for number in range(desks)]
        tasks += [asyncio.create_task(_socket(found, people, token, done)) for _ in range(sockets)]
        tasks += [asyncio.create_task(_newcomer(found, demo, done, hesitates_s)) for hesitates_s in (0, 0.1)]
        try:
            yield found
        finally:
            done.set()
            await asyncio.gather(*tasks)


async def _webhook(demo: Demo, account: Account) -> tuple[str, str]:
    """Where the simulated carrier would bring texts for user A's number, and the account it would name."""
    [platform] = [one for one in demo.info["platforms"] if one["carrier"] == "restcomm"]
    sid, secret = platform["credentials"]["account_key"], platform["credentials"]["token_secret"]
    async with (
        aiohttp.ClientSession(headers={"Authorization": aiohttp.encode_basic_auth(sid, secret)}) as asking,
        asking.get(f"{platform['api']}/Accounts/{sid}/IncomingPhoneNumbers.json") as answer,
    ):
        listed = await answer.json(content_type=None)
    numbers = listed["incomingPhoneNumbers"] if "incomingPhoneNumbers" in listed else listed["incoming_phone_numbers"]
    return next(one["sms_url"] for one in numbers if account.numbers[0].number.endswith(one["phone_number"][-10:])), sid


async def _carrier(found: Traffic, carrier: aiohttp.ClientSession, hook: str, sid: str, account: Account, number: int, done: asyncio.Event) -> None:
    """A carrier that never sends a webhook twice: what it was told 2xx for is ours."""
    for count in itertools.count():
        if done.is_set():
            return
        text = f"phone {number} says {count}"
        form = {"AccountSid": sid, "From": f"+1202555{110 + number:04d}", "To": account.numbers[0].number, "Body": text, "SmsSid": f"SM{uuid4().hex}"}
        try:
            async with carrier.post(hook, data=form) as answer:
                if answer.status < 300:
                    found.arrived.append(text)
                else:
                    found.failures.append(f"webhook: {answer.status}")
        except (aiohttp.ClientError, OSError) as error:
            if found.stopping:
                return
            found.failures.append(f"webhook: {error!r}")
        await asyncio.sleep(0.02)


async def _desk(found: Traffic, people: aiohttp.ClientSession, token: str, account: Account, number: int, done: asyncio.Event) -> None:
    for count in itertools.count():
        if done.is_set():
            return
        text = f"desk {number} says {count}"
        body = {"number_id": account.numbers[0].id, "to": f"+1202555{150 + number:04d}", "text": text, "attachments": []}
        try:
            async with people.put(f"/api/v1/messages/traffic-{number}-{count:06d}", json=body, headers={"Cookie": token}) as answer:
                if answer.status in (200, 201):
                    found.sent[text] = (await answer.json())["id"]
                else:
                    found.failures.append(f"send: {answer.status} {(await answer.text())[:200]}")
            async with people.get("/api/v1/conversations", headers={"Cookie": token}) as answer:
                await answer.read()
                if answer.status != 200:
                    found.failures.append(f"list: {answer.status}")
            found.answered += 2
        except (aiohttp.ClientError, OSError) as error:
            if found.stopping:
                return
            found.failures.append(f"desk: {error!r}")
        await asyncio.sleep(0.02)


async def _newcomer(found: Traffic, demo: Demo, done: asyncio.Event, hesitates_s: float) -> None:
    """Somebody with a new connection each time, as a carrier without keep-alive is; asks so long after it was opened."""
    address = demo.client.removeprefix("http://")
    while not done.is_set():
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
            await asyncio.sleep(hesitates_s)
            writer.write(f"GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
            if not answer.startswith(b"HTTP/1.1 200 ") and not found.stopping:
                found.failures.append(f"newcomer: {answer[:200]!r}")
            found.answered += 1
        except OSError as error:
            if found.stopping:
                return
            found.failures.append(f"newcomer: {error!r}")
        await asyncio.sleep(0.005)


async def _socket(found: Traffic, people: aiohttp.ClientSession, token: str, done: asyncio.Event) -> None:
    """A client as the web app is one: it follows, and after a restart's code it comes back with its cursor."""
    cursor: str | None = None
    while not done.is_set():
        try:
            async with people.ws_connect("/api/v1/socket", headers={"Cookie": token}) as socket:
                await socket.send_json({"type": "follow"} | ({"after": cursor} if cursor else {}))
                while not done.is_set():
                    try:
                        message = await socket.receive(timeout=0.2)
                    except TimeoutError:
                        continue
                    if message.type is aiohttp.WSMsgType.TEXT:
                        cursor = json.loads(message.data).get("cursor", cursor)
                    else:
                        found.closes.append((socket.close_code or 0, str(message.extra or "")))
                        break
        except (aiohttp.ClientError, OSError) as error:
            if found.stopping:
                return
            found.failures.append(f"socket: {error!r}")
            await asyncio.sleep(0.05)
