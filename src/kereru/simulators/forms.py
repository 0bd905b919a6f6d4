"""Reading and writing `application/x-www-form-urlencoded` bodies (URL Standard §5), keeping repeated names."""

from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl, quote_plus

FORM = b"application/x-www-form-urlencoded"

Fields = Sequence[tuple[str, str]]


class NotAForm(ValueError):
    """The bytes are not a UTF-8 form."""


def parse_form(body: bytes) -> list[tuple[str, str]]:
    """All fields in order. Raises NotAForm when the bytes are not UTF-8."""
    try:
        return parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise NotAForm(str(error)) from error


def write_form(fields: Iterable[tuple[str, str]]) -> bytes:
    """A UTF-8 form body; spaces become `+`."""
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in fields).encode("ascii")


def folded(fields: Fields) -> dict[str, object]:
    """A form as a JSON object: a name that came several times holds a list."""
    whole: dict[str, object] = {}
    for name, value in fields:
        if name in whole:
            before = whole[name]
            whole[name] = [*before, value] if isinstance(before, list) else [before, value]  # pyright: ignore[reportUnknownVariableType]
        else:
            whole[name] = value
    return whole
