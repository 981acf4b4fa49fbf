"""Changes of the wire contract are compatible with the released contract."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
BUF = Path(sys.executable).with_name("buf")


def _breaking(proto: Path) -> subprocess.CompletedProcess[str]:
    released = CHECKOUT / "proto" / "released.binpb"
    return subprocess.run([BUF, "breaking", proto, "--against", released], capture_output=True, text=True, timeout=60)


@pytest.fixture
def proto(tmp_path: Path) -> Path:
    """A copy of the contract for changes."""
    return Path(shutil.copytree(CHECKOUT / "proto", tmp_path / "proto"))


def test_the_contract_is_compatible_with_the_released_one() -> None:
    result = _breaking(CHECKOUT / "proto")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_new_field_is_compatible(proto: Path) -> None:
    text = proto / "rangkiang/common/v1/text.proto"
    text.write_text(text.read_text().replace("string en = 2;", "string en = 2;\n  string min = 3;"))
    assert _breaking(proto).returncode == 0


def test_a_field_that_changes_its_number_is_refused(proto: Path) -> None:
    text = proto / "rangkiang/common/v1/text.proto"
    text.write_text(text.read_text().replace("string en = 2;", "string en = 3;"))
    result = _breaking(proto)
    assert result.returncode != 0
    assert "text.proto" in result.stdout
