"""/catalogue/records/{id}/versions: who changed a record, when and what, and the way back to an earlier version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, NotFound
from gateway.api.record_lists import versions_as_csv
from gateway.clients import call, catalog
from gateway.sessions import may
from gateway.web.desk.actors import actor_name, local_moment, names_of_actors
from gateway.web.forms import Form, SignedInRouter, act_or_show, read_form, redirect, refuse, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import words_of
from rangkiang.catalog.v1 import cataloguing_pb2 as wire

router = SignedInRouter()

PATH = "/catalogue/records/{record_id}/versions"
_PAGE = 20


@dataclass(frozen=True, slots=True)
class ShownDifference:
    """A field that differs, for templates. before, after: texts in turn without and with a mark; "" is no field."""

    id: str
    tag: str
    before: list[str]
    after: list[str]


@router.get(PATH)
async def versions(request: Request) -> Response:
    return await _page(request, signed_in_form(request))


@router.get(f"{PATH}.csv")
async def versions_csv(request: Request) -> Response:
    return await versions_as_csv(request, request.path_params["record_id"])


@router.post(PATH)
async def restore(request: Request) -> Response:
    """Bring back the content of a version, or a deleted record as it was."""
    fields = await read_form(request)
    record_id, of_version = request.path_params["record_id"], fields.text("of_version")
    message = wire.RestoreRecordRequest(
        id=record_id,
        of_version=int(of_version) if of_version.isdecimal() and len(of_version) < 10 else 0,
        version=fields.version(),
    )
    try:
        saved = await call(request, catalog(request).RestoreRecord, message)
    except NotFound:
        raise
    except Error as problem:
        return await _page(request, refuse(request, signed_in_form(request), problem, {}))
    return redirect(f"/catalogue/records/{record_id}/versions?saved={saved.version}")


@router.post("/catalogue/records/{record_id}/removal")
async def delete(request: Request) -> Response:
    """Delete a record without items; the page of its versions brings it back."""
    fields, record_id = await read_form(request), request.path_params["record_id"]
    message = wire.DeleteRecordRequest(id=record_id, version=fields.version())
    act, then = call(request, catalog(request).DeleteRecord, message), f"/catalogue/records/{record_id}/versions"
    return await act_or_show(request, act, then, show=_page)


async def _page(request: Request, form: Form) -> Response:
    record_id, words = request.path_params["record_id"], words_of(request)
    cursor = request.query_params.get("cursor", "")[:500]
    message = wire.ListRecordVersionsRequest(id=record_id, limit=_PAGE, cursor=cursor)
    reply = await call(request, catalog(request).ListRecordVersions, message)
    names = await names_of_actors(request, (version.actor for version in reply.versions))
    here = f"/catalogue/records/{record_id}/versions"
    saved = request.query_params.get("saved", "")
    return page(
        request,
        "catalogue_versions.html",
        form=form,
        id=record_id,
        here=here,
        record=reply,
        may_delete=may(request, "catalog.manage"),
        deleted_at=local_moment(request, reply.deleted_at),
        versions=[
            (
                version,
                local_moment(request, version.made_at),
                actor_name(version.actor, names, words),
                shown_differences(version.differences),
            )
            for version in reply.versions
        ],
        newest=reply.versions[0].version if reply.versions and not cursor else 0,
        saved=saved if saved.isdecimal() and len(saved) < 10 else "",
        first=here if cursor else "",
        after=f"{here}?{urlencode({'cursor': reply.cursor})}" if reply.cursor else "",
    )


def shown_differences(differences: Iterable[wire.FieldDifference | wire.OfferedDifference]) -> list[ShownDifference]:
    """Return differences with a mark on the words that differ."""
    rows = []
    for each in differences:
        difference = each.difference if isinstance(each, wire.OfferedDifference) else each
        # The lines begin with the tag, which has its own column.
        lines = (line.removeprefix(f"{difference.tag} ") for line in (difference.before, difference.after))
        before, after = _marked(*lines)
        rows.append(ShownDifference(getattr(each, "id", ""), difference.tag, before, after))
    return rows


def _marked(before: str, after: str) -> tuple[list[str], list[str]]:
    """Return two fields in three parts each: the words that both begin with, those that differ, the common rest."""
    left, right = before.split(" "), after.split(" ")
    if not before or not after:
        return [before], [after]
    shorter = min(len(left), len(right))
    start = next((place for place in range(shorter) if left[place] != right[place]), shorter)
    rest = next((place for place in range(shorter - start) if left[-1 - place] != right[-1 - place]), shorter - start)

    def parts(words: list[str]) -> list[str]:
        end = len(words) - rest
        head, middle, tail = words[:start], words[start:end], words[end:]
        return [" ".join(head) + " " * bool(head), " ".join(middle), " " * bool(tail) + " ".join(tail)]

    return parts(left), parts(right)
