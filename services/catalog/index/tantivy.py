"""The index port on tantivy: a folder that many processes read and the holder of the index lease writes."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tantivy
from tantivy import Query, Searcher

from chassis.errors import Invalid, Unavailable
from services.catalog.index import tantivy_files as files
from services.catalog.index.matches import And, Match, required
from services.catalog.index.near_tokens import TokenSet
from services.catalog.index.port import (
    NO_INSTALLATION,
    Change,
    Hits,
    Installation,
    Request,
    Sums,
    index_building,
    index_foreign,
    index_not_written,
    search_failed,
    search_unavailable,
)
from services.catalog.index.stored_fields import FORM, filter_matches
from services.catalog.index.tantivy_query import EngineErrors, QueryTranslator, engine_errors
from services.catalog.index.tantivy_search import (
    add_chosen_values,
    add_up,
    count_keyword_values,
    find_matching,
    find_records,
    find_works,
    first_facet_values,
    most_frequent_values,
    total_of,
)
from services.catalog.index.tantivy_writing import FolderWriter, TantivyRebuild

REFRESH_SECONDS = 0.2  # how old a result may be while another process writes
OPEN_TRIES = 20
PREFIX = "tantivy:///"
NEIGHBOURS = 64  # near tokens, nearest first, whose documents are counted
MOST_TOKENS = 1_000_000  # in the token sets of one state of the index: 30 MB


def open_index(url: str, *, installation: Installation = NO_INSTALLATION) -> TantivyIndex:
    """Open the index of a URL: tantivy:///path for a relative path, tantivy:////path for an absolute path.

    raises  Invalid  SEARCH_URL_INVALID
    """
    path = url.removeprefix(PREFIX)
    if path in {url, ""}:
        raise Invalid("SEARCH_URL_INVALID", url=url)
    return TantivyIndex(Path(path), installation)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the live index.

    token_sets  tokens by fields and first letter; read when the first misspelt word with this letter comes
    """

    folder: Path
    index: tantivy.Index
    searcher: Searcher
    generation: str
    stamp: files.Stamp
    token_sets: dict[tuple[tuple[str, ...], str], TokenSet] = field(default_factory=dict)


