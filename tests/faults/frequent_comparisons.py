"""A command that compares the revisions of its databases twice a second."""

from __future__ import annotations

import sys

from chassis.cli import commands
from chassis.migrations import revisions


def main(*words: str) -> None:
    revisions.CHECK_SECONDS = 0.5
    sys.argv = ["rangkiang", *words]
    commands.main()
