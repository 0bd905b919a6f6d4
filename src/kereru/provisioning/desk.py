"""What commands that speak with carriers need: a database of role kereru_app, the carriers, the sealer, the address carriers reach us at, and what
the slices above do for provisioning.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from kereru.carriers.contract import CarrierAdapter, Problem
from kereru.kernel.clock import Clock
from kereru.kernel.db import Database, Transaction
from kereru.kernel.errors import KereruError
from kereru.kernel.faults import Faults
from kereru.kernel.http_client import Door
from kereru.kernel.secrets import Sealer
from kereru.provisioning.errors import CarrierSaysNo, CarrierUnreachable, CredentialsRefused
from kereru.provisioning.opt_in.model import Witness
from kereru.tenancy.policy import Principal


class Carriers(Protocol):
    """The registry of adapters, as far as provisioning needs it."""

    def of(self, kind: str) -> CarrierAdapter:
        """The adapter of a carrier. Raises UnknownCarrier."""
        ...

    def all(self) -> tuple[CarrierAdapter, ...]:
        """Every adapter."""
        ...


class ReleaseWithheld(Protocol):
    """Filled by messaging: shows the texts that arrived for an assignment before its user agreed (Q26)."""

    async def __call__(self, tx: Transaction, provider_id: int, assignment_id: int) -> object:
        """Release them in this transaction, in order, marked as having arrived before."""
        ...


@dataclass(frozen=True, slots=True)
class DeletedCounts:
    """How much was deleted."""

    messages: int
    conversations: int


@dataclass(frozen=True, slots=True)
class SavedMessages:
    """How many messages an assignment holds; `withheld` of them were never shown (Q26)."""

    messages: int
    withheld: int


class DeleteMessages(Protocol):
    """Filled by messaging: deletes every trace of an assignment's messages but the usage row (R182, R184, Q27, P57)."""

    async def __call__(self, tx: Transaction, provider_id: int, assignment_id: int) -> DeletedCounts:
        """Delete them in this transaction; the caller holds the number's row. Takes no feed's lock."""
        ...


class CountMessages(Protocol):
    """Filled by messaging: whether there is anything to delete (R182)."""

    async def __call__(self, tx: Transaction, provider_id: int, assignment_id: int) -> SavedMessages:
        """How many messages an assignment holds."""
        ...


class ForgetReferences(Protocol):
    """Filled by messaging: forgets the carrier's ids of a number's deleted texts, by which repeated webhooks are known."""

    async def __call__(self, tx: Transaction, provider_id: int, number_id: int, before_id: int) -> object:
        """Forget those of texts older than the id `before_id`."""
        ...


class RecordHistory(Protocol):
    """Filled by tenancy: one row of the history log for each change, in the change's own transaction (R191)."""

    async def __call__(
        self,
        tx: Transaction,
        principal: Principal | None,
        action: str,
        target_kind: str,
        target_id: int,
        target_name: str,
        before: Mapping[str, object],
        after: Mapping[str, object],
    ) -> object:
        """Who (None: the operator's command line) did what to what; `before` and `after` hold what differs and never a secret."""
        ...


@dataclass(frozen=True, slots=True)
class Author:
    """Who causes a change: as the evidence names him, and as the history log does; without a principal the operator of this machine."""

    witness: Witness
    principal: Principal | None = None


OPERATOR = Author(Witness("kereru admin"))


@dataclass(frozen=True, slots=True)
class MessagesPort:
    """Everything that messaging does for provisioning."""

    release_withheld: ReleaseWithheld
    delete: DeleteMessages
    count: CountMessages
    forget_references: ForgetReferences


@dataclass(frozen=True, slots=True)
class Desk:
    """One process's way of provisioning. Commands that take it open their own transactions, since carriers are called between them.

    `door` is the way out that carriers are reached by, `own_door` one that may call `base_url` wherever that lies (the self-check).
    """

    database: Database
    carriers: Carriers
    sealer: Sealer
    base_url: str
    messages: MessagesPort
    record_history: RecordHistory
    clock: Clock
    door: Door
    own_door: Door
    faults: Faults = field(default_factory=Faults)

    @property
    def release_withheld(self) -> ReleaseWithheld:
        """See MessagesPort."""
        return self.messages.release_withheld


def refusal(problem: Problem) -> KereruError:
    """What to raise for a carrier's problem: CarrierUnreachable, CredentialsRefused or CarrierSaysNo."""
    if problem.temporary:
        return CarrierUnreachable(problem.reason)
    return (CredentialsRefused if problem.account_problem else CarrierSaysNo)(problem.reason)
