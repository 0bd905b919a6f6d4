"""Routes of carriers and platforms (R116 to R133, R138 to R142, R202, P73): parse, authorise, call one command, present."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from litestar import delete, get, patch, post
from litestar.params import Parameter

from kereru.carriers.contract import CarrierAdapter, Problem
from kereru.kernel import ids
from kereru.kernel.db import Database, ProviderScope, Transaction
from kereru.kernel.errors import FieldProblem
from kereru.kernel.paging import Page
from kereru.kernel.settings import Settings
from kereru.provisioning.desk import Desk, refusal
from kereru.provisioning.errors import EndpointNotAllowed, NoAlertRecipient, NoSuchPlatform
from kereru.provisioning.numbers.assigning import way_out
from kereru.provisioning.numbers.commands import repoint_webhooks
from kereru.provisioning.platforms import commands, store
from kereru.provisioning.platforms.alerts import has_recipient
from kereru.provisioning.platforms.check import SelfCheck, check_platform
from kereru.provisioning.platforms.deletion import delete_platform
from kereru.provisioning.platforms.model import NewPlatform, PlatformChanges
from kereru.provisioning.platforms.presenting import CarrierShown, PlatformShown, carrier_shown, platform_shown
from kereru.provisioning.portal import AnyRequest, author_of, may_write, require_own_provider
from kereru.tenancy.model import Level
from kereru.tenancy.policy import PORTAL, Principal, policy, reach

PROVIDER = PORTAL(Level.PROVIDER)
Typed = Annotated[str, msgspec.Meta(max_length=2000)]
Name = Annotated[str, msgspec.Meta(max_length=400)]
ProviderParameter = Annotated[str | None, Parameter(description="The provider's id; only your own, which is also what is meant without it.")]


class NewPlatformBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The form "Add CPaaS Platform" (R120); `credentials` by the carrier's field names. The three switches are on, as on a new form."""

    carrier: str
    credentials: dict[str, Typed]
    name: Name = ""
    endpoints: dict[str, Typed] = {}
    user_confirmation: bool = True
    user_can_block: bool = True
    mms: bool = True
    mail_on_postpone: bool = True
    takes_long_texts: bool = False
    token_hash: bool = False


class PlatformBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; what is not named, or null, stays. A credential that is not named or is empty stays, since none is ever shown."""

    name: Name | None = None
    credentials: dict[str, Typed] | None = None
    endpoints: dict[str, Typed] | None = None
    user_confirmation: bool | None = None
    user_can_block: bool | None = None
    mms: bool | None = None
    mail_on_postpone: bool | None = None
    takes_long_texts: bool | None = None
    token_hash: bool | None = None


class DeletePlatformBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The confirmation: how many numbers are deleted with the platform (R202)."""

    end_assignments: Annotated[int, msgspec.Meta(ge=0)] = 0


class Reason(msgspec.Struct, frozen=True):
    """Why something cannot be done, as a stable code and in words."""

    code: str
    text: str


class PlatformList(msgspec.Struct, frozen=True):
    """The platforms. `can` holds `create` where one can be added; `why_not` says why it cannot (R126, R127)."""

    items: list[PlatformShown]
    next: str | None
    can: list[str]
    why_not: Reason | None


class DeletedPlatform(msgspec.Struct, frozen=True):
    """How many numbers were deleted with it."""

    ended_assignments: int


class Repointed(msgspec.Struct, frozen=True):
    """Sentences about numbers whose webhook could not be set; empty when all point here."""

    problems: list[str]


@get("/carriers", opt=policy(PORTAL()), operation_id="listCarriers", summary="Carriers: their credential fields, addresses and capabilities")
async def list_carriers(desk: Desk) -> Page[CarrierShown]:
    """Every carrier that a platform can be added for (R120 to R122)."""
    return Page([carrier_shown(adapter) for adapter in desk.carriers.all()])


