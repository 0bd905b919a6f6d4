"""Every request the carriers' own APIs received, in order: the judge of "sent at most once".

Promises: an entry is written when the request arrives, so a request whose answer never left is there too; secrets are masked; at most
`ring` entries are kept. Bodies are read only when somebody looks, so that writing stays cheap.
"""

import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import cast

import msgspec

from kereru.simulators.asgi import Answer, Cut, Hold, Outcome, Request, Reset
from kereru.simulators.forms import NotAForm, folded, parse_form
from kereru.simulators.times import iso

MASK = "•••"
SECRET_FIELDS = frozenset({"privateKey", "client_secret", "auth_token", "apiKey", "headerValue", "access_token"})


class Entry:
    """One request and what it was answered."""

    __slots__ = ("answer", "at", "body", "carrier", "form", "method", "number", "target")

    def __init__(self, number: int, at: float, carrier: str, request: Request) -> None:
        self.number = number
        self.at = at
        self.carrier = carrier
        self.method = request.method
        self.target = request.target()
        self.body = request.body
        self.form = request.header(b"content-type").startswith("application/x-www-form-urlencoded")
        self.answer: Outcome | None = None


class Ledger:
    """A bounded, ordered list of requests."""

    def __init__(self, ring: int, clock: Callable[[], float] = time.time) -> None:
        self._entries: deque[Entry] = deque(maxlen=ring)
        self._clock = clock
        self._next = 1

    def open(self, carrier: str, request: Request) -> Entry:
        """Write down that a request arrived."""
        entry = Entry(self._next, self._clock(), carrier, request)
        self._next += 1
        self._entries.append(entry)
        return entry

    def clear(self) -> None:
        """Forget all entries; numbering goes on."""
        self._entries.clear()

    def items(self, carrier: str | None = None, after: int = 0, limit: int | None = None, newest: bool = False) -> list[dict[str, object]]:
        """Entries oldest first, or newest first when asked; `after` skips those up to that number."""
        found = (e for e in (reversed(self._entries) if newest else self._entries) if e.number > after and carrier in (None, "", e.carrier))
        return [_shown(entry) for entry in islice(found, limit)]


def _shown(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.number,
        "carrier": entry.carrier,
        "at": iso(entry.at),
        "method": entry.method,
        "path": entry.target,
        "body": _readable(entry.body, form=entry.form),
        "answer": _answer(entry.answer),
    }


def _answer(outcome: Outcome | None) -> dict[str, object] | None:
    if isinstance(outcome, Answer):
        return {"status": outcome.status, "body": _readable(outcome.body, form=False)}
    if isinstance(outcome, Cut):
        return {"status": outcome.answer.status, "body": _readable(outcome.answer.body, form=False), "fault": "cut"}
    if isinstance(outcome, Hold):
        return {"status": None, "body": None, "fault": "held"}
    return {"status": None, "body": None, "fault": "reset"} if isinstance(outcome, Reset) else None


def _readable(body: bytes, *, form: bool) -> object:
    if not body:
        return None
    if form:
        try:
            return masked(folded(parse_form(body)))
        except NotAForm:
            return body.decode("utf-8", "replace")
    try:
        value: object = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body.decode("utf-8", "replace")
    return masked(value)


def masked(value: object) -> object:
    """The same value with the carriers' secrets hidden."""
    if isinstance(value, dict):
        whole = cast("dict[str, object]", value)
        return {k: MASK if k in SECRET_FIELDS and v else masked(v) for k, v in whole.items()}
    if isinstance(value, list):
        return [masked(item) for item in cast("list[object]", value)]
    return value
