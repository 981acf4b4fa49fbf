"""Elasticsearch of this checkout: the real node from Maven Central, on Debian's Java."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import urllib.request
import zipfile
from pathlib import Path

from tests.servers import processes
from tests.servers.state import Entry, ServerError, is_for_tests

VERSION = "8.19.8"
ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
SIZE = 98379909
SHA256 = "8d943e94cef02cbceb6e39cd00175bb04e5f882fa32783a473880b8691a54376"
# Elasticsearch 8.19 runs on these versions; later ones are not tested.
JAVA_MIN, JAVA_MAX = 17, 21
# The second compiler takes half of the node's CPU time in a run of the tests, which is too short to gain from it.
# Measurements need it, so benchmarks refuse a node without it.
ONE_COMPILER = "-XX:TieredStopAtLevel=1"


def java() -> Path:
    """Home of an installed Java that this Elasticsearch supports."""
    for home in sorted(Path("/usr/lib/jvm").glob("*")):
        release = home / "release"
        if not release.exists() or not (home / "bin" / "java").exists():
            continue
        values = dict(line.split("=", 1) for line in release.read_text().splitlines() if "=" in line)
        if JAVA_MIN <= int(values.get("JAVA_VERSION", '"0"').strip('"').split(".")[0]) <= JAVA_MAX:
            return home
    raise ServerError(f"no Java {JAVA_MIN} to {JAVA_MAX} is installed")


def archive() -> Path:
    """Return the verified zip file, which Maven downloads into the user's cache if necessary."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rangkiang"
    archive_path = cache / f"elasticsearch-{VERSION}.zip"
    if archive_path.exists() and _is_valid(archive_path):
        return archive_path
    if not shutil.which("mvn"):
        raise ServerError("Maven is not installed")
    cache.mkdir(parents=True, exist_ok=True)
    print(f"Fetching Elasticsearch {VERSION} from Maven Central (98 MB) …", flush=True)
    download = subprocess.run(
        ["mvn", "-B", "-q", "dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={cache}"],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    if download.returncode:
        raise ServerError(f"Maven could not fetch {ARTIFACT}: {(download.stdout + download.stderr).strip()[-800:]}")
    if not _is_valid(archive_path):
        raise ServerError(
            f"{archive_path} has another size or hash than Elasticsearch {VERSION}: remove it and try again"
        )
    return archive_path


def _is_valid(zipped: Path) -> bool:
    if zipped.stat().st_size != SIZE:
        return False
    with zipped.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == SHA256


def start(previous: Entry) -> Entry:
    """Unpack once, write the settings and start one node."""
    user = processes.account("nobody")
    home = processes.home("elasticsearch", user)
    program = home / f"elasticsearch-{VERSION}"
    if not (program / "unpacked").exists():
        shutil.rmtree(program, ignore_errors=True)
        with zipfile.ZipFile(archive()) as zipped:
            zipped.extractall(home)
        for script in (program / "bin").iterdir():
            script.chmod(0o755)
        (program / "unpacked").touch()
    config = home / "config"
    if not config.exists():
        shutil.copytree(program / "config", config)
    ports = {name: processes.keep_port(previous.get(name)) for name in ("port", "transport_port")}
    (config / "elasticsearch.yml").write_text(_settings(home, ports))
    for folder in (config, home / "data", home / "logs", home / "tmp"):
        folder.mkdir(exist_ok=True)
        for path in (folder, *folder.glob("*")):
            processes.own(path, user)
    environment = {
        "HOME": str(home),
        "ES_JAVA_HOME": str(java()),
        "ES_PATH_CONF": str(config),
        "ES_TMPDIR": str(home / "tmp"),
        "ES_JAVA_OPTS": "-Xms512m -Xmx512m" + (" " + ONE_COMPILER if is_for_tests() else ""),
    }
    log = home / "log"
    command = [str(program / "bin" / "elasticsearch")]
    node = processes.spawn(command, user=user, environment=environment, log=log)
    entry: Entry = {**node, **ports, "for_tests": is_for_tests()}
    processes.wait("Elasticsearch", lambda: healthy(entry), entry, log, seconds=150)
    return entry


def _settings(home: Path, ports: dict[str, int]) -> str:
    return f"""
cluster.name: rangkiang
discovery.type: single-node
http.host: 127.0.0.1
http.port: {ports["port"]}
transport.host: 127.0.0.1
transport.port: {ports["transport_port"]}
path.data: {home}/data
path.logs: {home}/logs
xpack.security.enabled: false
cluster.routing.allocation.disk.threshold_enabled: false
action.auto_create_index: false
"""


def healthy(entry: Entry) -> bool:
    """Return True when the node reports the health of its cluster."""
    try:
        return b'"status"' in call(entry, "GET", "/_cluster/health?timeout=1s", seconds=5)
    except OSError:
        return False


def drop_indices(entry: Entry, prefix: str) -> None:
    """Delete every index whose name begins with the prefix, with its aliases."""
    for name in call(entry, "GET", f"/_cat/indices/{prefix}*?h=index").decode().split():
        call(entry, "DELETE", f"/{name}")


def call(entry: Entry, method: str, path: str, *, seconds: float = 20) -> bytes:
    """Send a request to the node; errors are those of urllib, all OSErrors."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url(entry) + path, method=method), timeout=seconds) as response:
        content: bytes = response.read()
    return content


def stop(entry: Entry) -> None:
    """Stop the node cleanly."""
    processes.stop(entry)


def url(entry: Entry) -> str:
    """HTTP address of the node."""
    return f"http://127.0.0.1:{entry['port']}"
