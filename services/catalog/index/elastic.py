"""The index port on Elasticsearch: an index `<alias>-<name>` behind the alias that SEARCH_URL names."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson
from elastic_transport import OrjsonSerializer, TransportError
from elasticsearch import ApiError, Elasticsearch, NotFoundError

from chassis.errors import Invalid, LocalText
from chassis.ids import new_id
from services.catalog.index.circuit_breaker import Watched
from services.catalog.index.edit_distance import edits
from services.catalog.index.elastic_query import (
    EVERYTHING,
    STATE,
    documents_having,
    documents_with,
    editions_of,
    first_works,
    near,
    search,
)
from services.catalog.index.elastic_writing import ElasticRebuild, coming, write, writing
from services.catalog.index.errors import building, unavailable
from services.catalog.index.port import Change, Hits, Index, Request
from services.catalog.index.stored_fields import FORM, filters, ordered
from services.catalog.index.work_grouping import Edition, Scored, grouped

SEARCH_SECONDS = 3  # a reader is told something within five
CONNECTIONS = 32
NEIGHBOURS = 64  # the nearest tokens whose documents are counted

ANSWER = (
    "hits.total.value,hits.hits.sort,hits.hits.fields,aggregations,"
    "suggest.*.options.text,suggest.*.options._index,_shards.failed"
)


def open_index(url: str) -> Index:
    """http(s)://[user:password@]host:port/alias

    raises  Invalid  SEARCH_URL_INVALID
    """
    parts = urlsplit(url)
    alias = parts.path.strip("/")
    if not alias or "/" in alias or not parts.hostname:
        raise Invalid(
            "SEARCH_URL_INVALID",
            LocalText("SEARCH_URL harus berakhir dengan nama alias.", "SEARCH_URL must end in the name of an alias."),
        )
    port = parts.port or (443 if parts.scheme == "https" else 9200)
    root = urlunsplit((parts.scheme, f"{parts.hostname}:{port}", "", "", ""))
    account = (parts.username, parts.password or "") if parts.username else None
    client = Elasticsearch(
        root,
        basic_auth=account,
        request_timeout=SEARCH_SECONDS,
        max_retries=0,
        connections_per_node=CONNECTIONS,
        serializer=OrjsonSerializer(),
    )
    return Watched(ElasticIndex(client, alias))


class ElasticIndex:
    """See services.catalog.index.Index."""

    def __init__(self, client: Elasticsearch, alias: str) -> None:
        self._client, self._alias = client, alias

    def search(self, request: Request) -> Hits:
        return self._by_work(request) if request.by_work else self._records(request)

    def _records(self, request: Request) -> Hits:
        answer = self._ask(search(request))
        hits = answer["hits"].get("hits", [])
        relevance = bool(hits) and request.sort == "relevance" and len(hits[0]["sort"]) == 2
        return Hits(
            total=answer["hits"]["total"]["value"],
            numbers=[hit["sort"][-1] for hit in hits],
            scores=[hit["sort"][0] if relevance else 0.0 for hit in hits],
            facets=_facets(request, answer.get("aggregations", {})),
            generation=_generation(answer),
        )

    def _by_work(self, request: Request) -> Hits:
        answer: dict[str, Any] = {}

        def first(asked: int) -> list[Scored]:
            nonlocal answer
            answer = self._ask(first_works(request, asked))
            hits = answer["hits"].get("hits", [])
            scored = request.sort == "relevance" and bool(hits) and len(hits[0]["sort"]) == 2
            return [
                Scored(hit["sort"][0] if scored else 0.0, hit["sort"][-1], hit["fields"]["work"][0]) for hit in hits
            ]

        def editions(works: Sequence[int]) -> list[Edition]:
            hits = self._ask(editions_of(request, works))["hits"].get("hits", [])
            return [Edition(hit["sort"][-1], hit["fields"]["work"][0], hit["fields"]["edition"][0]) for hit in hits]

        page = grouped(request, first, editions)
        return Hits(
            total=answer["hits"]["total"]["value"],
            numbers=page.numbers,
            scores=page.scores,
            facets=_facets(request, answer.get("aggregations", {})),
            generation=_generation(answer),
            works=page.works,
            editions=page.editions,
            more=page.more,
        )

    def words(self, token: str, *, fields: Sequence[str], distance: int, limit: int) -> list[tuple[str, int]]:
        size = max(NEIGHBOURS, limit)
        suggested = self._ask(near(token, fields, distance, size)).get("suggest", {})
        found = {option["text"] for entry in suggested.values() for part in entry for option in part.get("options", [])}
        away = {word: edits(token, word, distance) for word in found}
        close = sorted((word for word in found if 0 < away[word] <= distance), key=lambda word: (away[word], word))[
            :size
        ]
        if not close:
            return []
        buckets = self._ask(documents_with(close, fields))["aggregations"]["words"]["buckets"]
        alive = sorted((away[word], -buckets[word]["doc_count"], word) for word in close if buckets[word]["doc_count"])
        return [(word, -negative) for _edits, negative, word in alive[:limit]]

    def tally(self, field: str, values: Sequence[str]) -> dict[str, int]:
        if not values:
            return {}
        buckets = self._ask(documents_having(field, values))["aggregations"]["values"]["buckets"]
        return {value: bucket["doc_count"] for value, bucket in zip(values, buckets, strict=True)}

    def count(self) -> int:
        with _searching():
            return int(self._client.count(index=self._alias, query=EVERYTHING)["count"])

    def name(self) -> str:
        return self._behind(self._alias).removeprefix(f"{self._alias}-")

    def trouble(self) -> str:
        index = self._behind(self._alias)
        if not index:
            return "INDEX_MISSING"
        with _searching():
            if self._client.cluster.health(index=index, timeout="5s")["status"] == "red":
                return "INDEX_ROTTEN"
            mapping = self._client.indices.get_mapping(index=index)[index]["mappings"]
        return "" if mapping.get("_meta", {}).get("form") == FORM else "INDEX_FOREIGN"

    def write(self, changes: Iterable[Change]) -> None:
        write(self._client, self._alias, changes)

    def begin_rebuild(self, name: str) -> ElasticRebuild:
        return ElasticRebuild.begin(self._client, self._alias, name)

    def rebuilding(self) -> ElasticRebuild | None:
        index = self._behind(coming(self._alias))
        if not index:
            return None
        with _searching():
            mapping = self._client.indices.get_mapping(index=index)[index]["mappings"]
        if mapping.get("_meta", {}).get("form") != FORM:
            return None
        return ElasticRebuild(self._client, self._alias, index.removeprefix(f"{self._alias}-"))

    def retire(self) -> None:
        live = self._behind(self._alias)
        if live:
            with writing():
                self._client.options(ignore_status=404).indices.delete(index=live)

    def close(self) -> None:
        self._client.close()

    def _ask(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """One search. Pages of one question go to one copy of the shard: copies differ in their deleted documents."""
        preference = f"{zlib.crc32(orjson.dumps({k: v for k, v in body.items() if k != 'from'})):08x}"
        with _searching():
            for last in (False, True):
                try:
                    answer = self._client.perform_request(
                        "POST",
                        f"/{self._alias}/_search",
                        params={"preference": preference, "filter_path": ANSWER},
                        headers={"accept": "application/json", "content-type": "application/json"},
                        body=body,
                    ).body
                    if not answer["_shards"]["failed"]:
                        return dict(answer)
                except NotFoundError:
                    # Swapped and deleted between its finding the index and its looking there.
                    if last:
                        raise
        raise unavailable("shards failed")

    def _behind(self, alias: str) -> str:
        """The index behind an alias; "" when there is none."""
        with _searching():
            try:
                return str(next(iter(self._client.indices.get_alias(name=alias).body), ""))
            except NotFoundError:
                return ""


def _facets(request: Request, counted: Mapping[str, Any]) -> dict[str, list[tuple[str, int]]]:
    facets: dict[str, list[tuple[str, int]]] = {}
    chosen = filters(request)
    for facet in request.facets:
        found = {bucket["key"]: bucket["doc_count"] for bucket in counted[facet]["top"]["buckets"]}
        if facet in chosen:
            asked = counted[facet]["chosen"]["buckets"]
            found.update((value, bucket["doc_count"]) for value, bucket in asked.items())
        facets[facet] = ordered(found.items(), request.facet_order)
    return facets


def _generation(answer: Mapping[str, Any]) -> str:
    options = [option for part in answer.get("suggest", {}).get(STATE, ()) for option in part.get("options", ())]
    if not options:
        # It does not know its state: then every page says that the index may have changed.
        return new_id().hex
    return f"{options[0]['_index'].rpartition('-')[2]}.{options[0]['text'].removeprefix(STATE)}"


@contextmanager
def _searching() -> Iterator[None]:
    try:
        yield
    except NotFoundError as problem:
        raise building() from problem
    except (TransportError, ApiError) as problem:
        raise unavailable(type(problem).__name__) from problem
