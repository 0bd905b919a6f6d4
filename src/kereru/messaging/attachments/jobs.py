"""Fetches the files of received MMS from their carriers, behind the address guard, and sweeps what is no longer needed (design §9, P24, P29).

A carrier keeps media for hours only, so they are fetched at once, and tried again for half an hour; what could not be had says why on the screen.
"""

import asyncio
import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from kereru.carriers.contract import PlatformAccess
from kereru.carriers.registry import ADAPTERS
from kereru.kernel.db import INSTALLATION, Database, ProviderScope, Row, Transaction
from kereru.kernel.errors import Unavailable
from kereru.kernel.http_client import STRANGER_SECONDS, Answered, Interrupted, NotSent, Result, StrangerClient
from kereru.kernel.jobs import Backoff, JobKind
from kereru.kernel.limits import MEDIA_BYTES, MEDIA_REDIRECTS, UNSENT_HOURS
from kereru.kernel.logging import get_logger
from kereru.kernel.secrets import CannotOpen, Sealer, Secret
from kereru.messaging.attachments import store
from kereru.messaging.attachments.commands import facts_of
from kereru.messaging.attachments.intake import Files, Place
from kereru.messaging.attachments.model import BY_CONTENT_TYPE, OTHER, SMIL, TXT, FileType, State, clean_name, is_text, text_type
from kereru.messaging.attachments.words import Declared, as_utf_8, declared_of, words_of
from kereru.messaging.consent import CONSENT_WORDS, Mark, mark_of
from kereru.provisioning.platforms.model import open_access
from kereru.realtime.feeds import ChangeKind, Entry, append

TRIES = 9
FETCH_MEDIA = JobKind("messaging.fetch_media", Backoff(first_s=2.0, factor=2.5, most_s=600.0, tries=TRIES + 2))
SWEEP_MOST = 200
REFUSALS_MOST = 20
WORDS_BYTES = 4096
"""A text part that asks for silence is short; what is longer is about something else."""

_VISIBLE = 0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_log = get_logger("messaging.attachments")


