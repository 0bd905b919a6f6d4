"""The portal as a person sees it, and the mails that lead into it."""

import re
import uuid
from typing import Any

from browser_client import Client, say
from browser_desks import Desks
from playwright.sync_api import Locator, Page, expect

from demo_fixture import Account, Demo, eventually

PASSWORD = "correct-horse-battery-2026"
REFUSED = r"status of (401|403|404|409|422|429|503)"
"""Chromium logs each refusal that a test provokes."""


def somebody(role: str, demo: Demo) -> Account:
    """The demo's portal account of a level."""
    return next(account for account in demo.accounts if account.role == role)


def unique(word: str) -> str:
    """A name that no other test of this demo uses."""
    return f"{word} {uuid.uuid4().hex[:6]}"


class Portal:
    """One window with the portal in it."""

    def __init__(self, desk: Desks, demo: Demo, who: Account | None = None, **options: Any) -> None:
        desk.allow(REFUSED)
        self.client: Client = desk("", signed_in=False, at="/health/live", **options)
        self.page: Page = self.client.page
        self.demo, self.who = demo, who

    # Coming and going

    def signed_in(self) -> "Portal":
        """Sign in without the form, which has tests of its own."""
        assert self.who
        data = {"email": self.who.email, "password": self.who.password}
        answer = self.page.context.request.post(f"{self.demo.client}/api/v1/session", data=data)
        assert answer.ok, answer.text()
        return self

    def enter(self, path: str = "/portal") -> "Portal":
        """Signed in, load an address."""
        self.signed_in().goto(path)
        expect(self.page.get_by_role("navigation", name=say("tree.label"))).to_be_visible()
        return self

    def goto(self, path: str) -> None:
        """Load an address."""
        self.page.goto(self.demo.client + path)

    def place(self, *path: str) -> None:
        """Load a place: level, id, tab and what follows."""
        self.goto("/portal/" + "/".join(path))
        expect(self.page.get_by_role("navigation", name=say("tabs.label"))).to_be_visible()

    def sign_in(self, email: str, password: str) -> None:
        """By the form."""
        self.field(say("signin.email")).fill(email)
        self.field(say("signin.password")).fill(password)
        self.button(say("signin.submit")).click()

    def choose_password(self, password: str, again: str | None = None) -> None:
        """By the form behind a link."""
        self.field(say("password.new")).fill(password)
        self.field(say("password.again")).fill(password if again is None else again)
        self.button(say("password.submit")).click()

    def tab(self, name: str) -> None:
        """Open a tab of where we are."""
        self.page.get_by_role("navigation", name=say("tabs.label")).get_by_role("link", name=name, exact=True).click()

    # What is on the page

    def node(self, name: str) -> Locator:
        """A line of the tree."""
        return self.page.get_by_role("treeitem", name=re.compile(f"^{re.escape(name)}"))

    def section(self, title: str) -> Locator:
        """A card of the page."""
        return self.page.get_by_role("region", name=title, exact=True)

    def rows(self) -> Locator:
        """The lines of the page's table."""
        return self.page.get_by_role("table").get_by_role("row").filter(has=self.page.get_by_role("rowheader"))

    def field(self, label: str) -> Locator:
        """A field by its exact label."""
        return self.page.get_by_label(label, exact=True)

    def switch(self, label: str) -> Locator:
        """A switch by its label."""
        return self.page.get_by_role("switch", name=label)

    def button(self, name: str) -> Locator:
        """A button by its exact name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def replace(self, label: str) -> None:
        """Begin to replace a secret."""
        self.page.get_by_role("button", name=say("secret.replace")).filter(has_text=label).click()

    def dialog(self) -> Locator:
        """The question that is open."""
        return self.page.get_by_role("dialog")

    # Waiting

    def heading(self, name: str) -> None:
        """Wait for the place of this name."""
        expect(self.page.get_by_role("heading", name=name, level=1)).to_be_visible()

    def shows(self, text: str) -> None:
        """Wait until the page has these words."""
        expect(self.page.get_by_role("main")).to_contain_text(text)

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
        self.client.accessible()
        self.client.no_side_scroll()
