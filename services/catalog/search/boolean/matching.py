"""Builds the match tree of a boolean search."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from chassis.errors import Invalid
from services.catalog.index.matches import And, Between, Keyword, Match, Not, Or
from services.catalog.record.classes import value_of
from services.catalog.record.field_words import FIELDED
from services.catalog.search.boolean.terms import MASKS, Part, joined, read_term, unescaped
from services.catalog.search.boolean.tree import Clause, Group, Tree, check_tree, clauses_of
from services.catalog.search.boolean.words import (
    combined,
    match_near,
    match_number,
    match_roots,
    match_words,
    tokens_match,
)
from services.catalog.search.query.fields import SEARCH_FIELDS, SearchField, code_of

MOST_WORDS = 128  # of all clauses together
MOST_MASKED_WORDS = 8
MOST_DISTANCE = 20
MOST_PHRASES = 160  # that stand for the distances, orders and places of all `near`; one `near` has no more
MODIFIERS = ("stem", "masked", "unmasked", "ignorecase", "ignoreaccents", "word")
_BOUNDS = ("=", "==", "<", "<=", ">", ">=", "within", "all", "any")
RELATIONS = {
    "words": ("all", "any", "=", "=="),
    "number": ("=", "==", "all", "any"),
    "code": ("=", "==", "all", "any"),
    "year": _BOUNDS,
    "class": _BOUNDS,
    "record": ("=", "==", "any"),
    "all": ("=", "==", "all", "any"),
}
_YEARS = re.compile(r"(?:[0-9]{4}|[0-9]{1,3}\*|(?=.{4}\Z)[0-9]{1,3}\?+)\Z")
_CLASS = re.compile(r"(?:[0-9]{3}|2X[0-9]?)(?:\.[0-9]{1,3})?\Z")
_ANCHORS = re.compile(r"^\^|(?<!\\)\^$")
_CLASS_PATTERN = re.compile(r"[0-9X.*?]{1,20}\Z")


class MatchBuilder:
    """Builds the match of a tree.

    numbers  id of a record -> its number; records that do not exist are not in it
    """

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = numbers
        self._words = self._masked_words = self._phrases = 0

    def build(self, tree: Tree) -> Match:
        """Build the match of a tree that check_tree accepts.

        raises  Invalid  SEARCH_FIELD_UNKNOWN, RELATION_UNSUPPORTED, MODIFIER_UNSUPPORTED, PROXIMITY_UNSUPPORTED,
                         TERM_EMPTY, TERM_INVALID, ANCHOR_MISPLACED, WILDCARD_TOO_SHORT, QUERY_TOO_MANY_WORDS,
                         QUERY_TOO_MANY_WILDCARDS, QUERY_TOO_MANY_PHRASES
        """
        if isinstance(tree, Clause):
            return self._clause(tree)
        if tree.operator == "near":
            return self._near(tree)
        matches = tuple(map(self.build, tree.operands))
        if tree.operator == "not":
            return Not(matches[0], matches[1:])
        return combined("any" if tree.operator == "or" else "all", matches)

    def _clause(self, clause: Clause) -> Match:
        field, relation = _field_of(clause), clause.relation
        if relation not in RELATIONS[field.kind]:
            known = list(RELATIONS[field.kind])
            raise Invalid("RELATION_UNSUPPORTED", field=field.name, relation=relation, known=known)
        modifiers = _modifiers_of(clause)
        masked = "unmasked" not in modifiers
        if field.kind in ("year", "class", "code"):
            # A value is the whole field, so anchors say nothing.
            clause = replace(clause, term=_ANCHORS.sub("", clause.term))
        match field.kind:
            case "words":
                parts = self._parts(clause, field, masked=masked)
                if "stem" not in modifiers:
                    return match_words(field, relation, parts, clause.term)
                match = match_roots(field, relation, [word for part in parts for word in part.words])
                if match is None:
                    raise _modifier_unsupported("stem", field)
                return match
            case "number":
                self._parts(clause, field, masked=masked)
                return match_number(field, relation, clause.term, masked=masked)
            case "year":
                return _compared(clause, field, _match_years)
            case "class":
                return _compared(clause, field, _match_class)
            case "code":
                return _match_codes(clause, field)
            case "record":
                numbers = [self._numbers[text] for text in clause.term.split() if text in self._numbers]
                return Or(tuple(Between("number", number, number) for number in numbers))
        return And(())

    def _parts(self, clause: Clause, field: SearchField, *, masked: bool = True) -> list[Part]:
        """Read a term, and count its words."""
        parts = read_term(clause.term, field=field.name, masked=masked)
        words = [word for part in parts for word in part.words]
        self._words += len(words)
        self._masked_words += sum(MASKS.search(word) is not None for word in words)
        if self._words > MOST_WORDS:
            raise Invalid("QUERY_TOO_MANY_WORDS", most=MOST_WORDS, words=self._words)
        if self._masked_words > MOST_MASKED_WORDS:
            raise Invalid("QUERY_TOO_MANY_WILDCARDS", most=MOST_MASKED_WORDS, wildcards=self._masked_words)
        return parts

    def _near(self, group: Group) -> Match:
        """Match two clauses of words of one field, side by side each."""
        clauses = [operand for operand in group.operands if isinstance(operand, Clause)]
        if len(group.operands) != 2 or len(clauses) != 2:
            raise _proximity_unsupported("operands")
        fields = [_field_of(clause) for clause in clauses]
        if fields[0] != fields[1] or fields[0].kind != "words":
            raise _proximity_unsupported("field")
        if any(clause.relation != "=" for clause in clauses):
            raise _proximity_unsupported("relation")
        if any(_modifiers_of(clause) for clause in clauses):
            raise _proximity_unsupported("modifiers")
        if group.unit != "word":
            raise _proximity_unsupported("unit")
        if not 1 <= group.distance <= MOST_DISTANCE:
            raise _proximity_unsupported("distance")
        first, second = (
            joined(self._parts(clause, field), clause.term) for clause, field in zip(clauses, fields, strict=True)
        )
        if any(part.first or part.last or any(map(MASKS.search, part.words)) for part in (first, second)):
            raise _proximity_unsupported("masks")
        self._phrases += group.distance * (1 if group.ordered else 2) * max(1, len(fields[0].places))
        if self._phrases > MOST_PHRASES:
            raise Invalid("QUERY_TOO_MANY_PHRASES", most=MOST_PHRASES, phrases=self._phrases)
        return match_near(fields[0], first.words, second.words, group.distance, ordered=group.ordered)


def build_match(tree: Tree, find_numbers: Callable[[Sequence[str]], Mapping[str, int]]) -> Match:
    """Build the match of a tree.

    find_numbers  returns id -> number of those records that exist
    raises        Invalid  see check_tree and MatchBuilder.build
    """
    check_tree(tree)
    fields = ((clause, SEARCH_FIELDS.get(clause.field)) for clause in clauses_of(tree))
    ids = [text for clause, field in fields if field and field.kind == "record" for text in clause.term.split()]
    return MatchBuilder(find_numbers(ids) if ids else {}).build(tree)


def _field_of(clause: Clause) -> SearchField:
    field = SEARCH_FIELDS.get(clause.field)
    if field is None:
        known = list(dict.fromkeys(row.name for row in SEARCH_FIELDS.values()))
        raise Invalid("SEARCH_FIELD_UNKNOWN", field=clause.field, known=known)
    return field


def _modifiers_of(clause: Clause) -> set[str]:
    """Return the modifiers of a clause that change its match."""
    modifiers = {modifier.lower() for modifier in clause.modifiers}
    field = _field_of(clause)
    for modifier in sorted(modifiers):
        if modifier not in MODIFIERS or (modifier == "stem" and field.kind != "words"):
            raise _modifier_unsupported(modifier, field)
    return modifiers & {"stem", "unmasked"}


def _compared(clause: Clause, field: SearchField, match_value: Callable[[str, str], Match | None]) -> Match:
    """Match the values of a term of years or classes.

    match_value  (relation: = == < <= > >=, value) -> match; None for an invalid value
    """
    relation, values = clause.relation, clause.term.upper().split()
    if relation == "within":
        if len(values) != 2:
            raise _term_invalid(clause, field)
        matches = [match_value(">=", values[0]), match_value("<=", values[1])]
    elif relation in ("all", "any"):
        matches = [match_value("=", value) for value in values]
    else:
        matches = [match_value(relation, value) for value in values] if len(values) == 1 else []
    checked = [match for match in matches if match is not None]
    if not checked or len(checked) < len(matches):
        raise _term_invalid(clause, field)
    return combined(relation, checked)


def _match_years(relation: str, value: str) -> Match | None:
    """Match years; with a mask (199?, 19*) all years that it stands for."""
    if not _YEARS.match(value):
        return None
    digits = value.rstrip("*?")
    return _between("year", relation, int(digits.ljust(4, "0")), int(digits.ljust(4, "9")))


def _match_class(relation: str, value: str) -> Match | None:
    """Match a class: = with its subclasses, == without them. Masks are for the written number.

    A class in a comparison includes its subclasses: `<= 899` includes 899.2213, and `> 899` begins at 900.
    """
    if relation in ("=", "==") and (relation == "==" or MASKS.search(value)):
        return tokens_match(FIELDED, (f"d={value.lower()}",)) if _CLASS_PATTERN.match(value) else None
    if relation == "=":
        level = value_of(value)
        return None if level is None else Keyword("facet_class_path", (level,))
    if not _CLASS.match(value):
        return None
    digits = "297" if value[:2] == "2X" else value.replace(".", "")
    return _between("class_number", relation, int(digits.ljust(6, "0")), int(digits.ljust(6, "9")))


def _between(name: str, relation: str, low: int, high: int) -> Match:
    match relation:
        case "<":
            return Between(name, None, low - 1)
        case "<=":
            return Between(name, None, high)
        case ">":
            return Between(name, high + 1, None)
        case ">=":
            return Between(name, low, None)
    return Between(name, low, high)


def _match_codes(clause: Clause, field: SearchField) -> Match:
    term = unescaped(clause.term)
    values = term.split() if clause.relation in ("all", "any") else [term.strip()]
    if not any(values):
        raise Invalid("TERM_EMPTY", field=field.name)
    codes = [_code(field, value) for value in values]
    return combined(clause.relation, [Keyword(f"facet_{field.places[0]}", (code,)) for code in codes])


def _code(field: SearchField, value: str) -> str:
    return (code_of(field.name, value) if field.labels else None) or value


def _term_invalid(clause: Clause, field: SearchField) -> Invalid:
    return Invalid("TERM_INVALID", field=field.name, term=clause.term)


def _modifier_unsupported(modifier: str, field: SearchField) -> Invalid:
    return Invalid("MODIFIER_UNSUPPORTED", modifier=modifier, field=field.name, known=list(MODIFIERS))


def _proximity_unsupported(part: str) -> Invalid:
    """
    part  of the search that proximity does not support: operands, field, relation, modifiers, unit, distance or masks
    """
    return Invalid("PROXIMITY_UNSUPPORTED", part=part, most=MOST_DISTANCE)
