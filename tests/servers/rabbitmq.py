"""RabbitMQ of this checkout: a node with its own epmd, and the management API, which creates virtual hosts fast."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

from tests.servers import processes
from tests.servers.state import KEY, PASSWORD, Entry, ServerError

USER, VHOST = "rangkiang", "rangkiang"
PROGRAMS = Path("/usr/lib/rabbitmq/bin")


def start(previous: Entry) -> Entry:
    """Start epmd and the node, and make the default virtual host."""
    if not (PROGRAMS / "rabbitmq-server").exists() or not shutil.which("epmd"):
        raise ServerError("RabbitMQ is not installed")
    user = processes.account("rabbitmq")
    home = processes.home("rabbitmq", user)
    ports = {
        name: processes.keep_port(previous.get(name)) for name in ("port", "management_port", "node_port", "epmd_port")
    }
    processes.write(home / "rabbitmq.conf", _settings(ports), user)
    processes.write(home / "plugins", "[rabbitmq_management].\n", user)
    environment = {
        "HOME": str(home),
        "RABBITMQ_NODENAME": f"rangkiang-{KEY}@localhost",
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "logs"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "no-environment-file"),
        # Erlang's schedulers otherwise spin for a while before they sleep, which takes the processor from the tests.
        # Each quorum queue counts its messages for statistics every 5 s: 300 queues take 3 % of a processor at rest.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "+sbwt none +sbwtdcpu none +sbwtdio none"
            " -rabbit quorum_tick_interval 60000 -rabbit collect_statistics_interval 60000"
        ),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(ports["epmd_port"]),
    }
    log = home / "log"
    epmd = processes.spawn(["epmd", "-relaxed_command_check"], user=user, environment=environment, log=log)
    # A node without epmd would start a daemon, which `down` cannot stop.
    processes.wait("epmd", lambda: not processes.port_is_free(ports["epmd_port"]), epmd, log, seconds=10)
    node = processes.spawn([str(PROGRAMS / "rabbitmq-server")], user=user, environment=environment, log=log)
    settings = [f"{name}={value}" for name, value in environment.items()]
    entry: Entry = {
        **node,
        **ports,
        "epmd": epmd,
        "rabbitmqctl": [*processes.as_user(user), "env", *settings, str(PROGRAMS / "rabbitmqctl")],
    }
    try:
        processes.wait("RabbitMQ", lambda: healthy(entry), entry, log)
    except ServerError:
        processes.stop(epmd)
        raise
    create_vhost(entry, VHOST)
    return entry


def _settings(ports: dict[str, int]) -> str:
    return f"""
listeners.tcp.1 = 127.0.0.1:{ports["port"]}
distribution.listener.port_range.min = {ports["node_port"]}
distribution.listener.port_range.max = {ports["node_port"]}
distribution.listener.interface = 127.0.0.1
management.tcp.ip = 127.0.0.1
management.tcp.port = {ports["management_port"]}
default_user = {USER}
default_pass = {PASSWORD}
disk_free_limit.absolute = 200MB
management_agent.disable_metrics_collector = true
"""


def healthy(entry: Entry) -> bool:
    """Return True when the broker accepts an AMQP client and the management API responds."""
    try:
        with socket.create_connection(("127.0.0.1", entry["port"]), timeout=3) as client:
            client.sendall(b"AMQP\x00\x00\x09\x01")
            greeted = client.recv(1) == b"\x01"
        return greeted and bool(call(entry, "GET", "/api/vhosts"))
    except OSError:
        return False


def stop(entry: Entry) -> None:
    """Stop the node cleanly, then its epmd."""
    processes.stop(entry)
    if "epmd" in entry:
        processes.stop(entry["epmd"])


def url(entry: Entry, vhost: str) -> str:
    """AMQP URL of one virtual host."""
    return f"amqp://{USER}:{PASSWORD}@127.0.0.1:{entry['port']}/{quote(vhost, safe='')}"


def create_vhost(entry: Entry, name: str) -> None:
    """Create a virtual host with quorum queues by default; an existing one stays as it is."""
    # RabbitMQ before 3.12 spells the field without underscores.
    body = {"default_queue_type": "quorum", "defaultqueuetype": "quorum"}
    call(entry, "PUT", f"/api/vhosts/{quote(name, safe='')}", body)
    permissions = {"configure": ".*", "write": ".*", "read": ".*"}
    call(entry, "PUT", f"/api/permissions/{quote(name, safe='')}/{USER}", permissions)


def drop_vhost(entry: Entry, name: str) -> None:
    """Delete a virtual host; a missing one is no error."""
    try:
        call(entry, "DELETE", f"/api/vhosts/{quote(name, safe='')}")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise


def call(entry: Entry, method: str, path: str, body: object = None) -> bytes:
    """Send a request to the management API; errors are those of urllib, all OSErrors."""
    request = urllib.request.Request(f"http://127.0.0.1:{entry['management_port']}{path}", method=method)
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())
    request.add_header("Content-Type", "application/json")
    request.data = None if body is None else json.dumps(body).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as response:
        content: bytes = response.read()
    return content
