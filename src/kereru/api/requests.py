"""The request as routes see it. Its body is decoded strictly by the route's own type: "true" is no truth value (bad input 46)."""

from typing import Any

import msgspec
from litestar import Request

from kereru.api.problems import unreadable


class StrictRequest(Request[Any, Any, Any]):
    """Litestar itself decodes to plain objects and converts these leniently."""

    async def json(self) -> Any:
        """The body as the type the route asks for. Raises Invalid or Malformed."""
        field = self.route_handler.parsed_data_field
        try:
            return msgspec.json.decode(await self.body(), type=field.annotation if field else Any)
        except msgspec.MsgspecError as error:
            raise unreadable(error) from error
