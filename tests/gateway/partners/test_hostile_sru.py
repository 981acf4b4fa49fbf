"""Hostile requests to /sru get a diagnostic from the gateway, and take little CPU time."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest
from lxml import etree

from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway
from tests.gateway.partners.test_cql import HOSTILE

# Ten times what such a request may take: a parser that is not linear takes minutes.
LONGEST_SECONDS = 1.0
REQUESTS = {
    **{name: ({"query": query}, number) for name, (query, number) in HOSTILE.items() if len(query) < 500_000},
    "prefixes that name each other": ({"query": '> a = "b" > b = "a" a.title = x'}, 15),
    "operators in turn": ({"query": " and ".join(["a or b"] * 60)}, 48),
    "operators in brackets": ({"query": "a and (b or (" * 24 + "c" + "))" * 24}, 48),
    "facets": ({"query": "a", "facetLimit": "1," * 4_000}, 6),
    "digits": ({"query": "a", "startRecord": "9" * 10_000}, 6),
    "parameters": ({f"x-{number}": "a" for number in range(1_000)}, 8),
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served_catalog(FakeCatalog()) as url, served_gateway(url) as address:
        yield address


@pytest.mark.parametrize("name", REQUESTS)
def test_a_hostile_request_gets_a_diagnostic_at_once(address: str, name: str) -> None:
    parameters, number = REQUESTS[name]
    with httpx.Client(verify=False) as client:
        client.post(f"{address}/sru", data={"query": ""})
        start = time.process_time()
        response = client.post(f"{address}/sru", data=parameters, timeout=30)
    assert time.process_time() - start < LONGEST_SECONDS
    numbers = [uri.text for uri in etree.fromstring(response.content).iter("{*}uri")]
    assert (response.status_code, numbers) == (200, [f"info:srw/diagnostic/1/{number}"])


@pytest.mark.parametrize("size", [70_000, 1_000_000])
def test_a_term_that_is_larger_than_a_body_gets_a_diagnostic_before_it_is_read(address: str, size: int) -> None:
    response = httpx.post(f"{address}/sru", data={"query": '"' + "a" * size + '"'}, verify=False, timeout=30)
    document = etree.fromstring(response.content)
    assert (response.status_code, document.tag.endswith("}searchRetrieveResponse")) == (200, True)
    assert [uri.text for uri in document.iter("{*}uri")] == ["info:srw/diagnostic/1/12"]
    assert [details.text for details in document.iter("{*}details")] == ["65536"]
