"""Routes of files: upload, limits, shrinking, and their bytes for those who may see them."""

from typing import Any

import msgspec
from litestar import MediaType, Request, Response, delete, get, post
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.response import Stream

from kereru.kernel import ids
from kereru.kernel.db import Database, ProviderScope
from kereru.kernel.jobs import defer
from kereru.kernel.settings import Settings
from kereru.messaging.attachments import commands, queries, store
from kereru.messaging.attachments.commands import Body, Owner
from kereru.messaging.attachments.errors import NoSuchAttachment, NotFetchable, NotHereYet
from kereru.messaging.attachments.intake import Files, key, preview_key
from kereru.messaging.attachments.jobs import FETCH_MEDIA, tell_owner
from kereru.messaging.attachments.links import reachable
from kereru.messaging.attachments.model import Attachment, Limits, State
from kereru.messaging.attachments.serving import Serving, serving
from kereru.tenancy.policy import END_USER, STREAMS_KEY, Principal, policy


class ShrinkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For an MMS of which number the picture shall become small enough."""

    number_id: str


class _UploadOperation(Operation):
    """Litestar would read a form whole to know its fields, so what the form is like is said here."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        file = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        form = Schema(type=OpenAPIType.OBJECT, properties={"file": file}, required=["file"])
        self.request_body = RequestBody(content={"multipart/form-data": OpenAPIMediaType(schema=form)}, required=True)


def _owner(principal: Principal) -> Owner:
    assert principal.user is not None  # noqa: S101 - the policy END_USER lets nobody else in
    return Owner(principal.provider_id, principal.user.id)


def _decode(text: str) -> int:
    try:
        return ids.decode(text)
    except ids.InvalidId as error:
        raise NoSuchAttachment from error


@post("/attachments", opt={**policy(END_USER), STREAMS_KEY: True}, operation_class=_UploadOperation)
async def upload_attachment(
    request: Request[Any, Any, Any], principal: Principal, database: Database, files: Files, settings: Settings
) -> Attachment:
    """Upload a file to be sent with a text (R69, R71): multipart/form-data with one part "file"."""
    body = Body(request.stream(), request.headers.get("content-type", ""), request.headers.get("content-length"))
    return await commands.upload(files, database, _owner(principal), body, settings.upload_bytes)


@get("/attachments/limits", opt=policy(END_USER))
async def read_attachment_limits(principal: Principal, database: Database, settings: Settings) -> Limits:
    """What may be uploaded, and what each number can send as MMS, before anybody tries (P28)."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await queries.limits(tx, _owner(principal).user_id, settings.upload_bytes, reachable=reachable(settings))


@get("/attachments/{attachment_id:str}", opt=policy(END_USER, attachment_id="attachment"))
async def read_attachment(attachment_id: str, principal: Principal, database: Database) -> Attachment:
    """One file."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return queries.attachment(await queries.one(tx, _owner(principal).user_id, _decode(attachment_id)))


@delete("/attachments/{attachment_id:str}", opt=policy(END_USER, attachment_id="attachment"))
async def remove_attachment(attachment_id: str, principal: Principal, database: Database) -> None:
    """Remove an upload that was not sent."""
    await commands.remove(database, _owner(principal), _decode(attachment_id))


@post("/attachments/{attachment_id:str}/shrink", opt=policy(END_USER, attachment_id="attachment"), status_code=200)
async def shrink_attachment(attachment_id: str, data: ShrinkBody, principal: Principal, database: Database, files: Files) -> Attachment:
    """Put a version of an uploaded picture in its place that fits into an MMS of a number; the answer has an id of its own."""
    return await commands.shrink(files, database, _owner(principal), _decode(attachment_id), _decode(data.number_id))


@post("/attachments/{attachment_id:str}/fetch", opt=policy(END_USER, attachment_id="attachment"), status_code=200)
async def fetch_attachment(attachment_id: str, principal: Principal, database: Database) -> Attachment:
    """Try once more to fetch a received file that could not be had."""
    owner, wanted = _owner(principal), _decode(attachment_id)
    async with database.transaction(ProviderScope(owner.provider_id)) as tx:
        await queries.one(tx, owner.user_id, wanted)
        message_id = await store.again(tx, wanted)
        if message_id is None:
            raise NotFetchable
        await defer(tx, FETCH_MEDIA, provider=owner.provider_id, message=message_id)
        result = queries.attachment(await queries.one(tx, owner.user_id, wanted))
        await tell_owner(tx, owner.provider_id, message_id)
        return result


@get("/attachments/{attachment_id:str}/content", opt=policy(END_USER, attachment_id="attachment"), media_type=MediaType.TEXT)
async def read_attachment_content(
    attachment_id: str, request: Request[Any, Any, Any], principal: Principal, database: Database, files: Files
) -> Stream | Response[bytes]:
    """A file's bytes, or one range of them."""
    return await _bytes(files, request, principal, database, _decode(attachment_id), preview=False)


@get("/attachments/{attachment_id:str}/preview", opt=policy(END_USER, attachment_id="attachment"), media_type=MediaType.TEXT)
async def read_attachment_preview(
    attachment_id: str, request: Request[Any, Any, Any], principal: Principal, database: Database, files: Files
) -> Stream | Response[bytes]:
    """A small picture of a picture, or of a PDF's first page."""
    return await _bytes(files, request, principal, database, _decode(attachment_id), preview=True)


async def _bytes(
    files: Files, request: Request[Any, Any, Any], principal: Principal, database: Database, wanted: int, *, preview: bool
) -> Stream | Response[bytes]:
    owner = _owner(principal)
    async with database.transaction(ProviderScope(owner.provider_id)) as tx:
        row = await queries.one(tx, owner.user_id, wanted)
    if row.state != State.READY:
        raise NotHereYet
    if preview:
        if row.preview_width is None:
            raise NoSuchAttachment
        pieces = await files.objects.read(preview_key(owner.provider_id, wanted))
        headers = serving("image/webp", "preview.webp", 0, "", wanted=None, known=None).headers
        # A preview never changes, but whether its message is still there does.
        kept = {name: value for name, value in headers.items() if name not in ("content-length", "etag", "accept-ranges")}
        return Stream(pieces, headers={**kept, "cache-control": "private, max-age=600"}, media_type="image/webp")
    asked = request.headers
    found = serving(row.content_type, row.name, row.bytes, f'"{wanted}"', wanted=asked.get("range"), known=asked.get("if-none-match"))
    return await _answer(files, owner.provider_id, wanted, found)


async def _answer(files: Files, provider_id: int, wanted: int, found: Serving) -> Stream | Response[bytes]:
    content_type = found.headers["content-type"]
    if found.end == found.start:
        return Response(b"", status_code=found.status, headers=found.headers, media_type=content_type)
    pieces = await files.objects.read(key(provider_id, wanted), found.start, found.end)
    return Stream(pieces, status_code=found.status, headers=found.headers, media_type=content_type)


ROUTES = (
    upload_attachment, read_attachment_limits, read_attachment, remove_attachment, shrink_attachment, fetch_attachment, read_attachment_content,
    read_attachment_preview,
)  # fmt: skip
