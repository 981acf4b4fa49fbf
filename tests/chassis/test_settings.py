"""Settings come from the environment and are validated; errors name the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from chassis.errors import Invalid
from chassis.service import discover, service_names, settings_models
from chassis.settings import Misspelt, Settings, find_misspelt, load, load_for, variables
from gateway.settings import GatewaySettings
from services.catalog.settings import CatalogSettings

MODELS = settings_models(discover(), gateway=True)
NAMES = [variable.name for variable in variables(MODELS, service_names())]


def test_the_defaults_are_the_embedded_edition() -> None:
    settings = load({})
    assert settings.database("catalog") == "sqlite:///var/catalog.db"
    assert settings.of(CatalogSettings).search == "tantivy:///var/index"
    assert settings.bus_url == "local:"
    assert settings.service_url("catalog") == "inproc:catalog"


def test_data_changes_every_default_and_an_explicit_url_wins() -> None:
    settings = load({"DATA": "/srv/rk", "SEARCH_URL": "http://es:9200/records"})
    assert settings.data == Path("/srv/rk")
    assert settings.database("catalog") == "sqlite:////srv/rk/catalog.db"
    assert settings.of(CatalogSettings).search == "http://es:9200/records"


def test_an_owner_gets_its_own_settings_from_the_same_environment() -> None:
    settings = load({"QUERY_LOG_DAYS": "30", "RATE_LIMIT": "0", "COVERS": "/srv/covers"})
    assert settings.of(CatalogSettings).query_log_days == 30
    assert settings.of(GatewaySettings).rate_limit == 0
    assert settings.of(GatewaySettings).covers == Path("/srv/covers")


def test_an_invalid_value_of_an_owner_is_named_by_its_variable() -> None:
    with pytest.raises(Invalid) as refusal:
        load({"QUERY_LOG_DAYS": "many"}).of(CatalogSettings)
    assert (refusal.value.reason, refusal.value.facts["variable"]) == ("SETTING_INVALID", "QUERY_LOG_DAYS")


def test_a_variable_that_two_owners_declare_is_the_same_in_both() -> None:
    owners = [Settings, *MODELS.values()]
    for name in {name for model in owners for name in model.model_fields}:
        fields = [model.model_fields[name] for model in owners if name in model.model_fields]
        assert len({(str(field.annotation), str(field.metadata), str(field.default)) for field in fields}) == 1, name


def test_other_variables_are_not_printed_with_the_settings() -> None:
    assert "hunter2" not in repr(load({"AWS_SECRET": "hunter2"}))


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("DATABASE_URI", "DATABASE_URL"),
        ("CATALOGUE_URL", "CATALOG_URL"),
        ("QUERY_LOG_DAY", "QUERY_LOG_DAYS"),
        ("GRPC_CRT", "GRPC_CERT"),
        ("BUS_URI", "BUS_URL"),
        ("RATE_LIMITS", "RATE_LIMIT"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_right_setting(name: str, suggestion: str) -> None:
    with pytest.raises(Invalid) as refusal:
        load_for(MODELS, NAMES, {name: "x:y"})
    assert (refusal.value.reason, refusal.value.facts) == ("SETTING_UNKNOWN", {"variable": name, "meant": suggestion})


def test_a_misspelt_variable_next_to_the_right_one_is_accepted() -> None:
    environ = {"DATABASE_URL": "sqlite:///x/{service}.db", "DATABASE_URI": "for:another-program"}
    assert load_for(MODELS, NAMES, environ)
    assert find_misspelt(NAMES, environ) == [Misspelt("DATABASE_URI", "DATABASE_URL", is_ignored=False)]


def test_ordinary_variables_are_not_misspelt_settings() -> None:
    ordinary = [
        "HOSTNAME", "HOSTS", "LANGUAGE", "LC_ALL", "PATH", "HOME", "DATABASE_USER", "DATABASE_PASSWORD", "BASE_URL",
        "GRPC_VERBOSITY", "GRPC_TRACE", "OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_HEADERS", "LOG_FILE", "HTTP_PROXY",
        "CATALOG_PORT", "CATALOG_SERVICE_HOST", "CATALOG_SERVICE_PORT_GRPC", "CATALOG_PORT_50051_TCP_ADDR",
        "DATABASE_PORT", "SEARCH_HOST", "WORKDIR", "PUBLIC_IP", "COVER", "DATE",
    ]  # fmt: skip
    assert not find_misspelt(NAMES, dict.fromkeys(ordinary, "x"))


def test_each_service_has_its_own_database() -> None:
    settings = load({"DATABASE_URL": "postgresql+psycopg://app:s3cret@db/rk_{service}"})
    assert settings.database("catalog").endswith("/rk_catalog")
    assert settings.database_owner("members").endswith("/rk_members")


def test_the_address_of_a_service_is_its_url() -> None:
    assert load({"CATALOG_URL": "dns:///catalog:50051"}).service_url("catalog") == "dns:///catalog:50051"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("WORKERS", "0"),
        ("ENVIRONMENT", "prod"),
        ("BUS_URL", "localhost"),
        ("TRUSTED_PROXIES", "*"),
        ("TRUSTED_PROXIES", "10.0.0.1, proxy.example"),
    ],
)
def test_an_invalid_value_is_named_by_its_variable(variable: str, value: str) -> None:
    with pytest.raises(Invalid) as refusal:
        load({variable: value})
    assert refusal.value.reason == "SETTING_INVALID"
    assert refusal.value.facts["variable"] == variable


def test_a_url_of_another_program_may_be_any_text() -> None:
    settings = load({"FOO_URL": "http://[", "STOCK_URL": "DNS:///stock:50051"})
    assert settings.service_url("stock") == "DNS:///stock:50051"
    assert settings.service_url("foo") == "inproc:foo"


def test_an_invalid_secret_is_not_in_the_error() -> None:
    with pytest.raises(Invalid) as refusal:
        load({"DATABASE_URL": "hunter2-without-a-scheme"})
    assert "hunter2" not in str(refusal.value) + str(refusal.value.facts)


def test_an_empty_variable_is_unset() -> None:
    assert load({"PORT": "", "DATA": ""}).port == 8080


def test_default_passwords_are_refused_outside_development() -> None:
    url = "postgresql+psycopg://rangkiang:rangkiang@db/{service}"
    assert load({"DATABASE_URL": url}).database("catalog")
    with pytest.raises(Invalid) as refusal:
        load({"DATABASE_URL": url, "ENVIRONMENT": "production"})
    assert refusal.value.reason == "DEFAULT_SECRET"
    assert refusal.value.facts["variable"] == "DATABASE_URL"
