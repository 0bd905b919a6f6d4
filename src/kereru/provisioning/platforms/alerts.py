"""The Send-Alerts guard: while there is a platform, somebody at the provider's level receives its alerts (R126, R127, R138, R139).

And what is raised for them to receive, besides what concerns one user's number (R141): `put_alert` of 0012_alerts.sql raises what batches find.
"""

from kereru.kernel.db import Transaction
from kereru.kernel.jobs import JobKind, defer
from kereru.provisioning.errors import LastAlertRecipient, NoAlertRecipient
from kereru.provisioning.platforms import store

PLATFORM_ALERT = JobKind("notifications.alert_platform")
"""There is trouble around a platform; ids: provider, alert. Handled by notifications."""
_ACCOUNT_REFUSED, _WEBHOOK_MISSING, _WEBHOOKS_ASTRAY = 4, 5, 7


async def alert_webhook_missing(tx: Transaction, provider_id: int, platform_id: int, e164: str, problem: str) -> None:
    """A number in use has no webhook at its carrier, so its texts do not arrive; `problem` is what the carrier says. Once a day for each number."""
    await _raise(tx, provider_id, _WEBHOOK_MISSING, platform_id, problem, e164)


async def alert_webhooks_astray(tx: Transaction, provider_id: int, platform_id: int, problem: str) -> None:
    """The daily look found webhooks that do not stand, or are not ours; `problem` says which. Once a day for the platform, however many."""
    await _raise(tx, provider_id, _WEBHOOKS_ASTRAY, platform_id, problem)


async def alert_account_refused(tx: Transaction, provider_id: int, platform_id: int, problem: str) -> None:
    """The carrier refuses the account, though nothing was sent that would have shown it; `problem` is what it says. Once a day."""
    await _raise(tx, provider_id, _ACCOUNT_REFUSED, platform_id, problem)


async def _raise(tx: Transaction, provider_id: int, kind: int, platform_id: int, problem: str, e164: str = "") -> None:
    alert_id = await store.add_alert(tx, kind, platform_id, e164, problem)
    if alert_id is not None:
        await defer(tx, PLATFORM_ALERT, provider=provider_id, alert=alert_id)


async def alert_recipients_guard(tx: Transaction, provider_id: int) -> None:
    """Call it last in every transaction that switches Send Alerts off, or deletes, moves or disables a portal account. Raises LastAlertRecipient.

    It takes the provider's lock of alerts first and looks then, so it sees what others committed while it waited: of two people who each switch
    the other recipient off, the second one is refused. `tx` is in the provider's scope.
    """
    facts = await _facts(tx, provider_id)
    if facts.platforms and not facts.recipients:
        raise LastAlertRecipient


async def platform_guard(tx: Transaction, provider_id: int) -> None:
    """The same for whoever adds a platform, before and after he does. Raises NoAlertRecipient."""
    if not (await _facts(tx, provider_id)).recipients:
        raise NoAlertRecipient


async def has_recipient(tx: Transaction) -> bool:
    """Whether a platform could be added now; for a screen, without the lock."""
    return bool((await store.alert_facts(tx)).recipients)


async def _facts(tx: Transaction, provider_id: int) -> store.Row:
    scope = await tx.value("SELECT scope_provider()")
    if scope != provider_id:
        message = "the guard looks at the transaction's own provider"
        raise ValueError(message)
    await store.lock_alerts(tx)
    return await store.alert_facts(tx)
