"""Routes of a user's licence in the portal (R112, R115): what it is for, from now on."""

from typing import Literal

import msgspec
from litestar import get, put

from kereru.kernel import ids
from kereru.kernel.db import Database, ProviderScope
from kereru.provisioning.desk import Desk
from kereru.provisioning.licences import queries, store
from kereru.provisioning.licences.commands import set_licence
from kereru.provisioning.licences.model import Product
from kereru.provisioning.portal import may_write
from kereru.tenancy.policy import PORTAL, Principal, policy
from kereru.tenancy.requests import person_id, user_within

ProductWord = Literal["desktop", "agent", "supervisor", "reception"]


class UserLicence(msgspec.Struct, frozen=True):
    """What a user is licensed for now; null: nothing, so that his texts wait unseen (R115)."""

    user_id: str
    product: ProductWord | None
    can: list[str]


class UserLicenceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The product, or null to end the licence now."""

    product: ProductWord | None


@get("/users/{user_id:str}/licence", opt=policy(PORTAL(), user_id="user"), operation_id="getUserLicence", summary="What a user is licensed for")
async def get_user_licence(user_id: str, principal: Principal, database: Database) -> UserLicence:
    """Raises NoSuchPerson."""
    id_ = person_id(user_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await user_within(tx, principal, id_)
        product = await queries.product(tx, id_)
    return _shown(id_, product, principal)


@put("/users/{user_id:str}/licence", opt=policy(PORTAL(), user_id="user"), operation_id="setUserLicence", summary="License a user, or end it")
async def set_user_licence(user_id: str, principal: Principal, database: Database, desk: Desk, data: UserLicenceBody) -> UserLicence:
    """What was withheld for want of a licence is shown at once (Q26). Raises NoSuchPerson."""
    id_ = person_id(user_id)
    product = None if data.product is None else Product[data.product.upper()]
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await user_within(tx, principal, id_)
        before = await queries.product(tx, id_)
        if before is not product:
            name = await store.user_name(tx, id_)
            was, becomes = ({"product": one and one.wire} for one in (before, product))
            await desk.record_history(tx, principal, "licence.changed", "user", id_, name, was, becomes)
            await set_licence(tx, principal.provider_id, id_, product, desk.release_withheld)
    return _shown(id_, product, principal)


def _shown(user_id: int, product: Product | None, principal: Principal) -> UserLicence:
    words: dict[Product, ProductWord] = {
        Product.DESKTOP: "desktop", Product.AGENT: "agent", Product.SUPERVISOR: "supervisor", Product.RECEPTION: "reception",
    }  # fmt: skip
    return UserLicence(ids.encode(user_id), None if product is None else words[product], ["update"] if may_write(principal) else [])


ROUTES = (get_user_licence, set_user_licence)
