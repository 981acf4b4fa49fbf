"""RPCs for cataloguers: records that they write, their versions."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from chassis import rpc
from chassis.addresses import networks
from chassis.context import Context
from chassis.cursors import read_cursor, write_cursor
from chassis.errors import Invalid
from chassis.http.outgoing import OutgoingClient
from chassis.ids import parse_id
from chassis.rpc.methods import reads, writes, writes_once
from rangkiang.catalog.v1 import browsing_pb2, duplicates_pb2, isbn_matches_pb2
from rangkiang.catalog.v1 import cataloguing_pb2 as wire
from services.catalog.cataloguing import offers, records
from services.catalog.cataloguing.duplicates import find_duplicates
from services.catalog.cataloguing.history import Version
from services.catalog.cataloguing.lookup.isbn_matches import copy_of_record, look_up
from services.catalog.cataloguing.lookup.outside_sources import MOST_BYTES, SECONDS, Sources, load_sources
from services.catalog.cataloguing.offers import Offer
from services.catalog.marc import marcjson
from services.catalog.record.item_facts import facts_of_packed
from services.catalog.rpc.protobuf import ServicerPart, fill, wire_moment
from services.catalog.settings import CatalogSettings

log = logging.getLogger(__name__)

USUALLY_LISTED, MOST_LISTED = 20, 100
ANSWER_SECONDS = 0.5  # of the caller's timeout, for the answer after the outside sources


class CataloguingMethods(ServicerPart):
    """See rangkiang/catalog/v1/catalog.proto."""

    def LookUpIsbn(self, request: isbn_matches_pb2.LookUpIsbnRequest, context: Any) -> isbn_matches_pb2.IsbnMatches:
        own = self._settings.of(CatalogSettings)
        remaining = context.time_remaining()
        matches = look_up(
            self._database,
            self._index,
            request.isbn,
            sources={} if request.local_only else self._outside_sources(),
            client=OutgoingClient(
                allowed=networks(own.outgoing_private_networks),
                requires_https=False,
                total_seconds=SECONDS,
                most_bytes=MOST_BYTES,
            ),
            seconds=SECONDS if remaining is None else min(SECONDS, remaining - ANSWER_SECONDS),
            context=rpc.context(context),
        )
        silent = [fill(isbn_matches_pb2.RecordLibrary(), library) for library in matches.silent]
        return fill(isbn_matches_pb2.IsbnMatches(not_answered=silent), matches)

    @reads
    def GetRecordCopy(
        self, request: isbn_matches_pb2.GetRecordCopyRequest, session: Session, caller: Context
    ) -> isbn_matches_pb2.GetRecordCopyReply:
        marc = copy_of_record(session, parse_id(request.id), context=caller)
        return isbn_matches_pb2.GetRecordCopyReply(marc=marc)

    def _outside_sources(self) -> Sources:
        try:
            return load_sources(self._settings.of(CatalogSettings))
        except Invalid as problem:  # doctor reports it
            log.warning("outside_sources_not_used", extra={"reason": problem.reason, **problem.facts})
            return {}

    @writes_once
    def CreateRecord(self, request: wire.CreateRecordRequest, session: Session, caller: Context) -> wire.SavedRecord:
        saved = records.create_record(session, records.read_marc(request.marc), context=caller)
        return fill(wire.SavedRecord(), saved)

    @reads
    def FindDuplicates(
        self, request: duplicates_pb2.FindDuplicatesRequest, session: Session, caller: Context
    ) -> duplicates_pb2.FindDuplicatesReply:
        found = find_duplicates(session, records.read_marc(request.marc), context=caller)
        duplicates = [
            fill(duplicates_pb2.DuplicateRecord(record=fill(browsing_pb2.Shown(), duplicate)), duplicate)
            for duplicate in found
        ]
        return duplicates_pb2.FindDuplicatesReply(duplicates=duplicates)

    @writes
    def ReplaceRecord(self, request: wire.ReplaceRecordRequest, session: Session, caller: Context) -> wire.SavedRecord:
        marc = records.read_marc(request.marc)
        saved = records.replace_record(session, request.id, marc, version=request.version, context=caller)
        return fill(wire.SavedRecord(), saved)

    @writes
    def DeleteRecord(
        self, request: wire.DeleteRecordRequest, session: Session, caller: Context
    ) -> wire.DeleteRecordReply:
        records.delete_record(session, request.id, version=request.version, context=caller)
        return wire.DeleteRecordReply()

    @writes_once
    def RestoreRecord(self, request: wire.RestoreRecordRequest, session: Session, caller: Context) -> wire.SavedRecord:
        saved = records.restore_record(
            session, request.id, of_version=request.of_version, version=request.version, context=caller
        )
        return fill(wire.SavedRecord(), saved)

    @reads
    def ListRecordVersions(
        self, request: wire.ListRecordVersionsRequest, session: Session, caller: Context
    ) -> wire.ListRecordVersionsReply:
        if request.limit > MOST_LISTED:
            raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=request.limit, most=MOST_LISTED)
        before = read_cursor(request.cursor, "versions", int)[0] if request.cursor else None
        most = request.limit or USUALLY_LISTED
        rest = records.list_versions(session, request.id, below=before, most=most + 1, context=caller)
        following = write_cursor("versions", rest[most - 1].version) if len(rest) > most else ""
        row = records.find_record(session, request.id, context=caller, with_deleted=True)
        return wire.ListRecordVersionsReply(
            versions=map(_wire_version, rest[:most]),
            cursor=following,
            title=facts_of_packed(row.marc).title,
            record_version=row.version,
            deleted_at=rpc.timestamp(row.deleted_at),
        )

    @reads
    def GetRecordVersion(
        self, request: wire.GetRecordVersionRequest, session: Session, caller: Context
    ) -> wire.GetRecordVersionReply:
        row = records.find_record(session, request.id, context=caller, with_deleted=True)
        return wire.GetRecordVersionReply(marc=marcjson.encode(records.find_version(row, request.version).record))

    @reads
    def ListOffers(self, request: wire.ListOffersRequest, session: Session, caller: Context) -> wire.ListOffersReply:
        hits, cursor = offers.list_offers(session, cursor=request.cursor, limit=request.limit, context=caller)
        return wire.ListOffersReply(offers=map(_wire_offer, hits), cursor=cursor)

    @reads
    def GetOffer(self, request: wire.GetOfferRequest, session: Session, caller: Context) -> wire.RecordOffer:
        return _wire_offer(offers.get_offer(session, request.id, context=caller))

    @writes_once
    def TakeOffer(self, request: wire.TakeOfferRequest, session: Session, caller: Context) -> wire.SavedRecord:
        saved = offers.take_offer(session, request.id, request.differences, version=request.version, context=caller)
        return fill(wire.SavedRecord(), saved)

    @writes
    def RefuseOffer(self, request: wire.RefuseOfferRequest, session: Session, caller: Context) -> wire.RefuseOfferReply:
        offers.refuse_offer(session, request.id, context=caller)
        return wire.RefuseOfferReply()


def _wire_offer(offer: Offer) -> wire.RecordOffer:
    differences = [
        wire.OfferedDifference(id=difference.id, difference=fill(wire.FieldDifference(), difference))
        for difference in offer.differences
    ]
    return wire.RecordOffer(
        id=str(offer.id),
        record_id=str(offer.record_id),
        record_version=offer.version,
        title=offer.title,
        offered_at=wire_moment(offer.offered_at),
        differences=differences,
    )


def _wire_version(version: Version) -> wire.RecordVersion:
    differences = [fill(wire.FieldDifference(), difference) for difference in version.differences]
    return wire.RecordVersion(
        version=version.version,
        made_at=wire_moment(datetime.fromisoformat(version.made_at)),
        actor=version.actor,
        act=version.act,
        differences=differences,
    )
