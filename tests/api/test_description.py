"""What the API says of itself is so: made-up requests, from its own description, to a real server (design §7; bad inputs 39 to 56)."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import hypothesis
import pytest
import pytest_asyncio
import schemathesis
import uvicorn
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

pytestmark = pytest.mark.asyncio(loop_scope="module")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 20
WEB = Path(__file__).parents[2] / "web"
SCHEMA = WEB / "src" / "shared" / "api" / "schema.ts"


@asynccontextmanager
async def serving(app: object) -> AsyncIterator[str]:
    """A real server on a free port; answers its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        server = uvicorn.Server(uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_config=None, proxy_headers=False))  # type: ignore[arg-type]
        task = asyncio.create_task(server._serve([listening]))
        try:
            yield f"http://localhost:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def address(stage) -> AsyncIterator[str]:
    async with serving(stage.application()) as found:
        yield found


def try_everything(address: str, headers: dict[str, str]) -> set[str]:
    """Made-up requests to every operation; answers which were tried. Runs in a thread of its own."""
    description = schemathesis.openapi.from_url(f"{address}/api/v1/openapi.json")
    tried: set[str] = set()
    for found in description.get_all_operations():
        operation = found.ok()
        if operation.label in {"DELETE /api/v1/session", "GET /api/v1/changes"}:
            continue  # the one would end the session of all the others, the other waits for news

        @hypothesis.settings(
            max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck)
        )
        @hypothesis.given(case=operation.as_strategy())
        def try_one(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS)

        try_one()
        tried.add(operation.label)
    return tried


async def test_the_description_is_true(stage, address: str) -> None:
    """No made-up request gets a 5xx, a status, a type or a shape that the description does not have."""
    tried = await asyncio.to_thread(try_everything, address, stage.people["ben"].headers)
    assert len(tried) > 8


async def test_the_web_applications_schema_is_made_from_it(stage, tmp_path: Path) -> None:
    """Design §4: `schema.check.ts` holds the types that the web application uses to this; after a change of the API, run with WRITE_REFERENCE=1."""
    transport = httpx.ASGITransport(app=stage.application(), client=("127.0.0.1", 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as client:
        answer = await client.get("/api/v1/openapi.json", headers=stage.people["ben"].headers)
    said, made = tmp_path / "openapi.json", tmp_path / "schema.ts"
    said.write_bytes(answer.content)
    node = Path(sys.executable).with_name("node")
    words = [str(node), str(WEB / "node_modules" / "openapi-typescript" / "bin" / "cli.js"), str(said), "--output", str(made)]
    await asyncio.to_thread(subprocess.run, words, check=True, capture_output=True, cwd=WEB, timeout=60)
    if os.environ.get("WRITE_REFERENCE"):
        SCHEMA.write_bytes(made.read_bytes())
    assert SCHEMA.read_text() == made.read_text()


async def talk(address: str, request: bytes) -> bytes:
    """Say `request` to the server as it is, and hear what it answers."""
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        await writer.drain()
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


@pytest.mark.parametrize("request_", [
    b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"GET  /api/v1/session HTTP/1.1\r\nHost: localhost\r\n\r\n\0", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GARBAGE\r\n\r\n",
])  # fmt: skip
async def test_requests_that_are_no_http(address: str, request_: bytes) -> None:
    """Bad input 56: two lengths, bad chunks, nonsense → 400 and closed."""
    answer = await talk(address, request_)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")


async def test_no_host_is_no_host_of_ours(address: str) -> None:
    """Bad input 54."""
    assert (await talk(address, b"GET /api/v1/session HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 421")


async def test_a_hundred_kilobytes_of_header(address: str) -> None:
    """Bad input 60: a header or cookie bomb → 431."""
    answer = await talk(address, b"GET /api/v1/session HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a=b; " * 20_000 + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431")
