"""Pages of imports and tasks: a manager uploads a file, reads its check, imports, cancels and undoes it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from chassis.operations import health
from services.catalog import jobs, tasks
from tests.builders import book, iso
from tests.fakes.payloads import PAYLOADS
from tests.web.accessibility import check_accessibility, take_session
from tests.web.catalogue_library import CatalogueLibrary, catalogue_library
from tests.web.visitors import Visitor, visitor

IMPORTS = "/catalogue/imports"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogueLibrary]:
    with catalogue_library(tmp_path_factory.mktemp("library")) as library:
        library.import_("1", barcodes=("A1",))
        yield library


@pytest.fixture(scope="module")
def manager(library: CatalogueLibrary) -> Iterator[Visitor]:
    with visitor(library.address) as manager:
        assert manager.sign_in(library.add_staff("manager", name="Rina")).status_code == 303
        yield manager


def run(library: CatalogueLibrary) -> None:
    while tasks.run_next(library.resources, jobs.TASKS.__getitem__, threading.Event()):
        pass


def upload(manager: Visitor, content: bytes, name: str = "buku.mrc", **values: str) -> str:
    """Send a file with the form. Returns the address that is shown then."""
    manager.open(IMPORTS)
    data = {**manager.form(IMPORTS), "source": "TEST", **values}
    manager.response = manager.http.post(IMPORTS, data=data, files={"file": (name, content)}, follow_redirects=True)
    return manager.response.url.path


def test_a_file_is_checked_imported_and_undone(library: CatalogueLibrary, manager: Visitor, browser: Browser) -> None:
    bad = iso([book("9", "Rusak")]).replace(b"Rusak", b"R\xff\xfe\xfdk")
    address = upload(manager, iso([book("2", "Kemarau"), book("3", "Dian")]) + bad, "../../Buku 2026.mrc")
    assert "Check of a file: Buku 2026.mrc" in manager.text
    assert manager.page.xpath(f"//a[@href='{address}'][text()='Refresh']")
    page = browser.new_page(base_url=library.address, locale="en-GB")
    page.goto("/")
    take_session(page, manager)
    page.goto(address)
    check_accessibility(page)
    page.get_by_role("button", name="Cancel").focus()
    run(library)
    expect(page.get_by_text("Rejected records")).to_be_visible()
    expect(page.locator("#task")).to_be_focused()
    manager.open(address)
    for text in ("New records2", "Rejected records1", "record 3, byte", "Started by Rina", "Also delete "):
        assert text in " ".join(manager.text.split()), text
    assert b"BAD_UTF8" in manager.http.get(f"{address}/findings.csv").content
    for place in (address, IMPORTS, "/catalogue/tasks"):
        page.goto(place)
        check_accessibility(page)
    page.close()

    manager.open(address)
    manager.send(address, {"act": "import"})
    started = manager.response.url.path
    assert started != address
    run(library)
    manager.open(started)
    assert "Import: Buku 2026.mrc" in manager.text
    assert "done" in manager.text
    manager.send(started, {"act": "undo"})
    undone = manager.response.url.path
    run(library)
    manager.open(undone)
    assert "New records that were deleted2" in " ".join(manager.text.split())
    manager.open("/catalogue/tasks")
    assert len(manager.page.xpath("//ul[@class='people']/li")) == 3


def test_an_upload_leaves_space_on_the_disk_for_the_desk(
    library: CatalogueLibrary, manager: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "MINIMUM_FREE_BYTES", 2**60)
    upload(manager, iso([book("7")]))
    assert manager.response.status_code == 503
    assert "The disk that holds the data is full or nearly full" in manager.text


def test_an_upload_that_is_sent_twice_is_one_task(library: CatalogueLibrary, manager: Visitor) -> None:
    address = upload(manager, iso([book("6")]), key="sent-twice")
    assert upload(manager, iso([book("6")]), key="sent-twice") == address
    manager.send(address, {"act": "cancel"})


def test_a_waiting_task_is_cancelled_and_a_refusal_is_at_its_field(library: CatalogueLibrary, manager: Visitor) -> None:
    address = upload(manager, iso([book("4")]))
    manager.send(address, {"act": "cancel"})
    assert "This task was cancelled" in manager.text
    upload(manager, iso([book("4")]), source="LAIN")
    assert manager.response.status_code == 400
    assert manager.page.xpath("//input[@id='source'][@aria-invalid='true'][@value='LAIN']")
    upload(manager, b"%PDF-1.7 " + b"0" * 3_000_000)
    assert manager.response.status_code == 400
    assert "PDF" in manager.text
    upload(manager, iso([book("4")]), csrf="wrong")
    assert manager.response.status_code == 403


def test_what_files_and_records_say_stays_text(library: CatalogueLibrary, manager: Visitor) -> None:
    titles = [payload for payload in PAYLOADS if payload.isprintable()][:10]
    twins = [book("5", title) for title in titles]
    address = upload(manager, iso(twins), f"{titles[0]}.mrc".replace('"', "").replace("/", ""))
    run(library)
    manager.open(address)
    assert f"Check of a file: {titles[0]}".replace("/", "") in manager.text
    assert titles[1] in manager.text
    assert not manager.page.xpath("//*[@class='people']//script | //h1//*[not(self::bdi)] | //li//img")


def test_a_cataloguer_has_no_such_page(library: CatalogueLibrary) -> None:
    with visitor(library.address) as cataloguer:
        cataloguer.sign_in(library.add_staff("cataloguer"))
        assert cataloguer.http.get("/catalogue/tasks").status_code == 403
        assert "/catalogue/imports" not in cataloguer.http.get("/catalogue").text
