"""How the client reaches a server: TLS, token, message sizes, which calls are retried and when a server is lost."""

import json
import os
from dataclasses import dataclass
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

MAX_MESSAGE_BYTES = 256 * 2**20
"""Most bytes of one response; gRPC's own default of 4 MB is less than an export of many enrolments."""

RETRY_BUFFER_BYTES = 128 * 2**20
"""gRPC forgets a request larger than this and then cannot retry it; its own default of 256 KB is 8 s of speech."""

KEEPALIVE_S, KEEPALIVE_TIMEOUT_S = 20.0, 15.0
"""A connection with calls on it from which nothing came for the first is asked whether it still stands; without an
answer within the second its calls fail with UNAVAILABLE."""

Credential = str | os.PathLike[str] | bytes
"""A PEM file, or its bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Encryption. No authority given: the system's. With certificate and key the client shows itself too (mTLS).

    `server_name` replaces the host name the server's certificate is checked against.
    """

    authority: Credential | None = None
    certificate: Credential | None = None
    key: Credential | None = None
    server_name: str = ""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("mutual TLS needs both certificate and key")


class InsecureTokenError(ValueError):
    """The token would travel unencrypted to another machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where and how to connect. A token is never sent unencrypted to another machine unless that is asked for."""

    target: str
    token: str | None = None
    tls: Tls | None = None
    allow_insecure_token: bool = False

    def __post_init__(self) -> None:
        if not self.target:
            raise ValueError("target must be host:port")
        if self.token and not all("!" <= letter <= "~" for letter in self.token):
            raise ValueError("token must be printable ASCII without spaces or line breaks: strip it")
        if self.token and not self.tls and not self.allow_insecure_token and not is_local(self.target):
            raise InsecureTokenError(
                f"the token would travel unencrypted to {self.target}: pass tls=Tls(), or "
                "allow_insecure_token=True when something else encrypts (a service mesh)"
            )

    @property
    def call_metadata(self) -> tuple[tuple[str, str], ...]:
        """Sent with each call on an unencrypted channel; on an encrypted one its credentials carry the token."""
        return (("authorization", f"Bearer {self.token}"),) if self.token and not self.tls else ()


def is_local(target: str) -> bool:
    """Whether a gRPC target is on this machine. A name that only looks like an address of it is not."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    host = target.removeprefix("dns:///").rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def service_config() -> dict[str, Any]:
    """The retry policy shipped for any client in any language: idempotent calls only."""
    config: dict[str, Any] = json.loads(files("equivox").joinpath("service_config.json").read_text("utf-8"))
    return config


def client_service_config() -> dict[str, Any]:
    """The shipped policy and Enroll: this client sends an idempotency key with each, so that a repeat is harmless."""
    config = service_config()
    config["methodConfig"][0]["name"].append({"service": "equivox.v1.Profiles", "method": "Enroll"})
    return config


def open_channel(connection: Connection) -> grpc.Channel:
    """A channel for blocking calls."""
    if connection.tls is None:
        return grpc.insecure_channel(connection.target, _options(connection))
    return grpc.secure_channel(connection.target, _credentials(connection, connection.tls), _options(connection))


def open_async_channel(connection: Connection) -> grpc.aio.Channel:
    """A channel for calls awaited on the running event loop."""
    if connection.tls is None:
        return grpc.aio.insecure_channel(connection.target, _options(connection))
    return grpc.aio.secure_channel(connection.target, _credentials(connection, connection.tls), _options(connection))


def _options(connection: Connection) -> list[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        ("grpc.service_config", json.dumps(client_service_config())),
        ("grpc.enable_retries", 1),
        ("grpc.per_rpc_retry_buffer_size", RETRY_BUFFER_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", -1),
        ("grpc.keepalive_time_ms", round(1000 * KEEPALIVE_S)),
        ("grpc.keepalive_timeout_ms", round(1000 * KEEPALIVE_TIMEOUT_S)),
        # The same for pings of other purpose: while one is unanswered no other is sent, and gRPC gives it a minute.
        ("grpc.http2.ping_timeout_ms", round(1000 * KEEPALIVE_TIMEOUT_S)),
        # A caller may wait for long and send nothing meanwhile: gRPC's own default is to ask twice and then hope.
        ("grpc.http2.max_pings_without_data", 0),
    ]
    if is_local(connection.target):
        # gRPC itself would take what is for this machine to $http_proxy, and a token in clear with it.
        options.append(("grpc.enable_http_proxy", 0))
    if connection.tls and connection.tls.server_name:
        options.append(("grpc.ssl_target_name_override", connection.tls.server_name))
    return options


def _credentials(connection: Connection, tls: Tls) -> grpc.ChannelCredentials:
    channel = grpc.ssl_channel_credentials(
        root_certificates=_pem(tls.authority), private_key=_pem(tls.key), certificate_chain=_pem(tls.certificate)
    )
    if not connection.token:
        return channel
    return grpc.composite_channel_credentials(channel, grpc.access_token_call_credentials(connection.token))


def _pem(credential: Credential | None) -> bytes | None:
    return credential if credential is None or isinstance(credential, bytes) else Path(credential).read_bytes()
