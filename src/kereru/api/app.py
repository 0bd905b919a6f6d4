"""Builds the application from the slices' routes (design §7). Lower slices never import this; what they need from above comes in `dependencies`."""

import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from litestar import Litestar, Request, Router
from litestar.di import NamedDependency, Provide
from litestar.exceptions import LitestarDeprecationWarning
from litestar.handlers import BaseRouteHandler

from kereru.api import problems
from kereru.api.asgi import App
from kereru.api.authorisation import Guard, principal_of, require_policies
from kereru.api.description import configuration, openapi_json
from kereru.api.dispatcher import Dispatcher, Mounts
from kereru.api.doors import Doors
from kereru.api.headers import SecurityHeaders
from kereru.api.health import Readiness
from kereru.api.requests import StrictRequest
from kereru.kernel.clock import Clock
from kereru.kernel.db import Database
from kereru.kernel.paging import CursorCodec, cursor_key
from kereru.kernel.secrets import Sealer
from kereru.kernel.settings import Settings
from kereru.tenancy.access.queries import Authenticator, cookie_name
from kereru.tenancy.policy import STREAMS_KEY, Principal

PREFIX = "/api/v1"


def create_app(
    settings: Settings,
    database: Database,
    clock: Clock,
    routes: Sequence[BaseRouteHandler],
    *,
    sealer: Sealer,
    master_key: bytes,
    authenticator: Authenticator | None = None,
    dependencies: Mapping[str, object] | None = None,
    ingress: App | None = None,
    socket: App | None = None,
    pages: App | None = None,
    links: App | None = None,
    schema_version: str = "",
    draining: Callable[[], bool] = lambda: False,
    intake_problem: Callable[[], Awaitable[str]] | None = None,
) -> App:
    """The whole web application. Raises RouteWithoutPolicy for a route that does not say who may use it.

    `database` is of the role kereru_app and opened by the caller. `dependencies` are handed to routes by name, beside principal, database, settings,
    clock, cursors, sealer and authenticator. `schema_version` is this program's migration, for readiness.
    """
    authenticator = authenticator or Authenticator(database, settings, clock)
    given = {"database": database, "settings": settings, "clock": clock, "sealer": sealer, "authenticator": authenticator, **(dependencies or {})}
    app = create_routes(settings, routes, authenticator, CursorCodec(cursor_key(master_key)), given)
    mounts = Mounts(app, ingress=ingress, socket=socket, pages=pages, links=links, streams=_streams(routes))  # pyright: ignore[reportArgumentType] - Litestar's ASGI types are narrower
    return Dispatcher(
        mounts, Doors(settings), SecurityHeaders(settings), Readiness(database, schema_version, draining, clock.monotonic, intake_problem)
    )


def create_routes(
    settings: Settings, routes: Sequence[BaseRouteHandler], authenticator: Authenticator, cursors: CursorCodec, given: Mapping[str, object]
) -> Litestar:
    """The routes under /api/v1, with authorisation in front of them."""
    require_policies(routes)

    def its_principal(request: Request[Any, Any, Any]) -> Principal | None:
        return principal_of(request)

    def its_cursors(request: Request[Any, Any, Any]) -> CursorCodec:
        # A page marker is good for its caller and its list only (bad input 48).
        principal = principal_of(request)
        who = f"{principal.provider_id}:{principal.sign_in_id}" if principal else "anyone"
        return cursors.bound_to(f"{who} {request.scope['path']}")

    for handler in routes:
        _trust(handler, (*given, "principal", "cursors"))
    provided = {name: Provide(_always(value), sync_to_thread=False) for name, value in given.items()}
    provided["principal"] = Provide(its_principal, sync_to_thread=False)
    provided["cursors"] = Provide(its_cursors, sync_to_thread=False)
    with warnings.catch_warnings():
        # Routes say what they take in the way all of Litestar 2 understands; we pin it, and its newest release warns of version 3.
        warnings.simplefilter("ignore", LitestarDeprecationWarning)
        return Litestar(
            route_handlers=[Router(PREFIX, route_handlers=[*routes, openapi_json])],
            guards=[Guard(authenticator)],
            dependencies=provided,
            request_class=StrictRequest,
            exception_handlers={Exception: problems.handle},
            openapi_config=configuration(cookie_name(settings)),
            logging_config=None,
            debug=False,
        )


def _streams(routes: Sequence[BaseRouteHandler]) -> frozenset[str]:
    """The paths of routes that read their body themselves."""
    return frozenset(PREFIX + path for handler in routes if handler.opt.get(STREAMS_KEY) for path in handler.paths)


def _trust(handler: BaseRouteHandler, names: Iterable[str]) -> None:
    """Tell Litestar to hand these dependencies over as they are: it would check each by isinstance at every request, which protocols refuse."""
    hints = handler.fn.__annotations__
    hints.update({name: NamedDependency[Any] for name in names if name in hints})


def _always(value: object) -> Callable[[], Any]:
    def give() -> Any:
        return value

    return give
