"""The example services' generated messages and stubs are up to date with their proto."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = "tests/example_services/proto"


@pytest.mark.parametrize(
    ("proto", "modules"), [("examples", ("examples_pb2.py",)), ("notes", ("notes_pb2.py", "notes_pb2_grpc.py"))]
)
def test_the_code_is_generated_from_its_proto(tmp_path: Path, proto: str, modules: tuple[str, ...]) -> None:
    outputs = [f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}"]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", "-Iproto", *outputs, f"{FOLDER}/{proto}.proto"]
    subprocess.run(command, cwd=CHECKOUT, check=True, timeout=60)
    for name in modules:
        assert (tmp_path / FOLDER / name).read_text() == (CHECKOUT / FOLDER / name).read_text()
