"""CQL: the parser agrees with the examples of cql-java's authors and with libyaz, and refuses hostile queries."""

from __future__ import annotations

import ctypes
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from gateway.partners.sru.cql import (
    BOOLEANS,
    MOST_BRACKETS,
    MOST_CLAUSES,
    MOST_PREFIXES,
    Boolean,
    Clause,
    Modifier,
    Node,
    Prefix,
    Query,
    Relation,
    SortKey,
    parse,
)
from gateway.partners.sru.diagnostics import Diagnostic
from tests.corpus import real

EXAMPLES = real.cql_examples()
LONGEST_SECONDS = 0.1


def cql(node: Node | Query) -> str:
    """Write a query as CQL, with brackets around each operand."""
    if isinstance(node, Query):
        keys = " ".join(f"{key.index}{modifiers(key.modifiers)}" for key in node.sort_keys)
        return cql(node.root) + (f" sortby {keys}" if keys else "")
    prefixes = "".join(
        f'>{prefix.name}="{prefix.uri}" ' if prefix.name else f'>"{prefix.uri}" ' for prefix in node.prefixes
    )
    if isinstance(node, Clause):
        relation = f"{node.relation.name}{modifiers(node.relation.modifiers)}"
        return f'{prefixes}{node.index} {relation} "{node.term}"'
    return f"{prefixes}({cql(node.left)}) {node.name}{modifiers(node.modifiers)} ({cql(node.right)})"


def modifiers(values: tuple[Modifier, ...]) -> str:
    return "".join(
        f"/{modifier.name}{modifier.comparison}" + (f'"{modifier.value}"' if modifier.comparison else "")
        for modifier in values
    )


def outline(node: Node | Query) -> Any:
    """Return the tree in the form of `outline_of_xml`."""
    if isinstance(node, Query):
        return outline(node.root), [(key.index, triples(key.modifiers)) for key in node.sort_keys]
    prefixes = [(prefix.name, prefix.uri) for prefix in node.prefixes]
    if isinstance(node, Clause):
        return prefixes, node.index, node.relation.name, triples(node.relation.modifiers), node.term
    return prefixes, node.name, triples(node.modifiers), outline(node.left), outline(node.right)


def triples(values: tuple[Modifier, ...]) -> list[tuple[str, str, str]]:
    """Return modifiers in alphabetical order, because libyaz reverses them."""
    return sorted((modifier.name, modifier.comparison, modifier.value) for modifier in values)


def outline_of_xml(element: etree._Element) -> Any:
    """Return XCQL as nested tuples. libyaz omits the elements around operands."""
    keys = [(key.findtext("index"), xml_modifiers(key)) for key in element.iterfind("sortKeys/key")]
    return node_of_xml(element), keys


def node_of_xml(element: etree._Element) -> Any:
    prefixes = [
        (prefix.findtext("name") or "", prefix.findtext("identifier")) for prefix in element.iterfind("prefixes/prefix")
    ]
    if element.tag == "searchClause":
        term = " ".join(term.text or "" for term in element.iterfind("term"))
        relation = element.find("relation")
        return prefixes, element.findtext("index"), relation.findtext("value"), xml_modifiers(relation), term
    boolean = element.find("boolean")
    operands = [
        node_of_xml(node)
        for node in element.xpath("(.|leftOperand|rightOperand)/*[self::searchClause or self::triple]")
    ]
    return prefixes, boolean.findtext("value"), xml_modifiers(boolean), *operands


def xml_modifiers(element: etree._Element) -> list[tuple[str, str, str]]:
    return sorted(
        (row.findtext("type"), row.findtext("comparison") or "", row.findtext("value") or "")
        for row in element.iterfind("modifiers/modifier")
    )


@cache
def libyaz() -> ctypes.CDLL:
    library = ctypes.CDLL("libyaz.so.5")
    library.cql_parser_create.restype = library.cql_parser_result.restype = ctypes.c_void_p
    return library


def parsed_by_libyaz(query: str) -> etree._Element | None:
    """Return the XCQL of libyaz; None when it refuses the query."""
    yaz = libyaz()
    parser = ctypes.c_void_p(yaz.cql_parser_create())
    try:
        if yaz.cql_parser_string(parser, query.encode()):
            return None
        xml = ctypes.create_string_buffer(1_000_000)
        yaz.cql_to_xml_buf(ctypes.c_void_p(yaz.cql_parser_result(parser)), xml, ctypes.c_int(len(xml)))
        return etree.fromstring(xml.value)
    finally:
        yaz.cql_parser_destroy(parser)


