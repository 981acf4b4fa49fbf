"""The network policies, evaluated as Kubernetes does: what may reach what, and that nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.service import discover, service_names, settings_models
from chassis.settings import load_for, variables
from gateway.api.institution_edits import LONGEST_PICTURE_BYTES
from tests.architecture.manifests import is_custom, kubernetes, pod_of, rendered
from tests.journeys.test_operations_doc import lines_of

INGRESS = {"kubernetes.io/metadata.name": "ingress-nginx"}
ELSEWHERE = {"kubernetes.io/metadata.name": "elsewhere"}
OUTSIDE: dict[str, str] = {}
POSTGRES, RABBITMQ, ELASTICSEARCH, NAMES = 5432, 5672, 9200, 53
# Labels that the operators give to the Pods of their servers, and the namespaces of the operators.
SERVERS = {
    POSTGRES: ({"cnpg.io/cluster": "postgres"}, "cnpg-system"),
    RABBITMQ: ({"app.kubernetes.io/name": "rabbitmq"}, "rabbitmq-system"),
    ELASTICSEARCH: ({"elasticsearch.k8s.elastic.co/cluster-name": "elasticsearch"}, "elastic-system"),
}


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector selects these labels."""
    for expression in selector.get("matchExpressions", ()):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def allows(overlay: str, kind: str, pod: dict[str, str], peer: dict[str, str], port: str | int, *, same: bool) -> bool:
    """Whether the policies of an overlay let a Pod receive ("Ingress") or send ("Egress") on a port.

    peer  labels of the other Pod, or of its namespace when `same` is False: it runs in another one
    """
    policies = [item["spec"] for item in rendered(overlay) if item["kind"] == "NetworkPolicy"]
    selecting = [policy for policy in policies if kind in policy["policyTypes"] and matches(policy["podSelector"], pod)]
    rules = [rule for policy in selecting for rule in policy.get(kind.lower(), ())]
    return not selecting or any(_rule_allows(rule, peer, port, same) for rule in rules)


def _rule_allows(rule: dict[str, Any], peer: dict[str, str], port: str | int, same: bool) -> bool:
    ports = [entry["port"] for entry in rule.get("ports", ())]
    peers = rule.get("from", rule.get("to"))
    selector = "podSelector" if same else "namespaceSelector"
    is_peer = peers is None or any(selector in entry and matches(entry[selector], peer) for entry in peers)
    return is_peer and (not ports or port in ports)


def labels_of(overlay: str, name: str) -> dict[str, str]:
    """Labels of the Pods of an object of ours."""
    (item,) = (item for item in rendered(overlay) if pod_of(item) and item["metadata"]["name"] == name)
    labels: dict[str, str] = pod_of(item)["metadata"]["labels"]  # type: ignore[index]
    return labels


def sends(overlay: str, source: str, target: str, port: str) -> bool:
    """Whether one process may call a port of another one."""
    here, there = labels_of(overlay, source), labels_of(overlay, target)
    return allows(overlay, "Egress", here, there, port, same=True) and allows(
        overlay, "Ingress", there, here, port, same=True
    )


@pytest.mark.parametrize("overlay", ["prod", "operators"])
def test_only_the_gateway_calls_a_service(overlay):
    assert sends(overlay, "gateway", "catalog-serve", "grpc")
    assert not sends(overlay, "catalog-import", "catalog-serve", "grpc")
    assert not sends(overlay, "catalog-import", "gateway", "http")
    serve = labels_of(overlay, "catalog-serve")
    assert not allows(overlay, "Ingress", serve, ELSEWHERE, "grpc", same=False)
    assert allows(overlay, "Ingress", serve, OUTSIDE, "health", same=False)  # probes come from the node


def test_doctor_in_a_pod_of_a_service_reaches_the_gateway_and_finds_the_settings_valid():
    for service in service_names():
        command = f"exec deployment/{service}-serve -- env PUBLIC_URL=http://gateway rangkiang doctor {service}"
        assert sum(line.endswith(command) for line in lines_of("machine")) == 1
    assert sends("operators", "catalog-serve", "gateway", "http")
    (ports,) = (
        item["spec"]["ports"]
        for item in rendered("operators")
        if item["kind"] == "Service" and item["metadata"]["name"] == "gateway"
    )
    assert [(port["port"], port["targetPort"]) for port in ports] == [(80, "http")]
    models = settings_models(discover(), gateway=True)
    environment = {
        **kubernetes("operators")["catalog-serve"].environment,
        "PUBLIC_URL": "http://gateway",
        # Of Secrets.
        "DATABASE_URL": "postgresql+psycopg://rangkiang_catalog@postgres/catalog",
        "SEARCH_URL": "http://elasticsearch:9200/records",
    }
    load_for(models, [variable.name for variable in variables(models, service_names())], environment)


@pytest.mark.parametrize(("overlay", "name"), [("prod", "gateway"), ("embedded", "rangkiang")])
def test_only_the_ingress_controller_calls_the_gateway(overlay, name):
    gateway = labels_of(overlay, name)
    assert allows(overlay, "Ingress", gateway, INGRESS, "http", same=False)
    assert not allows(overlay, "Ingress", gateway, ELSEWHERE, "http", same=False)
    assert not allows(overlay, "Ingress", gateway, OUTSIDE, "http", same=False)


