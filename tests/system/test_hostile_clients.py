"""Bad inputs 52 to 62, 99 and 100 of reliability.md §4, as bytes on a wire against the running product: what no polite client library can send.

Where the same numbers are held with the application alone: 52 to 55 in tests/api/test_door.py, 57 and 60 of webhooks in
tests/unit/carriers/test_ingress.py, 94 to 98 in tests/integration/tenancy/test_sign_in.py, the rules of 100 in
tests/integration/realtime/test_sockets.py. 61 is the proxy's: we speak no HTTP/2. There is no search yet for 62 to be tried on.
"""

import base64
import contextlib
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator

import h11
import pytest

from demo_fixture import Demo
from kereru.api.connections import HEAD_S

GET = "GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"


class Wire:
    """One connection of somebody who keeps to no rules."""

    def __init__(self, demo: Demo, *, receive_buffer: int = 0) -> None:
        self.host = demo.client.removeprefix("http://")
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", int(self.host.rpartition(":")[2])))

    def send(self, data: bytes) -> None:
        """Send, whether or not the other side still listens."""
        with contextlib.suppress(OSError):
            self.socket.sendall(data)

    def get(self, path: str, *more: str, host: str | None = None) -> None:
        """A request without a body."""
        self.send(GET.format(path=path, host=host or self.host, more="".join(line + "\r\n" for line in more)).encode())

    def until_closed(self) -> bytes:
        """Everything that comes until the other side closes; fails when it does not."""
        got = b""
        with contextlib.suppress(ConnectionError):
            while piece := self.socket.recv(65536):
                got += piece
        return got

    def answer(self) -> tuple[int, bytes]:
        """One whole answer, read by a parser that forgives nothing."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
        parser.send(h11.EndOfMessage())
        status, body = 0, b""
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                parser.receive_data(self.socket.recv(65536))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return status, body


@contextlib.contextmanager
def wire(demo: Demo, **options: int) -> Iterator[Wire]:
    one = Wire(demo, **options)
    try:
        yield one
    finally:
        one.socket.close()


def statuses(answers: bytes) -> list[int]:
    """The status of each answer in what came."""
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


@contextlib.contextmanager
def others_unharmed(demo: Demo) -> Iterator[None]:
    """Somebody else asks all the while, and is answered; after it the product is as it was."""
    web = demo.web_process()
    done = threading.Event()
    wrong: list[object] = []

    def ask() -> None:
        while not done.wait(0.05):
            with wire(demo) as polite:
                polite.get("/health/live")
                try:
                    if polite.answer()[0] != 200:
                        wrong.append("another status")
                except (OSError, h11.ProtocolError) as error:
                    wrong.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        done.set()
        asking.join()
    assert wrong == []
    assert demo.web_process() == web


@pytest.mark.parametrize(("path", "status"), [
    pytest.param("/api/v1/..%2f..%2fetc%2fpasswd", 404, id="input 52: ..%2f"),
    pytest.param("/api/v1/conversations/%00", 404, id="input 52: %00"),
    pytest.param("/%c0%ae%c0%ae/etc/passwd", 404, id="input 52: overlong"),
    pytest.param("/../../../etc/passwd", 404, id="input 52: dots as they are"),
    pytest.param("/assets/..%5c..%5csettings", 404, id="input 52: backslashes"),
    pytest.param("/ingress/restcomm/..%2f/x", 404, id="input 52: on the carriers' door"),
    pytest.param("/api/v1/conversations?api_key=krr_1_secret", 401, id="input 99: a key in the address opens nothing"),
])  # fmt: skip
def test_odd_addresses(demo: Demo, path: str, status: int) -> None:
    """Bad inputs 52, 99: missing or refused, never another file, never 500."""
    with wire(demo) as one:
        one.get(path, "Accept: application/json", "Connection: close")
        answers = one.until_closed()
    got = statuses(answers)
    # The web app's own pages answer any path of theirs with the app itself; that is no file of ours.
    assert got in ([status], [400]) or (got == [200] and b"<title>" in answers and b"root:" not in answers), answers[:300]


def test_a_key_in_an_address_is_in_no_log(demo: Demo) -> None:
    """Bad input 99."""
    secret = "krr_1_canary7f3a9b"
    with wire(demo) as one:
        for path in (f"/api/v1/conversations?api_key={secret}", f"/ingress/restcomm/{secret}/x", f"/health/ready?token={secret}", f"/{secret}"):
            one.get(path)
            assert one.answer()[0] in {200, 400, 401, 404}
    assert secret not in (demo.home.parent / (demo.home.name + ".log")).read_text()


@pytest.mark.parametrize(("first_line", "more", "status"), [
    pytest.param("TRACE / HTTP/1.1", "", 405, id="input 53: TRACE"),
    pytest.param("CONNECT evil.example:443 HTTP/1.1", "", 400, id="input 53: CONNECT"),
    pytest.param("DELETE /api/v1/licence HTTP/1.1", "", 405, id="input 53: an address that does not do that"),
    pytest.param("GET /api/v1/licence HTTP/1.1", "X-HTTP-Method-Override: DELETE\r\n", 401, id="input 53: override header"),
    pytest.param("GET http://evil.example/api/v1/licence HTTP/1.1", "", 401, id="input 54: a whole address in the first line"),
    pytest.param("PRI * HTTP/2.0", "", 400, id="input 61: HTTP/2 from the start"),
    pytest.param("GET /health/live HTTP/1.1", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n", 200,
                 id="input 61: an offer of HTTP/2 is not taken up"),
    pytest.param("GET /health/live HTTP/9.9", "", 400, id="a version nobody knows"),
])  # fmt: skip
def test_odd_first_lines(demo: Demo, first_line: str, more: str, status: int) -> None:
    """Bad inputs 53, 54, 61."""
    with wire(demo) as one:
        one.send(f"{first_line}\r\nHost: {one.host}\r\nSec-Fetch-Site: none\r\nConnection: close\r\n{more}\r\n".encode())
        got = statuses(one.until_closed())
    assert got in ([status], [400]) if status == 405 else got == [status]


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "evil.example@localhost", ""])
def test_a_foreign_name(demo: Demo, host: str) -> None:
    """Bad input 54: 421, also for a socket; and no answer repeats the name."""
    with wire(demo) as one:
        one.send(f"GET /api/v1/licence HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answers = one.until_closed()
    assert statuses(answers) == [421]
    assert b"evil" not in answers


_BODY = '{"email": "a@bluedoor.example", "password": "x"}'
_SMUGGLED = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("request_", [
    pytest.param("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" + _SMUGGLED, id="input 56: CL+TE"),
    pytest.param(f"Content-Length: {len(_BODY)}\r\nContent-Length: 0\r\n\r\n{_BODY}{_SMUGGLED}", id="input 56: two lengths"),
    pytest.param(f"Content-Length: {len(_BODY)}, {len(_BODY)}\r\n\r\n{_BODY}", id="input 56: a list of lengths"),
    pytest.param(f"Content-Length: +{len(_BODY)}\r\n\r\n{_BODY}", id="input 56: a signed length"),
    pytest.param(f"Content-Length: 0x10\r\n\r\n{_BODY}", id="input 56: a length in hexadecimal"),
    pytest.param(f"Content-Length: -1\r\n\r\n{_BODY}", id="input 56: a negative length"),
    pytest.param("Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX\r\n0\r\n\r\n" + _SMUGGLED, id="input 56: bad chunk end"),
    pytest.param("Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", id="input 56: negative chunk"),
    pytest.param("Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello", id="input 56: a chunk's length over 64 bits"),
    pytest.param("Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n" + _SMUGGLED, id="input 56: bare LF between chunks"),
    pytest.param("Transfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", id="input 56: another coding"),
    pytest.param("Transfer-Encoding: chunked, identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n", id="input 56: chunked not last"),
    pytest.param("Transfer-Encoding:\x0bchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + _SMUGGLED, id="input 56: a control character before the coding"),
    pytest.param(f"Content-Length : {len(_BODY)}\r\n\r\n{_BODY}", id="input 56: a space before the colon"),
    pytest.param(f"X: y\r\n Content-Length: {len(_BODY)}\r\n\r\n{_BODY}", id="input 56: a folded header"),
    pytest.param(f"X: a\rContent-Length: {len(_BODY)}\r\n\r\n{_BODY}", id="input 56: bare CR in a header"),
    pytest.param(f"X: a\nContent-Length: {len(_BODY)}\n\n{_BODY}", id="input 56: bare LF in the head"),
    pytest.param(f"X: a\x00b\r\nContent-Length: {len(_BODY)}\r\n\r\n{_BODY}", id="input 56: NUL in a header"),
])  # fmt: skip
def test_a_request_that_can_be_read_in_two_ways(demo: Demo, request_: str) -> None:
    """Bad input 56: 400 and closed, before it is known which door it came to; what is hidden behind it is never answered."""
    with wire(demo) as one:
        one.send(f"POST /api/v1/session HTTP/1.1\r\nHost: {one.host}\r\nContent-Type: application/json\r\n{request_}".encode("latin-1"))
        got = statuses(one.until_closed())
    assert got == [400]


@pytest.mark.timeout(60)
def test_slow_ones_are_closed_and_others_unharmed(demo: Demo) -> None:
    """Bad input 57: slow head, slow body at both doors, silence, blank lines for ever, and an answer that nobody takes: each ends by our doing."""
    me = demo.signed_in(demo.user("A"))
    number = demo.user("A").numbers[0]
    for text in range(3):
        demo.phone_sends("+12025550177", number.number, f"something to list {text}")
    ends: dict[str, bytes] = {}

    def drip(name: str, start: str, piece: bytes) -> None:
        with wire(demo) as one:
            one.send(start.format(host=one.host).encode())
            one.socket.settimeout(0.5)
            began, got = time.monotonic(), b""
            while time.monotonic() - began < 40:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    one.socket.sendall(piece)
                try:
                    more = one.socket.recv(65536)
                except TimeoutError:
                    continue
                except ConnectionError:
                    more = b""
                got += more
                if not more:
                    ends[name] = got
                    return

    dripping = {
        "head": ("GET / HTTP/1.1\r\nHost: {host}\r\n", b"X: y\r\n"),
        "one header for ever": ("GET / HTTP/1.1\r\nHost: {host}\r\nX: ", b"y"),
        "silence": ("", b""),
        "blank lines": ("", b"\r\n"),
        "blank lines later": ("GET /health/live HTTP/1.1\r\nHost: {host}\r\n\r\n", b"\r\n"),
        "body": ("POST /api/v1/session HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n", b" "),
        "body in chunks": (
            "POST /api/v1/session HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        "body of a stranger's webhook": ("POST /ingress/restcomm/token/sms HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\n", b"x"),
        "body that no page reads": ("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\n", b"x"),
    }  # fmt: skip
    slow = [threading.Thread(target=drip, args=(name, *how)) for name, how in dripping.items()]
    with others_unharmed(demo):
        for one in slow:
            one.start()
        for one in slow:
            one.join()
    assert set(ends) == set(dripping)
    assert statuses(ends["head"]) == statuses(ends["one header for ever"]) == [408]
    assert (statuses(ends["silence"]), statuses(ends["blank lines"])) == ([], [])
    assert statuses(ends["body"]) == statuses(ends["body in chunks"]) == [408]
    assert statuses(ends["body of a stranger's webhook"]) == [404]
    assert me.get("/api/v1/licence")


@pytest.mark.timeout(60)
def test_who_takes_no_answer_is_cut_off(demo: Demo) -> None:
    """Bad input 57, slow read: a thousand answers asked for in one breath and not read; the connection ends, and nobody else notices."""
    with others_unharmed(demo), wire(demo, receive_buffer=4096) as one:
        one.socket.settimeout(0.2)
        request = GET.format(path="/api/v1/openapi.json", host=one.host, more="").encode()
        began = time.monotonic()
        cut = False
        while time.monotonic() - began < 40 and not cut:
            try:
                one.socket.sendall(request)
            except TimeoutError:
                continue
            except OSError:
                cut = True
            time.sleep(0.01)
        assert cut


@pytest.mark.parametrize(("path", "more", "allowed"), [
    pytest.param("/", "Range: bytes=" + ",".join(f"{at}-{at}" for at in range(2000)), {200, 206, 416, 431}, id="input 58: thousands of ranges"),
    pytest.param("/", "Range: bytes=" + ",".join("0-" for _ in range(4000)), {200, 206, 416, 431}, id="input 58: the whole, again and again"),
    pytest.param("/", "Range: bytes=99999999999999999999-", {200, 416}, id="input 58: past the end"),
    pytest.param("/api/v1/openapi.json", "Range: bytes=0-0,-1", {200}, id="input 58: of what has no ranges"),
    pytest.param("/health/live", "Cookie: " + "; ".join(f"c{at}=x" for at in range(20_000)), {431}, id="input 60: cookie bomb"),
    pytest.param("/health/live", "X: " + "y" * 100_000, {431}, id="input 60: 100 KB header"),
    pytest.param("/health/live", "\r\n".join(f"X{at}: y" for at in range(10_000)), {431}, id="input 60: ten thousand headers"),
    pytest.param("/" + "a" * 200_000, "X: y", {404, 414, 431}, id="input 60: an address of 200 KB"),
    pytest.param("/api/v1/conversations?limit=" + "9" * 60_000, "X: y", {400, 401, 414, 431}, id="input 62: digits without end"),
    pytest.param("/api/v1/conversations?" + "&".join(f"a{at}=1" for at in range(8_000)), "X: y", {400, 401, 414, 431},
                 id="input 51: 8,000 parameters"),
])  # fmt: skip
def test_too_much_of_everything(demo: Demo, path: str, more: str, allowed: set[int]) -> None:
    """Bad inputs 58, 60, 62: answered or refused at once."""
    with others_unharmed(demo), wire(demo) as one:
        one.get(path, more, "Connection: close")
        got = statuses(one.until_closed())
    assert len(got) == 1
    assert got[0] in allowed, got


def test_a_head_without_end(demo: Demo) -> None:
    """Bad input 60: 431 long before it ends, and closed."""
    with others_unharmed(demo), wire(demo) as one:
        one.send(f"GET / HTTP/1.1\r\nHost: {one.host}\r\nX: ".encode())
        for _ in range(2000):
            one.send(b"y" * 1000)
        assert statuses(one.until_closed()) in ([431], [])


@pytest.mark.parametrize("door", ["/api/v1/session", "/api/v1/attachments", "/ingress/restcomm/token/sms", "/"])
@pytest.mark.parametrize("body", [
    pytest.param(b"".join(b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\ny\r\n' % at for at in range(100_000)) + b"--x--\r\n",
                 id="input 59: 100k parts"),
    pytest.param(b'--x\r\nContent-Disposition: form-data; name=""\r\n\r\n' + b"y" * 5_000_000 + b"\r\n--x--\r\n",
                 id="input 59: a huge nameless field"),
])  # fmt: skip
def test_multipart_bombs(demo: Demo, door: str, body: bytes) -> None:
    """Bad input 59: refused by size or kind before anything is parsed; others are answered meanwhile."""
    with others_unharmed(demo), wire(demo) as one:
        head = f"POST {door} HTTP/1.1\r\nHost: {one.host}\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\n"
        one.send((head + "Connection: close\r\n\r\n").encode())
        sending = threading.Thread(target=one.send, args=(body,))
        sending.start()
        got = statuses(one.until_closed())
        one.socket.close()
        sending.join()
    assert len(got) <= 1
    assert set(got) <= {401, 404, 405, 413, 415}, got


def cookie_of(demo: Demo) -> str:
    """A signed-in person's cookie."""
    return "; ".join(f"{one.name}={one.value}" for one in demo.signed_in(demo.user("A")).jar)


