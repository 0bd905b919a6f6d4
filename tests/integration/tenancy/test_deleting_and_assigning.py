"""Deleting a user while somebody gives him a number: one of the two is refused (R184; issue 4: two operators at once)."""

import asyncio

import pytest

from kereru.kernel.errors import KereruError
from kereru.provisioning.errors import NoSuchUser
from kereru.provisioning.holdings import UserHoldings
from kereru.provisioning.platforms.alerts import alert_recipients_guard
from kereru.tenancy.errors import HasNumbers
from kereru.tenancy.people.commands import delete_user
from tenant import running_tenant


async def test_no_number_is_left_with_a_deleted_user(database_url: str) -> None:
    """Whoever comes second waits and sees: either the user keeps his number, or he is gone and gets none; his licence ends with him."""
    async with running_tenant(database_url) as tenant:
        await tenant.platform("restcomm")
        await tenant.license(tenant.ana)

        async def delete() -> None:
            async with tenant.database.transaction(tenant.scope) as tx:
                await delete_user(tx, tenant.provider_id, tenant.ana.id, UserHoldings(), alert_recipients_guard)

        results = await asyncio.gather(tenant.assign(tenant.ana), delete(), return_exceptions=True)
        refused = [type(result) for result in results if isinstance(result, KereruError)]
        assert refused in ([NoSuchUser], [HasNumbers]), results
        held = tenant.sql("SELECT 1 FROM assignment a JOIN end_user u ON u.id = a.user_id WHERE u.deleted_at IS NOT NULL AND a.ended_at IS NULL")
        assert held == []
        if refused == [HasNumbers]:
            with pytest.raises(HasNumbers, match="1 number"):
                await delete()
        else:
            assert tenant.sql("SELECT 1 FROM licence WHERE user_id = %(u)s AND ends_at IS NULL", u=tenant.ana.id) == []
