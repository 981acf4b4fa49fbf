"""One file of MARC for the tests: its bytes, and for a damaged one the expected result for its records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MarcFile:
    """A file of sound records, made by the project or read from the real sets.

    name  unique among all files, for test ids and the table of other readers
    read  returns its bytes; they are the same at each call
    form  "marc", "marcxml" or "json"; another ending (".gz") does not change it
    """

    name: str
    read: Callable[[], bytes]
    form: str = "marc"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class DamagedFile(MarcFile):
    """A file with damage.

    loaded     how many records are loaded
    put_aside  reason in faults.FAULTS -> how many records or stretches of bytes are put aside for it
    warned     reason in faults.WARNINGS -> how many records are loaded with it; others may occur too
    framed     True when the frames together are the bytes of the file
    """

    loaded: int = 0
    put_aside: Mapping[str, int] = field(default_factory=dict)
    warned: Mapping[str, int] = field(default_factory=dict)
    framed: bool = True
