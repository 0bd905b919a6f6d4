"""The client as a person sees it: finds things by the names on screen only, and waits for them."""

import json
import re
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from demo_fixture import Account, Demo, eventually

_TEXTS = Path(__file__).parents[2] / "web/src/shared/i18n"
WORDS: dict[str, str] = {key: text for name in ("en.json", "en.portal.json") for key, text in json.loads((_TEXTS / name).read_text()).items()}

LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1440, 390)]
"""What axe looks at: both schemes, on a desk and in a hand."""


def say(key: str, **values: object) -> str:
    """The words on screen under this key."""
    text = WORDS[key]
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def national(e164: str) -> str:
    """How an American sees an American number."""
    return f"({e164[2:5]}) {e164[5:8]}-{e164[8:]}"


class Client:
    """One window."""

    def __init__(self, page: Page, demo: Demo, account: Account | None) -> None:
        self.page, self.demo, self.account = page, demo, account

    # Coming and going

    def goto(self, path: str) -> None:
        """Load an address of the client."""
        self.page.goto(self.demo.client + path)

    def start(self, at: str = "/") -> None:
        """Sign in without the form, then load; the form has tests of its own."""
        assert self.account
        answer = self.page.context.request.post(
            f"{self.demo.client}/api/v1/session", data={"email": self.account.email, "password": self.account.password}
        )
        assert answer.ok, answer.text()
        self.goto(at)
        expect(self.page.get_by_role("navigation", name="Main")).to_be_visible()

    def sign_in(self, password: str | None = None) -> None:
        """By the form."""
        assert self.account
        self.page.get_by_label("E-mail address").fill(self.account.email)
        self.page.get_by_label("Password").fill(password or self.account.password)
        self.page.get_by_role("button", name="Sign in").click()

    def another_window(self, at: str = "/") -> "Client":
        """A second window of the same browser."""
        other = Client(self.page.context.new_page(), self.demo, self.account)
        other.goto(at)
        return other

    # The list

    @property
    def list(self) -> Locator:
        """The list of conversations."""
        return self.page.get_by_role("region", name="Conversations").get_by_role("list", name="Conversations")

    def row(self, remote: str, text: str = "") -> Locator:
        """A conversation's row, by its remote number (E.164 or as shown) and, if given, by other words in it."""
        shown = national(remote) if remote.startswith("+1") else remote
        rows = self.list.get_by_role("link").filter(has=self.page.get_by_text(shown, exact=True))
        return rows.filter(has_text=text) if text else rows

    def open(self, remote: str, text: str = "") -> None:
        """Open a conversation from the list."""
        self.row(remote, text).click()
        expect(self.composer).to_be_focused()

    def open_new(self, phone: str, to: str | None = None, text: str = "Hello") -> None:
        """Have a phone text, and open what appears."""
        assert self.account
        self.demo.phone_sends(phone, to or self.account.numbers[0].number, text)
        self.open(phone)
        expect(self.bubble(text)).to_be_visible()

    # The conversation

    @property
    def pane(self) -> Locator:
        """The open conversation."""
        return self.page.get_by_role("region", name="Conversation", exact=True)

    @property
    def composer(self) -> Locator:
        """Where a text is written."""
        return self.page.get_by_role("form", name="Write a text").get_by_role("textbox", name="Text", exact=True)

    @property
    def send_button(self) -> Locator:
        """Sends."""
        return self.page.get_by_role("form", name="Write a text").get_by_role("button", name="Send", exact=True)

    def send(self, text: str) -> Locator:
        """Write and send; answers the bubble."""
        self.composer.fill(text)
        self.composer.press("Enter")
        bubble = self.bubble(text)
        expect(bubble).to_be_visible()
        return bubble

    def bubble(self, text: str) -> Locator:
        """The text's line in the open conversation: bubble, time, mark."""
        texts = self.page.get_by_role("list", name="Texts")
        return texts.get_by_role("listitem").filter(has=self.page.get_by_text(text, exact=True))

    def delivered(self, text: str) -> None:
        """Wait until the text's mark says so."""
        expect(self.bubble(text)).to_contain_text("Delivered")

    # The dial field

    @property
    def dial(self) -> Locator:
        """The field for a number."""
        return self.page.get_by_role("textbox", name="To", exact=True)

    @property
    def dial_note(self) -> Locator:
        """What is said about the number."""
        return self.page.get_by_role("region", name="New text").get_by_role("status").first

    # What everybody checks

    def no_side_scroll(self) -> None:
        """Nothing sticks out at the side."""
        wide = self.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide[0] <= wide[1], wide

    def accessible(self) -> None:
        """Axe finds nothing."""
        found = Axe().run(self.page)
        assert found.violations_count == 0, found.generate_report()

    def unread(self) -> int:
        """The number in the window's title."""
        match = re.match(r"\((\d+)\) ", self.page.title())
        return int(match[1]) if match else 0

    def read_everything(self) -> None:
        """Begin with nothing unread, whatever earlier tests left."""
        assert self.account
        read_everything(self.demo, self.account)
        expect(self.page).to_have_title("Kererū")

    def got(self, phone: str, text: str) -> int:
        """How many times a phone received this text."""
        return [message["text"] for message in self.demo.phone_has(phone) if message["direction"] == "in"].count(text)

    def sends(self, phone: str, text: str) -> int:
        """How many times the carriers were asked to send this text to this phone."""
        digits = phone.lstrip("+")
        bodies = [
            json.dumps(entry["body"], ensure_ascii=False)
            for entry in self.demo.simulator.get("/ledger?limit=500&order=newest")["items"]
            if entry["method"] == "POST"
        ]
        return sum(text in body and digits in body for body in bodies)

    def phone_gets(self, phone: str, text: str) -> None:
        """Wait until a phone has this text, and that it has it once."""
        eventually(lambda: self.got(phone, text))
        assert self.got(phone, text) == 1


def read_everything(demo: Demo, account: Account) -> None:
    """Mark all conversations of somebody as read."""
    me = demo.signed_in(account)
    for conversation in me.get("/api/v1/conversations?limit=200")["items"]:
        if conversation["unread"]:
            me.post(f"/api/v1/conversations/{conversation['id']}/read", {"up_to": None})
