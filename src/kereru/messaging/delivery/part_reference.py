"""One number that names a part towards a carrier: message, attempt and part in one decimal, as it stands in a status callback's path."""

from typing import NamedTuple

_ATTEMPTS = 1000
_PARTS = 100


class PartName(NamedTuple):
    """Which part of which attempt of which message."""

    message_id: int
    attempt: int
    part: int


def put_together(name: PartName) -> int:
    """The reference of a part; larger than 63 bits, so it never touches the database."""
    return (name.message_id * _ATTEMPTS + name.attempt) * _PARTS + name.part


def take_apart(reference: int) -> PartName | None:
    """The part that a reference names, or None for what cannot be one of ours."""
    rest, part = divmod(reference, _PARTS)
    message_id, attempt = divmod(rest, _ATTEMPTS)
    if not (0 < message_id < 2**63 and attempt and part):
        return None
    return PartName(message_id, attempt, part)
