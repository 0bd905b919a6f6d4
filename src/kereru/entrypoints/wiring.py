"""What several processes wire in the same way."""

import asyncio
import signal
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from kereru.carriers.registry import Carriers
from kereru.kernel.clock import SystemClock
from kereru.kernel.db import Database, Row, Transaction
from kereru.kernel.http_client import Door
from kereru.kernel.secrets import Sealer
from kereru.kernel.settings import Settings
from kereru.messaging.commands import release_withheld
from kereru.messaging.deletion import count_messages, delete_messages, forget_references
from kereru.messaging.delivery.sender import OpenPlatform
from kereru.messaging.remote_consent.commands import consent_follows
from kereru.provisioning.desk import Desk, MessagesPort
from kereru.provisioning.holdings import UserHoldings, place_of_assignment
from kereru.provisioning.platforms.alerts import alert_recipients_guard
from kereru.provisioning.platforms.model import ingress_url, open_access, open_token
from kereru.tenancy.history.commands import record
from kereru.tenancy.policy import Principal


async def record_history(
    tx: Transaction,
    principal: Principal | None,
    action: str,
    target_kind: str,
    target_id: int,
    target_name: str,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> None:
    """Provisioning's changes in the history log; an assignment stands where its user does."""
    path = None
    if target_kind == "assignment":
        path = await place_of_assignment(tx, await tx.value("SELECT scope_provider()"), target_id)
    await record(tx, principal, action, target_kind, target_id, target_name, before, after, path=path)


def portal_ports() -> dict[str, object]:
    """What the portal's routes of tenancy take from the slices above, by the names they ask for."""
    return {"alert_guard": alert_recipients_guard, "holdings": UserHoldings(), "consent_follows": consent_follows}


def sealer_of(master_key: bytes) -> Sealer:
    """Seals under the installation's key."""
    return Sealer({1: master_key}, 1)


def platform_opener(carriers: Carriers, sealer: Sealer, base_url: str) -> Callable[[Row], OpenPlatform]:
    """Opens the leased platforms' secrets for the sender."""

    def opened(row: Row) -> OpenPlatform:
        access = open_access(row, sealer)
        token = open_token(sealer, row.provider_id, row.platform_id, bytes(row.ingress_token_sealed))
        return OpenPlatform(access, carriers.of(row.carrier), ingress_url(base_url, row.carrier, token))

    return opened


def desk_of(settings: Settings, database: Database, door: Door, sealer: Sealer, own_door: Door | None = None) -> Desk:
    """The way of provisioning of a process. `own_door`, for the self-check, may call our own address; without it that is done by `door`."""
    clock = SystemClock()
    messages = MessagesPort(release_withheld, delete_messages, count_messages, forget_references)
    return Desk(database, Carriers(door, clock), sealer, settings.base_url, messages, record_history, clock, door, own_door or door)


def own_host(settings: Settings) -> str:
    """host:port of our own public address, wherever that lies."""
    parts = urlsplit(settings.base_url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def stop_event() -> asyncio.Event:
    """Set at SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stopping.set)
    return stopping
