"""Adding to the evidence, and writing it out."""

from collections.abc import AsyncIterator

import msgspec

from kereru.kernel.db import Database, ProviderScope, Transaction
from kereru.provisioning.errors import NoSuchProvider
from kereru.provisioning.evidence import store
from kereru.provisioning.evidence.model import FORMAT, Event, Header, Link, first_hash
from kereru.provisioning.opt_in.model import Witness

AT_ONCE = 500


async def witness_event(tx: Transaction, event: Event, assignment_id: int | None, witness: Witness, **details: object) -> int:
    """Add an entry in this transaction; its number in the chain. It holds the chain's end until the commit: after numbers' locks, before feeds'."""
    return await store.add(tx, event, assignment_id, witness, details)


async def export(database: Database, provider_id: int) -> AsyncIterator[bytes]:
    """The whole chain as lines of JSON, each with its line break; what is added meanwhile is left for the next file. Raises NoSuchProvider."""
    async with database.transaction(ProviderScope(provider_id)) as tx:
        head = await store.head(tx)
    if head is None:
        raise NoSuchProvider
    length = head.number or 0
    newest = bytes(head.hash) if length else first_hash(str(provider_id))
    header = Header(FORMAT, str(provider_id), head.name, head.now.isoformat(timespec="seconds"), length, newest.hex())
    yield msgspec.json.encode(header) + b"\n"
    reached = 0
    while reached < length:
        async with database.transaction(ProviderScope(provider_id)) as tx:
            rows = await store.stretch(tx, reached, length, AT_ONCE)
        if not rows:
            return
        for row in rows:
            yield msgspec.json.encode(Link(bytes(row.previous_hash).hex(), bytes(row.hash).hex(), row.body)) + b"\n"
        reached = rows[-1].number
