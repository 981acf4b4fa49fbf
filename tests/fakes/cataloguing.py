"""Records that cataloguers write, as the catalogue answers on the wire."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from google.protobuf.timestamp_pb2 import Timestamp

from chassis import clock, rpc
from chassis.cursors import read_cursor
from chassis.errors import NotFound, Outdated
from rangkiang.catalog.v1 import browsing_pb2, duplicates_pb2, edit_forms_pb2
from rangkiang.catalog.v1 import cataloguing_pb2 as wire
from rangkiang.catalog.v1.isbn_matches_pb2 import (
    GetRecordCopyReply,
    GetRecordCopyRequest,
    IsbnMatches,
    LookUpIsbnRequest,
)
from services.catalog.cataloguing.forms.definitions import FORMS
from services.catalog.cataloguing.forms.editing import EditedRecord
from services.catalog.cataloguing.forms.record_form import new_record
from services.catalog.cataloguing.records import read_marc
from services.catalog.rpc.edit_forms import wire_form
from tests import builders
from tests.fakes.items import INSTITUTION_ID

NEW_RECORD_ID = "0192f3a4-5b6c-7d8e-9f01-23456789abcd"
_VERSION = 3

# The one offer, of the institution of INSTITUTION_ID.
OFFER_ID = "0192f3a4-5b6c-7d8e-9f05-23456789abcd"
_DIFFERENCES = [
    wire.FieldDifference(tag="245", before="245 10 $aKemarau", after="245 10 $aKemarau :$bsebuah novel /$cA.A. Navis"),
    wire.FieldDifference(tag="500", after="500 ## $aCetakan kedua, dengan kata pengantar"),
]
_OFFER = wire.RecordOffer(
    id=OFFER_ID,
    record_id=NEW_RECORD_ID,
    title="Kemarau",
    offered_at=Timestamp(seconds=1),
    record_version=3,
    differences=[
        wire.OfferedDifference(id=f"{place:016x}", difference=each) for place, each in enumerate(_DIFFERENCES)
    ],
)
_EDITED = builders.book("1", "Kemarau", subjects=["Surau", "Kemarau"], isbn="9789794030462", items=[("PST", "PST1")])


def _check_offer(request: Any, context: Any) -> None:
    if (request.id, rpc.context(context).institution) != (OFFER_ID, INSTITUTION_ID):
        raise NotFound("OFFER_NOT_FOUND", offer=request.id)


class FakeCataloguing:
    """The part of a Catalog servicer for cataloguers. Every record is in its third version."""

    request: Any
    books: Any

    def LookUpIsbn(self, request: LookUpIsbnRequest, _context: Any) -> IsbnMatches:
        """Find a record of another institution for one ISBN."""
        self.request = request
        reply = IsbnMatches(isbn="9789794030462")
        if request.isbn == "9789794030462":
            book = self.books[1]
            marc = b'{"leader": "00000nam a2200000   4500", "fields": [{"008": "1"}]}'
            match = reply.elsewhere.add(record_id=book.id, brief=orjson.dumps(book.brief()), marc=marc, holdings=b"[]")
            match.library.code = match.library.name.id = match.library.name.en = "Lain"
        return reply

    def GetRecordCopy(self, request: GetRecordCopyRequest, _context: Any) -> GetRecordCopyReply:
        if request.id not in {book.id for book in self.books}:
            raise NotFound("RECORD_NOT_FOUND", record=request.id)
        return GetRecordCopyReply(marc=b'{"leader": "00000nam a2200000   4500", "fields": []}')

    def CreateRecord(self, request: wire.CreateRecordRequest, _context: Any) -> wire.SavedRecord:
        self.request = read_marc(request.marc)
        return wire.SavedRecord(id=NEW_RECORD_ID, version=1)

    def FindDuplicates(
        self, request: duplicates_pb2.FindDuplicatesRequest, _context: Any
    ) -> duplicates_pb2.FindDuplicatesReply:
        """Find the books that have the title."""
        title = read_marc(request.marc).text("245", "a").lower()
        books = [book for book in self.books if book.title.lower() == title]
        reply = duplicates_pb2.FindDuplicatesReply()
        for book in books:
            shown = browsing_pb2.Shown(
                id=book.id, brief=orjson.dumps(book.brief()), holdings=orjson.dumps(book.holdings())
            )
            duplicate = reply.duplicates.add(record=shown, score=95)
            duplicate.reasons.add(id="Pengarang dan judul sama", en="Same author and title")
        return reply

    def ReplaceRecord(self, request: wire.ReplaceRecordRequest, context: Any) -> wire.SavedRecord:
        read_marc(request.marc)
        self._check(request, context)
        return wire.SavedRecord(id=request.id, version=_VERSION + 1)

    def DeleteRecord(self, request: wire.DeleteRecordRequest, context: Any) -> wire.DeleteRecordReply:
        self._check(request, context)
        return wire.DeleteRecordReply()

    def RestoreRecord(self, request: wire.RestoreRecordRequest, context: Any) -> wire.SavedRecord:
        self._check(request, context)
        return wire.SavedRecord(id=request.id, version=_VERSION + 1)

    def ListRecordVersions(self, request: wire.ListRecordVersionsRequest, context: Any) -> wire.ListRecordVersionsReply:
        if request.cursor:
            read_cursor(request.cursor, "versions", int)
        self._own(request.id, context)
        version = wire.RecordVersion(
            version=_VERSION, act="edit", actor=str(UUID(int=9)), differences=_DIFFERENCES,
            made_at=Timestamp(seconds=1_790_000_000),
        )  # fmt: skip
        return wire.ListRecordVersionsReply(versions=[version], title="Kemarau", record_version=_VERSION)

    def GetRecordVersion(self, request: wire.GetRecordVersionRequest, context: Any) -> wire.GetRecordVersionReply:
        self._own(request.id, context)
        return wire.GetRecordVersionReply(marc=b'{"leader": "00000nam a2200000   4500", "fields": [{"001": "1"}]}')

    def ListOffers(self, request: wire.ListOffersRequest, _context: Any) -> wire.ListOffersReply:
        if request.cursor:
            read_cursor(request.cursor, "offers", UUID)
        return wire.ListOffersReply(offers=[_OFFER])

    def GetOffer(self, request: wire.GetOfferRequest, context: Any) -> wire.RecordOffer:
        _check_offer(request, context)
        return _OFFER

    def TakeOffer(self, request: wire.TakeOfferRequest, context: Any) -> wire.SavedRecord:
        _check_offer(request, context)
        self._check_version(request)
        return wire.SavedRecord(id=NEW_RECORD_ID, version=_VERSION + 1)

    def RefuseOffer(self, request: wire.RefuseOfferRequest, context: Any) -> wire.RefuseOfferReply:
        _check_offer(request, context)
        return wire.RefuseOfferReply()

    def GetEditForm(self, request: edit_forms_pb2.GetEditFormRequest, context: Any) -> edit_forms_pb2.EditForm:
        if not request.id:
            form = FORMS[request.material or "book"]
            return wire_form(EditedRecord(new_record(form, today=clock.now().date()), form))
        self._own(request.id, context)
        return wire_form(EditedRecord(_EDITED, FORMS["book"], _VERSION, is_imported=True, source="contoh"))

    def _own(self, record_id: str, context: Any) -> None:
        known = {book.id for book in self.books}
        if record_id not in known or rpc.context(context).institution != INSTITUTION_ID:
            raise NotFound("RECORD_UNKNOWN", record=record_id)

    def _check(self, request: Any, context: Any) -> None:
        self._own(request.id, context)
        self._check_version(request)

    def _check_version(self, request: Any) -> None:
        self.request = request
        if request.version != _VERSION:
            raise Outdated.at_version(_VERSION, given=request.version, changed=["245"], changed_at=clock.now())
