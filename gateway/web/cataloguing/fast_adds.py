"""/catalogue/fast-adds: items that desks added, each completed or joined to another record; id and loan stay."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, Invalid, NotFound, Outdated
from gateway.clients import call, catalog
from gateway.request_guard import accept_bodies
from gateway.sessions import require_scope
from gateway.web.cataloguing import short_form
from gateway.web.cataloguing.matches import Found, find, marc_to_copy
from gateway.web.cataloguing.new_book import COPY_BODY_BYTES, short_form_choices
from gateway.web.forms import Fields, Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.library import own_branches
from gateway.web.rendering import page
from gateway.web.texts import words_of
from rangkiang.catalog.v1 import accessions_pb2, catalog_pb2, cataloguing_pb2, forms_pb2, items_pb2

router = SignedInRouter()

_PAGE = 50


@router.get("/catalogue/fast-adds")
async def fast_adds(request: Request) -> Response:
    require_scope(request, "catalog.edit")
    message = items_pb2.ListFastAddsRequest(limit=_PAGE, cursor=request.query_params.get("cursor", "")[:500])
    reply = await call(request, catalog(request).ListFastAdds, message)
    return page(
        request,
        "catalogue_fast_adds.html",
        items=list(reply.items),
        branches=dict(own_branches(request)),
        cursor=reply.cursor,
        done=request.query_params.get("done", "") == "1",
    )


@router.get("/catalogue/fast-adds/{item_id}")
async def fast_add(request: Request) -> Response:
    """Show an item with the short form of its brief record; `q=` finds another record for it."""
    require_scope(request, "catalog.edit")
    form = signed_in_form(request, {"q": request.query_params.get("q", "").strip()[:200]})
    found = None
    if form.values["q"]:
        try:
            found = await find(request, form.values["q"])
        except Invalid as problem:
            refuse(request, form, problem, {})
    return await _page(request, form, found)


@router.post("/catalogue/fast-adds/{item_id}")
@accept_bodies(COPY_BODY_BYTES)
async def complete(request: Request) -> Response:
    """Complete the brief record, or move the item to a record of the institution or to a copy of another record."""
    fields = await read_form(request)
    form = signed_in_form(request, {**fields, "q": fields.text("q")})
    if "title" in fields:
        short_form.check(form, words_of(request))
        if form.status != 200:
            return await _page(request, form, None)
    item, version = await _item(request), fields.version()
    try:
        record_id = await _record(request, fields, item)
        if version == item.version:
            version = (await _item(request)).version  # a completed record gives its items new versions
        await _move(request, item, version, record_id)
    except NotFound:
        raise
    except Outdated as problem:
        form.values = {name: value for name, value in form.values.items() if name != "version"}
        refuse(request, form, problem, {})
        form.general = [words_of(request).say("catalogue.changed_meanwhile")]
        return await _page(request, form, None)
    except Error as problem:
        return await _page(request, refuse(request, form, problem, {}), None)
    return redirect("/catalogue/fast-adds?done=1")


async def _record(request: Request, fields: Fields, item: items_pb2.ItemForEdit) -> str:
    """Return the id of the record that the item belongs to, after it was completed or copied.

    raises  Outdated  VERSION_OUTDATED: somebody else has changed the item, or completed its record, before
    """
    service = catalog(request)
    outdated = Outdated.at_version(
        item.version, given=fields.version(), changed=["marc"], changed_at=item.updated_at.ToDatetime(UTC)
    )
    if fields.version() != item.version and not {"title", "marc", "copy"}.isdisjoint(fields):
        raise outdated
    if marc := await marc_to_copy(request, fields):
        return (await call(request, service.CreateRecord, cataloguing_pb2.CreateRecordRequest(marc=marc))).id
    if "title" in fields:
        stored, version = await _marc(request, item.record_id)
        if not short_form.is_brief(stored):
            raise outdated
        control = [field for field in stored["fields"] if field.keys() <= {"001", "003"}]
        message = cataloguing_pb2.ReplaceRecordRequest(
            id=item.record_id, version=version, marc=short_form.marc_of(fields, control=control)
        )
        await call(request, service.ReplaceRecord, message)
    return fields.text("record")[:64] or item.record_id


async def _move(request: Request, item: items_pb2.ItemForEdit, version: int, record_id: str) -> None:
    """Confirm that an item belongs to a record. One without a call number gets that of the record."""
    service = catalog(request)
    message = items_pb2.ChangeItemRequest(id=item.id, version=version, record_id=record_id)
    if not item.call_number:
        proposed = accessions_pb2.ProposeCallNumberRequest(
            record_id=record_id, branch=item.branch, collection=item.collection
        )
        message.call_number = (await call(request, service.ProposeCallNumber, proposed)).call_number
    await call(request, service.ChangeItem, message)


async def _item(request: Request) -> items_pb2.ItemForEdit:
    message = items_pb2.GetItemRequest(id=request.path_params["item_id"])
    return (await call(request, catalog(request).GetItem, message)).item


async def _marc(request: Request, record_id: str) -> tuple[dict[str, Any], int]:
    """Return a record as MARC-in-JSON, and its version."""
    reply = await call(request, catalog(request).GetForm, forms_pb2.GetFormRequest(id=record_id, form="marcjson"))
    return orjson.loads(reply.content), reply.version


async def _page(request: Request, form: Form, found: Found | None) -> Response:
    item = await _item(request)
    marc, _ = await _marc(request, item.record_id)
    is_brief = short_form.is_brief(marc)
    held = await call(request, catalog(request).ListItems, catalog_pb2.ListItemsRequest(record_id=item.record_id))
    due_on = next((copy.due_on for copy in held.items if copy.id == item.id and copy.due_on), "")
    if "title" not in form.values:
        form.values = {"language": "ind", **short_form.values_of(marc), **form.values}
    form.values = {"version": str(item.version), **form.values}
    return page(
        request,
        "catalogue_fast_add.html",
        form=form,
        item=item,
        found=found,
        is_brief=is_brief,
        branches=dict(own_branches(request)),
        due_on=due_on,
        **short_form_choices(request),
    )
