"""Finds unused names with vulture; `.ci/lint` runs it.  usage: python -m tests.architecture.unused"""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

from vulture import Vulture

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("chassis", "services", "gateway")
# "package.module:name" in manifests, adapter tables and pyproject.toml counts as a use by chassis.urls.resolve.
NAMED_BY_STRING = re.compile(r'"\w+(?:\.\w+)+:(\w+)"')
# Commands, routes and validators are called by their framework.
DECORATORS = [
    "@*.command",
    "@*.get",
    "@*.post",
    "@*.put",
    "@*.patch",
    "@*.delete",
    "@field_validator",
    "@event.*",
    "@model_validator",
]
ALLOWED = {
    "called or read by gRPC": ("auth_context", "set_trailing_metadata"),
    "methods of every owner of events, called by their path": ("ListPublished", "PublishAgain"),
    "called or read by SQLAlchemy": (
        "__table_args__", "cache_ok", "do_begin", "escape_literal_column", "impl", "isolation_level",
        "load_dialect_impl", "process_bind_param", "process_result_value", "statement_compiler",
        "type_annotation_map", "visit_table", "visit_textclause",
    ),
    "called or read by prometheus_client": ("ValueClass", "collect"),
    "called or read by nameko": ("get_consumers", "worker_ctx"),
    "called or read by uvicorn, Starlette and Jinja": (
        "dump_bytecode", "force_exit", "get_cache_key", "get_source_checksum", "globals", "handle_exit",
        "disconnected", "keep_alive", "on_response_complete", "redirect_slashes", "send_400_response", "servers",
        "tests", "timeout_keep_alive",
    ),
    "called or read by expat": (
        "CharacterDataHandler", "EndElementHandler", "ProcessingInstructionHandler", "StartDoctypeDeclHandler",
        "StartElementHandler", "buffer_text",
    ),
    "called by io.BufferedReader": ("readinto",),
    "called by Dockerfile": ("compile_templates",),
    "in generated models": ("Moment", "Time"),
    "read by Pillow": ("MAX_IMAGE_PIXELS",),
    "read by openpyxl": ("data_type", "freeze_panes", "number_format", "quotePrefix"),
    "called by the standard library's email": ("fold_binary",),
    "fields of a problem document, set by name": ("instance",),
    "called by PyJWT and reportlab": ("getBestMaskPattern", "prepare_key"),
    "columns that are only written, for questions of an administrator": ("answered_by", "ended_by", "password_at"),
    "for routes with large bodies; used by an example service of the tests": ("accept_bodies",),
    "for services that write on request; used by an example service of the tests": (
        "AccessLog", "Version", "at_version", "once", "version_tag",
    ),
    "a service's manifest, found by its module": ("SERVICE",),
    "columns of lending rules that are read by name, or that holds and fees will read": (
        "grace_days", "hold_limit", "holds_allowed", "lost_after_days", "shelf_days",
    ),
    "counts of reports, set and sent by their names": ("in_library_uses", "longer", "returns"),
    "columns that are only written, for the opening hours of ISO 2789": ("planned_minutes",),
    "documents the signature that a manifest's handlers have": ("Handler",),
    "for tests: a stopped clock, a migrated database": ("frozen", "migrated_database"),
}  # fmt: skip


@cache
def sources() -> dict[Path, str]:
    """The text of each source."""
    return {path: path.read_text() for package in PACKAGES for path in sorted((CHECKOUT / package).rglob("*.py"))}


def named_by_string() -> set[str]:
    texts = [*sources().values(), (CHECKOUT / "pyproject.toml").read_text()]
    return {name for text in texts for name in NAMED_BY_STRING.findall(text)}


def field_lines(text: str) -> set[int]:
    """Lines of fields in classes with a base class, such as pydantic models and tables, which read them."""
    return {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef) and node.bases
        for field in node.body
        if isinstance(field, ast.AnnAssign | ast.Assign)
        for line in range(field.lineno, (field.end_lineno or field.lineno) + 1)
    }


def unused_names() -> list[str]:
    """Each unused name with its place."""
    finder = Vulture(ignore_decorators=DECORATORS)
    finder.scavenge([str(path) for path in sources()])
    used_names = {name for names in ALLOWED.values() for name in names} | named_by_string()
    items = [
        item
        for item in finder.get_unused_code(min_confidence=60)
        if item.name not in used_names and "versions" not in item.filename.parts  # Alembic reads revisions
    ]
    fields = {path: field_lines(sources()[path]) for path in {item.filename for item in items}}
    return [
        f"{item.filename}:{item.first_lineno} {item.typ} {item.name}"
        for item in items
        if item.first_lineno not in fields[item.filename]
    ]


def unknown_names() -> set[str]:
    """Names of the allowlist that are not in the code."""
    words = {word for text in sources().values() for word in re.findall(r"\w+", text)}
    return {name for names in ALLOWED.values() for name in names} - words


if __name__ == "__main__":
    problems = [*unused_names(), *(f"the allowlist names {name}, which is not in the code" for name in unknown_names())]
    print("\n".join(problems))
    sys.exit(1 if problems else 0)
