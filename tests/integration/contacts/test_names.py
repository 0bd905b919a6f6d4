"""Under which name somebody sees a number: the order of Q15, live renaming, and nobody else's address book (R65 to R67, P8, G29, G30)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from arrivals import batch, text
from test_commands import Screen

from kereru.carriers.numbering import habits_of
from kereru.contacts import commands
from kereru.contacts.lookup import Found, Lookup, Viewer
from kereru.contacts.model import ContactBody, NumberBody, Source
from kereru.kernel.db import Database, ProviderScope
from kereru.messaging.inbound.sink import Sink
from world import PHONE, Owner, World

US = habits_of("US", exclude_leading_zero=True)


@pytest.fixture
def ana(world: World, app: Database) -> Screen:
    """Ana's screen."""
    return Screen(app, world.ana)


@pytest.fixture
def sink(ingest: Database) -> Sink:
    """The webhooks' sink."""
    return Sink(ingest)


async def add(app: Database, owner: Owner, name: str, *numbers: str, kind: str = "mobile") -> int:
    body = ContactBody(name, numbers=tuple(NumberBody(number, kind) for number in numbers))  # type: ignore[arg-type]
    async with app.transaction(ProviderScope(owner.provider_id)) as tx:
        return await commands.add(tx, owner.provider_id, owner.user_id, body, US)


async def change(app: Database, owner: Owner, contact: int, name: str, *numbers: str) -> None:
    body = ContactBody(name, numbers=tuple(NumberBody(number) for number in numbers))
    async with app.transaction(ProviderScope(owner.provider_id)) as tx:
        await commands.change(tx, owner.provider_id, owner.user_id, contact, body, US)


async def delete(app: Database, owner: Owner, contact: int) -> None:
    async with app.transaction(ProviderScope(owner.provider_id)) as tx:
        await commands.delete(tx, owner.provider_id, owner.user_id, contact)


async def names(screen: Screen) -> list[tuple[str | None, str | None]]:
    return [(one.name, one.name_source) for one in await screen.conversations()]


async def test_adding_changing_and_deleting_a_contact_rename_what_is_on_screen(ana: Screen, app: Database, sink: Sink) -> None:
    """R65, R67, R73: each by a change alone; written in any form the number is the same (P8)."""
    await sink.put(batch(ana.owner, text(ana.owner)))
    ana.seen = 1
    assert await names(ana) == [(None, None)]
    contact = await ana.check(lambda: add(app, ana.owner, "Mia Ruiz", "(202) 555-0142"))
    assert await names(ana) == [("Mia Ruiz", "mobile")]
    assert isinstance(contact, int)
    await ana.check(lambda: change(app, ana.owner, contact, "Mia Paz", "001 202 555 0142"))
    assert await names(ana) == [("Mia Paz", None)], "a type that says nothing adds nothing"
    await ana.check(lambda: change(app, ana.owner, contact, "Mia Paz", "2025550199"))
    assert await names(ana) == [(None, None)]
    await change(app, ana.owner, contact, "Mia Paz", PHONE)
    ana.seen = 5
    await ana.check(lambda: delete(app, ana.owner, contact))
    assert await names(ana) == [(None, None)]


async def test_colleagues_have_names_and_ones_own_word_wins(world: World, ana: Screen, app: Database, sink: Sink) -> None:
    """Q15: a personal contact before a user of the group; an ended assignment names nobody."""
    await sink.put(batch(world.ana, text(world.ana, remote=world.ben.e164)))
    assert await names(ana) == [("Ben", "colleague")]
    await add(app, world.ana, "Benny", world.ben.e164, kind="work")
    assert await names(ana) == [("Benny", "work")]
    world.sql("DELETE FROM contact")
    world.sql("UPDATE assignment SET ended_at = app_now() WHERE user_id = %(u)s", u=world.ben.user_id)
    assert await names(ana) == [(None, None)]


