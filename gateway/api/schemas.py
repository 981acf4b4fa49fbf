"""Response models, path parameters and examples that several routes use."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from fastapi import Path
from pydantic import AfterValidator, Field, WithJsonSchema

from chassis.errors import NotFound
from chassis.models import Refusal, ResponseModel

JSON = "application/json"
# Documentation of files.
CSV_CONTENT = {"text/csv": {"schema": {"type": "string"}, "example": "title\r\nRobohnya Surau Kami\r\n"}}
PDF_CONTENT = {"application/pdf": {"schema": {"type": "string", "format": "binary"}, "example": "%PDF-1.4"}}
XLSX_CONTENT = {
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {
        "schema": {"type": "string", "format": "binary"},
        "example": "PK",
    }
}
ID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
RECORD_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f01-23456789abcd"
WORK_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f03-23456789abcd"
MEMBER_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f05-23456789abcd"
_ID = re.compile(ID_PATTERN)
Row = TypeVar("Row", bound=Any)


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


_ID_SCHEMA = WithJsonSchema({"type": "string", "format": "uuid", "pattern": ID_PATTERN})
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


def one_of(rows: Iterable[Row], identifier: str, error: NotFound) -> Row:
    """Return the row with this id. Raises the error when there is none."""
    for row in rows:
        if row.id == identifier:
            return row
    raise error


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
