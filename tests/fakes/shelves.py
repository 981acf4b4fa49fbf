"""Browsing in the fake catalogue: all values of a facet, classes, neighbours, similar records, headings and works."""

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
    """Answers CountFacet, ListClasses, ListNeighbours, ListArrivals, ListSimilar, Browse and GetWork."""

    books: tuple[Book, ...] = BOOKS

    def _receive(self, request: Any, context: Any) -> None:
        raise NotImplementedError

    def _book(self, record_id: str) -> Book:
        raise NotImplementedError

    def CountFacet(self, request: wire.CountFacetRequest, context: Any) -> wire.CountFacetReply:
        self._receive(request, context)
        counts: dict[str, int] = {}
        for book in self.books:
            for value in book.facets()[request.facet]:
                counts[value] = counts.get(value, 0) + 1
        ordered_values = sorted(
            counts.items(), key=lambda pair: pair[0] if request.sort == "value" else (-pair[1], pair[0])
        )
        selected = {value for filter_ in request.filters if filter_.facet == request.facet for value in filter_.values}
        limit = min(request.limit, 6)
        return wire.CountFacetReply(
            values=[
                facets_pb2.FacetValue(value=value, count=count, selected=value in selected)
                for value, count in ordered_values[request.offset : request.offset + limit]
            ],
            more=request.offset + limit < len(ordered_values),
            total=len(self.books),
        )

    def ListClasses(self, request: wire.ListClassesRequest, context: Any) -> wire.ListClassesReply:
        self._receive(request, context)
        classes = {entry[0]: entry for group in CLASSES.values() for entry in group}
        if request.parent and request.parent not in classes:
            raise NotFound("CLASS_NOT_FOUND", given=request.parent)
        path = [classes[request.parent[:length]] for length in range(1, len(request.parent) + 1)]
        return wire.ListClassesReply(
            classes=[self._class(entry) for entry in CLASSES.get(request.parent, ())],
            path=[self._class(entry) for entry in path],
            without=2,
        )

    def ListNeighbours(self, request: wire.ListNeighboursRequest, context: Any) -> wire.ListNeighboursReply:
        self._receive(request, context)
        target = self._book(request.record_id)
        shelf = sorted((book for book in self.books if book.items), key=lambda book: book.holdings()[0]["call_number"])
        if target not in shelf:
            raise NotFound("ITEM_NOT_FOUND")
        at, side = shelf.index(target), request.limit or 5
        return wire.ListNeighboursReply(
            neighbours=[
                wire.Neighbour(record=_record(book), call_number=book.holdings()[0]["call_number"], here=book is target)
                for book in shelf[max(0, at - side) : at + side + 1]
            ],
            institution="KOTASOLOK",
            branch="KOTASOLOK/PUSAT",
            branch_name=WireText(id="Perpustakaan Pusat", en="Central Library"),
        )

    def ListArrivals(self, request: wire.ListArrivalsRequest, context: Any) -> wire.ListArrivalsReply:
        self._receive(request, context)
        here = [
            book for book in reversed(self.books) if any(entry["branch"] == request.branch for entry in book.holdings())
        ]
        return wire.ListArrivalsReply(records=[_record(book) for book in here[: request.limit or 6]])

    def ListSimilar(self, request: wire.ListSimilarRequest, context: Any) -> wire.ListSimilarReply:
        self._receive(request, context)
        book = self._book(request.record_id)
        similar = [other for other in self.books if other is not book and set(other.subjects) & set(book.subjects)]
        subject = book.subjects[0]
        reason = WireText(id=f"Subjek yang sama: {subject}", en=f"Same subject: {subject}")
        return wire.ListSimilarReply(
            similar=[wire.Similar(record=_record(other), reason=reason) for other in similar[: request.limit or 6]]
        )

    def Browse(self, request: wire.BrowseRequest, context: Any) -> wire.BrowseReply:
        self._receive(request, context)
        if request.kind in ("title", "call_number"):
            books = {
                (book.title if request.kind == "title" else f"{book.ddc} {book.author[:3].upper()}"): book
                for book in self.books
            }
        else:
            books = {
                name: book
                for book in self.books
                for name in (book.subjects if request.kind == "subject" else (book.author,))
            }
        names = sorted(books)
        start = next((at for at, name in enumerate(names) if name.lower() >= request.term.lower()), len(names))
        if request.cursor:
            position = request.cursor.removeprefix("fake-")
            if not (position.isascii() and position.isdigit()):
                raise Invalid("CURSOR_INVALID")
            start = int(position[:6])
        begin, end = max(0, start - min(request.before, 2)), start + min(request.after, 6)
        single = request.kind in ("title", "call_number")
        headings = [
            wire.Heading(
                text=name,
                count=1,
                record=_record(books[name]) if single else None,
                other_forms=["Buya Hamka", "Amrullah, Haji Abdul Malik Karim"] if name == "Hamka" else (),
            )
            for name in names[begin:end]
        ]
        if request.kind == "author" and headings:
            headings.insert(0, wire.Heading(text="Ali Akbar Navis", see=["Navis, A.A."]))
            headings[-1].see_also.append("Hamka")
        return wire.BrowseReply(
            headings=headings,
            previous=f"fake-{max(0, begin - request.after)}" if begin else "",
            next=f"fake-{end}" if end < len(names) else "",
            place=start - begin + (request.kind == "author"),
        )

    def GetWork(self, request: works_pb2.GetWorkRequest, context: Any) -> works_pb2.GetWorkReply:
        self._receive(request, context)
        if request.id not in (WORK, MERGED_WORK):
            raise NotFound("WORK_NOT_FOUND", work=request.id)
        reason = WireText(id="Pengarang dan judul sama", en="Same author and title")
        return works_pb2.GetWorkReply(
            id=WORK,
            title=self.books[0].title,
            author=self.books[0].author,
            editions=[works_pb2.Edition(record=_record(book), score=95, reasons=[reason]) for book in self.books[:2]],
        )

    def _class(self, entry: tuple[str, str, str, str, bool]) -> wire.Class:
        value, notation, name_id, name_en, divided = entry
        count = sum(book.ddc.startswith(value) for book in self.books)
        return wire.Class(
            value=value, notation=notation, caption=WireText(id=name_id, en=name_en), count=count, divided=divided
        )


def help_for(query: str) -> wire.Help:
    """The help that the fake gives when a search has no hits."""
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


def _record(book: Book) -> wire.Shown:
    return wire.Shown(id=book.id, brief=orjson.dumps(book.brief()), holdings=orjson.dumps(book.holdings()))
