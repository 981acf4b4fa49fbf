"""The entry point of the command `rangkiang`; it imports little before it is called.

Processes that an import starts for decoding run this module too, and need none of the command.
"""

from __future__ import annotations

import os


def main() -> None:
    """Run the command this process was started for."""
    # multiprocessing starts processes without `-P`: they would import a `types.py` of the current folder.
    os.environ["PYTHONSAFEPATH"] = "1"
    from chassis.gc_tuning import put_off_gc

    put_off_gc()
    from chassis.cli import main as run

    run()
