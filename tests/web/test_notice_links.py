"""Pages that links in notices open: they show a loan and renew it on POST alone, without a session or a cookie."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from chassis import clock
from chassis.context import system
from gateway.limits import Buckets
from gateway.web.account import notice_links
from services.circulation.tables import Borrower, Copy, Loan
from services.members.keys import Keys
from services.members.people.act_links import ActLink, make_token
from services.members.settings import MembersSettings
from services.notifications.tables import Preference
from tests.fakes.accounts import Staff, add_staff, new_user
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import running, served_catalog, served_gateway
from tests.servers.processes import free_port
from tests.web.accessibility import check_accessibility
from tests.web.conftest import PHONE, Visit
from tests.web.scans import Shelf, at_desk, new_card, scan
from tests.web.visitors import Visitor

TEST = system("test")


@pytest.fixture(scope="module")
def shelf(address: str) -> Shelf:
    return Shelf()


@pytest.fixture(scope="module")
def manager(address: str) -> Staff:
    return add_staff(new_user("manager"), "manager", name="Budi Santoso")


@pytest.fixture(scope="module")
def desk(address: str, manager: Staff, shelf: Shelf) -> Iterator[Visitor]:
    with at_desk(address, manager) as desk:
        yield desk


@pytest.fixture(autouse=True)
def no_earlier_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the failures of other tests."""
    monkeypatch.setattr(notice_links, "failures", Buckets(notice_links.MOST_FAILURES))


@pytest.fixture
def mail(address: str) -> Iterator[httpx.Client]:
    """The browser of somebody who has only the link."""
    with httpx.Client(
        base_url=address, timeout=20, headers={"Accept": "text/html", "Accept-Language": "en"}, verify=False
    ) as http:
        yield http


def lend(desk: Visitor, shelf: Shelf) -> Loan:
    """Lend an item to a new member."""
    number = new_card(desk, f"Peminjam {new_user('x')[2:]}")
    [item] = shelf.take(1)
    desk.open("/desk")
    scan(desk, number)
    scan(desk, item)
    scan(desk, "", act="finish")
    with running["circulation"].database.reading(TEST) as session:
        return session.scalars(
            select(Loan).join(Borrower, Borrower.id == Loan.borrower_id).where(Borrower.card == number)
        ).one()


def link_of(member: UUID | None, act: str, subject: str, *, days: float = 7) -> str:
    resources = running["members"]
    master = Keys(resources.database, resources.settings.of(MembersSettings)).master
    assert member is not None
    return "/l/" + make_token(ActLink(member, act, subject, clock.now() + timedelta(days=days)), master=master)


def renewal_link(loan: Loan) -> str:
    return link_of(loan.borrower_id, "renew", f"{loan.id}:{loan.due_on.isoformat()}")


def stored(loan: Loan) -> tuple[int, int]:
    """(version, renewals) of a loan."""
    with running["circulation"].database.reading(TEST) as session:
        row = session.get_one(Loan, loan.id)
        return row.version, row.renewals


def test_a_link_shows_its_loan_and_renews_it_when_the_form_is_sent(
    desk: Visitor, shelf: Shelf, mail: httpx.Client, visit: Visit
) -> None:
    loan = lend(desk, shelf)
    link = renewal_link(loan)
    for method in ("GET", "HEAD", "GET", "HEAD"):
        response = mail.request(method, link)
        assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
        assert "set-cookie" not in response.headers
    assert stored(loan) == (1, 0), "a mail scanner that opens the link renews nothing"
    page = visit(link, size=PHONE)
    check_accessibility(page)
    shown = mail.get(link).text
    assert "Due " in shown
    for act in ("", "opt_out"):
        assert mail.post(link, data={"act": act}).status_code == 404
    assert mail.post(link, data={"List-Unsubscribe": "One-Click"}).status_code == 404
    assert stored(loan) == (1, 0)
    answers = [mail.post(link, data={"act": "renew"}) for _ in range(2)]
    for answer in answers:
        assert answer.status_code == 200
        assert "Renewed. It is due" in answer.text
    assert stored(loan) == (2, 1), "the second click has the answer of the first"
    assert "was already renewed or moved: it is now due on" in mail.get(link).text
    assert '<button class="go">Renew' not in mail.get(link).text


def test_a_refused_renewal_says_every_reason_and_what_to_do(desk: Visitor, shelf: Shelf, mail: httpx.Client) -> None:
    loan = lend(desk, shelf)
    mail.post(renewal_link(loan), data={"act": "renew"})
    with running["circulation"].database.reading(TEST) as session:
        renewed = session.get_one(Loan, loan.id)
    link = renewal_link(renewed)
    assert "No renewals left" in mail.get(link).text
    answer = mail.post(link, data={"act": "renew"})
    assert answer.status_code == 409
    assert "No renewals left" in answer.text
    assert "ask the library" in answer.text


