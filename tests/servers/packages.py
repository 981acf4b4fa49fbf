"""Debian packages of the servers and tests: installed when the user is root, otherwise named."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.servers import elasticsearch
from tests.servers.state import ServerError


def _java_missing() -> bool:
    try:
        elasticsearch.java()
    except ServerError:
        return True
    return False


def _java_package() -> str:
    for version in range(elasticsearch.JAVA_MIN, elasticsearch.JAVA_MAX + 1):
        name = f"openjdk-{version}-jre-headless"
        output = subprocess.run(["apt-cache", "policy", name], capture_output=True, text=True, check=False).stdout
        if "Candidate:" in output and "Candidate: (none)" not in output:
            return name
    return f"openjdk-{elasticsearch.JAVA_MIN}-jre-headless"


def _shell_missing() -> bool:
    """Whether Debian's package is missing; where there is none, as in Ubuntu, tests use Chromium itself."""
    if shutil.which("chromium-headless-shell"):
        return False
    try:
        return platform.freedesktop_os_release()["ID"] == "debian"
    except OSError:
        return False


Absent = Callable[[], bool]

# Programs of tests and lint; the driver of Chromium links to libatomic, which minimal systems do not have.
TOOLS: dict[str, Absent] = {
    "chromium": lambda: shutil.which("chromium") is None,
    "curl": lambda: shutil.which("curl") is None,
    "libcatmandu-oai-perl": lambda: not Path("/usr/share/perl5/Catmandu/Importer/OAI.pm").exists(),
    "libcatmandu-sru-perl": lambda: not Path("/usr/share/perl5/Catmandu/Importer/SRU.pm").exists(),
    "libnet-z3950-simple2zoom-perl": lambda: not Path("/usr/share/perl5/Net/Z3950/Simple2ZOOM.pm").exists(),
    "libatomic1": lambda: not any(Path("/usr/lib").glob("**/libatomic.so.1")),
    "prometheus": lambda: shutil.which("promtool") is None,
    "sqlite3": lambda: shutil.which("sqlite3") is None,
    "systemd": lambda: shutil.which("systemd-analyze") is None,
    "yaz": lambda: shutil.which("yaz-marcdump") is None,
}
SERVERS: dict[str, Absent] = {
    "postgresql": lambda: not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
    "rabbitmq-server": lambda: not Path("/usr/lib/rabbitmq/bin/rabbitmq-server").exists(),
    "java": _java_missing,
    "maven": lambda: shutil.which("mvn") is None,
}
# Tests take less time with these, and pass without them.
FASTER: dict[str, Absent] = {"chromium-headless-shell": _shell_missing}


def ensure(needed: Mapping[str, Absent]) -> None:
    """Install missing packages as root; other users get an error with the command."""
    missing = [name for name, absent in needed.items() if absent()]
    faster = [name for name, absent in FASTER.items() if absent()]
    if missing:
        if not shutil.which("apt-get"):
            names = ", ".join(missing)
            raise ServerError(f"missing: {names}, and this machine has no apt-get: start a Docker engine")
        _install(missing)
    if faster and os.geteuid() == 0 and shutil.which("apt-get"):
        try:
            _install(faster)
        except ServerError as error:
            print(f"warning: {error}\nThe tests pass without this package, and take longer.", flush=True)


def _install(missing: Sequence[str]) -> None:
    if os.geteuid() == 0:
        _apt("update", "-qq")
    names = [_java_package() if name == "java" else name for name in missing]
    line = "apt-get install -y --no-install-recommends " + " ".join(names)
    if os.geteuid() != 0:
        raise ServerError(f"the servers and the tests need Debian packages. Type once:\n\n    sudo {line}\n")
    print(line, flush=True)
    _apt("install", "-y", "-qq", "--no-install-recommends", *names)


def _apt(*arguments: str) -> None:
    result = subprocess.run(
        ["apt-get", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise ServerError(f"apt-get {' '.join(arguments)} failed:\n{result.stderr.strip()[-1500:]}")
