"""Takes the pictures of docs/images from a running demo; run it after the screens changed.

`PYTHONPATH=tests .venv/bin/python tests/docs/pictures.py`
"""

import shutil
import tempfile
import uuid
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from demo_fixture import Account, Demo, eventually, start_demo, stop_demo

IMAGES = Path(__file__).parents[2] / "docs/images"
PHONES = ("+12025550142", "+12125550163", "+14155550171")


def _open(browser: Browser, demo: Demo, account: Account | None, *, dark: bool = False, narrow: bool = False, at: str = "/") -> Page:
    size = {"width": 390, "height": 844} if narrow else {"width": 1440, "height": 900}
    context = browser.new_context(
        viewport=size, color_scheme="dark" if dark else "light", locale="en-US", timezone_id="America/New_York", reduced_motion="reduce"
    )
    page = context.new_page()
    if account:
        page.context.request.post(f"{demo.client}/api/v1/session", data={"email": account.email, "password": account.password})
    page.goto(demo.client + at)
    return page


def _save(page: Page, name: str) -> None:
    page.wait_for_timeout(1500)
    page.screenshot(path=IMAGES / f"{name}.png")


def _talk(demo: Demo) -> str:
    """A morning at the front desk; answers the address of the conversation to show."""
    account = demo.user("C")
    me = demo.signed_in(account)
    orders, support = account.numbers
    first = str(uuid.uuid4())

    def answer(phone: str, number: str, text: str) -> None:
        key = str(uuid.uuid4())
        me.put(f"/api/v1/messages/{key}", {"number_id": number, "to": phone, "text": text, "attachments": []})
        eventually(lambda: me.put(f"/api/v1/messages/{key}", {"number_id": number, "to": phone, "text": text, "attachments": []})["status"] not in
                   {"queued", "sending", "sent"}, 20)  # fmt: skip

    demo.phone_sends(PHONES[2], support.number, "Do you repair accordions?")
    answer(PHONES[2], support.id, "We do. Bring it in any weekday.")
    demo.fault("inteliquent", "failed_receipt", count=1)
    answer(PHONES[2], support.id, "And the estimate is free.")
    demo.phone_sends(PHONES[0], orders.number, "Good morning. Is the blue kettle still there?")
    answer(PHONES[0], orders.id, "It is, the last one. Shall we keep it for you?")
    demo.phone_sends(PHONES[0], orders.number, "Please do, I come by at noon 🙂")
    answer(PHONES[0], orders.id, f"Done. It waits at the counter under {first[:4].upper()}.")
    demo.phone_sends(PHONES[1], orders.number, "Are you open on Sunday?")
    listed = eventually(lambda: [c for c in me.get("/api/v1/conversations")["items"] if c["remote"] == PHONES[0]])
    return f"/c/{listed[0]['id']}"


def main() -> None:
    """Start a demo, let people talk, and take every screen."""
    home = Path(tempfile.mkdtemp(prefix="kp-", dir="/tmp"))
    demo = start_demo(home)
    try:
        conversation = _talk(demo)
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"))
            chloe = demo.user("C")
            _save(_open(browser, demo, None), "client-sign-in")
            _save(_open(browser, demo, chloe, at=conversation), "client-conversation")
            _save(_open(browser, demo, chloe, at=conversation, dark=True), "client-conversation-dark")
            _save(_open(browser, demo, chloe, at=conversation, narrow=True), "client-conversation-narrow")
            _save(_open(browser, demo, chloe, narrow=True), "client-list-narrow")
            _save(_open(browser, demo, chloe, at="/activity"), "client-activity")
            _save(_open(browser, demo, chloe, at="/new"), "client-new-text")
            _save(_open(browser, demo, chloe, at="/settings"), "client-settings")
            _save(_open(browser, demo, demo.user("D")), "client-opt-in")
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(demo.simulator.base)
            _save(page, "simulators")
            browser.close()
    finally:
        stop_demo(demo)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
