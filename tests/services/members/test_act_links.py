"""Links in notices: of one member, for one act, until they expire; nobody can make, guess or change one."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from chassis import clock
from chassis.ids import new_id
from chassis.rpc.client import sync_channel, token_verifier
from chassis.security.auth import Principal, act_scope
from chassis.security.encryption import MasterKey
from rangkiang.members.v1 import cards_pb2, members_pb2, people_pb2, requests_pb2
from rangkiang.members.v1 import contacts_pb2 as wire
from rangkiang.members.v1.members_pb2_grpc import MembersStub
from services.members.people import act_links
from tests.services.members.conftest import PKS, Office, bearer
from tests.services.members.desk import Desk, reasons

LOAN = "0192f3a4-0000-7000-8000-0000000000aa"
SUBJECT = f"{LOAN}:2026-12-01"


@pytest.fixture
def sender(office: Office) -> Any:
    return MembersStub(sync_channel("inproc:members", office.settings, caller="notifications"))


def link(member: str, act: str = "renew", subject: str = SUBJECT, *, days: float = 7) -> wire.ActLink:
    expires_at = Timestamp()
    expires_at.FromDatetime(clock.now() + timedelta(days=days))
    return wire.ActLink(member_id=member, act=act, subject=subject, expires_at=expires_at)


def make(sender: Any, *links: wire.ActLink) -> list[str]:
    return list(sender.MakeActLinks(wire.MakeActLinksRequest(links=links)).tokens)


def issue(office: Office, token: str) -> Any:
    return office.stub.IssueActToken(wire.IssueActTokenRequest(token=token))


def test_a_link_says_whose_it_is_and_gives_a_token_for_its_act_alone(office: Office, sender: Any) -> None:
    member = Desk(office).register("Siti Rahma", language="en").id
    (token,) = make(sender, link(member))
    assert len(token) == 75
    reply = issue(office, token)
    assert (reply.act, reply.subject, reply.language, reply.institution) == ("renew", SUBJECT, "en", "PKS")
    assert reply.token.expires_in_seconds == 300
    principal = token_verifier(office.settings).verify(f"Bearer {reply.token.token}")
    assert (principal.id, principal.institution) == (member, str(PKS))
    assert principal.scopes == {act_scope("renew", SUBJECT)}


def test_a_token_of_a_link_opens_nothing_of_the_account(office: Office, sender: Any) -> None:
    member = Desk(office).register("Siti Rahma", phone="081266001122").id
    (token,) = make(sender, link(member))
    metadata = [*bearer(issue(office, token).token), ("idempotency-key", "one")]
    calls = {
        "GetOwnMember": cards_pb2.GetOwnMemberRequest(),
        "ExportOwnMember": requests_pb2.ExportOwnMemberRequest(),
        "ListOwnConsents": requests_pb2.ListOwnConsentsRequest(),
        "AddOwnDataRequest": requests_pb2.AddOwnDataRequestRequest(kind="erasure"),
        "GetAccount": members_pb2.GetAccountRequest(),
        "GetMember": people_pb2.GetMemberRequest(id=member),
    }
    for method, request in calls.items():
        call = getattr(office.stub, method)
        assert reasons(lambda call=call, request=request: call(request, metadata=metadata)) == ["SCOPE_NEEDED"], method


def test_a_link_that_was_changed_anywhere_is_no_link(office: Office, sender: Any) -> None:
    member, other = (Desk(office).register(name).id for name in ("Siti Rahma", "Muhammad Yusuf"))
    (token,) = make(sender, link(member))
    raw = base64.urlsafe_b64decode(token + "=")
    forged = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in range(len(raw))]
    # Another member, another act, another loan, a later end; cut and made longer.
    (theirs,) = make(sender, link(other))
    forged += [
        raw[:1] + base64.urlsafe_b64decode(theirs + "=")[1:17] + raw[17:],
        b"\x02" + raw[1:],
        raw[:-1],
        raw + b"\x00",
        raw[:17] + (2**32 - 1).to_bytes(4, "big") + raw[21:],
        b"",
        b"\x01",
    ]
    texts = [base64.urlsafe_b64encode(altered).rstrip(b"=").decode() for altered in forged]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # The last letter has bits that no byte has: another text of the same bytes is refused.
    same_bytes = token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]
    texts += [same_bytes, f"{token}=", f" {token}", token + "A" * 300, "ä", "../../etc/passwd", "\x00"]
    for text in texts:
        assert reasons(lambda text=text: issue(office, text)) == ["ACT_LINK_INVALID"], text
    assert reasons(lambda: issue(office, token)) == []


def test_a_link_of_another_installation_is_no_link(office: Office, sender: Any) -> None:
    member = Desk(office).register("Siti Rahma").id
    wanted = act_links.ActLink(new_id(), "renew", SUBJECT, clock.now() + timedelta(days=1))
    assert reasons(lambda: issue(office, act_links.make_token(wanted, master=MasterKey.new()))) == ["ACT_LINK_INVALID"]
    assert reasons(lambda: issue(office, make(sender, link(member))[0])) == []


def test_a_link_ends(office: Office, sender: Any) -> None:
    member = Desk(office).register("Siti Rahma").id
    (token,) = make(sender, link(member, days=2))
    with clock.frozen(clock.now() + timedelta(days=1, hours=23)):
        assert reasons(lambda: issue(office, token)) == []
    with clock.frozen(clock.now() + timedelta(days=2)):
        assert reasons(lambda: issue(office, token)) == ["ACT_LINK_EXPIRED"]
    assert reasons(lambda: make(sender, link(member, days=61))) == ["ACT_LINK_LIFE"]


def test_a_link_of_an_erased_member_is_void_and_one_of_a_merged_member_is_the_kept_ones(
    office: Office, sender: Any
) -> None:
    desk = Desk(office, "administrator")
    kept, merged, erased = (desk.register(name).id for name in ("Siti Rahma", "Muhammad Yusuf", "Rosna Dewi"))
    of_merged, of_erased = make(sender, link(merged), link(erased))
    desk.call("MergeMembers", people_pb2.MergeMembersRequest(id=kept, merged_id=merged))
    desk.call("EraseMember", people_pb2.EraseMemberRequest(id=erased))
    assert reasons(lambda: issue(office, of_erased)) == ["ACT_LINK_INVALID"]
    token = issue(office, of_merged).token.token
    assert token_verifier(office.settings).verify(f"Bearer {token}").id == kept


def test_a_link_is_about_what_its_act_is_about(office: Office, sender: Any) -> None:
    member = Desk(office).register("Siti Rahma").id
    (token,) = make(sender, link(member, "opt_out", "loan_overdue"))
    reply = issue(office, token)
    assert (reply.act, reply.subject) == ("opt_out", "loan_overdue")
    wrong = [
        ("renew", LOAN),
        ("renew", f"{LOAN}:yesterday"),
        ("renew", "x:2026-12-01"),
        ("opt_out", "a b"),
        ("opt_out", ""),
    ]
    for act, subject in wrong:
        request = link(member, act, subject)
        assert reasons(lambda request=request: make(sender, request)) == ["ACT_SUBJECT_INVALID"]
    assert reasons(lambda: make(sender, link(member, "erase"))) == ["ACT_UNKNOWN"]
    assert reasons(lambda: make(sender, *[link(member)] * 501)) == ["MEMBER_TOO_MANY"]


def test_a_member_who_wrote_from_their_number_has_a_token_for_few_acts(office: Office, sender: Any) -> None:
    member = Desk(office).register("Siti Rahma").id

    def principal(act: str, subject: str = "") -> Principal:
        request = wire.IssueMemberActTokenRequest(member_id=member, act=act, subject=subject)
        token = sender.IssueMemberActToken(request).token.token
        return token_verifier(office.settings).verify(f"Bearer {token}")

    def scopes(act: str, subject: str = "") -> frozenset[str]:
        return principal(act, subject).scopes

    # The key of a renewal belongs to the session: with another one it would not be known after a crash.
    assert principal("renew_all").session == principal("renew_all").session
    assert principal("renew_all").session != principal("loans").session
    assert scopes("loans") == {act_scope("loans")}
    assert scopes("renew_all") == {act_scope("renew_all")}
    assert scopes("opt_out", "all") == {act_scope("opt_out", "all")}
    assert reasons(lambda: scopes("self")) == ["ACT_UNKNOWN"]
    assert reasons(lambda: scopes("loans", "x self")) == ["ACT_SUBJECT_INVALID"]
    assert reasons(lambda: scopes("opt_out", "x self")) == ["ACT_SUBJECT_INVALID"]
    for method in ("MakeActLinks", "IssueMemberActToken"):
        call = getattr(Desk(office, "administrator").office.stub, method)
        request = getattr(wire, f"{method}Request")()
        assert reasons(lambda call=call, request=request: call(request)) == ["SERVICE_ONLY"]
