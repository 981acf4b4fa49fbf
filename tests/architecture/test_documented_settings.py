"""Every settings file of the pages and of systemd/ gives a shell the values that it shows.

docs/operations.md has the operator source /etc/rangkiang.env, and systemd reads the same file. An unquoted blank, `<`
or `&` gives the shell another value than the one on the page, or an error.
"""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.journeys.test_operations_doc import PAGE, blocks

_NAME = r"[A-Z][A-Z0-9_]*"
_LINE = re.compile(rf"^({_NAME})=(.*)$")
# A setting of one command, such as `PORT=8090 make run`, is no line of a file.
_COMMAND = re.compile(r"=.* (?:make|rangkiang)\b")
_FENCED = re.compile(r"^```ini\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(rf"^ {{4,}}{_NAME}=.*(?:\n {{4,}}{_NAME}=.*)*", re.MULTILINE)
_INLINE = re.compile(rf"`({_NAME}=[^`]+)`")
_SOURCE = next(commands for _, commands in blocks(PAGE.read_text()) if ". /etc/rangkiang.env\n" in commands)
PAGES = sorted((*CHECKOUT.glob("docs/**/*.md"), CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md"))
FILES = sorted(file for folder in ("systemd", "k8s") for file in (CHECKOUT / folder).rglob("*.env"))


def _documented() -> list[tuple[str, str]]:
    """(where, text of a settings file) of each file, each block of a page, and each setting in a sentence."""
    found = [(str(file.relative_to(CHECKOUT)), file.read_text()) for file in FILES]
    for page in PAGES:
        text = page.read_text()
        texts = [*_FENCED.findall(text), *map(textwrap.dedent, _INDENTED.findall(text)), *_INLINE.findall(text)]
        found += [(page.name, example) for example in texts if not _COMMAND.search(example)]
    return found


DOCUMENTED = _documented()


def _shown(text: str) -> dict[str, str]:
    """The values as a reader and systemd take them: after the equals sign, without the quotes around them."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pairs = [_LINE.fullmatch(line) for line in lines]
    assert all(pairs), lines
    return {
        pair[1]: pair[2][1:-1] if len(pair[2]) > 1 and pair[2][0] == pair[2][-1] and pair[2][0] in "'\"" else pair[2]
        for pair in pairs
        if pair is not None
    }


@pytest.mark.parametrize("shell", ["bash", "dash"])
@pytest.mark.parametrize(("where", "text"), DOCUMENTED)
def test_a_shell_reads_the_values_that_are_shown(shell: str, where: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "rangkiang.env"
    file.write_text(text)
    script = _SOURCE.partition("\nexport ")[0].replace("/etc/rangkiang.env", str(file)) + "\nenv -0"
    command, environment = [shell, "-euc", script], {"PATH": "/usr/bin:/bin"}
    result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, ""), where
    values = dict(pair.split("=", 1) for pair in result.stdout.split("\0") if pair)
    assert {name: values.get(name) for name in _shown(text)} == _shown(text)


def test_the_settings_of_the_pages_are_found() -> None:
    names = {name for _, text in DOCUMENTED for name in _shown(text)}
    assert names >= {"CHANNELS", "PUBLIC_URL", "TRUSTED_PROXIES", "TLS_CERT", "MASTER_KEY_FILE", "QUERY_LOG"}
    assert CHECKOUT / "systemd/rangkiang.env" in FILES
