"""Copies are filled from the snapshots of the catalogue and of members, page by page."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import grpc
import pytest
from sqlalchemy import select

from chassis.operations.resync import fill
from chassis.rpc import inproc
from chassis.service import Resources
from rangkiang.catalog.v1 import catalog_pb2 as catalog
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogServicer, add_CatalogServicer_to_server
from rangkiang.catalog.v1.events_pb2 import BranchCopy, InstitutionCopy, ItemCopy
from rangkiang.common.v1.text_pb2 import LocalText
from rangkiang.members.v1 import events_pb2 as members
from rangkiang.members.v1.members_pb2_grpc import MembersServicer, add_MembersServicer_to_server
from services.circulation.service import SERVICE
from services.circulation.tables import Borrower, Branch, Copy, Loan
from tests.services.circulation.library import BRANCHES, PKS, TEST, Library, at

NEW_BRANCH = str(uuid.uuid4())
ITEMS = [ItemCopy(id=str(uuid.uuid4()), institution_id=str(PKS), version=1, barcode=f"S{n:03}") for n in range(250)]


class Catalog(CatalogServicer):
    """A catalogue with one institution, and two pages of items."""

    def Snapshot(self, request: catalog.SnapshotRequest, _context: grpc.ServicerContext) -> catalog.SnapshotReply:
        if request.of == "institutions":
            branch = BranchCopy(id=NEW_BRANCH, code="baru", name=LocalText(id="Baru", en="New"), zone="Asia/Makassar")
            return catalog.SnapshotReply(
                institutions=[InstitutionCopy(id=str(PKS), version=9, code="PKS", kind="public", branches=[branch])]
            )
        start = int(request.cursor or 0)
        return catalog.SnapshotReply(items=ITEMS[start : start + 200], cursor="" if start else "200")


class Members(MembersServicer):
    """Members with one member, and one who was erased."""

    erased_id = ""

    def Snapshot(self, _request: members.SnapshotRequest, _context: grpc.ServicerContext) -> members.SnapshotReply:
        member = members.MemberCopy(id=str(uuid.uuid4()), institution_id=str(PKS), version=1, numbers=["S1"])
        return members.SnapshotReply(members=[member], erased_ids=[self.erased_id, str(uuid.uuid4())])


@pytest.fixture
def owner_of_members() -> Iterator[Members]:
    servicer = Members()
    inproc.register("catalog", Catalog(), add_CatalogServicer_to_server)
    inproc.register("members", servicer, add_MembersServicer_to_server)
    yield servicer
    inproc.unregister("catalog")
    inproc.unregister("members")


def test_every_page_is_stored_and_erased_members_leave_their_loans(library: Library, owner_of_members: Members) -> None:
    card = library.member()
    with at("2026-03-02T09:00:00+07:00"):
        library.check_out(card, library.item())
    (borrower,) = library.rows(Borrower)
    owner_of_members.erased_id = str(borrower.id)
    urls = {"catalog": "inproc:catalog", "members": "inproc:members"}
    resources = Resources(library.settings.model_copy(update={"service_urls": urls}), library.database, SERVICE)
    counts = {projection.name: fill(resources, projection) for projection in SERVICE.projections}
    assert counts == {"institutions": 1, "items": 250, "members": 1}
    with library.database.reading(TEST) as session:
        assert session.get_one(Branch, uuid.UUID(NEW_BRANCH)).zone == "Asia/Makassar"
        assert set(BRANCHES.values()) < set(session.scalars(select(Branch.id)))
        assert len(session.scalars(select(Copy.id)).all()) == 251
        assert session.get_one(Borrower, borrower.id).is_erased
        assert session.scalars(select(Loan.borrower_id)).all() == [None]