class TantivyIndex:
    """See services.catalog.index.port.Index.

    root  folder of the indexes; the first rebuild makes it
    """

    def __init__(self, root: Path, installation: Installation) -> None:
        self._root, self._installation = root, installation
        self._newest: Snapshot | None = None
        self._refresh_at = 0.0
        self._refreshing = threading.Lock()
        self._writer: FolderWriter | None = None
        self._rebuild: TantivyRebuild | None = None

    def search(self, request: Request) -> Hits:
        with self._snapshot() as snapshot:
            searcher, fields, filters = snapshot.searcher, snapshot.index.schema, filter_matches(request)
            translator = QueryTranslator(fields, snapshot.searcher.doc_freq)
            query = translator.translate(request.match)
            if query is None:
                if not request.facets:
                    return Hits(0, [], [], {}, snapshot.generation)
                query = Query.empty_query()
            filtered_query = translator.restrict(query, filters.values())
            find = find_works if request.by_work else find_records
            total, page = find(searcher, fields, request, filtered_query)
            counts: dict[str, list[tuple[str, int]]] = {}
            other_facets = [facet for facet in request.facets if facet not in filters]
            count = first_facet_values if request.facet_order == "value" else most_frequent_values
            if other_facets:
                counts.update(count(searcher, filtered_query, other_facets, request.facet_size))
            for facet in request.facets:
                if facet in filters:
                    query_of_others = translator.restrict(query, [filters[name] for name in filters if name != facet])
                    top = count(searcher, query_of_others, [facet], request.facet_size)[facet]
                    values, order = filters[facet].values, request.facet_order
                    counts[facet] = add_chosen_values(searcher, query_of_others, facet, values, top, order)
            facets = {facet: counts[facet] for facet in request.facets}
            generation = snapshot.generation
            return Hits(total, page.numbers, page.scores, facets, generation, page.works, page.editions, page.more)

    def totals(
        self, matches: Iterable[Match], *, filters: Mapping[str, tuple[str, ...]] | None = None
    ) -> Iterator[int]:
        restrictions = list(filter_matches(Request(And(()), filters)).values()) if filters else []
        with self._snapshot() as snapshot:
            translator = QueryTranslator(snapshot.index.schema, snapshot.searcher.doc_freq)
            for match in map(required, matches):
                query = translator.translate(match)
                if query is None:
                    yield 0
                    continue
                query = Query.const_score_query(translator.restrict(query, restrictions), 0.0)
                yield total_of(snapshot.searcher.search(query, limit=1))

    def matching(self, matches: Sequence[Match], numbers: Sequence[int]) -> list[frozenset[int]]:
        with self._snapshot() as snapshot:
            translator = QueryTranslator(snapshot.index.schema, snapshot.searcher.doc_freq)
            queries = [translator.translate(match) for match in matches]
            return find_matching(snapshot.searcher, snapshot.index.schema, queries, numbers)

    def near_words(self, token: str, *, fields: Sequence[str], distance: int, limit: int) -> list[tuple[str, int]]:
        with self._snapshot() as snapshot:
            known_tokens = _tokens_with_first_letter(snapshot, fields, token[:1])
            distances = {word: edits for edits, word in known_tokens.nearest(token, distance) if edits}
            candidates = list(distances)[: max(NEIGHBOURS, limit)]
            counts = {word: _count_documents(snapshot, fields, word) for word in candidates}
            ranking = sorted((distances[word], -counts[word], word) for word in candidates if counts[word])
            return [(word, -negative) for _edits, negative, word in ranking[:limit]]

    def known_words(self, words: Iterable[str], *, fields: Sequence[str]) -> list[str]:
        with self._snapshot() as snapshot:
            doc_freq = snapshot.searcher.doc_freq
            # These frequencies count deleted documents, too. `text` has the words of all fields.
            candidates = [
                word for word in words if doc_freq("text", word) and any(doc_freq(field, word) for field in fields)
            ]
            return [word for word in candidates if _count_documents(snapshot, fields, word)]

    def count_values(self, field: str, values: Sequence[str]) -> dict[str, int]:
        with self._snapshot() as snapshot:
            return count_keyword_values(snapshot.searcher, snapshot.index.schema, field, values)

    def count(self) -> int:
        with self._snapshot() as snapshot:
            return snapshot.searcher.num_docs

    def sums(self) -> Sums:
        with self._snapshot() as snapshot:
            return add_up(snapshot.searcher)

    def name(self) -> str:
        name = files.read_pointer(self._root, "current")
        return name if name and (self._root / name).is_dir() else ""

    def marker_fault(self) -> str:
        name = self.name()
        if not name:
            return "INDEX_MISSING"
        # A damaged manifest names no owner; then the name of the rebuild shows which installation made the index.
        marker = files.read_marker(self._root / name) or files.Marker("", "")
        if marker == self._marker:
            return ""
        if not self._installation.made(marker.owner, name):
            raise index_foreign(str(self._root / name), marker.owner, self._installation)
        return "INDEX_OUTDATED"

    def fault(self) -> str:
        fault = self.marker_fault()
        return fault or ("INDEX_ROTTEN" if files.damaged_file(self._root / self.name()) else "")

    def write(self, changes: Iterable[Change]) -> None:
        if fault := self.marker_fault():
            raise index_not_written(fault)
        name = self.name()
        if self._writer is None or self._writer.folder.name != name:
            if self._writer is not None:
                self._writer.close()
            self._writer = FolderWriter(self._root / name)
        self._writer.write(changes)
        self._refresh_at = 0.0

    def begin_rebuild(self, name: str) -> TantivyRebuild:
        with engine_errors(index_not_written):
            self._close_rebuild()
            self._root.mkdir(parents=True, exist_ok=True)
        self._rebuild = TantivyRebuild.begin(self._root, name, self._marker, self._on_swap)
        return self._rebuild

    def unfinished_rebuild(self) -> TantivyRebuild | None:
        rebuild = TantivyRebuild.resume(self._root, self._marker, self._on_swap)
        if rebuild is None or self._rebuild is None or rebuild.name != self._rebuild.name:
            # Two writers of one folder would block each other.
            self._close_rebuild()
            self._rebuild = rebuild
        return self._rebuild

    def delete_old(self) -> None:
        """See the port. Readers can still use a deleted index, because they have mapped its files."""
        self.count()
        live, unfinished = self.name(), files.read_pointer(self._root, "next")
        with engine_errors(index_not_written):
            for folder in files.list_indexes(self._root):
                owner = (files.read_marker(folder) or files.Marker("", "")).owner
                if folder.name < live and folder.name != unfinished and self._installation.made(owner, folder.name):
                    shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        self._close_rebuild()
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _close_rebuild(self) -> None:
        rebuild, self._rebuild = self._rebuild, None
        if rebuild is not None:
            rebuild.close()

    def _on_swap(self) -> None:
        self.close()
        self._refresh_at = 0.0

    @property
    def _marker(self) -> files.Marker:
        return files.Marker(FORM, self._installation.id())

    def _snapshot(self) -> EngineErrors[Snapshot]:
        return EngineErrors(search_failed, self._current_snapshot())

    def _current_snapshot(self) -> Snapshot:
        """Return a state that was the newest at most 200 ms ago; one thread refreshes it for all."""
        snapshot = self._newest
        if snapshot is not None and time.monotonic() < self._refresh_at:
            return snapshot
        if not self._refreshing.acquire(blocking=snapshot is None):
            assert snapshot is not None
            return snapshot
        try:
            self._refresh_at = time.monotonic() + REFRESH_SECONDS
            # The previous holder of the lock may have refreshed it.
            snapshot = self._open_newest(self._newest)
            self._newest = snapshot
            return snapshot
        except Unavailable:
            # No thread may use an index that is no longer the live one.
            self._newest = None
            raise
        finally:
            self._refreshing.release()

    def _open_newest(self, current: Snapshot | None) -> Snapshot:
        """Open the newest state, or return the current one. Raises Unavailable INDEX_BUILDING without a sound index."""
        for _attempt in range(OPEN_TRIES):
            name = self.name()
            if not name:
                break
            try:
                stamp = files.stamp(self._root, name)
                is_open = current is not None and current.folder.name == name
                if current is not None and is_open and current.stamp == stamp:
                    return current
                unsound = not is_open and (self.marker_fault() or files.damaged_file(self._root / name))
                if unsound and files.stamp(self._root, name) == stamp:
                    break
                with engine_errors(search_unavailable):
                    newest = _open_snapshot(self._root / name, stamp, current)
            except (FileNotFoundError, Unavailable) as problem:
                if isinstance(problem, Unavailable) and problem.reason != "SEARCH_UNAVAILABLE":
                    raise
                # A swap or a merge deleted files during the opening.
                time.sleep(0.005)
                continue
            if newest is not None:
                return newest
        if current is not None and current.folder.is_dir():
            return current
        raise index_building()


