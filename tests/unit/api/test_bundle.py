"""The web application's files: what is compressed, kept, refused and protected (reference/web.md §5)."""

import gzip
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from kereru.api.bundle import BundleApp

SCRIPT = b"console.log('kereru');" * 50


@pytest.fixture
def app(tmp_path: Path) -> BundleApp:
    (tmp_path / "assets").mkdir()
    for name, body in {"index.html": b"<p>client", "portal.html": b"<p>portal", ".digest": b"x", "assets/index-abc.js": SCRIPT}.items():
        (tmp_path / name).write_bytes(body)
    (tmp_path / "assets/index-abc.js.br").write_bytes(b"brotli form")
    (tmp_path / "assets/index-abc.js.gz").write_bytes(gzip.compress(SCRIPT))
    return BundleApp(tmp_path)


async def get(app: BundleApp, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await app({"type": "http", "method": method, "path": path, "headers": raw}, receive, send)
    return sent[0]["status"], {k.decode(): v.decode() for k, v in sent[0]["headers"]}, sent[1]["body"]


@pytest.mark.parametrize(
    ("accepted", "encoding", "body"),
    [
        ("gzip, deflate, br", "br", b"brotli form"),
        ("gzip", "gzip", gzip.compress(SCRIPT)),
        ("br;q=0, gzip;q=0", None, SCRIPT),
        ("identity", None, SCRIPT),
    ],
)
async def test_the_smallest_form_the_caller_takes(app: BundleApp, accepted: str, encoding: str | None, body: bytes) -> None:
    status, headers, got = await get(app, "/assets/index-abc.js", accept_encoding=accepted)
    assert (status, headers.get("content-encoding"), headers["vary"]) == (200, encoding, "accept-encoding")
    assert (got if encoding != "gzip" else gzip.decompress(got)) == (body if encoding != "gzip" else SCRIPT)
    assert headers["content-type"].startswith("text/javascript")
    assert "immutable" in headers["cache-control"]


@pytest.mark.parametrize("path", ["/", "/c/123", "/activity", "/activity/", "index.html/"])
async def test_pages_of_the_client(app: BundleApp, path: str) -> None:
    status, headers, body = await get(app, path)
    assert (status, body, headers["cache-control"]) == (200, b"<p>client", "no-cache")


@pytest.mark.parametrize("path", ["/portal", "/portal/", "/portal/groups/7"])
async def test_pages_of_the_portal(app: BundleApp, path: str) -> None:
    assert (await get(app, path))[2] == b"<p>portal"


@pytest.mark.parametrize("path", ["/assets/gone-123.js", "/assets/", "/favicon.ico", "/.digest", "/../secret.txt", "/assets/index-abc.js.br"])
async def test_what_is_missing_never_answers_as_a_page(app: BundleApp, path: str) -> None:
    """Bad input 52 and the trap of reference/web.md §5."""
    status, headers, _ = await get(app, path)
    assert (status, headers["content-type"]) == (404, "text/plain; charset=utf-8")


async def test_a_mounts_way_of_writing_paths_finds_the_script(app: BundleApp) -> None:
    status, headers, body = await get(app, "assets/index-abc.js/")
    assert (status, headers["content-type"], body) == (200, "text/javascript; charset=utf-8", SCRIPT)


async def test_unchanged_is_answered_without_body(app: BundleApp) -> None:
    _, headers, _ = await get(app, "/")
    status, _, body = await get(app, "/", if_none_match=headers["etag"])
    assert (status, body) == (304, b"")


async def test_head_tells_the_length_and_sends_nothing(app: BundleApp) -> None:
    status, headers, body = await get(app, "/", "HEAD")
    assert (status, headers["content-length"], body) == (200, str(len(b"<p>client")), b"")


async def test_other_methods_are_refused(app: BundleApp) -> None:
    status, headers, _ = await get(app, "/", "POST")
    assert (status, headers["allow"]) == (405, "GET, HEAD")


async def test_the_policy_allows_nothing_inline(app: BundleApp) -> None:
    policy = (await get(app, "/"))[1]["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


async def test_an_unbuilt_bundle_says_what_to_do(tmp_path: Path) -> None:
    status, _, body = await get(BundleApp(tmp_path / "nothing"), "/")
    assert status == 503
    assert b"make install" in body
