"""Response models, path parameters and examples that several routes use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Path
from pydantic import AfterValidator, Field, TypeAdapter, WithJsonSchema
from pydantic_core import core_schema

from chassis.errors import NotFound
from chassis.models import Refusal, ResponseModel
from rangkiang.common.v1.models import Text

JSON = "application/json"
ID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
RECORD_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f01-23456789abcd"
WORK_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f03-23456789abcd"
MEMBER_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f05-23456789abcd"
_ID = re.compile(ID_PATTERN)


def check_record_id(record_id: str) -> str:
    """Return the id when it has the form of a record id.

    raises  NotFound  RECORD_NOT_FOUND
    """
    if not _ID.fullmatch(record_id):
        raise NotFound("RECORD_NOT_FOUND", record=record_id[:80])
    return record_id


def check_work_id(work_id: str) -> str:
    """Return the id when it has the form of a work id.

    raises  NotFound  WORK_NOT_FOUND
    """
    if not _ID.fullmatch(work_id):
        raise NotFound("WORK_NOT_FOUND", work=work_id[:80])
    return work_id


_ID_SCHEMA = WithJsonSchema({"type": "string", "pattern": ID_PATTERN})
# The id is not checked here, because a URL ending may follow it.
UncheckedRecordId = Annotated[
    str, Path(description="A record's identifier (UUID).", examples=[RECORD_ID_EXAMPLE]), _ID_SCHEMA
]
RecordId = Annotated[
    str,
    Path(description="A record's identifier (UUID).", examples=[RECORD_ID_EXAMPLE]),
    AfterValidator(check_record_id),
    _ID_SCHEMA,
]
WorkId = Annotated[
    str,
    Path(description="A work's identifier (UUID).", examples=[WORK_ID_EXAMPLE]),
    AfterValidator(check_work_id),
    _ID_SCHEMA,
]

# The gateway does not check the form: the service refuses an id that is not a member of the caller's institution (404).
MemberId = Annotated[str, Path(description="A member's identifier (UUID).", examples=[MEMBER_ID_EXAMPLE]), _ID_SCHEMA]

# Responses are not checked, because a newer catalogue may have more values.
AvailabilityAnswer = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "enum": ["can_be_borrowed", "online", "read_here_only", "ask_the_library", "out_until", "not_available"],
        }
    ),
]


@dataclass(frozen=True, slots=True)
class Stored:
    """Annotation of JSON from the catalogue that is sent unchanged; `model` describes the JSON in the document."""

    model: Any

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.any_schema()

    def __get_pydantic_json_schema__(self, _schema: Any, handler: Any) -> Any:
        return handler(TypeAdapter(self.model).core_schema)


class Problem(ResponseModel):
    """RFC 9457 problem document."""

    type: str = Field(examples=["about:blank"])
    """Always about:blank; `reason` identifies the problem."""
    title: str
    """Title of the status, in the requested language."""
    status: int
    """The HTTP status."""
    detail: str
    """The sentences of all refusals, for people, in the requested language."""
    reason: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    """Stable reason code of the first refusal, for programs."""
    facts: dict[str, Any]
    """The facts of the first refusal."""
    refusals: list[Refusal] = Field(min_length=1)
    """All refusals, in a stable order."""
    instance: str
    """Id of this request in the server's logs."""


class Brief(ResponseModel):
    """A record in a list."""

    title: str
    """Title proper."""
    subtitle: str | None = None
    """Other title information."""
    responsibility: str | None = None
    """Statement of responsibility, as on the title page."""
    authors: list[str] = []
    """Names, in the form of their headings."""
    publisher: str | None = None
    """Name of the publisher."""
    place: str | None = None
    """Place of publication."""
    year: int | None = None
    """Year of publication."""
    edition: str | None = None
    """Statement of edition."""
    language: str | None = Field(default=None, examples=["ind", "min"])
    """MARC language code."""
    material: str | None = None
    """Kind of material: book, ebook, serial, article, map, …"""
    isbn: str | None = None
    """The first ISBN, in 13 digits."""
    ddc: str | None = None
    """Dewey number."""
    series: str | None = None
    """Series statement."""
    summary: str | None = None
    """Beginning of the summary."""
    institution: str | None = None
    """Code of the institution that owns the record."""


class Holding(ResponseModel):
    """The items of a record at one branch."""

    institution: str
    """Code of the institution."""
    branch: str
    """Code of the branch."""
    branch_name: Text | None = None
    """Name of the branch."""
    call_number: str | None = None
    """Call number of the first item at the branch."""
    items: int
    """Number of items at the branch."""
    available: int
    """Number of items at the branch that can be borrowed now."""
    answer: AvailabilityAnswer
    """Whether a reader can use or borrow an item at the branch."""
    due_on: str | None = None
    """With `out_until`: earliest due date of these items, ISO 8601."""


class ListedRecord(ResponseModel):
    """A record in a list, and its holdings."""

    id: str
    """Id of the record."""
    record: Annotated[orjson.Fragment, Stored(Brief)]
    """The brief record."""
    holdings: Annotated[orjson.Fragment, Stored(list[Holding])]
    """The branches that have the record."""


class CountedValue(ResponseModel):
    """A value of a facet, and its number of records."""

    value: str
    """The value to use in a filter."""
    count: int
    """Number of records with the value."""
    label: Text | None = None
    """Name of the value; absent when the value is not a code."""
    selected: bool
    """True when the request filters by this value."""


class ClassOfTree(ResponseModel):
    """A class of the classification."""

    value: str
    """The value to use in the filter `class`."""
    notation: str
    """The usual notation."""
    caption: Text | None = None
    """The library's own caption of the class."""
    under: Text | None = None
    """For a class without a caption: caption of the nearest broader class that has one."""
    count: int
    """Number of records in the class and its subclasses."""
    divided: bool
    """True when the class has subclasses."""


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
LISTED_EXAMPLE: dict[str, Any] = {"id": RECORD_ID_EXAMPLE, "record": BRIEF_EXAMPLE, "holdings": [HOLDING_EXAMPLE]}
