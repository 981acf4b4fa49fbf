"""Overdue letters by school and class: each has the letterhead of the library and a line for the signature."""

from __future__ import annotations

from collections.abc import Iterator

import pypdfium2
import pytest
from playwright.sync_api import Browser

from chassis import clock
from gateway.web.desk import overdue
from gateway.web.library import town_of
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.common.v1.text_pb2 import LocalText
from tests.fakes.accounts import add_staff, new_user
from tests.fakes.catalog import FakeCatalog
from tests.fakes.institutions import CONTACT, FILE_ID
from tests.fakes.lending import add_items
from tests.fakes.running import away, served_catalog, served_gateway
from tests.web.scans import Shelf, at_desk, in_chromium, new_card, scan
from tests.web.test_lending_pages import JAKARTA, make_overdue
from tests.web.visitors import Visitor


@pytest.fixture(scope="module")
def desk() -> Iterator[Visitor]:
    """The desk of an institution that is in the catalogue with its logo and address."""
    catalog = FakeCatalog()
    institution = wire.Institution(code="PKS", logo=FILE_ID, contact=CONTACT, zone="Asia/Jakarta")
    institution.name.CopyFrom(LocalText(id="Perpustakaan Kota Solok", en="Solok City Library"))
    catalog.institutions["PKS"] = institution
    with served_catalog(catalog) as url, served_gateway(url, default_institution="PKS") as address:
        add_items()
        manager = add_staff(new_user("manager"), "manager", name="Budi Santoso")
        with at_desk(address, manager) as desk:
            yield desk


def lend_long_ago(desk: Visitor, name: str, **fields: str) -> None:
    """Lend an item to a new member; the loan is overdue."""
    number, [item] = new_card(desk, name, **fields), Shelf().take(1)
    desk.open("/desk")
    for code, act in ((number, {}), (item, {}), ("", {"act": "finish"})):
        scan(desk, code, **act)
    make_overdue(number)


def test_two_schools_with_a_class_of_the_same_name_get_two_letters_with_letterhead_and_signature(
    browser: Browser, desk: Visitor
) -> None:
    schools = ("MTsN 2", "SMPN 1")
    for school in schools:
        lend_long_ago(desk, f"Siswa {school}", school=school, group="VII A")
    desk.open("/desk/overdue?group=VII+A")
    headings = [" ".join(heading.text_content().split()) for heading in desk.page.xpath("//section/h2")]
    assert headings == ["MTsN 2 · VII A", "SMPN 1 · VII A"]
    desk.open("/desk/overdue/letters?group=VII+A")
    letters = [" ".join(letter.text_content().split()) for letter in desk.page.xpath("//article")]
    for letter, school, other in zip(letters, schools, reversed(schools), strict=True):
        assert f"VII A{school}" in letter
        assert f"Siswa {school}" in letter
        assert other not in letter
        today = clock.now().astimezone(JAKARTA).date()
        assert f"Solok, {today.day} {today:%B} {today.year}" in letter
        assert "Jl. Contoh" in letter
        assert "For the library" in letter
        assert letter.count("Solok City Library") == 2
    with in_chromium(browser, str(desk.http.base_url), desk) as page:
        page.goto("/desk/overdue/letters?group=VII+A")
        pdf = page.pdf(format="A4")
    with pypdfium2.PdfDocument(pdf) as document:
        texts = [document[number].get_textpage().get_text_range() for number in range(len(document))]
    assert len(texts) == 2
    assert all(school in text and "Siswa" in text for school, text in zip(schools, texts, strict=True))


def test_letters_of_a_part_of_the_loans_say_so(desk: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Siswa Satu", "Siswa Dua"):
        lend_long_ago(desk, name, school="SMPN 4", group="VIII B")
    desk.open("/desk/overdue/letters?group=VIII+B")
    assert "Choose a class or a branch" not in desk.text
    monkeypatch.setattr(overdue, "LOANS_ON_A_PAGE", 1)
    monkeypatch.setattr(overdue, "MOST_LOANS", 1)
    desk.open("/desk/overdue/letters?group=VIII+B")
    assert len(desk.page.xpath("//article//tbody/tr")) == 1
    assert "Choose a class or a branch" in desk.text


@pytest.mark.parametrize(
    ("place", "town"),
    [
        (("Jl. Contoh No. 1", "Kampung Jawa, Kota Solok, Sumatera Barat"), "Solok"),
        (("Jl. Kota Baru No. 5", "Kotabaru, Kota Yogyakarta 55224"), "Yogyakarta"),
        (("Kota Baru, Kec. Abepura, Kab. Jayapura",), "Jayapura"),
        (("Jl. Kota Lama 3", "Menteng, Jakarta Pusat"), ""),
        ((), ""),
    ],
)
def test_the_town_of_a_letter_is_the_city_or_regency_and_not_a_street(place: tuple[str, ...], town: str) -> None:
    assert town_of(place) == town


def test_no_letter_is_made_while_the_schools_are_not_known(desk: Visitor) -> None:
    lend_long_ago(desk, "Siswa Tanpa Jawaban", school="SMPN 3", group="IX A")
    with away("members"):
        desk.open("/desk/overdue/letters?group=IX+A")
    assert "cannot be made now" in desk.text
    assert not desk.page.xpath("//article")
