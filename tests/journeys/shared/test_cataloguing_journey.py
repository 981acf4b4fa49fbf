"""A cataloguer at the keyboard in Chromium: an ISBN becomes a record, items and shelf labels; then a box of gifts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pypdfium2
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from gateway.web.texts import wording
from services.catalog import sample
from services.catalog.sample import BoxedBook
from tests.fakes.accounts import PASSWORD, Staff
from tests.journeys.library import Library
from tests.web.accessibility import AXE_RULES, VIOLATIONS, low_contrasts, take_session
from tests.web.visitors import visitor

MOST_TABS = 40
Fields = tuple[tuple[str, str], ...]
IS_AT = """name => document.activeElement.name === name
    || document.activeElement.textContent.trim().startsWith(name) && document.activeElement !== document.body"""
# Editions that are not in the box, for the journey in English: at the library, at another one, at none.
OTHERS = (
    BoxedBook(
        "978-979-22-8141-5", "Gadis Kretek", "Kumala, Ratih", "Gramedia Pustaka Utama", 2012, "899.2213", 1, "PKS"
    ),
    BoxedBook("978-1-78168-859-5", "Man Tiger", "Kurniawan, Eka", "Verso", 2015, "899.2213", 1, "UMMY"),
    BoxedBook("978-979-22-9706-5", "Hujan Bulan Juni", "Damono, Sapardi Djoko", "Gramedia", 2013, "899.2211", 1, ""),
)


@dataclass
class Desk:
    """A cataloguer's browser, of which only the keyboard is used.

    anyway  the button that saves a record although there are similar ones
    more    what opens the fields of the giver and the document
    good    the button that confirms printed labels
    """

    page: Page
    library: Library
    anyway: str
    more: str
    good: str

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def tab_to(self, name: str) -> None:
        """Go forward with the tabulator to the field with this name, or to the element with this text."""
        for _ in range(MOST_TABS):
            if self.page.evaluate(IS_AT, name):
                return
            self.press("Tab")
        raise AssertionError(f"the tabulator does not reach {name}: {self.page.url}")

    def fill(self, name: str, text: str) -> None:
        self.tab_to(name)
        self.press("ControlOrMeta+a")
        self.type(text)

    def submit(self) -> None:
        """Press Enter, and wait for the next page."""
        with self.page.expect_navigation():
            self.press("Enter")

    def check(self) -> None:
        """Fail when axe finds a violation on this page, or when it is wider than the screen, at 360 and 1280 px."""
        for width, height in ((360, 640), (1280, 800)):
            self.page.set_viewport_size({"width": width, "height": height})
            self.page.evaluate(Axe().axe_script)
            assert self.page.evaluate(VIOLATIONS, AXE_RULES) + low_contrasts(self.page) == [], self.page.url
            assert self.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, self.page.url

    def find(self, book: BoxedBook) -> None:
        """From any page: Alt+N, and scan the ISBN."""
        with self.page.expect_navigation():
            self.press("Alt+n")
        expect(self.page.locator("#q")).to_be_focused()
        self.type(book.isbn)
        self.submit()

    def describe(self, book: BoxedBook) -> None:
        """Fill in the short form of a book that is found nowhere; the first field has the focus."""
        expect(self.page.locator("[name=title]")).to_be_focused()
        for name, text in (
            ("title", book.title), ("author", book.author), ("publisher", book.publisher), ("year", str(book.year)),
            ("ddc", book.ddc),
        ):  # fmt: skip
            self.fill(name, text)
        self.submit()

    def catalogue(self, book: BoxedBook, acquisition: Fields = (), *, checks: bool = False) -> list[str]:
        """Add the items of this edition, with a record if there is none; return "accession number · barcode" of each.

        acquisition  fields of the form of items
        checks       whether the pages on the way are checked
        """
        self.find(book)
        if checks:
            self.check()
        if self.page.locator("main button:focus").count():  # it copies a record of another library
            self.submit()
        elif not self.page.locator("[name=count]").count():
            self.describe(book)
        if self.page.locator("[name=anyway]").count():
            self.tab_to(self.anyway)
            self.submit()
        expect(self.page.locator("[name=count]")).to_be_focused()
        if checks:
            self.check()
        self.type(str(book.items))
        for name, text in acquisition:
            if name == "supplier":
                self.tab_to(self.more)
                self.press("Enter")  # opens the part that has it
            self.fill(name, text)
        self.submit()
        return self.page.locator(".outcome li").all_inner_texts()

    def print_labels(self) -> str:
        """Print all labels that wait, and confirm that they are good; return the text of the PDF."""
        self.page.goto("/catalogue/labels")
        self.tab_to("act")
        self.submit()
        self.check()
        address = self.page.locator("form[target=_blank]").get_attribute("action")
        sheet = self.page.locator("#sheet").input_value()
        reply = self.page.request.get(f"{address}?kind=both&start=1&sheet={sheet}")
        self.tab_to(self.good)
        self.submit()
        pdf = pypdfium2.PdfDocument(reply.body())
        return "\n".join(page.get_textpage().get_text_range() for page in pdf)


@contextmanager
def cataloguer(library: Library, browser: Browser, *, locale: str) -> Iterator[Desk]:
    """A cataloguer of PKS who has signed in."""
    user = f"katalog-{uuid.uuid4().hex[:8]}"
    client = library.command("client", "create", user, "--institution", "PKS", "--role", "administrator")
    with httpx.Client(base_url=f"{library.address}/api/v1", timeout=30, verify=False) as http:
        token = http.post("/tokens", json={name: client[name] for name in ("client_id", "client_secret")}).json()
        http.headers.update({"Authorization": f"Bearer {token['access_token']}", "Idempotency-Key": user})
        link = http.post("/staff", json={"user": user, "name": "Ria", "roles": ["cataloguer"]}).json()["link"]
    page = browser.new_context(base_url=library.address, locale=locale).new_page()
    with visitor(library.address) as reader:
        reader.open(link)
        reader.send(httpx.URL(link).path, {"password": PASSWORD, "repeated": PASSWORD})
        reader.sign_in(Staff("", user, ""))
        page.goto("/")
        take_session(page, reader)
    page.goto("/catalogue")
    say = wording(locale[:2]).say
    yield Desk(page, library, say("catalogue.anyway"), say("catalogue.acquisition"), say("labels.confirm"))


def test_from_an_isbn_to_shelf_labels_in_english(embedded_library: Library, browser: Browser) -> None:
    with cataloguer(embedded_library, browser, locale="en-US") as desk:
        for book in OTHERS:
            [added] = desk.catalogue(book, checks=True)
            assert book.title in desk.page.locator(".outcome").inner_text()
        desk.check()
        labels = desk.print_labels()
        desk.check()
    number, barcode = added.split(" · ")
    assert "/P/" in number
    assert barcode in labels
    assert all(line in labels for line in ("899.2211", "DAM", "h"))


def test_a_gift_of_thirty_books_in_indonesian(library: Library, browser: Browser) -> None:
    box = sample.box()
    books = box.books
    gift = (("source", "Hibah"), ("supplier", box.giver), ("document", box.document))
    with cataloguer(library, browser, locale="id-ID") as desk:
        added = desk.catalogue(books[0], gift)
        for book in books[1:]:  # the page remembers the gift
            added += desk.catalogue(book)
        labels = desk.print_labels()
    assert len(set(added)) == sum(book.items for book in books) == 30
    assert all(line.split(" · ")[1] in labels for line in added)
    assert all("/H/" in line for line in added)
