"""The typed client that openapi-python-client generates from our OpenAPI document, as a partner would use it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGE = "rangkiang_client"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
GENERATOR = Path(sys.executable).with_name("openapi-python-client")


def generate(document: bytes, folder: Path) -> None:
    """Generate the client in a folder and make it importable. A warning of the generator fails the test."""
    (folder / "openapi.json").write_bytes(document)
    # The generator reads PDF and XLSX as bytes, and MARC-in-JSON as JSON, when it is told to.
    overrides = "content_type_overrides:\n  application/pdf: application/octet-stream\n"
    overrides += f"  {XLSX}: application/octet-stream\n"
    overrides += "  application/marc-in-json: application/json\n"
    (folder / "config.yaml").write_text("post_hooks: []\n" + overrides)
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
    messages = (result.stdout + result.stderr).strip()
    assert result.returncode == 0, messages
    assert messages == f"Generating {PACKAGE}", messages
    sys.path.insert(0, str(folder))


def forget(folder: Path) -> None:
    """Remove the client from the imported modules and the path."""
    sys.path.remove(str(folder))
    for name in [module for module in sys.modules if module.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


class Client:
    """The operations of one library by their ids: `client.search(q="surau").hits[0].record.title`."""

    def __init__(self, address: str) -> None:
        self._client = importlib.import_module(PACKAGE).Client(base_url=address, timeout=20)
        # The module of an operation is in the folder of its tag.
        api = importlib.import_module(f"{PACKAGE}.api")
        self._tags = {path.stem: path.parent.name for path in Path(api.__path__[0]).glob("*/*.py")}
        self.models = importlib.import_module(f"{PACKAGE}.models")
        self.unset = importlib.import_module(f"{PACKAGE}.types").UNSET

    def __getattr__(self, operation: str) -> Any:
        module = importlib.import_module(f"{PACKAGE}.api.{self._tags[operation]}.{operation}")
        return lambda *args, **options: module.sync(*args, client=self._client, **options)

    def operations(self) -> set[str]:
        return {operation for operation in self._tags if operation != "__init__"}
