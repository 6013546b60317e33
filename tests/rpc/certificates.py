"""A certificate authority for one test."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LIFETIME = timedelta(hours=1)


class Authority:
    """Signs certificates for localhost; files go to `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.key = ec.generate_private_key(ec.SECP256R1())
        signed = self._builder(self.name, self.key).add_extension(x509.BasicConstraints(True, 0), critical=True)
        self.certificate = self._write("authority.pem", signed)

    def issue(self, common_name: str) -> tuple[Path, Path]:
        """Certificate and key files of a server or client."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        alternative = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        certificate = self._write(f"{common_name}.pem", self._builder(name, key).add_extension(alternative, False))
        key_file = self.folder / f"{common_name}.key"
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, key_file

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - LIFETIME)
            .not_valid_after(now + LIFETIME)
        )

    def _write(self, file_name: str, builder: x509.CertificateBuilder) -> Path:
        path = self.folder / file_name
        path.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return path
