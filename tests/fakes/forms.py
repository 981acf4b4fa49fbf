"""The forms, the list of records and the search notes of the fake catalogue."""

from __future__ import annotations

import datetime
from typing import Any

import orjson

from chassis.errors import Invalid
from rangkiang.catalog.v1 import forms_pb2 as wire
from rangkiang.catalog.v1 import harvest_pb2, searches_pb2
from services.catalog.formats import FORMS, Entry
from tests.builders import book as marc_of
from tests.fakes.books import BOOKS, Book

UPDATED_SECONDS = 1_795_568_400


def entry(book: Book, address: str = "") -> Entry:
    """The entry from which a form of this book is written."""
    return Entry(
        marc_of(
            f"KS{book.number:06}",
            book.title,
            author=book.author,
            year=str(book.year),
            language=book.language,
            subjects=book.subjects,
            more=[["520", "  ", "a", book.summary]] if book.summary else [],
        ),
        book.id,
        3,
        datetime.datetime.fromtimestamp(UPDATED_SECONDS, datetime.UTC),
        orjson.dumps(book.holdings()),
        "contoh",
        "KOTASOLOK",
        address.replace("{id}", book.id),
    )


class FakeForms:
    """Answers GetForm, ListRecords, Harvest (without content) and NoteSearches.

    searches  has every search of NoteSearches
    deleted   ids of deleted records, newest first
    """

    books: tuple[Book, ...] = BOOKS

    def __init__(self) -> None:
        super().__init__()
        self.searches: list[searches_pb2.Searched] = []
        self.deleted: list[str] = []

    def _receive(self, request: Any, context: Any) -> None:
        raise NotImplementedError

    def _book(self, record_id: str) -> Book:
        raise NotImplementedError

    def GetForm(self, request: wire.GetFormRequest, context: Any) -> wire.GetFormReply:
        self._receive(request, context)
        form = FORMS.get(request.form)
        if form is None:
            raise Invalid("FORM_UNKNOWN", form=request.form, known=[*FORMS])
        content = form.document(entry(self._book(request.id), request.address))
        reply = wire.GetFormReply(content=content, media_type=form.media_type, version=3)
        reply.updated_at.seconds = UPDATED_SECONDS
        return reply

    def ListRecords(self, request: wire.ListRecordsRequest, context: Any) -> wire.ListRecordsReply:
        self._receive(request, context)
        if request.deleted:
            listed = [wire.Listed(id=record_id) for record_id in self.deleted]
            for record in listed:
                record.deleted_at.seconds = UPDATED_SECONDS
            return wire.ListRecordsReply(records=listed)
        books = [book for book in self.books if book.number > request.after][: request.limit or 1_000]
        reply = wire.ListRecordsReply(highest=max((book.number for book in self.books), default=0))
        for book in books:
            reply.records.add(id=book.id, number=book.number).updated_at.seconds = UPDATED_SECONDS
        return reply

    def Harvest(self, request: harvest_pb2.HarvestRequest, context: Any) -> harvest_pb2.HarvestReply:
        self._receive(request, context)
        reply = harvest_pb2.HarvestReply(cursor_key=b"fake", is_complete=True)
        for book in self.books[: request.limit or 100]:
            change = reply.changes.add(change_number=book.number, id=book.id, version=3)
            change.sets.append("institution:KOTASOLOK")
            change.changed_at.seconds = UPDATED_SECONDS
        reply.read_at.seconds = reply.earliest.seconds = UPDATED_SECONDS
        return reply

    def NoteSearches(self, request: searches_pb2.NoteSearchesRequest, context: Any) -> searches_pb2.NoteSearchesReply:
        self._receive(request, context)
        self.searches.extend(request.searches)
        return searches_pb2.NoteSearchesReply()
