"""A picture of every kind of page, for people to look at, in the folder SCREENSHOTS; by default var/screenshots.

SCREENSHOT_DISPLAYS=all draws both sizes in both languages, in light and dark; without it two of them are drawn.
"""

from __future__ import annotations

import base64
import io
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from PIL import Image
from playwright.sync_api import Browser, CDPSession, Page, Response
from starlette.routing import compile_path

from chassis.settings import Settings
from gateway.app import create_app
from gateway.limits import Buckets
from gateway.web.account import notice_links
from tests.fakes.accounts import PASSWORD
from tests.fakes.cataloguing import OFFER_ID
from tests.fakes.institutions import OWN
from tests.fakes.items import ITEM_ID
from tests.fakes.labels import PRINT_ID, RANGE_ID
from tests.fakes.lending import REFERENCE, barcode
from tests.fakes.tasks import TASK_ID
from tests.web.accessibility import wide_elements
from tests.web.conftest import DESK, PHONE, SEND, Window, wait_for_filters
from tests.web.pictured_library import BRANCH, PicturedLibrary, pictured_library
from tests.web.pictured_notices import TEMPLATE
from tests.web.places import BOOK, PLACES

FOLDER = Path(os.environ.get("SCREENSHOTS") or Path(__file__).parents[2] / "var" / "screenshots")
# name -> size of the window, language, colours
EVERY_DISPLAY = {
    f"{size_name}-{language[:2]}-{scheme}": (size, language, scheme)
    for (size_name, size), language, scheme in product(
        (("phone", PHONE), ("desk", DESK)), ("id-ID", "en-GB"), ("light", "dark")
    )
}
DISPLAYS = (
    tuple(EVERY_DISPLAY) if os.environ.get("SCREENSHOT_DISPLAYS") == "all" else ("phone-id-light", "desk-en-dark")
)
# A page with a line of text has more: its letters have soft edges.
LEAST_GREYS = 16
LINES = 200


@dataclass(frozen=True, slots=True)
class View:
    """A page in one state.

    path     with the names of ids in braces
    status   of its response
    form     path to which a form of the page is sent first, with `values`; the picture shows the answer
    catalog  attribute of the fake catalogue that is True meanwhile
    """

    path: str
    status: int = 200
    form: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    catalog: str = ""


