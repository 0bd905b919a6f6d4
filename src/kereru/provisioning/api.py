"""Routes of the client's start, the licence answer (R1 to R4) and the opt-in answer (R7 to R16), and all routes of provisioning."""

from typing import Annotated, Literal

import msgspec
from litestar import get, patch, post
from litestar.params import Parameter
from msgspec.structs import replace

from kereru.kernel import ids
from kereru.kernel.db import Database, ProviderScope
from kereru.kernel.errors import Forbidden
from kereru.provisioning.changes import make_readers_reload
from kereru.provisioning.desk import ReleaseWithheld
from kereru.provisioning.errors import NoSuchAssignment
from kereru.provisioning.evidence import api as evidence_api
from kereru.provisioning.licences import api as licences_api
from kereru.provisioning.licences import queries
from kereru.provisioning.licences.model import Licence, LicenceNumber, LicenceSettings, LicenceUser, Region, regions, settings_of
from kereru.provisioning.numbers import api as numbers_api
from kereru.provisioning.opt_in import commands
from kereru.provisioning.opt_in.model import Answer
from kereru.provisioning.platforms import api as platforms_api
from kereru.provisioning.portal import AnyRequest, witness_of
from kereru.realtime.cursor import CursorCodec
from kereru.realtime.queries import has_live_socket, present_cursor
from kereru.tenancy.access.queries import Authenticator
from kereru.tenancy.history.model import actor_of
from kereru.tenancy.people.commands import UserChanges, update_user
from kereru.tenancy.people.desk import QuietHours, Windows, change_desk
from kereru.tenancy.policy import END_USER, Principal, UserIdentity, policy
from kereru.tenancy.ports import AlertGuard


class SettingsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; what is not named, or null, stays."""

    region: str | None = None
    exclude_leading_zero: bool | None = None
    any_number: bool | None = None
    text_windows: Windows | None = None
    chat_windows: Windows | None = None
    quiet_hours: QuietHours | None = None


class OptInBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to the question (R7)."""

    answer: Literal["yes", "no", "cancel"]


@get("/licence", opt=policy(END_USER), operation_id="getLicence", summary="What the signed-in user may do; every client's first question")
async def get_licence(principal: Principal, database: Database, feed_cursors: CursorCodec) -> Licence:
    """The user's product, numbers and settings, and the cursor from which changes go on (R1, R2)."""
    user = _user(principal)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        cursor = await present_cursor(tx, feed_cursors, principal.provider_id, user.id, (user.feed_id,))
        live = await has_live_socket(tx, principal.provider_id, user.id)
        product = await queries.product(tx, user.id)
        numbers = await queries.numbers(tx, user.id, user.region, live=live)
    return Licence(
        user=LicenceUser(ids.encode(user.id), user.name, principal.email),
        product=product.wire if product else None,
        numbers=numbers,
        settings=settings_of(user),
        cursor=cursor,
        can=("send",) if any("send" in number.can for number in numbers) else (),
    )


@get("/regions", opt=policy(END_USER), operation_id="listRegions", summary="Countries whose numbers can be typed without their code")
async def list_regions() -> tuple[Region, ...]:
    """R28. By region, each with its country code."""
    return regions()


@patch("/settings", opt=policy(END_USER), operation_id="changeSettings", summary="How your numbers are typed and shown, and how your screens behave")
async def change_settings(
    principal: Principal, database: Database, authenticator: Authenticator, alert_guard: AlertGuard, data: SettingsBody
) -> LicenceSettings:
    """Default country (R28), leading zero (R29), any number or mobile ones only (R23, R25), windows (R33, R34) and quiet hours. All of the
    user's programs load anew: numbers are shown otherwise now (R30), and every device obeys at once. Raises Invalid.
    """
    user = _user(principal)
    changes = UserChanges(region=data.region, exclude_leading_zero=data.exclude_leading_zero, any_number=data.any_number)
    chosen = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not None}
    desk = {name: chosen.pop(name) for name in msgspec.structs.asdict(user.desk) if name in chosen}
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await update_user(tx, principal.provider_id, user.id, changes, alert_guard, by=actor_of(principal))
        await change_desk(tx, principal.provider_id, user.id, desk)
        await make_readers_reload(tx, [user.feed_id])
    authenticator.forget_sign_in(principal.provider_id, principal.sign_in_id)
    return settings_of(replace(user, **chosen, desk=replace(user.desk, **desk)))


@post(
    "/numbers/{number_id:str}/opt-in",
    opt=policy(END_USER, number_id="number"),
    status_code=200,
    operation_id="answerOptIn",
    summary="Answer whether you want to text with a number",
)
async def answer_opt_in(
    request: AnyRequest,
    principal: Principal,
    database: Database,
    release_withheld: ReleaseWithheld,
    number_id: Annotated[str, Parameter(description="The number's id, from the licence.")],
    data: OptInBody,
) -> LicenceNumber:
    """Yes: usable at once. No: unavailable until somebody resets it. Cancel: asked again at the next start (R8 to R16, Q1).

    Raises NoSuchAssignment, NotAsked, AlreadyAnswered.
    """
    user = _user(principal)
    number = ids.decode(number_id)
    witness = witness_of(request, principal)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await commands.answer(tx, principal.provider_id, user.id, number, Answer(data.answer), witness, release_withheld)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        shown = await queries.numbers_by_id(tx, user.id, user.region, [number])
    if number not in shown:
        raise NoSuchAssignment
    return shown[number]


def _user(principal: Principal) -> UserIdentity:
    if principal.user is None:
        raise Forbidden
    return principal.user


ROUTES = (
    get_licence, list_regions, change_settings, answer_opt_in, *licences_api.ROUTES, *platforms_api.ROUTES, *numbers_api.ROUTES,
    *evidence_api.ROUTES,
)  # fmt: skip
