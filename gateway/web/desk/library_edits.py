"""/desk/libraries: managers edit the descriptions and pictures of the institution and its branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, Forbidden, Invalid, NotFound, Outdated
from gateway.clients import call, catalog
from gateway.libraries import libraries
from gateway.negotiation import language
from gateway.request_guard import accept_bodies
from gateway.sessions import session_of
from gateway.web.desk.library_fields import (
    BRANCH_FIELDS,
    INSTITUTION_FIELDS,
    KINDS,
    LINK_KINDS,
    Place,
    Values,
    changed_fields,
    fill,
    input_of,
    inputs_of,
    is_position,
    read_values,
    values_of,
)
from gateway.web.forms import Fields, Form, SignedInRouter, read_form, read_upload, redirect, refuse, signed_in_form
from gateway.web.hits import local_text
from gateway.web.library import branch_path, contact_lines, map_links, picture_address, place_of
from gateway.web.rendering import page
from gateway.web.texts import Wording, wording
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = SignedInRouter()

ROOT = "/desk/libraries"
SCOPE = "institutions.write"
PREVIEW_WIDTH = 480
# More than the limit of the service, so that the service refuses the picture with its own sentence.
_LONGEST_UPLOAD_BYTES = 13 * 1024 * 1024
# Beginnings of the reasons why a picture is refused.
_PICTURE_REASONS = ("PICTURE_", "PHOTOS_", "SVG_")


@dataclass(frozen=True, slots=True)
class Edited:
    """The object of an edit page: the institution (`code` is "") or a branch, in its current state."""

    institution: str
    code: str
    place: Place

    @property
    def fields(self) -> Sequence[str]:
        return BRANCH_FIELDS if self.code else INSTITUTION_FIELDS

    @property
    def path(self) -> str:
        return f"{ROOT}/branches/{self.code}" if self.code else f"{ROOT}/institution"

    def pictures(self) -> list[str]:
        if isinstance(self.place, wire.Branch):
            return [self.place.photo] if self.place.photo else []
        return list(self.place.photos)


@router.get(ROOT)
async def list_places(request: Request) -> Response:
    """List the institution and its branches, each with a link to its form."""
    own = await _institution(request)
    branches = await call(request, catalog(request).ListBranches, wire.ListBranchesRequest(institution=own.code))
    lang = language(request)
    return page(
        request,
        "library_list.html",
        institution=local_text(own.name, lang) or own.code,
        branches=[
            (branch.code, local_text(branch.name, lang) or branch.code, place_of(branch.contact), branch.confirmed)
            for branch in branches.branches
        ],
    )


@router.get(ROOT + "/institution")
@router.get(ROOT + "/branches/{code}")
async def show(request: Request) -> Response:
    edited = await _edited(request)
    note = {"1": "libraries.saved", "picture": "libraries.picture_saved"}.get(request.query_params.get("saved", ""), "")
    return _page(request, edited, _form(request, values_of(edited.place, edited.fields), edited.place), note=note)


@router.post(ROOT + "/institution")
@router.post(ROOT + "/branches/{code}")
async def save(request: Request) -> Response:
    """Save the changed fields, or show a preview. A conflict with another change shows both values."""
    fields = await read_form(request)
    edited, words = await _edited(request), wording(language(request))
    values = read_values(fields, edited.fields)
    before = _before(fields)
    form = _form(request, values, edited.place, before=before, version=fields.text("version"))
    changed = changed_fields(values, before, edited.fields)
    if "position" in changed and not is_position(values["position"]):
        form.add_error("position", words.say("libraries.position_wrong"))
        return _page(request, edited, form)
    if fields.get("act") == "preview":
        return _page(request, edited, form, preview=_preview(edited, values, changed, words.language))
    try:
        await _send(request, edited, values, changed, fields.version())
    except Outdated:
        latest = await _edited(request)
        return _conflict(request, latest, values, before)
    except (NotFound, Forbidden):
        raise
    except Error as problem:
        places = {str(refusal.facts.get("field", "")): "" for refusal in problem.refusals}
        places = {field: input_of(field) for field in places}
        refuse(request, form, problem, places)
        for field, place in places.items():
            if place in form.errors:
                form.errors[place] = _named(form.errors[place], field, words)
        return _page(request, edited, form)
    libraries(request).renew()
    return redirect(f"{edited.path}?saved=1")


@router.post(ROOT + "/institution/pictures")
@router.post(ROOT + "/branches/{code}/pictures")
@accept_bodies(_LONGEST_UPLOAD_BYTES)
async def change_pictures(request: Request) -> Response:
    """Store or remove a logo or a photo."""
    fields, content = await read_upload(request, "picture")
    edited = await _edited(request)
    of: dict[str, Any] = {"institution": edited.institution, "branch": edited.code, "version": fields.version()}
    stub = catalog(request)
    try:
        if fields.get("remove"):
            await call(request, stub.RemovePicture, wire.RemovePictureRequest(**of, file=fields["remove"]))
        elif content:
            kind = "logo" if fields.get("kind") == "logo" else "photo"
            await call(request, stub.PutPicture, wire.PutPictureRequest(**of, kind=kind, content=content))
        else:
            raise Invalid("PICTURE_MISSING")
    except Forbidden:
        raise
    except Error as problem:
        latest = await _edited(request)
        form = _form(request, values_of(latest.place, latest.fields), latest.place)
        place = "logo" if fields.get("kind") == "logo" else "photo"
        reasons = [refusal.reason for refusal in problem.refusals if refusal.reason.startswith(_PICTURE_REASONS)]
        refuse(request, form, problem, dict.fromkeys(reasons, place))
        return _page(request, latest, form)
    libraries(request).renew()
    return redirect(f"{edited.path}?saved=picture")


async def _institution(request: Request) -> wire.Institution:
    """Return the institution of the person who is signed in, if the person may change it.

    raises  Forbidden  LIBRARY_NOT_YOURS_TO_CHANGE
    """
    session = session_of(request)
    assert session is not None  # SignedInRouter
    if SCOPE not in session.account.scopes:
        raise Forbidden("LIBRARY_NOT_YOURS_TO_CHANGE")
    message = wire.ListInstitutionsRequest(code=session.account.institution)
    return (await call(request, catalog(request).ListInstitutions, message)).institutions[0]


async def _edited(request: Request) -> Edited:
    own, code = await _institution(request), request.path_params.get("code", "")
    if not code:
        return Edited(own.code, "", own)
    message = wire.ListBranchesRequest(institution=own.code, code=code)
    (branch,) = (await call(request, catalog(request).ListBranches, message)).branches
    return Edited(own.code, branch.code, branch)


async def _send(request: Request, edited: Edited, values: Values, changed: list[str], version: int) -> None:
    stub = catalog(request)
    if edited.code:
        branch = wire.Branch()
        fill(branch, values, changed)
        of_branch: dict[str, Any] = {"institution": edited.institution, "code": edited.code, "version": version}
        await call(request, stub.EditBranch, wire.EditBranchRequest(**of_branch, values=branch, fields=changed))
    else:
        institution = wire.Institution()
        fill(institution, values, changed)
        message = wire.EditInstitutionRequest(
            code=edited.institution, version=version, values=institution, fields=changed
        )
        await call(request, stub.EditInstitution, message)


def _form(request: Request, values: Values, place: Place, *, before: Values | None = None, version: str = "") -> Form:
    """Return a form that includes its original values, so that only changed fields are saved."""
    began = values if before is None else before
    hidden = {"before": orjson.dumps(began).decode(), "version": version or str(place.version)}
    return signed_in_form(request, {**values, **hidden, "logo": "", "photo": ""})


def _before(fields: Fields) -> Values:
    """Return the original values of the form; empty when they are not a JSON object."""
    try:
        before = orjson.loads(fields.get("before", ""))
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(before, dict):
        return {}
    return {name: value for name, value in before.items() if isinstance(value, str)}


def _page(
    request: Request,
    edited: Edited,
    form: Form,
    *,
    note: str = "",
    preview: dict[str, Any] | None = None,
) -> Response:
    lang, place = language(request), edited.place
    kind = str(form.values.get("kind", ""))
    return page(
        request,
        "library_form.html",
        form=form,
        path=edited.path,
        is_branch=bool(edited.code),
        name=local_text(place.name, lang) or place.code,
        public_path=branch_path(edited.institution, edited.code) if edited.code else "/branches",
        kinds=[*KINDS, kind] if kind and kind not in KINDS else KINDS,
        link_kinds=LINK_KINDS,
        logo="" if isinstance(place, wire.Branch) else place.logo,
        logo_address="" if isinstance(place, wire.Branch) else picture_address(place.logo, width=PREVIEW_WIDTH),
        photos=[(photo, picture_address(photo, width=PREVIEW_WIDTH)) for photo in edited.pictures()],
        note=note,
        preview=preview,
    )


def _preview(edited: Edited, values: Values, changed: list[str], lang: str) -> dict[str, Any]:
    """Return the data of the public page with the changed values."""
    place: Place = type(edited.place)()
    place.CopyFrom(edited.place)  # type: ignore[arg-type]
    fill(place, values, changed)
    name = local_text(place.name, lang) or place.code
    shown: dict[str, Any] = {
        "name": name,
        "place": place_of(place.contact),
        "contact": contact_lines(place.contact),
        **dict.fromkeys(("short_name", "motto"), ""),
        **dict.fromkeys(("maps", "services", "accessibility"), ()),
    }
    if isinstance(place, wire.Institution):
        return shown | {"short_name": local_text(place.short_name, lang), "motto": local_text(place.motto, lang)}
    return shown | {
        "maps": map_links(place, name),
        "services": [local_text(text, lang) for text in place.services],
        "accessibility": [local_text(text, lang) for text in place.accessibility],
    }


def _conflict(request: Request, latest: Edited, values: Values, before: Values) -> Response:
    """Show where values that another person saved differ from the typed values. Saving again overwrites them."""
    now = values_of(latest.place, latest.fields)
    mine = changed_fields(values, before, latest.fields)
    # Fields that the form did not change get their current value.
    merged = {
        name: values[name] if field in mine else now[name] for field in latest.fields for name in inputs_of(field)
    }
    rows = [
        (name, now[name], merged[name])
        for field in latest.fields
        for name in inputs_of(field)
        if merged[name] != now[name] or now[name] != before.get(name, "")
    ]
    words = wording(language(request))
    return page(
        request,
        "library_conflict.html",
        form=_form(request, merged, latest.place, before=now),
        path=latest.path,
        name=local_text(latest.place.name, words.language) or latest.place.code,
        rows=[(label_of(name, words), theirs, own) for name, theirs, own in rows],
        inputs=merged,
        status=412,
    )


def label_of(name: str, words: Wording) -> str:
    """Return the label of an input."""
    field, _, part = name.partition(".")
    if field == "links":
        return words.say(f"contact.{part}")
    label = words.say(f"libraries.field.{field}")
    return f"{label} ({words.code('notice_language', part)})" if part in ("id", "en") else label


def _named(sentence: str, field: str, words: Wording) -> str:
    """Return the sentence of a refusal with the field's label in place of the field's name."""
    label = label_of(field.partition(" ")[0], words)
    return label + sentence.removeprefix(field) if sentence.startswith(field) else sentence
