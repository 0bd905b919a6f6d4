"""The route of the evidence."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import Parameter
from litestar.response import Stream

from kereru.kernel import ids
from kereru.kernel.db import Database, ProviderScope
from kereru.kernel.limits import PAGE_ITEMS, PAGE_ITEMS_DEFAULT
from kereru.kernel.paging import CursorCodec, Page
from kereru.provisioning.evidence import commands, store
from kereru.provisioning.evidence.model import Body
from kereru.tenancy.model import Level
from kereru.tenancy.policy import PORTAL, Principal, policy, reach


class EvidenceEntry(msgspec.Struct, frozen=True):
    """One entry. `details` say which number and user it was about, as they were called then; `hash` is what the next entry follows from."""

    number: int
    at: datetime
    event: str
    assignment_id: str | None
    actor: str
    address: str
    agent: str
    details: dict[str, object]
    hash: str


@get("/evidence", opt=policy(PORTAL()), operation_id="listEvidence", summary="Who agreed to what, and what was deleted: newest first")
async def list_evidence(
    principal: Principal,
    database: Database,
    cursors: CursorCodec,
    assignment: Annotated[str | None, Parameter(description="Only what is about this assignment.")] = None,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=PAGE_ITEMS)] = PAGE_ITEMS_DEFAULT,
) -> Page[EvidenceEntry]:
    """The evidence within your reach (R179, R180, R20); the whole chain, to be checked elsewhere, is `/evidence/export`."""
    wanted = None if assignment is None else ids.decode(assignment)
    before = ids.MAX_ID if cursor is None else cursors.decode(cursor)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        rows = await store.page(tx, reach(principal).params(), wanted, before=before, limit=limit)
    items: list[EvidenceEntry] = []
    for row in rows:
        body = msgspec.json.decode(row.body, type=Body)
        about = None if row.assignment_id is None else ids.encode(row.assignment_id)
        items.append(
            EvidenceEntry(row.number, row.at, row.event, about, body.actor, body.address, body.agent, body.details or {}, bytes(row.hash).hex())
        )
    return Page(items, cursors.encode(rows[-1].number) if len(rows) == limit else None)


@get(
    "/evidence/export",
    opt=policy(PORTAL(Level.PROVIDER)),
    operation_id="exportEvidence",
    summary="The provider's whole evidence as a file that anybody can check",
    media_type="application/x-ndjson",
)
async def export_evidence(principal: Principal, database: Database) -> Stream:
    """The same file that `kereru evidence export` writes; `kereru evidence verify` checks it on any machine (Q27)."""
    headers = {"content-disposition": 'attachment; filename="evidence.jsonl"', "cache-control": "no-store"}
    return Stream(commands.export(database, principal.provider_id), media_type="application/x-ndjson", headers=headers)


ROUTES = (list_evidence, export_evidence)
