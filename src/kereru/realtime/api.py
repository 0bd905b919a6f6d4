"""Changes over plain HTTP: how a client resumes, and its fallback where sockets do not get through (design §7)."""

from typing import Annotated, cast

import msgspec
from litestar import MediaType, Response, get
from litestar.params import Parameter

from kereru.kernel.errors import Forbidden
from kereru.realtime.hub import Hub
from kereru.realtime.model import PresentedChange, SocketViewer
from kereru.tenancy.policy import END_USER, Principal, policy

LONGEST_WAIT_S = 25


class ChangePage(msgspec.Struct, frozen=True):
    """What came after a cursor, and the cursor to go on from. `resync`: load everything again instead, the changes are not kept any more."""

    items: list[PresentedChange]
    cursor: str
    resync: bool


@get("/changes", opt=policy(END_USER), operation_id="listChanges", summary="What changed after a cursor; waits for it if asked to")
async def list_changes(
    principal: Principal,
    hub: Hub,
    after: Annotated[str | None, Parameter(description="The cursor you hold; without it nothing but the present one is answered.")] = None,
    wait: Annotated[int, Parameter(ge=0, le=LONGEST_WAIT_S, description="How many seconds to wait when there is nothing yet.")] = 0,
) -> Response[ChangePage]:
    """Answers at once if anything came after the cursor. Raises BadCursor, TooManyFollowers, Unavailable."""
    viewer = viewer_of(principal)
    if after is None:
        delivery = hub.nothing_at(viewer, await hub.present_position(viewer))
    else:
        delivery = await hub.changes(viewer, hub.start_of(viewer, after), float(wait))
    # The items were encoded by the hub, once for everybody who waits for them.
    return Response(cast("ChangePage", delivery.body), media_type=MediaType.JSON, headers={"Cache-Control": "no-store"})


def viewer_of(principal: Principal) -> SocketViewer:
    """The user behind a request as realtime knows him. Raises Forbidden for a sign-in that is no end user."""
    if principal.user is None:
        raise Forbidden
    return SocketViewer(principal.provider_id, principal.user.id, (principal.user.feed_id,), principal.credential)


ROUTES = (list_changes,)
