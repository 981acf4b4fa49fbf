"""A command that compares the revisions of its databases twice a second."""

from __future__ import annotations

import sys

from chassis import cli, revisions


def main(*words: str) -> None:
    revisions.CHECK_SECONDS = 0.5
    sys.argv = ["rangkiang", *words]
    cli.main()
