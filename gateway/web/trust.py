"""/trust and /authority.crt: the local certificate authority of `tls init`, and how devices are made to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound, Unavailable
from chassis.operations.certificate_files import AUTHORITY, fingerprint, is_signed_by, load_certificate, pem
from chassis.settings import Settings
from gateway.web.rendering import page

router = APIRouter()

# In the order of the page. The texts have the menu paths of each system.
SYSTEMS = ("android", "ios", "windows", "macos", "linux", "firefox")


@dataclass(frozen=True, slots=True)
class LocalAuthority:
    """The authority that `tls init` made: its certificate in PEM, and the SHA-256 fingerprint that people compare."""

    certificate: bytes
    fingerprint: str


def local_authority(settings: Settings) -> LocalAuthority | None:
    """Return the authority in the folder of TLS_CERT; None when there is none, or it did not sign TLS_CERT."""
    if not settings.tls_cert:
        return None
    path = Path(settings.tls_cert)
    try:
        authority, own = load_certificate(path.with_name(f"{AUTHORITY}.crt")), load_certificate(path)
    except Unavailable:
        return None
    return LocalAuthority(pem(authority), fingerprint(authority)) if is_signed_by(own, authority) else None


@router.get("/authority.crt")
async def certificate(request: Request) -> Response:
    # Android and iOS offer to install a file of this type.
    headers = {"Cache-Control": "no-cache", "Content-Disposition": 'attachment; filename="authority.crt"'}
    return Response(_authority(request).certificate, media_type="application/x-x509-ca-cert", headers=headers)


@router.get("/trust")
async def trust(request: Request) -> Response:
    return page(request, "trust.html", fingerprint=_authority(request).fingerprint, systems=SYSTEMS)


def _authority(request: Request) -> LocalAuthority:
    authority: LocalAuthority | None = request.app.state.authority
    if authority is None:
        raise NotFound("ROUTE_NOT_FOUND")
    return authority
