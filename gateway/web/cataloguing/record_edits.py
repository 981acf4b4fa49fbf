"""/catalogue/records/{id}/edit and /catalogue/records/new: a record as a form or as MARC, two views of one record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, Forbidden, NotFound, Outdated
from gateway.clients import call, catalog
from gateway.request_guard import accept_bodies
from gateway.web.cataloguing.drafts import (
    DISCARD,
    DRAFT,
    TEMPLATE,
    Kept,
    forget_draft,
    keep,
    offer_draft,
    read_template,
)
from gateway.web.cataloguing.edit_view import FORM, MARC, edit_view, input_name
from gateway.web.cataloguing.versions import shown_differences
from gateway.web.desk.actors import actor_name, names_of_actors
from gateway.web.forms import Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.hits import brief_record, local_text
from gateway.web.rendering import page
from gateway.web.site.record import optional
from gateway.web.texts import words_of
from rangkiang.catalog.v1 import browsing_pb2, cataloguing_pb2, duplicates_pb2
from rangkiang.catalog.v1 import edit_forms_pb2 as wire

router = SignedInRouter()

NEW = "/catalogue/records/new"
EDIT = "/catalogue/records/{record_id}/edit"
HEADINGS = "/catalogue/headings"
LISTS = ("author", "subject", "series")
MOST_HEADINGS = 10
ENTER = "enter"  # the act of the key Enter
SURE = "sure"  # of the act "save": also when the catalogue has records that may be the same
_LONGEST_HEADING = 500
_LONGEST_BODY_BYTES = 3 * 1024 * 1024
_MOST_FIELDS = 2_500
_VALUE = re.compile(r"[a-z_]+-(f|n?[0-9]+)-[a-z0-9]?[0-9]+")
_KEPT = ("view", "version", "material", "base", "text")
_SUBDIVISION = " -- "
_OF_TEMPLATE = dict.fromkeys(("TEMPLATE_NAME_INVALID", "TEMPLATE_NAME_TAKEN"), "template_name")

Typed = dict[str, str]


def read_typed(fields: Mapping[str, str]) -> Typed:
    """Return what a sent form says about the record: its view and version, and the values of the form or the text.

    `show_typed` shows it again, so it can be stored as a draft.
    """
    return {name: value for name, value in fields.items() if name in _KEPT or _VALUE.fullmatch(name)}


def input_of(typed: Typed) -> wire.RecordInput:
    """Return what was typed, for the catalogue."""
    if typed.get("view") == MARC:
        return wire.RecordInput(text=typed.get("text", "") or "\n")
    values = {name: value for name, value in typed.items() if _VALUE.fullmatch(name)}
    return wire.RecordInput(base=typed.get("base", ""), values=values)


@router.get(NEW)
@router.get(EDIT)
async def show(request: Request) -> Response:
    query = request.query_params
    draft, kept = await offer_draft(request)
    if template := query.get("template", ""):
        return await show_typed(request, await read_template(request, template[:64]), act=FORM, kept=kept)
    if draft and "draft" in query:
        return await show_typed(request, draft, kept=Kept(note="drafts.continued"))
    message = wire.GetEditFormRequest(
        id=request.path_params.get("record_id", ""),
        copy_of=query.get("from", "")[:64],
        material=query.get("material", "")[:40],
    )
    edited = await call(request, catalog(request).GetEditForm, message)
    saved = query.get("saved", "")
    note = saved if saved.isdecimal() and len(saved) < 10 else ""
    return _page(request, edited, signed_in_form(request), view=query.get("view", FORM), saved=note, kept=kept)


@router.post(NEW)
@router.post(EDIT)
@accept_bodies(_LONGEST_BODY_BYTES)
async def save(request: Request) -> Response:
    """Save the record, or show it in the other view, with one more row, or with headings to choose from."""
    fields = await read_form(request, most_fields=_MOST_FIELDS)
    typed = read_typed(fields)
    act, _, target = fields.get("act", "").partition(":")
    if act == "use":
        name, _, heading = target.partition(":")
        typed[name] = heading[:_LONGEST_HEADING]
    # An offered draft stays until somebody decides on it.
    kept = Kept(offered=fields.text("offered")[:100], template_name=fields.text("template_name"))
    if act == ENTER:
        act = TEMPLATE if kept.template_name else "save"
    if act in (DRAFT, DISCARD, TEMPLATE):
        await keep(request, act, kept, typed, await _open(request, typed) if act == TEMPLATE else None)
        if "part" in fields:
            return Response(status_code=kept.problem.http_status if kept.problem else 204)
        return await show_typed(request, typed, kept=kept)
    return await show_typed(request, typed, act=act, target=target, kept=kept)


async def show_typed(
    request: Request, typed: Typed, *, act: str = "", target: str = "", kept: Kept | None = None
) -> Response:
    """Show a record as it was typed, after an act of the page: "save", "form", "marc", "add", "look" or "use"."""
    view = act if act in (FORM, MARC) else typed.get("view", FORM)
    edited = await _open(request, typed, added=target if act == "add" else "")
    form = signed_in_form(request)
    alike: list[duplicates_pb2.DuplicateRecord] = []
    if kept is not None and kept.problem is not None:
        refuse(request, form, kept.problem, _OF_TEMPLATE)
    if act == "save" and not edited.bad_lines and not edited.theirs:
        alike = [] if target == SURE else await _alike(request, edited)
        form.status = 409 if alike else 200
    if act == "save" and not edited.bad_lines and not edited.theirs and not alike:
        try:
            saved = await _save(request, edited, typed)
            await forget_draft(request)
            return redirect(f"/catalogue/records/{saved.id}/edit?{urlencode({'saved': saved.version, 'view': view})}")
        except (NotFound, Forbidden):
            raise
        except Outdated:
            edited = await _open(request, typed)
        except Error as problem:
            _refuse(request, form, problem, edited)
    if act == "save" and edited.bad_lines:
        form.status = 400
    if edited.theirs:
        form.status = 412
    name, _, kind = target.partition(":")
    focus = input_name(edited, name, typed.get(name, "")) if act in ("look", "use", "add") else ""
    choices = await _headings(request, kind, typed.get(name, "")) if act == "look" else None
    who = await _who(request, _version(typed)) if edited.theirs else ""
    return _page(request, edited, form, view=view, focus=focus, choices=choices, alike=alike, kept=kept, who=who)


@router.get(HEADINGS)
async def headings(request: Request) -> Response:
    """Return options for an input that completes headings; an unused form has the value of the form in use."""
    kind, term = request.query_params.get("kind", ""), request.query_params.get("q", "")
    return page(request, "catalogue_headings.html", headings=await _headings(request, kind, term))


async def _headings(request: Request, kind: str, term: str) -> list[tuple[str, str, int]]:
    """Return (form in use, unused form or "", number of records) of the headings that begin at a term."""
    if kind not in LISTS or not term.strip():
        return []
    message = browsing_pb2.BrowseRequest(kind=kind, term=term.strip()[:200], after=MOST_HEADINGS)
    reply = await call(request, catalog(request).Browse, message)
    rows = [
        (used, heading.text if heading.see else "", heading.count)
        for heading in reply.headings
        for used in (heading.see or [heading.text])
    ]
    return [row for row in rows if _SUBDIVISION not in row[0]]


async def _open(request: Request, typed: Typed, added: str = "") -> wire.EditForm:
    message = wire.GetEditFormRequest(
        id=request.path_params.get("record_id", ""),
        material=typed.get("material", "")[:40],
        input=input_of(typed),
        version=_version(typed),
        added=added,
    )
    return await call(request, catalog(request).GetEditForm, message)


async def _alike(request: Request, edited: wire.EditForm) -> list[duplicates_pb2.DuplicateRecord]:
    """Return records that may be the same as a new one; none while they cannot be searched."""
    if request.path_params.get("record_id") or any(fault.is_new for fault in edited.faults):
        return []
    message = duplicates_pb2.FindDuplicatesRequest(marc=edited.marc)
    reply = await optional(call(request, catalog(request).FindDuplicates, message))
    return [] if reply is None else list(reply.duplicates)


async def _who(request: Request, version: int) -> str:
    """Return the names of those who saved the record after a version."""
    message = cataloguing_pb2.ListRecordVersionsRequest(id=request.path_params.get("record_id", ""))
    reply = await optional(call(request, catalog(request).ListRecordVersions, message))
    actors = [saved.actor for saved in reply.versions if saved.version > version] if reply else []
    names = await names_of_actors(request, actors)
    return ", ".join(dict.fromkeys(actor_name(actor, names, words_of(request)) for actor in actors))


async def _save(request: Request, edited: wire.EditForm, typed: Typed) -> cataloguing_pb2.SavedRecord:
    service, record_id = catalog(request), request.path_params.get("record_id", "")
    if not record_id:
        return await call(request, service.CreateRecord, cataloguing_pb2.CreateRecordRequest(marc=edited.marc))
    message = cataloguing_pb2.ReplaceRecordRequest(id=record_id, version=_version(typed), marc=edited.marc)
    return await call(request, service.ReplaceRecord, message)


def _version(typed: Typed) -> int:
    version = typed.get("version", "")
    return int(version) if version.isdecimal() and len(version) < 19 else 0


def _refuse(request: Request, form: Form, problem: Error, edited: wire.EditForm) -> None:
    """Put the sentences of a refusal into the form, but for faults, which the page shows at their fields."""
    refuse(request, form, problem, {})
    lang = words_of(request).language
    faults = {getattr(fault.sentence, lang) for fault in edited.faults}
    form.general = [sentence for sentence in form.general if sentence not in faults]


def _page(
    request: Request,
    edited: wire.EditForm,
    form: Form,
    *,
    view: str,
    saved: str = "",
    focus: str = "",
    choices: list[tuple[str, str, int]] | None = None,
    alike: Sequence[duplicates_pb2.DuplicateRecord] = (),
    kept: Kept | None = None,
    who: str = "",
) -> Response:
    words = words_of(request)
    shown = edit_view(edited, words, view=view, is_sent=form.status != 200)
    form.values = {"version": str(edited.version)}
    form.errors |= shown.errors
    return page(
        request,
        "catalogue_edit.html",
        form=form,
        id=request.path_params.get("record_id", ""),
        edited=edited,
        shown=shown,
        saved=saved,
        focus=focus or next(iter(form.errors), ""),
        choices=choices,
        alike=[
            (
                brief_record(duplicate.record, words.language),
                duplicate.score,
                [local_text(reason, words.language) for reason in duplicate.reasons],
            )
            for duplicate in alike
        ],
        kept=kept or Kept(),
        theirs=[
            replace(row, tag=f"{row.tag} {shown.labels[row.tag]}") if row.tag in shown.labels else row
            for row in shown_differences(edited.theirs)
        ],
        others=who,
    )
