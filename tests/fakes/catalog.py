"""A catalogue with a few records in memory, which behaves on the wire as the real one does."""

from __future__ import annotations

from typing import Any

import orjson

from chassis import rpc
from chassis.errors import Invalid, NotFound, Unavailable
from chassis.ids import parse_id
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1 import facets_pb2, items_pb2
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogServicer
from rangkiang.common.v1.text_pb2 import LocalText as WireText
from services.catalog.rpc.search import tree_of
from services.catalog.search.boolean.matching import build_match
from tests.fakes.books import ANSWERS, BOOKS, BRANCHES, INSTITUTIONS, Book
from tests.fakes.cataloguing import FakeCataloguing
from tests.fakes.drafts import FakeDrafts
from tests.fakes.forms import UPDATED_SECONDS, FakeForms
from tests.fakes.institutions import FakeInstitutions
from tests.fakes.items import FakeItems
from tests.fakes.labels import FakeLabels
from tests.fakes.shelves import WORK, FakeShelves, help_for
from tests.fakes.tasks import FakeTasks


class FakeCatalog(
    FakeForms,
    FakeShelves,
    FakeItems,
    FakeLabels,
    FakeCataloguing,
    FakeDrafts,
    FakeTasks,
    FakeInstitutions,
    CatalogServicer,
):
    """A Catalog servicer. `down` makes every method refuse, `failing` only those of these request types; `broken`
    raises an error of the programmer. `request` and `context` are those of the last call.
    """

    def __init__(self, books: tuple[Book, ...] = BOOKS) -> None:
        super().__init__()
        self.books = books
        self.down = False
        self.broken = False
        self.degraded = False
        self.failing: set[str] = set()
        self.request: Any = None
        self.context: Any = None

    def Search(self, request: wire.SearchRequest, context: Any) -> wire.SearchReply:
        self._receive(request, context)
        if request.HasField("tree"):
            build_match(tree_of(request.tree), lambda _ids: {})
        start = self._start(request)
        words = request.query.lower().split()
        partly = "planet" in words  # a word that only the first hit has
        relaxed = "komet" in words  # a word that no hit has
        words = [word for word in words if word not in ("planet", "komet")]
        matches = [book for book in self.books if all(word in book.words for word in words)]
        hits = [
            book
            for book in matches
            if all(has_value_of(book, filter_.facet, filter_.values) for filter_ in request.filters)
        ]
        if request.sort.startswith("year"):
            hits.sort(key=lambda book: book.year, reverse=request.sort == "year")
        elif request.sort == "title":
            hits.sort(key=lambda book: book.title)
        end = start + (request.limit or 10)
        page = [_hit(book, words if request.highlight else [], request) for book in hits[start:end]]
        for hit in page[not start :] if partly else ():
            hit.lacks.append("planet")
            hit.because.id, hit.because.en = "Termasuk golongan 520 Astronomi", "Is in class 520 Astronomy"
        for hit in page if relaxed else ():
            hit.lacks.append("komet")
        return wire.SearchReply(
            total=len(hits),
            hits=page,
            complete=1 if partly else 0,
            relaxed=relaxed,
            next=f"fake-{end}" if end < len(hits) else "",
            offset=start,
            previous=f"fake-{start - (request.limit or 10)}" if start > (request.limit or 10) else "",
            facets=[_facet(name, matches, request.filters) for name in request.facets],
            understood=" ".join(words),
            did_you_mean="surau" if request.query == "suroe" else "",
            read_as_words=request.query.count("(") != request.query.count(")"),
            degraded=self.degraded,
            help=help_for(request.query) if relaxed or not hits else None,
        )

    def Suggest(self, request: wire.SuggestRequest, context: Any) -> wire.SuggestReply:
        self._receive(request, context)
        books = [book for book in self.books if book.title.lower().startswith(request.prefix.lower())]
        authors = sorted({book.author for book in self.books if book.author.lower().startswith(request.prefix.lower())})
        suggestions = [wire.Suggestion(text=book.title, kind="title", id=book.id) for book in books]
        suggestions += [wire.Suggestion(text=author, kind="author") for author in authors]
        return wire.SuggestReply(suggestions=suggestions[: request.limit or 8])

    def GetRecord(self, request: wire.GetRecordRequest, context: Any) -> wire.GetRecordReply:
        self._receive(request, context)
        book = self._book(request.id)
        reply = wire.GetRecordReply(
            id=book.id,
            version=3,
            display=orjson.dumps(book.display()),
            holdings=orjson.dumps(book.holdings()),
            source="contoh",
            institution="KOTASOLOK",
            work_id=WORK,
            editions=2 if book.number in (1, 2) else 1,
        )
        reply.updated_at.seconds = UPDATED_SECONDS
        return reply

    def ListItems(self, request: wire.ListItemsRequest, context: Any) -> wire.ListItemsReply:
        self._receive(request, context)
        book = self._book(request.record_id)
        return wire.ListItemsReply(
            items=[
                wire.Item(
                    id=f"0192f3a4-5b6c-7d8e-9f02-{position:012x}",
                    barcode=f"KS{book.number:06}{position}",
                    call_number=book.holdings()[position]["call_number"],
                    institution=institution,
                    branch=f"{institution}/{branch}",
                    branch_name=_text(BRANCHES[institution, branch]),
                    collection=collection,
                    material="book",
                    status="in_service",
                    availability=ANSWERS[collection],
                    copy=f"c.{position + 1}",
                    room="Lantai 2" if position else "",
                    enumeration="Jilid 2" if book.number == 2 else "",
                )
                for position, (institution, branch, collection) in enumerate(book.items)
            ],
            record_version=3,
        )

    def GetAvailability(
        self, request: items_pb2.GetAvailabilityRequest, context: Any
    ) -> items_pb2.GetAvailabilityReply:
        self._receive(request, context)
        ids = [str(parse_id(text)) for text in request.ids]
        return items_pb2.GetAvailabilityReply(
            results=[items_pb2.AvailabilityResult(requested=text, status="not_found") for text in ids]
        )

    def _receive(self, request: Any, context: Any) -> None:
        # The gateway reads the directory beside its pages, at any moment.
        if type(request).__name__ not in ("ListInstitutionsRequest", "ListBranchesRequest"):
            self.request, self.context = request, rpc.context(context)
        if self.broken:
            raise ZeroDivisionError("secret detail")
        if self.down or type(request).__name__ in self.failing:
            raise Unavailable("SEARCH_DOWN", part="search")

    def _start(self, request: wire.SearchRequest) -> int:
        if not request.cursor:
            return 0
        start = request.cursor.removeprefix("fake-")
        if start == request.cursor or not start.isascii() or not start.isdigit():
            raise Invalid("CURSOR_INVALID")
        return int(start[:6])

    def _book(self, record_id: str) -> Book:
        for book in self.books:
            if book.id == record_id:
                return book
        raise NotFound(
            "RECORD_NOT_FOUND",
            record=record_id,
        )


