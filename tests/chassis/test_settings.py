"""Settings come from the environment, are checked, and say what is wrong by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from chassis.errors import Invalid
from chassis.settings import load


def test_nothing_set_is_the_embedded_edition() -> None:
    settings = load({})
    assert settings.database("catalog") == "sqlite:///var/catalog.db"
    assert settings.search == "tantivy:///var/index"
    assert settings.bus_url == "local:"
    assert settings.service_url("catalog") == "inproc:catalog"


def test_data_moves_every_default_and_an_explicit_url_wins() -> None:
    settings = load({"DATA": "/srv/rk", "SEARCH_URL": "http://es:9200/records"})
    assert settings.data == Path("/srv/rk")
    assert settings.database("catalog") == "sqlite:////srv/rk/catalog.db"
    assert settings.search == "http://es:9200/records"


def test_each_service_has_a_database_of_its_own() -> None:
    settings = load({"DATABASE_URL": "postgresql+psycopg://app:s3cret@db/rk_{service}"})
    assert settings.database("catalog").endswith("/rk_catalog")
    assert settings.database_owner("members").endswith("/rk_members")


def test_a_service_is_where_its_url_says() -> None:
    assert load({"CATALOG_URL": "dns:///catalog:50051"}).service_url("catalog") == "dns:///catalog:50051"


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PORT", "eighty"), ("PORT", "70000"), ("WORKERS", "0"), ("ENVIRONMENT", "prod"), ("BUS_URL", "localhost")],
)
def test_a_bad_value_is_named_by_its_variable(variable: str, value: str) -> None:
    with pytest.raises(Invalid) as refusal:
        load({variable: value})
    assert refusal.value.reason == "SETTING_INVALID"
    assert refusal.value.facts["variable"] == variable


def test_a_bad_secret_is_never_repeated() -> None:
    with pytest.raises(Invalid) as refusal:
        load({"DATABASE_URL": "hunter2-without-a-scheme"})
    assert "hunter2" not in str(refusal.value) + str(refusal.value.facts)


def test_an_empty_variable_is_an_unset_one() -> None:
    assert load({"PORT": "", "DATA": ""}).port == 8080


def test_default_passwords_are_refused_outside_development() -> None:
    url = "postgresql+psycopg://rangkiang:rangkiang@db/{service}"
    assert load({"DATABASE_URL": url}).database("catalog")
    with pytest.raises(Invalid) as refusal:
        load({"DATABASE_URL": url, "ENVIRONMENT": "production"})
    assert refusal.value.reason == "DEFAULT_SECRET"
    assert refusal.value.facts["variable"] == "DATABASE_URL"
