"""Which hosts are ours and which requests come from our pages (bad inputs 54, 55, 96)."""

import pytest

from kereru.api.dispatcher import check_address
from kereru.api.doors import Doors, is_local
from kereru.api.errors import CrossSite, RepeatedParameter, WrongHost
from kereru.kernel.errors import Malformed, NotFound
from kereru.kernel.settings import Settings

PUBLIC = Doors(Settings(public_url="https://text.southern.example"))
LOCAL = Doors(Settings(port=8080))


def request(method: str = "POST", client: str = "203.0.113.9", **headers: str) -> dict:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "headers": pairs, "client": (client, 5000), "path": "/", "query_string": b""}


@pytest.mark.parametrize("host", ["text.southern.example", "TEXT.southern.example", "localhost", "localhost:9000", "127.0.0.1:8080", "[::1]:8080"])
def test_our_hosts(host: str) -> None:
    PUBLIC.check_host(request(host=host))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "text.southern.example.evil.example",
        "",
        "text.southern.example:81",
        "localhost.evil.example",
        "[::2]",
        "127.0.0.1.evil.example",
    ],
)
def test_foreign_hosts(host: str) -> None:
    """Bad input 54: foreign Host → 421."""
    with pytest.raises(WrongHost):
        PUBLIC.check_host(request(host=host))


def test_a_named_listening_address_is_ours() -> None:
    Doors(Settings(host="192.0.2.7", insecure_http=True)).check_host(request(host="192.0.2.7:8080"))
    with pytest.raises(WrongHost):
        Doors(Settings(host="0.0.0.0", insecure_http=True)).check_host(request(host="0.0.0.0:8080"))


@pytest.mark.parametrize("headers", [
    {}, {"sec_fetch_site": "same-origin"}, {"sec_fetch_site": "none"}, {"origin": "https://text.southern.example"},
    {"origin": "https://text.southern.example", "sec_fetch_site": "same-origin"},
])  # fmt: skip
def test_our_own_pages(headers: dict[str, str]) -> None:
    PUBLIC.check_site(request(host="text.southern.example", **headers))


@pytest.mark.parametrize("headers", [
    {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": ""}, {"origin": "http://text.southern.example"},
    {"origin": "https://text.southern.example:444"}, {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}, {"sec_fetch_site": "x"},
    {"origin": "https://text.southern.example", "sec_fetch_site": "cross-site"}, {"origin": "https://evil.example", "sec_fetch_site": "same-origin"},
    {"origin": "http://localhost:8080"},
])  # fmt: skip
def test_foreign_pages(headers: dict[str, str]) -> None:
    """Bad input 96: foreign or null Origin → refused; threat model, portal admin: CSRF."""
    with pytest.raises(CrossSite):
        PUBLIC.check_site(request(host="text.southern.example", **headers))


def test_reading_needs_no_origin() -> None:
    PUBLIC.check_site(request("GET", host="text.southern.example", sec_fetch_site="cross-site"))


@pytest.mark.parametrize(("host", "origin", "ours"), [
    ("localhost:8080", "http://localhost:8080", True), ("127.0.0.1:8080", "http://127.0.0.1:8080", True),
    ("localhost:8080", "http://localhost:9090", False), ("127.0.0.1:8080", "http://evil.example", False),
])  # fmt: skip
def test_pages_on_this_machine(host: str, origin: str, ours: bool) -> None:
    """Another program's page on this machine is another site: the port counts."""
    assert LOCAL.from_our_page(request(host=host, origin=origin)) == ours


@pytest.mark.parametrize(("made", "local"), [
    (request(client="127.0.0.1", host="localhost:8080"), True), (request(client="::1", host="[::1]:8080"), True),
    (request(client="203.0.113.9", host="localhost:8080"), False), (request(client="127.0.0.1", host="text.southern.example"), False),
    (request(client="127.0.0.1", host="localhost", x_forwarded_for="203.0.113.9"), False), (request(client="127.0.0.1"), False),
])  # fmt: skip
def test_what_is_local(made: dict, local: bool) -> None:
    """Bad input 55: a proxy on this machine does not make its callers local, and no header does."""
    assert is_local(made) == local


@pytest.mark.parametrize(("query", "error"), [
    (b"a=1&a=2", RepeatedParameter), (b"a=1&b=2&a=1", RepeatedParameter), (b"a&a", RepeatedParameter), (b"a=1&%61=2", RepeatedParameter),
    (b"a=%00", Malformed), (b"\xff=1", Malformed),
])  # fmt: skip
def test_queries_that_parsers_read_differently(query: bytes, error: type[Exception]) -> None:
    """Bad input 51: a repeated parameter → 400."""
    with pytest.raises(error):
        check_address({**request(), "query_string": query})


@pytest.mark.parametrize("path", ["/api/v1/x\0", "/api/v1/\ufffd"])
def test_paths_that_are_no_text(path: str) -> None:
    """Bad input 52."""
    with pytest.raises(NotFound):
        check_address({**request(), "path": path})
