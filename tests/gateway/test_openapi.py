"""The OpenAPI document is true: whatever it allows or forbids, the gateway answers as it says."""

from __future__ import annotations

import httpx
import jsonschema
import orjson
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance

from gateway.app import describe
from gateway.problems import MEDIA_TYPE

schema = schemathesis.openapi.from_dict(orjson.loads(describe()))


@schema.parametrize()
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_answers_are_as_described(case: Case, address: str) -> None:
    # Only a cursor that was given can be good, and no schema can say which those are.
    excluded = [positive_data_acceptance] if "cursor" in (case.query or {}) else []
    case.call_and_validate(base_url=address, excluded_checks=excluded)


def test_every_operation_has_an_example_and_its_refusals(http: httpx.Client) -> None:
    for path, operations in http.get("/openapi.json").json()["paths"].items():
        responses = operations["get"]["responses"]
        assert responses["200"]["content"]["application/json"]["example"], path
        for status, response in responses.items():
            if status >= "400":
                assert list(response["content"]) == [MEDIA_TYPE], path


def test_examples_are_what_their_schemas_say(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    for operations in document["paths"].values():
        good = operations["get"]["responses"]["200"]["content"]["application/json"]
        schema = {"components": document["components"], **good["schema"]}
        jsonschema.Draft202012Validator(schema).validate(good["example"])
