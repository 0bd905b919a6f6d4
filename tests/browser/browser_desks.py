"""Browsers for people, and what they may report."""

import re
from typing import Any

from browser_client import Client
from playwright.sync_api import Browser, ConsoleMessage, WebError

from demo_fixture import Account, Demo

PERSON = re.compile(r"^[A-D]$")
EXPECTED = re.compile(r"status of 401 .*/api/v1/session$")
"""The first question of every start: who am I? Without a cookie the answer is 401, and Chromium logs it."""


class Desks:
    """Opens browsers for people, each with a profile of its own; any error that a page reports fails the test."""

    def __init__(self, browser: Browser, context_args: dict[str, Any], demo: Demo) -> None:
        self._browser, self._context_args, self._demo = browser, context_args, demo
        self._contexts: list[Any] = []
        self._allowed: list[re.Pattern[str]] = [EXPECTED]
        self.troubles: list[str] = []

    def allow(self, pattern: str) -> None:
        """Reports that this test provokes."""
        self._allowed.append(re.compile(pattern))

    def __call__(self, who: str | Account = "", *, script: str = "", signed_in: bool = True, at: str = "/", **options: Any) -> Client:
        """A browser with the client in it; `who` is a letter of the demo. `script` runs before every page's own."""
        context = self._browser.new_context(**{**self._context_args, **options})
        context.on("console", self._console)
        context.on("weberror", self._page_error)
        if script:
            context.add_init_script(script)
        self._contexts.append(context)
        account = self._demo.user(who) if isinstance(who, str) and PERSON.match(who) else who if isinstance(who, Account) else None
        client = Client(context.new_page(), self._demo, account)
        if account and signed_in:
            client.start(at)
        else:
            client.goto(at)
        return client

    def close(self) -> None:
        """Close all; whoever was signed in has no live socket after that."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()

    def _console(self, line: ConsoleMessage) -> None:
        if line.type == "error":
            self._note(f"{line.text} {line.location.get('url', '')}")

    def _page_error(self, error: WebError) -> None:
        self._note(str(error.error))

    def _note(self, said: str) -> None:
        if not any(pattern.search(said) for pattern in self._allowed):
            self.troubles.append(said)
