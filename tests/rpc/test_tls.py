"""TLS of the server: who is turned away, which files are refused, and that renewed ones are served."""

import asyncio
import os
import shutil
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs

from svc.config import ServerConfig
from svc.rpc.server import bind
from svc.rpc.tls import CertificateFiles, server_credentials
from tests.rpc.certificates import Authority
from tests.rpc.conftest import tiny_server
from tests.rpc.test_server import ANY_PORT, SERVING, health_of


async def test_tls_serves_only_those_who_trust_its_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    config = replace(ANY_PORT, tls_certificate=certificate, tls_key=key)
    trusting = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
    async with tiny_server(tmp_path, server=config) as server:
        async with grpc.aio.secure_channel(f"localhost:{server.port}", trusting) as channel:
            assert await health_of(channel) == SERVING
        async with grpc.aio.insecure_channel(f"localhost:{server.port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await health_of(channel)


async def test_mutual_tls_turns_away_who_shows_no_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    config = replace(ANY_PORT, tls_certificate=certificate, tls_key=key, tls_client_authority=authority.certificate)
    root = authority.certificate.read_bytes()
    own_certificate, own_key = (path.read_bytes() for path in authority.issue("client"))
    async with tiny_server(tmp_path, server=config) as server:
        target = f"localhost:{server.port}"
        async with grpc.aio.secure_channel(
            target, grpc.ssl_channel_credentials(root, own_key, own_certificate)
        ) as known:
            assert await health_of(known) == SERVING
        async with grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(root)) as unknown:
            with pytest.raises(grpc.aio.AioRpcError):
                await health_of(unknown)


def test_half_a_tls_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tls_key"):
        server_credentials(ServerConfig(tls_certificate=tmp_path / "c.pem"))


def swapped(authority: Authority) -> dict[str, Path]:
    certificate, key = authority.issue("server")
    return {"tls_certificate": key, "tls_key": certificate}


def of_another(authority: Authority) -> dict[str, Path]:
    return {"tls_certificate": authority.issue("server")[0], "tls_key": authority.issue("other")[1]}


def key_as_authority(authority: Authority) -> dict[str, Path]:
    certificate, key = authority.issue("server")
    return {"tls_certificate": certificate, "tls_key": key, "tls_client_authority": key}


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (swapped, r"server\.tls_certificate \S*server\.key and server\.tls_key \S*server\.pem"),
        (of_another, r"server\.tls_key \S*other\.key do not fit"),
        (key_as_authority, r"server\.tls_client_authority \S*server\.key"),
    ],
)
async def test_certificates_that_cannot_serve_are_named_and_not_the_port(
    tmp_path: Path, files: Callable[[Authority], dict[str, Path]], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        bind(grpc.aio.server(), replace(ANY_PORT, **files(Authority(tmp_path))))  # type: ignore[arg-type]


def shown_to(port: int, authority: Path) -> str:
    """Whom the server's certificate is made out to."""
    context = ssl.create_default_context(cafile=str(authority))
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        shown = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
    return str(shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


async def test_a_renewed_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("first")
    config = replace(ANY_PORT, tls_certificate=certificate, tls_key=key)
    async with tiny_server(tmp_path, server=config) as server:

        async def shown() -> str:
            return await asyncio.to_thread(shown_to, server.port, authority.certificate)

        assert await shown() == "first"
        renewed, its_key = authority.issue("second")
        shutil.copy(renewed, certificate)
        assert await shown() == "first", "the key is not there yet"
        shutil.copy(its_key, key)
        assert await shown() == "second"
        certificate.unlink()
        assert await shown() == "second"


def test_what_cannot_be_served_is_told_once_and_waited_out(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    files = CertificateFiles(certificate, key, authority=authority.certificate)
    assert files.renewed() is None
    certificate.write_text("no certificate")
    with capture_logs() as told:
        assert [files.renewed(), files.renewed()] == [None, None]
        assert [each["event"] for each in told] == ["certificate not renewed"]
        authority.issue("server")
        assert files.renewed() is not None
        assert files.renewed() is None
    assert [each["event"] for each in told] == ["certificate not renewed", "certificate renewed"]


def test_a_key_that_can_be_read_only_later_is_served_though_nothing_of_it_shows_that(tmp_path: Path) -> None:
    """As after a chown, which changes neither inode nor time nor size."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    files = CertificateFiles(certificate, key, authority=None)
    authority.issue("server")
    written, content = key.stat(), key.read_bytes()

    def write(held: bytes) -> None:
        key.write_bytes(held)
        os.utime(key, ns=(written.st_atime_ns, written.st_mtime_ns))

    write(content[::-1])
    with capture_logs() as told:
        assert [files.renewed(), files.renewed()] == [None, None]
        write(content)
        assert files.renewed() is not None
        assert files.renewed() is None
    assert [each["event"] for each in told] == ["certificate not renewed", "certificate renewed"]


def test_a_certificate_that_is_gone_is_told_once(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue("server")
    files = CertificateFiles(certificate, key, authority=None)
    certificate.unlink()
    with capture_logs() as told:
        assert [files.renewed(), files.renewed()] == [None, None]
    assert [each["event"] for each in told] == ["certificate not renewed"]
