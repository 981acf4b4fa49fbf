"""/catalogue/drafts: what the caller has typed in the form of a record and not saved, and templates for new records."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, NotFound
from gateway.clients import call, catalog
from gateway.web.desk.actors import local_moment
from gateway.web.forms import Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.rendering import page
from rangkiang.catalog.v1 import drafts_pb2 as wire
from rangkiang.catalog.v1.edit_forms_pb2 import EditForm

router = SignedInRouter()

PATH = "/catalogue/drafts"
NEW = "new"  # the place of the draft of a new record
DRAFT, DISCARD, TEMPLATE = "draft", "discard", "template"  # acts of the form of a record


@dataclass(slots=True)
class Kept:
    """What the page of a record shows of drafts and templates.

    offered        when a draft was saved that the page does not show; "" without one
    note           key of a text
    templates      (id, name), for a new record
    template_name  as typed, of a template that is not saved
    problem        why nothing was kept
    """

    offered: str = ""
    note: str = ""
    templates: list[tuple[str, str]] = field(default_factory=list)
    template_name: str = ""
    problem: Error | None = None


@router.get(PATH)
async def drafts(request: Request) -> Response:
    return await _page(request, signed_in_form(request))


@router.post(f"{PATH}/{{place}}/removal")
async def remove_draft(request: Request) -> Response:
    await read_form(request)
    await call(request, catalog(request).DeleteDraft, wire.DeleteDraftRequest(place=request.path_params["place"]))
    return redirect(PATH)


@router.post("/catalogue/templates/{template_id}/removal")
async def remove_template(request: Request) -> Response:
    fields = await read_form(request)
    message = wire.DeleteRecordTemplateRequest(id=request.path_params["template_id"], version=fields.version())
    try:
        await call(request, catalog(request).DeleteRecordTemplate, message)
    except NotFound:
        raise
    except Error as problem:
        return await _page(request, refuse(request, signed_in_form(request), problem, {}))
    return redirect(PATH)


async def offer_draft(request: Request) -> tuple[dict[str, str], Kept]:
    """Return the caller's draft of the record of the URL, with what the page shows when it does not continue it."""
    kept = Kept()
    if not request.path_params.get("record_id"):
        reply = await call(request, catalog(request).ListRecordTemplates, wire.ListRecordTemplatesRequest())
        kept.templates = [(template.id, template.name) for template in reply.templates]
    try:
        draft = await call(request, catalog(request).GetDraft, wire.GetDraftRequest(place=_place(request)))
    except NotFound:
        return {}, kept
    kept.offered = local_moment(request, draft.saved_at)
    return {value.name: value.value for value in draft.values}, kept


async def read_template(request: Request, template_id: str) -> dict[str, str]:
    """Return what a new record of a template begins with. Raises NotFound TEMPLATE_NOT_FOUND."""
    message = wire.GetRecordTemplateRequest(id=template_id)
    template = await call(request, catalog(request).GetRecordTemplate, message)
    return {"view": "marc", "text": template.text, "material": template.material}


async def keep(request: Request, act: str, kept: Kept, typed: dict[str, str], edited: EditForm | None) -> None:
    """Save or discard a draft, or with `edited` save a template of that record. Raises NotFound."""
    try:
        if act == DISCARD:
            await call(request, catalog(request).DeleteDraft, wire.DeleteDraftRequest(place=_place(request)))
        elif act == DRAFT or edited is None:
            values = [wire.DraftValue(name=name, value=value) for name, value in typed.items()]
            message = wire.SaveDraftRequest(place=_place(request), title=_title(typed), values=values)
            await call(request, catalog(request).SaveDraft, message)
        else:
            template = wire.CreateRecordTemplateRequest(
                name=kept.template_name, material=edited.material, text=edited.text
            )
            await call(request, catalog(request).CreateRecordTemplate, template)
    except NotFound:
        raise
    except Error as problem:
        kept.problem = problem
        return
    kept.note = f"drafts.done.{act}"
    if act == TEMPLATE:
        kept.template_name = ""
    else:
        kept.offered = ""


async def forget_draft(request: Request) -> None:
    """Delete the caller's draft of the record of the URL, after a save. A draft that stays is offered once more."""
    with suppress(Error):
        await call(request, catalog(request).DeleteDraft, wire.DeleteDraftRequest(place=_place(request)))


def _place(request: Request) -> str:
    return str(request.path_params.get("record_id", NEW))


def _title(typed: dict[str, str]) -> str:
    """Return the title of a record as it was typed: of the form's input, or of the first part of 245 in its text."""
    for name, value in typed.items():
        if name.startswith("title-") and name.rpartition("-")[2].startswith("a"):
            return value[:500]
    line = next((line for line in typed.get("text", "").split("\n") if line.startswith("245")), "")
    return line.partition("$a")[2].partition("$")[0].strip()[:500]


async def _page(request: Request, form: Form) -> Response:
    stub = catalog(request)
    own = (await call(request, stub.ListDrafts, wire.ListDraftsRequest())).drafts
    templates = (await call(request, stub.ListRecordTemplates, wire.ListRecordTemplatesRequest())).templates
    return page(
        request,
        "catalogue_drafts.html",
        form=form,
        drafts=[
            (
                draft,
                "/catalogue/records/new" if draft.place == NEW else f"/catalogue/records/{draft.place}/edit",
                local_moment(request, draft.saved_at),
            )
            for draft in own
        ],
        templates=[(template, local_moment(request, template.changed_at)) for template in templates],
    )
