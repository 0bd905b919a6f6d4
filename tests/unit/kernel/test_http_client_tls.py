"""TLS at both doors: a certificate nobody vouches for is a failure before the request; `ca_bundle` is what may vouch (design §4)."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kereru.kernel.http_client import Answered, CarrierClient, NotSent, Outgoing, StrangerClient


class Secure(NamedTuple):
    """A TLS server and the file of the authority that vouches for it."""

    port: int
    ca_bundle: str
    heads: list[bytes]


def _certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 with its key, and the authority's beside it."""
    now = datetime.now(UTC)

    def build(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, *, authority: bool) -> x509.CertificateBuilder:
        def named(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        builder = x509.CertificateBuilder(named(issuer), named(subject), key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        return builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = build("Test authority", "Test authority", ca_key, authority=True).sign(ca_key, hashes.SHA256())
    names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    leaf = build("A carrier", "Test authority", key, authority=False).add_extension(names, critical=False).sign(ca_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(b"# a comment\n" + root.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(leaf.public_bytes(pem) + private)
    return folder


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncGenerator[Secure, None]:
    """A server that answers one request per connection by TLS."""
    folder = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield Secure(server.sockets[0].getsockname()[1], str(folder / "ca.pem"), heads)
    server.close()


async def test_a_certificate_nobody_vouches_for_stops_the_request_before_it_begins(secure: Secure):
    """Reliability table, first row: TLS failed."""
    private = (f"127.0.0.1:{secure.port}",)
    async with CarrierClient(allow_private_hosts=private) as carriers, StrangerClient(allow_private_hosts=private) as strangers:
        one = await carriers.send(Outgoing("POST", f"https://127.0.0.1:{secure.port}", "/x", {}, b"hello"))
        other = await strangers.send("POST", f"https://127.0.0.1:{secure.port}/x", body=b"hello")
    for found in (one, other):
        assert isinstance(found, NotSent)
        assert found.code == "unreachable"
    assert secure.heads == []


async def test_the_configured_authority_may_vouch_at_both_doors(secure: Secure):
    """`ca_bundle` feeds both."""
    private = (f"127.0.0.1:{secure.port}",)
    async with (
        CarrierClient(allow_private_hosts=private, ca_bundle=secure.ca_bundle) as carriers,
        StrangerClient(allow_private_hosts=private, ca_bundle=secure.ca_bundle) as strangers,
    ):
        one = await carriers.send(Outgoing("POST", f"https://127.0.0.1:{secure.port}", "/x", {}, b"hello"))
        other = await strangers.send("POST", f"https://127.0.0.1:{secure.port}/x", body=b"hello")
    assert isinstance(one, Answered)
    assert isinstance(other, Answered)
    assert len(secure.heads) == 2
