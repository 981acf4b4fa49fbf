"""Files with personal data are for their owner only; files that an operator asks for get the operator's modes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

OTHERS = 0o077  # the rights of all users but the owner
_OWN = re.compile(r".+\.db([-.].+)?|index|metrics")
_operators_mask = OTHERS


def start_private() -> None:
    """Give new files of this process, and of those that it starts, no rights for other users."""
    global _operators_mask
    _operators_mask = os.umask(OTHERS)


def create_for_operator(path: Path) -> BinaryIO:
    """Open a file for writing; a new one gets the mode of the operator's other files. Raises OSError."""
    is_new = not path.exists()
    file = path.open("wb")
    if is_new:
        os.fchmod(file.fileno(), 0o666 & ~_operators_mask)
    return file


def readable_by_others(data: Path) -> list[Path]:
    """Return the databases, indexes and metrics in DATA that others than their owner may read or write.

    A folder counts as a whole, and what is in it is not looked at. DATA itself and links are left out, because an
    operator may have other files there.
    """
    return sorted(path for path, _ in _open_to_others(data))


def narrow(data: Path) -> None:
    """Remove the rights of others from what `readable_by_others` returns; what does not change, doctor names."""
    for path, mode in _open_to_others(data):
        with suppress(OSError):
            path.chmod(mode & ~OTHERS)


def _open_to_others(data: Path) -> Iterator[tuple[Path, int]]:
    with suppress(OSError), os.scandir(data) as entries:
        for entry in entries:
            if _OWN.fullmatch(entry.name) and not entry.is_symlink():
                mode = entry.stat(follow_symlinks=False).st_mode & 0o7777
                if mode & OTHERS:
                    yield Path(entry.path), mode
