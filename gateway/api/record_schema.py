"""The model of a record in full, as the API gives it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.api.schemas import Brief, Holding, ResponseModel, Text


class Link(ResponseModel):
    """A link of the record."""

    url: str
    """Where it leads."""
    label: str | None = None
    """What it is, in the record's own words."""
    relation: str | None = None
    """`resource` (the book itself), `version`, `related` or `none`."""


class SubjectHeading(ResponseModel):
    """A subject with its parts."""

    text: str
    """As the facet `subject` has it."""
    parts: list[str]
    """The heading and its subdivisions."""
    kind: str
    """What it names: topic, place, person, …"""


class Contributor(ResponseModel):
    """Somebody who took part."""

    name: str
    """As the heading has it."""
    role: str | None = None
    """MARC relator code."""
    label: Text | None = None
    """Name of the role."""


class Parallel(ResponseModel):
    """The same text in its own script."""

    field: str
    """The member that has the text in Latin script."""
    text: str
    """The text."""
    script: str
    """ISO 15924 code."""
    rtl: bool
    """It runs from right to left."""
    lang: str | None = None
    """BCP 47 tag."""


class LabelledText(ResponseModel):
    """A text with what it is called."""

    text: str
    """The text."""
    label: Text
    """What it is called."""
    type: str | None = None
    """The kind of a note or of a statement of publication."""


class Row(ResponseModel):
    """Further data of the record."""

    key: str
    """Stable, for machines."""
    label: Text
    """What it is called."""
    values: list[str]
    """The data."""


class Series(ResponseModel):
    """A series that it is part of."""

    text: str
    """The statement as it is printed."""
    title: str
    """Title of the series."""
    volume: str | None = None
    """Number in the series."""
    issn: str | None = None
    """ISSN of the series."""


class Relation(ResponseModel):
    """A related record."""

    kind: str
    """How it is related."""
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
    """A search that finds it if it is in this catalogue."""
    id: str | None = None
    """Id of the record, where it is in this catalogue."""


class Display(Brief):
    """All that is shown of a record; the MARC formats have all of it."""

    subjects: list[str] = []
    """Subjects as text."""
    headings: list[SubjectHeading] = []
    """Subjects in parts."""
    contributors: list[Contributor] = []
    """Everybody who took part."""
    parallel: list[Parallel] = []
    """Texts in their own script."""
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
    """Where the record comes from."""


class FullRecord(ResponseModel):
    """A record in full, and where it can be had."""

    id: str
    """Id of the record."""
    version: int
    """Grows with each change."""
    record: Display
    """The record."""
    holdings: list[Holding]
    """The branches that have it."""
    updated_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When it last changed."""
    source: str
    """The source it was imported from."""
    institution: str
    """Code of the institution that made it."""
    work_id: str | None = None
    """The work it belongs to; absent until it has been placed."""
    editions: int | None = None
    """How many editions of that work are here."""
