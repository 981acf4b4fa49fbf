"""Checks and compiles the source of templates: a small part of Jinja, which is checked before it runs.

A template may print declared variables with a few filters, use `if`, and loop over the entries of a list. It cannot
call, assign, compute, include, or read attributes of Python objects. Loops are only over lists of bounded length, so
the time is bounded too. Jinja's own sandbox is a second protection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, nodes, pass_context
from jinja2 import Template as JinjaTemplate
from jinja2.exceptions import TemplateError, TemplateSyntaxError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from chassis.errors import Invalid
from services.notifications.templates.kinds import Variable
from services.notifications.templates.markup import VALUE_BEGINS, VALUE_ENDS, numbered
from services.notifications.templates.values import (
    date_in_words,
    number_in_words,
    one_line,
    short_date,
    shortened,
    time_in_words,
)

LONGEST_SOURCE = 20_000
LONGEST_OUTPUT = 100_000
MOST_ENTRIES = 100
_DEEPEST = 24
_LOOP = ("first", "last", "index")
# Names in the context that templates cannot use, because `find_faults` refuses names that are not declared.
_LANGUAGE, _VALUES = "_language", "_values"


@dataclass(frozen=True, slots=True)
class Fault:
    """A reason to refuse a template: a key of sentences.toml, the line, and the name or word."""

    reason: str
    line: int
    name: str = ""


def _in_language(write: Callable[[Any, str], str]) -> Callable[..., str]:
    @pass_context
    def filter_(context: Context, value: Any) -> str:
        return write(value, context[_LANGUAGE])

    return filter_


def _cut(value: Any, longest: int) -> str:
    return shortened(str(value), max(4, min(longest, 1_000)))


FILTERS: Mapping[str, Callable[..., str]] = {
    "date": _in_language(date_in_words),
    "short_date": _in_language(short_date),
    "time": _in_language(time_in_words),
    "number": _in_language(number_in_words),
    "cut": _cut,
    "upper": lambda value: str(value).upper(),
}


@pass_context
def _keep_value(context: Context, value: Any) -> str:
    """Store a value, and return its number, which replaces the value in the text."""
    values: list[str] = context[_VALUES]
    values.append(one_line(value))
    return numbered(len(values) - 1)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_keep_value,
        cache_size=0,
    )
    environment.filters = dict(FILTERS)
    environment.globals = {}
    environment.tests = {}
    return environment


_JINJA = _environment()
_SIMPLE = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr,
           nodes.Compare, nodes.Operand)  # fmt: skip


def find_faults(
    source: str, variables: Mapping[str, Variable], *, requires: tuple[str, ...] = (), is_subject: bool = False
) -> list[Fault]:
    """Check the source of a template without running it. Returns every fault, in order of lines.

    variables   variables that may be used
    requires    variables that must be used
    is_subject  True: only variables without data about members may be used, and line ends are refused
    """
    if len(source) > LONGEST_SOURCE:
        return [Fault("TEMPLATE_TOO_LONG", 1)]
    if VALUE_BEGINS in source or VALUE_ENDS in source or "\x00" in source:
        return [Fault("TEMPLATE_CHARACTER", 1)]
    if is_subject and "\n" in source.strip():
        return [Fault("TEMPLATE_SUBJECT_LINES", 1)]
    try:
        tree = _JINJA.parse(source)
    except TemplateSyntaxError as fault:
        return [Fault("TEMPLATE_SYNTAX", fault.lineno)]
    except (TemplateError, RecursionError, ValueError, OverflowError, MemoryError):
        # ValueError: a number has too many digits for Python.
        return [Fault("TEMPLATE_SYNTAX", 1)]
    judge = _Judge(variables, is_subject=is_subject)
    faults = list(judge.faults(tree))
    used = judge.used
    if not faults:
        faults = [Fault("TEMPLATE_VARIABLE_MISSING", 1, name) for name in requires if used.isdisjoint(name.split("|"))]
    return sorted(dict.fromkeys(faults), key=lambda fault: fault.line)


class _Judge:
    """Checks the nodes of a template, and collects the names of the variables that it uses."""

    def __init__(self, variables: Mapping[str, Variable], *, is_subject: bool) -> None:
        self._variables = variables
        self._is_subject = is_subject
        self._entry: tuple[str, Variable] | None = None  # the variable of the enclosing loop, and its list
        self.used: set[str] = set()

    def faults(self, node: nodes.Node, depth: int = 0) -> Iterator[Fault]:
        """Yield the faults of a node and of all nodes below it."""
        if depth > _DEEPEST:
            yield Fault("TEMPLATE_TOO_DEEP", node.lineno)
            return
        match node:
            case nodes.For():
                yield from self._of_loop(node, depth)
            case nodes.Name():
                yield from self._of_name(node)
            case nodes.Getattr():
                yield from self._of_field(node)
            case nodes.Filter():
                yield from self._of_filter(node, depth)
            case nodes.Const() if isinstance(node.value, (str, int)):
                pass
            case _ if isinstance(node, _SIMPLE):
                for child in node.iter_child_nodes():
                    yield from self.faults(child, depth + 1)
            case _:
                yield Fault("TEMPLATE_NOT_ALLOWED", node.lineno, type(node).__name__.lower())

    def _of_name(self, node: nodes.Name) -> Iterator[Fault]:
        variable = self._variables.get(node.name)
        if variable is None or node.ctx != "load":
            yield Fault("TEMPLATE_VARIABLE_UNKNOWN", node.lineno, node.name)
            return
        self.used.add(node.name)
        if variable.type == "list":
            yield Fault("TEMPLATE_LIST_PRINTED", node.lineno, node.name)
        elif self._is_subject and not variable.in_subject:
            yield Fault("TEMPLATE_SUBJECT_PERSONAL", node.lineno, node.name)

    def _of_field(self, node: nodes.Getattr) -> Iterator[Fault]:
        owner = node.node.name if isinstance(node.node, nodes.Name) else ""
        allowed: tuple[str, ...] = ()
        if self._entry is not None:
            name, listed = self._entry
            allowed = listed.fields if owner == name else _LOOP if owner == "loop" else ()
        if node.attr not in allowed:
            yield Fault("TEMPLATE_VARIABLE_UNKNOWN", node.lineno, f"{owner}.{node.attr}".strip("."))

    def _of_filter(self, node: nodes.Filter, depth: int) -> Iterator[Fault]:
        numbers = [arg for arg in node.args if isinstance(arg, nodes.Const) and type(arg.value) is int]
        is_plain = not (node.kwargs or node.dyn_args or node.dyn_kwargs) and len(numbers) == len(node.args)
        if node.name not in FILTERS or node.node is None or not is_plain or len(numbers) != (node.name == "cut"):
            yield Fault("TEMPLATE_FILTER_UNKNOWN", node.lineno, node.name)
        else:
            yield from self.faults(node.node, depth + 1)

    def _of_loop(self, node: nodes.For, depth: int) -> Iterator[Fault]:
        """Check a loop: over a declared list, not within another loop, and with a name that no variable has."""
        name = node.iter.name if isinstance(node.iter, nodes.Name) else type(node.iter).__name__.lower()
        listed = self._variables.get(name) if isinstance(node.iter, nodes.Name) else None
        if listed is None or listed.type != "list":
            yield Fault("TEMPLATE_LIST_UNKNOWN", node.lineno, name)
            return
        target = node.target.name if isinstance(node.target, nodes.Name) else ""
        is_free = target and not target.startswith("_") and target not in self._variables and target != "loop"
        if self._entry is not None or node.recursive or self._is_subject or not is_free:
            yield Fault("TEMPLATE_LOOP", node.lineno, target)
            return
        self.used.add(name)
        self._entry = (target, listed)
        for child in (*node.body, *([node.test] if node.test is not None else [])):
            yield from self.faults(child, depth + 1)
        self._entry = None
        for child in node.else_:
            yield from self.faults(child, depth + 1)


@lru_cache(maxsize=512)
def compiled(source: str) -> JinjaTemplate:
    """Compile a source without faults. The cache key is the text, so institutions never get the text of another one."""
    return _JINJA.from_string(source)


def run(source: str, facts: Mapping[str, Any], language: str) -> tuple[str, list[str]]:
    """Run a template without faults. Returns its text, with numbers in place of values, and the values.

    raises  Invalid     NOTICE_TOO_LONG
            ValueError  a fact does not fit a filter, or a text that an earlier release saved has faults now
    """
    values: list[str] = []
    pieces: list[str] = []
    length = 0
    try:
        for piece in compiled(source).generate({**facts, _LANGUAGE: language, _VALUES: values}):
            pieces.append(piece)
            length += len(piece)
            if length > LONGEST_OUTPUT:
                raise Invalid("NOTICE_TOO_LONG", longest=LONGEST_OUTPUT)
    except (TemplateError, TypeError, RecursionError) as fault:
        # Any other exception would stop the sender, and so the notices of all institutions.
        raise ValueError(str(fault)[:200]) from fault
    return "".join(pieces), values
