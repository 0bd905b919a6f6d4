"""What the API is, for programs: OpenAPI 3.1, made from the routes. The web app's types and scripts are made from it (design §4, §7)."""

from typing import Any

import msgspec
from litestar import Litestar, Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

import kereru
from kereru.api.problems import MEDIA_TYPE
from kereru.kernel.errors import Problem
from kereru.tenancy.policy import ANYONE, policy

_REFERENCE = "#/components/schemas/{name}"
_PROBLEM = {"$ref": "#/components/responses/Problem"}


def _operation_id(handler: HTTPRouteHandler, _method: object, _path: object) -> str:
    first, *rest = handler.handler_name.split("_")
    return first + "".join(word.title() for word in rest)


def configuration(cookie: str) -> OpenAPIConfig:
    """How Litestar describes the routes. `cookie` is the session cookie's name."""
    return OpenAPIConfig(
        title="Kererū",
        version=kereru.__version__,
        description="Business texting. Everything the web app can do, a script with an API key can do.",
        # Litestar's own pages stay outside of /api/, where nobody reaches them: they would answer every unknown address in HTML.
        path="/not-served",
        operation_id_creator=_operation_id,
        render_plugins=[JsonRenderPlugin()],
        components=Components(
            security_schemes={
                "session": SecurityScheme(type="apiKey", name=cookie, security_scheme_in="cookie"),
                "api_key": SecurityScheme(type="http", scheme="bearer"),
            }
        ),
        security=[{"session": []}, {"api_key": []}],
    )


def description(app: Litestar) -> dict[str, Any]:
    """The routes of `app`, with our problem in place of Litestar's own error."""
    said: dict[str, Any] = app.openapi_schema.to_schema()
    schemas, components = msgspec.json.schema_components([Problem], ref_template=_REFERENCE)
    said["components"].setdefault("schemas", {}).update(components)
    said["components"]["responses"] = {
        "Problem": {"description": "What went wrong, in words and by a stable code.", "content": {MEDIA_TYPE: {"schema": schemas[0]}}}
    }
    for operations in said["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("400", None)
            operation["responses"]["default"] = _PROBLEM
    return said


@get("/openapi.json", opt=policy(ANYONE), include_in_schema=False, sync_to_thread=False)
def openapi_json(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """What this API is, for programs (OpenAPI 3.1)."""
    return description(request.app)
