"""The index port on Elasticsearch: indexes whose names begin with the name in SEARCH_URL; see Names."""

from __future__ import annotations

import logging
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import orjson
from elastic_transport import OrjsonSerializer, TransportError
from elasticsearch import ApiError, Elasticsearch, NotFoundError

from chassis.errors import Invalid, Unavailable
from chassis.ids import new_id
from services.catalog.index.elastic_query import (
    STATE,
    Json,
    editions_body,
    first_works_body,
    matching_body,
    near_tokens_body,
    search_body,
    sums_body,
    token_counts_body,
    totals_body,
    value_counts_body,
)
from services.catalog.index.elastic_writing import (
    WRITE_SECONDS,
    ElasticRebuild,
    Names,
    bulk_write,
    find_aliased,
    find_markers,
    write_errors,
)
from services.catalog.index.matches import And, Match, Or, Term
from services.catalog.index.port import (
    NO_INSTALLATION,
    Change,
    Hits,
    Index,
    Installation,
    Request,
    Sums,
    edit_distance,
    index_building,
    index_foreign,
    search_failed,
    search_unavailable,
)
from services.catalog.index.stored_fields import filter_matches, sort_facet_values
from services.catalog.index.work_grouping import Edition, ScoredHit, group_by_work

log = logging.getLogger(__name__)

SEARCH_SECONDS = 3  # readers get an answer within five seconds
CONNECTIONS = 32
COMPARE_SECONDS = 10  # between two comparisons of the live index's marker
PROBE_SECONDS = 1.0  # between two probes of an engine that does not answer
# The client's errors when nothing answered. An engine that refuses a request answers at once, with other errors.
CONNECTION_ERRORS = frozenset({"ConnectionError", "ConnectionTimeout", "TlsError", "TransportError"})
NEIGHBOURS = 64  # near tokens, nearest first, whose documents are counted

ANSWER = (
    "hits.total.value,hits.hits.sort,hits.hits.fields,hits.hits.matched_queries,aggregations,"
    "suggest.*.options.text,suggest.*.options._index,_shards.failed"
)
_HEADERS = {"accept": "application/json", "content-type": "application/json"}


def open_index(url: str, *, installation: Installation = NO_INSTALLATION) -> Index:
    """Open the index of a URL: http(s)://[user:password@]host[:port][,host[:port]…]/name

    Several hosts are nodes of one cluster: when a node cannot be reached, the call is sent to the next one.
    raises  Invalid  SEARCH_URL_INVALID
    """
    parts = urlsplit(url)
    base = parts.path.strip("/")
    user, _, hosts = parts.netloc.rpartition("@")
    try:
        roots = [_root(parts.scheme, host) for host in hosts.split(",")]
    except ValueError:
        raise Invalid("SEARCH_URL_INVALID") from None
    if not base or "/" in base:
        raise Invalid("SEARCH_URL_INVALID")
    name, _, password = user.partition(":")
    account = (unquote(name), unquote(password)) if user else None
    client = Elasticsearch(
        roots,
        basic_auth=account,
        request_timeout=SEARCH_SECONDS,
        max_retries=len(roots) - 1,
        connections_per_node=CONNECTIONS,
        serializer=OrjsonSerializer(),
        meta_header=False,
    )
    return ElasticIndex(client, Names(base, installation))


def _root(scheme: str, host: str) -> str:
    """Return the URL of one node. Raises ValueError."""
    parts = urlsplit(f"//{host.strip()}")
    if not parts.hostname:
        raise ValueError(host)
    address = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{address}:{parts.port or (443 if scheme == 'https' else 9200)}"


