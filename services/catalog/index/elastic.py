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

from chassis.errors import Invalid
from chassis.ids import new_id
from services.catalog.index.circuit_breaker import CircuitBreaker
from services.catalog.index.elastic_query import (
    EVERYTHING,
    STATE,
    editions_body,
    first_works_body,
    near_tokens_body,
    search_body,
    token_counts_body,
    totals_body,
    value_counts_body,
)
from services.catalog.index.elastic_writing import ElasticRebuild, bulk_write, rebuild_alias, write_errors
from services.catalog.index.matches import Match, Or, Term
from services.catalog.index.port import Change, Hits, Index, Request, edit_distance, index_building, search_unavailable
from services.catalog.index.stored_fields import FORM, filter_matches, sort_facet_values
from services.catalog.index.work_grouping import Edition, ScoredHit, group_by_work

SEARCH_SECONDS = 3  # readers get an answer within five seconds
CONNECTIONS = 32
NEIGHBOURS = 64  # the nearest tokens whose documents are counted

ANSWER = (
    "hits.total.value,hits.hits.sort,hits.hits.fields,aggregations,"
    "suggest.*.options.text,suggest.*.options._index,_shards.failed"
)


def open_index(url: str) -> Index:
    """Open the index of a URL: http(s)://[user:password@]host:port/alias

    raises  Invalid  SEARCH_URL_INVALID
    """
    parts = urlsplit(url)
    alias = parts.path.strip("/")
    if not alias or "/" in alias or not parts.hostname:
        raise Invalid("SEARCH_URL_INVALID")
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
    return CircuitBreaker(ElasticIndex(client, alias))


