"""Certificates in files: reading, fingerprints, and the check of the authority that signed them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization

from chassis.errors import Unavailable

# File names in the folder of `tls init`, without .crt and .key.
AUTHORITY, MACHINE = "authority", "server"


def load_certificate(path: Path) -> x509.Certificate:
    """Read a certificate. Raises Unavailable TLS_FILE_UNUSABLE."""
    certificate: x509.Certificate = load_pem(path, x509.load_pem_x509_certificate)
    return certificate


def load_pem(path: Path, read: Callable[[bytes], Any]) -> Any:
    """Return the content of a file as parsed by `read`. Raises Unavailable TLS_FILE_UNUSABLE."""
    try:
        return read(path.read_bytes())
    except (OSError, ValueError, TypeError) as problem:
        why = getattr(problem, "strerror", None) or str(problem).partition("\n")[0]
        raise Unavailable("TLS_FILE_UNUSABLE", file=str(path), why=why) from None


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate in the form that devices show: AB:CD:…"""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Return whether an authority has signed a certificate."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
