"""Why something cannot be done, as people and programs read it."""

import msgspec


class Reason(msgspec.Struct, frozen=True):
    """Why, in a stable code and in words."""

    code: str
    text: str
