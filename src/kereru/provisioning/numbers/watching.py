"""Whether the webhook of each used number still stands at its carrier and is ours: looked at daily, shown, repaired by a person (R141, R156, P73).

Somebody may change it in the carrier's console, a restored backup or another installation may point it elsewhere; then texts do not arrive, and
nothing that we do would show it.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from kereru.carriers.contract import Problem, StandingWebhook
from kereru.carriers.numbering import display
from kereru.kernel.db import INSTALLATION, Database, ProviderScope, Row
from kereru.kernel.jobs import Backoff, GiveUp, JobKind
from kereru.kernel.secrets import CannotOpen
from kereru.provisioning.desk import OPERATOR, Author, Desk, refusal
from kereru.provisioning.errors import NoSuchAssignment, NoSuchPlatform
from kereru.provisioning.numbers import store
from kereru.provisioning.numbers.assigning import way_out
from kereru.provisioning.numbers.commands import point_now
from kereru.provisioning.numbers.model import AssignmentState, HookState
from kereru.provisioning.platforms.alerts import alert_account_refused, alert_webhooks_astray
from kereru.provisioning.platforms.model import open_hook_secret

LOOK_AT_WEBHOOKS = JobKind("provisioning.look_at_webhooks", Backoff(first_s=60, factor=3, most_s=3600, tries=8))
"""Look at all webhooks of a platform; ids: provider, platform."""
LOOKS_SPREAD_S = 3600.0
_NAMED_MOST = 20


class CouldNotLook(Exception):
    """The carrier could not be asked just now; the job is tried again."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A used number and how its webhook stands."""

    number_id: int
    e164: str
    state: HookState


async def ask_for_looks(service: Database) -> None:
    """Have every platform looked at within the next hour. Raises Unavailable, psycopg.Error."""
    async with service.transaction(INSTALLATION) as tx:
        await tx.value("SELECT ask_for_looks(%(spread)s)", {"spread": LOOKS_SPREAD_S})


async def look_at_webhooks(desk: Desk, ids: Mapping[str, int]) -> None:
    """The job LOOK_AT_WEBHOOKS: keep how each webhook stands, and mail whoever gets alerts about those that do not (R141).

    Raises CouldNotLook to be called again; GiveUp for what only a person can mend.
    """
    provider_id, platform_id = ids["provider"], ids["platform"]
    try:
        found = await look(desk, provider_id, platform_id)
        if not isinstance(found, Problem) and any(one.state is not HookState.OURS for one in found):
            # Twice, since a number may have been given or taken, or its webhook set, between our question and the answer.
            astray = {one.number_id for one in found if one.state is not HookState.OURS}
            again = await look(desk, provider_id, platform_id)
            found = again if isinstance(again, Problem) else [one for one in again if one.state is HookState.OURS or one.number_id in astray]
    except NoSuchPlatform:
        return
    except CannotOpen as error:
        raise GiveUp("the stored details cannot be read with this installation's key") from error
    if isinstance(found, Problem) and not found.account_problem:
        raise CouldNotLook(found.reason)
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        if isinstance(found, Problem):
            await alert_account_refused(tx, provider_id, platform_id, found.reason)
            return
        await store.put_hook_states(tx, {one.number_id: one.state for one in found})
        words = astray_in_words(found)
        if words:
            await alert_webhooks_astray(tx, provider_id, platform_id, words)


async def look(desk: Desk, provider_id: int, platform_id: int) -> Sequence[Looked] | Problem:
    """Ask the carrier how the webhooks of a platform's used numbers stand now. It keeps nothing. Raises NoSuchPlatform, CannotOpen."""
    adapter, access, url = await way_out(desk, provider_id, platform_id)
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        rows = await store.enabled_of_platform(tx, platform_id)
    if not rows:
        return ()
    standing = await adapter.list_webhooks(access)
    if isinstance(standing, Problem):
        return standing
    return [Looked(row.number_id, row.e164, _state(desk, row, url, standing.get(row.e164, ()))) for row in rows]


async def repair_webhook(desk: Desk, provider_id: int, assignment_id: int, author: Author = OPERATOR) -> None:
    """Point one number's webhook here again. Raises NoSuchAssignment for one that is not in use, and what the carrier says (`refusal`)."""
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        row = await store.facts(tx, assignment_id)
    if row is None or row.ended_at is not None or row.state != AssignmentState.ENABLED:
        raise NoSuchAssignment
    problem = await point_now(desk, row)
    if problem is not None:
        raise refusal(problem)
    before, after = {"webhook": HookState(row.hook_state).wire}, {"webhook": HookState.OURS.wire, "pointed": "here"}
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        await desk.record_history(tx, author.principal, "number.repointed", "assignment", assignment_id, row.e164, before, after)


def astray_in_words(looked: Sequence[Looked]) -> str:
    """Which numbers' webhooks do not stand, and how; empty when all do."""
    how = {HookState.MISSING: "is missing", HookState.ELSEWHERE: "leads elsewhere"}
    said = [f"{display(one.e164, 'US')} {how[one.state]}" for one in looked if one.state in how]
    more = len(said) - _NAMED_MOST
    return "; ".join(said[:_NAMED_MOST]) + (f"; and {more} more" if more > 0 else "")


def _state(desk: Desk, row: Row, url: str, standing: Sequence[StandingWebhook]) -> HookState:
    """Ours when one of them leads here with the secret that we know the number's texts by."""
    ours = None
    if row.hook_secret_sealed is not None:
        with suppress(CannotOpen):
            ours = open_hook_secret(desk.sealer, row.provider_id, row.platform_id, row.e164, bytes(row.hook_secret_sealed))
    if any(hook.url == url and hook.secret in (None, ours) for hook in standing):
        return HookState.OURS
    return HookState.ELSEWHERE if any(hook.url for hook in standing) else HookState.MISSING