@get("/platforms", opt=policy(PORTAL()), operation_id="listPlatforms", summary="The provider's platforms")
async def list_platforms(principal: Principal, database: Database, desk: Desk, provider: ProviderParameter = None) -> PlatformList:
    """All platforms (R118, R119); below the provider's level what the assignment form needs of them. `can` says whether one can be added (R126)."""
    require_own_provider(principal, provider)
    inside = reach(principal).whole
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        rows = await store.shown(tx)
        heard = not inside or await has_recipient(tx)
    writable = inside and may_write(principal)
    items = [platform_shown(row, desk.carriers.of(row.carrier), desk.sealer, inside=inside, writable=writable) for row in rows]
    refused = NoAlertRecipient()
    why_not = None if heard else Reason(refused.code, refused.detail)
    return PlatformList(items, None, ["create"] if writable and heard else [], why_not)


@post("/platforms", opt=policy(PROVIDER), status_code=201, operation_id="createPlatform", summary="Add a platform")
async def create_platform(
    request: AnyRequest,
    principal: Principal,
    database: Database,
    desk: Desk,
    settings: Settings,
    data: NewPlatformBody,
    provider: ProviderParameter = None,
) -> PlatformShown:
    """The details are tried at the carrier first; on any problem nothing is saved (R142). Somebody must receive alerts (R126)."""
    require_own_provider(principal, provider)
    _check_endpoints(desk.carriers.of(data.carrier), data.endpoints, {}, settings)
    wanted = NewPlatform(**msgspec.structs.asdict(data))
    saved = await commands.create_platform(desk, principal.provider_id, wanted, author_of(request, principal))
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await _shown(tx, desk, saved.id, principal, saved.warnings)


