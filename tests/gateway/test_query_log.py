"""The query log: which searches are logged, when batches are sent, and which values are left out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from chassis import clock
from chassis.errors import Error, Invalid, Unavailable
from gateway import query_log
from gateway.query_log import QueryLog, log_opened_hit, log_search, send_while_open
from gateway.settings import GatewaySettings
from rangkiang.catalog.v1 import catalog_pb2, searches_pb2

TODAY = clock.now().date().isoformat()


@dataclass
class Catalogue:
    """A catalogue that takes batches, or is unavailable."""

    batches: list[list[tuple[str, int, int]]] = field(default_factory=list)
    unavailable: bool = False
    error: Error | None = None

    def stub(self, service: str, _make: Any) -> Catalogue:
        assert service == "catalog"
        return self

    async def NoteSearches(self, request: searches_pb2.NoteSearchesRequest, **_more: Any) -> None:
        if self.unavailable:
            raise Unavailable("CATALOG_UNAVAILABLE")
        if self.error:
            raise self.error
        self.batches.append([(search.query, search.total, search.clicked) for search in request.searches])


def request_for(log: QueryLog | None, address: str, *, referer: str = "") -> Request:
    path, _, query = address.partition("?")
    headers = [(b"host", b"buku.test"), (b"referer", referer.encode())]
    app = SimpleNamespace(state=SimpleNamespace(query_log=log, settings=GatewaySettings()))
    scope = {"type": "http", "path": path, "query_string": query.encode(), "headers": headers, "app": app}
    return Request({**scope, "method": "GET", "scheme": "http", "server": ("buku.test", 80), "root_path": ""})


def entries_sent(catalogue: Catalogue, log: QueryLog) -> list[tuple[str, int, int]]:
    asyncio.run(log.send())
    return catalogue.batches[-1] if catalogue.batches else []


def reply_with(total: int, **fields: Any) -> catalog_pb2.SearchReply:
    return catalog_pb2.SearchReply(total=total, **fields)


def test_a_batch_has_the_day_but_not_the_order_of_searches() -> None:
    catalogue = Catalogue()
    log = QueryLog(catalogue)  # type: ignore[arg-type]
    request = request_for(log, "/search?q=surau")
    for query, reply in (
        ("surau", reply_with(3)),
        ("adat", reply_with(0)),
        ("surau di kota", reply_with(9, relaxed=True)),
    ):
        assert log_search(request, query=query, reply=reply)
    assert entries_sent(catalogue, log) == [("adat", 0, 0), ("surau", 3, 0), ("surau di kota", 0, 0)]


def test_empty_queries_and_searches_without_the_engine_are_not_logged() -> None:
    catalogue = Catalogue()
    log = QueryLog(catalogue)  # type: ignore[arg-type]
    request = request_for(log, "/search")
    assert not log_search(request, query=" ", reply=reply_with(9))
    assert not log_search(request, query="surau", reply=reply_with(0, degraded=True))
    assert not log_search(request_for(None, "/search"), query="surau", reply=reply_with(1))
    assert entries_sent(catalogue, log) == []


@pytest.mark.parametrize(
    ("address", "referer", "entries"),
    [
        ("/records/1?hit=3", "http://buku.test/search?q=surau+navis&lang=en", [("surau navis", 3, 3)]),
        ("/records/1", "http://buku.test/search?q=surau", []),
        ("/records/1?hit=3", "", []),
        ("/records/1?hit=3", "http://lain.test/search?q=surau", []),
        ("/records/1?hit=3", "http://buku.test/browse?q=surau", []),
        ("/records/1?hit=0", "http://buku.test/search?q=surau", []),
        ("/records/1?hit=1001", "http://buku.test/search?q=surau", []),
        ("/records/1?hit=-1", "http://buku.test/search?q=surau", []),
        ("/records/1?hit=3", "http://buku.test/search?q=", []),
        ("/records/1?hit=3", "http://[:bad/search?q=x", []),
        ("/records/1?hit=3", "http://buku.test/search?q=x%00y%1b%0a", [("x y  ", 3, 3)]),
        ("/records/1?hit=3", f"http://buku.test/search?q=x&y={'z' * 4_000}", []),
    ],
)
def test_an_opened_hit_is_logged_by_its_rank_and_the_referring_search(
    address: str, referer: str, entries: list[tuple[str, int, int]]
) -> None:
    catalogue = Catalogue()
    log = QueryLog(catalogue)  # type: ignore[arg-type]
    log_opened_hit(request_for(log, address, referer=referer))
    log_opened_hit(request_for(None, address, referer=referer))
    assert entries_sent(catalogue, log) == entries


def test_a_full_batch_is_sent_at_once_and_the_others_when_the_process_ends() -> None:
    catalogue = Catalogue()

    async def fill() -> None:
        log = QueryLog(catalogue)  # type: ignore[arg-type]
        async with send_while_open(log):
            for at in range(query_log.BATCH_SEARCHES):
                log.add(query=f"buku {at}", total=1, clicked=0, language="id")
            await asyncio.sleep(0.05)
            assert [len(batch) for batch in catalogue.batches] == [query_log.BATCH_SEARCHES]
            log.add(query="akhir", total=1, clicked=0, language="id")

    asyncio.run(fill())
    assert catalogue.batches[-1] == [("akhir", 1, 0)]


def test_while_the_catalogue_is_unavailable_a_limited_number_of_entries_waits() -> None:
    catalogue = Catalogue(unavailable=True)
    log = QueryLog(catalogue)  # type: ignore[arg-type]
    for at in range(query_log.MOST_ENTRIES + 500):
        log.add(query=f"buku {at:04}", total=1, clicked=0, language="id")
    asyncio.run(log.send())
    catalogue.unavailable = False
    assert len(entries_sent(catalogue, log)) == query_log.MOST_ENTRIES


@pytest.mark.parametrize("error", [Invalid("SEARCHES_OUT_OF_BOUNDS"), Error("INTERNAL")])
def test_a_batch_that_the_catalogue_refuses_is_not_sent_again(error: Error) -> None:
    catalogue = Catalogue(error=error)
    log = QueryLog(catalogue)  # type: ignore[arg-type]
    log.add(query="surau", total=1, clicked=0, language="id")
    asyncio.run(log.send())
    catalogue.error = None
    log.add(query="adat", total=1, clicked=0, language="id")
    assert entries_sent(catalogue, log) == [("adat", 1, 0)]


def test_an_entry_is_cut_and_any_text_of_it_can_be_sent() -> None:
    catalogue = Catalogue()
    log = QueryLog(catalogue)  # type: ignore[arg-type]
    log.add(query="\ud800" + "x" * 10_000, total=1, clicked=0, language="id")
    assert entries_sent(catalogue, log) == [(" " + "x" * (query_log.LONGEST_QUERY - 1), 1, 0)]
