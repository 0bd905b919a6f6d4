"""Providers of a test's own, made beside the running demo by the operator's commands and the API."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from browser_portal import PASSWORD, Portal

from demo_fixture import Account, Demo, Http

CREDENTIALS = {"account_key": "Account/Key", "token_secret": "Token/Secret", "outbound_api_key": "Outbound API Key"}
"""How the form of a platform calls them."""


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
    api: Http
    users: dict[str, Account] = field(default_factory=dict[str, Account])

    def user(self, name: str) -> str:
        """A licensed user in a group of the first reseller; his id. Made once."""
        email = f"{name.split(maxsplit=1)[0].lower()}@{self.manager.email.split('@')[1]}"
        held = [one for one in self.api.get("/api/v1/users")["items"] if one["email"] == email]
        if held:
            return held[0]["id"]
        groups = self.api.get("/api/v1/groups")["items"]
        if not groups:
            reseller = self.api.get("/api/v1/resellers")["items"][0]["id"]
            groups = [self.api.post("/api/v1/groups", {"name": "Blue Door", "reseller_id": reseller})]
        made = self.api.post("/api/v1/users", {"group_id": groups[0]["id"], "name": name, "email": email, "invite": False})
        admin(self.demo, "set-password", email, answer=PASSWORD + "\n")
        admin(self.demo, "set-licence", self.id, made["id"], "desktop")
        self.users[made["id"]] = Account("user", email, PASSWORD, ())
        return made["id"]

    def account(self, level: str, organisation: str, name: str) -> Account:
        """A portal account at a level, by the operator's command."""
        email = f"{name.split(maxsplit=1)[0].lower()}@{self.manager.email.split('@')[1]}"
        admin(self.demo, "create-portal-account", self.id, level, organisation, name, email, answer=PASSWORD + "\n")
        return Account(level, email, PASSWORD, ())

    def alerts(self, on: bool) -> None:
        """Switch the manager's Send Alerts."""
        [mine] = self.api.get("/api/v1/portal-accounts")["items"]
        status, said = self.api.call("PATCH", f"/api/v1/portal-accounts/{mine['id']}", {"send_alerts": on})
        assert status == 200, said

    def platform(self, carrier: str) -> dict[str, Any]:
        """The first platform at a carrier; added by the API if there is none."""
        held = [one for one in self.api.get("/api/v1/platforms")["items"] if one["carrier"] == carrier]
        return held[0] if held else self.add_platform(carrier)

    def add_platform(self, carrier: str, **more: object) -> dict[str, Any]:
        """A platform with the demo's account at the carrier, by the API."""
        body = {"carrier": carrier, "credentials": account_at(self.demo, carrier), "endpoints": addresses(self.demo, carrier)}
        return self.api.post("/api/v1/platforms", {**body, **more})

    def assigned(self, user: str, digits: str, **more: object) -> str:
        """A number given by the API; the assignment's id. The one that is there, if there is one."""
        for held in self.api.get("/api/v1/assignments")["items"]:
            if held["number"].endswith(digits):
                return held["id"]
        body = {"number": digits, "platform_id": self.platform("restcomm" if digits.startswith("201") else "inteliquent")["id"], **more}
        return self.api.post(f"/api/v1/users/{user}/assignments", body)["id"]


def account_at(demo: Demo, carrier: str) -> dict[str, str]:
    """The demo's account at a carrier, by the names of the form's fields."""
    return next(one["credentials"] for one in demo.info["platforms"] if one["carrier"] == carrier)


def addresses(demo: Demo, carrier: str) -> dict[str, str]:
    """Where the simulated carrier answers."""
    base = f"{demo.simulator.base}/{carrier}"
    if carrier == "restcomm":
        return {"api": f"{base}/2012-04-24", "messages": f"{base}/api/2012-04-24"}
    return {"broker": f"{base}/msgbroker/rest", "services": f"{base}/Services/2.0.0"}


def fill_platform(portal: Portal, carrier: str, **other: str) -> None:
    """The form "Add CPaaS Platform", with the demo's account but for `other`."""
    portal.field("Platform").select_option(carrier)
    for name, value in {**account_at(portal.demo, carrier), **other}.items():
        portal.field(CREDENTIALS[name]).fill(value)
    where = addresses(portal.demo, carrier)
    if not portal.field(f"Address: {next(iter(where))}").is_visible():
        portal.page.get_by_text("Addresses", exact=True).click()
    for name, url in where.items():
        portal.field(f"Address: {name}").fill(url)


def found_company(demo: Demo, name: str, *, alerts: bool) -> Company:
    """Found an empty provider with one portal account."""
    made = str(admin(demo, "create-provider", name)["provider_id"])
    email = f"olga@{name.split(maxsplit=1)[0].lower()}.example"
    words = ["create-portal-account", made, "provider", made, "Olga Lind", email, *(["--alerts"] if alerts else [])]
    admin(demo, *words, answer=PASSWORD + "\n")
    manager = Account("provider", email, PASSWORD, ())
    return Company(demo, name, made, manager, demo.signed_in(manager))
