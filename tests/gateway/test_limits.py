"""How often one address may ask."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from gateway.limits import Buckets, address_of
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway

QUOTA = 6


@pytest.fixture
def address() -> Iterator[str]:
    with served_catalog(FakeCatalog()) as url, served_gateway(url, rate_limit=QUOTA) as address:
        yield address


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_who_asks_too_often_waits_for_a_token() -> None:
    clock = Clock()
    buckets = Buckets(60, now=clock)
    assert [buckets.take("a") for _ in range(60)][-1] == 0
    assert buckets.take("a") < 0
    assert buckets.take("b") == 59
    clock.seconds += 1
    assert buckets.take("a") == 0
    assert buckets.take("a") < 0
    clock.seconds += 3_600
    assert buckets.take("a") == 59


def test_the_address_that_was_silent_longest_is_forgotten() -> None:
    buckets = Buckets(60, most=3, now=Clock())
    for address in ("a", "b", "c", "a", "d"):
        buckets.take(address)
    assert len(buckets) == 3
    assert buckets.take("a") == 57
    assert buckets.take("b") == 59


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8::6", "2001:db8::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::"),
        ("not:an:address", "not:an:address"),
    ],
)
def test_an_ipv6_household_is_one_caller(address: str, known: str) -> None:
    assert address_of({"client": (address, 1)}) == known
    assert address_of({}) == ""


def test_answers_say_what_is_left_and_the_last_one_is_refused(address: str) -> None:
    for left in range(QUOTA - 1, -1, -1):
        told = httpx.get(f"{address}/api/v1/institutions")
        assert told.status_code == 200
        assert told.headers["RateLimit-Policy"] == '"address";q=6;w=60'
        assert told.headers["RateLimit"].startswith(f'"address";r={left};t=')
    refused = httpx.get(f"{address}/api/v1/institutions", headers={"Accept-Language": "en"})
    assert refused.status_code == 429
    assert refused.json()["reason"] == "TOO_MANY_REQUESTS"
    assert refused.json()["facts"]["quota"] == QUOTA
    assert 1 <= int(refused.headers["Retry-After"]) <= 10
    assert refused.headers["RateLimit"].startswith('"address";r=0;t=')
    assert refused.headers["X-Request-Id"]


def test_pages_say_it_in_words_and_health_and_static_files_do_not_count(address: str) -> None:
    for _ in range(QUOTA):
        httpx.get(f"{address}/")
    page = httpx.get(f"{address}/", headers={"Accept": "text/html"})
    assert page.status_code == 429
    assert "Terlalu banyak permintaan" in page.text
    style = page.text.partition("/static/")[2].partition('"')[0]
    for path in ("/api/v1/health/live", f"/static/{style}"):
        told = httpx.get(f"{address}{path}")
        assert (told.status_code, "RateLimit" in told.headers) == (200, False)


def test_without_a_limit_nothing_is_said() -> None:
    with served_catalog(FakeCatalog()) as url, served_gateway(url, rate_limit=0) as free:
        assert "RateLimit" not in httpx.get(f"{free}/api/v1/institutions").headers