def shake_hands(one: Wire, cookie: str, *more: str) -> None:
    """Ask for a socket."""
    key = base64.b64encode(os.urandom(16)).decode()
    own = (f"Cookie: {cookie}", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "Upgrade: websocket", "Connection: Upgrade")
    one.get("/api/v1/socket", *own, "Sec-WebSocket-Extensions: permessage-deflate", *more)


def a_frame(opcode: int, payload: bytes, *, masked: bool = True) -> bytes:
    size, bit = len(payload), 0x80 if masked else 0
    length = bytes([bit | size]) if size < 126 else struct.pack(">BH", bit | 126, size) if size < 65536 else struct.pack(">BQ", bit | 127, size)
    return bytes([opcode]) + length + (b"\0\0\0\0" if masked else b"") + payload


FRAMES = [
    pytest.param(a_frame(0x81, b"x" * 10_000_000), {1009}, id="input 100: 10 MB frame"),
    pytest.param(bytes([0x81, 0x80 | 127]) + struct.pack(">Q", 2**62) + b"\0\0\0\0", {1009}, id="input 100: a frame that says it is endless"),
    pytest.param(a_frame(0x01, b"{") + a_frame(0x00, b" ") * 100_000, {1008, 1009}, id="input 100: 1-byte fragments"),
    pytest.param(a_frame(0xC1, b"\xff" * 1000), {1002}, id="input 100: a deflated frame"),
    pytest.param(a_frame(0x89, b"x") * 1000, {1008}, id="input 100: a thousand pings"),
    pytest.param(a_frame(0x8A, b"") * 100_000, {1008}, id="input 100: a hundred thousand pongs"),
    pytest.param(a_frame(0x81, b'{"type":"follow","topic":"feed:1"}'), {1008}, id="input 100: foreign topic"),
    pytest.param(a_frame(0x81, b'{"type":"ping"}', masked=False), {1002}, id="an unmasked frame"),
    pytest.param(a_frame(0x83, b"x"), {1002}, id="an opcode nobody knows"),
    pytest.param(a_frame(0x81, b"\xff\xfe"), {1007}, id="no UTF-8"),
    pytest.param(a_frame(0x89, b"x" * 126), {1002}, id="a ping that is too long"),
    pytest.param(a_frame(0x88, b"\x03"), {1002}, id="half a close code"),
    pytest.param(b"GET / HTTP/1.1\r\n\r\n", {1002}, id="HTTP after the handshake"),
]


