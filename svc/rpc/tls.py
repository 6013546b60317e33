"""The server's certificates: checked before they are used, and read again when their files are renewed."""

import ssl
from pathlib import Path
from threading import Lock

import grpc

from svc.config import ServerConfig
from svc.rpc.telemetry import log

Stamps = list[tuple[int, int, int]]


def server_credentials(config: ServerConfig) -> grpc.ServerCredentials | None:
    """TLS, mutual when client certificates are asked for; None = plain. Raises ValueError, OSError."""
    if not (config.tls_certificate and config.tls_key):
        if config.tls_certificate or config.tls_key or config.tls_client_authority:
            raise ValueError("TLS needs both tls_certificate and tls_key; tls_client_authority is in addition to them")
        return None
    files = CertificateFiles(config.tls_certificate, config.tls_key, authority=config.tls_client_authority)
    return grpc.dynamic_ssl_server_credentials(
        files.read(),
        files.renewed,  # type: ignore[arg-type]  # None, as before, is known to gRPC and not to its stubs
        require_client_authentication=config.tls_client_authority is not None,
    )


class CertificateFiles:
    """Asked at every handshake whether they are others now. A renewal that does not fit is logged once and waited out:
    certificate and key may be replaced one after the other.
    """

    def __init__(self, certificate: Path, key: Path, *, authority: Path | None) -> None:
        self.certificate = certificate
        self.key = key
        self.authority = authority
        self._lock = Lock()
        self._served = self._stamps()
        self._told: Stamps | None = self._served  # of the files that were last told to be unfit; None = there were none

    def read(self) -> grpc.ServerCertificateConfiguration:
        """What they hold. Raises ValueError naming those at fault, OSError."""
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        check_pem(self.certificate, self.key, authority=self.authority)
        authority = self.authority.read_bytes() if self.authority else None
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=authority)

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """None = as before, or nothing that could be served."""
        with self._lock:
            found = None
            try:
                if (found := self._stamps()) == self._served:
                    return None
                read = self.read()
            except (OSError, ValueError) as error:
                # Tried again at the next handshake: that a file may be read now changes none of its stamps.
                if found != self._told:
                    log.error("certificate not renewed", message=str(error))
                self._told = found
                return None
            self._served = found
        log.info("certificate renewed", certificate=str(self.certificate))
        return read

    def _stamps(self) -> Stamps:
        """Through links, which is how a cluster replaces files."""
        files = (self.certificate, self.key, *([self.authority] if self.authority else []))
        return [(found.st_ino, found.st_mtime_ns, found.st_size) for found in (file.stat() for file in files)]


def check_pem(certificate: Path, key: Path, *, authority: Path | None) -> None:
    """Raises ValueError naming the files at fault: of them gRPC says no more than that it cannot bind."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password="")  # else it would ask for one at the terminal
    except ssl.SSLError as error:
        raise ValueError(
            f"server.tls_certificate {certificate} and server.tls_key {key} do not fit ({error}): give a certificate "
            "and its own key, both as PEM, the key unencrypted"
        ) from error
    if authority is None:
        return
    try:
        context.load_verify_locations(authority)
    except ssl.SSLError as error:
        raise ValueError(f"server.tls_client_authority {authority} is no certificate as PEM ({error})") from error
