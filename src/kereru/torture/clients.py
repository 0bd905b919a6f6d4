"""Virtual people: each signs in, follows its changes by socket or long-poll, sends with ids of its own and retries under the same id, resends.

Promises: everything attempted is in the history; what is held was folded from changes only, as the web app does it.
"""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import aiohttp
import msgspec

from kereru.torture.folding import State, apply, fetch_state
from kereru.torture.history import History

ANSWER_S = 8.0
AGAIN_S = 0.3
PING_S = 4.0


@dataclass(frozen=True, slots=True)
class Person:
    """Who it is and what he texts from: (number's id, E.164)."""

    email: str
    password: str
    numbers: Sequence[tuple[str, str]]


class NotAnswered(Exception):
    """No whole answer came; what was asked may or may not have been done."""


@dataclass
class Client:
    """One virtual client. `base` leads through the proxy, `straight` past it."""

    name: str
    base: str
    straight: str
    person: Person
    phones: Sequence[str]
    history: History
    dice: random.Random
    follow: Literal["socket", "poll"]
    pause_s: float = 1.0
    state: State = field(default_factory=State)
    problems: list[str] = field(default_factory=list[str])
    resyncs: int = 0
    _session: aiohttp.ClientSession | None = None
    _stopping: bool = False
    _positions: dict[str, int] = field(default_factory=dict[str, int])
    _sends: int = 0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    async def start(self) -> None:
        """Sign in, load, and begin to follow and to act."""
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=ANSWER_S)
        )
        await self._until_done(lambda: self.call("POST", "/session", {"email": self.person.email, "password": self.person.password}))
        await self._until_done(self._load)
        self._tasks = [asyncio.create_task(self._following()), asyncio.create_task(self._acting())]

    async def quiet(self) -> None:
        """Act no more; what is under way is retried until it is answered. Following goes on."""
        self._stopping = True
        await self._tasks[1]

    async def stop(self) -> None:
        """Leave."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def fetched(self) -> State:
        """Everything anew, past the proxy. Raises NotAnswered."""
        return await fetch_state(lambda path: self._get(path, self.straight))

    async def call(self, method: str, path: str, body: object = None, *, base: str = "", seconds: float = ANSWER_S) -> tuple[int, Any]:
        """(status, decoded body). Raises NotAnswered."""
        assert self._session is not None  # noqa: S101 - started before it is used
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"} if data is not None else {}
        try:
            async with self._session.request(
                method, (base or self.base) + "/api/v1" + path, data=data, headers=headers, timeout=aiohttp.ClientTimeout(total=seconds)
            ) as answer:
                raw = await answer.read()
                return answer.status, msgspec.json.decode(raw) if raw and "json" in answer.content_type else None
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
            raise NotAnswered(repr(error)) from error

    async def _get(self, path: str, base: str = "") -> Any:
        status, body = await self.call("GET", path, base=base)
        if status != 200:
            raise NotAnswered(f"GET {path}: {status}")
        return body

    async def _until_done(self, act: Any) -> None:
        while True:
            try:
                done = await act()
                if done is None or done[0] < 500:
                    return
            except NotAnswered:
                pass
            await asyncio.sleep(AGAIN_S)

    async def _load(self) -> None:
        self.state = await fetch_state(self._get)
        self._positions.clear()

    # --- Following ---

    async def _following(self) -> None:
        while True:
            try:
                await (self._by_socket() if self.follow == "socket" else self._by_poll())
            except (NotAnswered, aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
                self.history.write(self.name, "follow", "fail", error=repr(error)[:200])
            await asyncio.sleep(AGAIN_S)

    async def _by_socket(self) -> None:
        assert self._session is not None  # noqa: S101 - started before it is used
        async with asyncio.timeout(ANSWER_S):
            socket = await self._session.ws_connect(self.base + "/api/v1/socket", heartbeat=PING_S, max_msg_size=16 * 2**20)
        async with socket:
            await socket.send_str(msgspec.json.encode({"type": "follow", "after": self.state.cursor}).decode())
            self.history.write(self.name, "follow", "ok", by="socket")
            async for frame in socket:
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    break
                news = cast("dict[str, Any]", msgspec.json.decode(cast("str", frame.data)))
                if news["type"] in ("changes", "resync"):
                    await self._heard(news.get("items", []), news["cursor"], resync=news["type"] == "resync")
            self.history.write(self.name, "follow", "fail", code=socket.close_code)

    async def _by_poll(self) -> None:
        while True:
            status, page = await self.call("GET", f"/changes?after={self.state.cursor}&wait=5", seconds=ANSWER_S + 5)
            if status != 200:
                raise NotAnswered(f"changes: {status}")
            await self._heard(page["items"], page["cursor"], resync=page["resync"])

    async def _heard(self, items: list[dict[str, Any]], cursor: str, *, resync: bool) -> None:
        if resync:
            self.resyncs += 1
            self.history.write(self.name, "resync", "note")
            await self._until_done(self._load)
            return
        for change in items:
            last = self._positions.get(change["feed"], 0)
            if change["position"] <= last:
                self.problems.append(f"G22: {self.name} was told change {change['position']} of feed {change['feed']} after {last}")
            self._positions[change["feed"]] = change["position"]
        apply(self.state, items)
        self.state.cursor = cursor

    # --- Acting ---

    async def _acting(self) -> None:
        while not self._stopping:
            roll = self.dice.random()
            if roll < 0.75:
                await self._send()
            elif roll < 0.9:
                await self._resend()
            else:
                await self._read()
            await asyncio.sleep(self.dice.uniform(0.2, 1.8) * self.pause_s)

    async def _send(self) -> None:
        number_id, e164 = self.dice.choice(list(self.person.numbers))
        phone = self.dice.choice(list(self.phones))
        self._sends += 1
        key = f"{self.name}-{self._sends:05d}-key"
        text = f"out {self.name} {self._sends} from {e164} to {phone}"
        body: dict[str, object] = {"number_id": number_id, "to": phone, "text": text, "attachments": []}
        self.history.write(self.name, "send", "invoke", key=key, text=text)
        while True:
            try:
                status, answer = await self.call("PUT", f"/messages/{key}", body)
            except NotAnswered as error:
                self.history.write(self.name, "send", "unknown", key=key, text=text, error=str(error)[:200])
            else:
                if status in (200, 201):
                    self.history.write(self.name, "send", "ok", key=key, text=text, status=status, id=answer["id"])
                    return
                if status < 500 and status not in (408, 425, 429):
                    self.history.write(self.name, "send", "fail", key=key, text=text, status=status, answer=answer)
                    return
                self.history.write(self.name, "send", "unknown", key=key, text=text, status=status)
            await asyncio.sleep(AGAIN_S)

    async def _resend(self) -> None:
        can = [m for m in self.state.messages.values() if "resend" in m["can"] and (m["status"] != "unknown" or self.dice.random() < 0.2)]
        if not can:
            return
        chosen = self.dice.choice(sorted(can, key=lambda message: message["id"])[-20:])
        body = {"attempt": chosen["attempt"], "despite_unknown": chosen["status"] == "unknown"}
        facts = {"id": chosen["id"], "attempt": chosen["attempt"], "text": chosen["text"]}
        self.history.write(self.name, "resend", "invoke", **facts)
        # A double click, or a retry after a lost answer, is one resend: the attempt's number is named.
        for _ in range(3):
            try:
                status, _answer = await self.call("POST", f"/messages/{chosen['id']}/resend", body)
            except NotAnswered:
                self.history.write(self.name, "resend", "unknown", **facts)
            else:
                phase = "ok" if status == 200 else "unknown" if status >= 500 else "fail"
                self.history.write(self.name, "resend", phase, status=status, **facts)
                if status < 500:
                    return
            await asyncio.sleep(AGAIN_S)

    async def _read(self) -> None:
        unread = sorted(id_ for id_, conversation in self.state.conversations.items() if conversation["unread"])
        if unread:
            with contextlib.suppress(NotAnswered):
                await self.call("POST", f"/conversations/{self.dice.choice(unread)}/read", {"up_to": None})
