"""The example services' generated messages are up to date with their proto."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PROTO = "tests/example_services/proto/examples.proto"


def test_the_messages_are_generated_from_their_proto(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={tmp_path}", PROTO]
    subprocess.run(command, cwd=CHECKOUT, check=True, timeout=60)
    fresh = (tmp_path / PROTO).with_name("examples_pb2.py").read_text()
    assert fresh == (CHECKOUT / PROTO).with_name("examples_pb2.py").read_text()
