"""The database door: pools by role, transactions that carry their tenant, wake-ups sent after commit (design §3, §6, §9)."""

from kereru.kernel.db.database import INSTALLATION, Database, InstallationScope, ProviderScope, Scope, as_role
from kereru.kernel.db.transaction import Row, Transaction

__all__ = ["INSTALLATION", "Database", "InstallationScope", "ProviderScope", "Row", "Scope", "Transaction", "as_role"]
