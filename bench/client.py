"""client: the web application in Chromium with 5,000 conversations and 200,000 texts: what a person waits for, and what a tab weighs.

The goals are absolute (issue 5), so the ruler is zero. Times are taken in the page, when a frame has been drawn; a text's begins with its webhook, so
that it holds the way in, the commit and the push as well.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import time

from playwright.async_api import BrowserContext, CDPSession, Page, async_playwright

from bench.load import Connection, connect
from bench.machine import Meter, Usage
from bench.options import Options
from bench.reading import fill
from bench.rounds import Figures, Result, by_difference, percentile, say, summed_up
from bench.texts import webhook
from bench.world import Server, World, running_world, serving
from kereru.api.bundle import FOLDER

TEXTS, CONVERSATIONS, WEEKS = 200_000, 5_000, 12
FIRST_S, OPEN_MS, PAINTED_MS, TAB_MB, SCRIPT_KB = 1.0, 100.0, 150.0, 120.0, 130.0
OPENED, PAINTED = 10, 60
"""Conversations opened and texts watched in a round."""
ARRIVING = 1000
PACE_S = 0.04

# Runs before the page's own scripts. `drawn` answers when the next frame is on the screen.
WATCH = r"""
    window.drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))
    window.painted = {}
    const look = () => {
      if (!window.first && document.querySelector('[data-conversation]')) {
        window.first = -1
        void window.drawn().then(() => (window.first = performance.now()))
      }
      for (const held of document.querySelectorAll('[data-conversation]')) {
        const number = /watched (\d+)/.exec(held.textContent)?.[1]
        if (!number || number in window.painted) continue
        window.painted[number] = 0
        void window.drawn().then(() => (window.painted[number] = Date.now()))
      }
    }
    new MutationObserver(look).observe(document, { childList: true, subtree: true, characterData: true })
"""
OPEN = r"""
    (at) => {
      const row = [...document.querySelectorAll('[data-conversation]')][at]
      const before = new Set(document.querySelectorAll('[data-message]'))
      const there = () => [...document.querySelectorAll('[data-message]')].some((one) => !before.has(one))
      window.opened = new Promise((done) => {
        row.addEventListener('click', async () => {
          const begun = performance.now()
          while (!there()) await new Promise((frame) => requestAnimationFrame(frame))
          await window.drawn()
          done(performance.now() - begun)
        }, { once: true, capture: true })
      })
    }
"""
PRESS_MS = 80
"""How long a button is down in a click, about."""


@dataclass
class Seen:
    """What the rounds came to."""

    first: list[Figures] = field(default_factory=list[Figures])
    opened: list[Figures] = field(default_factory=list[Figures])
    painted: list[Figures] = field(default_factory=list[Figures])
    tab: list[Figures] = field(default_factory=list[Figures])


async def run(options: Options) -> list[Result]:
    """The benchmark: first screen, opening, arriving, memory, bytes."""
    seen = Seen()
    with running_world(people=1) as world:
        texts, conversations = round(TEXTS * options.scale), max(50, round(CONVERSATIONS * options.scale))
        await asyncio.to_thread(fill, world, texts=texts, conversations=conversations, weeks=WEEKS)
        async with serving(world) as server, browsing(world, server) as context:
            client = Client(world, server, context)
            await client.begin()
            for number in range(options.rounds):
                await client.round(seen)
                say(f"client round {number + 1}: first {seen.first[-1].value:.2f} s, open {seen.opened[-1].value:.0f} ms, "
                    f"painted {seen.painted[-1].value:.0f} ms")  # fmt: skip
            seen.tab.append(await client.weigh())
    usage = Meter()
    usage.start()
    script = Figures(first_screen_bytes(FOLDER) / 1000, 0, usage.stop())
    return [
        _result("client_first", seen.first, FIRST_S, "s", "a warm load until rows of the list are drawn"),
        _result("client_open", seen.opened, OPEN_MS, "ms", "median from the click to texts drawn, of conversations that were not loaded"),
        _result("client_painted", seen.painted, PAINTED_MS, "ms", "p95 from the webhook's first byte to the row drawn"),
        _result("client_tab", seen.tab, TAB_MB, "MB", f"anonymous memory of the tab's process after {ARRIVING:,} arriving texts"),
        _result("client_script", [script], SCRIPT_KB, "kB", "script of the first screen, as gzip"),
    ]


def _result(name: str, figures: list[Figures], goal: float, unit: str, note: str) -> Result:
    nothing = Figures(0.0, 0, Usage(0.0, {}, 0.0, 0.0))
    result = summed_up(name, [(one, nothing) for one in figures], goal=goal, sense="at most", compare=by_difference, unit=unit)
    result.note = note
    return result


@asynccontextmanager
async def browsing(world: World, server: Server) -> AsyncGenerator[BrowserContext]:
    """Chromium, signed in as the world's one person. Raises RuntimeError where there is none."""
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if executable is None:
        message = "install Debian's chromium package, or name a Chromium in CHROMIUM"
        raise RuntimeError(message)
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=executable)
        context = await browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
        host = f"http://localhost:{server.port}"
        await context.add_cookies([{"name": "kereru_session", "value": world.company.people[0].session, "url": host}])
        await context.add_init_script(WATCH)
        yield context
        await browser.close()


