"""Every request is judged here before anything of it is read: who asks, what the route declares, and nothing else (G29).

A route that declares nothing keeps the application from starting.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler

from kereru.api.asgi import Scope
from kereru.api.errors import RouteWithoutPolicy
from kereru.kernel.errors import FieldProblem, Invalid
from kereru.kernel.metrics import counter
from kereru.tenancy.access.queries import Authenticator
from kereru.tenancy.policy import OPT_KEY, Policy, Principal, authorise

Connection = ASGIConnection[Any, Any, Any, Any]

_PRINCIPAL = "kereru_principal"
_denied = counter("authorisation_denied", "Requests that authorisation turned away.", ("route", "code"))


class Guard:
    """Litestar's guard for all routes. Litestar calls guards before it reads parameters and bodies."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self._known_parameters: dict[tuple[str, str], frozenset[str]] = {}

    async def __call__(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Let the request pass, or raise what authorise() raises; Invalid for a query parameter that the route does not have."""
        declared = handler.opt.get(OPT_KEY)
        if not isinstance(declared, Policy):
            raise RouteWithoutPolicy(handler)
        scope: Scope = connection.scope  # pyright: ignore[reportAssignmentType] - Litestar types it as its own dictionaries
        principal = None
        if declared.audience.kind != "anyone":
            principal = await self._authenticator.principal_of(scope["headers"])
        method = str(scope["method"])
        try:
            authorise(declared, principal, method)
        except Exception as error:
            _denied.labels(scope["path_template"], getattr(error, "code", "internal")).inc()
            raise
        client = connection.client
        scope["state"][_PRINCIPAL] = principal and msgspec.structs.replace(principal, address=client.host if client else "")
        self._refuse_unknown_parameters(connection, method)

    def _refuse_unknown_parameters(self, connection: Connection, method: str) -> None:
        given = connection.query_params.keys()
        if not given:
            return
        # By path and method: Litestar hands guards a copy of the handler, so its identity tells nothing.
        route = (str(connection.scope["path_template"]), method)
        known = self._known_parameters.get(route)
        if known is None:
            known = self._known_parameters[route] = _query_parameters(connection, *route)
        if not known.issuperset(given):
            raise Invalid(fields=(FieldProblem("", "unknown_parameter", "This address does not take such a parameter."),))


def _query_parameters(connection: Connection, path: str, method: str) -> frozenset[str]:
    for route in connection.app.routes:
        if route.path_format != path:
            continue
        handlers: dict[str, tuple[HTTPRouteHandler, Any]] = getattr(route, "route_handler_map", {})
        if method in handlers:
            return frozenset(parameter.field_alias for parameter in handlers[method][1].expected_query_params)
    return frozenset()


def principal_of(connection: Connection) -> Principal | None:
    """Whom the guard let in; None on routes for anyone."""
    return connection.scope["state"].get(_PRINCIPAL)


def require_policies(handlers: Iterable[BaseRouteHandler]) -> None:
    """Raise RouteWithoutPolicy, naming the first route that does not say who may use it."""
    for handler in handlers:
        if not isinstance(handler.opt.get(OPT_KEY), Policy):
            paths = ", ".join(sorted(handler.paths))
            message = f'{handler.handler_name} ({paths}) declares no policy; give it opt=policy(END_USER, thing_id="thing") from tenancy.policy'
            raise RouteWithoutPolicy(message)
