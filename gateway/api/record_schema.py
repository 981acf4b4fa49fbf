"""The shape of a record in full, as the API gives it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.api.schemas import Brief, Holding, ResponseModel, Text


class Link(ResponseModel):
    """relation: "resource" (the book itself), "version", "related" or "none"."""

    url: str
    label: str | None = None
    relation: str | None = None


class SubjectHeading(ResponseModel):
    """text: as the facet "subject" has it; parts: the heading and its subdivisions."""

    text: str
    parts: list[str]
    kind: str


class Contributor(ResponseModel):
    name: str
    role: str | None = None
    label: Text | None = None


class Parallel(ResponseModel):
    """The same in its own script. script: ISO 15924; rtl: it runs from right to left; lang: BCP 47."""

    field: str
    text: str
    script: str
    rtl: bool
    lang: str | None = None


class Called(ResponseModel):
    """A text with what it is called; type: the kind of a note or of a statement of publication."""

    text: str
    label: Text
    type: str | None = None


class Row(ResponseModel):
    key: str
    label: Text
    values: list[str]


class Series(ResponseModel):
    text: str
    title: str
    volume: str | None = None
    issn: str | None = None


class Relation(ResponseModel):
    """A related record. id: of the record, where it is in this catalogue; query: a search that finds it if it is."""

    kind: str
    label: Text
    text: str
    title: str
    author: str | None = None
    detail: str | None = None
    control_number: str | None = None
    isbn: str | None = None
    issn: str | None = None
    query: str | None = None
    id: str | None = None


class Display(Brief):
    """All that is shown of a record; the MARC formats have all of it."""

    subjects: list[str] = []
    headings: list[SubjectHeading] = []
    contributors: list[Contributor] = []
    parallel: list[Parallel] = []
    uniform_title: str | None = None
    titles_other: list[Called] = []
    publication: list[Called] = []
    extent: str | None = None
    in_series: list[Series] = []
    notes: list[Called] = []
    more: list[Row] = []
    contents: list[str] = []
    audience: str | None = None
    translated_from: list[str] = []
    identifiers: dict[str, list[str]] = {}
    links: list[Link] = []
    relations: list[Relation] = []
    class_: Annotated[str | None, Field(alias="class")] = None
    source: str | None = None


class FullRecord(ResponseModel):
    """work_id: the work it belongs to, of which there are so many editions here; absent until it has been placed."""

    id: str
    version: int
    record: Display
    holdings: list[Holding]
    updated_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    source: str
    institution: str
    work_id: str | None = None
    editions: int | None = None
