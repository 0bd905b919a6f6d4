"""Old state + changes = state fetched again (issue 2 §5): the check that every command's changes tell the whole truth.

    before = await fetch_state(get)                   # GET /licence, /conversations, /conversations/{id}/messages
    ...the command...
    after = await fetch_state(get)
    assert_changes_explain(before, changes, after)    # changes: the items of GET /changes?after=before.cursor

Below the API: `state_of(...)` from a slice's own structs and `changes_after(...)` from the feed itself. The folding is the client's reducer again
(kereru.torture.folding), so that a change which the client could not apply fails here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kereru.kernel.clock import SystemClock
from kereru.kernel.db import Database, ProviderScope
from kereru.realtime import store
from kereru.realtime.delivery import FURTHEST, stretches
from kereru.realtime.model import ChangePresenter
from kereru.torture.folding import Entity, State, differences, fetch_state, fold, state_of

__all__ = ["Entity", "State", "assert_changes_explain", "changes_after", "fetch_state", "fold", "state_of"]


async def changes_after(
    database: Database, presenter: ChangePresenter, provider_id: int, user_id: int, feed_id: int, number: int = 0
) -> tuple[list[Entity], int]:
    """(what the hub would push to this user from `number` on, as decoded JSON; where the feed stands)."""
    async with database.transaction(ProviderScope(provider_id)) as tx:
        rows = await store.read_changes(tx, provider_id, [(feed_id, number)], page=FURTHEST, now=SystemClock().now())
        stretch = stretches(rows)[feed_id, number]
        assert stretch.explains(number), "the feed has a gap"
        presented = (await presenter.present(tx, provider_id, {user_id: stretch.rows}))[user_id] if stretch.rows else []
    return [msgspec.json.decode(msgspec.json.encode(change)) for change in presented], stretch.head


def assert_changes_explain(before: State, changes: Sequence[Mapping[str, Any]], after: State) -> None:
    """Fail, naming the entity and its fields, unless `before` and `changes` give `after`; also when the changes come twice or come late."""
    once = fold(before, changes)
    _assert_same("after the changes", once, after)
    _assert_same("after the same changes came twice", fold(once, changes), after)
    _assert_same("after changes that the fetched state held already", fold(after, changes), after)


def _assert_same(when: str, folded: State, fetched: State) -> None:
    for difference in differences(folded, fetched):
        raise AssertionError(f"{when}: {difference}")
