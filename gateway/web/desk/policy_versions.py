"""/desk/policies/versions: saved versions of the lending rules, compared with those in force, and the way back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, NotFound
from gateway.clients import call, circulation
from gateway.sessions import may, require_scope
from gateway.web.desk.actors import actor_name, local_moment, names_of_actors
from gateway.web.desk.policies import CELLS, PLACE, values_of
from gateway.web.desk.policy_words import PlaceNames, column_name, place_names, value_words
from gateway.web.forms import Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import words_of
from rangkiang.circulation.v1 import loans_pb2, rules_pb2

router = SignedInRouter()

PATH = "/desk/policies/versions"
_WRITING = "policies.write"


@router.get(PATH)
async def versions(request: Request) -> Response:
    reply = await call(request, circulation(request).ListPolicyVersions, rules_pb2.ListPolicyVersionsRequest())
    names = await names_of_actors(request, (version.saved_by for version in reply.versions))
    words = words_of(request)
    rows = [
        (version, local_moment(request, version.saved_at), actor_name(version.saved_by, names, words))
        for version in reply.versions
    ]
    return page(request, "policy_versions.html", versions=rows)


@router.get(f"{PATH}/{{version}}")
async def version(request: Request) -> Response:
    return await _page(request, signed_in_form(request))


@router.post(f"{PATH}/{{version}}")
async def restore(request: Request) -> Response:
    """Save the rows of a version as the newest version."""
    require_scope(request, _WRITING)
    fields = await read_form(request)
    policies = await _policies(request, _version_of(request))
    form = signed_in_form(request, {"version": str(fields.version())})
    policies.version = fields.version()
    try:
        await call(request, circulation(request).PutPolicies, rules_pb2.PutPoliciesRequest(policies=policies))
    except Error as problem:
        return await _page(request, refuse(request, form, problem, {}, labels="policies"))
    return redirect("/desk/policies?saved=1")


async def _page(request: Request, form: Form) -> Response:
    number = _version_of(request)
    old, new = await _policies(request, number), await _policies(request, 0)
    names = await place_names(request)
    for policies in (old, new):
        for column in PLACE:
            names.add_unknown(column, (getattr(row, column) for row in policies.rows))
        names.add_unknown("category", [policies.default_category])
    return page(
        request,
        "policy_version.html",
        form=form,
        number_of=number,
        newest=new.version,
        differences=_differences(old, new, names),
        may_save=may(request, _WRITING),
    )


async def _policies(request: Request, version: int) -> rules_pb2.Policies:
    """Return a version of the rules; 0 is the one in force."""
    reply = await call(request, circulation(request).GetPolicies, rules_pb2.GetPoliciesRequest(version=version))
    return reply.policies


def _version_of(request: Request) -> int:
    """Return the version in the path.

    raises  NotFound  PAGE_NOT_FOUND  the path has no number of a version
    """
    text: str = request.path_params["version"]
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text)):
        raise NotFound("PAGE_NOT_FOUND", page=text[:20])
    return int(text)


def _differences(old: rules_pb2.Policies, new: rules_pb2.Policies, names: PlaceNames) -> list[dict[str, Any]]:
    """Return the cells that differ between two sets of rules, row by row, and the rows that only one of them has."""
    words = names.words
    differences: list[dict[str, Any]] = []

    def add(label: str, left: str, right: str) -> None:
        differences.append({"tag": label, "before": [left], "after": [right]})

    if old.default_category != new.default_category:
        known = names.by_column["category"]
        add(words.say("policies.default_category"), *(known.get(each.default_category, "") for each in (old, new)))
    before, after = _by_place(old.rows), _by_place(new.rows)
    for place in dict.fromkeys([*before, *after]):
        where = names.of_row(before.get(place) or after[place])
        if place not in before or place not in after:
            add(where, *(words.say(f"policies.{'a_row' if place in each else 'no_row'}") for each in (before, after)))
            continue
        left, right = values_of(before[place]), values_of(after[place])
        for name in CELLS:
            if left[name] != right[name] and name != "no_last_due":
                label = words.say("policies.row_cell", row=where, column=column_name(name, words))
                add(label, *(value_words(name, cells[name], words, unit=cells["unit"]) for cells in (left, right)))
    return differences


def _by_place(rows: Iterable[loans_pb2.PolicyRow]) -> dict[tuple[str, ...], loans_pb2.PolicyRow]:
    return {tuple(getattr(row, column) for column in PLACE): row for row in rows}
