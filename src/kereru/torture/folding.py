"""What a client holds, folded from changes as the web app's reducer does it (web/src/shared/realtime/reducer.ts), and compared with a fresh fetch.

Promises: old state + changes = state fetched again, or `differences` says which entity differs in which field (G22 to G24).
"""

import copy
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

Entity = dict[str, Any]
Get = Callable[[str], Awaitable[Any]]

# Whether to ask now depends on the user's other windows, not on what is stored (R14); no change can tell it.
NOT_STATE = ("ask",)


@dataclass
class State:
    """What a client holds, by id."""

    numbers: dict[str, Entity] = field(default_factory=dict[str, Entity])
    conversations: dict[str, Entity] = field(default_factory=dict[str, Entity])
    messages: dict[str, Entity] = field(default_factory=dict[str, Entity])
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


def fold(state: State, changes: Iterable[Mapping[str, Any]]) -> State:
    """`state` with `changes` applied, as the client does it; `state` itself stays as it is."""
    folded = copy.deepcopy(state)
    apply(folded, changes)
    return folded


def apply(state: State, changes: Iterable[Mapping[str, Any]]) -> None:
    """Apply `changes` to `state`."""
    for change in changes:
        if change.get("conversation"):
            _conversation(state, change["conversation"])
        if change.get("message"):
            _message(state, change["message"])
        if change.get("licence_number"):
            _number(state, change["licence_number"])


def differences(folded: State, fetched: State) -> list[str]:
    """In words, whatever is held and cannot be fetched, can be fetched and is not held, or is not the same."""
    found: list[str] = []
    for table in ("numbers", "conversations", "messages"):
        mine: dict[str, Entity] = getattr(folded, table)
        theirs: dict[str, Entity] = getattr(fetched, table)
        for id_ in sorted(mine.keys() | theirs.keys()):
            held, wanted = mine.get(id_), theirs.get(id_)
            if held is None:
                found.append(f"no change told of {table} {id_}")
            elif wanted is None:
                found.append(f"{table} {id_} is held but cannot be fetched")
            else:
                names = sorted(name for name in held.keys() | wanted.keys() if name not in NOT_STATE)
                wrong = {name: (held.get(name), wanted.get(name)) for name in names if held.get(name) != wanted.get(name)}
                if wrong:
                    found.append(f"{table} {id_} differs in (held, fetched) {wrong}")
    return found


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
