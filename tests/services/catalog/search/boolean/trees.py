"""Random trees whose terms come from documents, so that most of them have hits."""

from __future__ import annotations

from hypothesis import strategies as st

from services.catalog.search.boolean.tree import Clause, Group, Tree
from tests.services.catalog.search.boolean.oracle import NUMBERS, SIGNS, Documents, IndexedDocument

WORD_FIELDS = [field for field in SIGNS if field not in NUMBERS]
COMPARISONS = ("<", "<=", ">", ">=", "within")


def trees(documents: Documents) -> st.SearchStrategy[Tree]:
    return st.recursive(clauses(documents) | pairs(documents), groups, max_leaves=5)


def groups(operands: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    def group(operator: str, chosen: list[Tree]) -> Tree:
        return Group(operator, tuple(chosen))

    return st.builds(group, st.sampled_from(("and", "or", "not")), st.lists(operands, min_size=2, max_size=3))


@st.composite
def clauses(draw: st.DrawFn, documents: Documents) -> Clause:
    indexed = documents[draw(st.integers(0, len(documents) - 1))]
    kind = draw(st.sampled_from(("words", "words", "words", "stem", "number", "year", "class", "code", "all_records")))
    if kind == "number":
        return _number(draw, indexed)
    if kind == "year" and indexed.document.year is not None:
        return _compared(
            draw, "year", str(indexed.document.year), masked=draw(st.sampled_from(("19??", "199?", "20*")))
        )
    if kind == "class" and indexed.document.class_number is not None:
        level = draw(st.sampled_from(indexed.document.facets["class_path"]))
        if draw(st.booleans()):
            return Clause(level, "class")
        digits = f"{indexed.document.class_number:06}"
        return _compared(draw, "class", f"{digits[:3]}.{digits[3:]}", masked="8*9.2*")
    if kind == "code":
        field = draw(st.sampled_from(("language", "institution", "branch")))
        values = indexed.document.facets[field] or ("none",)
        return Clause(draw(st.sampled_from(values)), field, draw(st.sampled_from(("=", "==", "any", "all"))))
    if kind == "all_records":
        return Clause("1", "all_records")
    if kind == "stem":
        word = draw(st.sampled_from(indexed.all_words[:-1] or ["surau"]))
        field = draw(st.sampled_from(("any", "title", "author", "subject")))
        return Clause(word if word != "|" else "surau", field, draw(st.sampled_from(("=", "all", "any"))), ("stem",))
    return _words(draw, indexed)


def _words(draw: st.DrawFn, indexed: IndexedDocument) -> Clause:
    field, words, start, text = _some_words(draw, indexed)
    words = [_masked(draw, word) for word in words]
    relation = draw(st.sampled_from(("=", "=", "==", "all", "any")))
    if relation in ("all", "any"):
        words.append(draw(st.sampled_from(text)))
        words = draw(st.permutations(words))
    if draw(st.integers(0, 3)) == 0 and start == 0:
        words[0] = f"^{words[0]}"
    if draw(st.integers(0, 3)) == 0:
        words[-1] = f"{words[-1]}^"
    return Clause(" ".join(words), draw(st.sampled_from((field, field, "any"))), relation)


def _some_words(draw: st.DrawFn, indexed: IndexedDocument) -> tuple[str, list[str], int, list[str]]:
    """A field, words side by side in it, their position, and all words of the text."""
    choices = [(field, text) for field in WORD_FIELDS for text in indexed.texts(field)] or [("title", ["surau"])]
    field, text = draw(st.sampled_from(choices))
    start = draw(st.integers(0, len(text) - 1))
    length = draw(st.integers(1, 4))
    return field, text[start : start + length], start, text


def _masked(draw: st.DrawFn, word: str) -> str:
    if len(word) < 5 or draw(st.integers(0, 3)):
        return word
    at = draw(st.integers(0, len(word) - 1))
    end = draw(st.integers(at + 1, len(word)))
    masked = f"{word[:at]}{draw(st.sampled_from('*?'))}{word[end:]}"
    return masked if sum(map(str.isalnum, masked)) >= 3 else word


def _number(draw: st.DrawFn, indexed: IndexedDocument) -> Clause:
    choices = [(field, number) for field in NUMBERS for (number,) in indexed.texts(field) if len(number) > 3]
    field, number = draw(st.sampled_from(choices or [("barcode", "none")]))
    return Clause(_masked(draw, number), field, draw(st.sampled_from(("=", "==", "any", "all"))))


def _compared(draw: st.DrawFn, field: str, value: str, *, masked: str) -> Clause:
    relation = draw(st.sampled_from((*COMPARISONS, "==")))
    if relation == "==":
        return Clause(draw(st.sampled_from((value, masked))), field, relation)
    if relation != "within":
        return Clause(value, field, relation)
    return Clause(f"{value} {value[:-1]}9", field, relation)


@st.composite
def pairs(draw: st.DrawFn, documents: Documents) -> Group:
    """Words near each other."""
    indexed = documents[draw(st.integers(0, len(documents) - 1))]
    field, _words, _start, text = _some_words(draw, indexed)
    places = sorted(draw(st.lists(st.integers(0, len(text) - 1), min_size=2, max_size=2)))
    terms = [" ".join(text[at : at + draw(st.integers(1, 2))]) for at in places]
    if draw(st.booleans()):
        terms.reverse()
    field = draw(st.sampled_from((field, "any")))
    operands = tuple(Clause(term, field) for term in terms)
    return Group("near", operands, distance=draw(st.integers(1, 6)), ordered=draw(st.booleans()))