def _text(pair: tuple[str, str]) -> WireText:
    return WireText(id=pair[0], en=pair[1])


def has_value_of(book: Book, facet: str, values: Any) -> bool:
    return bool(book.facets()[facet] & set(values))


def _hit(book: Book, words: list[str], request: wire.SearchRequest) -> wire.Hit:
    hit = wire.Hit(id=book.id, score=1.5, brief=orjson.dumps(book.brief()), holdings=orjson.dumps(book.holdings()))
    if request.by_work and book.number in (1, 2):
        hit.work_id, hit.editions = WORK, 2
    if request.explain:
        text = _text(("“surau” ada di judul, persis", "“surau” is in the title, exactly"))
        hit.reasons.append(wire.Reason(text=text, weight=1.25))
    for word in words:
        start, word_in_title, end = book.title.partition(word.capitalize())
        if word_in_title:
            hit.highlights.append(wire.Highlight(field="title", pieces=[start, word_in_title, end]))
            break
    return hit


def _facet(name: str, books: list[Book], filters: Any) -> wire.Facet:
    selected = {value for filter_ in filters if filter_.facet == name for value in filter_.values}
    other_filters = [filter_ for filter_ in filters if filter_.facet != name]
    counts: dict[str, int] = {}
    for book in books:
        if all(has_value_of(book, filter_.facet, filter_.values) for filter_ in other_filters):
            for value in book.facets()[name]:
                counts[value] = counts.get(value, 0) + 1
    top_values = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:10]
    return wire.Facet(
        name=name,
        values=[
            facets_pb2.FacetValue(value=value, count=count, selected=value in selected, label=_label(name, value))
            for value, count in top_values
        ],
    )


def _label(facet: str, value: str) -> WireText | None:
    if facet == "branch":
        institution, branch = value.split("/")
        return _text(BRANCHES[institution, branch])
    if facet == "ddc":
        return _text({"600": ("Teknologi", "Technology")}.get(value, ("Golongan lain", "Another class")))
    return _text(INSTITUTIONS[value]) if facet == "institution" else None
