"""/catalogue/items/{id}: what staff may change in an item, its removal, and what was changed before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, NotFound, Outdated
from gateway.clients import call, catalog
from gateway.sessions import may
from gateway.web.desk.actors import actor_name, local_moment, names_of_actors
from gateway.web.desk.policy_words import COLLECTIONS
from gateway.web.forms import Fields, Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.library import own_branches
from gateway.web.rendering import page
from gateway.web.site.record import optional
from gateway.web.texts import words_of
from rangkiang.catalog.v1 import accessions_pb2, catalog_pb2, items_pb2

router = SignedInRouter()

PATH = "/catalogue/items/{item_id}"
FIELDS = ("status", "branch", "collection", "room", "call_number", "barcode")
STATUSES = ("in_process", "in_service", "in_repair", "missing", "proposed_for_withdrawal", "withdrawn")
NOTES = ("saved", "moved")
# The field of the form of a refusal, by its reason; that of a text is the fact `field`.
FORM_FIELDS = {
    "BARCODE_INVALID": "barcode",
    "BARCODE_MISREAD": "barcode",
    "BARCODE_NOT_RESERVED": "barcode",
    "BARCODE_TAKEN": "barcode",
    "BRANCH_UNKNOWN": "branch",
    "STATUS_UNKNOWN": "status",
    **{name: name for name in ("collection", "room", "call_number", "reason")},
}
_MOST_CHANGES = 20


@router.get(PATH)
async def item(request: Request) -> Response:
    note = request.query_params.get("note", "")
    return await _page(request, None, note=note if note in NOTES else "")


@router.post(PATH)
async def change(request: Request) -> Response:
    """Save the fields that were changed. After a change of somebody else, show both sides."""
    fields = await read_form(request)
    item_id = request.path_params["item_id"]
    typed, before = {name: fields.text(name) for name in FIELDS}, read_before(fields)
    mine = {name: value for name, value in typed.items() if value != before.get(name)}
    message = items_pb2.ChangeItemRequest(id=item_id, version=fields.version(), **mine)
    form = signed_in_form(request, {**typed, "before": fields.get("before", ""), "version": str(fields.version())})
    try:
        await call(request, catalog(request).ChangeItem, message)
    except NotFound:
        raise
    except Error as problem:
        refuse(request, form, problem, FORM_FIELDS, labels="item.field")
        return await _page(request, form, mine=mine if isinstance(problem, Outdated) else None)
    return redirect(f"/catalogue/items/{item_id}?note=saved")


@router.post(f"{PATH}/removal")
async def remove(request: Request) -> Response:
    fields = await read_form(request)
    item_id, record_id, reason = request.path_params["item_id"], fields.text("record")[:64], fields.text("reason")
    message = accessions_pb2.RemoveItemRequest(id=item_id, version=fields.version(), reason=reason)
    try:
        await call(request, catalog(request).RemoveItem, message)
    except NotFound as problem:
        # The second click of two finds no item.
        if problem.reason != "ITEM_NOT_FOUND" or not record_id:
            raise
    except Error as problem:
        form = signed_in_form(request, {"reason": reason})
        return await _page(request, refuse(request, form, problem, FORM_FIELDS, labels="item.field"))
    return redirect(f"/records/{quote(record_id, safe='')}" if record_id else "/catalogue")


async def own_item(request: Request) -> items_pb2.ItemForEdit:
    """Return the item of the URL. Raises NotFound ITEM_NOT_FOUND."""
    message = items_pb2.GetItemRequest(id=request.path_params["item_id"])
    return (await call(request, catalog(request).GetItem, message)).item


async def _page(
    request: Request, form: Form | None, *, note: str = "", mine: Mapping[str, str] | None = None
) -> Response:
    """Show the item.

    form  None for the values of the item
    mine  values that somebody typed while somebody else changed the item: the form gets the other values of the item
    """
    stub, words, item_id = catalog(request), words_of(request), request.path_params["item_id"]
    cursor = request.query_params.get("cursor", "")[:500]
    changes_request = items_pb2.ListItemChangesRequest(id=item_id, limit=_MOST_CHANGES, cursor=cursor)
    shown, changes = await asyncio.gather(own_item(request), call(request, stub.ListItemChanges, changes_request))
    listed = await optional(call(request, stub.ListItems, catalog_pb2.ListItemsRequest(record_id=shown.record_id)))
    names = await names_of_actors(request, (change.actor for change in changes.changes))
    now, branches = {name: str(getattr(shown, name)) for name in FIELDS}, dict(own_branches(request))

    def said(field: str, value: str) -> str:
        """Return a value of an item in words."""
        kinds = {"status": "item_status", "collection": "collection"}
        if field == "branch":
            return branches.get(value, value)
        return words.code(kinds[field], value) if field in kinds else value

    start = {"before": orjson.dumps(now).decode(), "version": str(shown.version)}
    theirs: list[tuple[str, str, str]] = []
    if form is None:
        form = signed_in_form(request, {**now, **start, "reason": ""})
    elif mine is not None:
        form.values = {**now, **mine, **start, "reason": ""}
        theirs = [(name, said(name, now[name]), said(name, mine[name])) for name in mine]
    else:
        form.values = {**now, **start, "reason": "", **form.values}
    # A select without the branch or collection of the item would change it with the next save.
    branches = {shown.branch: branches.get(shown.branch, shown.branch), **branches}
    collections = dict.fromkeys(code for code in (shown.collection, *COLLECTIONS) if code)
    here = f"/catalogue/items/{item_id}"
    return page(
        request,
        "catalogue_item.html",
        form=form,
        item=shown,
        here=here,
        state=next((item for item in listed.items if item.id == shown.id), None) if listed else None,
        statuses=words.codes("item_status", STATUSES),
        branches=list(branches.items()),
        collections=words.codes("collection", collections),
        changes=[
            (
                change,
                local_moment(request, change.made_at),
                actor_name(change.actor, names, words),
                [
                    (value.field, said(value.field, value.before), said(value.field, value.after))
                    for value in change.values
                ],
            )
            for change in changes.changes
        ],
        theirs=theirs,
        may_edit=may(request, "items.edit"),
        may_catalogue=may(request, "catalog.edit"),
        may_remove=may(request, "catalog.manage"),
        note=note,
        first=here if cursor else "",
        after=f"{here}?{urlencode({'cursor': changes.cursor})}" if changes.cursor else "",
    )


def read_before(fields: Fields) -> dict[str, Any]:
    """Return the values with which the form began; none when they are not a JSON object."""
    try:
        before = orjson.loads(fields.get("before", ""))
    except orjson.JSONDecodeError:
        return {}
    return before if isinstance(before, dict) else {}