class NotYet(Exception):
    """Something of a message could not be had this time; the job is tried again."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """What fetching needs. `private_hosts`: host:port pairs that may be asked by plain http, the simulators'. `within_s`: for one file, however often
    its carrier sends us on.
    """

    database: Database
    sealer: Sealer
    door: StrangerClient
    files: Files
    private_hosts: tuple[str, ...] = ()
    within_s: float = STRANGER_SECONDS


@dataclass(frozen=True, slots=True)
class _Missed:
    code: str
    reason: str
    for_good: bool = False


async def fetch_media(fetcher: Fetcher, ids: Mapping[str, int]) -> None:
    """Fetch every file of a message that is still at its carrier; each that came is shown at once. Raises NotYet while one may still come."""
    provider_id, message_id = ids["provider"], ids["message"]
    async with fetcher.database.transaction(ProviderScope(provider_id)) as tx:
        coming = await store.coming(tx, message_id)
        platform = await store.platform_of(tx, message_id)
    if platform is None:
        return
    access = _access(platform, fetcher.sealer)
    waiting = False
    # Texts first: one of them may say STOP, and films take their time.
    for place_number, row in sorted(enumerate(coming, start=1), key=lambda numbered: not _seems_text(numbered[1])):
        async with fetcher.files.place() as place:
            try:
                got = await _fetch(fetcher, access, row, place.content)
                if not isinstance(got, _Missed):
                    await _take(fetcher, provider_id, row, place, got, place_number)
                    continue
            except (Unavailable, OSError) as error:
                _log.error("media.not_stored", message=message_id, error=repr(error))
                got = _Missed("media_not_stored", "It came, but cannot be stored just now.")
            waiting = not await _note(fetcher, provider_id, row, got) or waiting
    if waiting:
        raise NotYet


def _access(row: Row, sealer: Sealer) -> PlatformAccess | None:
    try:
        return open_access(row, sealer)
    except CannotOpen:
        return None


async def _fetch(fetcher: Fetcher, access: PlatformAccess | None, row: Row, target: Path) -> Declared | _Missed:
    """What is declared of what was written to `target`, or why there is nothing."""
    url: str = row.source
    until = time.monotonic() + fetcher.within_s
    for _ in range(MEDIA_REDIRECTS + 1):
        if not _may_ask(url, fetcher.private_hosts):
            return _Missed("media_address", "The carrier named an address that is not fetched from.", for_good=True)
        # The account's credentials go to its carrier's own address only, and not along with a redirect (carriers.md §4.5).
        headers = _credentials(access, url) if row.source_credentials and url == row.source else {}
        result = await fetcher.door.send("GET", url, headers=headers, deadline_s=until - time.monotonic(), answer_bytes_max=MEDIA_BYTES)
        if isinstance(result, Answered) and result.status in _REDIRECTS:
            url = urljoin(url, result.headers.get("location", ""))
            continue
        if isinstance(result, Answered) and result.status == 200 and result.body:
            await asyncio.to_thread(target.write_bytes, result.body)
            told, listed = declared_of(result.headers.get("content-type", "")), declared_of(row.declared)
            return Declared(told.type or listed.type, told.charset or listed.charset)
        return _why(result)
    return _Missed("media_redirects", "The carrier sends us round in circles for this file.", for_good=True)


def _why(result: Result) -> _Missed:
    if isinstance(result, NotSent):
        if result.code == "not_allowed":
            return _Missed("media_address", "The carrier named an address that is not fetched from.", for_good=True)
        return _Missed("media_unreachable", "The carrier cannot be reached for it.")
    if isinstance(result, Interrupted):
        if result.code == "too_large":
            return _Missed("media_too_large", f"It is larger than {MEDIA_BYTES // 2**20} MiB.", for_good=True)
        return _Missed("media_cut", "It broke off on the way from the carrier.")
    if result.status in (404, 410):
        # Often it is only not there yet: it is tried again, and the last try says so.
        return _Missed("media_gone", "The carrier does not have it any more.")
    if result.status in (401, 403):
        return _Missed("media_refused", "The carrier does not let us have it.")
    return _Missed("media_unreadable", f"The carrier answered with an error ({result.status}).")


def _may_ask(url: str, private_hosts: tuple[str, ...]) -> bool:
    """Https only, but for simulators; everything else about the address is the door's to judge (bad inputs 88 to 91)."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and f"{parts.hostname}:{port}" in private_hosts)


def _credentials(access: PlatformAccess | None, url: str) -> dict[str, str]:
    own = {**ADAPTERS[access.carrier].endpoints, **access.endpoints} if access else {}
    if access is None or _origin(url) not in {_origin(address) for address in own.values()}:
        return {}
    pair = ":".join(_plain(access, name) for name in ("account_key", "token_secret"))
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _plain(access: PlatformAccess, name: str) -> str:
    value = access.credentials.get(name, "")
    return value.reveal() if isinstance(value, Secret) else value


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


async def _note(fetcher: Fetcher, provider_id: int, row: Row, missed: _Missed) -> bool:
    """Write down that a file could not be had; answers whether that is final. The screen learns of the first miss and of the last."""
    last = missed.for_good or row.tries + 1 >= TRIES
    async with fetcher.database.transaction(ProviderScope(provider_id)) as tx:
        await store.missed(tx, row.id, State.FAILED if last else State.COMING, missed.code, missed.reason)
        if last or row.tries == 0:
            await tell_owner(tx, provider_id, row.message_id)
    _log.warning("media.missed", message=row.message_id, code=missed.code, last=last)
    return last


async def _take(fetcher: Fetcher, provider_id: int, row: Row, place: Place, declared: Declared, number: int) -> None:
    """Store a file that came, and tell; a layout is dropped (P25). What it is, is decided by its content."""
    looked = await fetcher.files.look(place, anew=False)
    kind = looked.type if looked.type is not None and not looked.problem else _other(place, declared, looked.type)
    scope = ProviderScope(provider_id)
    if kind is SMIL:
        async with fetcher.database.transaction(scope) as tx:
            await store.drop(tx, row.id)
            await tell_owner(tx, provider_id, row.message_id)
        return
    mark = _mark(place, declared) if kind is TXT or declared.type == TXT.content_type else None
    marked = False
    await fetcher.files.keep(provider_id, row.id, place)
    name = clean_name(_name(row.source) or f"file-{number}", kind)
    async with fetcher.database.transaction(scope) as tx:
        if await store.ready(tx, id=row.id, **facts_of(name, kind, place.content.stat().st_size, looked)):
            if mark is not None:
                marked = await store.consent_of_part(tx, row.message_id, mark)
            await tell_owner(tx, provider_id, row.message_id)
        left = not await store.is_there(tx, row.id)
    if mark is not None and marked:
        CONSENT_WORDS.labels(mark.wire).inc()
    if left:
        # It was deleted while it was fetched, and the sweep may have been there before its bytes were (P57).
        await fetcher.files.forget(provider_id, row.id)


