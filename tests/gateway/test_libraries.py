"""The gateway caches libraries, loads them again at intervals, and chooses the institution of the site."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from chassis.errors import Unavailable
from gateway.libraries import (
    FRESH_HOURS_SECONDS,
    RETRY_SECONDS,
    USABLE_HOURS_SECONDS,
    WAIT_SECONDS,
    CachedValue,
    Directory,
)
from rangkiang.catalog.v1 import catalog_pb2 as wire
from tests.fakes.catalog import FakeCatalog
from tests.fakes.hours import add_hours
from tests.fakes.running import served_catalog, served_gateway


class Service:
    """Answers with the number of questions so far; can be down or silent."""

    def __init__(self) -> None:
        self.questions = 0
        self.is_down = self.is_silent = False
        self.now = 1_000.0

    async def read(self) -> int:
        self.questions += 1
        if self.is_silent:
            await asyncio.sleep(60)
        if self.is_down:
            raise Unavailable("SEARCH_DOWN", part="search")
        return self.questions

    def cached(self) -> CachedValue[int]:
        return CachedValue(
            self.read,
            fresh_seconds=FRESH_HOURS_SECONDS,
            usable_seconds=USABLE_HOURS_SECONDS,
            ticks=lambda: self.now,
        )


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_hours_are_renewed_beside_the_page_and_never_older_than_a_minute():
    async def run() -> None:
        service = Service()
        cached = service.cached()
        assert [await cached.get() for _ in range(5)] == [1] * 5
        service.now += FRESH_HOURS_SECONDS
        assert await cached.get() == 1, "the page does not wait for the next answer"
        await settle()
        assert [await cached.get() for _ in range(5)] == [2] * 5
        service.now += 60
        assert await cached.get() == 3, "an answer of a minute ago is not shown"

    asyncio.run(run())


def test_pages_at_once_ask_once():
    async def run() -> None:
        service = Service()
        cached = service.cached()
        assert await asyncio.gather(*(cached.get() for _ in range(20))) == [1] * 20

    asyncio.run(run())


def test_a_service_that_refuses_is_asked_every_five_seconds_and_nobody_waits():
    async def run() -> None:
        service = Service()
        service.is_down = True
        cached = service.cached()
        assert [await cached.get() for _ in range(5)] == [None] * 5
        assert service.questions == 1
        service.now += RETRY_SECONDS
        service.is_down = False
        assert await cached.get() is None, "the page does not wait"
        await settle()
        assert await cached.get() == 2

    asyncio.run(run())


def test_only_the_first_page_waits_for_a_silent_service_and_not_for_long():
    async def run() -> None:
        service = Service()
        service.is_silent = True
        cached = service.cached()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        assert await cached.get() is None
        first = loop.time() - begun
        assert first >= WAIT_SECONDS * 0.9
        begun = loop.time()
        assert [await cached.get() for _ in range(100)] == [None] * 100
        assert loop.time() - begun < first

    asyncio.run(run())


def test_a_change_that_was_made_here_is_seen_at_once():
    async def run() -> None:
        service = Service()
        cached = service.cached()
        assert await cached.get() == 1
        cached.renew()
        assert await cached.get() == 2
        service.is_down = True
        cached.renew()
        assert await cached.get() == 2, "the value of before stays when the service is away"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("codes", "default", "owner"),
    [
        (["SOLOK"], "PKS", "SOLOK"),  # the only one
        (["SOLOK", "PKS"], "PKS", "PKS"),
        (["SOLOK", "UMMY"], "PKS", None),  # nobody stands for the others
        ([], "PKS", None),
    ],
)
def test_whose_site_it_is(codes, default, owner):
    directory = Directory({code: wire.Institution(code=code) for code in codes}, {})
    found = directory.owner(default)
    assert (found.code if found is not None else None) == owner


class CountingCatalog(FakeCatalog):
    """Counts the calls of each method by the type of its request."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, int] = {}

    def _receive(self, request, context) -> None:
        name = type(request).__name__
        self.calls[name] = self.calls.get(name, 0) + 1
        super()._receive(request, context)


@contextmanager
def site(catalog: FakeCatalog, **options) -> Iterator[httpx.Client]:
    with (
        served_catalog(catalog) as url,
        served_gateway(url, **{"default_institution": "KOTASOLOK", **options}) as address,
        httpx.Client(base_url=address, timeout=10, headers={"Accept": "text/html"}, verify=False) as client,
    ):
        if "without" not in options:
            add_hours()
        yield client


def test_pages_of_searches_and_records_cost_no_call_for_names_and_hours():
    catalog = CountingCatalog()
    with site(catalog) as http:
        record = f"/records/{catalog.books[0].id}"
        http.get("/search?q=surau")
        http.get(record)
        catalog.calls.clear()
        for _ in range(5):
            assert "Pustaka Solok" in http.get("/search?q=surau").text
        assert set(catalog.calls) == {"SearchRequest"}
        catalog.calls.clear()
        http.get(record)
        assert catalog.calls.get("ListBranchesRequest", 0) == 0


def test_without_circulation_pages_say_nothing_of_hours():
    with site(FakeCatalog(), without=("circulation",), urls={"circulation": "dns:///127.0.0.1:9"}) as http:
        for path in ("/search?q=surau", "/branches", "/branches/KOTASOLOK/PUSAT"):
            page = http.get(path)
            assert page.status_code == 200
            assert "Buka" not in page.text.replace("Buka peta", "").replace("Buka di aplikasi", "")
            assert "Tutup" not in page.text
            assert "Jl. Contoh No. 1" in page.text


def test_without_the_catalogue_pages_have_the_names_that_they_had():
    catalog = FakeCatalog()
    with site(catalog) as http:
        assert "Pustaka Solok" in http.get("/").text
        catalog.down = True
        assert "Pustaka Solok" in http.get("/").text


def test_a_site_of_several_institutions_has_a_neutral_name():
    with site(FakeCatalog(), default_institution="PKS") as http:
        page = http.get("/", headers={"Accept-Language": "en"}).text
        assert "<title>Catalogue – Library catalogue</title>" in page
        assert 'class="library"' not in page