def check_says_nothing(text: str, *loans: Loan) -> None:
    """Check that a page names neither the title, the barcode nor the borrower of loans."""
    for loan in loans:
        with running["circulation"].database.reading(TEST) as session:
            copy = session.get_one(Copy, loan.copy_id)
            borrower = session.get_one(Borrower, loan.borrower_id)
        for secret in (copy.title, copy.barcode, borrower.card, str(loan.id), str(loan.borrower_id)):
            assert secret not in text


def test_a_link_that_is_forged_old_or_anothers_says_what_to_do(
    desk: Visitor, shelf: Shelf, mail: httpx.Client, visit: Visit
) -> None:
    loan, other = lend(desk, shelf), lend(desk, shelf)
    link = renewal_link(loan)
    forged = link[:-2] + ("AA" if link[-2:] != "AA" else "BB")
    theirs = link_of(other.borrower_id, "renew", f"{loan.id}:{loan.due_on.isoformat()}")
    for path in (forged, "/l/x", "/l/" + "A" * 400):
        for answer in (mail.get(path), mail.post(path, data={"act": "renew"})):
            assert answer.status_code == 404, path
    # Members has made this one, so it is not forged; but that loan is not its member's.
    for answer in (mail.get(theirs), mail.post(theirs, data={"act": "renew"})):
        assert answer.status_code == 410
        assert "loan has ended" in answer.text
        check_says_nothing(answer.text, loan, other)
    assert "Copy the whole link" in mail.get(forged).text
    with clock.frozen(clock.now() - timedelta(days=8)):
        old = renewal_link(loan)
    for answer in (mail.get(old), mail.post(old, data={"act": "renew"})):
        assert (answer.status_code, answer.headers["cache-control"]) == (410, "no-store")
        assert "It has expired" in answer.text
        assert "Sign in" in answer.text
        assert "desk" in answer.text
        check_says_nothing(answer.text, loan)
    in_indonesian = mail.get(old, headers={"Accept-Language": "id"})
    assert "sudah habis" in in_indonesian.text
    assert stored(loan) == (1, 0)
    page = visit(old, size=PHONE)
    check_accessibility(page)
    assert mail.post(link, data={"act": "renew"}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert stored(loan) == (1, 0)


def test_a_link_gives_no_session(desk: Visitor, shelf: Shelf, mail: httpx.Client) -> None:
    mail.get(renewal_link(lend(desk, shelf)))
    assert mail.get("/account").status_code == 303


def test_a_link_belongs_to_its_member_also_when_another_is_signed_in(desk: Visitor, shelf: Shelf) -> None:
    loan = lend(desk, shelf)
    assert desk.http.post(renewal_link(loan), data={"act": "renew"}).status_code == 200
    assert stored(loan) == (2, 1)


def test_notices_of_a_kind_end_on_the_page_and_by_the_button_of_a_mail_program(
    desk: Visitor, shelf: Shelf, mail: httpx.Client
) -> None:
    def answers(member: UUID | None) -> dict[str, bool]:
        with running["notifications"].database.reading(TEST) as session:
            rows = session.scalars(select(Preference).where(Preference.member_id == member))
            return {row.kind: row.allowed for row in rows}

    first, second = lend(desk, shelf).borrower_id, lend(desk, shelf).borrower_id
    link, button = link_of(first, "opt_out", "overdue"), link_of(second, "opt_out", "all")
    for method in ("GET", "HEAD"):
        assert mail.request(method, link).status_code == 200
    assert "Overdue notice" in mail.get(link).text
    assert answers(first) == {}
    assert "You get no more notices of this kind: Overdue notice" in mail.post(link, data={"act": "opt_out"}).text
    assert answers(first) == {"overdue": False}
    for _ in range(2):
        answer = mail.post(button, data={"List-Unsubscribe": "One-Click"}, headers={"Accept": "*/*"})
        assert answer.status_code == 200
    assert answers(second) == {"all": False}
    assert answers(first) == {"overdue": False}


def test_a_caller_who_tries_links_has_to_wait(mail: httpx.Client) -> None:
    statuses = [mail.get(f"/l/{number}").status_code for number in range(notice_links.MOST_FAILURES + 2)]
    assert set(statuses[: notice_links.MOST_FAILURES]) == {404}
    assert statuses[-1] == 429


def test_without_members_opening_a_link_again_is_no_try() -> None:
    nowhere = f"dns:///127.0.0.1:{free_port()}"
    with (
        served_catalog(FakeCatalog()) as catalog_url,
        served_gateway(catalog_url, urls={"members": nowhere}, without=["members"]) as address,
        httpx.Client(base_url=address, timeout=60, headers={"Accept": "text/html"}, verify=False) as http,
    ):
        statuses = {http.get("/l/" + "A" * 40).status_code for _ in range(notice_links.MOST_FAILURES + 2)}
    assert statuses == {503}