def _other(place: Place, declared: Declared, sniffed: FileType | None) -> FileType:
    """Without a known signature it is text or something to be saved; a picture that cannot be decoded safely is only saved, too."""
    if sniffed is not None:
        return OTHER
    content = place.content.read_bytes()
    text = as_utf_8(content, declared.charset) or (content if is_text(content) else None)
    if text is not None:
        return text_type(text, "", declared.type)
    # The declared type may only choose among what is never shown where it stands.
    known = BY_CONTENT_TYPE.get(declared.type, OTHER)
    return OTHER if known.inline or known.kind != "other" else known


def _seems_text(row: Row) -> bool:
    return declared_of(row.declared).type == TXT.content_type or row.source.partition("?")[0].endswith(".txt")


def _mark(place: Place, declared: Declared) -> Mark | None:
    """What a text part says about consent; it counts as the text does where that has no words (G35)."""
    content = place.content.read_bytes()
    return None if len(content) > WORDS_BYTES else mark_of(words_of(content, declared))


def _name(url: str) -> str:
    """The carrier's name for a file, where it looks like one a person gave."""
    last = unquote(urlsplit(url).path.rpartition("/")[2])
    stem = last.rpartition(".")[0]
    return last if stem and len(stem) <= 20 else ""


async def tell_owner(tx: Transaction, provider_id: int, message_id: int) -> None:
    """A message's files changed: the screens that show it are told (P29). The last thing in its transaction."""
    row = await store.message_changed(tx, message_id)
    if row is not None and row.visibility == _VISIBLE:
        await append(tx, provider_id, [Entry(row.feed_id, ChangeKind.MESSAGE_CHANGED, row.version, row.conversation_id, message_id)])


async def sweep(service: Database, files: Files) -> int:
    """Forget files that are too old or were never sent, and delete the bytes of all whose rows are gone; answers how many bytes' rows went.

    Bytes that the store does not let go of are tried again the next time and hold up no others. Raises Unavailable when there were some.
    """
    files.sweep()
    while True:
        async with service.transaction(INSTALLATION) as tx:
            gone = await tx.value("SELECT forget_files(%(most)s, make_interval(hours => %(hours)s))", {"most": SWEEP_MOST, "hours": UNSENT_HOURS})
        if gone < SWEEP_MOST:
            break
    total = 0
    while True:
        async with service.transaction(INSTALLATION) as tx:
            rows = await tx.rows("SELECT provider_id, file_id FROM file_trash_list(%(most)s)", {"most": SWEEP_MOST})
        emptied, refusal = await _emptied(files, rows)
        async with service.transaction(INSTALLATION) as tx:
            await tx.run(
                "SELECT file_trash_emptied(%(providers)s::bigint[], %(files)s::bigint[])",
                {"providers": [row.provider_id for row in emptied], "files": [row.file_id for row in emptied]},
            )
        total += len(emptied)
        if refusal is not None and not emptied:
            raise refusal
        if not rows:
            return total


async def _emptied(files: Files, rows: Sequence[Row]) -> tuple[list[Row], Unavailable | None]:
    """Whose bytes were deleted, and the last refusal; a store that refuses again and again is away, and left alone."""
    emptied: list[Row] = []
    refusal: Unavailable | None = None
    refused = 0
    for row in rows:
        try:
            await files.forget(row.provider_id, row.file_id)
        except Unavailable as error:
            refusal, refused = error, refused + 1
            if refused >= REFUSALS_MOST:
                break
        else:
            emptied.append(row)
    return emptied, refusal
