"""An export that dies as by kill -9 at a named point, and makes sure of every page.

python -m tests.faults.dying_export POINT export …
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from chassis import cli
from services.catalog.commands import export
from services.catalog.formats import export as exports
from tests.example_services.dying import after, before

POINTS: dict[str, Callable[[], None]] = {
    "file.opened": lambda: after(exports.ExportFile, "__enter__"),
    "page.not_kept": lambda: before(exports.ExportFile, "save", call=2),
    "page.flushed": lambda: before(exports.json, "dump", call=2),
    "page.kept": lambda: after(exports.ExportFile, "save"),
    "end.not_kept": lambda: before(exports.ExportFile, "finish"),
    "end.flushed": lambda: before(exports.Path, "unlink", call=2),
}


def main(point: str, *command: str) -> None:
    POINTS[point]()
    # The package names the command as its module is named.
    sys.modules[export.__module__].KEEP_SECONDS = 0.0  # type: ignore[attr-defined]
    sys.argv = ["rangkiang", *command]
    cli.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
