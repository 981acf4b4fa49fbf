"""`rangkiang tls init`: the library's own authorities, a certificate of this machine, and one of each service.

People install the first authority in their devices. It may sign only names of this machine and private addresses, so
that its key cannot be used to imitate other sites. The second authority, which browsers do not trust, signs the
certificates of the services. Doctor checks when certificates expire.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import shutil
import socket
import struct
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chassis import clock
from chassis.errors import Invalid, Unavailable
from chassis.metrics import telemetry
from chassis.operations.certificate_files import AUTHORITY, MACHINE, fingerprint, load_certificate, load_pem, pem
from chassis.operations.health import Finding
from chassis.output import print_json, print_text
from chassis.sentences import sentence
from chassis.service import GATEWAY_SETTINGS, discover, process_settings, service_names
from chassis.settings import Settings
from chassis.urls import resolve

AUTHORITY_YEARS = 10
# Apple's systems accept server certificates of at most 825 days.
DAYS = 800
WARNING = timedelta(days=30)
SERVICES_AUTHORITY, GATEWAY = "services-authority", "gateway"
PRIVATE = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
    "fc00::/7", "fe80::/10", "::1/128",
)  # fmt: skip
SIOCGIFADDR = 0x8915  # Linux: the IPv4 address of an interface

Key = ec.EllipticCurvePrivateKey
Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]
app = typer.Typer(name="tls", add_completion=False, no_args_is_help=True)


@app.callback()
def tls() -> None:
    """Certificates of this machine and of the services."""


@app.command()
def init(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="DATA/tls by default.")] = None,
    host: Annotated[list[str] | None, typer.Option("--host", help="One more name or address of this machine.")] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Keep the authorities and keys of DIR, if any, and sign anew.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a certificate for this machine, one for each service, and their authorities."""
    settings = process_settings(discover(), gateway=True)
    with telemetry.command(settings):
        folder = (folder or settings.data / "tls").absolute()
        names = names_of_machine(host or (), settings.of(resolve(GATEWAY_SETTINGS)).public_url)
        end = make_certificates(folder, names, renew=renew)
        digest = fingerprint(load_certificate(folder / f"{AUTHORITY}.crt"))
    if json:
        facts = {"folder": str(folder), "names": names, "ends": end.isoformat(), "fingerprint": digest}
        print_json({**facts, **_paths(folder)})
        return
    text = sentence("TLS_MADE", names=", ".join(names), folder=str(folder), end=f"{end:%Y-%m-%d}", fingerprint=digest)
    print_text(text.in_language(settings.language))


