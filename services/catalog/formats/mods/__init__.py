"""MODS 3.7, by the Library of Congress's MARC 21 to MODS 3.7 mapping; one module per part of a MODS record."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from services.catalog.formats.entry import Entry
from services.catalog.formats.mods import access_points, description
from services.catalog.formats.mods.fields import Fields
from services.catalog.formats.xml_text import root, serialize

NAMESPACE: Final = "http://www.loc.gov/mods/v3"
_DECLARED: Final = {
    "xmlns": NAMESPACE,
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xsi:schemaLocation": f"{NAMESPACE} http://www.loc.gov/standards/mods/v3/mods-3-7.xsd",
}
COLLECTION_HEAD: Final = f'<?xml version="1.0" encoding="UTF-8"?>\n<modsCollection xmlns="{NAMESPACE}">\n'.encode()
COLLECTION_TAIL: Final = b"</modsCollection>\n"


def document(entry: Entry) -> bytes:
    """Write one mods element as a document."""
    return serialize(_element(entry, {**_DECLARED, "version": "3.7"}), declare=True)


def row(entry: Entry) -> bytes:
    """Write one mods element of a collection, which declares the namespace."""
    return serialize(_element(entry, {"version": "3.7"}), declare=False)


def _element(entry: Entry, attributes: dict[str, str]) -> Element:
    parent = root("mods", attributes)
    fields = Fields(entry.record)
    access_points.put_titles(parent, fields)
    access_points.put_names(parent, fields)
    description.put_type(parent, fields)
    description.put_origin(parent, fields)
    description.put_languages(parent, fields)
    description.put_physical(parent, fields)
    description.put_notes(parent, fields)
    access_points.put_subjects(parent, fields)
    access_points.put_classes(parent, fields)
    access_points.put_related(parent, fields)
    description.put_identifiers(parent, fields)
    description.put_location(parent, fields, entry)
    description.put_record_info(parent, fields, entry)
    return parent
