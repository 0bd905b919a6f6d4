"""Old state + changes = state fetched again (issue 2 §5): the check that every command's changes tell the whole truth.

    before = await fetch_state(get)                   # GET /licence, /conversations, /conversations/{id}/messages
    ...the command...
    after = await fetch_state(get)
    assert_changes_explain(before, changes, after)    # changes: the items of GET /changes?after=before.cursor

Below the API: `state_of(...)` from a slice's own structs and `changes_after(...)` from the feed itself. The folding is the client's reducer
(web/src/shared/realtime/reducer.ts) again, so that a change which the client could not apply fails here.
"""

import copy
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kereru.kernel.clock import SystemClock
from kereru.kernel.db import Database, ProviderScope
from kereru.realtime import store
from kereru.realtime.delivery import FURTHEST, stretches
from kereru.realtime.model import ChangePresenter

Entity = dict[str, Any]
Get = Callable[[str], Awaitable[Any]]

# Whether to ask now depends on the user's other windows, not on what is stored (R14); no change can tell it.
_NOT_STATE = ("ask",)


@dataclass
class State:
    """What a client holds, by id."""

    numbers: dict[str, Entity] = field(default_factory=dict)
    conversations: dict[str, Entity] = field(default_factory=dict)
    messages: dict[str, Entity] = field(default_factory=dict)
    cursor: str = ""


def state_of(numbers: Iterable[object] = (), conversations: Iterable[object] = (), messages: Iterable[object] = ()) -> State:
    """A state from entities as structs or as decoded JSON."""
    return State(_by_id(numbers), _by_id(conversations), _by_id(messages))


async def fetch_state(get: Get) -> State:
    """Everything a client can fetch. `get(path)` answers the decoded JSON of a GET under /api/v1."""
    licence = await get("/licence")
    conversations = await _all_pages(get, "/conversations")
    messages: list[Entity] = []
    for conversation in conversations:
        messages += await _all_pages(get, f"/conversations/{conversation['id']}/messages")
    state = state_of(licence["numbers"], conversations, messages)
    state.cursor = licence["cursor"]
    return state


async def changes_after(
    database: Database, presenter: ChangePresenter, provider_id: int, user_id: int, feed_id: int, number: int = 0
) -> tuple[list[Entity], int]:
    """(what the hub would push to this user from `number` on, as decoded JSON; where the feed stands)."""
    async with database.transaction(ProviderScope(provider_id)) as tx:
        rows = await store.read_changes(tx, provider_id, [(feed_id, number)], page=FURTHEST, now=SystemClock().now())
        stretch = stretches(rows)[feed_id, number]
        assert stretch.explains(number), "the feed has a gap"
        presented = await presenter.present(tx, provider_id, user_id, stretch.rows) if stretch.rows else []
    return [msgspec.json.decode(msgspec.json.encode(change)) for change in presented], stretch.head


def fold(state: State, changes: Iterable[Mapping[str, Any]]) -> State:
    """`state` with `changes` applied, as the client does it; `state` itself stays as it is."""
    folded = copy.deepcopy(state)
    for change in changes:
        if change.get("conversation"):
            _conversation(folded, change["conversation"])
        if change.get("message"):
            _message(folded, change["message"])
        if change.get("licence_number"):
            _number(folded, change["licence_number"])
    return folded


def assert_changes_explain(before: State, changes: Sequence[Mapping[str, Any]], after: State) -> None:
    """Fail, naming the entity and its fields, unless `before` and `changes` give `after`; also when the changes come twice or come late."""
    once = fold(before, changes)
    _assert_same("after the changes", once, after)
    _assert_same("after the same changes came twice", fold(once, changes), after)
    _assert_same("after changes that the fetched state held already", fold(after, changes), after)


def _number(state: State, news: Entity) -> None:
    if news.get("assigned", True):
        state.numbers[news["id"]] = news
    else:
        state.numbers.pop(news["id"], None)


def _conversation(state: State, news: Entity) -> None:
    held = state.conversations.get(news["id"])
    if held and held["version"] > news["version"]:
        return
    state.conversations[news["id"]] = copy.deepcopy(news)
    if news["last_message"]:
        _message(state, news["last_message"])


def _message(state: State, news: Entity) -> None:
    held = state.messages.get(news["id"])
    if held and held["version"] > news["version"]:
        return
    state.messages[news["id"]] = copy.deepcopy(news)
    conversation = state.conversations.get(news["conversation_id"])
    if conversation is None:
        return
    last = conversation["last_message"]
    if last and (int(last["id"]) > int(news["id"]) or (last["id"] == news["id"] and last["version"] > news["version"])):
        return
    conversation["last_message"] = copy.deepcopy(news)
    if not last or last["id"] != news["id"]:
        conversation["last_at"] = news["at"]


def _by_id(entities: Iterable[object]) -> dict[str, Entity]:
    plain: list[Entity] = [msgspec.json.decode(msgspec.json.encode(entity)) for entity in entities]
    return {entity["id"]: entity for entity in plain}


async def _all_pages(get: Get, path: str) -> list[Entity]:
    items: list[Entity] = []
    page = await get(f"{path}?limit=200")
    items += page["items"]
    while page["next"]:
        page = await get(f"{path}?limit=200&cursor={page['next']}")
        items += page["items"]
    return items


def _assert_same(when: str, folded: State, fetched: State) -> None:
    for table in ("numbers", "conversations", "messages"):
        mine: dict[str, Entity] = getattr(folded, table)
        theirs: dict[str, Entity] = getattr(fetched, table)
        for id_ in sorted(mine.keys() | theirs.keys()):
            held, wanted = mine.get(id_), theirs.get(id_)
            assert held is not None, f"{when}: no change told of {table} {id_}"
            assert wanted is not None, f"{when}: {table} {id_} is held but cannot be fetched"
            wrong = {
                name: (held.get(name), wanted.get(name))
                for name in held.keys() | wanted.keys()
                if name not in _NOT_STATE and held.get(name) != wanted.get(name)
            }
            assert not wrong, f"{when}: {table} {id_} differs in (held, fetched) {wrong}"
