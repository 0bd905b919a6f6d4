"""What several processes wire in the same way."""

import asyncio
import signal
from collections.abc import Callable

from kereru.carriers.registry import Carriers
from kereru.kernel.db import Row
from kereru.kernel.secrets import Sealer
from kereru.messaging.delivery.sender import OpenPlatform
from kereru.provisioning.platforms.model import ingress_url, open_access, open_token


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


def stop_event() -> asyncio.Event:
    """Set at SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stopping.set)
    return stopping
