"""The masked record of one call to a carrier (kept 14 days): what went out, what came back, and no secret in either.

Promises: every secret of the platform is masked wherever it stands, in plain, percent-encoded or base64 form; so are the carriers' own
secret fields, the tokens of our webhook paths, and the headers that carry authority.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from urllib.parse import quote, quote_plus

from kereru.carriers.arrivals import Exchange
from kereru.carriers.contract import PlatformAccess
from kereru.kernel.http_client import Answered, Interrupted, NotSent, Outgoing, Result
from kereru.kernel.limits import EXCHANGE_BYTES
from kereru.kernel.secrets import MASK, Secret

SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "messageid", "verificationtoken", "x-hook-token"})

_MASK = MASK.encode()
_PATH_TOKEN = re.compile(rb"(ingress(?:/|%2[Ff])[a-z0-9_-]+(?:/|%2[Ff]))[A-Za-z0-9_~.-]+")
_JSON_SECRET = re.compile(rb'("(?:auth_token|apiKey|headerValue|privateKey|access_token|client_secret)"\s*:\s*")(?:[^"\\]|\\.)*')


def secrets_of(access: PlatformAccess) -> tuple[bytes, ...]:
    """Every form in which the platform's secrets might stand in a message, longest first."""
    values = [value.reveal() for value in access.credentials.values() if isinstance(value, Secret)]
    return forms_of(values)


def forms_of(values: Iterable[str]) -> tuple[bytes, ...]:
    """Plain, percent-encoded and base64 forms of secret values, longest first; empty ones are left out."""
    forms: set[bytes] = set()
    for value in values:
        if value:
            raw = value.encode()
            forms |= {raw, quote(value, safe="").encode(), quote_plus(value).encode(), base64.b64encode(raw)}
    return tuple(sorted(forms, key=len, reverse=True))


def masked(body: bytes, secrets: tuple[bytes, ...] = ()) -> bytes:
    """`body` without secrets, cut to what the log keeps."""
    for secret in secrets:
        if secret in body:
            body = body.replace(secret, _MASK)
    if b"ngress" in body:
        body = _PATH_TOKEN.sub(rb"\1" + _MASK, body)
    if b'"' in body:
        body = _JSON_SECRET.sub(rb"\1" + _MASK, body)
    return body[:EXCHANGE_BYTES]


def head(first_line: str, headers: Mapping[str, str], secrets: tuple[bytes, ...] = ()) -> str:
    """A first line and headers for the log, one a line, secrets masked."""
    lines = [first_line]
    lines.extend(f"{name}: {MASK if name.lower() in SECRET_HEADERS else value}" for name, value in headers.items())
    return masked("\n".join(lines).encode("utf-8", "replace"), secrets).decode("utf-8", "replace")


def record(request: Outgoing, result: Result, at: datetime, secrets: tuple[bytes, ...]) -> Exchange:
    """The masked exchange of one outgoing call."""
    answer_head, answer_body, note = "", b"", ""
    match result:
        case Answered(status, headers, body, _):
            answer_head, answer_body = head(str(status), headers, secrets), body
        case Interrupted(code, detail, _, status, headers, body):
            note = f"{code}: {detail}"
            answer_head, answer_body = head(str(status), headers, secrets) if status is not None else "", body
        case NotSent(code, detail, _):
            note = f"not sent, {code}: {detail}"
    return Exchange(
        direction="out",
        at=at,
        duration_ms=result.duration_ms,
        request_head=head(f"{request.method} {request.url}", request.headers, secrets),
        request_body=masked(request.body, secrets),
        answer_head=answer_head,
        answer_body=masked(answer_body, secrets),
        note=masked(note.encode(), secrets).decode("utf-8", "replace"),
    )
