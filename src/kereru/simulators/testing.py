"""Simulators for tests: started in the test's own event loop on free ports, with a small typed client.

Promises: nothing is left running after the `async with` block.
"""

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

import aiohttp
import msgspec

from kereru.simulators.app import Simulators
from kereru.simulators.config import Config, config_from, example_config
from kereru.simulators.faults import Kind
from kereru.simulators.server import serving


class PhoneMessage(msgspec.Struct, frozen=True):
    """A text in a phone, as the control API shows it."""

    id: int
    direction: str
    from_: str = msgspec.field(name="from")
    to: str
    text: str
    media: list[dict[str, str]]
    at: str
    carrier: str
    message_id: str


class LedgerItem(msgspec.Struct, frozen=True):
    """A request that a carrier's API received. `body` and `answer` are readable forms; an answer of None never left."""

    id: int
    carrier: str
    at: str
    method: str
    path: str
    body: object
    answer: dict[str, object] | None


class _Phone(msgspec.Struct, frozen=True):
    items: list[PhoneMessage]


class _Ledger(msgspec.Struct, frozen=True):
    items: list[LedgerItem]


class Control:
    """The control API. Every call raises RuntimeError with the answer's text when it is refused."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def phone_sends(self, phone: str, to: str, text: str, media: Sequence[Mapping[str, str]] = ()) -> PhoneMessage:
        """A phone texts a business number; returns what the phone now holds."""
        body = msgspec.json.encode({"to": to, "text": text, "media": list(media)})
        return msgspec.json.decode(await self._ask("POST", f"/phones/{quote(phone, safe='')}/messages", body), type=PhoneMessage)

    async def phone_messages(self, phone: str) -> list[PhoneMessage]:
        """All texts of a phone, oldest first."""
        return msgspec.json.decode(await self._ask("GET", f"/phones/{quote(phone, safe='')}/messages"), type=_Phone).items

    async def add_fault(self, carrier: str, kind: Kind, **options: float | str) -> int:
        """Put a fault in force (options: count, seconds, delay_ms, on, account, to); returns its id."""
        answer = await self._ask("POST", "/faults", msgspec.json.encode({"carrier": carrier, "kind": kind, **options}))
        return msgspec.json.decode(answer, type=dict[str, object])["id"]  # pyright: ignore[reportReturnType]

    async def clear_faults(self) -> None:
        """Take all faults away."""
        await self._ask("DELETE", "/faults")

    async def ledger(self, carrier: str | None = None) -> list[LedgerItem]:
        """All requests the carriers' APIs received, oldest first."""
        query = f"?carrier={carrier}" if carrier else ""
        return msgspec.json.decode(await self._ask("GET", f"/ledger{query}"), type=_Ledger).items

    async def set_modes(self, carrier: str | None = None, **modes: object) -> None:
        """Set switches, of both carriers when none is named."""
        await self._ask("PUT", "/modes", msgspec.json.encode(modes if carrier is None else {"carrier": carrier, **modes}))

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        from yarl import URL

        async with self._session.request(method, URL(self.url + path, encoded=True), data=body) as answer:
            content = await answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {content.decode(errors='replace')}")
            return content


class RunningSimulators(NamedTuple):
    """What a test works with."""

    url: str
    smtp_port: int
    control: Control
    simulators: Simulators


@contextlib.asynccontextmanager
async def running_simulators(config: Config | Mapping[str, object] | None = None) -> AsyncGenerator[RunningSimulators, None]:
    """Run simulators for the block; without a config, the example inventory with fast receipts. `url` has no trailing slash."""
    if config is None:
        config = msgspec.structs.replace(example_config(), receipt_delay_ms=20)
    elif isinstance(config, Mapping):
        config = config_from(config)
    async with serving(config) as running, aiohttp.ClientSession() as session:
        url = running.url.replace("localhost", "127.0.0.1")
        yield RunningSimulators(url, running.smtp_port, Control(url, session), running.simulators)