async def test_everybody_has_an_address_book_of_their_own(world: World, ana: Screen, app: Database, sink: Sink) -> None:
    """G29, G30: neither a colleague's contact nor another provider's names anybody."""
    await sink.put(batch(world.ana, text(world.ana)))
    await add(app, world.ben, "Ben's friend", PHONE)
    await add(app, world.foreign, "Fay's friend", PHONE)
    assert await names(ana) == [(None, None)]
    other = Screen(app, world.foreign)
    await sink.put(batch(world.foreign, text(world.foreign)))
    assert await names(other) == [("Fay's friend", "mobile")]


async def test_who_is_deleted_leaves_no_address_book(world: World, app: Database) -> None:
    """P57."""
    await add(app, world.ana, "Mia", PHONE)
    await add(app, world.ben, "Mia", PHONE)
    world.sql("UPDATE end_user SET deleted_at = app_now() WHERE id = %(u)s", u=world.ana.user_id)
    assert [row.user_id for row in world.sql("SELECT user_id FROM contact")] == [world.ben.user_id]


@dataclass
class Shelf:
    """A directory that answers when told to."""

    source: Source
    key: str
    answer: Callable[[], Awaitable[Found | None]]

    async def find(self, viewer: Viewer, number: str) -> Found | None:
        """Whatever the test says."""
        return await self.answer()


async def test_better_answers_of_directories_rename_as_they_come(world: World, ana: Screen, app: Database, sink: Sink) -> None:
    """R66, Q15: each answer is told when it comes, if it is better than what is shown; a worse one is kept and not shown."""
    await sink.put(batch(world.ana, text(world.ana)))
    ana.seen = 1
    open_outlook, open_crm, open_list = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def after(event: asyncio.Event, name: str, detail: str = "") -> Callable[[], Awaitable[Found | None]]:
        async def answer() -> Found:
            await event.wait()
            return Found(name, detail)

        return answer

    shelves = [
        Shelf(Source.OUTLOOK, "outlook", after(open_outlook, "M. Ruiz", "mobile")),
        Shelf(Source.CRM, "crm", after(open_crm, "Mia Ruiz", "Ledger Lead")),
        Shelf(Source.PHONE_LIST, "list", after(open_list, "Ruiz, M")),
    ]
    asking = asyncio.create_task(Lookup(app, shelves).ask(Viewer(world.ana.provider_id, world.ana.user_id), PHONE))

    async def comes(event: asyncio.Event, count: int) -> None:
        event.set()
        while world.sql("SELECT count(*) AS n FROM found_name")[0].n < count:
            await asyncio.sleep(0.01)

    await ana.check(lambda: comes(open_outlook, 1))
    assert await names(ana) == [("M. Ruiz", "mobile")]
    await ana.check(lambda: comes(open_crm, 2))
    assert await names(ana) == [("Mia Ruiz", "Ledger Lead")]
    told = world.sql("SELECT count(*) AS n FROM change")[0].n
    await comes(open_list, 3)
    await asking
    assert await names(ana) == [("Mia Ruiz", "Ledger Lead")]
    assert world.sql("SELECT count(*) AS n FROM change")[0].n == told, "a worse name is no news"


async def test_a_directory_that_fails_or_forgets(world: World, ana: Screen, app: Database, sink: Sink) -> None:
    """One that is down or slow costs the others nothing and keeps its old answer; one that no longer knows the number takes its name back."""
    await sink.put(batch(world.ana, text(world.ana)))
    viewer = Viewer(world.ana.provider_id, world.ana.user_id)

    async def knows() -> Found:
        return Found("Mia Ruiz")

    async def fails() -> Found:
        raise ConnectionError

    async def forgets() -> None:
        return None

    async def sleeps() -> Found:
        await asyncio.Event().wait()
        raise AssertionError

    def lookup(answer: Callable[[], Awaitable[Found | None]]) -> Lookup:
        return Lookup(app, [Shelf(Source.CRM, "crm", answer), Shelf(Source.OUTLOOK, "slow", sleeps)], answer_s=0.05)

    await lookup(knows).ask(viewer, PHONE)
    await lookup(fails).ask(viewer, PHONE)
    assert await names(ana) == [("Mia Ruiz", None)]
    await lookup(forgets).ask(viewer, PHONE)
    assert await names(ana) == [(None, None)]
