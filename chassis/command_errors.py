"""How a command ends with an error: its sentences on standard error, or a line of JSON, and its exit code."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, NoReturn

from chassis.errors import Error, Invalid, Unavailable
from chassis.output import print_json, print_text
from chassis.urls import resolve

DONE, FINDINGS, USAGE, UNAVAILABLE = 0, 1, 2, 3


def exit_with(error: Error) -> NoReturn:
    """Print an error, with --json as one line of JSON, and end the process with the error's exit code."""
    if "--json" in sys.argv:
        with contextlib.suppress(OSError):
            print_json(error_line(error))
            raise SystemExit(exit_code(error)) from None
    # Without --json, or when standard output is full or closed.
    language = operator_language()
    for refusal in error.refusals:
        print_text(f"{refusal.reason}: {refusal.sentence.in_language(language)}", to_errors=True)
    raise SystemExit(exit_code(error)) from None


def error_line(error: Error) -> dict[str, Any]:
    """Return the object that a command prints for an error with --json."""
    language = operator_language()
    refusals = [
        {"reason": refusal.reason, "facts": refusal.facts, "detail": refusal.sentence.in_language(language)}
        for refusal in error.refusals
    ]
    sentence = {"id": error.sentence.id, "en": error.sentence.en}
    return {"error": {"reason": error.reason, "facts": error.facts, "sentence": sentence, "refusals": refusals}}


def exit_code(error: Error) -> int:
    """Return the exit code of a command that ends with this error."""
    if isinstance(error, Invalid) or error.reason == "PATH_NOT_FOUND":
        return USAGE
    return UNAVAILABLE if isinstance(error, Unavailable) else FINDINGS


def operator_language() -> str:
    """Return the operator's language; English when the settings cannot be read."""
    try:
        language: str = resolve("chassis.settings:load")().language
    except (Error, ValueError):
        return "en"
    return language
