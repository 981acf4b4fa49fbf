"""Translates CQL into the boolean search of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from chassis.errors import Error, TooLate, Unavailable
from gateway.partners.sru.cql import Boolean, Clause, Modifier, Node, Prefix, Query, SortKey
from gateway.partners.sru.diagnostics import Diagnostic
from gateway.partners.sru.indexes import index_of, split
from rangkiang.catalog.v1.catalog_pb2 import SearchTree

_RELATIONS: Final = {
    "=": "=", "scr": "=", "adj": "=", "==": "==", "exact": "==", "all": "all", "any": "any", "<": "<", "<=": "<=",
    ">": ">", ">=": ">=", "within": "within", "<>": "<>",
}  # fmt: skip
# Modifiers of relations, in small letters -> modifier of the catalogue; "" changes nothing, as it is the default.
_MODIFIERS: Final = {
    "stem": "stem", "masked": "masked", "unmasked": "unmasked", "ignorecase": "", "ignoreaccents": "", "word": "",
    "relevant": "", "number": "", "isodate": "",
}  # fmt: skip
_ESCAPE = re.compile(r"\\(.)", re.S)
# Reason of the catalogue -> number of the diagnostic and the fact that is its details.
_REASONS: Final = {
    "SEARCH_FIELD_UNKNOWN": (16, "field"),
    "RELATION_UNSUPPORTED": (22, "field"),
    "MODIFIER_UNSUPPORTED": (20, "modifier"),
    "TERM_EMPTY": (27, ""),
    "TERM_INVALID": (36, "term"),
    "ANCHOR_MISPLACED": (32, ""),
    "WILDCARD_TOO_SHORT": (29, ""),
    "WILDCARD_TOO_BROAD": (29, ""),
    "QUERY_TOO_MANY_WILDCARDS": (30, "most"),
    "QUERY_TOO_MANY_PHRASES": (38, "most"),
    "QUERY_TOO_MANY_WORDS": (12, "most"),
    "QUERY_TOO_LONG": (23, "most"),
    "TERM_TOO_LONG": (23, "most"),
    "QUERY_TOO_DEEP": (48, "most"),
    "QUERY_TOO_MANY_CLAUSES": (38, "most"),
}
MOST_LEVELS = 20  # of the catalogue; protobuf refuses deeper trees too
_PROXIMITY: Final = {"unit": 42, "distance": 41, "masks": 33, "modifiers": 44, "relation": 40}
# Index of sortBy -> sort of the catalogue, ascending and descending; None cannot be sorted.
_SORTS: Final[dict[str, tuple[str | None, str | None]]] = {
    "title": ("title", None),
    "year": ("year_asc", "year"),
}


def search_tree(node: Node, prefixes: tuple[Prefix, ...] = ()) -> SearchTree:
    """Translate a query.

    prefixes  in force around the node
    raises    Diagnostic  15, 16, 19, 20, 26, 39 to 46, and 48 for a tree that is too deep
    """
    return _translate(node, prefixes)[0]


def _translate(node: Node, prefixes: tuple[Prefix, ...]) -> tuple[SearchTree, int]:
    """Return the tree of a node and its levels."""
    prefixes += node.prefixes
    if isinstance(node, Clause):
        tree = _clause(node, prefixes)
        return tree, 3 if tree.operator == "not" else 2 if tree.operator else 1
    if node.name == "prox":
        return _proximity(node, prefixes), 2
    if node.modifiers:
        raise Diagnostic(46, node.modifiers[0].name)
    # Equal operators from the left become one group, so that a long query is not a deep one.
    operands: list[SearchTree] = []
    deepest = 0
    for operand in (node.left, node.right):
        tree, levels = _translate(operand, prefixes)
        if tree.operator == node.name and (node.name != "not" or operand is node.left):
            operands += tree.operands
            levels -= 1
        else:
            operands.append(tree)
        deepest = max(deepest, levels)
    if deepest == MOST_LEVELS:
        raise Diagnostic(48, str(MOST_LEVELS), f"Operators are more than {MOST_LEVELS - 1} levels deep")
    return SearchTree(operator=node.name, operands=operands), deepest + 1


def _clause(clause: Clause, prefixes: tuple[Prefix, ...]) -> SearchTree:
    row = index_of(clause.index, prefixes)
    prefix, name = split(clause.relation.name, prefixes)
    relation = _RELATIONS.get(name.lower()) if prefix in ("", "cql") else None
    if relation is None:
        raise Diagnostic(19, clause.relation.name)
    modifiers = [_modifier(modifier, prefixes) for modifier in clause.relation.modifiers]
    alternatives = [
        SearchTree(
            field=field,
            relation="==" if relation == "<>" else relation,
            term=term_of(clause.term),
            modifiers=[modifier for modifier in modifiers if modifier],
        )
        for field in row.fields
    ]
    tree = alternatives[0] if len(alternatives) == 1 else SearchTree(operator="or", operands=alternatives)
    if relation == "<>":
        return SearchTree(operator="not", operands=[SearchTree(field="all_records", relation="=", term="1"), tree])
    return tree


def _modifier(modifier: Modifier, prefixes: tuple[Prefix, ...]) -> str:
    prefix, name = split(modifier.name, prefixes)
    known = _MODIFIERS.get(name.lower()) if prefix in ("", "cql") and not modifier.comparison else None
    if known is None:
        raise Diagnostic(20, modifier.name)
    return known


def term_of(term: str) -> str:
    """Return a term for the catalogue, which knows the same masks and anchors; a quotation mark is plain there.

    raises  Diagnostic  26 a backslash before another character
    """
    for match in _ESCAPE.finditer(term):
        if match[1] not in '*?^"\\':
            raise Diagnostic(26, match[1])
    if _ESCAPE.sub("", term).endswith("\\"):
        raise Diagnostic(26)
    return _ESCAPE.sub(lambda match: '"' if match[1] == '"' else match[0], term)


def _proximity(node: Boolean, prefixes: tuple[Prefix, ...]) -> SearchTree:
    distance, unit, ordered = 1, "word", False
    for modifier in node.modifiers:
        prefix, name = split(modifier.name, prefixes)
        match name.lower() if prefix in ("", "cql") else "":
            case "distance":
                if not (modifier.value.isascii() and modifier.value.isdigit()) or len(modifier.value) > 4:
                    raise Diagnostic(41, modifier.value)
                distance = int(modifier.value) - (modifier.comparison == "<")
                # Exactly one word is side by side; other exact distances and lower bounds cannot be searched.
                if modifier.comparison not in ("<", "<=") and (modifier.comparison != "=" or distance != 1):
                    raise Diagnostic(40, modifier.comparison)
            case "unit":
                unit = modifier.value.lower()
                if unit != "word":
                    raise Diagnostic(42, modifier.value)
            case "ordered" | "unordered":
                ordered = name.lower() == "ordered"
            case _:
                raise Diagnostic(46, modifier.name)
    if distance < 1:
        raise Diagnostic(41, str(distance))
    operands = [_translate(operand, prefixes)[0] for operand in (node.left, node.right)]
    return SearchTree(operator="near", operands=operands, distance=distance, unit=unit, ordered=ordered)


def sort_of(query: Query, sort_keys: str = "") -> str:
    """Return the sort of the catalogue; "" by relevance.

    sort_keys  of SRU 1.1: `path,schema,ascending,caseSensitive,missingValue`
    raises     Diagnostic  80, 84, 88, 90
    """
    keys: Sequence[SortKey] = query.sort_keys or [_sort_key(text) for text in sort_keys.split()]
    if not keys:
        return ""
    if len(keys) > 1:
        raise Diagnostic(84, "1", "Records are sorted by one key")
    [key] = keys
    descending = False
    for modifier in key.modifiers:
        name = split(modifier.name)[1].lower()
        if name not in ("ascending", "descending", "ignorecase", "missinghigh", "missinglow"):
            raise Diagnostic(82, modifier.name)
        descending = name == "descending" or (descending and name != "ascending")
    field = index_of(key.index, query.root.prefixes).fields[0]
    if field not in _SORTS:
        raise Diagnostic(88, key.index, "Records are sorted by title or by year")
    sort = _SORTS[field][descending]
    if sort is None:
        raise Diagnostic(90, "descending")
    return sort


def _sort_key(text: str) -> SortKey:
    """Read a key of SRU 1.1."""
    path, _schema, ascending, *_ = [*text.split(","), "", ""]
    return SortKey(path, (Modifier("sort.descending"),) if ascending in ("0", "false") else ())


def diagnostic_of(error: Error) -> Diagnostic | None:
    """Return the diagnostic of a refusal of the catalogue; None for one that is not about the request."""
    facts = {name: str(value) for name, value in error.facts.items()}
    if error.reason == "PROXIMITY_UNSUPPORTED":
        return Diagnostic(_PROXIMITY.get(facts.get("part", ""), 39), facts.get("part", ""))
    if isinstance(error, (Unavailable, TooLate)):
        return Diagnostic(2)
    number, fact = _REASONS.get(error.reason, (0, ""))
    return Diagnostic(number, facts.get(fact, "")[:80]) if number else None
