"""Files in a browser: dropped, picked and pasted, on the phone and back. R69 to R72, R110, R134, R136, R137; P23 to P29; bad inputs 77, 83."""

import base64
import io
import os
import re

import pytest
from browser_client import LOOKS, Client, say
from browser_desks import Desks
from PIL import Image
from playwright.sync_api import Page, Route, expect

from demo_fixture import Demo, eventually

DROP = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))
  const transfer = new DataTransfer()
  transfer.items.add(new File([bytes], name, { type }))
  const pane = document.querySelector('form.composer').closest('section')
  for (const kind of ['dragover', 'drop'])
    pane.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }))
}"""
PASTE = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))
  const transfer = new DataTransfer()
  transfer.items.add(new File([bytes], name, { type }))
  document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true, cancelable: true }))
}"""


def picture(kind: str = "JPEG", size: tuple[int, int] = (300, 200), *, noise: bool = False) -> bytes:
    out = io.BytesIO()
    drawn = Image.effect_noise(size, 90).convert("RGB") if noise else Image.radial_gradient("L").resize(size).convert("RGB")
    drawn.save(out, kind, **({"quality": 97} if kind == "JPEG" else {}))
    return out.getvalue()


def handed(name: str, kind: str, content: bytes) -> list[str]:
    return [name, kind, base64.b64encode(content).decode()]


def tray(me: Client):
    return me.page.get_by_role("form", name="Write a text").get_by_role("list", name=say("files.label"))


def pictures(me: Client):
    return me.page.get_by_role("list", name="Texts").get_by_role("button", name=re.compile("^Show "))


def drawn(page: Page, image) -> bool:
    """Whether the browser really has the picture, and not only room for it."""
    return image.evaluate("(image) => image.complete && image.naturalWidth > 0")


@pytest.mark.parametrize("letter", ["A", "B"])
def test_a_dropped_picture_reaches_the_phone_and_one_comes_back(desk: Desks, demo: Demo, phone: str, letter: str) -> None:
    """R69, R110, R136, P23, P29: dropped, shown, sent as MMS through both carriers, on the phone; its answer's picture appears by itself."""
    me = desk(letter)
    me.open_new(phone, text="Is the blue one still there?")
    me.page.evaluate(DROP, handed("blue.jpg", "image/jpeg", picture()))
    expect(tray(me).get_by_text("blue.jpg")).to_be_visible()
    expect(tray(me).get_by_text(say("files.as-mms"))).to_be_visible()
    me.send("It is")
    expect(pictures(me)).to_have_count(1)
    expect(tray(me)).to_have_count(0)
    eventually(lambda: drawn(me.page, pictures(me).locator("img")))

    def got() -> dict | None:
        held = [text for text in demo.phone_has(phone) if text["direction"] == "in" and text["media"]]
        return next((text for text in held if "/media/" in text["media"][0]["url"]), None)

    arrived = eventually(got)
    assert (arrived["text"], arrived["media"][0]["content_type"]) == ("It is", "image/jpeg")
    demo.phone_sends(
        phone, demo.user(letter).numbers[0].number, "And this one?",
        media=[{"data": base64.b64encode(picture("PNG")).decode(), "content_type": "image/png"}],
    )  # fmt: skip
    expect(me.bubble("And this one?")).to_be_visible()
    expect(pictures(me)).to_have_count(2)
    eventually(lambda: drawn(me.page, pictures(me).locator("img").nth(1)))
    pictures(me).nth(1).click()
    expect(me.page.get_by_role("dialog")).to_be_visible()
    eventually(lambda: drawn(me.page, me.page.get_by_role("dialog").locator("img")))


def test_a_picked_pdf_goes_as_a_link(desk: Desks, demo: Demo, phone: str) -> None:
    """R72, R137: said before it is sent, with the reason; the phone gets a link that opens."""
    out = io.BytesIO()
    Image.new("RGB", (200, 280), "white").save(out, "PDF")
    me = desk("B")
    me.open_new(phone)
    me.page.locator("form.composer input[type=file]").set_input_files({"name": "menu.pdf", "mimeType": "application/pdf", "buffer": out.getvalue()})
    expect(me.page.get_by_text("Goes as a text with a link. .pdf files cannot be part of an MMS.")).to_be_visible()
    me.send("The menu")
    expect(me.page.get_by_text(say("files.went-as-link"))).to_be_visible()
    arrived = eventually(lambda: next((text for text in demo.phone_has(phone) if text["direction"] == "in"), None))
    link = arrived["text"].split("\n")[1]
    answer = me.page.request.get(link)
    assert (answer.status, answer.body()[:5]) == (200, b"%PDF-")


def test_a_pasted_picture_can_go_alone_and_be_taken_out(desk: Desks, phone: str) -> None:
    """R69: pasting adds a file; without a text it may go, and what was taken out does not."""
    me = desk("A")
    me.open_new(phone)
    me.composer.focus()
    me.page.evaluate(PASTE, handed("one.png", "image/png", picture("PNG")))
    me.page.evaluate(PASTE, handed("two.png", "image/png", picture("PNG")))
    expect(tray(me).get_by_role("listitem")).to_have_count(2)
    me.page.get_by_role("button", name=say("files.remove", name="one.png")).click()
    expect(tray(me).get_by_role("listitem")).to_have_count(1)
    expect(tray(me).get_by_text(say("files.as-mms"))).to_be_visible()
    me.send_button.click()
    expect(pictures(me)).to_have_count(1)
    expect(me.row(phone)).to_contain_text(say("files.kind.picture"))


