"""Two memberships of one person are compared, merged and separated; what a member agreed to is noted and withdrawn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.web.desk import consents
from tests.fakes.accounts import add_staff, new_user
from tests.web.accessibility import (
    check_accessibility,
    take_session,
    wide_elements,
)
from tests.web.conftest import PHONE, Visit
from tests.web.test_member_acts import number_of
from tests.web.test_member_pages import register, search
from tests.web.visitors import Visitor, visitor


@pytest.fixture(scope="module")
def desk(address: str) -> Iterator[Visitor]:
    """The browser of a signed-in manager."""
    with visitor(address) as desk:
        assert desk.sign_in(add_staff(new_user("manager"), "manager", name="Budi Santoso")).status_code == 303
        yield desk


def test_two_memberships_are_compared_merged_and_separated(desk: Visitor) -> None:
    kept = register(desk, name="Muhammad Gabungan", phone="0812 4444 1001")
    other = register(desk, name="Yusuf Gabungan", phone="0812 4444 1002", birth_place="Solok")
    number = number_of(desk, other)
    desk.open(f"{kept}/merge")
    desk.send(f"{kept}/merge/search", {"q": "gabungan"})
    # The member itself is no candidate.
    assert desk.page.xpath("//ol//a/@href") == [f"{kept}/merge/{other.rpartition('/')[2]}"]
    desk.open(f"{kept}/merge/{other.rpartition('/')[2]}")
    rows = {row[0].text_content(): [cell.text_content() for cell in row[1:]] for row in desk.page.xpath("//tbody/tr")}
    assert rows["Phone"] == ["+6281244441001", "+6281244441002"]
    assert rows["Born"] == ["–", "Solok"]
    assert "Occupation" not in rows
    desk.send(f"{kept}/merge")
    assert desk.response.status_code == 400
    assert desk.page.xpath("//*[@id='sure-error']")
    desk.send(f"{kept}/merge", {"sure": "1"})
    assert desk.response.url.path == kept
    assert number in desk.text
    assert search(desk, number) == kept
    [action] = [form.action for form in desk.page.forms if form.action.endswith("/undo")]
    desk.send(kept + action.partition(kept)[2])
    assert search(desk, number) == other


def test_a_merge_that_is_refused_says_why(desk: Visitor) -> None:
    person = register(desk, name="Refused Person")
    school = register(desk, name="SDN Refused", category="lembaga", responsible_name="Yusmaniar")
    desk.open(f"{person}/merge/{school.rpartition('/')[2]}")
    desk.send(f"{person}/merge", {"sure": "1"})
    assert desk.response.status_code == 409
    assert desk.page.xpath("//*[@role='alert']")


def test_desk_staff_get_no_form_to_merge(address: str, desk: Visitor) -> None:
    path = register(desk, name="Not For The Desk")
    with visitor(address) as other:
        other.sign_in(add_staff(new_user("clerk"), "desk", name="Desk Person"))
        other.open(path)
        assert not other.page.xpath(f"//a[@href='{path}/merge']")
        other.open(f"{path}/merge")
        assert other.response.status_code == 403


def test_consents_are_noted_withdrawn_and_kept(desk: Visitor) -> None:
    path = register(desk, name="Consenting Person")
    desk.open(f"{path}/consents")
    assert desk.text.count("Not asked yet") == len(consents.PURPOSES)
    history = {"purpose": "loan_history", "how": "form", "by_guardian": "1"}
    desk.send(f"{path}/consents", {**history, "given": "1"})
    assert "Given, " in desk.text
    assert "signed form, by the guardian" in desk.text
    desk.send(f"{path}/consents", {"purpose": "loan_history", "given": "0"})
    answers = [" ".join(item.text_content().split()) for item in desk.page.xpath("//ul[@class='people']/li")]
    assert [answer.split(",")[0] for answer in answers] == ["Loan history: Withdrawn", "Loan history: Given"]
    desk.send(f"{path}/consents", {"purpose": "loan_history", "given": "1", "how": "owl"})
    assert desk.response.status_code == 400
    assert "2 answers" in desk.open(path).text_content()


def test_a_phone_shows_numbers_and_addresses_of_both_members_on_one_line(visit: Visit, desk: Visitor) -> None:
    kept = register(desk, name="Long Compared", phone="0812 9999 43210", email="siti@contoh.example")
    other = register(
        desk, name="Long Comparing", phone="0812 9999 43211", email="rahmawati.sitiaminah@perpustakaan.example"
    )
    page = visit("/sign-in", size=PHONE)
    take_session(page, desk)
    page.goto(f"{kept}/merge/{other.rpartition('/')[2]}")
    lines = dict(page.eval_on_selector_all(".compare td", LINES))
    # A long address continues after a sign.
    assert lines["+62812999943210"] == ["+62812999943210"]
    assert lines["siti@contoh.example"] == ["siti@contoh.", "example"]
    assert lines["rahmawati.sitiaminah@perpustakaan.example"][0] in ("rahmawati.", "rahmawati.sitiaminah@")
    assert wide_elements(page) == []


# The text of each cell, with its lines.
LINES = """cells => cells.map(cell => {
    const lines = new Map();
    const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        for (let at = 0; at < walker.currentNode.length; at++) {
            const range = document.createRange();
            range.setStart(walker.currentNode, at);
            range.setEnd(walker.currentNode, at + 1);
            const top = Math.round(range.getBoundingClientRect().top);
            lines.set(top, (lines.get(top) || '') + range.toString());
        }
    }
    return [cell.textContent, [...lines.values()]];
})"""


def test_the_pages_are_accessible_on_every_screen(visit: Visit, desk: Visitor) -> None:
    kept, other = register(desk, name="Axe Merged", phone="0812 9999 4321"), register(desk, name="Axe Merging")
    desk.open(f"{kept}/consents")
    desk.send(f"{kept}/consents", {"purpose": "news", "given": "1"})
    page = visit("/sign-in", size=PHONE)
    take_session(page, desk)
    for address in (f"{kept}/merge", f"{kept}/merge/{other.rpartition('/')[2]}", f"{kept}/consents"):
        page.goto(address)
        check_accessibility(page)
