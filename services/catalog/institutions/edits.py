"""Edits of institutions and branches by staff: fields, and pictures one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.database import blobs
from chassis.database.blobs import Rendition
from chassis.errors import Forbidden, Invalid, NotFound, Outdated, Refused
from chassis.ids import parse_id
from services.catalog.institutions.descriptions import Place, change_fields, changed_since, value_of, version_of
from services.catalog.institutions.events import change_institutions
from services.catalog.institutions.fields import BRANCH_FIELDS, INSTITUTION_FIELDS, MOST_PHOTOS, check_fields
from services.catalog.institutions.files import drop_unused_files, files_of
from services.catalog.tables import Branch, Institution


def edit_institution(
    session: Session, code: str, version: int, values: Mapping[str, Any], *, context: Context
) -> Institution:
    """Set fields of the caller's institution.

    version  the version that the caller has read
    values   field -> value
    raises   the errors of open_place and check_fields
    emits    InstitutionsChanged
    """
    checked = check_fields(INSTITUTION_FIELDS, values)
    institution, _ = open_place(session, code, "", version, context=context)
    _change(session, institution, institution, checked, context=context)
    return institution


def edit_branch(
    session: Session, institution_code: str, code: str, version: int, values: Mapping[str, Any], *, context: Context
) -> Branch:
    """Set fields of a branch of the caller's institution.

    version, values, raises, emits  as in edit_institution
    """
    checked = check_fields(BRANCH_FIELDS, values)
    institution, branch = open_place(session, institution_code, code, version, context=context)
    if not isinstance(branch, Branch):
        raise NotFound("BRANCH_UNKNOWN", given=code)
    _change(session, institution, branch, checked, context=context)
    return branch


def put_picture(
    session: Session,
    code: str,
    branch: str,
    version: int,
    kind: str,
    renditions: Sequence[Rendition],
    *,
    context: Context,
) -> tuple[str, int]:
    """Store a logo or a photo. It replaces the logo, or the photo of a branch; an institution gets one more photo.

    renditions  from pictures.renditions_of
    returns     id of the file, new version of the place
    raises      Invalid  PICTURE_PLACE
                Refused  PHOTOS_FULL
                the errors of open_place and blobs.put
    emits       InstitutionsChanged
    """
    if branch and kind == "logo":
        raise Invalid("PICTURE_PLACE", kind=kind)
    institution, place = open_place(session, code, branch, version, context=context)
    file_id = blobs.id_of(renditions)
    values: dict[str, Any] = {"photo" if branch else "logo": file_id}
    if kind == "photo" and not branch:
        photos = value_of(place, "photos")
        if len(photos) >= MOST_PHOTOS and file_id not in photos:
            raise Refused("PHOTOS_FULL", most=MOST_PHOTOS)
        values = {"photos": [*(photo for photo in photos if photo != file_id), file_id]}
    blobs.put(session, institution.id, renditions)
    _change(session, institution, place, values, context=context)
    return file_id, version_of(place)


def remove_picture(session: Session, code: str, branch: str, version: int, file_id: str, *, context: Context) -> int:
    """Remove a picture of the caller's institution or of one of its branches. Returns the new version.

    raises  NotFound  FILE_NOT_FOUND
            the errors of open_place
    emits   InstitutionsChanged
    """
    institution, place = open_place(session, code, branch, version, context=context)
    for field in ("photo",) if branch else ("logo", "photos"):
        value = value_of(place, field)
        if field == "photos" and file_id in value:
            _change(
                session, institution, place, {field: [photo for photo in value if photo != file_id]}, context=context
            )
            return version_of(place)
        if file_id and value == file_id:
            _change(session, institution, place, {field: ""}, context=context)
            return version_of(place)
    raise NotFound("FILE_NOT_FOUND")


def open_place(
    session: Session, code: str, branch: str, version: int, *, context: Context
) -> tuple[Institution, Place]:
    """Lock the caller's institution, and return it with the place to edit: the institution itself or a branch.

    raises  NotFound   INSTITUTION_NOT_FOUND, BRANCH_UNKNOWN
            Forbidden  INSTITUTION_NOT_YOURS
            Outdated   VERSION_OUTDATED
    """
    institution_id = session.scalar(select(Institution.id).where(Institution.code == code))
    if institution_id is None:
        raise NotFound("INSTITUTION_NOT_FOUND", institution=code[:40])
    if institution_id != parse_id(context.institution):
        raise Forbidden("INSTITUTION_NOT_YOURS", institution=code)
    institution = session.scalars(select(Institution).where(Institution.id == institution_id).with_for_update()).one()
    place: Place = institution
    if branch:
        of_code = select(Branch).where(Branch.institution_id == institution.id, Branch.code == branch)
        row = session.scalars(of_code.with_for_update()).first()
        if row is None:
            raise NotFound("BRANCH_UNKNOWN", given=branch[:80])
        place = row
    current = version_of(place)
    if current != version:
        changed_at = place.changed_at or clock.now()
        changed = changed_since(place, version)
        raise Outdated.at_version(current, given=version, changed=changed, changed_at=changed_at)
    return institution, place


def _change(
    session: Session, institution: Institution, place: Place, values: Mapping[str, Any], *, context: Context
) -> None:
    before = files_of(session, institution.id)
    changes = change_fields(place, values, at=clock.now(), edited=True)
    if not changes:
        return
    if isinstance(place, Branch):
        place.confirmed = True
        if "name" in changes:
            institution.renamed_to = 0
    session.flush()
    drop_unused_files(session, institution.id, before)
    kind = "branch" if isinstance(place, Branch) else "institution"
    audit.record(session, context, f"catalog.edit_{kind}", kind=kind, object_id=place.id, facts=changes)
    change_institutions(session, [institution.id], context=context)
