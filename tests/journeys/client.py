"""The typed client that openapi-python-client makes of our OpenAPI document: what a partner's programmer would use."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGE = "rangkiang_client"
GENERATOR = Path(sys.executable).with_name("openapi-python-client")


def generate(document: bytes, folder: Path) -> None:
    """Make the client in a folder, which is importable from then on. A remark of the generator is a failure."""
    (folder / "openapi.json").write_bytes(document)
    (folder / "config.yaml").write_text("post_hooks: []\n")
    result = subprocess.run(
        [
            GENERATOR, "generate", "--path", "openapi.json", "--config", "config.yaml",
            "--meta", "none", "--output-path", PACKAGE,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )  # fmt: skip
    said = (result.stdout + result.stderr).strip()
    assert result.returncode == 0, said
    assert said == f"Generating {PACKAGE}", said
    sys.path.insert(0, str(folder))


def forget(folder: Path) -> None:
    """Make it unknown again."""
    sys.path.remove(str(folder))
    for name in [module for module in sys.modules if module.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


class Client:
    """Operations by their ids, on one library: `client.search(q="surau").hits[0].record.title`."""

    def __init__(self, address: str) -> None:
        self._client = importlib.import_module(PACKAGE).Client(base_url=address, timeout=20)
        # An operation stands in the folder of its tag.
        api = importlib.import_module(f"{PACKAGE}.api")
        self._tags = {path.stem: path.parent.name for path in Path(api.__path__[0]).glob("*/*.py")}
        self.models = importlib.import_module(f"{PACKAGE}.models")
        self.unset = importlib.import_module(f"{PACKAGE}.types").UNSET

    def __getattr__(self, operation: str) -> Any:
        module = importlib.import_module(f"{PACKAGE}.api.{self._tags[operation]}.{operation}")
        return lambda *args, **named: module.sync(*args, client=self._client, **named)

    def operations(self) -> set[str]:
        return {operation for operation in self._tags if operation != "__init__"}
