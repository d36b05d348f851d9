"""Keys that sign what we publish: ECDSA on P-256 with SHA-256, which cosign, DSSE's users and openssl all take."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from labwright.errors import Cause, LabwrightError
from labwright.spec.secret import check_reference, read_secret

LARGEST = 64 * 1024
"""Bytes of a PEM file."""
MAKE = "(umask 077; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing.key)"
UNSAFE_MODE = stat.S_IWGRP | stat.S_IRWXO
"""A group may read a key, as secrets are mounted for containers; nobody else may, and none may change it."""


@dataclass(frozen=True)
class PublicKey:
    """A key that checks signatures."""

    key: ec.EllipticCurvePublicKey

    @property
    def pem(self) -> bytes:
        """SubjectPublicKeyInfo in PEM (RFC 7468), as openssl and cosign read it."""
        return self.key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )  # fmt: skip

    @property
    def identifier(self) -> str:
        """The sha256 of its SubjectPublicKeyInfo in DER, in hexadecimal."""
        encoded = self.key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(encoded).hexdigest()

    def holds(self, signature: bytes, data: bytes) -> bool:
        """Whether a signature (ASN.1, RFC 3279, 2.2.3) of exactly these bytes is this key's."""
        try:
            self.key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class SigningKey:
    """A private key; no repr shows it."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The key that checks what this one signs."""
        return PublicKey(self.key.public_key())

    def sign(self, data: bytes) -> bytes:
        """A signature in ASN.1; another one at each call."""
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))


def load_private_key(reference: str, field_name: str, folder: Path) -> SigningKey:
    """The key behind env:NAME or file:/path, PEM in PKCS#8 or SEC 1.

    field_name: what asked for it, for errors. folder: what is published, which must not hold it. Raises LabwrightError
    (config) that repeats no part of the key.
    """
    try:
        check_reference(reference)
    except ValueError as error:
        raise LabwrightError(
            f"{field_name}: {error}", cause=Cause.CONFIG, hint=f"name a file: file:/path/signing.key. Make one: {MAKE}"
        ) from None
    data = read_secret(reference, field_name, folder)
    if reference.startswith("file:"):
        _check_mode(Path(reference.removeprefix("file:")).expanduser(), field_name)
    if b"ENCRYPTED" in data[:LARGEST]:
        raise _unfit(
            field_name,
            "the key is encrypted, and nobody is there at night to type its password",
            "take the password off (openssl pkey -in KEY -out signing.key; chmod 600 signing.key), and guard the file",
        )
    try:
        key = serialization.load_pem_private_key(data[:LARGEST], password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unfit(field_name, "there is no private key in PEM", f"make one: {MAKE}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _unfit(field_name, f"the key is {_kind(key)}, and cosign's signatures are by ECDSA P-256",
                     f"make one of that kind: {MAKE}")  # fmt: skip
    return SigningKey(key)


def load_public_key(path: Path) -> PublicKey:
    """A public key in PEM, as `openssl pkey -in signing.key -pubout` writes it. Raises LabwrightError (config)."""
    try:
        with path.open("rb") as stream:
            return parse_public_key(stream.read(LARGEST), str(path))
    except OSError as error:
        raise LabwrightError(
            f"the public key {path} cannot be read: {error.strerror}", cause=Cause.CONFIG, hint="name its PEM file"
        ) from error


def parse_public_key(data: bytes, source: str) -> PublicKey:
    """A public key from its PEM text. source: where it is from, for errors. Raises LabwrightError (config)."""
    hint = "take the public half of the key: openssl pkey -in signing.key -pubout -out signing.pub"
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unfit(source, "there is no public key in PEM", hint) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _unfit(source, f"the key is {_kind(key)}, and images are signed by ECDSA P-256", hint)
    return PublicKey(key)


def _check_mode(path: Path, field_name: str) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        # It was there a moment ago; what was read then is what counts.
        return
    if mode & UNSAFE_MODE:
        raise _unfit(field_name, f"others than its owner may use the key {path} (mode {mode:04o})",
                     f"chmod 600 {path}; if others had access to this machine, make a new key")  # fmt: skip


def _kind(key: object) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return f"on the curve {key.curve.name}"
    name = type(key).__name__.removeprefix("_").removesuffix("PrivateKey").removesuffix("PublicKey")
    return f"of the kind {name}"


def _unfit(where: str, what: str, hint: str) -> LabwrightError:
    return LabwrightError(f"{where}: {what}", cause=Cause.CONFIG, hint=hint)
