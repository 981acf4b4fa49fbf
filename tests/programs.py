"""The command `rangkiang` and programs of the tests, each in a new process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

CHECKOUT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
RANGKIANG = str(BIN / "rangkiang")


def start_program(
    words: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path = CHECKOUT,
    program: str = "",
    sources: Path = CHECKOUT,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = subprocess.PIPE,
    stderr: int | IO[bytes] | None = None,
    start_new_session: bool = False,
) -> subprocess.Popen[bytes]:
    """Start `rangkiang` with these words, or another program.

    program            "module:function", called with the words
    sources            folder of what it imports: this checkout or a copy
    start_new_session  it and its children can be killed together
    """
    command = [RANGKIANG]
    if program:
        module, _, function = program.partition(":")
        source = f"import sys; from {module} import {function}; sys.exit({function}(*sys.argv[1:]))"
        command = [sys.executable, "-P", "-c", source]
    return subprocess.Popen(
        [*command, *words],
        env={**env, "PYTHONPATH": str(sources)},
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=start_new_session,
    )


def start_script(
    source: str, *words: str, stdin: int = subprocess.DEVNULL, **variables: str
) -> subprocess.Popen[bytes]:
    """Start the source of a program with these words and more environment variables."""
    return subprocess.Popen(
        [sys.executable, "-c", source, *words],
        env={**os.environ, **variables},
        cwd=CHECKOUT,
        stdin=stdin,
        stdout=subprocess.PIPE,
    )


def run_command(
    words: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    stdin: bytes = b"",
    seconds: float = 120,
    sources: Path = CHECKOUT,
) -> subprocess.CompletedProcess[bytes]:
    """Run `rangkiang` of these sources with these words to its end.

    After this time the command is killed, and the test fails with the stacks of its threads.
    """
    process = subprocess.Popen(
        [RANGKIANG, *words],
        env={**environment, "PYTHONPATH": str(sources), "PYTHONFAULTHANDLER": "1"},
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        out, errors = process.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        out, errors = process.communicate(timeout=seconds)
        message = f"{' '.join(words)} has not ended in {seconds} s: {errors.decode()}"
        raise AssertionError(message) from None
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)
