"""Reads TOML of operators, with bounds on its depth."""

from __future__ import annotations

import tomllib
from typing import Any

# Dots in one line. The time for a dotted key grows with the square of its parts: 20,000 parts take 9 seconds.
MOST_DOTS = 1_000


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML. Raises TOMLDecodeError, also for values and keys that are nested too deeply."""
    if any(line.count(".") > MOST_DOTS for line in text.split("\n")):
        raise tomllib.TOMLDecodeError(f"a line has more than {MOST_DOTS} dots")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise tomllib.TOMLDecodeError("values are nested too deeply") from None
