"""What can be evidence, and how a chain is made and checked; pure, so that a file can be checked on any machine (docs/reference/evidence.md)."""

import hashlib
from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

from kereru.kernel.errors import Invalid

FORMAT = "kereru-evidence-1"


class Event(StrEnum):
    """What happened. The names stay for ever: they are in files that people keep."""

    NUMBER_ENDED = "number.ended"
    NUMBER_DELETED = "number.deleted"
    MESSAGES_DELETED = "messages.deleted"
    OPT_IN_ACCEPTED = "opt_in.accepted"
    OPT_IN_DECLINED = "opt_in.declined"
    OPT_IN_POSTPONED = "opt_in.postponed"
    OPT_IN_RESET = "opt_in.reset"
    OPT_IN_WAIVED = "opt_in.waived"
    REMOTE_BLOCKED = "remote.blocked"
    REMOTE_UNBLOCKED = "remote.unblocked"
    REMOTE_STOPPED = "remote.stopped"
    REMOTE_ALLOWED = "remote.allowed"
    REMOTE_STARTED = "remote.started"


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of a file: whose chain, how long it was and its last hash when the file was made."""

    format: str
    provider: str
    name: str
    exported_at: str
    entries: int
    head: str


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Any other line: an entry's text exactly as it was hashed, the hash before it and its own, in hexadecimal."""

    previous_hash: str
    hash: str
    body: str


class Body(msgspec.Struct, frozen=True):
    """What an entry says. `details` depend on the event."""

    provider: str
    number: int
    at: str
    event: str
    assignment: str | None
    actor: str
    address: str
    agent: str
    details: dict[str, object] | None = None


class Verified(msgspec.Struct, frozen=True):
    """A chain that holds: how many entries, and the last hash, by which a later file can be compared with this one."""

    provider: str
    name: str
    entries: int
    head: str


class ChainBroken(Invalid):
    """This file is not the evidence as it was written."""

    code = "chain_broken"


def first_hash(provider: str) -> bytes:
    """What stands before the first entry of a provider."""
    return hashlib.sha256(f"kereru evidence {provider}".encode()).digest()


def next_hash(previous: bytes, body: str) -> bytes:
    """The hash of an entry."""
    return hashlib.sha256(previous + body.encode()).digest()


def verify(lines: Iterable[bytes]) -> Verified:
    """Check a whole file, line by line. Raises ChainBroken, naming the first line that is wrong."""
    stream = iter(lines)
    header = _header(stream)
    previous = first_hash(header.provider)
    count = 0
    for number, link in enumerate(_links(stream), start=1):
        body = _body(link, number)
        if link.previous_hash != previous.hex():
            raise _broken(number, "it does not follow the entry before it; something was taken out, put in or changed there.")
        previous = next_hash(previous, link.body)
        if link.hash != previous.hex():
            raise _broken(number, "its text was changed after it was written.")
        if body.provider != header.provider or body.number != number:
            raise _broken(number, "it belongs to another place.")
        count = number
    if (count, previous.hex()) != (header.entries, header.head):
        message = f"The file says it holds {header.entries} entries and holds {count}: its end is missing or was changed."
        raise ChainBroken(message)
    return Verified(header.provider, header.name, count, previous.hex())


def continues(older: Iterable[bytes], newer: Iterable[bytes]) -> Verified:
    """Check two files, and that the newer one begins with all of the older. Raises ChainBroken.

    Only this shows that a whole chain was not written anew by somebody who holds the database.
    """
    before, after = list(older), list(newer)
    kept, checked = verify(before), verify(after)
    bodies = [_link(line, number).hash for number, line in enumerate(_entries(after), start=1)]
    if kept.provider != checked.provider or (kept.entries and (len(bodies) < kept.entries or bodies[kept.entries - 1] != kept.head)):
        message = "The newer file does not begin with the older one: the evidence was written anew, or the files are of two providers."
        raise ChainBroken(message)
    return checked


def _entries(lines: list[bytes]) -> list[bytes]:
    return [line for line in lines if line.strip()][1:]


def _header(stream: Iterator[bytes]) -> Header:
    try:
        header = msgspec.json.decode(next(stream, b""), type=Header)
    except msgspec.MsgspecError as error:
        raise ChainBroken("The first line does not say that this is a file of evidence.") from error
    if header.format != FORMAT:
        message = f"This version reads {FORMAT}, and the file is {header.format[:40]}."
        raise ChainBroken(message)
    return header


def _links(stream: Iterator[bytes]) -> Iterator[Link]:
    yield from (_link(line, number) for number, line in enumerate((line for line in stream if line.strip()), start=1))


def _link(line: bytes, number: int) -> Link:
    try:
        return msgspec.json.decode(line, type=Link)
    except msgspec.MsgspecError as error:
        raise _broken(number, "it cannot be read.") from error


def _body(link: Link, number: int) -> Body:
    try:
        return msgspec.json.decode(link.body, type=Body)
    except msgspec.MsgspecError as error:
        raise _broken(number, "its text cannot be read.") from error


def _broken(number: int, why: str) -> ChainBroken:
    message = f"Entry {number} is not as it was written: {why}"
    return ChainBroken(message)
