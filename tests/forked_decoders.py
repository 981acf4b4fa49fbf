"""Decoding processes of an import as forks: a new Python takes more time than to decode what tests import.

Everything but the start of the process is that of multiprocessing's method `spawn`.
"""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import context, popen_spawn_posix, reduction, spawn, util
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any

from services.catalog.importing import pipeline

DECODER = "decoder"  # name of the process

_start: Callable[..., subprocess.Popen[bytes]]


def use_forks(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    """Let imports of this process decode in forks.

    start  tests.fork_server.ForkedProcess of this process
    """
    global _start
    _start = start
    pipeline.get_context = lambda _method: _Context()  # type: ignore[attr-defined]


def run(content: str) -> None:
    """Decode until the import ends.

    content  descriptor of a pipe with the process as an object; the import's process holds its other end
    """
    Path("/proc/self/comm").write_text(DECODER)
    raise SystemExit(spawn._main(int(content), os.dup(int(content))))  # type: ignore[attr-defined]


class _Popen(popen_spawn_posix.Popen):
    _process: subprocess.Popen[bytes]

    def _launch(self, process: Any) -> None:
        content = io.BytesIO()
        context.set_spawning_popen(self)
        try:
            reduction.dump(spawn.get_preparation_data(process._name), content)
            reduction.dump(process, content)
        finally:
            context.set_spawning_popen(None)
        self.sentinel, far_sentinel = os.pipe()
        far_content, near_content = os.pipe()
        descriptors = sorted({far_content, far_sentinel, *self._fds})
        self._process = _start(
            [str(far_content)],
            program="tests.forked_decoders:run",
            env=os.environ,
            cwd=Path.cwd(),
            stdout=None,
            pass_fds=descriptors,
        )
        self.pid = self._process.pid
        os.close(far_content)
        os.close(far_sentinel)
        self.finalizer = util.Finalize(self, util.close_fds, (self.sentinel, near_content))
        with open(near_content, "wb", closefd=False) as pipe:
            pipe.write(content.getbuffer())

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        if self.returncode is None:
            with suppress(subprocess.TimeoutExpired):
                self.returncode = self._process.wait(0 if flag == os.WNOHANG else None)
        return self.returncode


class _Process(SpawnProcess):
    @staticmethod
    def _Popen(process: Any) -> _Popen:
        return _Popen(process)


class _Context(SpawnContext):
    Process = _Process
