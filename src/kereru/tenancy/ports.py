"""What the slices above do for tenancy; entrypoints fill these."""

from typing import Protocol

from kereru.kernel.db import Transaction
from kereru.tenancy.model import Path


class AlertGuard(Protocol):
    """Filled by provisioning: while there is a platform, somebody at the provider's level receives its alerts (R138, R139)."""

    async def __call__(self, tx: Transaction, provider_id: int) -> None:
        """Called last in every transaction that can take a recipient away. Raises a Conflict that names the reason and what to do."""
        ...


class ConsentFollows(Protocol):
    """Filled by messaging: what people said to a user's numbers goes with him to another group (G17, G35)."""

    async def __call__(self, tx: Transaction, provider_id: int, user_id: int, from_group: int, to_group: int) -> None:
        """Called last in the transaction of a move; it takes feeds' locks. The user's row is held, and stands in the new group."""
        ...


class Holdings(Protocol):
    """Filled by provisioning: what hangs on users besides their sign-ins."""

    async def count_numbers(self, tx: Transaction, path: Path) -> int:
        """How many numbers are assigned now to users at or below `path`."""
        ...

    async def end_licences(self, tx: Transaction, path: Path) -> int:
        """End the licences of everybody at or below `path`; answers how many there were."""
        ...
