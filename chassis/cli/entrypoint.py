"""The entry point of the command `rangkiang`; it imports little before it is called.

The decoding processes of an import run this module too, but do not need the command.
"""

from __future__ import annotations

import gc
import os


def main() -> None:
    """Run the command of this process."""
    # Imports make objects that stay: at Python's own threshold, visiting them took a seventh of the start of `up`.
    gc.set_threshold(100_000)
    # Without this, processes of multiprocessing would import a file such as `types.py` from the current folder.
    os.environ["PYTHONSAFEPATH"] = "1"
    from chassis.private_files import start_private

    start_private()
    from chassis.cli.commands import main as run

    run()
