"""What is retried, how secrets travel, and what the base install pulls in."""

import json
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import grpc
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from equivox import AsyncClient, Client, EquivoxError, Tls, service_config
from equivox.channel import RETRY_BUFFER_BYTES, is_local
from equivox.v1 import (
    diarization_pb2,
    embeddings_pb2,
    models_pb2,
    profiles_pb2,
    transcription_pb2,
    verification_pb2,
)
from svc.config import AudioConfig
from tests.client.toy_server import Recorder, toy_server

CLIP = (np.zeros(1600, np.int16), 16000)
ROOT = Path(__file__).parents[2]
CONTRACT = (diarization_pb2, embeddings_pb2, models_pb2, profiles_pb2, transcription_pb2, verification_pb2)
# Why each is left out: Create makes a second profile, Delete's repeat reports NOT_FOUND, Enroll's message may have no
# key, and a stream cannot be sent twice.
UNSAFE = {
    "equivox.v1.Profiles/Create",
    "equivox.v1.Profiles/Delete",
    "equivox.v1.Profiles/Enroll",
    "equivox.v1.Transcription/Transcribe",
}


def test_the_service_config_retries_every_idempotent_call_and_no_other() -> None:
    contract = {
        f"{service.full_name}/{method.name}"
        for file in CONTRACT
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    retried = {f"{name['service']}/{name['method']}" for name in service_config()["methodConfig"][0]["name"]}
    assert len(service_config()["methodConfig"]) == 1
    assert retried == contract - UNSAFE


def answering(number: int) -> tuple[grpc.Server, int]:
    """A server that says its number, and its port."""
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: b"%d" % number)
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", {"Ask": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def test_calls_go_round_all_servers_behind_a_name() -> None:
    servers = [answering(number) for number in range(2)]
    target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for _, port in servers)
    options = [("grpc.service_config", json.dumps(service_config()))]
    with grpc.insecure_channel(target, options=options) as channel:
        ask = channel.unary_unary("/t.T/Ask", bytes, bytes)
        deadline, answers = time.monotonic() + 10, {ask(b"", timeout=10, wait_for_ready=True)}
        while len(answers) < len(servers) and time.monotonic() < deadline:
            answers.add(ask(b"", timeout=10))
    for server, _ in servers:
        server.stop(None)
    assert answers == {b"0", b"1"}


@pytest.mark.parametrize(
    ("call", "sent"),
    [
        (lambda client: client.embed(CLIP), 2),
        (lambda client: client.profiles.enroll("anna", CLIP), 2),
        (lambda client: client.profiles.create(consent_reference="t"), 1),
        (lambda client: client.profiles.delete("anna"), 1),
    ],
    ids=["embed", "enroll", "create", "delete"],
)
def test_a_lost_call_is_repeated_only_where_that_is_safe(
    call: Callable[[Client], object], sent: int, client: Client, recorder: Recorder
) -> None:
    recorder.failures = [grpc.StatusCode.UNAVAILABLE]
    if sent == 1:
        with pytest.raises(EquivoxError, match="UNAVAILABLE"):
            call(client)
    else:
        call(client)
    assert len(recorder.requests) == sent


def test_a_repeated_enrolment_carries_the_same_key(client: Client, recorder: Recorder) -> None:
    recorder.failures = [grpc.StatusCode.UNAVAILABLE]
    client.profiles.enroll("anna", CLIP)
    first, second = (request.idempotency_key for request in recorder.requests)
    assert first == second != ""


def test_a_request_past_grpcs_own_retry_buffer_is_repeated_too(client: Client, recorder: Recorder) -> None:
    recorder.failures = [grpc.StatusCode.UNAVAILABLE]
    client.embed(bytes(2 * 2**20))
    assert len(recorder.requests) == 2
    assert AudioConfig().max_bytes < RETRY_BUFFER_BYTES, "the server's largest clip must fit"


def test_a_callers_mistake_is_not_repeated(client: Client, recorder: Recorder) -> None:
    recorder.failures = [grpc.StatusCode.INVALID_ARGUMENT]
    with pytest.raises(EquivoxError):
        client.embed(CLIP)
    assert len(recorder.requests) == 1


def test_a_token_travels_as_a_bearer_on_this_machine(target: str, recorder: Recorder) -> None:
    with Client(target, token="secret") as client:
        client.embed(CLIP)
    assert recorder.metadata[0]["authorization"] == "Bearer secret"


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_token_is_not_sent_in_clear_to_another_machine(kind: type[Client] | type[AsyncClient]) -> None:
    with pytest.raises(ValueError, match=r"unencrypted to voice\.example:443"):
        kind("voice.example:443", token="secret")
    kind("voice.example:443", token="secret", allow_insecure_token=True)


@pytest.mark.parametrize(
    ("target", "local"),
    [
        ("localhost:1", True),
        ("127.0.0.1:1", True),
        ("[::1]:1", True),
        ("unix:/tmp/s", True),
        ("dns:///localhost:1", True),
        ("10.0.0.1:1", False),
        ("127.8.9.1:1", True),
        ("localhost.example:1", False),
        ("127.evil.example:1", False),
        ("127.0.0.1.evil.example:1", False),
        ("evil.example/127.0.0.1:1", False),
        ("dns://evil.example/localhost:1", False),  # the name server asked
        ("dns:///voice.example:1", False),
    ],
)
def test_targets_on_this_machine_are_told_apart(target: str, local: bool) -> None:
    assert is_local(target) is local


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What $http_proxy names: it accepts nobody, and who came waits in its queue."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy", "grpc_proxy", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{listening.getsockname()[1]}")
        listening.setblocking(False)
        yield listening