def test_processes_of_services_reach_the_servers_and_nothing_else():
    for name in ("catalog-serve", "catalog-import"):
        pod = labels_of("prod", name)
        reached = {
            port
            for port in (POSTGRES, RABBITMQ, ELASTICSEARCH, NAMES, 80, 443, 22)
            if allows("prod", "Egress", pod, OUTSIDE, port, same=False)
        }
        assert reached == {POSTGRES, RABBITMQ, ELASTICSEARCH, NAMES}, name


@pytest.mark.parametrize(
    ("overlay", "name"), [("prod", "gateway"), ("prod", "import-files"), ("embedded", "rangkiang")]
)
def test_a_process_without_servers_reaches_none(overlay, name):
    pod = labels_of(overlay, name)
    assert not any(
        allows(overlay, "Egress", pod, OUTSIDE, port, same=False) for port in (POSTGRES, RABBITMQ, ELASTICSEARCH, 22)
    )


@pytest.mark.parametrize(
    ("overlay", "name", "is_sender"),
    [
        ("prod", "notifications-serve", True),
        ("embedded", "rangkiang", True),
        ("prod", "notifications-work", False),
        ("prod", "members-serve", False),
        ("prod", "gateway", False),
        ("prod", "import-files", False),
    ],
)
def test_the_sender_of_notices_alone_reaches_mail_servers_and_providers(overlay, name, is_sender):
    pod = labels_of(overlay, name)
    reached = {port for port in (25, 443, 465, 587) if allows(overlay, "Egress", pod, OUTSIDE, port, same=False)}
    assert reached == ({25, 443, 465, 587} if is_sender else set())


def test_links_in_notices_lead_to_the_address_of_the_library():
    serve = kubernetes("prod")["notifications-serve"]
    assert serve.environment["PUBLIC_URL"] == kubernetes("prod")["gateway"].environment["PUBLIC_URL"]


@pytest.mark.parametrize("overlay", ["prod", "embedded", "operators"])
def test_a_pod_that_no_policy_names_neither_receives_nor_sends(overlay):
    for kind in ("Ingress", "Egress"):
        assert not allows(overlay, kind, {"app": "unknown"}, ELSEWHERE, 443, same=False)
        assert not allows(overlay, kind, {"app": "unknown"}, {"app": "other"}, 443, same=True)


@pytest.mark.parametrize("port", SERVERS)
def test_a_server_of_an_operator_receives_from_our_processes_its_like_and_its_operator(port):
    server, operator = SERVERS[port]
    namespace = {"kubernetes.io/metadata.name": operator}
    assert allows("operators", "Ingress", server, labels_of("operators", "catalog-serve"), port, same=True)
    assert allows("operators", "Ingress", server, labels_of("operators", "catalog-import"), port, same=True)
    assert allows("operators", "Ingress", server, server, 9999, same=True)
    assert allows("operators", "Ingress", server, namespace, 9999, same=False)
    assert not allows("operators", "Ingress", server, labels_of("operators", "gateway"), port, same=True)
    assert not allows("operators", "Ingress", server, ELSEWHERE, port, same=False)


def test_each_server_of_an_operator_is_named_here():
    assert {"postgres", "rabbitmq", "elasticsearch"} == {
        item["metadata"]["name"]
        for item in rendered("operators")
        if is_custom(item) and not item["apiVersion"].startswith("monitoring.")
    }


@pytest.mark.parametrize("overlay", ["prod", "embedded"])
def test_the_ingress_admits_a_picture_of_the_largest_size(overlay):
    (ingress,) = (item for item in rendered(overlay) if item["kind"] == "Ingress")
    size = ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert int(size.removesuffix("m")) * 1024 * 1024 > LONGEST_PICTURE_BYTES


def test_prometheus_reads_the_metrics_of_the_embedded_edition():
    library = kubernetes("embedded")["rangkiang"]
    assert (library.environment["METRICS_HOST"], library.port("metrics")) == ("0.0.0.0", 9464)
    assert library.environment["METRICS_PORT"] == "9464"
    prometheus = {"kubernetes.io/metadata.name": "monitoring"}
    assert allows("embedded", "Ingress", labels_of("embedded", "rangkiang"), prometheus, "metrics", same=False)


def test_the_backup_of_the_embedded_edition_reads_its_volume_on_its_node_and_writes_another():
    backup, library = (kubernetes("embedded")[name] for name in ("backup", "rangkiang"))
    claims = {volume["name"]: volume["persistentVolumeClaim"]["claimName"] for volume in backup.pod["volumes"][:2]}
    assert claims == {"backups": "backups", "data": "data-rangkiang-0"}
    assert backup.environment["DATA"] == library.environment["DATA"] == "/data"
    (term,) = backup.pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"]["matchLabels"].items() <= labels_of("embedded", "rangkiang").items()
    # The scheduler finds it by this label, so the job has another one.
    assert labels_of("embedded", "backup")["app.kubernetes.io/name"] == "backup"