ANYONE = {
    **{name: View(path, 404 if name == "trouble" else 200) for name, path in PLACES.items()},
    "book": View(f"/records/{BOOK.id}"),
    "results-partly": View("/search?q=surau+planet"),
    "results-relaxed": View("/search?q=surau+komet"),
    "results-spelling": View("/search?q=suroe"),
    "results-degraded": View("/search?q=minangkabau", catalog="degraded"),
    "install": View("/install"),
    "offline": View("/offline"),
    "error-reason": View("/docs/errors/LOAN_LIMIT_REACHED"),
    "trust": View("/trust"),
    "sign-in-wrong": View("/sign-in", 401, "/sign-in", {"user": "siti.rahma", "password": "salah"}),
    "sign-in-code": View("/sign-in", 200, "/sign-in", {"user": "siti.rahma", "password": PASSWORD}),
    "sign-in-password-code": View("/sign-in/slip"),
    "sign-in-link": View("/sign-in/link/{link}"),
    "notice-renew": View("/l/{renew}"),
    "notice-opt-out": View("/l/{opt_out}"),
    "notice-over": View("/l/{expired}", 410),
    "fails-no-page": View("/tidak-ada", 404),
    "fails-search-down": View("/search?q=surau", 503, catalog="down"),
    "fails-too-many": View("/l/nobody-has-made-this", 429),
}
READER = {
    "own-account": View("/account"),
    "own-card": View("/account/card"),
    "own-card-copy": View("/account/card/device"),
    "own-notices": View("/account/notices"),
    "own-data": View("/account/data"),
    "own-data-print": View("/account/data/print"),
    "own-renewed": View("/account?changed=loans"),
    "fails-not-allowed": View("/members", 403),
}
STAFF = {
    "account": View("/account"),
    "desk": View("/desk"),
    "desk-branch": View("/desk?branch=choose"),
    "desk-return": View("/desk?mode=return"),
    "desk-borrower": View("/desk?member={member}"),
    "desk-refused": View("/desk?member={member}", 200, "/desk", {"code": REFERENCE}),
    "desk-unknown-item": View("/desk", 200, "/desk", {"code": "9789794617000"}),
    "desk-item": View("/desk?mode=return", 200, "/desk", {"code": barcode(40)}),
    "loan-slip": View("/desk/slips/{member}"),
    "overdue": View("/desk/overdue"),
    "letters": View("/desk/overdue/letters"),
    "suspensions": View("/desk/suspensions"),
    "policies": View("/desk/policies"),
    "policies-row": View("/desk/policies", 200, "/desk/policies", {"act": "add"}),
    "policy-versions": View("/desk/policies/versions"),
    "policy-version": View("/desk/policies/versions/1"),
    "policies-refused": View("/desk/policies", 400, "/desk/policies", {"rows[0].period": "tujuh"}),
    "calendars": View("/desk/calendars"),
    "calendar": View(f"/desk/calendars/{OWN}/{BRANCH}"),
    "libraries": View("/desk/libraries"),
    "library-institution": View("/desk/libraries/institution"),
    "library-branch": View(f"/desk/libraries/branches/{BRANCH}"),
    "library-preview": View(
        "/desk/libraries/branches/LAING", 200, "/desk/libraries/branches/LAING",
        {"address": "Jl. Laing No. 3", "services": "Wi-Fi | Wi-Fi", "act": "preview"},
    ),
    "library-conflict": View(
        "/desk/libraries/institution", 412, "/desk/libraries/institution", {"version": "1", "phone": "(0755) 20123"}
    ),
    "catalogue": View("/catalogue"),
    "book-elsewhere": View("/catalogue/new?q=9789794030462"),
    "book-unknown": View("/catalogue/new?q=9789791234566"),
    "book-items": View(f"/catalogue/new?record={BOOK.id}"),
    "fast-adds": View("/catalogue/fast-adds"),
    "fast-add": View(f"/catalogue/fast-adds/{ITEM_ID}?q=9789794030462"),
    "record-versions": View(f"/catalogue/records/{BOOK.id}/versions"),
    "record-edit": View(f"/catalogue/records/{BOOK.id}/edit"),
    "record-edit-marc": View(f"/catalogue/records/{BOOK.id}/edit?view=marc"),
    "record-new": View("/catalogue/records/new?material=thesis"),
    "labels": View("/catalogue/labels"),
    "label-print": View(f"/catalogue/labels/prints/{PRINT_ID}"),
    "label-barcodes": View("/catalogue/labels/barcodes"),
    "label-range": View(f"/catalogue/labels/barcodes/{RANGE_ID}"),
    "offers": View("/catalogue/offers"),
    "drafts": View("/catalogue/drafts"),
    "item": View(f"/catalogue/items/{ITEM_ID}"),
    "item-conflict": View(
        f"/catalogue/items/{ITEM_ID}", 412, f"/catalogue/items/{ITEM_ID}", {"version": "1", "room": "Lantai 2"}
    ),
    "item-move": View(f"/catalogue/items/{ITEM_ID}/move?q=surau"),
    "offer": View(f"/catalogue/offers/{OFFER_ID}"),
    "imports": View("/catalogue/imports"),
    "tasks": View("/catalogue/tasks"),
    "task": View(f"/catalogue/tasks/{TASK_ID}"),
    "register": View("/catalogue/register"),
    "register-entry": View(f"/catalogue/register/{ITEM_ID}"),
    "register-rules": View("/catalogue/register/rules"),
    "members": View("/members"),
    "members-found": View("/members", 200, "/members", {"q": "rahmawati"}),
    "card-sheets": View("/members/cards"),
    "card-sheets-found": View("/members/cards", 200, "/members/cards", {"q": "rahmawati"}),
    "member": View("/members/{member}"),
    "member-blocked": View("/members/{blocked}"),
    "member-suspended": View("/members/{suspended}"),
    "member-new": View("/members/new"),
    "member-refused": View(
        "/members/new", 400, "/members/new",
        {"name": "Anak Kecil", "category": "anak", "nik": "1,37E+15", "phone": "abc"},
    ),
    "member-guardian": View("/members/new", 200, "/members/new", {"name": "Budi", "guardian_q": "rahmawati"}),
    "member-doubles": View(
        "/members/new", 409, "/members/new",
        {"name": "Siti Rahmawati", "category": "umum", "birth_date": "1991-04-21", "phone": "0812 6611 2200"},
    ),
    "member-edit": View("/members/{member}/edit"),
    "member-password-code": View("/members/{other}", 200, "/members/{other}/slips"),
    "member-nik": View("/members/{member}", 200, "/members/{member}/nik"),
    "member-erasure": View("/members/{member}/erasure"),
    "member-consents": View("/members/{member}/consents"),
    "member-requests": View("/members/{member}/data-requests"),
    "member-notices": View("/members/{member}/notices"),
    "merge": View("/members/{member}/merge"),
    "merge-found": View("/members/{member}/merge", 200, "/members/{member}/merge/search", {"q": "rahmawati"}),
    "merge-compare": View("/members/{member}/merge/{other}"),
    "data-requests": View("/data-requests"),
    "notices": View("/notices"),
    "notice": View("/notices/{notice}"),
    "channels": View("/notices/channels"),
    "print-list": View("/notices/print"),
    "conversations": View("/notices/conversations"),
    "conversation": View("/notices/conversations/{conversation}"),
    "templates": View("/notices/templates"),
    "template": View(TEMPLATE),
    "template-refused": View(TEMPLATE, 400, TEMPLATE, {"body": "{{ title }}\n{{ due }}", "act": "save"}),
    "template-test-refused": View(TEMPLATE, 400, f"{TEMPLATE}/test", {"to": "bukan alamat"}),
    "template-versions": View(f"{TEMPLATE}/versions"),
    "webhooks": View("/notices/webhooks"),
    "webhook": View("/notices/webhooks/{webhook}"),
    "webhook-added": View(
        "/notices/webhooks", 200, "/notices/webhooks", {"url": "http://127.0.0.1/peristiwa", "kinds": "loan.opened"}
    ),
    "staff": View("/staff"),
    "staff-person": View("/staff/{colleague}"),
    "staff-link": View("/staff/{colleague}", 200, "/staff/{colleague}/links"),
    "staff-refused": View("/staff", 400, "/staff", {"user": "Nama Salah!", "name": "Rina Sari", "roles": "desk"}),
    "clients": View("/clients"),
    "client": View("/clients/{partner}?month=2026-11"),
    "client-refused": View("/clients/{partner}", 400, "/clients/{partner}", {"requests_a_day": "banyak"}),
    "client-added": View("/clients", 200, "/clients", {"name": "mesin-{display}", "role": "desk"}),
}  # fmt: skip
# Who -> pages. The order is that of the cookies of `PicturedLibrary`.
VIEWS = {"anyone": ANYONE, "reader": READER, "staff": STAFF}

