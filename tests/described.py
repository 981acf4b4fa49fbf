"""Calls of the API that are compared with its description."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import orjson
import pytest
import requests
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import assume
from schemathesis import Case
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    missing_required_header,
    positive_data_acceptance,
    unsupported_method,
)

from gateway.app import API, api_routers, describe

# Tests are parametrised with these: path -> method -> the responses that its route declares. The document itself takes
# two seconds, and every process collects the tests, of which few read it.
ROUTES: dict[str, dict[str, dict[str, Any]]] = {}
for _route in (route for router in api_routers() for route in router.routes if isinstance(route, APIRoute)):
    _operation = {"responses": {str(status): response for status, response in _route.responses.items()}}
    ROUTES.setdefault(API + _route.path, {}).update({method.lower(): _operation for method in _route.methods})
LONGEST = 1_500
_REFERENCE = re.compile(rb'"#/components/schemas/([^"]+)"')
# Keeps its connection and reads no proxy variables, which saves 7 % of the CPU time of these tests. It keeps no
# cookies, so that no call depends on an earlier one.
SESSION = requests.Session()
SESSION.trust_env = False
SESSION.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of the gateway."""
    described: dict[str, Any] = orjson.loads(describe())
    return described


def needs_token(operation: dict[str, Any]) -> bool:
    """Whether it has no answer without a token but 401; tests/authorisation calls it without one."""
    return "401" in operation["responses"]


def is_public(operation: dict[str, Any]) -> bool:
    return not needs_token(operation)


def paths_of(condition: Callable[[dict[str, Any]], bool]) -> list[str]:
    return [path for path, methods in ROUTES.items() if any(map(condition, methods.values()))]


def schema_of(request: pytest.FixtureRequest) -> BaseSchema:
    """The schema of one path, the fixture's parameter: a test makes its requests when it begins, not at its import."""
    request.node._nodeid = request.node.nodeid  # Schemathesis reads it; pytest 9.2 names it no more
    path = document()["paths"][request.param]
    # Schemathesis visits every schema of a document, which has more than a path refers to.
    schemas = _schemas_of(orjson.dumps(path), document()["components"]["schemas"])
    components = {**document()["components"], "schemas": schemas}
    return schemathesis.openapi.from_dict({**document(), "paths": {request.param: path}, "components": components})


def _schemas_of(text: bytes, schemas: dict[str, Any]) -> dict[str, Any]:
    """The schemas to which a part of the document refers, also by way of others, in the document's order."""
    names: set[str] = set()
    texts = [text]
    while texts:
        references = {name.decode() for name in _REFERENCE.findall(texts.pop())} - names
        names |= references
        texts += [orjson.dumps(schemas[name]) for name in references]
    return {name: schema for name, schema in schemas.items() if name in names}


def call_as_described(case: Case, address: str, headers: dict[str, str] | None = None) -> None:
    """Call an operation and compare the response with the description, but for what no schema can express.

    headers  with the token of a caller who may act: then the service judges values that the schema allows
    """
    # Bounds of all requests have tests of their own: 413 and 414 depend on no schema.
    assume(len(repr(case.query)) < LONGEST and len(repr(case.body)) < LONGEST)
    # A schema cannot express which cursors are valid, which limit `explain` has, which passwords are easy to guess,
    # which ISBNs have a right check digit, and which trees can be searched.
    has_rule = case.path.endswith(("/passwords", "/availability"))
    is_tree = case.method == "POST" and case.path.endswith("/v1/search")
    is_beyond_schema = {"cursor", "explain"} & set(case.query or {}) or has_rule or is_tree
    excluded = [positive_data_acceptance] if is_beyond_schema or headers is not None else []
    if "428" in case.operation.definition.raw["responses"]:
        # It does not know 428 (RFC 6585), the status for a missing If-Match.
        excluded.append(missing_required_header)
    if case.path.endswith(("/members/search", "/notice-previews", "/records/{record_id}.{ending}")):
        # Another method there is one of /members/{member_id}, whose id is no id; so for notices and records.
        excluded += [unsupported_method, allow_header_conformance]
    case.call_and_validate(base_url=address, headers=headers, session=SESSION, excluded_checks=excluded)
