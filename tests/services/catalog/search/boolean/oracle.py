"""Boolean searches in plain Python over the analysed fields of documents: slow, and without an engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from services.catalog.analysis import root
from services.catalog.record.index_document import Document
from services.catalog.search.boolean.tree import Clause, Group, Tree

SIGNS = {
    "title": ("t", "tu", "tk"),
    "uniform_title": ("tu",),
    "author": ("ap", "ac", "am", "ar"),
    "personal_name": ("ap",),
    "corporate_name": ("ac",),
    "subject": ("s", "sn", "sg", "sf"),
    "series": ("e",),
    "publisher": ("p",),
    "place": ("pl",),
    "isbn": ("i",),
    "control": ("c",),
    "barcode": ("b",),
    "call": ("k",),
}
NUMBERS = ("isbn", "control", "barcode", "call")
EVERY_SIGN = ("t", "tu", "tk", "ap", "ac", "am", "ar", "s", "sn", "sg", "sf", "e", "p", "pl")
NUMBER_SIGNS = ("i", "is", "l", "b", "k", "c")


class IndexedDocument:
    """A document with its fields as lists of words."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.number = document.number
        self.fields: dict[str, list[list[str]]] = {}  # sign -> fields of words
        for token in document.text["fielded"].split()[1:]:
            sign, _, word = token.partition("=")
            if word == "|":
                self.fields.setdefault(sign, []).append([])
            elif sign in NUMBER_SIGNS or sign == "d":
                self.fields.setdefault(sign, []).append([word])
            else:
                self.fields[sign][-1].append(word)
        self.all_words = document.text["text"].split()[1:]
        self.roots = set(document.text["any"].split())

    def texts(self, field: str) -> Iterator[list[str]]:
        for sign in SIGNS[field]:
            yield from (words for words in self.fields.get(sign, ()) if words)


class Documents(list[IndexedDocument]):
    """Documents with a short representation, which Hypothesis prints."""

    def __repr__(self) -> str:
        return f"<{len(self)} documents>"


def matches(indexed: IndexedDocument, tree: Tree) -> bool:
    """Tell whether a document matches."""
    if isinstance(tree, Clause):
        return _clause(indexed, tree)
    if tree.operator == "near":
        return _near(indexed, tree)
    results = [matches(indexed, operand) for operand in tree.operands]
    return {"and": all(results), "or": any(results), "not": results[0] and not any(results[1:])}[tree.operator]


def _clause(indexed: IndexedDocument, clause: Clause) -> bool:
    document, field, relation = indexed.document, clause.field, clause.relation
    parts = clause.term.split()
    if field in NUMBERS:
        numbers = [number for (number,) in indexed.texts(field)]
        return _quantified(relation, parts, lambda part: any(_fits(part.lower(), number) for number in numbers))
    if field == "year":
        return (
            _quantified(relation, parts, lambda part: document.year is not None and _fits(part, str(document.year)))
            if relation in ("=", "==", "all", "any")
            else _in_range(document.year, relation, [(int(part), int(part)) for part in parts])
        )
    if field == "class":
        if relation == "==":
            return any(_fits(parts[0].lower(), number) for (number,) in indexed.fields.get("d", ()))
        if relation == "=":
            return parts[0] in document.facets["class_path"]
        bounds = [part.replace(".", "") for part in parts]
        return _in_range(
            document.class_number, relation, [(int(b.ljust(6, "0")), int(b.ljust(6, "9"))) for b in bounds]
        )
    if field in ("language", "institution", "branch"):
        return _quantified(relation, parts, lambda part: part in document.facets[field])
    if field == "all_records":
        return True
    if "stem" in clause.modifiers:
        sign = {"any": "", "title": "t=", "author": "a=", "subject": "s="}[field]
        return _quantified(relation, parts, lambda part: sign + root(part) in indexed.roots)
    if relation in ("all", "any"):
        return _quantified(
            relation, parts, lambda part: _has_words(indexed, field, [part.strip("^")], part[0] == "^", part[-1] == "^")
        )
    whole = relation == "=="
    words = [part.strip("^") for part in parts]
    return _has_words(indexed, field, words, whole or parts[0][0] == "^", whole or parts[-1][-1] == "^")


def _quantified(relation: str, parts: Sequence[str], test: Callable[[str], bool]) -> bool:
    return any(map(test, parts)) if relation == "any" else all(map(test, parts))


def _in_range(value: int | None, relation: str, bounds: Sequence[tuple[int, int]]) -> bool:
    if value is None:
        return False
    low, high = bounds[0]
    return {
        "<": value < low,
        "<=": value <= high,
        ">": value > high,
        ">=": value >= low,
        "within": low <= value <= bounds[-1][1],
    }[relation]


def _has_words(indexed: IndexedDocument, field: str, words: Sequence[str], first: bool, last: bool) -> bool:
    if field != "any":
        return any(_side_by_side(text, words, first, last) for text in indexed.texts(field))
    number = "".join(words)
    if any(map(str.isdigit, number)) and any([number] in indexed.fields.get(sign, ()) for sign in NUMBER_SIGNS):
        return True
    if not first and not last:
        return _side_by_side(indexed.all_words, words, False, False)
    texts = (text for sign in EVERY_SIGN for text in indexed.fields.get(sign, ()))
    return any(_side_by_side(text, words, first, last) for text in texts)


def _side_by_side(text: Sequence[str], words: Sequence[str], first: bool, last: bool) -> bool:
    starts = [
        start for start in range(len(text) - len(words) + 1) if all(map(_fits, words, text[start : start + len(words)]))
    ]
    return any((not first or start == 0) and (not last or start + len(words) == len(text)) for start in starts)


def _near(indexed: IndexedDocument, group: Group) -> bool:
    first, second = (operand.term.split() for operand in group.operands if isinstance(operand, Clause))
    field = next(operand.field for operand in group.operands if isinstance(operand, Clause))
    texts = [indexed.all_words] if field == "any" else [_with_borders(indexed, sign) for sign in SIGNS[field]]
    pairs = [(first, second)] if group.ordered else [(first, second), (second, first)]
    return any(_gap(text, left, right, group.distance) for text in texts for left, right in pairs)


def _with_borders(indexed: IndexedDocument, sign: str) -> list[str]:
    return [word for words in indexed.fields.get(sign, ()) for word in ("|", *words)]


def _gap(text: Sequence[str], left: Sequence[str], right: Sequence[str], distance: int) -> bool:
    ends = [at + len(left) - 1 for at in range(len(text)) if list(text[at : at + len(left)]) == list(left)]
    starts = [at for at in range(len(text)) if list(text[at : at + len(right)]) == list(right)]
    return any(1 <= start - end <= distance for end in ends for start in starts)


def _fits(pattern: str, word: str) -> bool:
    if "*" not in pattern and "?" not in pattern:
        return pattern == word
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, word, re.DOTALL) is not None