class ElasticIndex:
    """See services.catalog.index.port.Index."""

    def __init__(self, client: Elasticsearch, alias: str) -> None:
        self._client, self._alias = client, alias

    def search(self, request: Request) -> Hits:
        return self._by_work(request) if request.by_work else self._records(request)

    def _records(self, request: Request) -> Hits:
        response = self._search_alias(search_body(request))
        hits = response["hits"].get("hits", [])
        relevance = bool(hits) and request.sort == "relevance" and len(hits[0]["sort"]) == 2
        return Hits(
            total=response["hits"]["total"]["value"],
            numbers=[hit["sort"][-1] for hit in hits],
            scores=[hit["sort"][0] if relevance else 0.0 for hit in hits],
            facets=_facets_of(request, response.get("aggregations", {})),
            generation=_generation_of(response),
        )

    def _by_work(self, request: Request) -> Hits:
        response: dict[str, Any] = {}

        def first_hits(limit: int) -> list[ScoredHit]:
            nonlocal response
            response = self._search_alias(first_works_body(request, limit))
            hits = response["hits"].get("hits", [])
            has_scores = request.sort == "relevance" and bool(hits) and len(hits[0]["sort"]) == 2
            return [
                ScoredHit(hit["sort"][0] if has_scores else 0.0, hit["sort"][-1], hit["fields"]["work"][0])
                for hit in hits
            ]

        def editions(works: Sequence[int]) -> list[Edition]:
            hits = self._search_alias(editions_body(request, works))["hits"].get("hits", [])
            return [Edition(hit["sort"][-1], hit["fields"]["work"][0], hit["fields"]["edition"][0]) for hit in hits]

        page = group_by_work(request, first_hits, editions)
        return Hits(
            total=response["hits"]["total"]["value"],
            numbers=page.numbers,
            scores=page.scores,
            facets=_facets_of(request, response.get("aggregations", {})),
            generation=_generation_of(response),
            works=page.works,
            editions=page.editions,
            more=page.more,
        )

    def totals(
        self, matches: Iterable[Match], *, filters: Mapping[str, tuple[str, ...]] | None = None
    ) -> Iterator[int]:
        match_list = list(matches)
        if not match_list:
            return iter(())
        buckets = self._search_alias(totals_body(match_list, filters or {}))["aggregations"]["totals"]["buckets"]
        return iter([bucket["doc_count"] for bucket in buckets])

    def near_words(self, token: str, *, fields: Sequence[str], distance: int, limit: int) -> list[tuple[str, int]]:
        size = max(NEIGHBOURS, limit)
        suggestions = self._search_alias(near_tokens_body(token, fields, distance, size)).get("suggest", {})
        words = {
            option["text"] for entry in suggestions.values() for part in entry for option in part.get("options", [])
        }
        distances = {word: edit_distance(token, word, distance) for word in words}
        ranked_words = sorted((distances[word], word) for word in words if 0 < distances[word] <= distance)
        if not ranked_words:
            return []
        candidates = [word for _edits, word in ranked_words[:size]]
        buckets = self._search_alias(token_counts_body(candidates, fields))["aggregations"]["words"]["buckets"]
        counts = {word: buckets[word]["doc_count"] for word in candidates}
        ranking = sorted((distances[word], -counts[word], word) for word in candidates if counts[word])
        return [(word, -negative) for _edits, negative, word in ranking[:limit]]

    def known_words(self, words: Iterable[str], *, fields: Sequence[str]) -> list[str]:
        tokens = list(words)
        totals = self.totals(Or(tuple(Term(field, token) for field in fields)) for token in tokens)
        return [token for token, total in zip(tokens, totals, strict=True) if total]

    def count_values(self, field: str, values: Sequence[str]) -> dict[str, int]:
        if not values:
            return {}
        buckets = self._search_alias(value_counts_body(field, values))["aggregations"]["values"]["buckets"]
        return {value: bucket["doc_count"] for value, bucket in zip(values, buckets, strict=True)}

    def count(self) -> int:
        with _search_errors():
            return int(self._client.count(index=self._alias, query=EVERYTHING)["count"])

    def documents_in_process(self) -> int | None:
        return None

    def name(self) -> str:
        return self._index_behind(self._alias).removeprefix(f"{self._alias}-")

    def fault(self) -> str:
        index = self._index_behind(self._alias)
        if not index:
            return "INDEX_MISSING"
        with _search_errors():
            if self._client.cluster.health(index=index, timeout="5s")["status"] == "red":
                return "INDEX_ROTTEN"
            mapping = self._client.indices.get_mapping(index=index)[index]["mappings"]
        return "" if mapping.get("_meta", {}).get("form") == FORM else "INDEX_FOREIGN"

    def write(self, changes: Iterable[Change]) -> None:
        bulk_write(self._client, self._alias, changes)

    def begin_rebuild(self, name: str) -> ElasticRebuild:
        return ElasticRebuild.begin(self._client, self._alias, name)

    def unfinished_rebuild(self) -> ElasticRebuild | None:
        index = self._index_behind(rebuild_alias(self._alias))
        if not index:
            return None
        with _search_errors():
            mapping = self._client.indices.get_mapping(index=index)[index]["mappings"]
        if mapping.get("_meta", {}).get("form") != FORM:
            return None
        return ElasticRebuild(self._client, self._alias, index.removeprefix(f"{self._alias}-"))

    def retire(self) -> None:
        live = self._index_behind(self._alias)
        if live:
            with write_errors():
                self._client.options(ignore_status=404).indices.delete(index=live)

    def close(self) -> None:
        self._client.close()

    def _search_alias(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send one search to the live index.

        All pages of a query go to the same copy of the shard, because copies differ in deleted documents.
        """
        preference = f"{zlib.crc32(orjson.dumps({k: v for k, v in body.items() if k != 'from'})):08x}"
        with _search_errors():
            for last in (False, True):
                try:
                    response = self._client.perform_request(
                        "POST",
                        f"/{self._alias}/_search",
                        params={"preference": preference, "filter_path": ANSWER},
                        headers={"accept": "application/json", "content-type": "application/json"},
                        body=body,
                        endpoint_id="search",  # the name of its span
                    ).body
                    if not response["_shards"]["failed"]:
                        return dict(response)
                except NotFoundError:
                    # The index was swapped and deleted after Elasticsearch had resolved the alias.
                    if last:
                        raise
        raise search_unavailable("shards failed")

    def _index_behind(self, alias: str) -> str:
        """Return the index behind an alias; "" when there is none."""
        with _search_errors():
            try:
                return str(next(iter(self._client.indices.get_alias(name=alias).body), ""))
            except NotFoundError:
                return ""


def _facets_of(request: Request, aggregations: Mapping[str, Any]) -> dict[str, list[tuple[str, int]]]:
    facets: dict[str, list[tuple[str, int]]] = {}
    filters = filter_matches(request)
    for facet in request.facets:
        counts = {bucket["key"]: bucket["doc_count"] for bucket in aggregations[facet]["top"]["buckets"]}
        if facet in filters:
            buckets = aggregations[facet]["chosen"]["buckets"]
            counts.update((value, bucket["doc_count"]) for value, bucket in buckets.items())
        facets[facet] = sort_facet_values(counts.items(), request.facet_order)
    return facets


def _generation_of(response: Mapping[str, Any]) -> str:
    options = [option for part in response.get("suggest", {}).get(STATE, ()) for option in part.get("options", ())]
    if not options:
        # The state is unknown: every page then reports that the index may have changed.
        return new_id().hex
    return f"{options[0]['_index'].rpartition('-')[2]}.{options[0]['text'].removeprefix(STATE)}"


@contextmanager
def _search_errors() -> Iterator[None]:
    try:
        yield
    except NotFoundError as problem:
        raise index_building() from problem
    except (TransportError, ApiError) as problem:
        raise search_unavailable(type(problem).__name__) from problem
