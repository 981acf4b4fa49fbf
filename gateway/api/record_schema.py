"""The response model of a full record."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.api.schemas import Brief, Holding, ResponseModel, Text


class Link(ResponseModel):
    """A link of the record."""

    url: str
    """The URL."""
    label: str | None = None
    """Its label in the record."""
    relation: str | None = None
    """`resource` (the book itself), `version`, `related` or `none`."""


class SubjectHeading(ResponseModel):
    """A subject with its parts."""

    text: str
    """The value in the facet `subject`."""
    parts: list[str]
    """The heading and its subdivisions."""
    kind: str
    """Kind of heading: topic, place, person, …"""


class Contributor(ResponseModel):
    """A person or organisation that contributed."""

    name: str
    """The name in the heading."""
    role: str | None = None
    """MARC relator code."""
    label: Text | None = None
    """Name of the role."""


class Parallel(ResponseModel):
    """A text of the record in its original script."""

    field: str
    """The member with the text in Latin script."""
    text: str
    """The text."""
    script: str
    """ISO 15924 code."""
    rtl: bool
    """True for a script from right to left."""
    lang: str | None = None
    """BCP 47 tag."""


class LabelledText(ResponseModel):
    """A text with its label."""

    text: str
    """The text."""
    label: Text
    """The label."""
    type: str | None = None
    """The kind of a note or of a statement of publication."""


class Row(ResponseModel):
    """Further data of the record."""

    key: str
    """Stable, for machines."""
    label: Text
    """The label."""
    values: list[str]
    """The data."""


class Series(ResponseModel):
    """A series of the record."""

    text: str
    """The printed statement."""
    title: str
    """Title of the series."""
    volume: str | None = None
    """Number in the series."""
    issn: str | None = None
    """ISSN of the series."""


class Relation(ResponseModel):
    """A related record."""

    kind: str
    """Kind of relation."""
    label: Text
    """Name of the relation."""
    text: str
    """The whole statement."""
    title: str
    """Its title."""
    author: str | None = None
    """Its author."""
    detail: str | None = None
    """Volume, pages and the like."""
    control_number: str | None = None
    """Its control number at its source."""
    isbn: str | None = None
    """Its ISBN."""
    issn: str | None = None
    """Its ISSN."""
    query: str | None = None
    """A search that finds the record if this catalogue has it."""
    id: str | None = None
    """Id of the record, if this catalogue has it."""


class Display(Brief):
    """The displayed data of a record; the MARC formats have the complete data."""

    subjects: list[str] = []
    """Subjects as text."""
    headings: list[SubjectHeading] = []
    """Subjects in parts."""
    contributors: list[Contributor] = []
    """All contributors."""
    parallel: list[Parallel] = []
    """Texts in their original script."""
    uniform_title: str | None = None
    """Uniform title."""
    titles_other: list[LabelledText] = []
    """Other titles."""
    publication: list[LabelledText] = []
    """Statements of publication."""
    extent: str | None = None
    """Pages, illustrations, size."""
    in_series: list[Series] = []
    """Series with their parts."""
    notes: list[LabelledText] = []
    """Notes."""
    more: list[Row] = []
    """Further data."""
    contents: list[str] = []
    """Table of contents."""
    audience: str | None = None
    """Code of the audience."""
    translated_from: list[str] = []
    """MARC codes of the original languages."""
    identifiers: dict[str, list[str]] = {}
    """Identifiers by kind."""
    links: list[Link] = []
    """Links."""
    relations: list[Relation] = []
    """Related records."""
    class_: Annotated[str | None, Field(alias="class")] = None
    """Class of the tree."""
    source: str | None = None
    """The origin of the record."""


class FullRecord(ResponseModel):
    """A full record and its holdings."""

    id: str
    """Id of the record."""
    version: int
    """Grows with each change."""
    record: Display
    """The record."""
    holdings: list[Holding]
    """The branches that have the record."""
    updated_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When it last changed."""
    source: str
    """The source it was imported from."""
    institution: str
    """Code of the institution that made it."""
    work_id: str | None = None
    """The work of the record; absent until the record is assigned to one."""
    editions: int | None = None
    """Number of editions of that work in this catalogue."""
