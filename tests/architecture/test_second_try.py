"""A test that fails once does not fail the run; every other failure does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.second_try import MOST_UNSTABLE

PASSES = "def test_passes(): pass\n"
FAILS = "def test_fails(): raise AssertionError\n"
FAILS_ONCE = """
import pathlib, pytest

@pytest.mark.parametrize("number", range({count}))
def test_fails_once(number):
    mark = pathlib.Path(f"mark{{number}}")
    if not mark.exists():
        mark.touch()
        raise AssertionError
"""
TEARDOWN_FAILS_ONCE = """
import pathlib, pytest

@pytest.fixture
def thing():
    yield
    if not pathlib.Path("mark").exists():
        pathlib.Path("mark").touch()
        raise AssertionError

def test_with_thing(thing): pass
"""
IS_GONE_THE_SECOND_TIME = """
import pathlib, pytest

is_second = pathlib.Path("mark").exists()
pathlib.Path("mark").touch()

@pytest.mark.parametrize("name", ["second"] if is_second else ["first"])
def test_named_by_chance(name):
    assert is_second

def test_fails_once_too():
    assert is_second
"""


def run(folder: Path, *words: str, **modules: str) -> tuple[int, list[str], int]:
    """Run these modules; return the exit code, the tests that are unstable, and the number of runs of pytest."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, source in modules.items():
        (folder / f"test_{name}.py").write_text(source)
    result = subprocess.run(
        [sys.executable, "-m", "tests.second_try", "-q", "-p", "xdist.plugin", *words],
        env={"PYTHONPATH": str(CHECKOUT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    runs = len(re.findall(r"^\d+ (?:passed|failed|error).* in [\d.]+s", result.stdout, re.M))
    return result.returncode, re.findall(r"^UNSTABLE (.*)$", result.stdout, re.M), runs


def test_what_fails_once_is_named_and_the_run_passes(tmp_path: Path) -> None:
    result = run(tmp_path, "-n", "2", "--dist", "loadfile", passes=PASSES, once=FAILS_ONCE.format(count=1))
    assert result == (0, ["test_once.py::test_fails_once[0]"], 2)


def test_what_fails_twice_fails_the_run(tmp_path: Path) -> None:
    code, unstable, runs = run(tmp_path, passes=PASSES, fails=FAILS, once=FAILS_ONCE.format(count=1))
    assert (code, unstable, runs) == (1, ["test_once.py::test_fails_once[0]"], 2)


def test_a_run_without_failures_is_not_repeated(tmp_path: Path) -> None:
    assert run(tmp_path, passes=PASSES) == (0, [], 1)


def test_a_module_that_cannot_be_imported_fails_the_run_at_once(tmp_path: Path) -> None:
    code, unstable, runs = run(tmp_path, "-n", "2", passes=PASSES, broken="import nothing_of_this_name\n")
    assert (code != 0, unstable, runs) == (True, [], 1)


def test_a_process_that_dies_fails_the_run_at_once(tmp_path: Path) -> None:
    dies = FAILS_ONCE.format(count=1).replace("raise AssertionError", "__import__('os')._exit(1)")
    code, unstable, runs = run(tmp_path, "-n", "2", "--max-worker-restart", "0", passes=PASSES, dies=dies)
    assert (code, unstable, runs) == (pytest.ExitCode.INTERNAL_ERROR, [], 1)


@pytest.mark.parametrize(("count", "code", "runs"), [(MOST_UNSTABLE, 0, 2), (MOST_UNSTABLE + 1, 1, 1)])
def test_more_than_five_failures_fail_the_run_at_once(tmp_path: Path, count: int, code: int, runs: int) -> None:
    result = run(tmp_path, once=FAILS_ONCE.format(count=count))
    assert (result[0], len(result[1]), result[2]) == (code, count if code == 0 else 0, runs)


def test_a_failure_after_the_test_counts_too(tmp_path: Path) -> None:
    assert run(tmp_path, after=TEARDOWN_FAILS_ONCE) == (0, ["test_after.py::test_with_thing"], 2)


def test_a_failed_test_that_does_not_run_again_fails_the_run(tmp_path: Path) -> None:
    code, unstable, _ = run(tmp_path, chance=IS_GONE_THE_SECOND_TIME)
    assert (code, unstable) == (1, ["test_chance.py::test_fails_once_too"])
