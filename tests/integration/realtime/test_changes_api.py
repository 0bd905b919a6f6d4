"""`GET /changes`: resuming and waiting over plain HTTP (design §7, G22, G24; inputs 46 to 50)."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from litestar import Litestar, Request, Response
from litestar.di import Provide

from integration.realtime.world import CURSORS, PROVIDER, Process, change, make_feed, process
from kereru.kernel.db import Database
from kereru.kernel.errors import KereruError, problem
from kereru.realtime.api import ROUTES
from kereru.realtime.hub import Hub
from kereru.tenancy.policy import Principal, UserIdentity

# The application that assembles the routes marks their dependencies; here they stand alone.
pytestmark = pytest.mark.filterwarnings("ignore:.*Inferred dependency field")


class Client:
    """The API as one user sees it."""

    def __init__(self, http: httpx.AsyncClient, database: Database, web: Process, feed: int) -> None:
        self.http, self.database, self.web, self.feed = http, database, web, feed

    async def changes(self, **params: str | int) -> httpx.Response:
        return await self.http.get("/changes", params=params)

    def cursor(self, number: int, *, user: int = 1) -> str:
        return CURSORS.encode(PROVIDER, user, ((self.feed, number),))


@pytest.fixture
async def client(database: Database, database_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A user with a feed, before the real routes in a small application. Its parameter: how often feeds' heads are compared, in seconds."""
    feed = await make_feed(database)
    user = UserIdentity(1, 2, feed, "Ana", "US", True, "en", "UTC")
    principal = Principal(PROVIDER, 3, "ana@example.com", user, (), "session", frozenset(), b"s")

    def answer(_: Request, error: KereruError) -> Response:
        return Response(problem(error), status_code=error.status)

    async with process(database, database_url, heads_every_s=getattr(request, "param", 0.3)) as web:

        async def provide_principal() -> Principal:
            return principal

        async def provide_hub() -> Hub:
            return web.realtime.hub

        app = Litestar(
            list(ROUTES),
            dependencies={"principal": Provide(provide_principal), "hub": Provide(provide_hub)},
            exception_handlers={KereruError: answer},
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
            yield Client(http, database, web, feed)


async def test_without_a_cursor_it_answers_the_present_one(client: Client) -> None:
    """The contract of `GET /changes` without `after`."""
    await change(client.database, client.feed, 1, 2)
    answer = await client.changes()
    assert answer.status_code == 200
    assert answer.json() == {"items": [], "cursor": client.cursor(2), "resync": False}
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "no-store"


async def test_who_is_behind_is_answered_at_once(client: Client) -> None:
    """G22: what came after the cursor, without waiting."""
    await change(client.database, client.feed, 1, 2, 3)
    answer = (await asyncio.wait_for(client.changes(after=client.cursor(1), wait=25), 20)).json()
    assert [item["position"] for item in answer["items"]] == [2, 3]
    assert answer["cursor"] == client.cursor(3)
    assert answer["resync"] is False


async def test_who_is_not_behind_waits_for_the_next_change(client: Client) -> None:
    """Design §7: long-poll."""
    waiting = asyncio.create_task(client.changes(after=client.cursor(0), wait=20))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await change(client.database, client.feed, 1)
    answer = (await asyncio.wait_for(waiting, 5)).json()
    assert [item["position"] for item in answer["items"]] == [1]


@pytest.mark.parametrize("client", [3600.0], indirect=True)
async def test_a_wake_up_alone_answers_who_waits(client: Client) -> None:
    """Design §6: at once means by the wake-up, for in this test's time nobody compares the feeds' heads."""
    waiting = asyncio.create_task(client.changes(after=client.cursor(0), wait=25))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await change(client.database, client.feed, 1)
    assert [item["position"] for item in (await waiting).json()["items"]] == [1]


async def test_nothing_comes_and_it_says_so(client: Client) -> None:
    """Without waiting, and after waiting in vain: the same cursor again."""
    for wait in (0, 1):
        began = time.monotonic()
        answer = (await client.changes(after=client.cursor(0), wait=wait)).json()
        assert time.monotonic() - began >= wait
        assert answer == {"items": [], "cursor": client.cursor(0), "resync": False}


async def test_a_stop_answers_those_who_wait(client: Client) -> None:
    """reliability.md §6, Stop: a long-poll does not hold the process up."""
    waiting = asyncio.create_task(client.changes(after=client.cursor(0), wait=25))
    await asyncio.sleep(0.1)
    await client.web.realtime.drain()
    assert (await asyncio.wait_for(waiting, 2)).json()["items"] == []


async def test_what_is_not_kept_says_resync(client: Client) -> None:
    """G22."""
    await change(client.database, client.feed, 1)
    forward = (await client.changes(after=client.cursor(9), wait=25)).json()
    assert forward == {"items": [], "cursor": client.cursor(1), "resync": True}


async def test_a_cursor_that_is_not_ours_is_refused(client: Client) -> None:
    """Inputs 46 to 50: forged, changed, somebody else's, ten megabytes long."""
    good = client.cursor(0)
    flipped = ("B" if good[0] == "A" else "A") + good[1:]
    for bad in ("", "x", "é", good[:-2], good + good, flipped, client.cursor(0, user=2), "-1", "0", "A" * 60_000):
        answer = await client.changes(after=bad)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor"), bad[:40]
    for wait in ("26", "-1", "x", "1e9"):
        assert (await client.changes(after=good, wait=wait)).status_code == 400
    assert (await client.changes(after=good)).status_code == 200
