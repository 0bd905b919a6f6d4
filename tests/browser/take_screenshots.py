"""Takes the pictures in docs/images: `python tests/browser/take_screenshots.py`, with the environment's Python; behind it, some of their kinds:
client portal numbers simulators screens failed.

It starts a demo of its own, lets invented people text through the simulators, and looks at the result with Chromium. Everything on the pictures is
the running product's own work but the times: those are told by the story below, so that the same sources make the same pictures on any day.
"""

import io
import json
import re
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from PIL import Image  # noqa: E402
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, WebSocketRoute, expect, sync_playwright  # noqa: E402

from demo_fixture import Account, Demo, Http, eventually, start_demo, stop_demo  # noqa: E402

IMAGES = Path(__file__).parents[2] / "docs" / "images"
NOW = datetime(2026, 3, 12, 10, 46, 20, tzinfo=ZoneInfo("America/New_York"))
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
CUSTOMER = "+12025550142"
SHEET, GAP = 560, 12
"""Height of a screen on a sheet of all its looks, and the room between them."""


@dataclass(frozen=True)
class Line:
    """One text of the story: minutes ago, whose number, which phone, who writes."""

    ago: int
    number: int
    phone: str
    out: bool
    text: str


DAY = 24 * 60
STORY = (
    Line(8 * DAY + 95, 1, "+14155550171", False, "Do you also sell gift cards?"),
    Line(8 * DAY + 90, 1, "+14155550171", True, "We do, from $20. They are good for two years."),
    Line(2 * DAY - 200, 0, "+447700900123", False, "Can the router be sent to London?"),
    Line(2 * DAY - 208, 0, "+447700900123", True, "Yes, it takes about five days."),
    Line(DAY + 140, 1, "+13035550184", False, "The line is quiet again, thank you for coming out so late"),
    Line(DAY + 62, 0, CUSTOMER, False, "Good morning. Do you still have the blue kettle from the window?"),
    Line(DAY + 58, 0, CUSTOMER, True, "Good morning. One is left, $48."),
    Line(DAY + 57, 0, CUSTOMER, True, "Shall we keep it for you?"),
    Line(DAY + 41, 0, CUSTOMER, False, "Yes please, until tomorrow"),
    Line(178, 1, "+16175550119", False, "Our phones are back since nine"),
    Line(171, 1, "+16175550119", True, "Good to hear. A new filter is in the post."),
    Line(26, 0, CUSTOMER, False, "Is the blue one still there?"),
    Line(24, 0, CUSTOMER, True, "It is, with your name on it."),
    Line(19, 0, CUSTOMER, False, "Can I pick it up at noon? 🙂"),
    Line(18, 0, CUSTOMER, True, "Noon is fine. We are at 12 Harbour Street."),
    Line(9, 0, "+15035550136", False, "Your order form does not take my card"),
    Line(4, 1, "+12125550157", False, "Could somebody call me about the new line?"),
    Line(3, 1, "+12125550157", False, "After two is best"),
)
FAILED = Line(11, 0, "+18085550163", True, "Your order is ready to be picked up.")
ASKED_BEFORE = Line(16, 0, FAILED.phone, False, "When will it be ready?")
TOLD = {line.text: NOW - timedelta(minutes=line.ago) for line in (*STORY, ASKED_BEFORE, FAILED)}


