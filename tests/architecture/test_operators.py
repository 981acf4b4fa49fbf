"""The resources of operators. kubernetes-validate has no schemas of them: each field that they use is listed here.

Their names are those of the examples and references that the operators publish: ClusterSpec of CloudNativePG, its
plugin Barman Cloud, RabbitmqClusterSpec, ElasticsearchSpec of ECK, PrometheusRuleSpec and PodMonitorSpec. No cluster
with these operators was at hand: no operator has read them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from sqlalchemy.engine import make_url

from chassis.service import discover, service_names, settings_models
from chassis.settings import load_for, variables
from tests.architecture.manifests import is_custom, kubernetes, rendered

# Dotted paths of `spec`; [] is an element of a list, * any key.
FIELDS: dict[str, dict[str, type]] = {
    "Cluster": {
        "instances": int,
        "imageName": str,
        "bootstrap.initdb.database": str,
        "bootstrap.initdb.owner": str,
        "bootstrap.initdb.encoding": str,
        "bootstrap.initdb.localeCollate": str,
        "bootstrap.initdb.localeCType": str,
        "bootstrap.initdb.dataChecksums": bool,
        "managed.roles[].name": str,
        "managed.roles[].ensure": str,
        "managed.roles[].login": bool,
        "managed.roles[].createdb": bool,
        "managed.roles[].passwordSecret.name": str,
        "postgresql.parameters.*": str,
        "postgresql.synchronous.method": str,
        "postgresql.synchronous.number": int,
        "postgresql.synchronous.dataDurability": str,
        "plugins[].name": str,
        "plugins[].isWALArchiver": bool,
        "plugins[].parameters.*": str,
        "storage.size": str,
        "resources.requests.*": str,
        "resources.limits.*": str,
    },
    "ObjectStore": {
        "retentionPolicy": str,
        "configuration.destinationPath": str,
        "configuration.endpointURL": str,
        "configuration.s3Credentials.accessKeyId.name": str,
        "configuration.s3Credentials.accessKeyId.key": str,
        "configuration.s3Credentials.secretAccessKey.name": str,
        "configuration.s3Credentials.secretAccessKey.key": str,
        "configuration.wal.compression": str,
        "configuration.data.compression": str,
    },
    "ScheduledBackup": {
        "schedule": str,
        "immediate": bool,
        "backupOwnerReference": str,
        "cluster.name": str,
        "method": str,
        "pluginConfiguration.name": str,
    },
    "RabbitmqCluster": {
        "replicas": int,
        "image": str,
        "persistence.storage": str,
        "rabbitmq.additionalConfig": str,
        "resources.requests.*": str,
        "resources.limits.*": str,
    },
    "Elasticsearch": {
        "version": str,
        "auth.roles[].secretName": str,
        "auth.fileRealm[].secretName": str,
        "http.tls.selfSignedCertificate.disabled": bool,
        "nodeSets[].name": str,
        "nodeSets[].count": int,
        "nodeSets[].config.*": bool,
        "nodeSets[].podTemplate.spec.containers[].name": str,
        "nodeSets[].podTemplate.spec.containers[].resources.requests.*": str,
        "nodeSets[].podTemplate.spec.containers[].resources.limits.*": str,
        "nodeSets[].volumeClaimTemplates[].metadata.name": str,
        "nodeSets[].volumeClaimTemplates[].spec.accessModes[]": str,
        "nodeSets[].volumeClaimTemplates[].spec.resources.requests.*": str,
    },
    "PodMonitor": {
        "selector.matchLabels.*": str,
        "podMetricsEndpoints[].port": str,
        "podMetricsEndpoints[].path": str,
        "podMetricsEndpoints[].interval": str,
    },
    "PrometheusRule": {
        "groups[].name": str,
        "groups[].interval": str,
        "groups[].rules[].alert": str,
        "groups[].rules[].expr": str,
        "groups[].rules[].for": str,
        "groups[].rules[].labels.*": str,
        "groups[].rules[].annotations.*": str,
    },
}
# Keys of these maps are free.
MAPS = ("parameters", "requests", "limits", "config", "matchLabels", "labels", "annotations")


def resources() -> dict[str, dict[str, Any]]:
    """The operators' resources, by kind."""
    return {item["kind"]: item for item in rendered("operators") if is_custom(item)}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of each leaf."""
    if isinstance(value, dict):
        is_map = path.rpartition(".")[2] in MAPS
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.*" if is_map else f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, f"{path}[]")
    else:
        yield path.removeprefix("."), value


@pytest.mark.parametrize("kind", FIELDS)
def test_a_resource_of_an_operator_has_only_fields_that_the_operator_knows(kind):
    used = dict(leaves(resources()[kind]["spec"]))
    assert not set(used) - set(FIELDS[kind])
    assert not set(FIELDS[kind]) - set(used), "listed and not used"
    # A quantity such as 500m is text; YAML reads a whole number as an int, which Kubernetes accepts too.
    wrong = {path for path, value in used.items() if not isinstance(value, FIELDS[kind][path])}
    assert not wrong


def test_the_servers_are_those_of_the_tests_and_have_three_nodes():
    specs = {kind: item["spec"] for kind, item in resources().items()}
    containers = {
        container["name"]: container["image"]
        for item in rendered("dev")
        if item["kind"] == "StatefulSet"
        for container in item["spec"]["template"]["spec"]["containers"]
    }
    assert specs["RabbitmqCluster"]["image"] == containers["rabbitmq"]
    assert containers["elasticsearch"].endswith(f":{specs['Elasticsearch']['version']}")
    (major,) = re.findall(r"postgres:(\d+)\.", containers["postgres"])
    assert re.search(rf":{major}\.\d+-", specs["Cluster"]["imageName"])
    assert specs["Cluster"]["instances"] == specs["RabbitmqCluster"]["replicas"] == 3
    assert sum(nodes["count"] for nodes in specs["Elasticsearch"]["nodeSets"]) == 3


def test_every_process_has_the_addresses_roles_and_passwords_of_the_operators_servers():
    models = settings_models(discover(), gateway=False)
    names = [variable.name for variable in variables(models, service_names())]
    with_servers = {
        name: process for name, process in kubernetes("operators").items() if "DATABASE_URL" in process.environment
    }
    assert {"catalog-serve", "catalog-migrate", "catalog-import", "backup"} <= set(with_servers)
    roles = {role["name"]: role for role in resources()["Cluster"]["spec"]["managed"]["roles"]}
    for service in service_names():
        assert roles[f"rangkiang_{service}"]["passwordSecret"] == {"name": f"{service}-database"}
    for name, process in with_servers.items():
        service = name.partition("-")[0]
        environment = process.environment
        if name == "backup":
            app = make_url(environment["DATABASE_URL"].replace("{service}", "members"))
            assert (app.username, app.password, app.host, app.database) == (
                "rangkiang_members", None, "postgres-rw", "members",
            )  # fmt: skip
        else:
            # The operator's Secret has the URL of the service's role and, for the server, its password.
            assert environment["DATABASE_URL"] == f"secret-{service}-database", name
            environment = {**environment, "DATABASE_URL": "postgresql+psycopg://app@postgres-rw/{service}"}
        if "SEARCH_URL" in environment:
            assert environment["SEARCH_URL"] == "secret-rangkiang-search", name
            environment = {**environment, "SEARCH_URL": "http://elasticsearch-es-http:9200/records"}
        settings = load_for(models, names, environment)
        if "DATABASE_OWNER_URL" in environment:
            owner = make_url(settings.database_owner("catalog"))
            bootstrap = resources()["Cluster"]["spec"]["bootstrap"]["initdb"]
            assert (owner.username, owner.host, owner.database) == (
                bootstrap["owner"], "postgres-rw", bootstrap["database"],
            )  # fmt: skip
            assert owner.password == "secret-postgres-app"
        else:
            assert environment["BUS_URL"].endswith("@rabbitmq:5672/rangkiang"), name
            assert "default_vhost = rangkiang" in resources()["RabbitmqCluster"]["spec"]["rabbitmq"]["additionalConfig"]
            assert ("SEARCH_URL" in environment) == (service == "catalog"), name


def test_a_commit_is_on_two_instances_and_the_log_in_an_archive_of_the_operator():
    specs = {kind: item["spec"] for kind, item in resources().items()}
    synchronous = specs["Cluster"]["postgresql"]["synchronous"]
    assert synchronous == {"method": "any", "number": 1, "dataDurability": "required"}
    assert specs["Cluster"]["instances"] > synchronous["number"] + 1, "one instance may be away"
    (plugin,) = specs["Cluster"]["plugins"]
    assert plugin["isWALArchiver"]
    assert plugin["parameters"] == {"barmanObjectName": resources()["ObjectStore"]["metadata"]["name"]}
    backup = specs["ScheduledBackup"]
    assert backup["cluster"] == {"name": resources()["Cluster"]["metadata"]["name"]}
    assert backup["pluginConfiguration"] == {"name": plugin["name"]}
    assert len(backup["schedule"].split()) == 6, "with seconds"
    assert specs["ObjectStore"]["retentionPolicy"] == "30d"


def test_the_catalogue_has_a_user_of_elasticsearch_with_rights_on_its_own_indexes():
    secrets = {item["metadata"]["name"]: item for item in rendered("operators") if item["kind"] == "Secret"}
    auth = resources()["Elasticsearch"]["spec"]["auth"]
    assert auth["fileRealm"] == [{"secretName": "rangkiang-search"}]
    assert auth["roles"] == [{"secretName": "rangkiang-search-role"}]
    roles = yaml.safe_load(secrets["rangkiang-search-role"]["stringData"]["roles.yml"])
    assert {name for role in roles.values() for rights in role["indices"] for name in rights["names"]} == {"records*"}


def test_prometheus_of_a_helm_release_finds_the_monitor_and_the_rules():
    for kind in ("PodMonitor", "PrometheusRule"):
        (item,) = (item for item in rendered("operators") if item["kind"] == kind)
        assert item["metadata"]["labels"]["release"] == "kube-prometheus-stack"
