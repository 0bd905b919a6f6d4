"""The live line: one a browser, whatever the browser can, and nothing lost or doubled when it breaks."""

import os
import signal
from collections.abc import Callable

import pytest
from browser_client import say
from browser_desks import Desks
from cable import Cable
from playwright.sync_api import expect

from demo_fixture import Demo, eventually

NO_WORKER = "delete window.SharedWorker"
DEAF_WORKER = "window.SharedWorker = class { port = new MessageChannel().port1 }"
SLOW_LICENCE = """
    const ask = window.fetch
    window.fetch = async (...what) => {
      if (String(what[0]).includes('/licence')) await new Promise((done) => setTimeout(done, 2500))
      return ask(...what)
    }
"""
BROKEN = r"net::ERR_|WebSocket connection to|status of 50[0-9]"


def test_two_windows_share_one_socket(cable: Cable, desk: Desks, demo: Demo, phone: str) -> None:
    """G22: a SharedWorker holds it; it survives the window that opened it."""
    me = desk("A", proxy={"server": cable.address})
    other = me.another_window()
    me.open_new(phone)
    expect(other.row(phone)).to_be_visible()
    assert cable.asked_for("/api/v1/socket") == 1
    assert cable.open_sockets() == 1
    me.page.close()
    demo.phone_sends(phone, demo.user("A").numbers[0].number, "Still there?")
    expect(other.row(phone)).to_contain_text("Still there?")
    assert cable.open_sockets() == 1
    other.page.goto("about:blank")
    eventually(lambda: cable.open_sockets() == 0)


def test_without_shared_workers_each_window_has_its_own(cable: Cable, desk: Desks, demo: Demo, phone: str) -> None:
    """Design §7: a browser without them is served as well."""
    me = desk("B", script=NO_WORKER, proxy={"server": cable.address})
    other = me.another_window()
    me.open_new(phone)
    expect(other.row(phone)).to_be_visible()
    eventually(lambda: cable.open_sockets() == 2)
    me.send("Without workers")
    me.delivered("Without workers")


def test_a_worker_that_never_answers_costs_a_moment_only(desk: Desks, demo: Demo, phone: str) -> None:
    """Design §7: the window keeps a line of its own then."""
    me = desk("B", script=DEAF_WORKER)
    me.open_new(phone)
    me.send("Past the worker")
    me.delivered("Past the worker")


def test_a_text_that_comes_while_the_client_starts_is_there(desk: Desks, demo: Demo, phone: str) -> None:
    """G22: what arrives between the first answers comes by the line; a list older than the cursor would never show it."""
    account = demo.user("A")
    me = desk(account, signed_in=False, at="/", script=SLOW_LICENCE)
    me.sign_in()
    with me.page.expect_response(lambda answer: "/conversations" in answer.url):
        pass
    demo.phone_sends(phone, account.numbers[0].number, "Just now")
    expect(me.row(phone)).to_contain_text("Just now")


@pytest.mark.parametrize("script", ["", NO_WORKER], ids=["worker", "page"])
def test_without_websockets_a_long_poll_brings_the_news(cable: Cable, desk: Desks, demo: Demo, phone: str, script: str) -> None:
    """Design §7, G22: an office's proxy that lets no WebSocket through costs latency only."""
    desk.allow(BROKEN)
    cable.no_sockets = True
    me = desk("A", script=script, proxy={"server": cable.address})
    me.open_new(phone)
    me.send("By long poll")
    me.delivered("By long poll")
    assert cable.open_sockets() == 0
    expect(me.page.get_by_text(say("offline.text"))).to_have_count(0)


@pytest.mark.parametrize("script", ["", NO_WORKER], ids=["worker", "page"])
def test_a_pulled_cable_is_told_after_a_moment_and_loses_nothing(cable: Cable, desk: Desks, demo: Demo, phone: str, script: str) -> None:
    """G22, G24: a bar after 2 s; what is written meanwhile goes once; what arrived meanwhile is there afterwards, once."""
    desk.allow(BROKEN)
    number = demo.user("A").numbers[0].number
    me = desk("A", script=script, proxy={"server": cable.address})
    me.open_new(phone)
    bar = me.page.get_by_role("status").filter(has_text=say("offline.text"))
    # The bar must not flash: a cut shorter than two seconds shows nothing. A page's own clock tells when it came.
    me.page.evaluate(
        """text => new MutationObserver(() => {
            if (!window.barAt && document.body.innerText.includes(text)) window.barAt = performance.now()
        }).observe(document.body, { childList: true, subtree: true, characterData: true })""",
        say("offline.text"),
    )
    cut_at = me.page.evaluate("performance.now()")
    cable.pull()
    expect(bar).to_be_visible()
    assert me.page.evaluate("window.barAt") - cut_at >= 1900
    bubble = me.send("Written in a tunnel")
    expect(bubble).to_contain_text(say("status.waiting"))
    demo.phone_sends(phone, number, "Sent meanwhile")
    eventually(lambda: demo.phone_has(phone)[-1]["text"] == "Sent meanwhile")
    assert me.got(phone, "Written in a tunnel") == 0
    cable.mend()
    me.delivered("Written in a tunnel")
    expect(me.bubble("Written in a tunnel")).to_have_count(1)
    expect(me.bubble("Sent meanwhile")).to_have_count(1)
    expect(bar).to_have_count(0)
    me.phone_gets(phone, "Written in a tunnel")


def test_a_text_written_offline_survives_a_reload(cable: Cable, desk: Desks, demo: Demo, phone: str) -> None:
    """G24, ui.md: nothing typed is lost, and it still goes once."""
    desk.allow(BROKEN)
    me = desk("B", proxy={"server": cable.address})
    me.open_new(phone)
    cable.pull()
    expect(me.send("Before the reload")).to_contain_text(say("status.waiting"))
    cable.mend()
    me.page.reload()
    me.delivered("Before the reload")
    me.phone_gets(phone, "Before the reload")
    expect(me.bubble("Before the reload")).to_have_count(1)


def test_the_browsers_own_offline_switch(desk: Desks, demo: Demo, phone: str) -> None:
    """G24: the system says that there is no network, and later that there is."""
    desk.allow(BROKEN)
    me = desk("B", script=NO_WORKER)
    me.open_new(phone)
    me.page.context.set_offline(True)
    expect(me.send("On a plane")).to_contain_text(say("status.waiting"))
    me.page.context.set_offline(False)
    me.delivered("On a plane")
    me.phone_gets(phone, "On a plane")


def test_a_killed_web_process_loses_and_doubles_nothing(desk: Desks, demo: Demo, new_phone: Callable[[], str]) -> None:
    """G22, G24: kill -9 between two texts and in the middle of a send; everything resumes by itself."""
    desk.allow(BROKEN)
    phone = new_phone()
    number = demo.user("A").numbers[0].number
    me = desk("A")
    me.open_new(phone)
    victim = demo.web_process()
    me.composer.fill("Sent into the crash")
    os.kill(victim, signal.SIGKILL)
    me.composer.press("Enter")
    expect(me.bubble("Sent into the crash")).to_be_visible()
    me.delivered("Sent into the crash")
    expect(me.bubble("Sent into the crash")).to_have_count(1)
    me.phone_gets(phone, "Sent into the crash")
    demo.phone_sends(phone, number, "After the crash")
    expect(me.bubble("After the crash")).to_be_visible()
    expect(me.row(phone)).to_have_count(1)
    assert demo.web_process() != victim
