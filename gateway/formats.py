"""Formats of a record by URL ending and by media type, which are the values of RecordFormat."""

from __future__ import annotations

from typing import Final, NamedTuple

from chassis.models import enum_values
from rangkiang.catalog.v1 import formats_pb2
from rangkiang.common.v1.options_pb2 import Label, label


class Format(NamedTuple):
    """A format of a record.

    name         name in Catalog.GetForm
    media_type   media type in Accept
    label        name for people
    unapi        name in unAPI; empty when unAPI does not offer the format
    place        place among the downloads on a record's page; 0 when they do not have the format
    """

    name: str
    media_type: str
    description: str
    label: Label
    unapi: str
    documentation: str
    place: int


# By URL ending.
FORMATS: Final = {
    form.ending: Format(
        name, form.media_type.partition(";")[0], form.description, options.Extensions[label], form.unapi,
        form.documentation, form.place,
    )
    for name, options in enum_values(formats_pb2.RecordFormat)
    for form in [options.Extensions[formats_pb2.format]]
}  # fmt: skip
# Accept selects the first ending with the media type.
ENDING_BY_MEDIA_TYPE: Final = {form.media_type: ending for ending, form in reversed(FORMATS.items())}
MEDIA_TYPES: Final = tuple(dict.fromkeys(form.media_type for form in FORMATS.values()))
