"""A limited token, which a link in a notice gives, shows or renews one loan of its member and no more."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.rpc import inproc
from chassis.rpc.client import sync_channel
from chassis.security.auth import Principal, TokenState, TokenVerifier, act_scope, sign_token
from chassis.urls import resolve
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.circulation.v1.circulation_pb2_grpc import CirculationStub
from services.circulation.service import SERVICE
from services.circulation.tables import Borrower, Loan
from tests.services.circulation.library import PKS, at, reasons

Call = Callable[..., Any]


@pytest.fixture
def call(library) -> Iterator[Call]:
    """Call a method through the interceptors, with a token for an act on a subject."""
    key = Ed25519PrivateKey.generate()
    state = TokenState({"one": key.public_key().public_bytes_raw()}, frozenset())
    adder = resolve(SERVICE.adder)
    inproc.register("circulation", library.servicer, adder, verifier=TokenVerifier(lambda: state))
    stub = CirculationStub(sync_channel("inproc:circulation", library.settings))

    def do(method: str, request: Any, *, member: str, scope: str, key_text: str = "", session: str = "") -> Any:
        principal = Principal(
            id=member, institution=str(PKS), session=session or str(uuid.uuid4()), scopes=frozenset([scope])
        )
        token = sign_token(principal, key_id="one", private_key=key.private_bytes_raw())
        metadata = [("authorization", f"Bearer {token}"), ("idempotency-key", key_text or str(uuid.uuid4()))]
        return getattr(stub, method)(request, metadata=metadata)

    yield do
    inproc.unregister("circulation")


@pytest.fixture(autouse=True)
def monday():
    with at("2026-03-02T09:00:00+07:00"):
        yield


def lend(library) -> tuple[str, Any]:
    """Lend an item to a new member. Returns the member's id, and the loan."""
    card = library.member()
    loan = library.check_out(card, library.item()).loan
    (borrower,) = library.rows(Borrower, Borrower.card == card)
    return str(borrower.id), loan


def subject(loan: Any) -> str:
    return f"{loan.id}:{loan.due_on}"


def test_it_shows_and_renews_the_loan_once(library, call):
    member, loan = lend(library)
    scope = act_scope("renew", subject(loan))
    shown = call("GetOwnLoan", wire.GetOwnLoanRequest(id=loan.id, due_on=loan.due_on), member=member, scope=scope)
    assert (shown.loan.item.title, shown.loan.due_on, list(shown.refusals)) == (loan.item.title, loan.due_on, [])
    assert library.rows(Loan)[0].version == 1
    renew = wire.RenewOwnLoanRequest(id=loan.id, due_on=loan.due_on)
    with at("2026-03-05T09:00:00+07:00"):
        assert call("RenewOwnLoan", renew, member=member, scope=scope).loan.due_on == "2026-03-16"
        assert reasons(lambda: call("RenewOwnLoan", renew, member=member, scope=scope)) == {"LOAN_DUE_DAY_CHANGED"}
        shown = call("GetOwnLoan", wire.GetOwnLoanRequest(id=loan.id, due_on=loan.due_on), member=member, scope=scope)
    assert shown.loan.due_on == "2026-03-16"
    assert [refusal.reason for refusal in shown.refusals] == ["LOAN_DUE_DAY_CHANGED"]
    assert library.rows(Loan)[0].renewals == 1


