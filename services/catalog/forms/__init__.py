"""Forms that others read: crosswalks from MARC, pure, for any record."""

from __future__ import annotations

from collections.abc import Mapping

from services.catalog.forms.entry import Entry, Form
from services.catalog.marc import iso2709, marcjson, marcxml

FORMS: Mapping[str, Form] = {
    "marc": Form(
        "application/marc",
        "mrc",
        alone=lambda entry: iso2709.encode(entry.record),
        row=lambda entry: iso2709.encode(entry.record),
    ),
    "marcxml": Form(
        "application/marcxml+xml",
        "xml",
        alone=lambda entry: marcxml.encode(entry.record),
        row=lambda entry: marcxml.encode(entry.record, declare=False) + b"\n",
        head=marcxml.COLLECTION_HEAD,
        tail=marcxml.COLLECTION_TAIL,
    ),
    "marcjson": Form(
        "application/marc-in-json",
        "marcjson",
        alone=lambda entry: marcjson.encode(entry.record),
        row=lambda entry: marcjson.encode(entry.record) + b"\n",
    ),
}

__all__ = ["FORMS", "Entry", "Form"]
