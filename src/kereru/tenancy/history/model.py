"""What a row of the history log says, and how it leaves as CSV. No database here."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from kereru.kernel.secrets import MASK, Secret
from kereru.tenancy.policy import Principal

NAME_CHARACTERS = 200
_SECRET_WORDS = ("password", "secret", "token", "credential", "private_key")


class Actor(msgspec.Struct, frozen=True):
    """Who causes a change. `sign_in_id` is None for the operator of this machine; `via` says how he came: session, api_key, link, operator; schedule
    for what comes by itself at its time.
    """

    sign_in_id: int | None
    name: str
    address: str
    via: str


OPERATOR = Actor(None, "operator", "", "operator")


def actor_of(principal: Principal | None) -> Actor:
    """The caller as the log names him; without one it was the operator's command line."""
    return OPERATOR if principal is None else Actor(principal.sign_in_id, principal.email, principal.address, principal.via)


class Change(msgspec.Struct, frozen=True):
    """One field that changed; null where it was not there."""

    field: str
    before: Any
    after: Any


class Entry(msgspec.Struct, frozen=True):
    """One row of the log."""

    id: int
    at: datetime
    actor_id: int | None
    actor: str
    address: str
    via: str
    action: str
    target_kind: str
    target_id: int
    target_name: str
    changes: list[Change]


def difference(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Only what differs, as JSON can hold it. A secret never gets in, whoever forgot that it is one (R191)."""
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return _kept(before, changed), _kept(after, changed)


def _kept(side: Mapping[str, object], names: Iterable[str]) -> dict[str, object]:
    return {name: _plain(name, side[name]) for name in names if name in side}


def _plain(name: str, value: object) -> object:
    if isinstance(value, (Secret, bytes)) or any(word in name.lower() for word in _SECRET_WORDS):
        return MASK
    return msgspec.to_builtins(value, enc_hook=str)


def changes_of(before: Mapping[str, object], after: Mapping[str, object]) -> list[Change]:
    """A row's fields, in the order in which they were written."""
    return [Change(name, before.get(name), after.get(name)) for name in {**before, **after}]


COLUMNS = ("when (UTC)", "who", "from", "how", "action", "kind", "id", "name", "field", "before", "after")


def cells(entry: Entry) -> list[tuple[str, ...]]:
    """An entry as lines of the file, below COLUMNS, one for each changed field."""
    head = (
        entry.at.strftime("%Y-%m-%d %H:%M:%S"), entry.actor, entry.address, entry.via, entry.action, entry.target_kind, str(entry.target_id),
        entry.target_name,
    )  # fmt: skip
    return [(*head, change.field, _text(change.before), _text(change.after)) for change in entry.changes or [Change("", None, None)]]


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
