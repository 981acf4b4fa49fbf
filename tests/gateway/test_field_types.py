"""Each value of a wrong type is refused with a reason and a sentence that says which type the field has."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import AwareDatetime, BaseModel, ValidationError

from gateway.api.validation import invalid_request

TIME = "“/at” must be a time with a zone, for example 2026-11-28T08:30:00+07:00."
DAY = "“/day” must be a date, for example 2026-11-28."


class Line(BaseModel):
    text: str = ""


class Body(BaseModel):
    text: str = ""
    copies: int = 1
    is_urgent: bool = False
    lines: list[Line] = []
    line: Line = Line()
    facts: dict[str, str] = {}
    at: AwareDatetime | None = None
    day: date | None = None


@pytest.mark.parametrize(
    ("field", "value", "reason", "sentence"),
    [
        ("text", 3, "FIELD_NOT_TEXT", "“/text” must be text."),
        ("copies", "two", "FIELD_NOT_A_NUMBER", "“/copies” must be a whole number."),
        ("copies", 1.5, "FIELD_NOT_A_NUMBER", "“/copies” must be a whole number."),
        ("copies", [], "FIELD_NOT_A_NUMBER", "“/copies” must be a whole number."),
        ("is_urgent", "perhaps", "FIELD_NOT_TRUE_OR_FALSE", "“/is_urgent” must be true or false."),
        ("is_urgent", [], "FIELD_NOT_TRUE_OR_FALSE", "“/is_urgent” must be true or false."),
        ("lines", "a", "FIELD_NOT_A_LIST", "“/lines” must be a list."),
        ("line", "a", "FIELD_NOT_AN_OBJECT", "“/line” must be a JSON object."),
        ("facts", "a", "FIELD_NOT_AN_OBJECT", "“/facts” must be a JSON object."),
        ("at", "tomorrow", "FIELD_NOT_A_TIME", TIME),
        ("at", "2026-11-28T08:30:00", "FIELD_NOT_A_TIME", TIME),
        ("at", [], "FIELD_NOT_A_TIME", TIME),
        ("day", "28/11/2026", "FIELD_NOT_A_DATE", DAY),
        ("day", [], "FIELD_NOT_A_DATE", DAY),
    ],
)  # fmt: skip
def test_a_value_of_a_wrong_type_is_refused_with_the_type_of_the_field(
    field: str, value: object, reason: str, sentence: str
) -> None:
    with pytest.raises(ValidationError) as problem:
        Body.model_validate({field: value})
    refusal = invalid_request([{**error, "loc": ("body", *error["loc"])} for error in problem.value.errors()])
    assert (refusal.reason, refusal.facts, refusal.sentence.en) == (reason, {"field": f"/{field}"}, sentence)
