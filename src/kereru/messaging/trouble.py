"""Whose fault an error of the database is: the moment's, the item's, or ours. Batches and senders act on nothing else (G6)."""

from enum import Enum, auto

import psycopg

from kereru.kernel.errors import Unavailable

# SQLSTATE classes: connection, rollback (deadlock), resources, prerequisite state (locks), intervention, system.
_PASSING = frozenset({"08", "40", "53", "55", "57", "58"})
# Cardinality, data, integrity, limits (an index entry that is too large).
_ITEMS = frozenset({"21", "22", "23", "54"})
_NO_PARTITION = "23514"
"""A check violation: our tables lack a partition, or our code wrote what it must not; no text does that."""


class Fault(Enum):
    """`MOMENT`: the same again may work. `ITEM`: this item never will, others do. `OURS`: nothing will until a person repairs the installation."""

    MOMENT = auto()
    ITEM = auto()
    OURS = auto()


def fault_of(error: BaseException) -> Fault:
    """Judge an error that came out of a transaction."""
    if isinstance(error, Unavailable):
        return Fault.MOMENT
    if not isinstance(error, psycopg.Error):
        return Fault.ITEM if isinstance(error, (UnicodeError, OverflowError)) else Fault.OURS
    if error.sqlstate is None:
        # Raised on our side of the connection: it broke, or a value cannot be put on the wire.
        return Fault.MOMENT if isinstance(error, psycopg.OperationalError) else Fault.ITEM if isinstance(error, psycopg.DataError) else Fault.OURS
    if error.sqlstate[:2] in _PASSING:
        return Fault.MOMENT
    return Fault.ITEM if error.sqlstate[:2] in _ITEMS and error.sqlstate != _NO_PARTITION else Fault.OURS