# Test data that the corpus of cql-java has, so that a bare clone checks the same rules.
OWN_EXAMPLES: dict[str, Any] = {
    "cat": ([], "cql.serverChoice", "=", [], "cat"),
    "title Any fish": ([], "title", "Any", [], "fish"),
    "all": ([], "cql.serverChoice", "=", [], "all"),
    "a or b and c": (
        [],
        "and",
        [],
        ([], "or", [], ([], "cql.serverChoice", "=", [], "a"), ([], "cql.serverChoice", "=", [], "b")),
        ([], "cql.serverChoice", "=", [], "c"),
    ),
    'author any/f.foo/b.bar>1 "navis hamka"': (
        [],
        "author",
        "any",
        [("b.bar", ">", "1"), ("f.foo", "", "")],
        "navis hamka",
    ),
    "title near/b.c fish": ([], "title", "near", [("b.c", "", "")], "fish"),
    'title = (>dc="urn:x" c)': ([("dc", "urn:x")], "title", "=", [], "c"),
    "robohnya surau kami": ([], "cql.serverChoice", "=", [], "robohnya surau kami"),
    r'"te\rm\*\?\^"': ([], "cql.serverChoice", "=", [], r"te\rm\*\?\^"),
    '""': ([], "cql.serverChoice", "=", [], ""),
}


@pytest.mark.parametrize("query", OWN_EXAMPLES)
def test_a_query_becomes_a_tree(query: str) -> None:
    assert outline(parse(query)) == (OWN_EXAMPLES[query], [])


def test_a_query_may_name_keys_to_sort_by() -> None:
    query = parse("title=surau sortby dc.date/sort.descending dc.title")
    assert query.sort_keys == (SortKey("dc.date", (Modifier("sort.descending"),)), SortKey("dc.title"))


def test_the_examples_of_cql_java_are_parsed_as_their_authors_expect() -> None:
    for name, (query, expected) in EXAMPLES.items():
        if not expected.startswith("<"):
            with pytest.raises(Diagnostic):
                parse(query)
        else:
            assert outline(parse(query)) == outline_of_xml(etree.fromstring(expected)), name


@pytest.mark.parametrize(
    ("query", "number", "details"),
    [
        ("", 10, "1"),
        ("cat or", 10, "7"),
        ("title any", 10, "10"),
        ("()", 10, "2"),
        ("(a", 13, "3"),
        ("a)", 13, "2"),
        ('a and "b', 14, "7"),
        ("a and/", 10, "7"),
        ("a/stem", 10, "2"),
        ("> a", 10, "4"),
        ("a sortby", 10, "9"),
        ("a = b = c", 10, "7"),
    ],
)
def test_a_wrong_query_is_refused_with_the_place_of_the_fault(query: str, number: int, details: str) -> None:
    with pytest.raises(Diagnostic) as refusal:
        parse(query)
    assert (refusal.value.number, refusal.value.details) == (number, details)


