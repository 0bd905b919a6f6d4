"""What provisioning asks of messaging when a number or its messages are deleted (R182, R184, P57).

The work is done inside the database: 0009_deletion.sql names every table it touches.
"""

from kereru.kernel.db import Transaction
from kereru.provisioning.desk import DeletedCounts, SavedMessages


async def delete_messages(tx: Transaction, provider_id: int, assignment_id: int) -> DeletedCounts:
    """Delete every trace of an assignment's messages but the usage row (Q27); of an ended one also whom it blocked and what was set aside for it."""
    row = await tx.row(
        "SELECT messages, conversations FROM purge_assignment(%(provider)s, %(assignment)s)", {"provider": provider_id, "assignment": assignment_id}
    )
    return DeletedCounts(0, 0) if row is None else DeletedCounts(row.messages, row.conversations)


async def count_messages(tx: Transaction, provider_id: int, assignment_id: int) -> SavedMessages:
    """How many messages an assignment holds, and how many of them nobody saw."""
    row = await tx.row(
        "SELECT messages, withheld FROM saved_messages(%(provider)s, %(assignment)s)", {"provider": provider_id, "assignment": assignment_id}
    )
    return SavedMessages(0, 0) if row is None else SavedMessages(row.messages, row.withheld)


async def forget_references(tx: Transaction, provider_id: int, number_id: int, before_id: int) -> int:
    """Forget the carrier's ids of a number's texts older than `before_id`; how many these were."""
    return await tx.value(
        "SELECT forget_references(%(provider)s, %(number)s, %(before)s)", {"provider": provider_id, "number": number_id, "before": before_id}
    )
