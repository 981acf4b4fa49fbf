"""docs/operations.md: its commands run, in order, on a library of each edition; backups are restored after damage.

The info string of a block says what it is: `sh embedded` runs on a machine with the embedded edition, `sh cluster`
beside a cluster. `sh machine` needs root, systemd, packages or Kubernetes and is not run: the test does START and STOP
with local processes, and NOT_RUN names all other lines. test_operations_embedded and test_operations_cluster run them.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.manifests import rendered
from tests.conftest import CHECKOUT

PAGE = CHECKOUT / "docs" / "operations.md"
BLOCK = re.compile(r"^```(\w*)(?: (\w+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)
KINDS = {"embedded", "cluster", "machine"}
SERVES = [f"deployment/{name}-serve" for name in ("catalog", "circulation", "members", "notifications")]
START = {
    "systemctl enable --now rangkiang",
    "systemctl start rangkiang",
    "systemctl restart rangkiang",
    f"kubectl -n rangkiang scale deployment/gateway {' '.join(SERVES)} --replicas=2",
}
STOP = {
    "systemctl stop rangkiang",
    "kubectl -n rangkiang scale deployment --selector app.kubernetes.io/part-of=rangkiang --replicas=0",
}
# Beginnings of the lines that no test runs.
NOT_RUN = (
    "  kubectl ",
    "  password=",
    "age-keygen -o rangkiang-identity.txt",
    "apt-get install -y ",
    "chgrp rangkiang",
    "done",
    "for service in ",
    "install -d -o rangkiang",
    "install -m 0644 /opt/rangkiang/systemd/rangkiang",
    "kubectl ",
    "password=",
    "rangkiang keys new > master-key",
    "rangkiang keys paper",
    # Backups of other machines: tests/chassis/backup/test_places.py restores them.
    "rangkiang restore ",
    "runuser -u rangkiang",
    "sed -i 's/newTag",
    "systemctl daemon-reload",
    "systemctl enable --now rangkiang-backup.timer",
    "systemctl reload caddy",
    "useradd --system",
)
# Secrets that the manifests do not need.
OPTIONAL = {"rangkiang-backup"}
# Objects that `kubectl` itself makes.
MADE_ELSEWHERE = {"job/backup-1", "job/catalog-import-1"}


def sections() -> tuple[str, str]:
    """The Indonesian and the English part of the page."""
    indonesian, _, rest = PAGE.read_text().partition("\n# Running Rangkiang")
    return indonesian, rest.partition("\n# Peringatan")[0]


def blocks(text: str) -> list[tuple[str, str]]:
    """(kind, commands) of each block of a shell."""
    return [(kind, commands) for language, kind, commands in BLOCK.findall(text) if language == "sh"]


def english() -> list[tuple[str, str]]:
    return blocks(sections()[1])


def lines_of(kind: str) -> list[str]:
    """Command lines of all blocks of a kind."""
    return [line for block, commands in english() if block == kind for line in commands.splitlines()]


def test_both_languages_have_the_same_blocks():
    indonesian, english_part = (BLOCK.findall(part) for part in sections())
    assert indonesian == english_part
    assert {kind for kind, _ in english()} == KINDS


def test_the_page_of_alerts_has_no_command_that_is_not_run():
    assert not BLOCK.findall(PAGE.read_text().partition("\n# Peringatan")[2])


def test_every_line_that_is_not_run_is_listed():
    lines = set(lines_of("machine"))
    assert lines >= START | STOP
    others = lines - START - STOP
    assert not [line for line in others if not line.startswith(NOT_RUN)]
    assert not [start for start in NOT_RUN if not any(line.startswith(start) for line in others)]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_shell_understands_the_blocks(kind):
    script = "".join(commands for block, commands in english() if block == kind)
    # SC1091: /etc/rangkiang.env is not here. SC2164: each block runs with -e.
    command = ["shellcheck", "--shell=bash", "--exclude=SC1091,SC2164", "-"]
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    result = subprocess.run(command, input=script, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def kubectl_words() -> list[list[str]]:
    return [shlex.split(line) for line in lines_of("machine") if line.startswith("kubectl ")]


def test_kubectl_names_overlays_and_objects_that_exist():
    objects = {
        f"{item['kind'].lower()}/{item['metadata']['name']}"
        for overlay in ("prod", "operators", "embedded")
        for item in rendered(overlay)
    }
    for words in kubectl_words():
        if "-k" in words:
            assert rendered(words[words.index("-k") + 1].removeprefix("k8s/overlays/"))
        # Words after -- are a command in the container.
        ours = words[: words.index("--")] if "--" in words else words
        named = {word.removeprefix("--from=") for word in ours if re.fullmatch(r"(--from=)?[a-z]+/[\w-]+", word)}
        assert not named - objects - MADE_ELSEWHERE, words


def test_every_secret_that_the_manifests_need_is_made_by_a_command_of_the_page():
    created = {words[words.index("secret") + 2] for words in kubectl_words() if "secret" in words}
    of_operators = {"postgres-app", "rabbitmq-default-user"}
    items = [item for overlay in ("prod", "operators") for item in rendered(overlay)]
    of_manifests = {item["metadata"]["name"] for item in items if item["kind"] == "Secret"}
    needed = {name for item in items for name in secrets_of(item)}
    assert needed - of_operators - of_manifests == created - OPTIONAL
    assert created >= OPTIONAL


def secrets_of(value: Any) -> set[str]:
    """Names of the Secrets that an object needs; docs/notices.md makes the optional one of channels."""
    if isinstance(value, list):
        return set().union(*map(secrets_of, value))
    if not isinstance(value, dict):
        return set()
    references = [
        value[key] for key in ("secretKeyRef", "passwordSecret", "accessKeyId", "secretAccessKey") if key in value
    ]
    own = {reference["name"] for reference in references if not reference.get("optional")}
    own |= {value["secretName"]} if "secretName" in value and not value.get("optional") else set()
    return own.union(*map(secrets_of, value.values()))
