"""Export formats: pure crosswalks from MARC that accept any record, one module per format; the API's JSON is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from chassis import clock
from chassis.models import enum_values
from rangkiang.catalog.v1 import formats_pb2
from services.catalog.formats import bibtex, csv, dublin_core, json_ld, mods, ris
from services.catalog.formats.entry import Entry, Form
from services.catalog.marc import iso2709, marcjson, marcxml
from services.catalog.record.brief import brief
from services.catalog.record.display import display
from services.catalog.record.holdings import with_full_codes


def brief_json(entry: Entry) -> bytes:
    """Write `{"id", "record", "holdings"}` with the brief record, as in the API's lists."""
    return orjson.dumps(
        {
            "id": entry.id,
            "record": brief(entry.record, institution=entry.institution),
            "holdings": orjson.Fragment(with_full_codes(entry.holdings) or b"[]"),
        }
    )


def full_json(entry: Entry) -> bytes:
    """Write `{"id", "version", "record", "holdings", "updated_at", "source", "institution"}` with the full record.

    A deleted record has "deleted_at" too.
    """
    return orjson.dumps(
        {
            "id": entry.id,
            "version": entry.version,
            "record": display(entry.record, institution=entry.institution, source=entry.source),
            "holdings": orjson.Fragment(with_full_codes(entry.holdings) or b"[]"),
            "updated_at": clock.utc_text(entry.updated_at, "milliseconds"),
            "source": entry.source,
            "institution": entry.institution,
            **({} if entry.deleted_at is None else {"deleted_at": clock.utc_text(entry.deleted_at, "milliseconds")}),
        }
    )


def _line(write: Callable[[Entry], bytes]) -> Callable[[Entry], bytes]:
    """Return a writer that adds a line end."""
    return lambda entry: write(entry) + b"\n"


def _iso2709(entry: Entry) -> bytes:
    return iso2709.encode(entry.record)


def _marcjson(entry: Entry) -> bytes:
    return marcjson.encode(entry.record)


# Name of a RecordFormat -> document, row, head and tail of a Form.
_WRITERS: Mapping[str, tuple[Any, ...]] = {
    "json": (full_json, _line(full_json)),
    "brief": (brief_json, _line(brief_json)),
    "marc": (_iso2709, _iso2709),
    "marcxml": (
        lambda entry: marcxml.encode(entry.record),
        lambda entry: marcxml.encode(entry.record, declare=False) + b"\n",
        marcxml.COLLECTION_HEAD,
        marcxml.COLLECTION_TAIL,
    ),
    "marcjson": (_marcjson, _line(_marcjson)),
    "dc": (dublin_core.document, dublin_core.row, dublin_core.COLLECTION_HEAD, dublin_core.COLLECTION_TAIL),
    "mods": (mods.document, mods.row, mods.COLLECTION_HEAD, mods.COLLECTION_TAIL),
    "jsonld": (json_ld.document, json_ld.row),
    "ris": (ris.document, ris.document),
    "bibtex": (bibtex.document, bibtex.document),
    "csv": (csv.document, csv.row, csv.head()),
}
FORMS: Mapping[str, Form] = {
    name: Form(options.Extensions[formats_pb2.format].media_type, *_WRITERS[name])
    for name, options in enum_values(formats_pb2.RecordFormat)
}

# The formats that can mark a record as deleted.
WITH_DELETIONS = ("marc", "marcxml", "marcjson", "json")

__all__ = ["FORMS", "WITH_DELETIONS", "Entry", "Form"]
