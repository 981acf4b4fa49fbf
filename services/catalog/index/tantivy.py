"""The index port on tantivy: a folder of files that many processes read and the holder of the index lease writes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tantivy
from tantivy import Query, Searcher

from chassis.errors import Invalid, LocalText, Unavailable
from services.catalog.index import tantivy_files as files
from services.catalog.index.edit_distance import nearest
from services.catalog.index.errors import building, not_written, unavailable
from services.catalog.index.port import Change, Hits, Request
from services.catalog.index.stored_fields import filters
from services.catalog.index.tantivy_facets import count, first_values, tally, with_chosen
from services.catalog.index.tantivy_hits import by_work, hits, total_of
from services.catalog.index.tantivy_query import Translation, translated
from services.catalog.index.tantivy_writing import Building, Writing

LOOK_SECONDS = 0.2  # how old an answer may be while another process writes
OPEN_TRIES = 20
PREFIX = "tantivy:///"
NEIGHBOURS = 64  # the nearest tokens whose documents are counted
NEAR_KEPT = 256  # look-ups remembered with a state of the index


def open_index(url: str) -> TantivyIndex:
    """tantivy:///path for a relative path, tantivy:////path for an absolute one, as SQLAlchemy writes SQLite's.

    raises  Invalid  SEARCH_URL_INVALID
    """
    path = url.removeprefix(PREFIX)
    if path in {url, ""}:
        raise Invalid(
            "SEARCH_URL_INVALID",
            LocalText("SEARCH_URL mesti tantivy:///map; kini {url}", "SEARCH_URL must be tantivy:///folder, not {url}"),
            url=url,
        )
    return TantivyIndex(Path(path))


@dataclass(frozen=True, slots=True)
class View:
    """One state of the live index, as long as anybody uses it.

    near  tokens looked up for Fuzzy, by (field, token, edits)
    """

    folder: Path
    index: tantivy.Index
    searcher: Searcher
    generation: str
    stamp: files.Stamp
    near: dict[tuple[str, str, int], list[tuple[int, str]]] = field(default_factory=dict)


class TantivyIndex:
    """See services.catalog.index.Index.

    root  folder of the indexes; made by the first rebuild
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._view: View | None = None
        self._look_at = 0.0
        self._looking = threading.Lock()
        self._writing: Writing | None = None
        self._building: Building | None = None

    def search(self, request: Request) -> Hits:
        with self._reading() as view:
            fields, chosen = view.index.schema, filters(request)
            translation = Translation(
                fields, lambda *asked: [word for _edits, word in _near(view, *asked)], view.searcher.doc_freq
            )
            asked = translation.query(request.match)
            narrowed = translation.narrowed(asked, chosen.values())
            found = by_work if request.by_work else hits
            total, page = found(view.searcher, fields, request, narrowed)
            counts: dict[str, list[tuple[str, int]]] = {}
            free = [facet for facet in request.facets if facet not in chosen]
            counting = first_values if request.facet_order == "value" else count
            if free:
                counts.update(counting(view.searcher, narrowed, free, request.facet_size))
            for facet in request.facets:
                if facet in chosen:
                    others = [chosen[other] for other in chosen if other != facet]
                    query = translation.narrowed(asked, others)
                    counted = counting(view.searcher, query, [facet], request.facet_size)[facet]
                    values, order = chosen[facet].values, request.facet_order
                    counts[facet] = with_chosen(view.searcher, query, facet, values, counted, order)
            facets = {facet: counts[facet] for facet in request.facets}
            return Hits(total, page.numbers, page.scores, facets, view.generation, page.works, page.editions, page.more)

    def words(self, token: str, *, fields: Sequence[str], distance: int, limit: int) -> list[tuple[str, int]]:
        with self._reading() as view:
            near = {word: edits for field in fields for edits, word in _near(view, field, token, distance) if edits}
            first = sorted(near, key=lambda word: (near[word], word))[: max(NEIGHBOURS, limit)]
            counts = {word: _documents(view, fields, word) for word in first}
            alive = sorted((near[word], -counts[word], word) for word in first if counts[word])
            return [(word, -negative) for _edits, negative, word in alive[:limit]]

    def tally(self, field: str, values: Sequence[str]) -> dict[str, int]:
        with self._reading() as view:
            return tally(view.searcher, view.index.schema, field, values)

    def count(self) -> int:
        with self._reading() as view:
            return view.searcher.num_docs

    def name(self) -> str:
        name = files.named(self._root, "current")
        return name if name and (self._root / name).is_dir() else ""

    def trouble(self) -> str:
        name = self.name()
        if not name:
            return "INDEX_MISSING"
        folder = self._root / name
        if files.rot(folder):
            return "INDEX_ROTTEN"
        return "" if files.is_ours(folder) else "INDEX_FOREIGN"

    def write(self, changes: Iterable[Change]) -> None:
        name = self.name()
        if not name:
            raise not_written("INDEX_MISSING")
        if self._writing is None or self._writing.folder.name != name:
            if self._writing is not None:
                self._writing.close()
            self._writing = Writing(self._root / name)
        self._writing.write(changes)
        self._look_at = 0.0

    def begin_rebuild(self, name: str) -> Building:
        with translated(not_written):
            self._close_building()
            self._root.mkdir(parents=True, exist_ok=True)
            files.tidy(self._root, self.name())
        self._building = Building.begin(self._root, name, self._swapped)
        return self._building

    def rebuilding(self) -> Building | None:
        building = Building.resume(self._root, self._swapped)
        if building is None or self._building is None or building.name != self._building.name:
            # Two writers of one folder would keep each other out.
            self._close_building()
            self._building = building
        return self._building

    def retire(self) -> None:
        self.close()
        with translated(not_written):
            files.unpoint(self._root, "current")
            files.tidy(self._root, files.named(self._root, "next"))
            self._look_at = 0.0

    def close(self) -> None:
        self._close_building()
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.close()

    def _close_building(self) -> None:
        building, self._building = self._building, None
        if building is not None:
            building.close()

    def _swapped(self) -> None:
        self.close()
        self._look_at = 0.0

    @contextlib.contextmanager
    def _reading(self) -> Iterator[View]:
        view = self._fresh()
        with translated(unavailable):
            yield view

    def _fresh(self) -> View:
        """The newest state, or one that was it 200 ms ago; whoever looks first looks for all."""
        view = self._view
        if view is not None and time.monotonic() < self._look_at:
            return view
        if not self._looking.acquire(blocking=view is None):
            assert view is not None
            return view
        try:
            self._look_at = time.monotonic() + LOOK_SECONDS
            # Whoever had the lock before may have found it.
            view = self._newest(self._view)
            self._view = view
            return view
        except Unavailable:
            # Nobody shall go on with an index that was taken away.
            self._view = None
            raise
        finally:
            self._looking.release()

    def _newest(self, view: View | None) -> View:
        """Raises Unavailable INDEX_BUILDING when there is no sound index."""
        for _attempt in range(OPEN_TRIES):
            name = self.name()
            if not name:
                break
            try:
                stamp = files.stamp(self._root, name)
                if view is not None and view.folder.name == name and view.stamp == stamp:
                    return view
                known = view is not None and view.folder.name == name
                if not known and files.rot(self._root / name) and files.stamp(self._root, name) == stamp:
                    break
                with translated(unavailable):
                    newer = _load(self._root / name, stamp, view)
            except (FileNotFoundError, Unavailable):
                # Swapped and deleted, or merged, between our looks.
                time.sleep(0.005)
                continue
            if newer is not None:
                return newer
        if view is not None and view.folder.is_dir():
            return view
        raise building()


def _load(folder: Path, stamp: files.Stamp, view: View | None) -> View | None:
    """The state of the folder; None when it changed while we looked."""
    before = files.meta(folder)
    if view is not None and view.folder == folder:
        index = view.index
    else:
        index = tantivy.Index.open(str(folder))
        index.config_reader("manual")
    index.reload()
    searcher = index.searcher()
    if files.meta(folder) != before:
        return None
    return View(folder, index, searcher, files.generation(folder, before), stamp)


def _documents(view: View, fields: Sequence[str], word: str) -> int:
    either = [(tantivy.Occur.Should, Query.term_query(view.index.schema, field, word)) for field in fields]
    return total_of(view.searcher.search(Query.boolean_query(either), limit=1))


def _near(view: View, field: str, token: str, limit: int) -> list[tuple[int, str]]:
    """Of the field's dictionary: tokens with the same first letter within `limit` edits, as (edits, token)."""
    asked = (field, token, limit)
    found = view.near.get(asked)
    if found is None:
        words = (word for word, _count in view.searcher.terms_with_prefix(field, token[:1]))
        found = nearest(token, words, limit)
        if len(view.near) < NEAR_KEPT:
            view.near[asked] = found
    return found