class Client:
    """One person at a desk, with one tab."""

    def __init__(self, world: World, server: Server, context: BrowserContext) -> None:
        self._world, self._server, self._context = world, server, context
        self._page: Page
        self._ingress: Connection
        self._answered: asyncio.Queue[int] = asyncio.Queue()
        self._sent: dict[int, float] = {}

    async def begin(self) -> None:
        """The first load of all: afterwards the browser has the files."""
        self._page = await self._context.new_page()
        self._ingress = await connect(self._server.port, lambda _, status, __: self._answered.put_nowait(status))
        await self._load()
        await self._page.wait_for_timeout(3000)

    async def round(self, seen: Seen) -> None:
        """Load, open some conversations, watch some texts arrive."""
        meter = Meter(server=[self._server.process.pid], database=[self._world.engine_pid], load=[os.getpid()])
        meter.start()
        first = await self._load()
        opened = [await self._open(at) for at in range(OPENED)]
        numbers = [await self._arrive() for _ in range(PAINTED)]
        painted = await self._painted(numbers)
        usage = meter.stop()
        seen.first.append(Figures(first / 1000, 1, usage))
        seen.opened.append(Figures(percentile(opened, 0.5), OPENED, usage, {"p95_ms": percentile(opened, 0.95)}))
        seen.painted.append(Figures(percentile(painted, 0.95), PAINTED, usage, {"p50_ms": percentile(painted, 0.5)}))

    async def weigh(self) -> Figures:
        """What the tab weighs when so many texts have come since it was loaded."""
        meter = Meter(server=[self._server.process.pid], database=[self._world.engine_pid], load=[os.getpid()])
        meter.start()
        await self._load()
        await self._open(0)
        numbers = [await self._arrive() for _ in range(ARRIVING)]
        await self._painted(numbers[-1:])
        devtools = await self._context.new_cdp_session(self._page)
        await devtools.send("HeapProfiler.collectGarbage")
        heap = await devtools.send("Runtime.getHeapUsage")
        weight = await self._tab_bytes(devtools)
        return Figures(weight / 1e6, ARRIVING, meter.stop(), {"heap_mb": heap["usedSize"] / 1e6})

    async def _load(self) -> float:
        """Load the client; milliseconds from the beginning of the navigation until rows are drawn."""
        await self._page.goto(f"http://localhost:{self._server.port}/")
        await self._page.wait_for_function("() => window.first > 0")
        return float(await self._page.evaluate("window.first"))

    async def _open(self, at: int) -> float:
        """Click on a row; milliseconds from the click until texts are drawn."""
        await self._page.evaluate(OPEN, at)
        await self._page.locator("[data-conversation]").nth(at).click(delay=PRESS_MS)
        return float(await self._page.evaluate("window.opened"))

    async def _arrive(self) -> int:
        """Have a text come in; its number."""
        number = len(self._sent) + 1
        stranger = f"+1{200 + number % 700}55501{number % 100:02}"
        made = (f"SMw{number:030x}", self._world.company.people[0].e164, stranger, f"watched {number}")
        self._sent[number] = time()
        self._ingress.send(webhook(self._world.company, self._server.port, made))
        status = await self._answered.get()
        if status != 200:
            message = f"a text was answered {status}"
            raise RuntimeError(message)
        await asyncio.sleep(PACE_S)
        return number

    async def _painted(self, numbers: list[int]) -> list[float]:
        """Milliseconds from each webhook until its text was drawn."""
        await self._page.wait_for_function("(numbers) => numbers.every((one) => window.painted[one] > 0)", arg=numbers)
        at: dict[str, float] = await self._page.evaluate("window.painted")
        return [at[str(number)] - self._sent[number] * 1000 for number in numbers]

    async def _tab_bytes(self, devtools: CDPSession) -> float:
        """Chromium's own measure of a tab on Linux, the anonymous memory of its process, swapped or not; the heaviest process is the tab's."""
        browser = self._context.browser
        assert browser is not None
        system = await (await browser.new_browser_cdp_session()).send("SystemInfo.getProcessInfo")
        await devtools.detach()
        return max(_anonymous_bytes(one["id"]) for one in system["processInfo"] if one["type"] == "renderer")


def _anonymous_bytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "VmSwap:")))


def first_screen_bytes(bundle: Path) -> int:
    """What the client's page has a browser fetch of script before anything is drawn, as gzip: its entry and what that imports by name."""
    page = (bundle / "index.html").read_text()
    names = {part.split('"')[0] for part in page.split('"/assets/')[1:]}
    return sum((bundle / "assets" / f"{name}.gz").stat().st_size for name in names if name.endswith(".js"))
