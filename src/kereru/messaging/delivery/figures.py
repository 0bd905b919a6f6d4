"""Figures that only the database knows, as metrics of the scheduler (reliability.md §6): what waits for how long, or for a person; receipts.

Receipts are looked at once, half an hour after the hand-over: `receipts_due` counts the parts that carriers took, `receipts_missing` those of them
without a receipt by then.
"""

import contextlib
from datetime import timedelta
from pathlib import Path
from typing import Final

from kereru.kernel import ids
from kereru.kernel.clock import Clock
from kereru.kernel.db import INSTALLATION, Database
from kereru.kernel.metrics import counter, gauge
from kereru.messaging.delivery import store

FIGURES_EVERY_S: Final = 15.0
DUE_AFTER: Final = timedelta(minutes=30)

_queued = gauge("queued_texts", "Texts that wait to be handed over or are being handed over.")
_queued_age = gauge("queued_oldest_seconds", "Age of the oldest text that waits to be handed over.")
_unknown = gauge("unknown_texts", "Parts of texts of which nobody can tell whether the carrier took them.")
_unknown_age = gauge("unknown_oldest_seconds", "Since the oldest part of which nobody can tell was handed over.")
_stopped = gauge("platforms_stopped", "Platforms through which nothing is sent, because the carrier refuses the account.")
_unreadable = gauge("unreadable_webhooks", "Genuine webhooks that could not be read; they are kept and can be read again.")
_unreadable_age = gauge("unreadable_oldest_seconds", "Age of the oldest webhook that could not be read.")
_failed_jobs = gauge("failed_jobs", "Jobs (mails, setting numbers up) that were given up.")
_clock = gauge("database_clock_offset_seconds", "How far the database's clock is ahead of this machine's.")
_key = gauge("key_timestamp_seconds", "When the master key's file was last written, in seconds since 1970.")
_due = counter("receipts_due_total", "Parts that carriers took, half an hour later.", ("carrier",))
_missing = counter("receipts_missing_total", "Parts that carriers took and that had no receipt half an hour later.", ("carrier",))
_delay = gauge("receipt_delay_seconds", "From the hand-over to the first receipt, of the parts looked at last.", ("carrier", "quantile"))


class Figures:
    """Shows them. `database` is of role kereru_service, `key` the file of the master key."""

    def __init__(self, database: Database, clock: Clock, key: Path) -> None:
        self._database, self._clock, self._key = database, clock, key
        self._looked_until = self._due_id()

    async def show(self) -> None:
        """Set every metric to what is so now. Raises Unavailable, psycopg.Error."""
        until = self._due_id()
        asked = self._clock.now()
        async with self._database.transaction(INSTALLATION) as tx:
            row = await store.figures(tx)
            answered = self._clock.now()
            receipts = await store.receipt_figures(tx, self._looked_until, until)
        self._looked_until = until
        _queued.set(row.queued)
        _queued_age.set(row.queued_age_s)
        _unknown.set(row.unknown)
        _unknown_age.set(row.unknown_age_s)
        _stopped.set(row.stopped)
        _unreadable.set(row.unreadable)
        _unreadable_age.set(row.unreadable_age_s)
        _failed_jobs.set(row.failed_jobs)
        _clock.set((row.at - asked - (answered - asked) / 2).total_seconds())
        with contextlib.suppress(OSError):
            _key.set(self._key.stat().st_mtime)
        for one in receipts:
            _due.labels(one.carrier).inc(one.taken)
            _missing.labels(one.carrier).inc(one.missing)
            if one.median_s is not None:
                _delay.labels(one.carrier, "0.5").set(one.median_s)
                _delay.labels(one.carrier, "0.99").set(one.slow_s)

    def _due_id(self) -> int:
        return ids.lowest_at(self._clock.now() - DUE_AFTER)
