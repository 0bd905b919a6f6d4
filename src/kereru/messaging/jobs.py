"""The jobs of messaging and who does them."""

from functools import partial

from kereru.kernel.db import Database
from kereru.kernel.jobs import Handler, JobKind
from kereru.messaging.blocking.commands import END_BLOCK, end_block
from kereru.messaging.witnessing import WITNESS_CONSENT, witness_consent


def handlers(database: Database) -> dict[JobKind, Handler]:
    """What the worker needs to run them. `database` has the role kereru_app."""
    return {WITNESS_CONSENT: partial(witness_consent, database), END_BLOCK: partial(end_block, database)}
