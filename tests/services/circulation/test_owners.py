"""An item or a member that is not known here is asked of its owner once, with the caller's own token."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from chassis.errors import NotFound, Unavailable
from chassis.rpc import inproc
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogServicer, add_CatalogServicer_to_server
from rangkiang.catalog.v1.events_pb2 import ItemCopy
from rangkiang.catalog.v1.items_pb2 import GetItemCopyReply
from rangkiang.members.v1.events_pb2 import GetMemberFactReply
from rangkiang.members.v1.members_pb2_grpc import MembersServicer, add_MembersServicer_to_server
from tests.services.circulation.library import BRANCHES, MANAGER, PKS, Library, at, reasons

TOKEN = ("authorization", "Bearer of-the-desk")


class Catalog(CatalogServicer):
    """Knows one item."""

    questions: list[str]

    def GetItemCopy(self, request: Any, _context: Any) -> GetItemCopyReply:
        self.questions.append(request.barcode or request.id)
        if request.barcode != "B-NEW":
            raise NotFound("COPY_UNKNOWN", given=request.barcode)
        return GetItemCopyReply(
            item=ItemCopy(
                id=str(uuid.uuid4()),
                version=1,
                institution_id=str(PKS),
                barcode="B-NEW",
                status="in_service",
                branch_id=str(BRANCHES["pusat"]),
                collection="circulation",
                title="Baru",
            )
        )


class Members(MembersServicer):
    """Knows one member, and does not answer when it is away."""

    member: Any
    is_away = False

    def GetMemberFact(self, request: Any, _context: Any) -> GetMemberFactReply:
        if self.is_away:
            raise Unavailable("SERVICE_UNAVAILABLE", service="members", code="UNAVAILABLE")
        if request.member not in self.member.numbers:
            raise NotFound("BORROWER_UNKNOWN", given=request.member)
        return GetMemberFactReply(member=self.member)


@pytest.fixture
def owners(library: Library) -> Iterator[SimpleNamespace]:
    verifier: Any = SimpleNamespace(
        verify=lambda authorization: SimpleNamespace(
            id="desk", institution=str(PKS), session="s", scopes=MANAGER if authorization == TOKEN[1] else frozenset()
        )
    )
    catalog: Any = type("Known", (Catalog,), {"questions": []})()
    members: Any = type("Known", (Members,), {"member": library.member_copy()})()
    inproc.register("catalog", catalog, add_CatalogServicer_to_server, verifier=verifier)
    inproc.register("members", members, add_MembersServicer_to_server, verifier=verifier)
    with at("2026-03-02T09:00:00+07:00"):
        yield SimpleNamespace(catalog=catalog, members=members)
    inproc.unregister("catalog")
    inproc.unregister("members")


@pytest.fixture(autouse=True)
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.services.circulation.library.GrpcContext.invocation_metadata", lambda _self: (TOKEN,))


def test_an_unknown_item_and_member_are_asked_of_their_owners_once(library: Library, owners: SimpleNamespace) -> None:
    member = owners.members.member.numbers[0]
    assert library.check_out(member, "B-NEW").loan.item.title == "Baru"
    library.check_in("B-NEW")
    assert owners.catalog.questions == ["B-NEW"]


def test_an_item_or_member_stays_unknown_when_its_owner_does_not_know_it_or_does_not_answer(
    library: Library, owners: SimpleNamespace
) -> None:
    assert reasons(lambda: library.check_out("C-NEW", "B-OLD")) == {"COPY_UNKNOWN", "BORROWER_UNKNOWN"}
    owners.members.is_away = True
    member = owners.members.member.numbers[0]
    assert reasons(lambda: library.check_out(member, "B-NEW")) == {"BORROWER_UNKNOWN"}
    assert library.check_out(library.member(), "B-NEW").loan.id, "lending goes on"
