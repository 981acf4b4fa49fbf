"""The tree of a boolean search, and its limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chassis.errors import Invalid

MOST_LEVELS = 20
MOST_CLAUSES = 100
LONGEST_TERM = 500
OPERATORS = {"and": 1, "or": 1, "not": 2, "near": 2}  # with the smallest number of operands


@dataclass(frozen=True, slots=True)
class Clause:
    """A field compared with a term.

    field      name of a search field or one of its labels, see search.query.fields
    relation   all, any, =, ==, <, <=, >, >= or within
    term       `*` stands for any letters and `?` for one letter; `^` is the beginning or the end of the field; a
               backslash before these makes them plain
    modifiers  see MODIFIERS in matches
    """

    term: str
    field: str = "any"
    relation: str = "="
    modifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Operands under an operator.

    operator  and, or; not: the first operand without the others; near: two clauses of words near each other
    distance  of near: the second words begin at most so many words after the first ones end; 1 is side by side
    unit      of near: only "word"
    ordered   of near: the operands are in this order
    """

    operator: str
    operands: tuple[Tree, ...]
    distance: int = 1
    unit: str = "word"
    ordered: bool = False


Tree = Clause | Group


def check_tree(tree: Tree) -> None:
    """Check the size of a tree.

    raises  Invalid  OPERATOR_UNKNOWN, OPERANDS_TOO_FEW, QUERY_TOO_DEEP, QUERY_TOO_MANY_CLAUSES, QUERY_TOO_LONG
    """
    levels, level = 0, [tree]
    clauses = 0
    while level:
        levels += 1
        if levels > MOST_LEVELS:
            raise Invalid("QUERY_TOO_DEEP", most=MOST_LEVELS, deep=levels)
        below: list[Tree] = []
        for node in level:
            if isinstance(node, Group):
                _check_group(node)
                below += node.operands
                continue
            clauses += 1
            if len(node.term) > LONGEST_TERM:
                raise Invalid("QUERY_TOO_LONG", most=LONGEST_TERM, characters=len(node.term))
        level = below
    if clauses > MOST_CLAUSES:
        raise Invalid("QUERY_TOO_MANY_CLAUSES", most=MOST_CLAUSES, clauses=clauses)


def _check_group(group: Group) -> None:
    least = OPERATORS.get(group.operator)
    if least is None:
        raise Invalid("OPERATOR_UNKNOWN", operator=group.operator, known=list(OPERATORS))
    if len(group.operands) < least:
        raise Invalid("OPERANDS_TOO_FEW", operator=group.operator, least=least)


def clauses_of(tree: Tree) -> Iterator[Clause]:
    """Yield the clauses of a tree."""
    if isinstance(tree, Clause):
        yield tree
    else:
        for operand in tree.operands:
            yield from clauses_of(operand)
