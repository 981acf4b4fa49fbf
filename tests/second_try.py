"""`make test`: run the tests, and what failed once more, alone in one process.

python -m tests.second_try WORD …   the words of pytest, for both runs

A test that passes the second time is printed as UNSTABLE, and the run passes. A test that fails twice, more than
MOST_UNSTABLE failures, a process that dies, a module that cannot be collected: the run fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

MOST_UNSTABLE = 5
PASSED, FAILED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED  # with any other code some tests did not run
HAS_DEAD_PROCESS = pytest.StashKey[bool]()
ALONE = ("-n", "0", "--dist", "no", "--last-failed", "--last-failed-no-failures", "none")


def run(words: Sequence[str]) -> int:
    """Run pytest with these words, and once more what failed; return the exit code."""
    with tempfile.TemporaryDirectory() as cache:
        code = _run_pytest(*words, cache=cache)
        failed = _failed(cache)
        are_tests = all("::" in test for test in failed)  # a module that cannot be collected has no test
        if code != FAILED or not are_tests or not 0 < len(failed) <= MOST_UNSTABLE:
            return code
        print(f"\nThe second try of {len(failed)} failed tests, alone:", flush=True)
        code = _run_pytest(*words, *ALONE, cache=cache)
        # Pytest removes a test from its list when it passes, so the list also has tests that did not run again.
        failed_twice = _failed(cache)
        for test in failed:
            if test not in failed_twice:
                print(f"UNSTABLE {test}", flush=True)
        return code or (FAILED if failed_twice else PASSED)


def _run_pytest(*words: str, cache: str) -> int:
    command = [sys.executable, "-m", "pytest", "-p", "tests.second_try", *words, "-o", f"cache_dir={cache}"]
    return subprocess.run(command, check=False).returncode


def _failed(cache: str) -> list[str]:
    """Return the ids that pytest has in its list of failures."""
    file = Path(cache) / "v" / "cache" / "lastfailed"
    return sorted(json.loads(file.read_text())) if file.is_file() else []


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Note that a process of xdist has died; its test is only a failure like others."""
    if error:
        node.config.stash[HAS_DEAD_PROCESS] = True


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End with another exit code after a process has died."""
    if session.config.stash.get(HAS_DEAD_PROCESS, False):
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
