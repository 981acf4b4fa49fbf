"""An export that kills itself with SIGKILL at a named point and saves every page.

python -m tests.faults.killed_export POINT export …
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from chassis.cli import commands
from services.catalog.commands import export
from services.catalog.formats import export as exports
from tests.example_services.kill_points import kill_after, kill_before

POINTS: dict[str, Callable[[], None]] = {
    "file.opened": lambda: kill_after(exports.ExportFile, "__enter__"),
    "page.not_kept": lambda: kill_before(exports.ExportFile, "save", call=2),
    "page.flushed": lambda: kill_before(exports.json, "dump", call=2),
    "page.kept": lambda: kill_after(exports.ExportFile, "save"),
    "end.not_kept": lambda: kill_before(exports.ExportFile, "finish"),
    "end.flushed": lambda: kill_before(exports.Path, "unlink", call=2),
}


def main(point: str, *command: str) -> None:
    POINTS[point]()
    # The command has the name of its module in the package.
    sys.modules[export.__module__].KEEP_SECONDS = 0.0  # type: ignore[attr-defined]
    sys.argv = ["rangkiang", *command]
    commands.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
