"""Certificates that hold from one day to another."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def name_of(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Authority:
    """Signs certificates of machines."""

    key: ec.EllipticCurvePrivateKey

    @classmethod
    def new(cls) -> Authority:
        return cls(ec.generate_private_key(ec.SECP256R1()))

    def certificate(
        self, begins: float = -1, ends: float = 365, key: ec.EllipticCurvePrivateKey | None = None
    ) -> bytes:
        """begins, ends: days from now. key: of the machine; None for the authority's own certificate."""
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name_of("node" if key else "cluster"))
            .issuer_name(name_of("cluster"))
            .public_key((key or self.key).public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=begins))
            .not_valid_after(now + datetime.timedelta(days=ends))
            .add_extension(x509.BasicConstraints(ca=key is None, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)

    def files(self, folder: Path, begins: float = -1, ends: float = 365) -> tuple[Path, Path, Path]:
        """ca.pem, node.pem and node.key of a machine."""
        folder.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        places = (folder / "ca.pem", folder / "node.pem", folder / "node.key")
        for place, content in zip(places, (self.certificate(), self.certificate(begins, ends, key), text), strict=True):
            place.write_bytes(content)
        places[2].chmod(0o600)
        return places


def certificate(begins: float = -1, ends: float = 365) -> bytes:
    """One in PEM that an authority has for itself."""
    return Authority.new().certificate(begins, ends)