def test_what_cannot_be_sent_says_why_and_keeps_what_was_typed(desk: Desks, phone: str) -> None:
    """R71, P28, bad inputs 77, 83: refused before or after the upload, with the reason; the text stays."""
    desk.allow("422")
    me = desk("A")
    me.open_new(phone)
    me.composer.fill("Here it is")
    me.page.evaluate(DROP, handed("tool.exe", "application/octet-stream", b"MZ"))
    expect(tray(me).get_by_text("This kind of file cannot be sent.")).to_be_visible()
    me.page.evaluate(DROP, handed("page.jpg", "image/jpeg", b"<html><script>alert(1)</script>"))
    expect(tray(me).get_by_text("This file holds text, but its name does not say so.")).to_be_visible()
    expect(me.composer).to_have_value("Here it is")
    me.send_button.click()
    expect(me.bubble("Here it is")).to_be_visible()
    expect(tray(me).get_by_role("listitem")).to_have_count(2)


def test_a_picture_too_large_for_an_mms_is_shrunk(desk: Desks, phone: str) -> None:
    """P28: offered, done, and then it goes as an MMS; the uploads outlive a reload."""
    me = desk("A")
    me.open_new(phone)
    me.page.evaluate(DROP, handed("large.jpg", "image/jpeg", picture(size=(1500, 1200), noise=True)))
    expect(me.page.get_by_text("An MMS takes at most 1,000 kB in all.")).to_be_visible()
    me.page.reload()
    me.page.get_by_role("button", name=say("files.shrink")).click()
    expect(tray(me).get_by_text(say("files.as-mms"))).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_axe_finds_nothing_about_files(desk: Desks, demo: Demo, phone: str, scheme: str, width: int) -> None:
    """WCAG 2.2 AA: a draft with a file and one refused, and a text with a picture."""
    me = desk("A", color_scheme=scheme, viewport={"width": width, "height": 900})
    demo.phone_sends(
        phone, demo.user("A").numbers[0].number, "Look",
        media=[{"data": base64.b64encode(picture("PNG")).decode(), "content_type": "image/png"}],
    )  # fmt: skip
    me.row(phone).click()
    expect(pictures(me)).to_have_count(1)
    me.page.evaluate(DROP, handed("blue.jpg", "image/jpeg", picture()))
    me.page.evaluate(DROP, handed("tool.exe", "application/octet-stream", b"MZ"))
    expect(tray(me).get_by_text(say("files.as-mms"))).to_be_visible()
    if folder := os.environ.get("FILES_SHOTS"):
        me.page.screenshot(path=f"{folder}/files-{scheme}-{width}.png")
    me.accessible()


def test_an_upload_can_be_stopped(desk: Desks, demo: Demo, phone: str) -> None:
    """R69: while it goes up there is a way to stop it; nothing of it is left, and the text goes without it."""
    desk.allow("net::ERR_")
    me = desk("A")
    me.open_new(phone)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    me.page.route("**/api/v1/attachments", hold)
    me.page.evaluate(DROP, handed("blue.jpg", "image/jpeg", picture()))
    expect(tray(me).get_by_role("progressbar", name=say("files.progress", name="blue.jpg"))).to_be_visible()
    me.composer.fill("Never mind the picture")
    expect(me.send_button).to_have_attribute("aria-disabled", "true")
    with me.page.expect_event("requestfailed", lambda request: request.url.endswith("/attachments")):
        me.page.get_by_role("button", name=say("files.cancel", name="blue.jpg")).click()
    expect(tray(me)).to_have_count(0)
    expect(me.composer).to_have_value("Never mind the picture")
    me.send_button.click()
    me.delivered("Never mind the picture")
    me.phone_gets(phone, "Never mind the picture")
    assert len(held) == 1
    assert [text["media"] for text in demo.phone_has(phone) if text["text"] == "Never mind the picture"] == [[]]


SOUND = (b"\xff\xfb\x90\x64" + bytes(413)) * 80
"""Two seconds of silence: MPEG-1 layer III frames of 128 kbit/s at 44.1 kHz that hold nothing (ISO 11172-3, 2.4.1)."""
FILM = """async () => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 48 })
  const pen = canvas.getContext('2d')
  const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: 'video/mp4;codecs=vp9' })
  const parts = []
  recorder.ondataavailable = (event) => parts.push(event.data)
  const done = new Promise((stopped) => (recorder.onstop = stopped))
  recorder.start()
  for (let frame = 0; frame < 40; frame += 1) {
    pen.fillStyle = frame % 2 ? 'teal' : 'white'
    pen.fillRect(0, 0, 64, 48)
    await new Promise((next) => requestAnimationFrame(next))
  }
  recorder.stop()
  await done
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer())
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
}"""
"""Chromium records one of its own: a film that every Chromium can show."""


def test_a_received_sound_and_a_film_can_be_played(desk: Desks, demo: Demo, phone: str) -> None:
    """R110, R134: they stand in the conversation with the browser's own controls, and run."""
    me = desk("A")
    me.open_new(phone)
    film = me.page.evaluate(FILM)
    for kind, content in (("audio/mpeg", base64.b64encode(SOUND).decode()), ("video/mp4", film)):
        demo.phone_sends(phone, demo.user("A").numbers[0].number, kind, media=[{"data": content, "content_type": kind}])
        expect(me.bubble(kind)).to_be_visible()
    for name in ("audio", "video"):
        player = me.page.get_by_role("list", name="Texts").locator(name)
        expect(player).to_be_visible()
        assert player.evaluate("(player) => player.controls")
        player.evaluate("(player) => { player.muted = true; return player.play() }")
        me.page.wait_for_function("(name) => document.querySelector(`[aria-label=Texts] ${name}`).currentTime > 0", arg=name)
        assert player.evaluate("(player) => player.error") is None
