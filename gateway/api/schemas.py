"""What several nouns share in the OpenAPI: shapes, and how a route is documented. Nothing is validated with these."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from gateway.api.parameters import Parameter
from gateway.problems import MEDIA_TYPE

JSON = "application/json"
RECORD_ID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
RECORD_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f01-23456789abcd"
WORK_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f03-23456789abcd"

Answer = Literal["can_be_borrowed", "read_here_only", "out_until", "not_available"]


class Shape(BaseModel):
    model_config = ConfigDict(extra="allow")


class Text(Shape):
    """A text for people, in Indonesian and English; either may be empty."""

    id: str
    en: str


class Refusal(Shape):
    """One reason why a request was refused."""

    reason: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$", description="Stable, for machines.")
    facts: dict[str, Any] = Field(description="What the reason is about; values keep their types.")
    detail: str = Field(description="A sentence for people, in the language asked for.")


class Problem(Shape):
    """RFC 9457 problem document."""

    type: str = Field(examples=["about:blank"])
    title: str
    status: int
    detail: str = Field(description="The sentences of all refusals, for people, in the language asked for.")
    reason: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$", description="Stable, for machines: the first refusal's reason.")
    facts: dict[str, Any] = Field(description="What the first refusal is about.")
    refusals: list[Refusal] = Field(min_length=1, description="Every reason that holds, in a stable order.")
    instance: str = Field(description="Names this request in our logs.")


class Brief(Shape):
    """A record in a list."""

    title: str
    subtitle: str | None = None
    responsibility: str | None = None
    authors: list[str] = []
    publisher: str | None = None
    place: str | None = None
    year: int | None = None
    edition: str | None = None
    language: str | None = Field(default=None, description="MARC language code.", examples=["ind", "min"])
    material: str | None = None
    isbn: str | None = None
    ddc: str | None = None
    series: str | None = None
    summary: str | None = None
    institution: str | None = None


class Holding(Shape):
    """Where a record can be had: one entry a branch."""

    institution: str
    branch: str
    branch_name: Text | None = None
    call_number: str | None = None
    items: int
    available: int
    answer: Answer


class Shown(Shape):
    """A record in a list."""

    id: str
    record: Brief
    holdings: list[Holding]


class CountedValue(Shape):
    """A value of a facet, how many records have it, and its name where the value does not speak for itself."""

    value: str
    count: int
    label: Text | None = None
    selected: bool


class ClassOf(Shape):
    """A class of the tree. value: to filter by (`class=`); notation: as people write it; divided: it has classes."""

    value: str
    notation: str
    caption: Text | None = None
    count: int
    divided: bool


BRIEF_EXAMPLE: dict[str, Any] = {
    "title": "Robohnya Surau Kami",
    "responsibility": "A.A. Navis",
    "authors": ["Navis, A.A."],
    "publisher": "Gramedia Pustaka Utama",
    "place": "Jakarta",
    "year": 1986,
    "language": "ind",
    "material": "book",
    "isbn": "9789794030462",
    "ddc": "899.221",
    "institution": "PKS",
}
HOLDING_EXAMPLE: dict[str, Any] = {
    "institution": "PKS",
    "branch": "PST",
    "branch_name": {"id": "Perpustakaan Pusat", "en": "Central Library"},
    "call_number": "899.221 NAV r",
    "items": 3,
    "available": 2,
    "answer": "can_be_borrowed",
}

_REFUSALS = {
    400: "The request is wrong, and says what about it.",
    404: "There is no such thing.",
    406: "None of the forms asked for can be given.",
    429: "Too many questions from this address; Retry-After says when to ask again.",
    503: "A part we need does not answer; try again.",
    504: "It took too long; try again.",
}


def documented(
    *,
    operation: str,
    summary: str,
    model: type[BaseModel] | None,
    example: Any,
    parameters: dict[str, Parameter],
    refusals: tuple[int, ...] = (400, 429, 503, 504),
    path: tuple[dict[str, Any], ...] = (),
    media: str = JSON,
    also: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Arguments of `router.get` that make the OpenAPI complete without FastAPI reading or checking anything.

    operation  its operationId: the name of a method in clients made from the document
    media      what the example is in
    also       further media types of the good answer
    """
    content = {**(also or {})}
    content = {media: {**content.pop(media, {}), "example": example}, **content}
    good: dict[str, Any] = {"description": summary, "content": content}
    responses: dict[int | str, dict[str, Any]] = {
        200: good if model is None else {"model": model, **good},
        304: {"description": "The answer you hold (If-None-Match) is still true."},
    }
    for status in refusals:
        responses[status] = {
            "description": _REFUSALS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return {
        "operation_id": operation,
        "summary": summary,
        "response_model": None,
        # Without a model there is no form that answers have unless told.
        **({"response_class": Response} if model is None else {}),
        "responses": responses,
        "openapi_extra": {"parameters": [*path, *(parameter.openapi() for parameter in parameters.values())]},
    }


RECORD_ID = {
    "name": "record_id",
    "in": "path",
    "required": True,
    "description": "A record's identifier (UUID).",
    "schema": {"type": "string", "pattern": RECORD_ID_PATTERN},
    "example": RECORD_ID_EXAMPLE,
}
WORK_ID = {**RECORD_ID, "name": "work_id", "description": "A work's identifier (UUID).", "example": WORK_ID_EXAMPLE}
