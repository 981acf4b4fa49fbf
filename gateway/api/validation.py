"""Conversion of pydantic's validation errors to refusals with reasons, facts and sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request

from chassis.errors import Error, Invalid, Refusal
from chassis.models import pointer
from gateway.api.schemas import JSON
from gateway.problems import UnsupportedMediaType, VersionNeeded
from gateway.request_guard import header_fields

# Bounds the response: a hostile request may have thousands of errors.
MOST_REFUSALS = 20
MERGE_PATCH = "application/merge-patch+json"  # RFC 7396; a PATCH of the API is such a document under either type
_LONGEST_NAME = 80
# Reasons for pydantic's kinds of values of a wrong type.
_WRONG_TYPES = {
    "string_type": "FIELD_NOT_TEXT",
    "string_unicode": "FIELD_NOT_TEXT",
    "int_type": "FIELD_NOT_A_NUMBER",
    "int_parsing": "FIELD_NOT_A_NUMBER",
    "int_from_float": "FIELD_NOT_A_NUMBER",
    "bool_type": "FIELD_NOT_TRUE_OR_FALSE",
    "bool_parsing": "FIELD_NOT_TRUE_OR_FALSE",
    "list_type": "FIELD_NOT_A_LIST",
    "model_type": "FIELD_NOT_AN_OBJECT",
    "model_attributes_type": "FIELD_NOT_AN_OBJECT",
    "dict_type": "FIELD_NOT_AN_OBJECT",
    "datetime_type": "FIELD_NOT_A_TIME",
    "datetime_parsing": "FIELD_NOT_A_TIME",
    "datetime_from_date_parsing": "FIELD_NOT_A_TIME",
    "timezone_aware": "FIELD_NOT_A_TIME",
    "date_type": "FIELD_NOT_A_DATE",
    "date_parsing": "FIELD_NOT_A_DATE",
    "date_from_datetime_parsing": "FIELD_NOT_A_DATE",
}


def check_media_type(request: Request, *others: str) -> None:
    """Refuse a body that is not JSON by its Content-Type. A body without a type is not JSON.

    others  media types of JSON that the route takes too
    raises  UnsupportedMediaType  MEDIA_TYPE_NOT_SUPPORTED
    """
    fields = header_fields(request.scope)
    if fields.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in fields:
        return
    given = fields.get(b"content-type", b"").decode("latin-1").split(";")[0].strip().lower()
    if given not in (JSON, *others) and (given, request.method) != (MERGE_PATCH, "PATCH"):
        raise UnsupportedMediaType("MEDIA_TYPE_NOT_SUPPORTED", given=given[:_LONGEST_NAME], supported=JSON)


def invalid_request(errors: Iterable[Mapping[str, Any]]) -> Error:
    """Return Invalid with one refusal for each wrong parameter or body field, at most MOST_REFUSALS.

    Without If-Match, return VersionNeeded.

    errors  those of ValidationError.errors(); `loc` begins with "body" for a field, else the second part is a parameter
    """
    refusals: dict[str, Refusal] = {}
    for error in errors:
        if error["loc"] == ("header", "If-Match"):
            return VersionNeeded("IF_MATCH_MISSING")
        refusal = _REFUSE[error["loc"][0]](error)
        # Several wrong values of one parameter are one refusal.
        refusals.setdefault(repr(refusal), refusal)
    return Invalid(refusals=tuple(refusals.values())[:MOST_REFUSALS])


def _refuse_parameter(error: Mapping[str, Any]) -> Refusal:
    kind, context, parameter = error["type"], error.get("ctx", {}), str(error["loc"][1])[:_LONGEST_NAME]
    if kind == "extra_forbidden":
        return Refusal("PARAMETER_UNKNOWN", parameter=parameter)
    if kind == "missing":
        return Refusal("PARAMETER_MISSING", parameter=parameter)
    if kind == "too_long":
        return Refusal("PARAMETER_REPEATED", parameter=parameter, times=context["max_length"])
    if isinstance(error.get("input"), list):
        return Refusal("PARAMETER_REPEATED", parameter=parameter, times=1)
    if kind == "string_too_long":
        return Refusal("PARAMETER_TOO_LONG", parameter=parameter, longest=context["max_length"])
    if kind == "whole_number":
        return Refusal("PARAMETER_NOT_A_NUMBER", parameter=parameter, least=context["least"], most=context["most"])
    if _WRONG_TYPES.get(kind) == "FIELD_NOT_A_TIME":
        return Refusal("PARAMETER_NOT_A_TIME", parameter=parameter)
    if kind == "literal_error":
        return Refusal("PARAMETER_NOT_A_CHOICE", parameter=parameter, choices=_choices(context))
    return Refusal("PARAMETER_NOT_TEXT", parameter=parameter)


def _refuse_body(error: Mapping[str, Any]) -> Refusal:
    kind, context, place = error["type"], error.get("ctx", {}), error["loc"][1:]
    if kind == "json_invalid" or not place:
        return Refusal("BODY_NOT_JSON")
    field = pointer(place)[:_LONGEST_NAME]
    if kind == "extra_forbidden":
        return Refusal("FIELD_UNKNOWN", field=field)
    if kind == "missing":
        return Refusal("FIELD_MISSING", field=field)
    if kind in ("string_too_long", "too_long"):
        return Refusal("FIELD_TOO_LONG", field=field, longest=context["max_length"])
    if kind in ("string_too_short", "too_short"):
        return Refusal("FIELD_TOO_SHORT", field=field, shortest=context["min_length"])
    if kind in ("literal_error", "enum"):
        return Refusal("FIELD_NOT_A_CHOICE", field=field, choices=_choices(context))
    limit = next((context[name] for name in ("ge", "gt", "le", "lt") if name in context), None)
    if limit is not None:
        return Refusal("FIELD_OUT_OF_RANGE", field=field, limit=limit)
    if kind in _WRONG_TYPES:
        return Refusal(_WRONG_TYPES[kind], field=field)
    return Refusal("FIELD_INVALID", field=field, kind=kind)


def _refuse_key(error: Mapping[str, Any]) -> Refusal:
    if not error.get("input"):
        return Refusal("IDEMPOTENCY_KEY_MISSING")
    return Refusal("IDEMPOTENCY_KEY_INVALID", longest=64)


# Idempotency-Key is the only header that FastAPI checks, besides If-Match.
_REFUSE = {"body": _refuse_body, "path": _refuse_parameter, "query": _refuse_parameter, "header": _refuse_key}


def _choices(context: Mapping[str, Any]) -> list[str]:
    """Return the values in pydantic's text `'a', 'b' or 'c'`."""
    return str(context["expected"]).replace("' or '", "', '").strip("'").split("', '")
