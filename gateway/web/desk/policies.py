"""/desk/policies: the lending rules of the institution, edited and validated as a whole, for managers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error
from gateway.api.policies import MOST_NUMBER, MOST_ROWS
from gateway.clients import call, circulation
from gateway.negotiation import language
from gateway.request_guard import accept_bodies
from gateway.sessions import may
from gateway.web.desk.policy_words import PlaceNames, column_name, place_names, value_words
from gateway.web.forms import Fields, Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import Wording, wording
from rangkiang.circulation.v1 import loans_pb2, rules_pb2
from rangkiang.common.v1.text_pb2 import LocalText

router = SignedInRouter()

NUMBERS = (
    "period", "renewals", "loan_limit", "collection_limit", "grace_days", "suspension_cap", "hold_limit", "shelf_days",
    "fine_per_day", "fine_cap", "lost_after_days",
)  # fmt: skip
FLAGS = ("renew_when_overdue", "is_for_loan", "holds_allowed")
PLACE = ("category", "collection", "branch")
TEXTS = ("unit", "renew_from", "last_due_on")
# Cells of a row on the page; an empty one is inherited from wider rows. no_last_due is a tick: no latest due date here.
CELLS = (*PLACE, *TEXTS, *NUMBERS, *FLAGS, "no_last_due", "sentence_id", "sentence_en")
# Enough for MOST_ROWS rows with long sentences.
_BODY_BYTES = 2 * 1024 * 1024
# More than MOST_ROWS rows have, so that the service refuses further rows with its own sentence.
_MOST_FIELDS = MOST_ROWS * 25
_NEW_ROW = dict.fromkeys(CELLS, "") | {"unit": "day"}


@dataclass(frozen=True, slots=True)
class RowView:
    """A policy row for templates: the prefix of its field names, its summary, and what it inherits, by cell."""

    prefix: str
    what: str
    rule: str
    is_open: bool
    inherited: Mapping[str, str]


@router.get("/desk/policies")
async def show_policies(request: Request) -> Response:
    reply = await call(request, circulation(request).GetPolicies, rules_pb2.GetPoliciesRequest())
    rows = [values_of(row) for row in reply.policies.rows]
    form = signed_in_form(request, _form_values(rows, reply.policies.version, reply.policies.default_category))
    note = "policies.saved" if request.query_params.get("saved") else ""
    return await _page(request, form, len(rows), note=note, effective=reply.policies.rows)


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
            if row[name] and not _is_number(row[name]):
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
        refuse(request, form, problem, _places(problem), labels="policies")
        return await _page(request, form, len(rows))
    if act == "check":
        rows_checked = reply.policies.rows
        return await _page(
            request, form, len(rows), note="policies.sound", preview=reply.preview, effective=rows_checked
        )
    return redirect("/desk/policies?saved=1")


async def _page(
    request: Request,
    form: Form,
    count: int,
    *,
    note: str = "",
    preview: rules_pb2.PolicyPreview | None = None,
    opened: int | None = None,
    effective: Sequence[loans_pb2.PolicyRow] = (),
) -> Response:
    """effective: the rows as the service knows them, with the values that they inherit; () if they are not known."""
    names = await place_names(request)
    values = form.values
    for place in PLACE:
        used = {values[_name(number, place)] for number in range(count)}
        if place == "category":
            used.add(values["default_category"])
        names.add_unknown(place, used)
    return page(
        request,
        "policies.html",
        form=form,
        rows=[
            _view(form, number, names, effective[number] if number < len(effective) else None, opened=opened)
            for number in range(count)
        ],
        faults=_faults(form, count, names.words),
        categories=names.by_column["category"].items(),
        collections=names.by_column["collection"].items(),
        branches=names.by_column["branch"].items(),
        may_save=may(request, "policies.write"),
        may_add=count < MOST_ROWS,
        note=note,
        preview=preview,
    )


def _view(
    form: Form, number: int, names: PlaceNames, effective: loans_pb2.PolicyRow | None, *, opened: int | None
) -> RowView:
    prefix, words = _name(number, ""), names.words
    row = {name: form.values[prefix + name] for name in CELLS}
    stated = [
        (f"policies.{name}", value_words(name, row[name], words, unit=row["unit"]))
        for name in ("loan_limit", "period", "renewals")
        if row[name]
    ]
    rules = [f"{words.say(label)}: {text}" for label, text in stated]
    if row["is_for_loan"] == "0":
        rules.insert(0, words.say("policies.read_here"))
    is_wrong = any(prefix + name in form.errors for name in CELLS)
    inherited = {}
    if effective is not None:
        inherited = {
            name: value_words(name, cell, words, unit=effective.unit)
            for name, cell in values_of(effective, is_whole=True).items()
            if name in effective.inherits
        }
    return RowView(
        prefix,
        f"{number + 1}. {names.of_row(row)}",
        "; ".join(rules) or words.say("policies.as_wider"),
        is_wrong or number == opened,
        inherited,
    )


def _faults(form: Form, count: int, words: Wording) -> list[tuple[str, str, str]]:
    """Return (field, row and column, sentence) of each fault, for the top of the page."""
    faults = []
    for number in range(count):
        for name in CELLS:
            if sentence := form.errors.get(_name(number, name)):
                column = column_name(name, words)
                faults.append(
                    (_name(number, name), words.say("policies.cell", row=number + 1, column=column), sentence)
                )
    return faults


def _form_values(rows: Iterable[Mapping[str, str]], version: int, default_category: str) -> dict[str, Any]:
    values: dict[str, Any] = {"version": str(version), "default_category": default_category}
    for number, row in enumerate(rows):
        values |= {_name(number, name): value for name, value in row.items()}
    return values


def values_of(row: loans_pb2.PolicyRow, *, is_whole: bool = False) -> dict[str, str]:
    """Return the cells of a row; "1" and "0" are yes and no, "" is inherited.

    is_whole  with the values that the row inherits
    """
    inherits = () if is_whole else row.inherits
    cells = {
        **{name: getattr(row, name) for name in (*PLACE, *TEXTS)},
        **{name: str(getattr(row, name)) for name in NUMBERS},
        **{name: str(int(getattr(row, name))) for name in FLAGS},
        **dict.fromkeys(inherits, ""),
        "no_last_due": "1" if not row.last_due_on and "last_due_on" not in inherits else "",
        "sentence_id": row.not_for_loan_sentence.id,
        "sentence_en": row.not_for_loan_sentence.en,
    }
    if "not_for_loan_sentence" in inherits:
        cells |= {"sentence_id": "", "sentence_en": ""}
    return {**_NEW_ROW, **{name: cells[name] or _NEW_ROW[name] for name in CELLS}}


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
    values: dict[str, Any] = {name: row[name] for name in (*PLACE, *TEXTS) if row[name]}
    values |= {name: int(row[name]) for name in NUMBERS if row[name]}
    values |= {name: row[name] == "1" for name in FLAGS if row[name]}
    if not row["period"]:
        del values["unit"]
    if row["sentence_id"] or row["sentence_en"]:
        values["not_for_loan_sentence"] = LocalText(id=row["sentence_id"], en=row["sentence_en"])
    stated = {*values, *(("last_due_on",) if row["no_last_due"] else ())}
    inherits = [name for name in (*TEXTS, *NUMBERS, *FLAGS, "not_for_loan_sentence") if name not in stated]
    return loans_pb2.PolicyRow(**values, inherits=inherits)


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


def _name(number: int, field: str) -> str:
    """Return the name of a form field, which is also its name in refusals."""
    return f"rows[{number}].{field}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(MOST_NUMBER)) and int(text) <= MOST_NUMBER
