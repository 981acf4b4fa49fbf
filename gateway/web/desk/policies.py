"""/desk/policies: the lending rules of the institution, edited and validated as a whole, for managers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, Forbidden, TooLate, Unavailable
from gateway.api.policies import MOST_NUMBER, MOST_ROWS
from gateway.clients import call, circulation
from gateway.negotiation import language
from gateway.request_guard import accept_bodies
from gateway.sessions import session_of
from gateway.web.desk.members import category_names
from gateway.web.forms import Fields, Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.hits import local_text
from gateway.web.rendering import page
from gateway.web.texts import Wording, wording
from rangkiang.circulation.v1 import loans_pb2, rules_pb2
from rangkiang.common.v1.text_pb2 import LocalText

router = SignedInRouter()

COLLECTIONS = ("circulation", "children", "reference", "closed_stacks", "local", "thesis", "serials", "audiovisual")
NUMBERS = (
    "period", "renewals", "loan_limit", "collection_limit", "grace_days", "suspension_cap", "hold_limit", "shelf_days",
    "fine_per_day", "fine_cap", "lost_after_days",
)  # fmt: skip
FLAGS = ("renew_when_overdue", "is_for_loan", "holds_allowed")
TEXTS = ("category", "collection", "branch", "unit", "renew_from", "last_due_on")
# Enough for MOST_ROWS rows with long sentences.
_BODY_BYTES = 2 * 1024 * 1024
# More than MOST_ROWS rows have, so that the service refuses further rows with its own sentence.
_MOST_FIELDS = MOST_ROWS * 25
_NEW_ROW = {
    **dict.fromkeys(TEXTS, ""), **dict.fromkeys(NUMBERS, "0"), "unit": "day", "renew_from": "due", "period": "7",
    "renewals": "1", "loan_limit": "3", "hold_limit": "2", "shelf_days": "3", "lost_after_days": "60",
    "renew_when_overdue": "", "is_for_loan": "1", "holds_allowed": "1", "sentence_id": "", "sentence_en": "",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RowView:
    """A policy row for templates: the prefix of its field names, and its summary."""

    prefix: str
    what: str
    rule: str
    is_open: bool


@router.get("/desk/policies")
async def show_policies(request: Request) -> Response:
    reply = await call(request, circulation(request).GetPolicies, rules_pb2.GetPoliciesRequest())
    rows = [_values(row) for row in reply.policies.rows]
    form = signed_in_form(request, _form_values(rows, reply.policies.version, reply.policies.default_category))
    note = "policies.saved" if request.query_params.get("saved") else ""
    return await _page(request, form, len(rows), note=note)


@router.post("/desk/policies")
@accept_bodies(_BODY_BYTES)
async def save_policies(request: Request) -> Response:
    """Save or only validate the rules, or show one more row. Rows with a tick for removal are omitted."""
    fields = await read_form(request, most_fields=_MOST_FIELDS)
    rows = _read_rows(fields)
    act = fields.get("act", "save")
    if act == "add" and len(rows) < MOST_ROWS:
        rows.append(dict(_NEW_ROW))
    form = signed_in_form(request, _form_values(rows, fields.version(), fields.text("default_category")))
    if act == "add":
        return await _page(request, form, len(rows), opened=len(rows) - 1)
    words = wording(language(request))
    for number, row in enumerate(rows):
        for name in NUMBERS:
            if not _is_number(row[name]):
                sentence = words.say("policies.not_a_number", most=words.number(MOST_NUMBER))
                form.add_error(_name(number, name), sentence)
    if form.errors:
        return await _page(request, form, len(rows))
    policies = rules_pb2.Policies(
        version=fields.version(), default_category=fields.text("default_category"), rows=[_message(row) for row in rows]
    )
    message = rules_pb2.PutPoliciesRequest(policies=policies, is_dry_run=act == "check")
    try:
        reply = await call(request, circulation(request).PutPolicies, message)
    except Error as problem:
        refuse(request, form, problem, _places(problem))
        form.errors = {place: _with_label(text, place, words) for place, text in form.errors.items()}
        return await _page(request, form, len(rows))
    if act == "check":
        return await _page(request, form, len(rows), note="policies.sound", preview=reply.preview)
    return redirect("/desk/policies?saved=1")


async def _page(
    request: Request,
    form: Form,
    count: int,
    *,
    note: str = "",
    preview: rules_pb2.PolicyPreview | None = None,
    opened: int | None = None,
) -> Response:
    words = wording(language(request))
    try:
        categories = await category_names(request)
    except (Unavailable, TooLate, Forbidden):
        categories = {}
    reply = await call(request, circulation(request).ListBranches, rules_pb2.ListBranchesRequest())
    branches = {branch.code: local_text(branch.name, words.language) or branch.code for branch in reply.branches}
    values = form.values
    used = {name: {values[_name(number, name)] for number in range(count)} for name in ("category", "branch")}
    categories |= {code: code for code in sorted({values["default_category"], *used["category"]} - {"", *categories})}
    branches |= {code: code for code in sorted(used["branch"] - {"", *branches})}
    session = session_of(request)
    return page(
        request,
        "policies.html",
        form=form,
        rows=[_view(form, number, categories, branches, words, opened=opened) for number in range(count)],
        count=count,
        categories=categories.items(),
        collections=[(code, words.code("collection", code)) for code in COLLECTIONS],
        branches=branches.items(),
        may_save=session is not None and "policies.write" in session.account.scopes,
        may_add=count < MOST_ROWS,
        note=note,
        preview=preview,
    )


def _view(
    form: Form,
    number: int,
    categories: Mapping[str, str],
    branches: Mapping[str, str],
    words: Wording,
    *,
    opened: int | None,
) -> RowView:
    prefix = _name(number, "")
    row = {name: form.values[prefix + name] for name in _NEW_ROW}
    places = (
        categories.get(row["category"], "") or words.say("policies.any_category"),
        words.code("collection", row["collection"]) if row["collection"] else words.say("policies.any_collection"),
        branches.get(row["branch"], "") or words.say("policies.any_branch"),
    )
    if not row["is_for_loan"]:
        rule = words.say("policies.read_here")
    else:
        unit = words.say(f"policies.unit.{row['unit'] if row['unit'] == 'hour' else 'day'}")
        rule = words.say(
            "policies.rule", limit=row["loan_limit"], period=row["period"], unit=unit, renewals=row["renewals"]
        )
    is_wrong = any(prefix + name in form.errors for name in _NEW_ROW)
    return RowView(prefix, " · ".join(places), rule, is_wrong or number == opened)


def _form_values(rows: Iterable[Mapping[str, str]], version: int, default_category: str) -> dict[str, Any]:
    values: dict[str, Any] = {"version": str(version), "default_category": default_category}
    for number, row in enumerate(rows):
        values |= {_name(number, name): value for name, value in row.items()}
    return values


def _values(row: loans_pb2.PolicyRow) -> dict[str, str]:
    """Return the form values of a row; "1" stands for a ticked box."""
    return {
        **{name: getattr(row, name) for name in TEXTS},
        **{name: str(getattr(row, name)) for name in NUMBERS},
        **{name: "1" if getattr(row, name) else "" for name in FLAGS},
        "sentence_id": row.not_for_loan_sentence.id,
        "sentence_en": row.not_for_loan_sentence.en,
    }


def _read_rows(fields: Fields) -> list[dict[str, str]]:
    """Return the values of all rows of a form, without removed rows."""
    rows: list[dict[str, str]] = []
    number = 0
    while _name(number, "period") in fields:
        if not fields.get(_name(number, "remove")):
            rows.append({name: fields.text(_name(number, name))[:400] for name in _NEW_ROW})
        number += 1
    return rows


def _message(row: Mapping[str, str]) -> loans_pb2.PolicyRow:
    values: dict[str, Any] = {name: row[name] for name in TEXTS}
    values |= {name: int(row[name]) for name in NUMBERS} | {name: bool(row[name]) for name in FLAGS}
    sentence = LocalText(id=row["sentence_id"], en=row["sentence_en"])
    return loans_pb2.PolicyRow(**values, not_for_loan_sentence=sentence)


def _places(problem: Error) -> dict[str, str]:
    """Return the form field of each value that a refusal names; for a whole row, the field of its category."""
    places: dict[str, str] = {}
    for refusal in problem.refusals:
        field = str(refusal.facts.get("field", ""))
        if field.endswith("]"):
            places[field] = f"{field}.category"
        elif field.endswith(".not_for_loan_sentence"):
            places[field] = f"{field.rpartition('.')[0]}.sentence_id"
    return places


def _with_label(sentence: str, place: str, words: Wording) -> str:
    """Return the sentence of a refusal with the label of the field in place of its name, such as `rows[0].period`."""
    label = words.texts.get(f"policies.{place.rpartition('.')[2]}", "")
    return sentence.replace(place, f"“{label}”") if label else sentence


def _name(number: int, field: str) -> str:
    """Return the name of a form field, which is also its name in refusals."""
    return f"rows[{number}].{field}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(MOST_NUMBER)) and int(text) <= MOST_NUMBER