def test_it_is_of_one_loan_one_day_and_one_act(library, call):
    member, loan = lend(library)
    other = library.check_out(library.rows(Borrower)[0].card, library.item()).loan
    scope = act_scope("renew", subject(loan))
    refused = [
        ("RenewOwnLoan", wire.RenewOwnLoanRequest(id=other.id, due_on=other.due_on)),
        ("GetOwnLoan", wire.GetOwnLoanRequest(id=other.id, due_on=other.due_on)),
        ("RenewOwnLoan", wire.RenewOwnLoanRequest(id=loan.id)),
        ("RenewOwnLoan", wire.RenewOwnLoanRequest(id=loan.id, due_on="2026-03-16")),
        ("RenewOwnLoan", wire.RenewOwnLoanRequest(id=f"{loan.id}:", due_on=loan.due_on)),
        ("RenewOwnLoans", wire.RenewOwnLoansRequest()),
        ("ListOwnLoans", wire.ListOwnLoansRequest()),
        ("RenewLoan", wire.RenewLoanRequest(id=loan.id)),
        ("CheckIn", wire.CheckInRequest(item=loan.item.barcode, branch="PKS/pusat")),
        ("ListLoans", wire.ListLoansRequest()),
    ]
    for method, request in refused:
        found = reasons(lambda method=method, request=request: call(method, request, member=member, scope=scope))
        assert found == {"SCOPE_NEEDED"}, method
    for scope in ("act:renew:", "act:renew", "act::", "renew", act_scope("loans"), f"act:renew:{loan.id}"):
        request = wire.RenewOwnLoanRequest(id=loan.id, due_on=loan.due_on)
        found = reasons(lambda request=request, scope=scope: call("RenewOwnLoan", request, member=member, scope=scope))
        assert found == {"SCOPE_NEEDED"}, scope


def test_the_loan_of_another_member_is_unknown(library, call):
    _, loan = lend(library)
    other, _ = lend(library)
    scope = act_scope("renew", subject(loan))
    for method, request in (
        ("GetOwnLoan", wire.GetOwnLoanRequest(id=loan.id, due_on=loan.due_on)),
        ("RenewOwnLoan", wire.RenewOwnLoanRequest(id=loan.id, due_on=loan.due_on)),
    ):
        found = reasons(lambda method=method, request=request: call(method, request, member=other, scope=scope))
        assert found == {"LOAN_UNKNOWN"}


def test_a_returned_loan_says_that_it_was_returned(library, call):
    member, loan = lend(library)
    library.check_in(loan.item.barcode)
    scope = act_scope("renew", subject(loan))
    request = wire.RenewOwnLoanRequest(id=loan.id, due_on=loan.due_on)
    assert reasons(lambda: call("RenewOwnLoan", request, member=member, scope=scope)) == {"LOAN_ENDED"}


def test_a_token_for_the_loans_lists_them_and_one_for_all_renews_them(library, call):
    member, loan = lend(library)
    listed = call("ListOwnLoans", wire.ListOwnLoansRequest(), member=member, scope=act_scope("loans"))
    assert [listed_loan.id for listed_loan in listed.loans] == [loan.id]
    scope = act_scope("renew_all")
    assert reasons(lambda: call("ListOwnLoans", wire.ListOwnLoansRequest(), member=member, scope=scope)) == {
        "SCOPE_NEEDED"
    }
    with at("2026-03-05T09:00:00+07:00"):
        renewed = call("RenewOwnLoans", wire.RenewOwnLoansRequest(), member=member, scope=scope)
    assert [renewal.is_renewed for renewal in renewed.renewals] == [True]


def test_loans_that_are_renewed_by_whatsapp_again_after_a_crash_are_renewed_once(library, call):
    """The sender of answers has another token then, of the same session, and the same key."""
    member, _ = lend(library)
    values = {"member": member, "scope": act_scope("renew_all"), "session": str(uuid.uuid4()), "key_text": "whatsapp-1"}
    with at("2026-03-05T09:00:00+07:00"):
        first = call("RenewOwnLoans", wire.RenewOwnLoansRequest(), **values)
    with at("2026-03-06T09:00:00+07:00"):
        again = call("RenewOwnLoans", wire.RenewOwnLoansRequest(), **values)
    assert again == first
    assert library.rows(Loan)[0].renewals == 1


def test_a_full_token_needs_no_act(library, call):
    member, loan = lend(library)
    with at("2026-03-05T09:00:00+07:00"):
        reply = call("RenewOwnLoan", wire.RenewOwnLoanRequest(id=loan.id), member=member, scope="self")
    assert reply.loan.due_on == "2026-03-16"
