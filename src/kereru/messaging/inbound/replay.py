"""Takes in what was set aside, after a repair (G5): each in one transaction with its removal, so that nothing is lost and nothing comes twice."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Literal
from uuid import uuid4

import msgspec
import psycopg

from kereru.carriers.arrivals import Arrival, InboundText, Unrecognised, WebhookRequest
from kereru.carriers.ingress import for_number
from kereru.kernel import ids
from kereru.kernel.db import INSTALLATION, Database, Row, Transaction
from kereru.messaging.consent import Mark
from kereru.messaging.inbound import store
from kereru.messaging.inbound.sink import Again, ReceiptItem, TextItem, UnreadItem, receipt_item, text_item, write_receipts, write_texts

Parse = Callable[[str, WebhookRequest], tuple[Arrival, ...]]
"""Reads a webhook of the carrier that is named."""

_PAGE = 200


class SetAside(msgspec.Struct, frozen=True):
    """A webhook, or a part of one, that could not be read or stored. `again`: this version kept what it needs to try once more."""

    id: str
    provider_id: str
    platform_id: str
    platform_name: str
    carrier: str
    at: datetime
    reason: str
    raw: str
    again: bool


class Outcome(msgspec.Struct, frozen=True):
    """What became of one that was tried again: how many texts and receipts it brought, or why it stays where it is."""

    id: str
    outcome: Literal["taken_in", "still_unreadable", "not_possible", "failed"]
    texts: int = 0
    receipts: int = 0
    reason: str = ""


async def set_aside(owner: Database) -> AsyncIterator[SetAside]:
    """Everything that was set aside, of every provider, oldest first. Raises Unavailable."""
    async for row in _rows(owner):
        yield SetAside(
            ids.encode(row.id), ids.encode(row.provider_id), ids.encode(row.platform_id), row.platform_name, row.carrier, row.at, row.reason, row.raw,
            row.again is not None,
        )  # fmt: skip


async def take_in(owner: Database, parse: Parse) -> AsyncIterator[Outcome]:
    """Try each again, oldest first. What is still not understood, or cannot be stored, stays as it is. Raises Unavailable."""
    async for row in _rows(owner):
        if row.again is None:
            yield Outcome(ids.encode(row.id), "not_possible", reason="It was set aside by an older version, which kept its words only.")
            continue
        try:
            yield await _try(owner, row, parse)
        except psycopg.Error as error:
            yield Outcome(ids.encode(row.id), "failed", reason=f"could not be stored: {type(error).__name__}")
        except msgspec.DecodeError:
            yield Outcome(ids.encode(row.id), "not_possible", reason="It was kept by another version, in a form that this one does not know.")


async def _rows(owner: Database) -> AsyncIterator[Row]:
    after = 0
    while True:
        async with owner.transaction(INSTALLATION) as tx:
            page = await store.kept(tx, after, _PAGE)
        if not page:
            return
        for row in page:
            yield row
        after = page[-1].id


async def _try(owner: Database, row: Row, parse: Parse) -> Outcome:
    again = msgspec.json.decode(row.again, type=Again)
    items = _items(row, again, parse) if isinstance(again, UnreadItem) else [again]
    if isinstance(items, str):
        return Outcome(ids.encode(row.id), "still_unreadable", reason=items)
    async with owner.transaction(INSTALLATION) as tx:
        if not await store.take(tx, row.provider_id, row.id):
            return Outcome(ids.encode(row.id), "not_possible", reason="Somebody else took it in meanwhile, or it was deleted.")
        texts, receipts = await _write(tx, items)
    return Outcome(ids.encode(row.id), "taken_in", texts, receipts)


def _items(row: Row, unread: UnreadItem, parse: Parse) -> list[TextItem | ReceiptItem] | str:
    """What the webhook brings, or why it still cannot be read."""
    asked = unread.asked
    get = asked.method == "GET"
    request = WebhookRequest(
        row.provider_id,
        row.platform_id,
        asked.method,
        asked.path_tail,
        unread.body.decode("latin-1") if get else "",
        {},
        b"" if get else unread.body,
        asked.at,
    )
    found = for_number(parse(asked.carrier, request), asked.number)
    problem = next((item.reason for item in found if isinstance(item, Unrecognised)), None)
    if problem is not None or not found:
        return problem or "It is for another number than the one whose secret came with it."
    name = str(uuid4())
    return [
        text_item(item, row.raw, name, place) if isinstance(item, InboundText) else receipt_item(item, row.raw, name)
        for place, item in enumerate(found)
        if not isinstance(item, Unrecognised)
    ]


async def _write(tx: Transaction, items: list[TextItem | ReceiptItem]) -> tuple[int, int]:
    texts = [_late(item) for item in items if isinstance(item, TextItem)]
    receipts = [item for item in items if isinstance(item, ReceiptItem)]
    if texts:
        await write_texts(tx, texts)
    if receipts:
        await write_receipts(tx, receipts)
    return len(texts), len(receipts)


def _late(item: TextItem) -> TextItem:
    """A STOP counts however late it is read; a START does not, since its person may have said STOP after it (G17)."""
    return msgspec.structs.replace(item, consent=None, mark=None) if item.mark == Mark.START else item
