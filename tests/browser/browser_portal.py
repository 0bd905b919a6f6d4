"""The portal as a person sees it, and providers of their own, made beside the running demo by the operator's commands."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from browser_client import Client
from browser_desks import Desks
from playwright.sync_api import Locator, Page, expect

from demo_fixture import Account, Demo, Http

PASSWORD = "a long password of the tests"
REFUSED = r"status of (409|422|503)"
"""Chromium logs each refusal that a test provokes."""


def admin(demo: Demo, *words: str, answer: str = "") -> Any:
    """One of the operator's commands beside the running demo; `answer` is what it reads."""
    command = [str(Path(sys.executable).with_name("kereru")), "admin", *words, "--home", str(demo.home), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, input=answer)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@dataclass
class Company:
    """A provider of a test's own: its id, whoever manages it, and a scripted client of his."""

    demo: Demo
    name: str
    id: str
    manager: Account
    portal: Http
    users: dict[str, Account] = field(default_factory=dict[str, Account])

    def user(self, name: str) -> str:
        """A licensed user in a group of the first reseller; his id. Made once."""
        email = f"{name.split(maxsplit=1)[0].lower()}@{self.manager.email.split('@')[1]}"
        held = [one for one in self.portal.get("/api/v1/users")["items"] if one["email"] == email]
        if held:
            return held[0]["id"]
        groups = self.portal.get("/api/v1/groups")["items"]
        if not groups:
            reseller = self.portal.get("/api/v1/resellers")["items"][0]["id"]
            groups = [self.portal.post("/api/v1/groups", {"name": "Blue Door", "reseller_id": reseller})]
        made = self.portal.post("/api/v1/users", {"group_id": groups[0]["id"], "name": name, "email": email, "invite": False})
        admin(self.demo, "set-password", email, answer=PASSWORD + "\n")
        admin(self.demo, "set-licence", self.id, made["id"], "desktop")
        self.users[made["id"]] = Account("user", email, PASSWORD, ())
        return made["id"]

    def alerts(self, on: bool) -> None:
        """Switch the manager's Send Alerts."""
        [mine] = self.portal.get("/api/v1/portal-accounts")["items"]
        status, said = self.portal.call("PATCH", f"/api/v1/portal-accounts/{mine['id']}", {"send_alerts": on})
        assert status == 200, said

    def platform(self, carrier: str) -> dict[str, Any]:
        """The first platform at a carrier; added by the API if there is none."""
        held = [one for one in self.portal.get("/api/v1/platforms")["items"] if one["carrier"] == carrier]
        return held[0] if held else self.add_platform(carrier)

    def add_platform(self, carrier: str, **more: object) -> dict[str, Any]:
        """A platform with the demo's account at the carrier, by the API."""
        body = {"carrier": carrier, "credentials": account_at(self.demo, carrier), "endpoints": self.addresses(carrier)}
        return self.portal.post("/api/v1/platforms", {**body, **more})

    def addresses(self, carrier: str) -> dict[str, str]:
        """Where the simulated carrier answers."""
        base = f"{self.demo.simulator.base}/{carrier}"
        if carrier == "restcomm":
            return {"api": f"{base}/2012-04-24", "messages": f"{base}/api/2012-04-24"}
        return {"broker": f"{base}/msgbroker/rest", "services": f"{base}/Services/2.0.0"}


def account_at(demo: Demo, carrier: str) -> dict[str, str]:
    """The demo's account at a carrier, by the names of the form's fields."""
    return next(one["credentials"] for one in demo.info["platforms"] if one["carrier"] == carrier)


def found_company(demo: Demo, name: str, *, alerts: bool) -> Company:
    """Found an empty provider with one portal account."""
    made = str(admin(demo, "create-provider", name)["provider_id"])
    email = f"olga@{name.split(maxsplit=1)[0].lower()}.example"
    words = ["create-portal-account", made, "provider", made, "Olga Lind", email, *(["--alerts"] if alerts else [])]
    admin(demo, *words, answer=PASSWORD + "\n")
    manager = Account("provider", email, PASSWORD, ())
    return Company(demo, name, made, manager, demo.signed_in(manager))


class Portal:
    """One window with the portal in it."""

    def __init__(self, desk: Desks, company: Company) -> None:
        self.desk, self.company = desk, company
        self.client = Client(desk("", signed_in=False, at="/health/live").page, company.demo, company.manager)
        answer = self.page.context.request.post(
            f"{company.demo.client}/api/v1/session", data={"email": company.manager.email, "password": company.manager.password}
        )
        assert answer.ok, answer.text()
        desk.allow(REFUSED)

    @property
    def page(self) -> Page:
        """The window."""
        return self.client.page

    def goto(self, *path: str) -> None:
        """Load a place: level, id, tab and what follows."""
        self.client.goto("/portal/" + "/".join(path))
        expect(self.page.get_by_role("navigation", name="Tabs")).to_be_visible()

    def provider(self, *path: str) -> None:
        """Load a tab of the company."""
        self.goto("provider", self.company.id, *path)

    def field(self, label: str) -> Locator:
        """A field of the page's form."""
        return self.page.get_by_role("main").get_by_label(label, exact=True)

    def button(self, name: str) -> Locator:
        """A button of the page."""
        return self.page.get_by_role("main").get_by_role("button", name=name, exact=True)

    def replace(self, label: str) -> None:
        """Begin to replace a secret."""
        self.page.get_by_role("button", name="Replace").filter(has_text=label).click()

    def dialog(self) -> Locator:
        """The question that is open."""
        return self.page.get_by_role("dialog")

    def section(self, title: str) -> Locator:
        """A card of the page."""
        return self.page.get_by_role("region", name=title, exact=True)

    def said(self, text: str) -> None:
        """Wait until the page says so."""
        expect(self.page.get_by_role("main")).to_contain_text(text)
