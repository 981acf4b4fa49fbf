"""Routes with which staff edit their institution and its branches: fields, the logo and photos."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message
from gateway.api.institution_models import (
    BRANCH_EXAMPLE,
    FILE_EXAMPLE,
    INSTITUTION_EXAMPLE,
    Branch,
    BranchBody,
    Institution,
    InstitutionBody,
    Picture,
    StoredPicture,
    branch_of,
    institution_of,
)
from gateway.api.institutions import CodeInInstitution, InstitutionCode, public
from gateway.api.openapi import ApiRoute, documented
from gateway.api.writes import Version, version_tag
from gateway.clients import Catalog, call
from gateway.request_guard import accept_bodies
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter(tags=["institutions"], route_class=ApiRoute)

# More than the limit of the service, so that the service refuses the picture with its own sentence.
LONGEST_PICTURE_BYTES = 13 * 1024 * 1024
_STORED = {"picture": {"id": FILE_EXAMPLE, "url": f"/files/{FILE_EXAMPLE}"}, "version": 2}
FileId = Annotated[str, Path(description="Identifier of a file.", examples=[FILE_EXAMPLE])]


def _documented(
    summary: str, example: Any, method: str, *, takes_picture: bool = False, status: int = 200
) -> dict[str, Any]:
    """Return arguments of a router's decorator for a method of the catalogue."""
    errors = (404, 409, 413) if takes_picture else (404, 409)
    arguments = documented(summary, f"catalog.{method}", errors=errors, example=example, status=status)
    if takes_picture:
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        arguments["openapi_extra"] |= {"requestBody": {"required": True, "content": content}}
    return arguments


@router.patch(
    "/institutions/{institution}",
    **_documented("Change an institution", INSTITUTION_EXAMPLE | {"version": 2}, "EditInstitution"),
)
async def edit_institution(
    request: Request,
    response: Response,
    institution: InstitutionCode,
    body: InstitutionBody,
    catalog: Catalog,
    version: Version,
) -> Institution:
    """Change the description of the caller's institution; later loads of the institutions file keep the change."""
    message = wire.EditInstitutionRequest(
        code=institution,
        version=version,
        values=to_message(wire.Institution, body),
        fields=sorted(body.model_fields_set),
    )
    reply = await call(request, catalog.EditInstitution, message)
    return public(response, institution_of(reply.institution), reply.institution.version)


@router.patch(
    "/branches/{institution}/{code}",
    **_documented("Change a branch", BRANCH_EXAMPLE | {"version": 2}, "EditBranch"),
)
async def edit_branch(
    request: Request,
    response: Response,
    institution: InstitutionCode,
    code: CodeInInstitution,
    body: BranchBody,
    catalog: Catalog,
    version: Version,
) -> Branch:
    """Change the description of a branch of the caller's institution; later loads of the file keep the change."""
    message = wire.EditBranchRequest(
        institution=institution,
        code=code,
        version=version,
        values=to_message(wire.Branch, body),
        fields=sorted(body.model_fields_set),
    )
    reply = await call(request, catalog.EditBranch, message)
    return public(response, branch_of(reply.branch), reply.branch.version)


@router.put(
    "/institutions/{institution}/logo",
    **_documented("Store a logo", _STORED, "PutPicture", takes_picture=True),
)
@accept_bodies(LONGEST_PICTURE_BYTES)
async def put_logo(
    request: Request, response: Response, institution: InstitutionCode, catalog: Catalog, version: Version
) -> StoredPicture:
    """Replace the logo of the caller's institution: PNG, JPEG, WebP or SVG, at most 12 MB."""
    return await _put(request, response, catalog, institution, "", "logo", version)


@router.post(
    "/institutions/{institution}/photos",
    **_documented("Add a photo", _STORED, "PutPicture", takes_picture=True, status=201),
)
@accept_bodies(LONGEST_PICTURE_BYTES)
async def add_photo(
    request: Request, response: Response, institution: InstitutionCode, catalog: Catalog, version: Version
) -> StoredPicture:
    """Add a photo of the caller's institution: JPEG, PNG or WebP, at most 12 MB. Its metadata is removed."""
    return await _put(request, response, catalog, institution, "", "photo", version)


@router.put(
    "/branches/{institution}/{code}/photo",
    **_documented("Store a branch's photo", _STORED, "PutPicture", takes_picture=True),
)
@accept_bodies(LONGEST_PICTURE_BYTES)
async def put_branch_photo(
    request: Request,
    response: Response,
    institution: InstitutionCode,
    code: CodeInInstitution,
    catalog: Catalog,
    version: Version,
) -> StoredPicture:
    """Replace the photo of a branch: JPEG, PNG or WebP, at most 12 MB. Its metadata is removed."""
    return await _put(request, response, catalog, institution, code, "photo", version)


@router.delete(
    "/institutions/{institution}/pictures/{file_id}",
    **_documented("Remove a logo or a photo", None, "RemovePicture", status=204),
)
async def remove_picture(
    request: Request,
    response: Response,
    institution: InstitutionCode,
    file_id: FileId,
    catalog: Catalog,
    version: Version,
) -> None:
    """Remove the logo or a photo of the caller's institution."""
    await _remove(request, response, catalog, institution, "", file_id, version)


@router.delete(
    "/branches/{institution}/{code}/pictures/{file_id}",
    **_documented("Remove a branch's photo", None, "RemovePicture", status=204),
)
async def remove_branch_picture(
    request: Request,
    response: Response,
    institution: InstitutionCode,
    code: CodeInInstitution,
    file_id: FileId,
    catalog: Catalog,
    version: Version,
) -> None:
    """Remove the photo of a branch."""
    await _remove(request, response, catalog, institution, code, file_id, version)


async def _put(
    request: Request, response: Response, catalog: Catalog, institution: str, branch: str, kind: str, version: int
) -> StoredPicture:
    content = await request.body()
    message = wire.PutPictureRequest(
        institution=institution, branch=branch, version=version, kind=kind, content=content
    )
    reply = await call(request, catalog.PutPicture, message)
    picture = Picture(id=reply.file, url=f"/files/{reply.file}")
    return public(response, StoredPicture(picture=picture, version=reply.version), reply.version)


async def _remove(
    request: Request, response: Response, catalog: Catalog, institution: str, branch: str, file_id: str, version: int
) -> None:
    message = wire.RemovePictureRequest(institution=institution, branch=branch, version=version, file=file_id)
    reply = await call(request, catalog.RemovePicture, message)
    response.headers["ETag"] = version_tag(reply.version)