HOSTILE = {
    "brackets": ("(" * 10_000, 13),
    "closed brackets": ("(" * (MOST_BRACKETS + 1) + "a" + ")" * (MOST_BRACKETS + 1), 13),
    "nested relations": ("a=(" * 3_000, 13),
    "a long query": ('"' + "a" * 1_000_000 + '"', 12),
    "a long term": ('"' + "a" * 9_000 + '"', 23),
    "many clauses": (" or ".join("a" * (MOST_CLAUSES + 1)), 38),
    "prefixes that loop": ('> a = "a" ' * (MOST_PREFIXES + 1) + "a.b = c", 48),
    "backslashes": ('"' + "\\" * 9_999, 14),
    "white space": (" " * 9_999 + '"', 14),
    "slashes": ("a" + "/" * 9_000, 10),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_query_is_refused_at_once(name: str) -> None:
    query, number = HOSTILE[name]
    start = time.thread_time()
    with pytest.raises(Diagnostic) as refusal:
        parse(query)
    assert time.thread_time() - start < LONGEST_SECONDS
    assert refusal.value.number == number


words = st.text("abkz", min_size=1, max_size=5).filter(lambda word: word not in BOOLEANS)
names = st.builds("{}.{}".format, words, words) | words
terms = st.text("abk éß*?^-:/()<>= ", max_size=12) | st.just(r"\"surau\" \\ \*")
modifier_lists = st.lists(
    st.builds(Modifier, names) | st.builds(Modifier, names, st.sampled_from(["=", "<", ">=", "<>"]), words), max_size=2
).map(tuple)
relations = st.builds(
    Relation, st.sampled_from(["=", "==", "<", "<=", "<>", "all", "any", "cql.within"]), modifier_lists
)
prefixes = st.lists(st.builds(Prefix, words | st.just(""), st.builds("urn:{}".format, words)), max_size=2).map(tuple)


def trees(prefixes_of_nodes: st.SearchStrategy[tuple[Prefix, ...]]) -> st.SearchStrategy[Node]:
    clauses = st.builds(Clause, names, relations, terms, prefixes_of_nodes)
    return st.recursive(
        clauses,
        lambda nodes: st.builds(
            Boolean, st.sampled_from(sorted(BOOLEANS)), modifier_lists, nodes, nodes, prefixes_of_nodes
        ),
        max_leaves=6,
    )


def queries(prefixes_of_nodes: st.SearchStrategy[tuple[Prefix, ...]]) -> st.SearchStrategy[Query]:
    keys = st.lists(st.builds(SortKey, names, modifier_lists), max_size=2).map(tuple)
    return st.builds(Query, trees(prefixes_of_nodes), keys)


@given(queries(prefixes))
def test_a_query_that_is_written_and_parsed_is_the_same(query: Query) -> None:
    assert parse(cql(query)) == query


# libyaz knows prefixes only at the beginning, and writes them elsewhere.
@given(queries(st.just(())))
def test_libyaz_parses_a_query_to_the_same_tree(query: Query) -> None:
    tree = parsed_by_libyaz(cql(query))
    assert tree is not None, cql(query)
    assert outline(query) == outline_of_xml(tree)


@dataclass(frozen=True)
class Difference:
    """What libyaz accepts and CQL 1.2 does not.

    rule        of the grammar (OASIS searchRetrieve part 5, CQL 1.2)
    examples    queries that libyaz accepts and this parser refuses
    is_reason   whether a text that this parser refuses is of this kind
    """

    rule: str
    examples: tuple[str, ...]
    is_reason: Callable[[str, Diagnostic], bool]


KNOWN_DIFFERENCES = (
    Difference(
        rule="A quoted term ends with a quotation mark.",
        examples=('a and "b', '"'),
        is_reason=lambda _text, refusal: refusal.number == 14,
    ),
    Difference(
        rule="A word has no quotation mark.",
        examples=('a">")', 'b"="/'),
        is_reason=lambda text, refusal: bool(
            re.search(r'[ab.]"', re.sub(r'(?<![ab.])"[^"]*"', " ", text[: int(refusal.details)]))
        ),
    ),
    Difference(
        rule="searchClause ::= [index relation] searchTerm: a clause has one relation, and a term after it.",
        examples=("a<a<a", "a = b = c", "a = b any c = d"),
        is_reason=lambda text, refusal: (
            refusal.number in (10, 13) and text[int(refusal.details) - 1 :][:1] in ("=", "<", ">")
        ),
    ),
    Difference(
        rule="Brackets are no searchTerm. After a relation with a symbol or a known name this parser takes them too.",
        examples=(". .( b)", "b .b.(a)"),
        is_reason=lambda text, refusal: (
            refusal.number == 10 and bool(re.search(r"\.[ab]*\s*\($", text[: int(refusal.details)]))
        ),
    ),
)


@pytest.mark.parametrize(("query", "difference"), [(query, row) for row in KNOWN_DIFFERENCES for query in row.examples])
def test_libyaz_accepts_what_the_grammar_does_not(query: str, difference: Difference) -> None:
    with pytest.raises(Diagnostic) as refusal:
        parse(query)
    assert difference.is_reason(query, refusal.value), difference.rule
    assert parsed_by_libyaz(query) is not None


@given(st.text('ab ()=<>/".', max_size=12))
@example("a<a<a")
def test_what_this_parser_refuses_libyaz_refuses_but_for_known_differences(text: str) -> None:
    try:
        parse(text)
    except Diagnostic as refusal:
        if not any(difference.is_reason(text, refusal) for difference in KNOWN_DIFFERENCES):
            assert parsed_by_libyaz(text) is None