@get(
    "/platforms/{platform_id:str}",
    opt=policy(PROVIDER, platform_id="platform"),
    operation_id="getPlatform",
    summary="One platform; of its secrets only that they are set",
)
async def read_platform(platform_id: str, principal: Principal, database: Database, desk: Desk) -> PlatformShown:
    """Raises NoSuchPlatform."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await _shown(tx, desk, _decode(platform_id), principal)


@patch("/platforms/{platform_id:str}", opt=policy(PROVIDER, platform_id="platform"), operation_id="updatePlatform", summary="Change a platform")
async def update_platform(
    request: AnyRequest, platform_id: str, principal: Principal, database: Database, desk: Desk, settings: Settings, data: PlatformBody
) -> PlatformShown:
    """The details are tried at the carrier, whatever is changed; on any problem nothing is saved (R142). New credentials take a stop off."""
    wanted = _decode(platform_id)
    if data.endpoints is not None:
        async with database.transaction(ProviderScope(principal.provider_id)) as tx:
            row = await store.access(tx, wanted)
        if row is None:
            raise NoSuchPlatform
        _check_endpoints(desk.carriers.of(row.carrier), data.endpoints, row.endpoints, settings)
    changes = PlatformChanges(**msgspec.structs.asdict(data))
    saved = await commands.update_platform(desk, principal.provider_id, wanted, changes, author_of(request, principal), keep_unnamed=True)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await _shown(tx, desk, wanted, principal, saved.warnings)


@delete(
    "/platforms/{platform_id:str}",
    opt=policy(PROVIDER, platform_id="platform"),
    status_code=200,
    operation_id="deletePlatform",
    summary="Delete a platform, and with it its numbers if you confirm how many",
)
async def remove_platform(
    request: AnyRequest, platform_id: str, principal: Principal, desk: Desk, data: DeletePlatformBody | None = None
) -> DeletedPlatform:
    """409 `platform_has_numbers` names how many numbers it has; with `end_assignments` that many, each is deleted first (R184, R185, R202)."""
    confirmed = data.end_assignments if data else 0
    ended = await delete_platform(desk, principal.provider_id, _decode(platform_id), end_assignments=confirmed, author=author_of(request, principal))
    return DeletedPlatform(ended)


@post(
    "/platforms/{platform_id:str}/check",
    opt=policy(PROVIDER, platform_id="platform"),
    status_code=200,
    operation_id="checkPlatform",
    summary="Check a platform: credentials, clock, webhook, receipts, numbers",
)
async def check(platform_id: str, principal: Principal, desk: Desk) -> SelfCheck:
    """Ask the carrier and ourselves what is wrong, in words, with what to do next (P73). It changes nothing."""
    return await check_platform(desk, principal.provider_id, _decode(platform_id))


@post(
    "/platforms/{platform_id:str}/resume",
    opt=policy(PROVIDER, platform_id="platform"),
    status_code=200,
    operation_id="resumePlatform",
    summary="Send again through a platform that was stopped",
)
async def resume(request: AnyRequest, platform_id: str, principal: Principal, database: Database, desk: Desk) -> PlatformShown:
    """Take the stop off that the carrier's refusal of the account set. Twice is once."""
    wanted = _decode(platform_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        if await commands.resume_platform(tx, wanted):
            author = author_of(request, principal)
            await desk.record_history(tx, author.principal, "platform.resumed", "platform", wanted, "", {"stopped": True}, {"stopped": False})
        return await _shown(tx, desk, wanted, principal)


@post(
    "/platforms/{platform_id:str}/repoint",
    opt=policy(PROVIDER, platform_id="platform"),
    status_code=200,
    operation_id="repointPlatform",
    summary="Point the webhooks of all its numbers here again",
)
async def repoint(platform_id: str, principal: Principal, desk: Desk) -> Repointed:
    """Needed when this installation's address changed, or somebody changed a webhook at the carrier."""
    return Repointed(list(await repoint_webhooks(desk, principal.provider_id, _decode(platform_id))))


@post(
    "/platforms/{platform_id:str}/receipts",
    opt=policy(PROVIDER, platform_id="platform"),
    status_code=200,
    operation_id="turnReceiptsOn",
    summary="Switch delivery receipts on for the whole account at the carrier",
)
async def receipts(request: AnyRequest, platform_id: str, principal: Principal, database: Database, desk: Desk) -> PlatformShown:
    """Raises what the carrier says. Where receipts are asked for with each text there is nothing to switch."""
    wanted = _decode(platform_id)
    adapter, access, _ = await way_out(desk, principal.provider_id, wanted)
    done = await adapter.turn_receipts_on(access)
    if isinstance(done, Problem):
        raise refusal(done)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await desk.record_history(tx, author_of(request, principal).principal, "platform.receipts_on", "platform", wanted, "", {}, {"receipts": True})
        return await _shown(tx, desk, wanted, principal)


async def _shown(tx: Transaction, desk: Desk, platform_id: int, principal: Principal, warnings: tuple[str, ...] = ()) -> PlatformShown:
    rows = await store.shown(tx, platform_id)
    if not rows:
        raise NoSuchPlatform
    adapter = desk.carriers.of(rows[0].carrier)
    return platform_shown(rows[0], adapter, desk.sealer, inside=True, writable=may_write(principal), warnings=warnings)


def _check_endpoints(adapter: CarrierAdapter, given: Mapping[str, str], present: Mapping[str, str], settings: Settings) -> None:
    """Addresses people may enter: the carrier's own hosts, those the operator listed, and what stands there. Raises EndpointNotAllowed.

    Else the portal would send whatever its user likes to any machine this one can reach.
    """
    own = {urlsplit(url).hostname for url in adapter.endpoints.values()}
    problems: list[FieldProblem] = []
    for name, url in given.items():
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            parts, port = urlsplit(""), 0
        listed = f"{(parts.hostname or '').lower()}:{port}" in settings.allow_private_hosts
        kept = present.get(name) == url
        if name not in adapter.endpoints or not (kept or listed or (parts.scheme == "https" and parts.hostname in own and port == 443)):
            problems.append(FieldProblem(f"endpoints.{name}", EndpointNotAllowed.code, EndpointNotAllowed().detail))
    if problems:
        raise EndpointNotAllowed(fields=tuple(problems))


def _decode(text: str) -> int:
    try:
        return ids.decode(text)
    except ids.InvalidId as error:
        raise NoSuchPlatform from error


ROUTES = (
    list_carriers, list_platforms, create_platform, read_platform, update_platform, remove_platform, check, resume, repoint, receipts,
)  # fmt: skip
