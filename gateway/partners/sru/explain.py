"""The explain record (ZeeRex 2.1): what the server can do, from the tables that it searches with."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from gateway.partners.sru.answers import EXPLAIN_SCHEMA
from gateway.partners.sru.indexes import INDEXES, SETS, SruIndex
from gateway.partners.sru.parameters import DEFAULT_RECORDS, MOST_RECORDS, VERSIONS
from gateway.partners.sru.schemas import SCHEMAS
from gateway.partners.xml import put, serialize

_SORTED_FIELDS = ("title", "year")
_RELATIONS = ("=", "==", "all", "any", "<", "<=", ">", ">=", "<>", "within", "adj")
_MODIFIERS = ("stem", "masked", "unmasked", "ignoreCase", "ignoreAccents", "word")


def explain_record(*, title: str, description: str, host: str, port: int, database: str, is_secure: bool) -> str:
    """Return the record as XML without a declaration.

    host, port, database  of the address at which the client reached the server; database is its path
    """
    root = Element("explain", {"xmlns": EXPLAIN_SCHEMA})
    server = put(
        root,
        "serverInfo",
        protocol="SRU",
        version=VERSIONS[-1],
        transport="https" if is_secure else "http",
        method="GET POST",
    )
    put(server, "host", host)
    put(server, "port", str(port))
    put(server, "database", database)
    about = put(root, "databaseInfo")
    put(about, "title", title, lang="id", primary="true")
    put(about, "description", description, lang="id", primary="true")
    _put_indexes(root)
    schemas = put(root, "schemaInfo")
    for schema in SCHEMAS:
        element = put(schemas, "schema", identifier=schema.identifier, name=schema.name, sort="false", retrieve="true")
        put(element, "title", schema.title)
    config = put(root, "configInfo")
    put(config, "default", str(DEFAULT_RECORDS), type="numberOfRecords")
    put(config, "setting", str(MOST_RECORDS), type="maximumRecords")
    put(config, "default", SCHEMAS[0].name, type="retrieveSchema")
    put(config, "default", "=", type="relation")
    for relation in _RELATIONS:
        put(config, "supports", relation, type="relation")
    for modifier in _MODIFIERS:
        put(config, "supports", modifier, type="relationModifier")
    for kind in ("maskingCharacter", "anchoring", "proximity", "sort", "scan"):
        put(config, "supports", type=kind)
    document: bytes = serialize(root)
    return document.decode().split("?>", 1)[1].strip()


def _put_indexes(root: Element) -> None:
    parent = put(root, "indexInfo")
    for prefix, uris in SETS.items():
        put(parent, "set", identifier=uris[0], name=prefix)
    for row in INDEXES:
        element = put(
            parent,
            "index",
            search="true",
            scan="true" if row.scan else "false",
            sort="true" if _is_sorted(row) else "false",
        )
        put(element, "title", row.title, lang="en")
        for name in row.names:
            prefix, _, local = name.partition(".")
            put(put(element, "map"), "name", local, set=prefix)
        for use in row.use:
            put(put(element, "map"), "attr", str(use), type="1", set="bib-1")


def _is_sorted(row: SruIndex) -> bool:
    return row.fields[0] in _SORTED_FIELDS
