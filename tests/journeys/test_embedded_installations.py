"""The embedded edition as one Pod, as one container and under systemd: what each names runs, and imports."""

from __future__ import annotations

import configparser
import json
import os
import signal
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from chassis.service import discover, service_names, settings_models
from chassis.settings import load_for, variables
from tests.architecture.manifests import compose, kubernetes, pod_of, rendered
from tests.builders import book, iso
from tests.conftest import CHECKOUT
from tests.programs import start_program
from tests.servers import processes

UNIT = CHECKOUT / "systemd" / "rangkiang.service"
READY_SECONDS = 150


@dataclass(frozen=True)
class Installation:
    """One way to run the embedded edition.

    data  folder that outlives the process
    """

    command: tuple[str, ...]
    environment: dict[str, str]
    data: str
    stop_seconds: float


class _Unit(configparser.RawConfigParser):
    """A unit of systemd; a repeated key keeps all its values, one a line."""

    def __init__(self) -> None:
        super().__init__(strict=False, delimiters=("=",), comment_prefixes=("#",))
        self.optionxform = str  # type: ignore[assignment,method-assign]
        text = UNIT.read_text()
        self.read_string(text)
        self.lines = [line.partition("=")[::2] for line in text.splitlines() if "=" in line and line[0] != "#"]

    def values(self, key: str) -> list[str]:
        return [value for name, value in self.lines if name == key]


def kubernetes_installation() -> Installation:
    process = kubernetes("embedded")["rangkiang"]
    (mount,) = (mount for mount in process.container["volumeMounts"] if mount["name"] == "data")
    return Installation(
        process.command, process.environment, mount["mountPath"], process.pod["terminationGracePeriodSeconds"]
    )


def compose_installation() -> Installation:
    service = compose(["embedded"])["embedded"]
    volume, keys = service["volumes"]
    assert service["environment"]["MASTER_KEY_FILE"].startswith(keys.partition(":")[2])
    # Without variables of its shell, Compose takes what is after `:-`.
    environment = {
        name: value.partition(":-")[2].rstrip("}") if value.startswith("$") else value
        for name, value in service["environment"].items()
    }
    return Installation(
        tuple(service["command"]), environment, volume.partition(":")[2], float(service["stop_grace_period"][:-1])
    )


def systemd_installation() -> Installation:
    unit = _Unit()
    program, *command = unit["Service"]["ExecStart"].split()
    assert program == "/opt/rangkiang/.venv/bin/rangkiang"
    environment = dict(pair.split("=", 1) for line in unit.values("Environment") for pair in line.split())
    data, keys = (f"/var/lib/{name}" for name in unit["Service"]["StateDirectory"].split())
    # The settings of the machine name the master key.
    assert f"\nMASTER_KEY_FILE={keys}/" in UNIT.with_name("rangkiang.env").read_text()
    return Installation(tuple(command), environment, data, float(unit["Service"]["TimeoutStopSec"]))


INSTALLATIONS = {
    "kubernetes": kubernetes_installation,
    "compose": compose_installation,
    "systemd": systemd_installation,
}


@pytest.mark.parametrize("kind", INSTALLATIONS)
def test_the_settings_are_known_and_the_databases_are_on_what_outlives_the_process(kind):
    installation = INSTALLATIONS[kind]()
    assert installation.command == ("up",)
    models = settings_models(discover(), gateway=True)
    names = [variable.name for variable in variables(models, service_names())]
    own = {name: value for name, value in installation.environment.items() if not name.startswith("PYTHON")}
    assert not set(own) - set(names)
    assert str(load_for(models, names, own).data) == installation.data


def test_one_pod_has_one_volume():
    items = [item for item in rendered("embedded") if pod_of(item)]
    assert {item["kind"] for item in items} == {"StatefulSet", "CronJob"}  # the second makes backups
    (item,) = (item for item in items if item["kind"] == "StatefulSet")
    assert item["spec"]["replicas"] == 1
    assert [claim["metadata"]["name"] for claim in item["spec"]["volumeClaimTemplates"]] == ["data"]


def test_compose_starts_the_embedded_edition_only_by_name_and_alone():
    services: dict[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
    assert [name for name, service in services.items() if service.get("profiles")] == ["z3950", "embedded"]
    assert "depends_on" not in services["embedded"]


def test_the_unit_does_not_run_as_root_and_writes_only_to_its_data():
    unit = _Unit()["Service"]
    assert unit["User"] == unit["Group"] == "rangkiang"
    assert (unit["ProtectSystem"], unit["NoNewPrivileges"], unit["CapabilityBoundingSet"]) == ("strict", "yes", "")
    assert "ReadWritePaths" not in unit


def run(installation: Installation, folder: Path, *command: str, port: int) -> subprocess.Popen[bytes]:
    """Start a command as the installation does: its paths are in `folder`."""
    data = folder / "data"
    environment = {
        name: value.replace(installation.data, str(data)) for name, value in installation.environment.items()
    }
    environment["MASTER_KEY_FILE"] = str(folder / "keys" / "master-key")
    environment |= {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "HOST": "127.0.0.1", "PORT": str(port)}
    if installation.environment.get("ENVIRONMENT") == "production":
        assert environment["PUBLIC_URL"]
    return start_program(command, env=environment, cwd=folder)


def is_ready(port: int) -> bool:
    """Whether the process answers that it is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/health/ready", timeout=5):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("kind", INSTALLATIONS)
def test_an_installation_starts_and_stops_in_its_time(kind, tmp_path):
    installation, port = INSTALLATIONS[kind](), processes.free_port()
    # All three run the same program: the unit starts it as such, and the others differ in their settings.
    server = run(installation, tmp_path, *installation.command, port=port)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready(port):
            assert server.poll() is None, "it ended before it was ready"
            assert time.monotonic() < deadline
            time.sleep(0.2)
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=installation.stop_seconds) == 0
    finally:
        server.kill()
        server.communicate()
    assert (tmp_path / "data" / "catalog.db").exists()


def test_the_command_of_the_cron_job_imports_a_folder_and_changes_nothing_the_second_time(tmp_path):
    files = tmp_path / "import" / "files"
    files.mkdir(parents=True)
    (files / "koha.mrc").write_bytes(iso(book(f"r{number}", f"Selasar {number}") for number in range(20)))
    command = [word.replace("/import/", f"{tmp_path}/import/") for word in kubernetes("prod")["catalog-import"].command]
    installation = kubernetes_installation()
    assert run(installation, tmp_path, "migrate", port=0).wait(timeout=60) == 0
    for created, unchanged in ((20, 0), (0, 20)):
        importing = run(installation, tmp_path, *command, port=0)
        output, _ = importing.communicate(timeout=60)
        assert importing.returncode == 0
        summary = json.loads(output.splitlines()[-1])
        assert (summary["created"], summary["unchanged"], summary["put_aside"]) == (created, unchanged, 0)
    assert (tmp_path / "import" / "rejected.jsonl").read_text() == ""