def came_to(proxy: socket.socket) -> bool:
    """Whether anybody connected."""
    try:
        proxy.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_what_is_for_this_machine_goes_to_no_proxy(
    host: str, target: str, recorder: Recorder, proxy: socket.socket
) -> None:
    with Client(f"{host}:{target.rpartition(':')[2]}", token="secret") as client:
        client.embed(CLIP, timeout_s=5)
    assert (len(recorder.requests), came_to(proxy)) == (1, False)


async def test_what_is_awaited_of_this_machine_goes_to_no_proxy(
    target: str, recorder: Recorder, proxy: socket.socket
) -> None:
    async with AsyncClient(f"localhost:{target.rpartition(':')[2]}", token="secret") as client:
        await client.embed(CLIP, timeout_s=5)
    assert (len(recorder.requests), came_to(proxy)) == (1, False)


def test_another_machine_is_reached_by_the_proxy(proxy: socket.socket) -> None:
    with Client("voice.invalid:1") as client:
        assert not client.healthy(timeout_s=2)
    assert came_to(proxy)


@pytest.mark.parametrize("token", ["secret\n", "geh\xe9im", "two words", "s3cret\t", "nul\0"])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_token_that_no_header_carries_is_refused_and_not_told(
    token: str, kind: type[Client] | type[AsyncClient]
) -> None:
    with pytest.raises(ValueError, match="printable ASCII without spaces or line breaks: strip it") as refused:
        kind("localhost:1", token=token)
    assert token.strip() not in str(refused.value)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan")])
def test_a_client_without_a_real_deadline_is_refused(timeout_s: float) -> None:
    with pytest.raises(ValueError, match="timeout_s"):
        Client("localhost:1", timeout_s=timeout_s)


class Pki:
    """A throwaway authority in a folder, and certificates signed by it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority_key = ec.generate_private_key(ec.SECP256R1())
        self.authority = self.sign("authority", self.authority_key, is_authority=True)

    def sign(self, name: str, key: ec.EllipticCurvePrivateKey, *, is_authority: bool = False) -> Path:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(
            issuer_name=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")]),
            subject_name=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - timedelta(days=1),
            not_valid_after=now + timedelta(days=1),
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
        certificate = builder.add_extension(names, critical=False).sign(self.authority_key, hashes.SHA256())
        path = self.folder / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key files."""
        key = ec.generate_private_key(ec.SECP256R1())
        key_path = self.folder / f"{name}.key"
        key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return self.sign(name, key), key_path


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def tls_port(pki: Pki, *, mutual: bool) -> Callable[[grpc.Server], int]:
    certificate, key = (path.read_bytes() for path in pki.issue("server"))
    credentials = grpc.ssl_server_credentials(
        [(key, certificate)], pki.authority.read_bytes() if mutual else None, require_client_auth=mutual
    )
    return lambda server: server.add_secure_port("127.0.0.1:0", credentials)


def test_tls_carries_the_token_as_call_credentials(pki: Pki, recorder: Recorder) -> None:
    with (
        toy_server(recorder, tls_port(pki, mutual=False)) as target,
        Client(target, token="secret", tls=Tls(authority=pki.authority)) as client,
    ):
        client.embed(CLIP)
    assert recorder.metadata[0]["authorization"] == "Bearer secret"


async def test_mutual_tls_shows_the_clients_certificate(pki: Pki, recorder: Recorder) -> None:
    certificate, key = pki.issue("client")
    with toy_server(recorder, tls_port(pki, mutual=True)) as target:
        shown = Tls(authority=pki.authority.read_bytes(), certificate=certificate, key=key)
        async with AsyncClient(target, tls=shown) as client:
            await client.embed(CLIP)
        with Client(target, tls=Tls(authority=pki.authority)) as stranger, pytest.raises(EquivoxError):
            stranger.embed(CLIP, timeout_s=2)
    assert len(recorder.requests) == 1


def test_half_a_client_identity_is_refused() -> None:
    with pytest.raises(ValueError, match="both certificate and key"):
        Tls(certificate="client.pem")


LIST_FOREIGN_MODULES = """
import sys
import equivox
assert equivox.Client and equivox.AsyncClient and equivox.service_config()
files = {name.split(".")[0]: str(getattr(module, "__file__", "")) for name, module in sys.modules.items()}
print(*(name for name, file in files.items() if "site-packages" in file))
"""


def test_importing_the_client_pulls_in_its_declared_packages_only() -> None:
    run = subprocess.run([sys.executable, "-c", LIST_FOREIGN_MODULES], capture_output=True, text=True, check=True)
    # grpc itself looks for its siblings grpc_tools and grpc_reflection; an editable install brings its finder.
    foreign = {name for name in run.stdout.split() if not name.startswith(("grpc", "__editable__", "_distutils"))}
    assert foreign <= {"google", "typing_extensions"}


def test_the_base_install_asks_for_nothing_heavy() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {requirement.split(">")[0].split("<")[0] for requirement in project["dependencies"]}
    assert names == {"googleapis-common-protos", "grpcio", "grpcio-health-checking", "protobuf"}
