"""The portal as a person sees it, and the mails that lead into it."""

import re
import uuid
from typing import Any

from browser_client import say
from browser_desks import Desks
from playwright.sync_api import Locator, expect

from demo_fixture import Account, Demo, eventually

PASSWORD = "correct-horse-battery-2026"


def somebody(role: str, demo: Demo) -> Account:
    """The demo's portal account of a level."""
    return next(account for account in demo.accounts if account.role == role)


def unique(word: str) -> str:
    """A name that no other test of this demo uses."""
    return f"{word} {uuid.uuid4().hex[:6]}"


class Portal:
    """One window with the portal in it."""

    def __init__(self, desk: Desks, demo: Demo, who: Account | None = None, **options: Any) -> None:
        self._client = desk("", signed_in=False, at="/health/live", **options)
        self.page, self.demo, self.who = self._client.page, demo, who

    def enter(self, path: str = "/portal") -> "Portal":
        """Sign in without the form, then load; the form has tests of its own."""
        assert self.who
        data = {"email": self.who.email, "password": self.who.password}
        answer = self.page.context.request.post(f"{self.demo.client}/api/v1/session", data=data)
        assert answer.ok, answer.text()
        self.goto(path)
        expect(self.page.get_by_role("navigation", name=say("tree.label"))).to_be_visible()
        return self

    def goto(self, path: str) -> None:
        """Load an address."""
        self.page.goto(self.demo.client + path)

    def sign_in(self, email: str, password: str) -> None:
        """By the form."""
        self.page.get_by_label(say("signin.email")).fill(email)
        self.page.get_by_label(say("signin.password"), exact=True).fill(password)
        self.page.get_by_role("button", name=say("signin.submit")).click()

    def node(self, name: str) -> Locator:
        """A line of the tree."""
        return self.page.get_by_role("treeitem", name=re.compile(f"^{re.escape(name)}"))

    def tab(self, name: str) -> None:
        """Open a tab of where we are."""
        self.page.get_by_role("navigation", name=say("tabs.label")).get_by_role("link", name=name, exact=True).click()

    def button(self, name: str) -> Locator:
        """A button by its exact name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def heading(self, name: str) -> None:
        """Wait for the place of this name."""
        expect(self.page.get_by_role("heading", name=name, level=1)).to_be_visible()

    def said(self, words: str) -> None:
        """Wait until the page says that something was done."""
        expect(self.page.get_by_role("status").filter(has_text=words)).to_be_visible()

    def mailed(self, email: str, count: int = 1) -> str:
        """The address of the link in the newest mail to somebody, once `count` of them have come."""

        def link() -> str | None:
            mails = [mail for mail in self.demo.simulator.get("/mail/messages")["items"] if email in str(mail["to"])]
            found = re.search(r"https?://\S+/portal(/password#\S+)", mails[0]["text"]) if len(mails) >= count else None
            return found and "/portal" + found[1]

        return eventually(link, 30)

    def sound(self) -> None:
        """Axe finds nothing, and nothing sticks out at the side."""
        self._client.accessible()
        self._client.no_side_scroll()
