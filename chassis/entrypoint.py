"""The entry point of the command `rangkiang`; it imports nothing before it is called.

Processes that an import starts for decoding run this module too, and need none of the command.
"""

from __future__ import annotations


def main() -> None:
    """Run the command this process was started for."""
    from chassis.cli import main as run

    run()
