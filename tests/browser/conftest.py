"""Browser tests: Debian's Chromium against the whole running product. Nothing sleeps: everything waits for what a person would see."""

import asyncio
import itertools
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from browser_desks import Desks
from cable import Cable
from playwright.sync_api import Browser, BrowserType, Playwright, expect, sync_playwright

from demo_fixture import Demo

AREAS = ("202", "212", "303", "305", "404", "415", "503", "617", "702", "808")
UNPAIRED = range(110, 200)
"""555-0101 to 0108 mean trouble to the simulators; two areas are the demo's own."""
_numbers = itertools.cycle(f"+1{area}555{line:04d}" for line in UNPAIRED for area in AREAS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A text that is missing on a screen: was it told by the carrier, stored by the product, or not shown?"""
    report = yield
    demo = getattr(item, "funcargs", {}).get("demo")
    # At the end of a file the demo is gone before its last test is reported for good.
    if report.failed and report.when == "call" and isinstance(demo, Demo):
        report.sections.append(("webhooks, newest first", "\n".join(str(one) for one in demo.simulator.get("/deliveries?limit=12")["items"])))
        for letter in "AB":
            held = demo.signed_in(demo.user(letter)).get("/api/v1/conversations?limit=6")["items"]
            lines = [f"{one['remote']} unread {one['unread']}: {(one['last_message'] or {}).get('text')}" for one in held]
            report.sections.append((f"what {letter} can fetch", "\n".join(lines)))
    return report


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Debian's Chromium; a machine without it fails instead of passing over these tests."""
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert executable, "install Debian's chromium package, or name a Chromium in CHROMIUM"
    return {**browser_type_launch_args, "executable_path": executable}


# Module scope instead of the plugin's session scope: while Playwright's loop lives in this thread, no asynchronous test can run in it.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Playwright, for the tests of one file."""
    driver = sync_playwright().start()
    yield driver
    driver.stop()
    assert asyncio._get_running_loop() is None


@pytest.fixture(scope="module")
def browser_type(playwright: Playwright) -> BrowserType:
    """Chromium's driver."""
    return playwright.chromium


@pytest.fixture(scope="module")
def browser(browser_type: BrowserType, browser_type_launch_args: dict[str, Any]) -> Iterator[Browser]:
    """The browser, for the tests of one file."""
    running = browser_type.launch(**browser_type_launch_args)
    yield running
    running.close()


@pytest.fixture(scope="module")
def browser_context_args() -> dict[str, Any]:
    """An American desk: what a person of the demo has."""
    desk = {"locale": "en-US", "timezone_id": "America/New_York", "viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"}
    # Requests that pass a service worker are not seen by `page.route`; test_offline.py lets it work.
    return {**desk, "service_workers": "block"}


@pytest.fixture
def new_phone() -> Callable[[], str]:
    """Hands out phones that no other test of this demo uses."""
    expect.set_options(timeout=15_000)
    return lambda: next(_numbers)


@pytest.fixture
def phone(new_phone: Callable[[], str]) -> str:
    """A phone of this test's own."""
    return new_phone()


@pytest.fixture
def desk(browser: Browser, browser_context_args: dict[str, Any], demo: Demo, new_phone: Callable[[], str]) -> Iterator[Desks]:
    """Browsers for people."""
    desks = Desks(browser, browser_context_args, demo)
    yield desks
    desks.close()
    demo.simulator.delete("/faults")
    assert desks.troubles == []


@pytest.fixture
def cable() -> Iterator[Cable]:
    """A cable to pull; give its address to a desk as `proxy={"server": cable.address}`."""
    with Cable() as made:
        yield made
