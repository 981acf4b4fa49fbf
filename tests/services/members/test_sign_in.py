"""Sign-in: passwords, second factor, pauses after failures, sessions, roles, clients, and forged tokens."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import jwt
import pytest

from chassis import clock
from chassis.errors import Forbidden, Unauthenticated
from chassis.security import auth
from chassis.security.auth import Principal
from rangkiang.members.v1 import cards_pb2, members_pb2, staff_pb2
from rangkiang.members.v1 import sign_in_pb2 as wire
from services.members.keys import PUBLISHED_FIRST, Keys, public_keys, rotate_signing_key
from services.members.settings import MembersSettings
from services.members.sign_in import accounts, passwords
from tests.migrated import every_row
from tests.services.members.conftest import PASSWORD, PKS, TEST, Office, account, bearer, refusal


def test_staff_sign_in_with_the_password_of_their_link(office: Office) -> None:
    office.staff("budi", "desk")
    reply = office.sign_in(" Budi ")
    assert (reply.account.user, reply.account.institution, list(reply.account.roles)) == ("budi", "PKS", ["desk"])
    assert account(office, reply.token).name == "Budi"
    assert reply.token.expires_in_seconds == 300


def test_an_unknown_user_and_a_wrong_password_have_one_answer(office: Office) -> None:
    office.staff("budi", "desk")
    for user in ("budi", "nobody", "", "budi'; --", "ﷺ" * 200):
        with pytest.raises(Unauthenticated) as raised:
            office.sign_in(user, "wrong password")
        assert (raised.value.reason, raised.value.facts) == ("SIGN_IN_FAILED", {})


def test_failures_of_a_user_at_one_address_lead_to_a_pause_that_ends(office: Office) -> None:
    office.staff("budi", "desk")
    # A slow machine takes longer than the first pause.
    with clock.frozen(clock.now()):
        for user in ("budi", "nobody"):
            reasons = [refusal(lambda user=user: office.sign_in(user, "wrong", address="10.0.0.9")) for _ in range(7)]
            assert reasons == ["SIGN_IN_FAILED"] * 5 + ["SIGN_IN_PAUSED"] * 2
        assert refusal(lambda: office.sign_in("budi", address="10.0.0.9")) == "SIGN_IN_PAUSED"
        assert office.sign_in("budi", address="10.0.0.7").account.user == "budi"
    with clock.frozen(clock.now() + timedelta(seconds=30)):
        assert office.sign_in("budi", address="10.0.0.9").account.user == "budi"


def test_a_right_password_takes_back_its_failures(office: Office) -> None:
    office.staff("budi", "desk")
    for _ in range(3):
        for _ in range(4):
            assert refusal(lambda: office.sign_in("budi", "wrong", address="10.0.0.9")) == "SIGN_IN_FAILED"
        office.sign_in("budi", address="10.0.0.9")


def test_an_administrator_needs_a_code_and_each_code_works_once(office: Office) -> None:
    office.staff("siti", "administrator")
    assert refusal(lambda: office.sign_in("siti")) == "TOTP_REQUIRED"
    assert refusal(lambda: office.sign_in("siti", "wrong")) == "SIGN_IN_FAILED"
    with clock.frozen(clock.now() + timedelta(seconds=60)):
        code = office.code("siti")
        assert refusal(lambda: office.sign_in("siti", totp="000000")) == "SIGN_IN_FAILED"
        assert office.sign_in("siti", totp=code).account.has_second_factor
        assert refusal(lambda: office.sign_in("siti", totp=code)) == "SIGN_IN_FAILED"


def test_guesses_of_the_code_lead_to_a_pause_although_the_right_password_is_sent_between_them(office: Office) -> None:
    office.staff("siti", "administrator")
    with clock.frozen(clock.now() + timedelta(seconds=60)):
        for _ in range(5):
            assert refusal(lambda: office.sign_in("siti", address="10.0.0.9")) == "TOTP_REQUIRED"
            assert refusal(lambda: office.sign_in("siti", address="10.0.0.9", totp="000000")) == "SIGN_IN_FAILED"
        assert refusal(lambda: office.sign_in("siti", address="10.0.0.9")) == "TOTP_REQUIRED"
        right = office.code("siti")
        assert refusal(lambda: office.sign_in("siti", address="10.0.0.9", totp=right)) == "SIGN_IN_PAUSED"
        assert office.sign_in("siti", address="10.0.0.7", totp=right).account.user == "siti"


def test_a_link_works_once_and_for_a_day(office: Office) -> None:
    office.staff("siti", "administrator")
    with clock.frozen(clock.now() + timedelta(seconds=60)):
        token = office.sign_in("siti", totp=office.code("siti")).token
        request = staff_pb2.AddStaffRequest(user="rani", name="Rani", roles=["desk"])
        first = office.stub.AddStaff(request, metadata=[*bearer(token), ("idempotency-key", "a-1")])
        request.user = "dewi"
        second = office.stub.AddStaff(request, metadata=[*bearer(token), ("idempotency-key", "a-2")])
    use = wire.UseLinkRequest(link=first.link, password="short")
    assert refusal(lambda: office.stub.UseLink(use)) == "PASSWORD_TOO_SHORT"
    use.password = PASSWORD
    assert office.stub.UseLink(use).user == "rani"
    assert refusal(lambda: office.stub.UseLink(use)) == "LINK_INVALID"
    assert refusal(lambda: office.stub.GetLink(wire.GetLinkRequest(link="invented"))) == "LINK_INVALID"
    with clock.frozen(clock.now() + timedelta(hours=25)):
        assert refusal(lambda: office.stub.GetLink(wire.GetLinkRequest(link=second.link))) == "LINK_INVALID"


@pytest.mark.parametrize(
    "password", ["password", "12345678", "11111111", "rahasia123", "perpustakaan", "budi1234", "qwertyuiop"]
)
def test_a_password_that_is_easy_to_guess_is_refused(office: Office, password: str) -> None:
    office.staff("budi", "desk")
    token = office.sign_in("budi").token
    request = members_pb2.ChangePasswordRequest(password=PASSWORD, new_password=password)
    assert refusal(lambda: office.stub.ChangePassword(request, metadata=bearer(token))) == "PASSWORD_COMMON"


def test_a_new_password_ends_the_other_sessions(office: Office) -> None:
    office.staff("budi", "desk")
    phone, desk = office.sign_in("budi"), office.sign_in("budi")
    request = members_pb2.ChangePasswordRequest(password=PASSWORD, new_password="tiga kata lain lagi")
    office.stub.ChangePassword(request, metadata=bearer(desk.token))
    office.stub.RenewToken(wire.RenewTokenRequest(session=desk.session))
    with pytest.raises(Unauthenticated, match="SESSION_ENDED"):
        office.stub.RenewToken(wire.RenewTokenRequest(session=phone.session))
    assert refusal(lambda: office.sign_in("budi")) == "SIGN_IN_FAILED"


@pytest.mark.parametrize("act", ["sign_in", "change"])
def test_an_act_that_is_slower_than_a_change_of_its_password_is_refused(
    office: Office, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account_id = office.staff("siti", "desk")
    token = office.sign_in("siti").token
    change = members_pb2.ChangePasswordRequest(password=PASSWORD, new_password="lampu perahu kemarau")
    slow_act, reason = {
        "sign_in": (lambda: office.sign_in("siti"), "SIGN_IN_FAILED"),
        "change": (lambda: office.stub.ChangePassword(change, metadata=bearer(token)), "PASSWORD_WRONG"),
    }[act]
    compute, is_waiting = passwords.compute, threading.Event()
    are_busy, end = threading.Barrier(passwords.AT_ONCE + 1), threading.Event()

    def compute_slowly(work: Callable[[], bool]) -> bool:
        is_waiting.set()
        return compute(work)

    monkeypatch.setattr(passwords, "compute", compute_slowly)
    with ThreadPoolExecutor(1 + passwords.AT_ONCE) as calls:
        for _ in range(passwords.AT_ONCE):
            calls.submit(compute, lambda: (are_busy.wait(), end.wait()))
        are_busy.wait()
        slow = calls.submit(refusal, slow_act)
        # All threads wait for the event; the call waits for a thread after it has read the account.
        assert is_waiting.wait(timeout=30)
        with office.database.transaction(TEST) as session:
            accounts.store_password(session, accounts.staff_account(session, account_id), "another hash")
        end.set()
        assert slow.result() == reason
    with office.database.reading(TEST) as session:
        assert accounts.staff_account(session, account_id).password_hash == "another hash"


def test_staff_must_sign_in_again_after_half_an_hour_without_a_request(office: Office) -> None:
    office.staff("budi", "desk")
    session, start = office.sign_in("budi").session, clock.now()
    renew = wire.RenewTokenRequest(session=session)
    for minutes, reason in ((20, ""), (45, ""), (76, "SESSION_ENDED")):
        with clock.frozen(start + timedelta(minutes=minutes)):
            assert refusal(lambda: office.stub.RenewToken(renew)) == reason


def test_a_token_of_an_ended_session_is_refused_within_twenty_seconds(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.staff("budi", "desk")
    reply = office.sign_in("budi")
    assert account(office, reply.token).user == "budi"
    office.stub.SignOut(wire.SignOutRequest(session=reply.session))
    assert auth.STATE_SECONDS < 20
    monkeypatch.setattr(auth, "STATE_SECONDS", 0.0)  # the state is read for each call
    with pytest.raises(Unauthenticated, match="SESSION_ENDED"):
        account(office, reply.token)


def test_an_expired_token_is_refused(office: Office) -> None:
    office.staff("budi", "desk")
    token = office.sign_in("budi").token
    with clock.frozen(clock.now() + timedelta(seconds=301)), pytest.raises(Unauthenticated, match="TOKEN_EXPIRED"):
        account(office, token)


def test_a_new_key_is_published_before_it_signs_and_tokens_of_the_old_one_stay_valid(office: Office) -> None:
    office.staff("budi", "desk")
    before = office.sign_in("budi").token
    caller = Principal(account(office, before).id, str(PKS), "s", frozenset({"account"}))
    with office.database.transaction(TEST) as session:
        new_key = rotate_signing_key(session, office.keys.master).id
    with office.database.reading(TEST) as session:
        assert {key.id for key in public_keys(session)} == {key_of(before.token), new_key}
    assert key_of(another_process(office).sign(caller)) == key_of(before.token)
    with clock.frozen(clock.now() + PUBLISHED_FIRST):
        after = another_process(office).sign(caller)
        assert key_of(after) == new_key
        for token in (before.token, after):
            assert account(office, token).user == "budi"


def test_two_new_keys_sign_one_after_the_other(office: Office) -> None:
    first = office.keys.signing_key()[0]
    start, later = clock.now(), PUBLISHED_FIRST / 3
    with office.database.transaction(TEST) as session:
        second = rotate_signing_key(session, office.keys.master).id
    with clock.frozen(start + later), office.database.transaction(TEST) as session:
        third = rotate_signing_key(session, office.keys.master).id
    signers = []
    for seconds in (later, PUBLISHED_FIRST + later / 2, PUBLISHED_FIRST + 2 * later):
        with clock.frozen(start + seconds):
            signers.append(another_process(office).signing_key()[0])
    assert signers == [first, second, third]


def another_process(office: Office) -> Keys:
    """The keys of a process that has signed nothing yet."""
    return Keys(office.database, office.settings.of(MembersSettings))


def key_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def test_a_method_needs_its_scope_and_a_token(office: Office) -> None:
    office.staff("budi", "desk")
    token = office.sign_in("budi").token
    with pytest.raises(Forbidden) as refused:
        office.stub.ListStaff(staff_pb2.ListStaffRequest(), metadata=bearer(token))
    assert (refused.value.reason, refused.value.facts) == ("SCOPE_NEEDED", {"scope": "staff.manage"})
    with pytest.raises(Unauthenticated, match="SIGN_IN_NEEDED"):
        office.stub.ListStaff(staff_pb2.ListStaffRequest())


def test_no_password_secret_or_code_is_readable_in_the_database(office: Office) -> None:
    office.staff("siti", "administrator")
    with clock.frozen(clock.now() + timedelta(seconds=60)):
        reply = office.sign_in("siti", totp=office.code("siti"))
    secrets = [PASSWORD, reply.session, reply.token.token, office.totp["siti"].secret]
    with office.database.reading(TEST) as session:
        tables = ("accounts", "sessions", "links", "signing_keys", "failed_attempts", "outbox")
        content = "".join(repr(session.execute(every_row(table)).all()) for table in tables)
    assert not [secret for secret in secrets if secret in content]


@pytest.mark.parametrize("lacking", ["places", "threads"])
def test_sign_ins_beyond_two_at_a_time_and_four_waiting_are_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    office.staff("budi", "desk")
    # Without a place a sign-in is refused before it is counted, and without a thread its count is taken back.
    end = threading.Event()
    with contextlib.ExitStack() as taken:
        taken.callback(end.set)
        if lacking == "places":
            for _ in range(passwords.AT_ONCE + passwords.MOST_WAITING):
                taken.enter_context(passwords.place())
        else:
            are_busy = threading.Barrier(passwords.AT_ONCE + 1)
            for _ in range(passwords.AT_ONCE):
                work = partial(passwords.compute, lambda: (are_busy.wait(), end.wait()))
                threading.Thread(target=work, daemon=True).start()
            are_busy.wait()
        monkeypatch.setattr(passwords, "WAIT_SECONDS", 0.001)
        # Of 70 readers at one address nobody's password is compared, so nobody has failed.
        for _ in range(70):
            assert refusal(lambda: office.sign_in("budi", address="10.0.0.9")) == "SIGN_IN_BUSY"
        use = cards_pb2.UseSlipRequest(number="1000000018", code="WRONG", password=PASSWORD, address="10.0.0.9")
        for _ in range(7):
            assert refusal(lambda: office.stub.UseSlip(use)) == "SIGN_IN_BUSY"
    monkeypatch.undo()
    assert office.sign_in("budi", address="10.0.0.9").session
    assert refusal(lambda: office.stub.UseSlip(use)) == "SLIP_REFUSED"


def test_a_clock_that_is_set_back_makes_nobody_wait(office: Office) -> None:
    office.staff("siti", "desk")
    with clock.frozen(clock.now() + timedelta(minutes=20)), pytest.raises(Unauthenticated):
        office.sign_in("siti", "a wrong password", address="192.0.2.1")
    assert office.sign_in("siti", address="192.0.2.1").session
