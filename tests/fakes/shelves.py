"""Browsing in the fake catalogue: facets whole, classes, neighbours, similar ones, headings and works."""

from __future__ import annotations

from typing import Any

import orjson

from chassis.errors import Invalid, NotFound
from rangkiang.catalog.v1 import browsing_pb2 as wire
from rangkiang.catalog.v1 import facets_pb2, works_pb2
from rangkiang.common.v1.text_pb2 import LocalText as WireText
from tests.fakes.books import BOOKS, Book

WORK = "0192f3a4-5b6c-7d8e-9f03-000000000001"
MERGED_WORK = "0192f3a4-5b6c-7d8e-9f03-000000000002"
CLASSES = {
    "": (("3", "300", "Ilmu sosial", "Social sciences", True), ("6", "600", "Teknologi", "Technology", False),
         ("8", "800", "Sastra", "Literature", True), ("9", "900", "Sejarah", "History", False)),
    "8": (("80", "800", "", "", False), ("89", "890", "Sastra bahasa lain", "Literatures of other languages", False),),
    "3": (("39", "390", "Adat istiadat", "Customs", False),),
}  # fmt: skip


class FakeShelves:
    """Answers CountFacet, ListClasses, ListNeighbours, ListSimilar, Browse and GetWork."""

    books: tuple[Book, ...] = BOOKS

    def _hear(self, request: Any, context: Any) -> None:
        raise NotImplementedError

    def _book(self, given: str) -> Book:
        raise NotImplementedError

    def CountFacet(self, request: wire.CountFacetRequest, context: Any) -> wire.CountFacetReply:
        self._hear(request, context)
        counts: dict[str, int] = {}
        for book in self.books:
            for value in book.facets()[request.facet]:
                counts[value] = counts.get(value, 0) + 1
        ordered = sorted(counts.items(), key=lambda each: each[0] if request.sort == "value" else (-each[1], each[0]))
        chosen = {value for each in request.filters if each.facet == request.facet for value in each.values}
        limit = min(request.limit, 6)
        return wire.CountFacetReply(
            values=[
                facets_pb2.FacetValue(value=value, count=count, selected=value in chosen)
                for value, count in ordered[request.offset : request.offset + limit]
            ],
            more=request.offset + limit < len(ordered),
            total=len(self.books),
        )

    def ListClasses(self, request: wire.ListClassesRequest, context: Any) -> wire.ListClassesReply:
        self._hear(request, context)
        above = {each[0]: each for group in CLASSES.values() for each in group}
        if request.parent and request.parent not in above:
            raise NotFound("CLASS_NOT_FOUND", given=request.parent)
        path = [above[request.parent[:length]] for length in range(1, len(request.parent) + 1)]
        return wire.ListClassesReply(
            classes=[self._class(each) for each in CLASSES.get(request.parent, ())],
            path=[self._class(each) for each in path],
            without=2,
        )

    def ListNeighbours(self, request: wire.ListNeighboursRequest, context: Any) -> wire.ListNeighboursReply:
        self._hear(request, context)
        middle = self._book(request.record_id)
        shelf = sorted((book for book in self.books if book.items), key=lambda book: book.holdings()[0]["call_number"])
        if middle not in shelf:
            raise NotFound("ITEM_NOT_FOUND")
        at, side = shelf.index(middle), request.limit or 5
        return wire.ListNeighboursReply(
            neighbours=[
                wire.Neighbour(record=_shown(book), call_number=book.holdings()[0]["call_number"], here=book is middle)
                for book in shelf[max(0, at - side) : at + side + 1]
            ],
            institution="KOTASOLOK",
            branch="PUSAT",
            branch_name=WireText(id="Perpustakaan Pusat", en="Central Library"),
        )

    def ListSimilar(self, request: wire.ListSimilarRequest, context: Any) -> wire.ListSimilarReply:
        self._hear(request, context)
        book = self._book(request.record_id)
        alike = [each for each in self.books if each is not book and set(each.subjects) & set(book.subjects)]
        subject = book.subjects[0]
        reason = WireText(id=f"Subjek yang sama: {subject}", en=f"Same subject: {subject}")
        return wire.ListSimilarReply(
            similar=[wire.Similar(record=_shown(each), reason=reason) for each in alike[: request.limit or 6]]
        )

    def Browse(self, request: wire.BrowseRequest, context: Any) -> wire.BrowseReply:
        self._hear(request, context)
        if request.kind in ("title", "call_number"):
            named = {(b.title if request.kind == "title" else f"{b.ddc} {b.author[:3].upper()}"): b for b in self.books}
        else:
            named = {name: b for b in self.books for name in (b.subjects if request.kind == "subject" else (b.author,))}
        names = sorted(named)
        start = next((at for at, each in enumerate(names) if each.lower() >= request.term.lower()), len(names))
        if request.cursor:
            given = request.cursor.removeprefix("fake-")
            if not (given.isascii() and given.isdigit()):
                raise Invalid("CURSOR_FOREIGN")
            start = int(given[:6])
        first, end = max(0, start - min(request.before, 2)), start + min(request.after, 6)
        single = request.kind in ("title", "call_number")
        found = [
            wire.Heading(text=each, count=1, record=_shown(named[each]) if single else None)
            for each in names[first:end]
        ]
        if request.kind == "author" and found:
            found.insert(0, wire.Heading(text="Ali Akbar Navis", see=["Navis, A.A."]))
            found[-1].see_also.append("Hamka")
        return wire.BrowseReply(
            headings=found,
            previous=f"fake-{max(0, first - request.after)}" if first else "",
            next=f"fake-{end}" if end < len(names) else "",
            place=start - first + (request.kind == "author"),
        )

    def GetWork(self, request: works_pb2.GetWorkRequest, context: Any) -> works_pb2.GetWorkReply:
        self._hear(request, context)
        if request.id not in (WORK, MERGED_WORK):
            raise NotFound("WORK_NOT_FOUND", work=request.id)
        why = WireText(id="Pengarang dan judul sama", en="Same author and title")
        return works_pb2.GetWorkReply(
            id=WORK,
            title=self.books[0].title,
            author=self.books[0].author,
            editions=[works_pb2.Edition(record=_shown(book), score=95, reasons=[why]) for book in self.books[:2]],
        )

    def _class(self, given: tuple[str, str, str, str, bool]) -> wire.Class:
        value, notation, name_id, name_en, divided = given
        count = sum(book.ddc.startswith(value) for book in self.books)
        return wire.Class(
            value=value, notation=notation, caption=WireText(id=name_id, en=name_en), count=count, divided=divided
        )


def help_for(query: str) -> wire.Help:
    """What the fake suggests when a search finds nothing."""
    if query != "surau xyzzy":
        return wire.Help(failed=query.split()[:3])
    caption = WireText(id="Sastra", en="Literature")
    return wire.Help(
        failed=["xyzzy"],
        without=[wire.Alternative(query="surau", total=1)],
        without_filters=2,
        elsewhere=[facets_pb2.FacetValue(value="UMMY", count=3, label=WireText(id="Universitas", en="University"))],
        classes=[wire.Class(value="8", notation="800", caption=caption, count=9)],
    )


def _shown(book: Book) -> wire.Shown:
    return wire.Shown(id=book.id, brief=orjson.dumps(book.brief()), holdings=orjson.dumps(book.holdings()))
