"""The web application's files: what is compressed, kept, refused and protected (reference/web.md §5)."""

import gzip
import importlib.util
import json
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from kereru.api.bundle import BundleApp

SCRIPT = b"console.log('kereru');" * 50
ZIPPED = gzip.compress(SCRIPT, mtime=0)
"""Without the time, which would give the tests below another name in every process."""


@pytest.fixture
def app(tmp_path: Path) -> BundleApp:
    (tmp_path / "assets").mkdir()
    for name, body in {"index.html": b"<p>client", "portal.html": b"<p>portal", ".digest": b"x", "assets/index-abc.js": SCRIPT}.items():
        (tmp_path / name).write_bytes(body)
    (tmp_path / "assets/index-abc.js.br").write_bytes(b"brotli form")
    (tmp_path / "assets/index-abc.js.gz").write_bytes(ZIPPED)
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
        ("gzip", "gzip", ZIPPED),
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


@pytest.fixture(scope="module")
def hook() -> Any:
    """The build hook at the project's root, which is no part of any package."""
    spec = importlib.util.spec_from_file_location("hatch_build", Path(__file__).parents[3] / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A web folder without anything that could be built."""
    folder = tmp_path / "web"
    (folder / "src").mkdir(parents=True)
    (folder / "node_modules").mkdir()
    (folder / "src/main.ts").write_text("1")
    locked = {"": {}, "node_modules/svelte": {"integrity": "a"}, "node_modules/vitest": {"integrity": "b", "dev": True}}
    (folder / "package.json").write_text("{}")
    (folder / "package-lock.json").write_text(json.dumps({"packages": locked}))
    (folder / "node_modules/.package-lock.json").write_text(json.dumps({"packages": {"node_modules/svelte": {"integrity": "a"}}}))
    return folder


def test_only_sources_of_the_bundle_change_its_digest(hook: Any, web: Path) -> None:
    before = hook.digest_of(web)
    (web / "src/main.test.ts").write_text("a test")
    (web / "notes.txt").write_text("a note")
    assert hook.digest_of(web) == before
    (web / "src/main.ts").write_text("2")
    assert hook.digest_of(web) != before


def test_packages_are_fetched_only_where_the_lock_asks_for_others(hook: Any, web: Path) -> None:
    assert hook.dependencies_match(web)
    (web / "package-lock.json").write_text(json.dumps({"packages": {"node_modules/svelte": {"integrity": "newer"}}}))
    assert not hook.dependencies_match(web)


def test_a_failed_build_keeps_the_former_bundle_and_says_why(hook: Any, web: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "api/bundle"
    bundle.mkdir(parents=True)
    (bundle / "index.html").write_text("former")
    with pytest.raises(RuntimeError, match="could not be built"):
        hook.build(web, bundle, say=str)
    assert (bundle / "index.html").read_text() == "former"
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


def test_a_matching_stamp_needs_no_node(hook: Any, web: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / ".digest").write_text(hook.digest_of(web))
    assert hook.build(web, bundle, say=str) is False


def test_packing_keeps_only_what_is_smaller_and_is_the_same_each_time(hook: Any, tmp_path: Path) -> None:
    (tmp_path / "a.js").write_bytes(SCRIPT)
    (tmp_path / "b.js").write_bytes(b"1")
    (tmp_path / "c.woff2").write_bytes(SCRIPT)
    hook.compress(tmp_path)
    first = (tmp_path / "a.js.gz").read_bytes()
    hook.compress(tmp_path)
    assert (tmp_path / "a.js.gz").read_bytes() == first
    assert gzip.decompress(first) == SCRIPT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.js", "a.js.br", "a.js.gz", "b.js", "c.woff2"]