# Routes that answer GET with something else than a page.
FILES = (".csv", ".pdf", ".xlsx")
NOT_PAGES = {
    "/openapi.json": "a document for programs",
    "/opensearch.xml": "for browsers",
    "/suggestions.json": "for browsers",
    "/search.atom": "a feed",
    "/search.rss": "a feed",
    "/records/{record_id}.{ending}": "a file",
    "/.well-known/oauth-authorization-server": "for programs",
    "/daia": "for programs",
    "/docs": "Swagger UI: tests/gateway/test_api_docs.py opens it",
    "/oai": "for programs; a browser shows the XML with a style sheet",
    "/oai.css": "for programs",
    "/oai/{institution}": "for programs",
    "/sru": "for programs",
    "/sru/{institution}": "for programs",
    "/openurl": "redirects to a record or a search",
    "/unapi": "for programs",
    "/robots.txt": "for search engines",
    "/sitemap.xml": "for search engines",
    "/sitemap/branches.xml": "for search engines",
    "/sitemap/{page}.xml": "for search engines",
    "/suggest": "part of a page, below the search box",
    "/search/filters": "part of the results, which the pictures of results have",
    "/files/{file_id}": "a picture",
    "/covers/{record_id}/{version}": "a picture",
    "/covers/{record_id}/{version}.png": "a picture",
    "/icons/{icon}.png": "a picture",
    "/favicon.ico": "a picture",
    "/static/{name}": "a style sheet, a script or a picture",
    "/site.webmanifest": "for browsers",
    "/sw.js": "a script",
    "/authority.crt": "a certificate",
    "/account/data.json": "a file",
    "/members/{member_id}/data.json": "a file",
    "/catalogue/headings": "completions of an input",
}


def test_every_page_of_the_gateway_is_drawn() -> None:
    """A new page is added to ANYONE, READER or STAFF; another answer to a GET to NOT_PAGES, with the reason."""
    routes = [
        (route.path, compile_path(route.path)[0])
        for route in iter_route_contexts(create_app(Settings()).routes)
        if "GET" in (route.methods or ()) and not route.path.startswith("/api/") and not route.path.endswith(FILES)
    ]
    paths = [re.sub(r"{\w+}", "x", view.path) for views in VIEWS.values() for view in views.values()]
    drawn = {
        next((route for route, pattern in routes if pattern.match(path.partition("?")[0])), path) for path in paths
    }
    assert sorted({route for route, _ in routes} - drawn - NOT_PAGES.keys()) == [], "pages without a picture"
    assert sorted(NOT_PAGES.keys() - ({route for route, _ in routes} - drawn)) == [], "no such route, or drawn"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PicturedLibrary]:
    with pictured_library(tmp_path_factory.mktemp("library")) as library:
        yield library


