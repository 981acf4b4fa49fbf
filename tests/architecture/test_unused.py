"""vulture finds no unused name; `.ci/lint` runs this test too."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from vulture import Vulture

from tests.conftest import CHECKOUT

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
    "called or read by gRPC, as its ServicerContext and Channel have them": (
        "add_callback", "auth_context", "initial_metadata", "is_active", "peer", "peer_identities", "peer_identity_key",
        "send_initial_metadata", "set_code", "set_details", "set_trailing_metadata", "stream_stream", "stream_unary",
        "trailing_metadata",
    ),
    "called or read by SQLAlchemy": (
        "cache_ok", "impl", "isolation_level", "load_dialect_impl", "process_result_value", "type_annotation_map",
    ),
    "called or read by http.server and prometheus_client": (
        "address_family", "collect", "do_GET", "handle_error", "log_message", "server_version", "sys_version",
        "timeout",
    ),
    "called or read by nameko": ("get_consumers", "worker_ctx"),
    "called or read by uvicorn, Starlette and Jinja": (
        "force_exit", "globals", "handle_exit", "redirect_slashes", "servers", "tests",
        "timeout_keep_alive",
    ),
    "called or read by expat": (
        "CharacterDataHandler", "EndElementHandler", "ProcessingInstructionHandler", "StartDoctypeDeclHandler",
        "StartElementHandler", "buffer_text",
    ),
    "read by Pillow": ("MAX_IMAGE_PIXELS",),
    "fields of a problem document, set by name": ("instance",),
    "called by httptools and reportlab": ("getBestMaskPattern", "on_header"),
    "columns that are only written, for questions of an administrator": ("answered_by", "ended_by", "password_at"),
    "for routes with large bodies; used by an example service of the tests": ("accept_bodies",),
    "for services that write on request; used by an example service of the tests": (
        "Looks", "Version", "at_version", "once", "version_tag",
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


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((CHECKOUT / package).rglob("*.py"))]


def named_by_string() -> set[str]:
    files = [*sources(), CHECKOUT / "pyproject.toml"]
    return {name for path in files for name in NAMED_BY_STRING.findall(path.read_text())}


def field_lines(path: Path) -> set[int]:
    """Lines of fields in classes with a base class, such as pydantic models and tables, which read them."""
    return {
        line
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and node.bases
        for field in node.body
        if isinstance(field, ast.AnnAssign | ast.Assign)
        for line in range(field.lineno, (field.end_lineno or field.lineno) + 1)
    }


def test_every_name_is_used():
    finder = Vulture(ignore_decorators=DECORATORS)
    finder.scavenge([str(path) for path in sources()])
    used_names = {name for names in ALLOWED.values() for name in names} | named_by_string()
    fields = {str(path): field_lines(path) for path in sources()}
    unused_items = [
        f"{item.filename}:{item.first_lineno} {item.typ} {item.name}"
        for item in finder.get_unused_code(min_confidence=60)
        if item.name not in used_names
        and item.first_lineno not in fields[str(item.filename)]
        and "versions" not in item.filename.parts  # Alembic reads revisions
    ]
    assert not unused_items


def test_every_name_of_the_allowlist_is_in_the_code():
    text = "\n".join(path.read_text() for path in sources())
    names = {name for names in ALLOWED.values() for name in names}
    assert not {name for name in names if not re.search(rf"\b{name}\b", text)}
