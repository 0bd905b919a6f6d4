"""Without a connection: what was loaded can be read, what is written goes out once; neither outlives its session or its version (issue 5)."""

from typing import Any

import pytest
from browser_client import Client, say
from browser_desks import Desks
from cable import Cable
from playwright.sync_api import expect

from demo_fixture import Demo

BROKEN = r"net::ERR_|WebSocket connection to|FetchEvent|Failed to load resource|status of 401"
KEPT = """
    async (text) => {
      const ask = (request) => new Promise((done, fail) => { request.onsuccess = () => done(request.result); request.onerror = fail })
      const base = await ask(indexedDB.open('kereru'))
      const names = [...base.objectStoreNames]
      const held = names.length ? await Promise.all(names.map((name) => ask(base.transaction(name).objectStore(name).getAll()))) : []
      base.close()
      return JSON.stringify(held).includes(text)
    }
"""
"""Whether this browser keeps a text. Nobody sees it on a screen; the promise is that nobody can."""


@pytest.fixture
def offline_desk(cable: Cable, desk: Desks) -> Any:
    """A desk on a cable, with the service worker at work."""
    desk.allow(BROKEN)
    return lambda who, **rest: desk(who, proxy={"server": cable.address}, service_workers="allow", **rest)


def bar(me: Client, key: str) -> Any:
    """The line about the connection."""
    return me.page.get_by_role("status").filter(has_text=say(key))


def settled(me: Client, text: str) -> None:
    """The page's files and what it shows are kept."""
    me.page.evaluate("async () => { await navigator.serviceWorker.ready }")
    me.page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    me.page.wait_for_function(KEPT, arg=text)


def test_what_was_loaded_is_read_and_what_is_written_goes_once(cable: Cable, offline_desk: Any, demo: Demo, phone: str) -> None:
    """G24: a reload in a tunnel shows list and texts; a text written there survives another one and goes out exactly once."""
    me = offline_desk("A")
    me.open_new(phone, text="Where did we stop?")
    settled(me, "Where did we stop?")
    cable.pull()
    me.page.reload()
    expect(bar(me, "offline.kept")).to_be_visible()
    expect(me.bubble("Where did we stop?")).to_be_visible()
    expect(me.row(phone)).to_be_visible()
    expect(me.send("At the blue door")).to_contain_text(say("status.waiting"))
    demo.phone_sends(phone, demo.user("A").numbers[0].number, "Are you there?")
    me.page.reload()
    expect(me.bubble("At the blue door")).to_contain_text(say("status.waiting"))
    assert me.got(phone, "At the blue door") == 0
    cable.mend()
    me.delivered("At the blue door")
    expect(me.bubble("At the blue door")).to_have_count(1)
    expect(me.bubble("Are you there?")).to_have_count(1)
    expect(bar(me, "offline.kept")).to_have_count(0)
    me.phone_gets(phone, "At the blue door")
    assert me.sends(phone, "At the blue door") == 1
    paths = me.page.evaluate(
        """async () => {
            const held = (await caches.keys()).map(async (name) => (await (await caches.open(name)).keys()).map((one) => one.url))
            return (await Promise.all(held)).flat()
        }"""
    )
    assert paths
    assert not [path for path in paths if "/api/" in path]


def test_two_windows_that_write_in_a_tunnel_lose_neither_text(cable: Cable, offline_desk: Any, phone: str) -> None:
    """G24: both wait in one place; what one window keeps, the other does not write over."""
    me = offline_desk("B")
    me.open_new(phone)
    settled(me, "Hello")
    other = me.another_window(me.page.url.removeprefix(me.demo.client))
    expect(other.bubble("Hello")).to_be_visible()
    cable.pull()
    expect(me.send("From the first")).to_contain_text(say("status.waiting"))
    expect(other.send("From the second")).to_contain_text(say("status.waiting"))
    other.page.close()
    me.page.reload()
    for text in ("From the first", "From the second"):
        # The words stand under the last of a group only.
        expect(me.bubble(text)).to_have_attribute("data-status", "waiting")
    cable.mend()
    for text in ("From the first", "From the second"):
        expect(me.bubble(text)).to_have_attribute("data-status", "delivered")
        me.phone_gets(phone, text)


def test_nothing_is_kept_beyond_the_session(cable: Cable, offline_desk: Any, demo: Demo, phone: str) -> None:
    """Security: signed out here, or ended elsewhere while this browser was away, nobody reads on."""
    me = offline_desk("A")
    me.open_new(phone, text="For my eyes")
    settled(me, "For my eyes")
    cable.pull()
    me.page.reload()
    expect(me.bubble("For my eyes")).to_be_visible()
    elsewhere = me.page.context.request
    cookies = {one["name"]: one["value"] for one in me.page.context.cookies()}
    cable.mend()
    ended = elsewhere.delete(f"{demo.client}/api/v1/session", headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())})
    assert ended.status == 204
    expect(me.page.get_by_label("Password")).to_be_visible()
    me.page.wait_for_function(f"async (text) => !(await ({KEPT})(text))", arg="For my eyes")
    cable.pull()
    me.page.reload()
    expect(me.page.get_by_text(say("unreachable.title"))).to_be_visible()
    expect(me.page.get_by_text("For my eyes")).to_have_count(0)


def test_a_conversation_that_is_gone_leaves_nothing(offline_desk: Any, phone: str) -> None:
    """P57: of a deleted number no browser keeps texts that the list no longer leads to."""
    me = offline_desk("A")
    me.open_new(phone)
    settled(me, "Hello")
    me.page.evaluate(
        """async (text) => {
            const ask = (request) => new Promise((done, fail) => { request.onsuccess = () => done(request.result); request.onerror = fail })
            const base = await ask(indexedDB.open('kereru'))
            await ask(base.transaction('threads', 'readwrite').objectStore('threads').put({ id: '1', at: Date.now(), messages: [{ text }] }))
            base.close()
        }""",
        "From a number that was deleted",
    )
    me.page.wait_for_function(KEPT, arg="From a number that was deleted")
    me.send("And now?")
    me.page.wait_for_function(f"async (text) => !(await ({KEPT})(text))", arg="From a number that was deleted")
    me.page.wait_for_function(KEPT, arg="And now?")


def test_a_new_version_takes_over(offline_desk: Any, phone: str) -> None:
    """No bundle stays for ever: a page comes from the network while there is one, and an older version's files go."""
    me = offline_desk("B")
    me.open_new(phone)
    settled(me, "Hello")
    me.page.evaluate(
        """async () => {
            const page = () => new Response('<p>yesterday</p>', { headers: { 'content-type': 'text/html' } })
            for (const name of await caches.keys()) await (await caches.open(name)).put('/', page())
            await (await caches.open('kereru-older')).put('/', new Response('older'))
            await (await navigator.serviceWorker.ready).unregister()
        }"""
    )
    me.page.reload()
    expect(me.bubble("Hello")).to_be_visible()
    me.page.wait_for_function("async () => !(await caches.has('kereru-older')) && (await caches.keys()).length === 1")
    answer = me.page.context.request.get(f"{me.demo.client}/service-worker.js")
    assert answer.headers["cache-control"] == "no-cache"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
