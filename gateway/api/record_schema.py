"""Models of the response for a full record."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chassis.models import ResponseModel
from gateway.api.schemas import Brief, Holding
from rangkiang.common.v1.models import Text


class Link(ResponseModel):
    """A link of the record."""

    url: str
    """The URL."""
    label: str | None = None
    """Label of the link in the record."""
    relation: str | None = None
    """Target of the link: `resource` (the work itself), `version`, `related` or `none`."""


class SubjectHeading(ResponseModel):
    """A subject heading with its parts."""

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
    """Name of the property that has the text in Latin script."""
    text: str
    """The text."""
    script: str
    """ISO 15924 code."""
    rtl: bool
    """True for a right-to-left script."""
    lang: str | None = None
    """BCP 47 tag."""


class LabelledText(ResponseModel):
    """A text with its label."""

    text: str
    """The text."""
    label: Text
    """The label."""
    type: str | None = None
    """Kind of the note or of the publication statement."""


class Row(ResponseModel):
    """Further data of the record."""

    key: str
    """Stable key, for programs."""
    label: Text
    """The label."""
    values: list[str]
    """The values."""


class Series(ResponseModel):
    """A series that the record belongs to."""

    text: str
    """Series statement, as printed."""
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
    """Title of the related record."""
    author: str | None = None
    """Author of the related record."""
    detail: str | None = None
    """Volume, pages and other details."""
    control_number: str | None = None
    """Control number of the related record at its source."""
    isbn: str | None = None
    """ISBN of the related record."""
    issn: str | None = None
    """ISSN of the related record."""
    query: str | None = None
    """A query that finds the related record when this catalogue has it."""
    id: str | None = None
    """Id of the related record; absent when this catalogue does not have it."""


class Display(Brief):
    """The data of a record for display; the MARC formats have the complete data."""

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
    """Series in parts."""
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
    """Origin of the record."""


class FullRecord(ResponseModel):
    """A full record and its holdings."""

    id: str
    """Id of the record."""
    version: int
    """Version, which increases with each change."""
    record: Display
    """The record."""
    holdings: list[Holding]
    """The branches that have the record."""
    updated_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """Time of the last change, ISO 8601 in UTC."""
    source: str
    """Source from which the record was imported."""
    institution: str
    """Code of the institution that owns the record."""
    work_id: str | None = None
    """Id of the work; absent until the record is assigned to a work."""
    editions: int | None = None
    """Number of editions of the work in this catalogue."""
