"""The gateway behaves as its OpenAPI document describes, for valid and invalid requests."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema
import orjson
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case

from gateway.app import describe
from gateway.problems import MEDIA_TYPE
from tests.described import call_as_described

schema = schemathesis.openapi.from_dict(orjson.loads(describe()))


@schema.parametrize()
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_responses_are_as_described(case: Case, address: str) -> None:
    call_as_described(case, address)


def operations(http: httpx.Client) -> list[tuple[str, dict[str, Any]]]:
    paths = http.get("/openapi.json").json()["paths"]
    return [(path, operation) for path, methods in paths.items() for operation in methods.values()]


def example_of(operation: dict[str, Any]) -> tuple[Any, dict[str, Any] | None]:
    """The example of the good response, and its schema when it is JSON of ours; {} for one without content."""
    good = [response for status, response in operation["responses"].items() if status.startswith("2")]
    bodies = [media for response in good for media in response.get("content", {}).values() if "example" in media]
    if not bodies:
        assert "204" in operation["responses"]
        return {}, {}
    (body,) = bodies
    return body["example"], body.get("schema")


def test_every_operation_has_a_name_an_example_and_its_refusals(http: httpx.Client) -> None:
    names = []
    for path, operation in operations(http):
        names.append(operation["operationId"])
        assert example_of(operation)[0] or "204" in operation["responses"], path
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == [MEDIA_TYPE], path
    assert len(set(names)) == len(names)


def test_examples_are_valid_against_their_schemas(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    for _, operation in operations(http):
        example, shape = example_of(operation)
        schema = {"components": document["components"], **(shape or {})}
        jsonschema.Draft202012Validator(schema).validate(example)


def test_every_parameter_has_a_description(http: httpx.Client) -> None:
    for path, operation in operations(http):
        assert operation["summary"], path
        assert operation["description"], path
        assert all(parameter["description"] for parameter in operation["parameters"]), path


def test_every_property_of_a_schema_has_a_description(http: httpx.Client) -> None:
    schemas = http.get("/openapi.json").json()["components"]["schemas"]
    assert [
        f"{name}.{member}"
        for name, schema in schemas.items()
        for member, shape in schema["properties"].items()
        if not shape.get("description")
    ] == []