def make_certificates(folder: Path, names: list[str], *, renew: bool) -> datetime:
    """Write the authorities, and the certificates and keys of this machine and of each service.

    names    host names and IP addresses of this machine
    renew    keep the authorities and the keys that are there
    returns  when the certificates expire, UTC
    raises   Invalid      TLS_EXISTS, TLS_NAME_OUTSIDE: the existing authority may not sign one of the names
             Unavailable  FOLDER_UNUSABLE, TLS_FILE_UNUSABLE
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            if not renew:
                raise Invalid("TLS_EXISTS", folder=str(folder))
            return _sign_all(folder, names)
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700, parents=True)
        _make_authority(partial, AUTHORITY, names)
        _make_authority(partial, SERVICES_AUTHORITY, [])
        end = _sign_all(partial, names)
        partial.rename(folder)
        return end
    except OSError as problem:
        raise Unavailable("FOLDER_UNUSABLE", folder=str(folder), why=problem.strerror) from None


def _paths(folder: Path) -> dict[str, Any]:
    def pair(name: str) -> dict[str, str]:
        return {"certificate": str(folder / f"{name}.crt"), "key": str(folder / f"{name}.key")}

    services = {name: pair(name) for name in (*service_names(), GATEWAY)}
    authorities = {
        "authority": str(folder / f"{AUTHORITY}.crt"),
        "services_authority": str(folder / f"{SERVICES_AUTHORITY}.crt"),
    }
    return {**authorities, **pair(MACHINE), "services": services}


def _sign_all(folder: Path, names: list[str]) -> datetime:
    _refuse_names_outside(load_certificate(folder / f"{AUTHORITY}.crt"), names)
    server, client = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
    end = _sign(folder, MACHINE, names, AUTHORITY, [server])
    for service in (*service_names(), GATEWAY):
        # Other services identify a service by this common name.
        _sign(folder, service, _service_names(service), SERVICES_AUTHORITY, [server, client])
    return end


def _sign(folder: Path, name: str, own: list[str], issuer: str, usages: list[x509.ObjectIdentifier]) -> datetime:
    """Sign a certificate for these names; make its key unless it exists. Returns when the certificate expires."""
    authority, authority_key = load_certificate(folder / f"{issuer}.crt"), _load_key(folder / f"{issuer}.key")
    path = folder / f"{name}.key"
    key = _load_key(path) if path.exists() else _make_key(path)
    end = min(clock.now() + timedelta(days=DAYS), authority.not_valid_after_utc)
    builder = (
        _builder(own[0], key, end)
        .issuer_name(authority.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(text) for text in own]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    _write(folder / f"{name}.crt", pem(builder.sign(authority_key, hashes.SHA256())), mode=0o644)
    return end


def _service_names(service: str) -> list[str]:
    """Return the host names of a service for other processes: on Kubernetes, with compose, and on one machine."""
    return [service, f"{service}-serve", "localhost", "127.0.0.1", "::1"]


def _make_authority(folder: Path, name: str, names: list[str]) -> None:
    """Make an authority that may sign these names and private addresses; without names, any name."""
    key = _make_key(folder / f"{name}.key")
    title = f"Rangkiang {names[0]}" if names else "Rangkiang services"
    subject = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Rangkiang"),
        x509.NameAttribute(NameOID.COMMON_NAME, title[:64]),
    ])  # fmt: skip
    builder = (
        _builder("", key, clock.now() + timedelta(days=365 * AUTHORITY_YEARS))
        .subject_name(subject)
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    if names:
        networks = [*PRIVATE, *(text for text in names if (address := _address(text)) and not _is_private(address))]
        permitted: list[x509.GeneralName] = [x509.DNSName(text) for text in names if not _address(text)]
        permitted += [x509.IPAddress(ipaddress.ip_network(network)) for network in networks]
        builder = builder.add_extension(x509.NameConstraints(permitted, None), critical=True)
    _write(folder / f"{name}.crt", pem(builder.sign(key, hashes.SHA256())), mode=0o644)


def _refuse_names_outside(authority: x509.Certificate, names: Iterable[str]) -> None:
    """Raise Invalid TLS_NAME_OUTSIDE for a name that browsers would not accept from this authority."""
    permitted = authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    hosts = [name.value for name in permitted if isinstance(name, x509.DNSName)]
    networks = [name.value for name in permitted if isinstance(name, x509.IPAddress)]
    for text in names:
        address = _address(text)
        if not (
            any(address in network for network in networks)  # type: ignore[operator]
            if address
            else any(text == host or text.endswith(f".{host}") for host in hosts)
        ):
            raise Invalid("TLS_NAME_OUTSIDE", name=text)


def _builder(common_name: str, key: Key, end: datetime) -> x509.CertificateBuilder:
    builder = (
        x509.CertificateBuilder()
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Valid from an earlier time, because clocks of phones and old computers may be late.
        .not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if common_name:
        builder = builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])]))
    return builder


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def names_of_machine(more: Iterable[str], public_url: str) -> list[str]:
    """List the host names and addresses under which browsers reach this machine, the host name first."""
    host = socket.gethostname().lower()
    names = [host, *more, urlsplit(public_url).hostname or "", f"{host.partition('.')[0]}.local", "localhost"]
    names += [*_addresses(), "127.0.0.1", "::1"]
    return list(dict.fromkeys(name for name in names if name))


def _addresses() -> list[str]:
    """List the IPv4 addresses of this machine's interfaces."""
    addresses = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, interface in socket.if_nameindex():
            try:
                reply = fcntl.ioctl(probe, SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
            except OSError:
                continue  # the interface has no address
            addresses.append(socket.inet_ntoa(reply[20:24]))
    return [address for address in addresses if not ipaddress.ip_address(address).is_loopback]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def _is_private(address: Any) -> bool:
    return any(address in ipaddress.ip_network(network) for network in PRIVATE)


def _general_name(text: str) -> x509.GeneralName:
    address = _address(text)
    return x509.IPAddress(address) if address else x509.DNSName(text)


def _make_key(path: Path) -> Key:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(path, pem, mode=0o600)
    return key


def _load_key(path: Path) -> Key:
    key = load_pem(path, lambda content: serialization.load_pem_private_key(content, None))
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Unavailable("TLS_FILE_UNUSABLE", file=str(path), why="not a key of an elliptic curve")
    return key


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file in one step: it is complete or does not exist."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)  # whatever the umask is: devices get the certificates of authorities
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def check_certificates(settings: Settings) -> list[Finding]:
    """Check that the certificates of the settings are valid for at least 30 more days."""
    findings = []
    for variable, path in {"TLS_CERT": settings.tls_cert, "GRPC_CERT": settings.grpc_cert}.items():
        if not path:
            continue
        end = load_certificate(Path(path)).not_valid_after_utc
        is_well = end - clock.now() > WARNING
        message = sentence(
            "CHECK_CERTIFICATE" if is_well else "CHECK_CERTIFICATE_ENDS", file=path, end=f"{end:%Y-%m-%d}"
        )
        advice = [] if is_well else [sentence("CHECK_CERTIFICATE_ENDS_ADVICE")]
        findings.append(Finding(f"certificate of {variable}", is_well, message, *advice))
    return findings
