"""The torture's second phone company: same carriers, accounts of its own, one user with a number at each. Nothing of it may show next door (G21)."""

import asyncio

from kereru.entrypoints.demo import DemoAccount, DemoNumber
from kereru.entrypoints.demo_seed import PASSWORD
from kereru.entrypoints.wiring import desk_of, sealer_of
from kereru.kernel import ids
from kereru.kernel.db import INSTALLATION, Database, ProviderScope
from kereru.kernel.http_client import CarrierClient
from kereru.kernel.secrets import load_or_make_key
from kereru.kernel.settings import Settings
from kereru.messaging.commands import release_withheld
from kereru.provisioning.licences.commands import set_licence
from kereru.provisioning.licences.model import Product
from kereru.provisioning.numbers.assigning import assign_number
from kereru.provisioning.numbers.model import NewAssignment
from kereru.provisioning.platforms.commands import create_platform
from kereru.provisioning.platforms.model import NewPlatform
from kereru.simulators.config import load_config
from kereru.tenancy import commands as tenancy
from kereru.tenancy.model import Level

EMAIL = "fay@snowgate.example"
NUMBERS = {"restcomm": "+12015550160", "inteliquent": "+13125550160"}


def seed_neighbours(settings: Settings, carriers_url: str) -> tuple[DemoAccount, ...]:
    """Make it by the product's own commands. For a fresh home only."""
    return asyncio.run(_make(settings, carriers_url))


async def _make(settings: Settings, carriers_url: str) -> tuple[DemoAccount, ...]:
    inventory = load_config((settings.home_path / "inventory.json").read_bytes())
    restcomm, inteliquent = inventory.restcomm[1], inventory.inteliquent[1]
    wanted = (
        NewPlatform(
            "restcomm",
            {"account_key": restcomm.account_sid, "token_secret": restcomm.auth_token},
            endpoints={"api": f"{carriers_url}/restcomm/2012-04-24", "messages": f"{carriers_url}/restcomm/api/2012-04-24"},
            user_confirmation=False,
        ),
        NewPlatform(
            "inteliquent",
            {"account_key": inteliquent.key, "token_secret": inteliquent.secret, "outbound_api_key": inteliquent.outbound_key},
            endpoints={"broker": f"{carriers_url}/inteliquent/msgbroker/rest", "services": f"{carriers_url}/inteliquent/Services/2.0.0"},
            user_confirmation=False,
        ),
    )
    sealer = sealer_of(load_or_make_key(settings.key_path))
    async with (
        Database(settings.database_url, "kereru_app", size=4) as database,
        CarrierClient(allow_private_hosts=settings.allow_private_hosts, ca_bundle=settings.ca_bundle) as door,
    ):
        desk = desk_of(settings, database, door, sealer)
        async with database.transaction(INSTALLATION) as tx:
            made = await tenancy.create_provider(tx, "Northern Phone Co.")
            group = await tenancy.create_group(tx, made.provider_id, made.direct_reseller_id, "Snowgate Ltd")
            user = await tenancy.create_user(tx, made.provider_id, group, "Fay Nilsen", EMAIL, PASSWORD)
            # Without somebody who receives alerts there can be no platform (R126).
            await tenancy.create_portal_account(
                tx, made.provider_id, Level.PROVIDER, made.provider_id, "Nora Frost", "nora@northern.example", PASSWORD, send_alerts=True
            )
        async with database.transaction(ProviderScope(made.provider_id)) as tx:
            await set_licence(tx, made.provider_id, user.id, Product.DESKTOP, release_withheld)
        numbers: list[DemoNumber] = []
        for platform in wanted:
            platform_id = (await create_platform(desk, made.provider_id, platform)).id
            e164 = NUMBERS[platform.carrier]
            assigned = await assign_number(desk, made.provider_id, NewAssignment(user.id, e164, platform_id, enable_messaging=True))
            numbers.append(DemoNumber(ids.encode(assigned.number_id), e164, platform.carrier))
    return (DemoAccount("user", EMAIL, PASSWORD, tuple(numbers)),)