@pytest.fixture(scope="module")
def window(browser: Browser, library: PicturedLibrary) -> Iterator[Window]:
    """The one page of all pictures: to open another takes longer than to load it."""
    context = browser.new_context(base_url=library.address, reduced_motion="reduce", service_workers="block")
    window = Window(context.new_page())
    yield window
    context.close()


@pytest.mark.parametrize("display", DISPLAYS)
def test_every_page_is_drawn(window: Window, library: PicturedLibrary, display: str) -> None:
    size, locale, scheme = EVERY_DISPLAY[display]
    page = window.page
    page.set_extra_http_headers({"Accept-Language": locale})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    tools = page.context.new_cdp_session(page)
    # Pages leave out what only a keyboard needs.
    tools.send("Emulation.setTouchEmulationEnabled", {"enabled": size == PHONE})
    FOLDER.mkdir(parents=True, exist_ok=True)
    # Links that nobody has made are counted for each address.
    notice_links.failures = Buckets(notice_links.MOST_FAILURES)
    faults: dict[str, list[str]] = {}
    for who, views in VIEWS.items():
        page.context.clear_cookies()
        cookies = library.cookies.get(who, {})
        page.context.add_cookies([{"name": name, "value": cookies[name], "url": library.address} for name in cookies])
        for name, view in views.items():
            window.errors.clear()
            _set_window(tools, *size)
            response = _show(page, view, library, {**library.ids, "display": display})
            picture = _picture(tools, width=size[0])
            (FOLDER / f"{name}-{display}.png").write_bytes(picture)
            if found := _faults(window, view, response, picture, width=size[0]):
                faults[name] = found
    # What this session sets would hold for the next display.
    tools.detach()
    assert faults == {}


def _show(page: Page, view: View, library: PicturedLibrary, ids: dict[str, str]) -> Response:
    """Open a page, send its form when it has one, and return the response that is shown."""
    path, form = (re.sub(r"{(\w+)}", lambda name: ids[name[1]], text) for text in (view.path, view.form))
    if view.status == 429:
        # On a slow machine, tries are forgotten while the first ones are made.
        for _ in range(4 * notice_links.MOST_FAILURES):
            if page.request.get(path).status == 429:
                break
    if view.catalog:
        setattr(library.catalog, view.catalog, True)
    try:
        response = page.goto(path)
        if form:
            values = {name: value.replace("{display}", ids["display"]) for name, value in view.values.items()}
            with page.expect_navigation() as sent:
                page.evaluate(SEND, [form, values])
            response = sent.value
        wait_for_filters(page)
    finally:
        if view.catalog:
            setattr(library.catalog, view.catalog, False)
    assert response is not None
    return response


def _set_window(tools: CDPSession, width: int, height: int) -> None:
    window = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    tools.send("Emulation.setDeviceMetricsOverride", window)


def _picture(tools: CDPSession, *, width: int) -> bytes:
    """Return the whole page as a PNG, in a window of its height.

    `Page.screenshot` shows what is beyond the window as if there were no touch screen.
    """
    _set_window(tools, width, tools.send("Page.getLayoutMetrics")["cssContentSize"]["height"])
    return base64.b64decode(tools.send("Page.captureScreenshot", {"optimizeForSpeed": True})["data"])


def _first_lines(picture: bytes) -> bytes:
    """Return a PNG as one with its first lines, in which every page has text; to decode all takes six times as long.

    PNG 1.2 §4.1.1: IHDR is the first chunk, with width and height, and ends with the CRC of its type and data.
    """
    height = min(LINES, int.from_bytes(picture[20:24]))
    header = picture[12:20] + height.to_bytes(4) + picture[24:29]
    return picture[:12] + header + zlib.crc32(header).to_bytes(4) + picture[33:]


def _faults(window: Window, view: View, response: Response, picture: bytes, *, width: int) -> list[str]:
    """What is wrong with a page and its picture, in words."""
    faults: list[Any] = []
    if response.status != view.status:
        faults.append(f"status {response.status}, not {view.status}")
    if not window.page.evaluate("document.querySelector('main')?.innerText.trim()"):
        faults.append("no text")
    image = Image.open(io.BytesIO(_first_lines(picture)))
    if image.width != width:
        faults.append(f"{image.width} pixels wide, not {width}")
    greys = image.convert("L").getcolors()
    if greys is None or len(greys) < LEAST_GREYS:
        faults.append("a blank picture")
    faults += [f"too wide: {element}" for element in wide_elements(window.page)]
    # The browser's own line about a page that fails.
    faults += [error for error in window.errors if f"status of {view.status}" not in error]
    return faults