def _open_snapshot(folder: Path, stamp: files.Stamp, current: Snapshot | None) -> Snapshot | None:
    """Open the state of the folder; None when it changed during the opening."""
    meta_json = files.read_meta(folder)
    if current is not None and current.folder == folder:
        index = current.index
    else:
        index = tantivy.Index.open(str(folder))
        index.config_reader("manual")
    index.reload()
    searcher = index.searcher()
    if files.read_meta(folder) != meta_json:
        return None
    return Snapshot(folder, index, searcher, files.generation(folder, meta_json), stamp)


def _count_documents(snapshot: Snapshot, fields: Sequence[str], word: str) -> int:
    """Count the documents that have a word in any of the fields."""
    schema = snapshot.index.schema
    in_any_field = [(tantivy.Occur.Should, Query.term_query(schema, field, word)) for field in fields]
    return total_of(snapshot.searcher.search(Query.boolean_query(in_any_field), limit=1))


def _tokens_with_first_letter(snapshot: Snapshot, fields: Sequence[str], letter: str) -> TokenSet:
    """Return the tokens of the fields that begin with this letter."""
    key = (tuple(fields), letter)
    tokens = snapshot.token_sets.get(key)
    if tokens is None:
        lists = (snapshot.searcher.terms_with_prefix(field, letter) for field in fields)
        tokens = TokenSet(token for terms in lists for token, _count in terms)
        with contextlib.suppress(RuntimeError):  # another thread may add a set meanwhile
            while snapshot.token_sets and sum(map(len, snapshot.token_sets.values())) + len(tokens) > MOST_TOKENS:
                snapshot.token_sets.pop(next(iter(snapshot.token_sets)), None)
        snapshot.token_sets[key] = tokens
    return tokens
