"""Parses CQL 1.2 (OASIS searchRetrieve part 5) into a tree. Names and terms stay as written.

The parser does not know which indexes, relations and modifiers a server supports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from gateway.partners.sru.diagnostics import Diagnostic

SERVER_CHOICE = "cql.serverChoice"
LONGEST_QUERY = 10_000  # characters
LONGEST_TERM = 1_000  # characters
MOST_CLAUSES = 200
MOST_BRACKETS = 50  # around each other
MOST_PREFIXES = 20

BOOLEANS = frozenset({"and", "or", "not", "prox"})
SYMBOLS = frozenset({"=", "==", "<", ">", "<=", ">=", "<>"})
# Relations by name; `exact` and `scr` are of CQL 1.1. Another word is a relation when it has a prefix, as in `my.near`.
NAMED_RELATIONS = frozenset({"all", "any", "adj", "within", "encloses", "exact", "scr"})

_TOKEN = re.compile(
    r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<symbol><=|>=|<>|==|[=<>()/])|(?P<word>(?:\\.|[^\s()=<>"/])++))', re.S
)


@dataclass(frozen=True, slots=True)
class Modifier:
    """`/name` or `/name>value`, the name in small letters; comparison and value are "" without."""

    name: str
    comparison: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Relation:
    name: str
    modifiers: tuple[Modifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Prefix:
    """`> name = "uri"`; the name is "" for the default context set."""

    name: str
    uri: str


@dataclass(frozen=True, slots=True)
class Clause:
    """A search clause. The term still has its backslashes, masking and anchoring characters.

    prefixes  in force from here on, the outermost first
    """

    index: str
    relation: Relation
    term: str
    prefixes: tuple[Prefix, ...] = ()


@dataclass(frozen=True, slots=True)
class Boolean:
    """Two operands and what combines them; the name is in small letters."""

    name: str
    modifiers: tuple[Modifier, ...]
    left: Node
    right: Node
    prefixes: tuple[Prefix, ...] = ()


Node = Clause | Boolean


@dataclass(frozen=True, slots=True)
class SortKey:
    index: str
    modifiers: tuple[Modifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    root: Node
    sort_keys: tuple[SortKey, ...] = ()


def parse(text: str) -> Query:
    """Parse a query.

    raises  Diagnostic  10 syntax, 12 too long, 13 brackets, 14 quotes, 23 a term is too long, 38 too many booleans
    """
    if len(text) > LONGEST_QUERY:
        raise Diagnostic(12, str(LONGEST_QUERY), f"The query has more than {LONGEST_QUERY} characters")
    return _Parser(_tokens(text)).query()


@dataclass(frozen=True, slots=True)
class _Token:
    """kind: "string" (quoted, text without the quotes), "symbol", "word" or "end"; position in the query, from 1."""

    kind: str
    text: str
    position: int


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:  # only a quotation mark begins no token
            at += len(text[at:]) - len(text[at:].lstrip())
            raise Diagnostic(14, str(at + 1), f"The quotation mark at character {at + 1} is not closed")
        kind = str(match.lastgroup)
        token = match[kind]
        tokens.append(_Token(kind, token[1:-1] if kind == "string" else token, match.start(kind) + 1))
        at = match.end()
    tokens.append(_Token("end", "", len(text) + 1))
    return tokens


class _Parser:
    """Recursive descent; only brackets recurse, so the depth is bounded."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._clauses = 0
        self._depth = 0

    def query(self) -> Query:
        root = self._operands(SERVER_CHOICE, Relation("="))
        keys: list[SortKey] = []
        if self._take_word("sortby"):
            keys.append(self._sort_key())
            while self._token.kind != "end":
                keys.append(self._sort_key())
        if self._token.kind != "end":
            raise self._wrong("the end of the query", 13 if self._token.text == ")" else 10)
        return Query(root, tuple(keys))

    def _operands(self, index: str, relation: Relation) -> Node:
        """Parse prefixes, and clauses with booleans of equal precedence between them, from the left."""
        prefixes = self._prefixes()
        node = self._operand(index, relation)
        while self._is_keyword() and (name := self._token.text.lower()) in BOOLEANS:
            self._next()
            modifiers = self._modifiers()
            inner = self._prefixes()
            node = Boolean(name, modifiers, node, _under(inner, self._operand(index, relation)))
        return _under(prefixes, node)

    def _operand(self, index: str, relation: Relation) -> Node:
        """Parse a clause or a query in brackets. `index` and `relation` hold for a term without them."""
        if self._take("("):
            if self._depth == MOST_BRACKETS:
                message = f"More than {MOST_BRACKETS} brackets are open"
                raise Diagnostic(13, str(MOST_BRACKETS), message)
            self._depth += 1
            node = self._operands(index, relation)
            if not self._take(")"):
                raise self._wrong("a closing bracket", 13)
            self._depth -= 1
            return node
        first = self._term_token("a term or an index")
        if self._is_relation():
            name = self._next().text
            relation = Relation(name, self._modifiers())
            # `title = (fish or chips)`: the index holds for each term in the brackets.
            if self._token.text == "(" and self._token.kind == "symbol":
                return self._operand(first.text, relation)
            return self._clause(first.text, relation, [self._term_token("a term")])
        return self._clause(index, relation, [first])

    def _clause(self, index: str, relation: Relation, words: list[_Token]) -> Clause:
        """Make a clause; words that follow each other are one term, as in libyaz."""
        while self._token.kind in ("word", "string") and not self._is_keyword():
            words.append(self._next())
        term = " ".join(word.text for word in words)
        if len(term) > LONGEST_TERM:
            raise Diagnostic(23, str(LONGEST_TERM), f"A term has more than {LONGEST_TERM} characters")
        self._clauses += 1
        if self._clauses > MOST_CLAUSES:
            raise Diagnostic(38, str(MOST_CLAUSES - 1), f"The query has more than {MOST_CLAUSES} terms")
        return Clause(index, relation, term)

    def _prefixes(self) -> tuple[Prefix, ...]:
        prefixes: list[Prefix] = []
        while self._take(">"):
            name, uri = "", self._term_token("a prefix or the name of a context set").text
            if self._take("="):
                name, uri = uri, self._term_token("the name of a context set").text
            prefixes.append(Prefix(name, uri))
            if len(prefixes) > MOST_PREFIXES:
                raise Diagnostic(48, str(MOST_PREFIXES), f"More than {MOST_PREFIXES} prefixes follow each other")
        return tuple(prefixes)

    def _modifiers(self) -> tuple[Modifier, ...]:
        modifiers: list[Modifier] = []
        while self._take("/"):
            name = self._term_token("a modifier").text.lower()
            if self._token.kind == "symbol" and self._token.text in SYMBOLS:
                comparison = self._next().text
                modifiers.append(Modifier(name, comparison, self._term_token("the value of a modifier").text))
            else:
                modifiers.append(Modifier(name))
        return tuple(modifiers)

    def _sort_key(self) -> SortKey:
        return SortKey(self._term_token("an index to sort by").text, self._modifiers())

    def _is_relation(self) -> bool:
        """Is the next token a relation with something after it?"""
        token = self._token
        if token.kind == "symbol":
            return token.text in SYMBOLS
        if token.kind != "word":
            return False
        if token.text.lower() in NAMED_RELATIONS:
            return True
        following = self._tokens[self._at + 1]
        if following.kind == "symbol":
            # Here only a relation has modifiers, whatever its name is.
            return following.text == "/" and not self._is_keyword()
        return "." in token.text.strip(".") and following.kind in ("word", "string")

    def _is_keyword(self) -> bool:
        return self._token.kind == "word" and self._token.text.lower() in (*BOOLEANS, "sortby")

    @property
    def _token(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _take(self, symbol: str) -> bool:
        if self._token.kind != "symbol" or self._token.text != symbol:
            return False
        self._at += 1
        return True

    def _take_word(self, word: str) -> bool:
        if self._token.kind != "word" or self._token.text.lower() != word:
            return False
        self._at += 1
        return True

    def _term_token(self, wanted: str) -> _Token:
        if self._token.kind not in ("word", "string"):
            raise self._wrong(wanted)
        return self._next()

    def _wrong(self, wanted: str, number: int = 10) -> Diagnostic:
        token = self._token
        found = "the query ends" if token.kind == "end" else f'"{token.text[:40]}" stands'
        return Diagnostic(
            number, str(token.position), f"At character {token.position} {found} where {wanted} should be"
        )


def _under(prefixes: tuple[Prefix, ...], node: Node) -> Node:
    return replace(node, prefixes=prefixes + node.prefixes) if prefixes else node
