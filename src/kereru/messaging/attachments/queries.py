"""Files as people see them."""

from collections import defaultdict
from collections.abc import Sequence

from kereru.carriers.registry import capabilities_of
from kereru.kernel import ids
from kereru.kernel.db import Row, Transaction
from kereru.kernel.limits import FILES_PER_MESSAGE, PICTURE_PIXELS
from kereru.messaging.attachments import store
from kereru.messaging.attachments.errors import NoSuchAttachment
from kereru.messaging.attachments.model import (
    BY_CONTENT_TYPE,
    MMS_TYPES,
    OTHER,
    Attachment,
    Limits,
    MmsFacts,
    NumberLimit,
    State,
    mms_problem,
    sendable_types,
)  # fmt: skip
from kereru.messaging.reasons import Reason


async def of_messages(tx: Transaction, messages: Sequence[int]) -> dict[int, tuple[Attachment, ...]]:
    """The files of these messages, by message. The caller has checked whose they are."""
    if not messages:
        return {}
    found: defaultdict[int, list[Attachment]] = defaultdict(list)
    for row in await store.of_messages(tx, messages):
        found[row.message_id].append(attachment(row))
    return {message: tuple(files) for message, files in found.items()}


async def one(tx: Transaction, user_id: int, file_id: int) -> Row:
    """A file that the user may see, as a row. Raises NoSuchAttachment."""
    row = await store.seen(tx, user_id, file_id)
    if row is None:
        raise NoSuchAttachment
    return row


def attachment(row: Row) -> Attachment:
    """A file from its row."""
    kind = BY_CONTENT_TYPE.get(row.content_type, OTHER)
    state = State(row.state)
    return Attachment(
        id=ids.encode(row.id),
        name=row.name,
        content_type=row.content_type,
        kind=kind.kind,
        bytes=row.bytes,
        state=state.wire,
        reason=Reason(row.reason_code, row.reason or "") if row.reason_code else None,
        width=row.width,
        height=row.height,
        preview_width=row.preview_width,
        preview_height=row.preview_height,
        as_media=row.as_media,
        inline=kind.inline and state is State.READY,
    )


async def limits(tx: Transaction, user_id: int, upload_bytes: int, *, reachable: bool) -> Limits:
    """What the user may upload, and what each of his numbers can send as MMS (P28, R132 to R136)."""
    numbers: list[NumberLimit] = []
    types = sendable_types()
    for row in await store.numbers(tx, user_id):
        able = capabilities_of(row.carrier)
        problem = mms_problem(MmsFacts(row.platform_mms, row.number_mms, row.e164, None, reachable), able)
        fitting = able.media_types & MMS_TYPES if problem is None else frozenset[str]()
        numbers.append(
            NumberLimit(
                ids.encode(row.id),
                problem is None,
                problem,
                tuple(each.ending for each in types if each.content_type in fitting),
                able.media_max_bytes if problem is None else 0,
                able.media_max_items if problem is None else 0,
            )
        )
    return Limits(upload_bytes, PICTURE_PIXELS, FILES_PER_MESSAGE, types, tuple(numbers))