@pytest.mark.parametrize(("frames", "codes"), FRAMES)
def test_frames_of_any_kind(demo: Demo, frames: bytes, codes: set[int]) -> None:
    """Bad input 100: closed with a code that says why; others are answered meanwhile."""
    with others_unharmed(demo), wire(demo) as one:
        shake_hands(one, cookie_of(demo))
        head = b""
        while b"\r\n\r\n" not in head:
            head += one.socket.recv(1)
        assert head.startswith(b"HTTP/1.1 101")
        assert b"deflate" not in head
        sending = threading.Thread(target=one.send, args=(frames,))
        sending.start()
        got = b""
        while not close_code(got):
            piece = one.socket.recv(65536)
            assert piece, got[:100]
            got += piece
        one.socket.close()
        sending.join()
    assert close_code(got) in codes


def close_code(got: bytes) -> int:
    """The code of the close frame in what a server sent; 0 while there is none."""
    at = 0
    while at + 2 <= len(got):
        opcode, size, at = got[at], got[at + 1], at + 2
        if size == 126:
            (size,), at = struct.unpack(">H", got[at : at + 2]), at + 2
        elif size == 127:
            (size,), at = struct.unpack(">Q", got[at : at + 8]), at + 8
        if opcode == 0x88 and at + 2 <= len(got):
            return struct.unpack(">H", got[at : at + 2])[0]
        at += size
    return 0


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "file://"])
def test_a_socket_from_a_foreign_page(demo: Demo, origin: str) -> None:
    """Bad input 96: no handshake, whatever cookie comes along."""
    with wire(demo) as one:
        shake_hands(one, cookie_of(demo), f"Origin: {origin}")
        assert one.answer()[0] == 403


def test_the_deadlines_of_requests_do_not_end_a_socket(demo: Demo) -> None:
    """G22, bad input 57: what a slow head costs a request must not cost a quiet socket its line."""
    with wire(demo) as one:
        shake_hands(one, cookie_of(demo))
        head = b""
        while b"\r\n\r\n" not in head:
            head += one.socket.recv(1)
        assert head.startswith(b"HTTP/1.1 101")
        time.sleep(HEAD_S + 1)
        one.send(a_frame(0x81, b'{"type":"ping"}'))
        assert b'{"type":"pong"}' in one.socket.recv(65536)
