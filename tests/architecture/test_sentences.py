"""Every reason in code has a sentence in the package's sentences.toml, and every sentence there is used."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from chassis import sentences
from chassis.errors import Error
from chassis.operations import health
from chassis.service import service_names
from gateway import plans, problems
from services.catalog.commands import progress, report, sources
from services.catalog.importing import file_kinds
from services.catalog.marc import faults
from services.catalog.search import explain, similar
from services.catalog.works import likeness
from services.circulation import rules

ROOT = Path(__file__).parents[2]
REASON = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
PACKAGES = [Path("chassis"), Path("gateway"), *(Path("services", name) for name in service_names())]
# These modules rebuild an error of another process with the sentence that it received, and show the page of any reason.
OF_ANY_REASON = (Path("chassis/rpc/status.py"), Path("gateway/web/error_reasons.py"))
# Modules that take reasons from a table, and the reasons in it.
TABLES = {
    Path("chassis/operations/health.py"): health.ADVICE.values(),
    Path("gateway/plans.py"): plans.LIMITS.values(),
    Path("gateway/problems.py"): problems.TITLES.values(),
    Path("services/catalog/cataloguing/records.py"): faults.FAULTS,
    Path("services/catalog/commands/progress.py"): faults.REASONS | progress.REMARKS | file_kinds.REASONS,
    Path("services/catalog/commands/report.py"): report.COLUMNS.values(),
    Path("services/catalog/commands/sources.py"): sources.COLUMNS.values(),
    Path("services/catalog/importing/uploads.py"): file_kinds.REASONS,
    Path("services/catalog/rpc/records.py"): faults.REFUSALS,
    Path("services/catalog/search/explain.py"): [
        *explain.PLACES.values(),
        *explain.KEYWORDS.values(),
        *explain.SORTED.values(),
    ],
    Path("services/catalog/search/similar.py"): similar.REASONS.values(),
    Path("services/circulation/rules.py"): [*rules.BLOCK_REASONS.values(), "BLOCK_OTHER"],
    Path("services/catalog/works/likeness.py"): [name for _, name in likeness.EVIDENCE.values()],
}


def error_names(kind: type = Error) -> Iterator[str]:
    yield kind.__name__
    for subclass in kind.__subclasses__():
        if subclass.__module__.partition(".")[0] != "tests":
            yield from error_names(subclass)


ERRORS = set(error_names())
assert problems.NotAcceptable.__name__ in ERRORS


@cache
def nodes(package: Path) -> tuple[list[tuple[Path, ast.Call]], set[str]]:
    """The calls in the package, each with its module, and the texts in it."""
    calls, texts = [], set()
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                calls.append((path.relative_to(ROOT), node))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
    return calls, texts


def uses(package: Path) -> Iterator[tuple[str, ast.Call, ast.expr]]:
    """Place, call and reason of every error and sentence in the code."""
    for path, node in nodes(package)[0]:
        if node.args and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name in ERRORS or name == "sentence":
                argument = node.args[0]
                for reason in (argument.body, argument.orelse) if isinstance(argument, ast.IfExp) else (argument,):
                    yield f"{path}:{node.lineno}", node, reason


def own_sentences(package: Path) -> dict[str, sentences.LocalText]:
    """The package's sentences; a service without errors needs no file."""
    path = ROOT / package / sentences.FILE
    return sentences.read(path) if path.exists() else {}


def known_sentences(package: Path) -> dict[str, sentences.LocalText]:
    """The sentences of the package and of the chassis, which it may use."""
    return own_sentences(Path("chassis")) | own_sentences(package)


def placeholders(text: str) -> set[str]:
    parts = list(string.Formatter().parse(text))
    assert all(not spec and conversion is None for _, name, spec, conversion in parts if name is not None), text
    return {name for _, name, _, _ in parts if name is not None}


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_every_reason_has_a_sentence_and_gives_its_facts(package: Path) -> None:
    texts, faults_found = known_sentences(package), []
    for location, call, reason_node in uses(package):
        if not (isinstance(reason_node, ast.Constant) and isinstance(reason_node.value, str)):
            path = Path(location.partition(":")[0])
            if path in TABLES:
                faults_found += [f"{path}: {reason} has no sentence" for reason in TABLES[path] if reason not in texts]
            elif path not in OF_ANY_REASON:
                faults_found.append(f"{location}: the reason is not a constant")
            continue
        reason = reason_node.value
        if len(call.args) > 1:
            faults_found.append(f"{location}: {reason} has its sentence in the code")
        elif reason not in texts:
            faults_found.append(f"{location}: {reason} has no sentence")
        elif all(keyword.arg for keyword in call.keywords):
            facts = {keyword.arg for keyword in call.keywords}
            faults_found += [
                f"{location}: {reason} lacks the fact {fact}" for fact in placeholders(texts[reason].id) - facts
            ]
    assert faults_found == []


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_every_sentence_is_used(package: Path) -> None:
    _, constants = nodes(package)
    assert sorted(set(own_sentences(package)) - constants) == []


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_every_sentence_is_complete_in_both_languages(package: Path) -> None:
    texts = own_sentences(package)
    for reason, text in texts.items():
        assert REASON.fullmatch(reason), reason
        assert text.id, reason
        assert text.en, reason
        assert placeholders(text.id) == placeholders(text.en), reason
    assert list(texts) == sorted(texts)


def test_a_reason_of_two_packages_has_one_sentence() -> None:
    texts: dict[str, sentences.LocalText] = {}
    for package in PACKAGES:
        for reason, text in own_sentences(package).items():
            assert texts.setdefault(reason, text) == text, f"{package}: {reason}"
