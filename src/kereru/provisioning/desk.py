"""What commands that speak with carriers need: a database of role kereru_app, the carriers, the sealer, and the address carriers reach us at."""

from dataclasses import dataclass, field
from typing import Protocol

from kereru.carriers.contract import CarrierAdapter, Problem
from kereru.kernel.db import Database, Transaction
from kereru.kernel.errors import KereruError
from kereru.kernel.faults import Faults
from kereru.kernel.secrets import Sealer
from kereru.provisioning.errors import CarrierSaysNo, CarrierUnreachable, CredentialsRefused


class Carriers(Protocol):
    """The registry of adapters, as far as provisioning needs it."""

    def of(self, kind: str) -> CarrierAdapter:
        """The adapter of a carrier. Raises UnknownCarrier."""
        ...


class ReleaseWithheld(Protocol):
    """Filled by messaging: shows the texts that arrived for an assignment before its user agreed (Q26)."""

    async def __call__(self, tx: Transaction, provider_id: int, assignment_id: int) -> object:
        """Release them in this transaction, in order, marked as having arrived before."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """One process's way of provisioning. Commands that take it open their own transactions, since carriers are called between them."""

    database: Database
    carriers: Carriers
    sealer: Sealer
    base_url: str
    release_withheld: ReleaseWithheld
    faults: Faults = field(default_factory=Faults)


def refusal(problem: Problem) -> KereruError:
    """What to raise for a carrier's problem: CarrierUnreachable, CredentialsRefused or CarrierSaysNo."""
    if problem.temporary:
        return CarrierUnreachable(problem.reason)
    return (CredentialsRefused if problem.account_problem else CarrierSaysNo)(problem.reason)
