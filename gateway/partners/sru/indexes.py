"""The indexes of SRU, read from indexes.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Final, NamedTuple

from gateway.partners.sru.cql import Prefix
from gateway.partners.sru.diagnostics import Diagnostic


class SruIndex(NamedTuple):
    """A row of the table.

    title   for people
    fields  of a clause in Catalog.Search; of several, one must match
    names   CQL names with their prefix
    use     Bib-1 use attributes
    scan    list of Catalog.Browse; "" without one
    facet   facet of Catalog.Search; "" without one
    """

    title: str
    fields: tuple[str, ...]
    names: tuple[str, ...]
    use: tuple[int, ...]
    scan: str
    facet: str


_TABLE = tomllib.loads((files(__package__) / "indexes.toml").read_text("utf-8"))
INDEXES: Final = tuple(
    SruIndex(
        row["title"],
        tuple(row["fields"]),
        tuple(row["indexes"]),
        tuple(row["use"]),
        row.get("scan", ""),
        row.get("facet", ""),
    )
    for row in _TABLE["index"]
)
# Prefix -> names of the context set.
SETS: Final[dict[str, list[str]]] = _TABLE["sets"]
_SET_BY_URI = {uri.rstrip("/").lower(): prefix for prefix, uris in SETS.items() for uri in uris}
INDEX_OF_FACET: Final = {row.facet: row for row in INDEXES if row.facet}
_BY_NAME: dict[str, SruIndex] = {}
for _row in INDEXES:
    for _name in _row.names:
        _BY_NAME[_name.lower()] = _row
        _BY_NAME.setdefault(_name.partition(".")[2].lower(), _row)


def index_of(name: str, prefixes: Iterable[Prefix] = ()) -> SruIndex:
    """Return the index with a name; names do not depend on case (CQL 1.2).

    prefixes  declared in the query, the innermost last
    raises    Diagnostic  15 unknown context set, 16 unknown index
    """
    prefix, local = split(name, prefixes)
    if prefix and prefix not in SETS:
        raise Diagnostic(15, prefix)
    row = _BY_NAME.get(f"{prefix}.{local}".strip(".").lower())
    if row is None:
        raise Diagnostic(16, name[:80])
    return row


def split(name: str, prefixes: Iterable[Prefix] = ()) -> tuple[str, str]:
    """Return the prefix of a context set, as in SETS, and the name in it.

    A prefix of the query stands for the set of its URI; one that is not known is returned as written.
    """
    prefix, dot, local = name.partition(".")
    if not dot:
        prefix, local = "", name
    prefix = prefix.lower()
    declared = {row.name.lower(): row.uri for row in prefixes}
    if prefix in declared:
        uri = declared[prefix]
        prefix = _SET_BY_URI.get(uri.rstrip("/").lower(), uri)
    return prefix, local


def facet_limits(limits: Mapping[str, int]) -> dict[str, int]:
    """Return facet of the catalogue -> the most values.

    limits  index of CQL -> the most values; "" is each index with a facet
    raises  Diagnostic  15, 16
    """
    if "" in limits:
        return dict.fromkeys(INDEX_OF_FACET, limits[""])
    facets = {}
    for name, limit in limits.items():
        facet = index_of(name).facet
        if not facet:
            raise Diagnostic(16, name[:80], f"The values of {name[:80]} cannot be counted")
        facets[facet] = limit
    return facets
