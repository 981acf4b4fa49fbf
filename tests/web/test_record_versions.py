"""Pages of a record's versions, and of what imports offer for records that were edited."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.web.accessibility import check_accessibility, take_session
from tests.web.catalogue_library import CatalogueLibrary, catalogue_library
from tests.web.visitors import Visitor, visitor

_numbers = count(100)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogueLibrary]:
    with catalogue_library(tmp_path_factory.mktemp("library")) as library:
        yield library


@pytest.fixture(scope="module")
def cataloguer(library: CatalogueLibrary) -> Iterator[Visitor]:
    with visitor(library.address) as cataloguer:
        assert cataloguer.sign_in(library.add_staff("cataloguer", name="Rosnida")).status_code == 303
        yield cataloguer


@pytest.fixture
def manager(library: CatalogueLibrary) -> Iterator[Visitor]:
    with visitor(library.address) as manager:
        assert manager.sign_in(library.add_staff("manager", name="Budi")).status_code == 303
        yield manager


def edited(library: CatalogueLibrary, title: str = "Diubah", brought: str = "") -> str:
    """Import a record, change its title, and let an import bring another one. Returns its id."""
    number = str(next(_numbers))
    record_id = library.import_(number)
    library.retitle(record_id, title)
    if brought:
        library.import_(number, brought)
    return record_id


def title_of(library: CatalogueLibrary, record_id: str) -> str:
    (title,) = library.marc(record_id).values("245", "a")
    return title


def versions_path(record_id: str) -> str:
    return f"/catalogue/records/{record_id}/versions"


def test_each_version_shows_who_when_and_the_words_that_changed(library: CatalogueLibrary, cataloguer: Visitor) -> None:
    record_id = edited(library, "Robohnya surau kita")
    path = versions_path(record_id)
    cataloguer.open(path)
    cataloguer.send(path, {"of_version": "1"})
    assert "Saved as version 3." in cataloguer.text
    assert title_of(library, record_id) == "Robohnya surau kami"
    newest, edit, first = cataloguer.page.xpath("//ol[@class='people']/li")
    assert "Version 3 restored current" in " ".join(newest.text_content().split())
    assert "Rosnida" in newest.text_content(), "the name of the account"
    assert "WIB" in newest.text_content(), "the time in the zone of the institution"
    assert edit.xpath(".//mark/text()") == ["kami", "kita"]
    assert "import" in first.text_content()
    assert newest.xpath(".//form") == [], "nobody goes back to the current version"
    assert len(edit.xpath(".//form")) == len(first.xpath(".//form")) == 1


def test_a_restoration_after_another_edit_is_refused_in_words_and_can_be_repeated(
    library: CatalogueLibrary, cataloguer: Visitor
) -> None:
    record_id = edited(library)
    path = versions_path(record_id)
    cataloguer.open(path)
    library.retitle(record_id, "Lain lagi")
    answer = cataloguer.send(path, {"of_version": "1"})
    assert answer.status_code == 412
    assert "This has changed since version 2" in cataloguer.text
    assert title_of(library, record_id) == "Lain lagi"
    assert cataloguer.send(path, {"of_version": "1"}).status_code == 200
    assert title_of(library, record_id) == "Robohnya surau kami"


def test_a_manager_deletes_a_record_without_items(
    library: CatalogueLibrary, cataloguer: Visitor, manager: Visitor
) -> None:
    removal = "Delete the record"
    kept, record_id = library.import_("900", barcodes=("B900",)), library.import_("901")
    cataloguer.open(versions_path(kept))
    assert removal not in cataloguer.text
    manager.open(versions_path(kept))
    assert manager.send(f"/catalogue/records/{kept}/removal").status_code == 409
    assert "This record still has 1 items" in manager.text
    manager.open(versions_path(record_id))
    manager.send(f"/catalogue/records/{record_id}/removal")
    assert "This record was deleted on" in manager.text
    assert removal not in manager.text


def test_a_deleted_record_is_found_by_its_page_and_restored(library: CatalogueLibrary, manager: Visitor) -> None:
    record_id = edited(library)
    library.delete(record_id)
    manager.open(f"/records/{record_id}")
    assert manager.response.status_code == 410
    path = versions_path(record_id)
    assert path in manager.page.xpath("//main//a/@href")
    manager.open(path)
    assert "This record was deleted on" in manager.text
    manager.send(path, {"of_version": "0"})
    assert "Saved as version 4." in manager.text
    assert title_of(library, record_id) == "Diubah"
    assert manager.open(f"/records/{record_id}") is not None
    assert manager.response.status_code == 200


def test_a_record_that_nobody_edited_has_no_versions(library: CatalogueLibrary, cataloguer: Visitor) -> None:
    cataloguer.open(versions_path(library.import_(str(next(_numbers)))))
    assert "This record has not been edited here." in cataloguer.text


def offer_path(visitor: Visitor, title: str) -> str:
    visitor.open("/catalogue/offers")
    (path,) = visitor.page.xpath(f"//main//li//a[text()='{title}']/@href")
    return str(path)


def test_an_offer_is_taken_by_the_ticked_fields(library: CatalogueLibrary, cataloguer: Visitor) -> None:
    record_id = edited(library, "Sebagian", brought="Dibawa impor")
    library.add_note(record_id, "Catatan sendiri")
    path = offer_path(cataloguer, "Sebagian")
    cataloguer.open(path)
    assert cataloguer.send(path, {"act": "ticked"}).status_code == 400
    assert "No field is ticked." in cataloguer.text
    labels = cataloguer.page.xpath("//label[input/@name='differences']")
    ticks = {label.xpath("span/text()")[0]: label.xpath("input/@value")[0] for label in labels}
    assert set(ticks) == {"245", "500"}
    cataloguer.send(path, {"act": "ticked", "differences": [ticks["245"]]})
    assert "The offer was taken." in cataloguer.text
    assert title_of(library, record_id) == "Dibawa impor"
    assert library.marc(record_id).values("500", "a") == ["Catatan sendiri"], "the field without a tick stays"
    assert cataloguer.open(path) is not None
    assert cataloguer.response.status_code == 404


@pytest.mark.parametrize(
    ("act", "title", "note"),
    [("all", "Dibawa lagi", "The offer was taken."), ("refuse", "Semua", "The offer was refused.")],
)
def test_an_offer_is_taken_or_refused_as_a_whole(
    library: CatalogueLibrary, cataloguer: Visitor, act: str, title: str, note: str
) -> None:
    record_id = edited(library, "Semua", brought="Dibawa lagi")
    path = offer_path(cataloguer, "Semua")
    cataloguer.open(path)
    cataloguer.send(path, {"act": act})
    assert note in cataloguer.text
    assert title_of(library, record_id) == title


def test_an_offer_for_a_record_that_changed_meanwhile_is_shown_anew(
    library: CatalogueLibrary, cataloguer: Visitor
) -> None:
    record_id = edited(library, "Berubah", brought="Dibawa impor")
    path = offer_path(cataloguer, "Berubah")
    cataloguer.open(path)
    library.retitle(record_id, "Berubah lagi")
    assert cataloguer.send(path, {"act": "all"}).status_code == 412
    assert "This has changed since version" in cataloguer.text
    assert "Berubah lagi" in cataloguer.text
    assert cataloguer.send(path, {"act": "all"}).status_code == 200
    assert title_of(library, record_id) == "Dibawa impor"


def lines(visitor: Visitor, path: str) -> list[dict[str, Any]]:
    response = visitor.http.get(path)
    assert response.headers["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(response.text.lstrip("\ufeff"))))


def test_versions_and_offers_are_files_with_a_line_for_each_field(
    library: CatalogueLibrary, cataloguer: Visitor
) -> None:
    record_id = edited(library, "=Berkas", brought="Dibawa")
    edit, first = lines(cataloguer, f"{versions_path(record_id)}.csv")
    assert (edit["version"], edit["act"], edit["tag"], edit["after"]) == ("2", "edit", "245", "245 10 $a=Berkas")
    assert (first["version"], first["act"], first["tag"]) == ("1", "import", "")
    (offered,) = [line for line in lines(cataloguer, "/catalogue/offers.csv") if line["record"] == record_id]
    assert (offered["title"], offered["before"], offered["after"]) == (
        "'=Berkas", "245 10 $a=Berkas", "245 10 $aDibawa",
    )  # fmt: skip


def test_the_pages_are_accessible_on_every_screen(
    library: CatalogueLibrary, cataloguer: Visitor, browser: Browser
) -> None:
    record_id = edited(library, "Judul yang lebih panjang dari biasanya untuk layar yang sempit", brought="Dibawa")
    library.add_note(record_id, "x" * 200)
    paths = (versions_path(record_id), "/catalogue/offers", offer_path(cataloguer, title_of(library, record_id)))
    page = browser.new_page(base_url=library.address)
    page.goto("/")
    take_session(page, cataloguer)
    for path in paths:
        assert page.goto(path).status == 200  # type: ignore[union-attr]
        check_accessibility(page)
    page.close()
