"""What the judge looks at: the carriers' ledger and webhooks, the database's rows, the history, what each client held and could fetch."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs

import msgspec
import psycopg
from psycopg.rows import namedtuple_row

from kereru.torture.folding import State
from kereru.torture.history import Entry

Row = Any
_STAT = re.compile(r"stat:(\w+)")
_STATES = {
    "sent": 3, "delivered": 4, "undelivered": 5, "failed": 6, "ACCEPTD": 3, "DELIVRD": 4, "UNDELIV": 5, "REJECTD": 6,
}  # fmt: skip
"""Words of the simulated carriers and what they mean as a message's status."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A call that a carrier made and what it was answered; `state` is None for a text."""

    carrier: str
    carrier_id: str
    to: str
    text: str
    state: int | None
    taken: bool


@dataclass(frozen=True, slots=True)
class HandOver:
    """A send that reached a carrier. `surely_failed`: the whole answer said that it was not taken."""

    carrier: str
    text: str
    from_: str
    to: str
    surely_failed: bool


@dataclass(frozen=True)
class Evidence:
    """Everything, gathered once the product had come to rest."""

    history: Sequence[Entry] = ()
    webhooks: Sequence[Webhook] = ()
    hand_overs: Sequence[HandOver] = ()
    messages: Sequence[Row] = ()
    attempts: Mapping[int, int] = field(default_factory=dict[int, int])
    parts: Sequence[Row] = ()
    receipts: Sequence[Row] = ()
    quarantined: frozenset[str] = frozenset()
    feeds: Sequence[Row] = ()
    changes: Mapping[int, Sequence[int]] = field(default_factory=dict[int, Sequence[int]])
    held: Mapping[str, tuple[State, State]] = field(default_factory=dict[str, tuple[State, State]])
    numbers: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    told: Sequence[str] = ()


def webhook(item: Mapping[str, Any]) -> Webhook | None:
    """One of the simulators' deliveries, read; None for what is no text and no receipt."""
    taken = 200 <= (item["status"] or 0) < 300
    if item["carrier"] == "restcomm":
        form = {name: values[0] for name, values in parse_qs(item["body"], keep_blank_values=True).items()}
        if item["what"] in ("inbound", "fallback"):
            return Webhook("restcomm", form["SmsSid"], form["To"], form["Body"], None, taken)
        return Webhook("restcomm", form["MessageSid"], form["To"], "", _STATES[form["MessageStatus"]], taken)
    body = msgspec.json.decode(item["body"], type=dict[str, Any])
    if not body["deliveryReceipt"]:
        return Webhook("inteliquent", body["referenceId"], f"+{body['to'][0]}", body["text"], None, taken)
    stat = _STAT.search(body["text"])
    return Webhook("inteliquent", body["referenceId"], "", "", _STATES[stat[1]], taken) if stat else None


def hand_over(item: Mapping[str, Any]) -> HandOver | None:
    """One of the ledger's entries, when it is a send."""
    if item["method"] != "POST" or not isinstance(item["body"], dict):
        return None
    body, answer = cast("dict[str, Any]", item["body"]), cast("dict[str, Any] | None", item["answer"])
    if item["carrier"] == "restcomm" and "/SMS/Messages" in item["path"]:
        return HandOver("restcomm", body["Body"], body["From"], body["To"], _refused(answer))
    if item["carrier"] == "inteliquent" and "publishMessages" in item["path"]:
        return HandOver("inteliquent", body["text"], f"+{body['from']}", f"+{body['to'][0]}", _refused(answer))
    return None


def _refused(answer: Mapping[str, Any] | None) -> bool:
    if answer is None or answer.get("fault") or answer["status"] is None or answer["status"] >= 500:
        return False
    body = answer["body"]
    enveloped = isinstance(body, dict) and cast("dict[str, Any]", body).get("success") is False
    return answer["status"] >= 300 or enveloped


def read_database(url: str) -> dict[str, Any]:
    """The database's part of the evidence, as the owner, in one snapshot."""
    with psycopg.connect(url, row_factory=namedtuple_row) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

        def rows(sql: str) -> list[Row]:
            return connection.execute(sql.encode()).fetchall()

        messages = rows(
            "SELECT m.id, m.provider_id, m.outbound, m.status, m.visibility, m.text, m.client_id, m.carrier_id, n.e164, c.remote"
            " FROM message m JOIN conversation c ON c.provider_id = m.provider_id AND c.id = m.conversation_id"
            " JOIN assignment a ON a.provider_id = c.provider_id AND a.id = c.assignment_id"
            " JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id"
        )
        parts = rows("SELECT provider_id, platform_id, message_id, attempt, part, handover, status, carrier_id FROM part")
        receipts = rows("SELECT r.provider_id, r.platform_id, r.carrier_id, r.state, p.carrier FROM receipt r"
                        " JOIN platform p ON p.provider_id = r.provider_id AND p.id = r.platform_id")  # fmt: skip
        changes: dict[int, list[int]] = {}
        for row in rows("SELECT feed_id, number FROM change ORDER BY feed_id, number"):
            changes.setdefault(row.feed_id, []).append(row.number)
        return {
            "messages": messages,
            "attempts": {row.message_id: row.n for row in rows("SELECT message_id, count(*) AS n FROM attempt GROUP BY 1")},
            "parts": parts,
            "receipts": receipts,
            "quarantined": frozenset(row.dedupe_key for row in rows("SELECT dedupe_key FROM quarantine")),
            "feeds": rows("SELECT id, head FROM feed"),
            "changes": changes,
        }
