"""The query log's batches: what is noted, when it is sent, and what is never in it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from chassis import clock
from chassis.errors import Unavailable
from gateway import query_log
from gateway.query_log import QueryLog, log_opened_hit, log_search, send_while_open
from gateway.settings import GatewaySettings
from rangkiang.catalog.v1 import catalog_pb2, searches_pb2

TODAY = clock.now().date().isoformat()


@dataclass
class Catalogue:
    """Takes batches, or is away."""

    batches: list[list[tuple[str, int, int]]] = field(default_factory=list)
    away: bool = False

    def stub(self, service: str, _make: Any) -> Catalogue:
        assert service == "catalog"
        return self

    async def NoteSearches(self, request: searches_pb2.NoteSearchesRequest, **_more: Any) -> None:
        if self.away:
            raise Unavailable("CATALOG_UNAVAILABLE")
        self.batches.append([(each.query, each.total, each.clicked) for each in request.searches])


def asking(kept: QueryLog | None, address: str, *, referer: str = "") -> Request:
    path, _, query = address.partition("?")
    headers = [(b"host", b"buku.test"), (b"referer", referer.encode())]
    app = SimpleNamespace(state=SimpleNamespace(query_log=kept, settings=GatewaySettings()))
    scope = {"type": "http", "path": path, "query_string": query.encode(), "headers": headers, "app": app}
    return Request({**scope, "method": "GET", "scheme": "http", "server": ("buku.test", 80), "root_path": ""})


def sent(catalogue: Catalogue, kept: QueryLog) -> list[tuple[str, int, int]]:
    asyncio.run(kept.send())
    return catalogue.batches[-1] if catalogue.batches else []


def found(total: int, **more: Any) -> catalog_pb2.SearchReply:
    return catalog_pb2.SearchReply(total=total, **more)


def test_a_batch_says_the_day_and_nothing_of_the_order() -> None:
    catalogue = Catalogue()
    kept = QueryLog(catalogue)  # type: ignore[arg-type]
    request = asking(kept, "/search?q=surau")
    for query, reply in (("surau", found(3)), ("adat", found(0)), ("surau di kota", found(9, relaxed=True))):
        assert log_search(request, query=query, reply=reply)
    assert sent(catalogue, kept) == [("adat", 0, 0), ("surau", 3, 0), ("surau di kota", 0, 0)]


def test_everything_and_searches_while_the_engine_is_down_are_not_noted() -> None:
    catalogue = Catalogue()
    kept = QueryLog(catalogue)  # type: ignore[arg-type]
    request = asking(kept, "/search")
    assert not log_search(request, query=" ", reply=found(9))
    assert not log_search(request, query="surau", reply=found(0, degraded=True))
    assert not log_search(asking(None, "/search"), query="surau", reply=found(1))
    assert sent(catalogue, kept) == []


@pytest.mark.parametrize(
    ("address", "referer", "noted"),
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
    ],
)
def test_an_opened_hit_is_known_by_its_rank_and_where_the_reader_came_from(
    address: str, referer: str, noted: list[tuple[str, int, int]]
) -> None:
    catalogue = Catalogue()
    kept = QueryLog(catalogue)  # type: ignore[arg-type]
    log_opened_hit(asking(kept, address, referer=referer))
    log_opened_hit(asking(None, address, referer=referer))
    assert sent(catalogue, kept) == noted


def test_a_full_batch_goes_at_once_and_the_rest_when_the_process_ends() -> None:
    catalogue = Catalogue()

    async def day() -> None:
        kept = QueryLog(catalogue)  # type: ignore[arg-type]
        async with send_while_open(kept):
            for at in range(query_log.BATCH_SEARCHES):
                kept.add(query=f"buku {at}", total=1, clicked=0, language="id")
            await asyncio.sleep(0.05)
            assert [len(batch) for batch in catalogue.batches] == [query_log.BATCH_SEARCHES]
            kept.add(query="akhir", total=1, clicked=0, language="id")

    asyncio.run(day())
    assert catalogue.batches[-1] == [("akhir", 1, 0)]


def test_while_the_catalogue_is_away_a_bounded_number_waits() -> None:
    catalogue = Catalogue(away=True)
    kept = QueryLog(catalogue)  # type: ignore[arg-type]
    for at in range(query_log.MOST_ENTRIES + 500):
        kept.add(query=f"buku {at:04}", total=1, clicked=0, language="id")
    asyncio.run(kept.send())
    catalogue.away = False
    assert len(sent(catalogue, kept)) == query_log.MOST_ENTRIES