class CircuitBreaker:
    """Lets searches fail at once while the engine does not answer.

    The first failing search waits for the client's timeout. Then every search fails at once until a probe, sent once a
    second, gets an answer. Writes do not use it, because writers retry by themselves.
    """

    def __init__(self, send: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
        self._send = send
        self._error = ""  # the connection error that opened the circuit; "" while it is closed
        self._opening = threading.Lock()
        self._stopped = threading.Event()

    def send(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if self._error:
            raise search_unavailable(self._error)
        try:
            return self._send(body)
        except Unavailable as problem:
            error = str(problem.facts.get("why", ""))
            if error in CONNECTION_ERRORS:
                self._open(error)
            raise

    def stop(self) -> None:
        self._stopped.set()

    def _open(self, error: str) -> None:
        with self._opening:
            if self._error:
                return
            self._error = error
        log.warning("search_engine_silent", extra={"why": error})
        threading.Thread(target=self._probe, name="search-engine-probe", daemon=True).start()

    def _probe(self) -> None:
        start = time.monotonic()
        while not self._stopped.wait(PROBE_SECONDS):
            try:
                self._send(search_body(Request(And(()), limit=0)))
            except Unavailable as problem:
                if str(problem.facts.get("why", "")) in CONNECTION_ERRORS:
                    continue
            self._error = ""
            log.warning("search_engine_answers", extra={"seconds": round(time.monotonic() - start, 1)})
            return


class ElasticIndex:
    """See services.catalog.index.port.Index."""

    def __init__(self, client: Elasticsearch, names: Names) -> None:
        self._client, self._names = client, names
        self._path = f"/{names.live}/_search?filter_path={quote(ANSWER, safe='*,')}&preference="
        self._compare_at = 0.0
        self._breaker = CircuitBreaker(self._search_alias)

    def search(self, request: Request) -> Hits:
        return self._by_work(request) if request.by_work else self._records(request)

    def _records(self, request: Request) -> Hits:
        response = self._breaker.send(search_body(request))
        hits = response["hits"].get("hits", [])
        relevance = bool(hits) and request.sort == "relevance" and len(hits[0]["sort"]) == 3
        return Hits(
            total=response["hits"]["total"]["value"],
            numbers=[hit["sort"][-1] for hit in hits],
            scores=[hit["sort"][0] if relevance else 0.0 for hit in hits],
            facets=_facets_of(request, response.get("aggregations", {})),
            generation=self._generation_of(response),
        )

    def _by_work(self, request: Request) -> Hits:
        response: dict[str, Any] = {}

        def first_hits(limit: int) -> list[ScoredHit]:
            nonlocal response
            response = self._breaker.send(first_works_body(request, limit))
            hits = response["hits"].get("hits", [])
            has_scores = request.sort == "relevance" and bool(hits) and len(hits[0]["sort"]) == 3
            return [
                ScoredHit(hit["sort"][0] if has_scores else 0.0, hit["sort"][-1], hit["fields"]["work"][0])
                for hit in hits
            ]

        def editions(works: Sequence[int]) -> list[Edition]:
            hits = self._breaker.send(editions_body(request, works))["hits"].get("hits", [])
            return [Edition(hit["sort"][-1], hit["fields"]["work"][0], hit["fields"]["edition"][0]) for hit in hits]

        page = group_by_work(request, first_hits, editions)
        return Hits(
            total=response["hits"]["total"]["value"],
            numbers=page.numbers,
            scores=page.scores,
            facets=_facets_of(request, response.get("aggregations", {})),
            generation=self._generation_of(response),
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
        buckets = self._breaker.send(totals_body(match_list, filters or {}))["aggregations"]["totals"]["buckets"]
        return iter([bucket["doc_count"] for bucket in buckets])

    def matching(self, matches: Sequence[Match], numbers: Sequence[int]) -> list[frozenset[int]]:
        if not matches or not numbers:
            return [frozenset() for _match in matches]
        hits = self._breaker.send(matching_body(matches, numbers))["hits"].get("hits", [])
        names = {hit["sort"][-1]: hit.get("matched_queries", ()) for hit in hits}
        return [
            frozenset(number for number in numbers if str(at) in names.get(number, ())) for at in range(len(matches))
        ]

    def near_words(self, token: str, *, fields: Sequence[str], distance: int, limit: int) -> list[tuple[str, int]]:
        size = max(NEIGHBOURS, limit)
        suggestions = self._breaker.send(near_tokens_body(token, fields, distance, size)).get("suggest", {})
        words = {
            option["text"] for entry in suggestions.values() for part in entry for option in part.get("options", [])
        }
        distances = {word: edit_distance(token, word, distance) for word in words}
        ranked_words = sorted((distances[word], word) for word in words if 0 < distances[word] <= distance)
        if not ranked_words:
            return []
        candidates = [word for _edits, word in ranked_words[:size]]
        buckets = self._breaker.send(token_counts_body(candidates, fields))["aggregations"]["words"]["buckets"]
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
        buckets = self._breaker.send(value_counts_body(field, values))["aggregations"]["values"]["buckets"]
        return {value: bucket["doc_count"] for value, bucket in zip(values, buckets, strict=True)}

    def count(self) -> int:
        return self.sums().documents

    def sums(self) -> Sums:
        response = self._breaker.send(sums_body())
        numbers, versions = (round(response["aggregations"][field]["value"]) for field in ("number", "version"))
        return Sums(response["hits"]["total"]["value"], numbers, versions)

    def name(self) -> str:
        with _search_errors():
            return next(iter(find_aliased(self._client, self._names.live)), "").removeprefix(f"{self._names.live}-")

    def marker_fault(self) -> str:
        with _search_errors():
            aliased = find_aliased(self._client, self._names.live)
            markers = find_markers(self._client, self._names.base)
        installation = self._names.installation
        for index in aliased:
            if markers.get(index) != self._names.marker:
                raise index_foreign(index, markers.get(index, {}).get("owner", ""), installation)
        if aliased:
            return ""
        for index, marker in markers.items():
            owner = marker.get("owner", "")
            if not installation.made(owner, index.rpartition("-")[2]):
                raise index_foreign(index, owner, installation)
        return "INDEX_MISSING"

    def fault(self) -> str:
        fault = self.marker_fault()
        if not fault:
            with _search_errors():
                status = self._client.cluster.health(index=self._names.live)["status"]
            if status == "red":
                raise search_unavailable("shards are not assigned")
        return fault

    def write(self, changes: Iterable[Change]) -> None:
        bulk_write(self._client, self._names, self._names.live, changes)

    def begin_rebuild(self, name: str) -> ElasticRebuild:
        return ElasticRebuild.begin(self._client, self._names, name)

    def unfinished_rebuild(self) -> ElasticRebuild | None:
        with _search_errors():
            unfinished = find_aliased(self._client, self._names.coming)
        if not unfinished:
            return None
        return ElasticRebuild(self._client, self._names, unfinished[0].removeprefix(f"{self._names.live}-"))

    def delete_old(self) -> None:
        self.count()
        live, installation = self.name(), self._names.installation
        with write_errors():
            unfinished = find_aliased(self._client, self._names.coming)
            for index, marker in find_markers(self._client, self._names.base).items():
                name = index.rpartition("-")[2]
                if name < live and index not in unfinished and installation.made(marker.get("owner", ""), name):
                    writer = self._client.options(request_timeout=WRITE_SECONDS, ignore_status=404)
                    writer.indices.delete(index=index)

    def close(self) -> None:
        self._breaker.stop()
        self._client.close()

    def _search_alias(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send one search to the live index.

        All pages of a query go to the same copy of the shard, because copies differ in deleted documents.
        """
        content = orjson.dumps({name: value for name, value in body.items() if name != "from"})
        path = f"{self._path}{zlib.crc32(content):08x}"
        if body.get("from"):
            content = content[:-1] + b',"from":%d}' % body["from"]
        with _search_errors():
            self._compare_marker()
            for last in (False, True):
                try:
                    # `endpoint_id` is the name of the span.
                    reply = self._client.perform_request(
                        "POST", path, headers=_HEADERS, body=content, endpoint_id="search"
                    )
                    if not reply.body["_shards"]["failed"]:
                        return dict(reply.body)
                except NotFoundError:
                    # The index was swapped and deleted after Elasticsearch had resolved the alias.
                    if last:
                        raise
        raise search_unavailable("shards failed")

    def _compare_marker(self) -> None:
        """Compare the marker of the live index every ten seconds; one thread does it for all."""
        now = time.monotonic()
        if now < self._compare_at:
            return
        self._compare_at = now + COMPARE_SECONDS
        try:
            response = self._client.indices.get_mapping(index=self._names.live, filter_path="*.mappings._meta")
            markers: dict[str, Json] = {name: index["mappings"]["_meta"] for name, index in response.body.items()}
            for index, marker in (markers or {self._names.live: {}}).items():
                if marker != self._names.marker:
                    raise index_foreign(index, marker.get("owner", ""), self._names.installation)
        except BaseException:
            self._compare_at = 0.0
            raise

    def _generation_of(self, response: Mapping[str, Any]) -> str:
        """Return the name of the index state that answered. Raises Unavailable INDEX_FOREIGN."""
        options = [option for part in response.get("suggest", {}).get(STATE, ()) for option in part.get("options", ())]
        if not options:
            # After many bulks in a row the suggester may return no state; then every page says that the index may have
            # changed.
            self._compare_at = 0.0
            with _search_errors():
                self._compare_marker()
            return new_id().hex
        self._names.require_own(options[0]["_index"])
        return f"{options[0]['_index'].rpartition('-')[2]}.{options[0]['text'].removeprefix(STATE)}"


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


@contextmanager
def _search_errors() -> Iterator[None]:
    try:
        yield
    except NotFoundError as problem:
        raise index_building() from problem
    except (TransportError, ApiError) as problem:
        raise search_failed(problem, type(problem).__name__) from problem
