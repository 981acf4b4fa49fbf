"""Commands and scripts in forks, and the processes that fork for all processes of xdist."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.fork_server import CHECKOUT, NAMES, SCRIPT, SHARED, ForkedProcess, ForkServer, servers


def start_script(source: str, *words: str, stdin: int = subprocess.DEVNULL) -> ForkedProcess:
    """Start what `python -c SOURCE WORDS` starts."""
    return ForkedProcess([source, *words], program=SCRIPT, env=os.environ, cwd=CHECKOUT, stdin=stdin)


def run_command(
    words: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    stdin: bytes = b"",
    seconds: float = 60,
    sources: Path = CHECKOUT,
) -> subprocess.CompletedProcess[bytes]:
    """Run `rangkiang` of these sources with these words to its end.

    raises  subprocess.TimeoutExpired  after this time, and the command is killed
    """
    pipe = subprocess.PIPE
    process = ForkedProcess(words, env=environment, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, sources=sources)
    try:
        output, errors = process.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    return subprocess.CompletedProcess(process.args, process.wait(), output, errors)


def share_fork_servers() -> None:
    """Start those of all processes of xdist."""
    shared = Path(tempfile.mkdtemp(prefix="forks-"))
    os.environ[SHARED] = str(shared)
    atexit.register(shutil.rmtree, shared, ignore_errors=True)
    for program, name in NAMES.items():
        (shared / name).mkdir()
        servers[program, CHECKOUT] = ForkServer.start(program, folder=shared / name)
