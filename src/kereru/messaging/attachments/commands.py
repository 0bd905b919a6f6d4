"""What can be done with files: upload, shrink, remove; and how a text with files travels."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from kereru.carriers.contract import Capabilities
from kereru.carriers.registry import capabilities_of
from kereru.kernel import ids
from kereru.kernel.db import Database, ProviderScope, Transaction
from kereru.kernel.limits import FILES_PER_MESSAGE, FILES_UNSENT
from kereru.messaging.attachments import queries, store
from kereru.messaging.attachments.errors import (
    CannotShrink,
    FileTypeRefused,
    FileUnreadable,
    NoSuchAttachment,
    PictureTooLarge,
    TooManyUnsent,
)  # fmt: skip
from kereru.messaging.attachments.intake import Files, Looked, Place, key
from kereru.messaging.attachments.model import (
    Attachment,
    FileType,
    MmsFacts,
    Route,
    StoredFile,
    clean_name,
    ending_of,
    is_text,
    route,
    text_type,
    with_links,
)  # fmt: skip
from kereru.messaging.attachments.upload import receive
from kereru.messaging.reasons import Reason

LINK_BYTES = 16
_TEXT_ENDINGS = frozenset({"txt", "csv", ""})


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose file it is."""

    provider_id: int
    user_id: int


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body as it comes."""

    pieces: AsyncIterator[bytes]
    content_type: str
    length: str | None


@dataclass(frozen=True, slots=True)
class _Found:
    """What a file turned out to be."""

    name: str
    type: FileType
    looked: Looked


async def upload(files: Files, database: Database, owner: Owner, body: Body, most: int) -> Attachment:
    """Take a file in, to be sent later (R69, R71): what it is decides its content, and what tells of a place is left out (bad input 84).

    Raises what `receive` raises, TooManyUnsent, FileTypeRefused, PictureTooLarge, FileUnreadable, Unavailable.
    """
    # Who is over it need not send the bytes; what counts is asked again when the file gets its row, since others may come at the same time.
    async with database.transaction(ProviderScope(owner.provider_id)) as tx:
        if await store.unsent_count(tx, owner.user_id) >= FILES_UNSENT:
            raise TooManyUnsent
    async with files.place() as place:
        received = await receive(body.pieces, body.content_type, body.length, place.content, most)
        looked = _good(await files.look(place, anew=True))
        kind = looked.type or _text(place, received.name)
        if not kind.sendable:
            words = f"This is a .{kind.ending} file, which cannot be sent. Possible are .txt .mpeg .mp3 .mp4 .pdf .jpeg .jpg .bmp .png .gif .csv."
            raise FileTypeRefused(words)
        return await _keep(files, database, owner, place, _Found(clean_name(received.name, kind), kind, looked), FILES_UNSENT)


async def shrink(files: Files, database: Database, owner: Owner, file_id: int, number_id: int) -> Attachment:
    """A smaller version of an uploaded picture, in its place, that fits into an MMS of this number (P28). Raises NoSuchAttachment, CannotShrink,
    TooManyUnsent.
    """
    async with database.transaction(ProviderScope(owner.provider_id)) as tx:
        found = await store.unsent(tx, owner.user_id, [file_id], lock=False)
        carriers = [row.carrier for row in await store.numbers(tx, owner.user_id) if row.id == number_id]
    if not found or not carriers:
        raise NoSuchAttachment
    if found[0].type.kind != "picture":
        raise CannotShrink
    async with files.place() as place:
        await files.objects.fetch(key(owner.provider_id, file_id), place.content)
        looked = await files.look(place, anew=True, shrink_to=capabilities_of(carriers[0]).media_max_bytes)
        if looked.problem or looked.type is None:
            raise CannotShrink
        # One more, for as long as the one that it replaces is still there.
        smaller = await _keep(files, database, owner, place, _Found(clean_name(found[0].name, looked.type), looked.type, looked), FILES_UNSENT + 1)
    try:
        await remove(database, owner, file_id)
    except NoSuchAttachment:
        # Sent, removed or made smaller meanwhile: it has no place to take.
        await remove(database, owner, ids.decode(smaller.id))
        raise
    return smaller


async def remove(database: Database, owner: Owner, file_id: int) -> None:
    """Remove an upload that was not sent. Raises NoSuchAttachment."""
    async with database.transaction(ProviderScope(owner.provider_id)) as tx:
        if not await store.remove(tx, owner.user_id, file_id):
            raise NoSuchAttachment


async def _keep(files: Files, database: Database, owner: Owner, place: Place, found: _Found, most: int) -> Attachment:
    """The row first, then the bytes, then the row says so: whatever breaks in between is a row that is swept, never bytes without one.

    Raises TooManyUnsent where the owner has `most` already.
    """
    scope = ProviderScope(owner.provider_id)
    size = place.content.stat().st_size
    async with database.transaction(scope) as tx:
        file_id = await store.add(
            tx, user=owner.user_id, name=found.name, content_type=found.type.content_type, bytes=size, link=secrets.token_bytes(LINK_BYTES), most=most
        )
        if file_id is None:
            raise TooManyUnsent
    await files.keep(owner.provider_id, file_id, place)
    async with database.transaction(scope) as tx:
        await store.ready(tx, id=file_id, **facts_of(found.name, found.type, size, found.looked))
        return queries.attachment(await queries.one(tx, owner.user_id, file_id))


def facts_of(name: str, kind: FileType, size: int, looked: Looked) -> dict[str, object]:
    """What is written down about a file that is here."""
    across, down = looked.preview or (None, None)
    return {
        "name": name, "content_type": kind.content_type, "bytes": size, "width": looked.width, "height": looked.height,
        "preview_width": across, "preview_height": down,
    }  # fmt: skip


def _good(looked: Looked) -> Looked:
    if looked.problem == "too_large":
        raise PictureTooLarge
    if looked.problem:
        raise FileUnreadable
    return looked


def _text(place: Place, name: str) -> FileType:
    content = place.content.read_bytes()
    if not is_text(content):
        raise FileTypeRefused
    if ending_of(name) not in _TEXT_ENDINGS:
        words = "This file holds text, but its name does not say so. Only .txt and .csv files may hold text."
        raise FileTypeRefused(words)
    return text_type(content, name)


# --- How a text with files travels ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Travelling:
    """A text with its files, ready to go. `text` is what the other side gets, `media` the addresses the carrier fetches, `fallback` the text with
    links only, for a carrier that surely did not take the MMS (P27).
    """

    route: Route
    text: str
    media: tuple[str, ...]
    fallback: str | None


def plan(text: str, files: Sequence[StoredFile], facts: MmsFacts, capabilities: Capabilities, media_base: str) -> Travelling:
    """Apply the one combined rule to a text and its files; pure."""
    way = route(files, facts, capabilities)
    return Travelling(
        way,
        with_links(text, [link(media_base, file) for file in way.links]),
        tuple(link(media_base, file) for file in way.media),
        with_links(text, [link(media_base, file) for file in files]) if way.media else None,
    )


def plan_links(text: str, files: Sequence[StoredFile], media_base: str) -> Travelling:
    """As `plan`, for files that were tried as MMS before and failed: links only (P27)."""
    way = Route("sms_link" if files else "sms", (), tuple(files), ())
    return Travelling(way, with_links(text, [link(media_base, file) for file in files]), (), None)


def link(media_base: str, file: StoredFile) -> str:
    """The address of a file for the other side and its carrier; its ending tells both what they will get."""
    return f"{media_base}/m/{urlsafe_b64encode(file.link).decode().rstrip('=')}.{file.type.ending}"


async def for_draft(tx: Transaction, user_id: int, wanted: Sequence[str], *, lock: bool) -> list[StoredFile] | Reason:
    """The uploads that a draft names, in its order, or why they cannot be sent."""
    if not wanted:
        return []
    if len(wanted) > FILES_PER_MESSAGE:
        return Reason("too_many_files", f"At most {FILES_PER_MESSAGE} files fit into one text. Send the others in a second one.")
    if len(set(wanted)) != len(wanted):
        return Reason("same_file_twice", "The same file stands there twice.")
    try:
        named = [ids.decode(each) for each in wanted]
    except ids.InvalidId:
        return MISSING
    found = await store.unsent(tx, user_id, named, lock=lock)
    return found if len(found) == len(named) else MISSING


MISSING = Reason("attachment_not_found", "A file of this text is no longer here, or was sent already. Add it again.")
