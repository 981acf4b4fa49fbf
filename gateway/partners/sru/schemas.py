"""The schemas in which SRU returns records."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.partners.sru.diagnostics import Diagnostic
from gateway.partners.sru.holdings import ISO_NAMESPACE


class RecordSchema(NamedTuple):
    """A schema. form: name of the format in Catalog.Search; "" when the schema has only holdings."""

    name: str
    identifier: str
    title: str
    form: str


# The first one is the default.
SCHEMAS: Final = (
    RecordSchema("marcxml", "info:srw/schema/1/marcxml-v1.1", "MARCXML", "marcxml"),
    RecordSchema("dc", "info:srw/schema/1/dc-v1.1", "Dublin Core", "dc"),
    RecordSchema("mods", "info:srw/schema/1/mods-v3.7", "MODS 3.7", "mods"),
    RecordSchema("isohold", ISO_NAMESPACE, "Holdings and availability (ISO 20775)", ""),
    RecordSchema("opacxml", "http://www.indexdata.com/opacxml", "OPAC record: MARCXML with holdings", "marcxml"),
)
_OTHER_NAMES: Final = {
    "http://www.loc.gov/marc21/slim": "marcxml",
    "info:srw/schema/1/marcxml": "marcxml",
    "oai_dc": "dc",
    "http://www.openarchives.org/oai/2.0/oai_dc/": "dc",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://www.loc.gov/mods/v3": "mods",
    "iso20775": "isohold",
    "info:ofi/fmt:xml:xsd:iso20775": "isohold",
    "opac": "opacxml",
}
_BY_NAME: Final = {name.lower(): schema for schema in SCHEMAS for name in (schema.name, schema.identifier)} | {
    other: schema for other, name in _OTHER_NAMES.items() for schema in SCHEMAS if schema.name == name
}


def schema_of(name: str) -> RecordSchema:
    """Return the schema with a name or an identifier; the default for "".

    raises  Diagnostic  66
    """
    schema = _BY_NAME.get(name.lower()) if name else SCHEMAS[0]
    if schema is None:
        raise Diagnostic(66, name[:80], f"Known schemas are {', '.join(row.name for row in SCHEMAS)}")
    return schema
