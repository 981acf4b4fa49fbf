"""The door of the command `rangkiang`: nothing is loaded before it is opened.

Processes that an import starts to decode for it come in by the same door, and need none of the command.
"""

from __future__ import annotations


def main() -> None:
    """Run the command this process was started for."""
    from chassis.cli import main as run

    run()