def retold(said: Any) -> Any:
    """The same answer with the story's times."""
    if isinstance(said, list):
        return [retold(one) for one in said]
    if not isinstance(said, dict):
        return said
    told = {name: retold(value) for name, value in said.items()}
    text = told.get("text") or told.get("body")
    at = TOLD.get(text) if isinstance(text, str) else None
    if at:
        told.update({name: at.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ") for name in ("at", "updated") if name in told})
    if isinstance(told.get("last_message"), dict):
        told["last_at"] = told["last_message"]["at"]
    if "target" in told and "changes" in told:
        # A row of the history log.
        told["at"] = (NOW - timedelta(minutes=12)).astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(told.get("user"), dict):
        # A person's colour comes from the id, which is another one in each demo.
        told["user"]["id"] = told["user"].get("email", told["user"]["id"])
    return told


def retell(route: Route) -> None:
    """Passes a request on, and its answer with the story's times."""
    answer = route.fetch()
    if "json" in answer.headers.get("content-type", ""):
        route.fulfill(response=answer, json=retold(answer.json()))
    else:
        route.fulfill(response=answer)


def retell_live(line: WebSocketRoute) -> None:
    """The same for the live line."""
    server = line.connect_to_server()
    server.on_message(lambda frame: line.send(json.dumps(retold(json.loads(frame)))))


def happened(demo: Demo, account: Account, me: Http, line: Line) -> None:
    """Let a line of the story happen, and wait until it has."""
    number = account.numbers[line.number]
    if line.out:
        me.put(f"/api/v1/messages/{uuid.uuid4()}", {"number_id": number.id, "to": line.phone, "text": line.text, "attachments": []})
    else:
        demo.phone_sends(line.phone, number.number, line.text)
    wanted = ("delivered", "undelivered") if line.out else ("received",)

    def there() -> bool:
        newest = [held["last_message"] for held in me.get("/api/v1/conversations")["items"]]
        return any(message["text"] == line.text and message["status"] in wanted for message in newest)

    try:
        eventually(there)
    except AssertionError as error:
        raise AssertionError(f"{line} did not happen: {me.get('/api/v1/conversations')['items'][:1]}") from error


@contextmanager
def window(browser: Browser, demo: Demo, account: Account | None, look: str, size: dict[str, int]) -> Iterator[Page]:
    """A window of somebody, in the story's time."""
    context: BrowserContext = browser.new_context(
        viewport=size,  # type: ignore[arg-type]
        color_scheme=look,  # type: ignore[arg-type]
        device_scale_factor=2,
        locale="en-US",
        timezone_id="America/New_York",
        reduced_motion="reduce",
    )
    context.add_init_script("delete window.SharedWorker")
    context.clock.set_fixed_time(NOW)
    context.route("**/api/v1/**", retell)
    for path in ("phones**", "phones/**", "restcomm/**", "inteliquent/**", "console/**", "messages**"):
        context.route(f"{demo.simulator.base}/{path}", retell)
    context.route_web_socket("**/api/v1/socket", retell_live)
    if account:
        context.request.post(f"{demo.client}/api/v1/session", data={"email": account.email, "password": account.password})
    page = context.new_page()
    try:
        yield page
    finally:
        context.unroute_all(behavior="ignoreErrors")
        context.close()


def take(page: Page, name: str) -> None:
    """Save the picture once fonts are there, nothing has the pointer on it, and two pictures in a row are the same."""
    page.evaluate("document.fonts.ready")
    page.mouse.move(0, 0)
    before, now = b"", page.screenshot(animations="disabled", caret="hide")
    while now != before:
        before, now = now, page.screenshot(animations="disabled", caret="hide")
    (IMAGES / f"{name}.png").write_bytes(now)
    print(name)


def row(page: Page, text: str) -> Locator:
    """A row of the list."""
    return page.get_by_role("region", name="Conversations").get_by_role("link").filter(has_text=text)


def open_row(page: Page, text: str, last: str) -> None:
    """Open a conversation and wait until it stands still."""
    row(page, text).click()
    expect(page.get_by_role("list", name="Texts").get_by_text(last, exact=True)).to_be_in_viewport()
    expect(page.get_by_role("status").filter(has_text="No connection")).to_have_count(0)


def client_pictures(browser: Browser, demo: Demo) -> None:
    """The client, by day and by night, on a desk and in a hand."""
    account = demo.user("C")
    for name, look, size in (
        ("client-conversation", "light", WIDE),
        ("client-conversation-dark", "dark", WIDE),
        ("client-conversation-390", "light", NARROW),
        ("client-conversation-390-dark", "dark", NARROW),
    ):
        with window(browser, demo, account, look, size) as page:
            page.goto(demo.client)
            expect(row(page, "12 Harbour Street")).to_be_visible()
            if size is NARROW and look == "light":
                take(page, "client-list-390")
            open_row(page, "12 Harbour Street", STORY[14].text)
            take(page, name)
    with window(browser, demo, account, "light", WIDE) as page:
        page.goto(demo.client + "/activity")
        expect(page.get_by_role("table").get_by_text("After two is best")).to_be_visible()
        take(page, "client-activity")
        page.goto(demo.client + "/settings")
        expect(page.get_by_text("Your numbers")).to_be_visible()
        take(page, "client-settings")
        page.goto(demo.client + "/new")
        page.get_by_role("textbox", name="To", exact=True).fill("0044 7700 900188")
        expect(page.get_by_text("Goes to +44 7700 900188")).to_be_visible()
        page.get_by_role("textbox", name="Text", exact=True).fill("We’re open until six")
        expect(page.get_by_role("button", name="Use plain")).to_be_visible()
        take(page, "client-new-text")
    with window(browser, demo, None, "light", WIDE) as page:
        page.goto(demo.client)
        page.get_by_label("E-mail address").fill(account.email)
        page.get_by_label("Password").fill(account.password)
        take(page, "client-sign-in")
    with window(browser, demo, demo.user("D"), "light", WIDE) as page:
        page.goto(demo.client)
        expect(page.get_by_role("alertdialog")).to_be_visible()
        take(page, "client-opt-in")


def failed_picture(browser: Browser, demo: Demo, me: Http) -> None:
    """A text that did not arrive. Last, so that it is on no other picture."""
    account = demo.user("C")
    happened(demo, account, me, ASKED_BEFORE)
    demo.fault("restcomm", "failed_receipt", count=1, to=FAILED.phone)
    happened(demo, account, me, FAILED)
    with window(browser, demo, account, "light", WIDE) as page:
        page.goto(demo.client)
        open_row(page, FAILED.text, FAILED.text)
        expect(page.get_by_role("button", name="Send again")).to_be_in_viewport()
        take(page, "client-failed")


def portal_pictures(browser: Browser, demo: Demo) -> None:
    """The portal: a user, whom mails go to, what was changed, and the tree in a hand."""
    [account] = [account for account in demo.accounts if account.role == "provider"]
    admin = demo.signed_in(account)
    [group] = [one for one in admin.get("/api/v1/groups")["items"] if one["name"] == "Blue Door Ltd"]
    users = {one["name"]: f"/users/{one['id']}" for one in admin.get(f"/api/v1/users?group={group['id']}")["items"]}
    admin.call("PATCH", f"/api/v1{users['Chloe Meyer']}", {"external_id": "chloe.meyer@bluedoor", "computer_name": "COUNTER-2"})
    admin.call("PATCH", f"/api/v1{users['Chloe Meyer']}", {"computer_name": "COUNTER-3", "external_reference": "C-1042"})
    admin.call("PUT", f"/api/v1{users['Chloe Meyer']}/licence", {"product": "agent"})
    for name, look, size in (
        ("portal-user", "light", WIDE),
        ("portal-user-dark", "dark", WIDE),
        ("portal-user-390", "light", NARROW),
    ):
        with window(browser, demo, account, look, size) as page:
            page.goto(f"{demo.client}/portal{users['Chloe Meyer'].replace('users', 'user')}/details")
            expect(page.get_by_label("Product")).to_have_value("agent")
            take(page, name)
            if size is NARROW:
                page.get_by_role("button", name="Show organisations").click()
                expect(page.get_by_role("treeitem", name="Dev Patel")).to_be_visible()
                take(page, "portal-tree-390")
    with window(browser, demo, account, "light", WIDE) as page:
        page.goto(f"{demo.client}/portal")
        page.get_by_role("link", name="Portal User Accounts").click()
        page.get_by_role("link", name="Olive Park").click()
        expect(page.get_by_role("switch", name="Send Alerts")).to_be_visible()
        take(page, "portal-account")
        page.goto(f"{demo.client}/portal{users['Chloe Meyer'].replace('users', 'user')}/history")
        expect(page.get_by_text("COUNTER-3")).to_be_visible()
        take(page, "portal-history")


def simulator_pictures(browser: Browser, demo: Demo) -> None:
    """The simulators' page, on the customer's phone."""
    for look in ("light", "dark"):
        with window(browser, demo, None, look, WIDE) as page:
            page.goto(demo.simulator.base)
            page.get_by_label("This phone's number").fill(CUSTOMER)
            page.get_by_label("Texts with").select_option(demo.user("C").numbers[0].number)
            expect(page.locator(".bubble", has_text="12 Harbour Street")).to_be_visible()
            expect(page.locator("td", has_text="12 Harbour Street").first).to_be_visible()
            expect(page.locator(".bubble").last).to_be_in_viewport()
            page.locator(":focus").blur()
            take(page, f"simulators{'' if look == 'light' else '-dark'}")


def retell_portal(route: Route) -> None:
    """Passes a portal's request on; every time in the answer is one of the story's, and hashes and ports are the same on every day."""
    answer = route.fetch()
    body = re.sub(r'"20\d\d-\d\d-\d\dT[^"]*"', '"2026-03-12T14:12:40Z"', answer.text())
    body = re.sub(r'"hash":"[0-9a-f]{64}"', f'"hash":"{"3f9c" * 16}"', body)
    route.fulfill(response=answer, body=re.sub(r"localhost:\d+", "localhost:8000", body))


def number_pictures(browser: Browser, demo: Demo) -> None:
    """The portal's screens for platforms and numbers."""
    account = next(one for one in demo.accounts if one.role == "provider")
    me = demo.signed_in(account)
    provider = me.get("/api/v1/tree")["items"][0]["id"]
    platform = me.get("/api/v1/platforms")["items"][0]["id"]
    number = me.get("/api/v1/assignments")["items"][0]
    user, group, reseller = number["user"]["id"], number["group"]["id"], number["reseller"]["id"]
    for name, look, size, path, words in (
        ("portal-details", "light", WIDE, f"provider/{provider}/details", "Name"),
        ("portal-accounts", "light", WIDE, f"provider/{provider}/accounts", account.email),
        ("portal-resellers", "light", WIDE, f"provider/{provider}/resellers", number["reseller"]["name"]),
        ("portal-groups", "light", WIDE, f"reseller/{reseller}/groups", number["group"]["name"]),
        ("portal-users", "light", WIDE, f"group/{group}/users", number["user"]["name"]),
        ("portal-platforms", "light", WIDE, f"provider/{provider}/platforms", "Restcomm"),
        ("portal-message-log", "light", WIDE, f"provider/{provider}/message-log", "Delivered"),
        ("portal-numbers", "light", WIDE, f"provider/{provider}/numbers", "Active Assignment"),
        ("portal-numbers-390-dark", "dark", NARROW, f"provider/{provider}/numbers", "Active Assignment"),
        ("portal-number", "light", WIDE, f"user/{user}/numbers/{number['id']}", "Said Yes to texting"),
        ("portal-number-dark", "dark", WIDE, f"user/{user}/numbers/{number['id']}", "Said Yes to texting"),
        ("portal-add-number", "light", WIDE, f"user/{user}/numbers/new", "Ten digits"),
        ("portal-platform", "light", WIDE, f"provider/{provider}/platforms/{platform}", "Replace"),
        ("portal-check", "light", WIDE, f"provider/{provider}/platforms/{platform}/check", "Checked at"),
    ):
        with window(browser, demo, account, look, size) as page:
            page.route(re.compile(r"/api/v1/(assignments|evidence|platforms|portal-accounts|resellers|groups|users)"), retell_portal)
            page.goto(f"{demo.client}/portal/{path}")
            expect(page.get_by_role("main")).to_contain_text(words)
            take(page, name)


def sheet(browser: Browser, demo: Demo, account: Account, name: str, path: str, visit: Callable[[Page], None]) -> None:
    """One screen in all its looks, side by side: day and night, on a desk and in a hand; half the size, so that it stays a small file."""
    looks: list[Image.Image] = []
    for size in (WIDE, NARROW):
        for look in ("light", "dark"):
            with window(browser, demo, account, look, size) as page:
                if path.startswith("/portal"):
                    page.route(re.compile(r"/api/v1/(assignments|evidence|platforms|portal-accounts|resellers|groups|users)"), retell_portal)
                page.goto(demo.client + path)
                visit(page)
                page.evaluate("document.fonts.ready")
                page.mouse.move(0, 0)
                picture = Image.open(io.BytesIO(page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
                looks.append(picture.resize((picture.width * SHEET // picture.height, SHEET), Image.Resampling.LANCZOS))
    whole = Image.new("RGB", (sum(one.width for one in looks) + GAP * (len(looks) + 1), SHEET + 2 * GAP), "#8a9a94")
    left = GAP
    for one in looks:
        whole.paste(one, (left, GAP))
        left += one.width + GAP
    whole.save(IMAGES / f"screen-{name}.webp", quality=84, method=6)
    print(f"screen-{name}")


def sheets(browser: Browser, demo: Demo) -> None:
    """The ten main screens."""
    somebody, admin = demo.user("C"), next(one for one in demo.accounts if one.role == "provider")
    desk, office = demo.signed_in(somebody), demo.signed_in(admin)
    for name, number in (("Ana Okafor", CUSTOMER), ("Harbour Print Shop", "+16175550119")):
        desk.post("/api/v1/contacts", {"name": name, "organisation": "", "email": "", "note": "", "numbers": [{"number": number, "kind": "mobile"}]})
    provider = office.get("/api/v1/tree")["items"][0]["id"]
    number = office.get("/api/v1/assignments")["items"][0]
    user, group = number["user"]["id"], number["group"]["id"]

    def conversation(page: Page) -> None:
        open_row(page, "12 Harbour Street", STORY[14].text)

    def new_text(page: Page) -> None:
        page.get_by_role("textbox", name="To", exact=True).fill("0044 7700 900188")
        page.get_by_role("textbox", name="Text", exact=True).fill("We’re open until six")
        expect(page.get_by_role("button", name="Use plain")).to_be_visible()

    def search(page: Page) -> None:
        page.get_by_role("searchbox").fill("noon")
        expect(page.locator("[data-hit]").first).to_be_visible()

    def says(words: str) -> Callable[[Page], None]:
        return lambda page: expect(page.get_by_role("main")).to_contain_text(words)

    for name, path, visit in (
        ("conversation", "/", conversation),
        ("new-text", "/new", new_text),
        ("search", "/", search),
        ("activity", "/activity", says("After two is best")),
        ("contacts", "/contacts", says("Harbour Print Shop")),
        ("settings", "/settings", says("Quiet hours")),
    ):
        sheet(browser, demo, somebody, name, path, visit)
    for name, path, words in (
        ("portal-users", f"group/{group}/users", number["user"]["name"]),
        ("portal-number", f"user/{user}/numbers/{number['id']}", "Said Yes to texting"),
        ("portal-platforms", f"provider/{provider}/platforms", "Restcomm"),
        ("portal-message-log", f"provider/{provider}/message-log", "Delivered"),
    ):
        sheet(browser, demo, admin, name, f"/portal/{path}", says(words))


def main() -> None:
    """Make them all."""
    home = Path(tempfile.mkdtemp(prefix="kd-", dir="/tmp"))
    demo = start_demo(home)
    try:
        me = demo.signed_in(demo.user("C"))
        for line in STORY:
            happened(demo, demo.user("C"), me, line)
        for held in me.get("/api/v1/conversations")["items"]:
            if held["remote"] not in {"+12125550157", "+15035550136"}:
                me.post(f"/api/v1/conversations/{held['id']}/read", {"up_to": None})
        IMAGES.mkdir(parents=True, exist_ok=True)
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"))
            makers: dict[str, Callable[[], None]] = {
                "client": lambda: client_pictures(browser, demo),
                "portal": lambda: portal_pictures(browser, demo),
                "numbers": lambda: number_pictures(browser, demo),
                "simulators": lambda: simulator_pictures(browser, demo),
                "screens": lambda: sheets(browser, demo),
                "failed": lambda: failed_picture(browser, demo, me),
            }
            for make in (makers[name] for name in sys.argv[1:] or makers):
                make()
            browser.close()
    finally:
        stop_demo(demo)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
