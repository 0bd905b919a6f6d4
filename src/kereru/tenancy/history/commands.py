"""Writing the history log: one row for each change, in its transaction. There is no way to change or to delete one."""

from collections.abc import Mapping

import msgspec

from kereru.kernel.db import Transaction
from kereru.tenancy.history import store
from kereru.tenancy.history.model import NAME_CHARACTERS, Actor, actor_of, difference
from kereru.tenancy.model import Path
from kereru.tenancy.policy import Principal


async def record(
    tx: Transaction,
    principal: Principal | Actor | None,
    action: str,
    target_kind: str,
    target_id: int,
    target_name: str,
    before: Mapping[str, object],
    after: Mapping[str, object],
    *,
    path: Path | None = None,
) -> None:
    """Who (None: the operator) did what to what, inside the provider whose transaction this is (R191, G34).

    Only what differs between `before` and `after` is kept; when both speak of fields and none differs, nothing happened and nothing is written.
    `path` is where the target stands; without it reseller, group, user, portal-account and sign-in are looked up, and others are the provider's own.
    """
    was, became = difference(before, after)
    if before and after and not was and not became:
        return
    actor = principal if isinstance(principal, Actor) else actor_of(principal)
    place = path or await _place(tx, target_kind, target_id)
    await tx.run(
        store.ADD,
        {
            "actor_id": actor.sign_in_id,
            "actor": actor.name,
            "address": actor.address,
            "via": actor.via,
            "action": action,
            "target_kind": target_kind,
            "target_id": target_id,
            "target_name": target_name[:NAME_CHARACTERS],
            "reseller_id": place and place.reseller_id,
            "group_id": place and place.group_id,
            "user_id": place and place.user_id,
            "before": msgspec.json.encode(was).decode(),
            "after": msgspec.json.encode(became).decode(),
        },
    )


async def _place(tx: Transaction, kind: str, target_id: int) -> Path | None:
    statement = store.PATHS.get(kind)
    if statement is None:
        return None
    provider_id = await tx.value(store.SCOPE)
    row = await tx.row(statement, {"provider_id": provider_id, "id": target_id})
    return None if row is None else Path(provider_id, **row._asdict())
