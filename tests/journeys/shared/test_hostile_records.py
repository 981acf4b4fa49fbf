"""Scripts in every displayed MARC field of imported records stay text on every page and in every form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import unescape
from urllib.parse import quote

import lxml.etree
import lxml.html
import pytest
from playwright.sync_api import Browser

from gateway.formats import FORMATS
from services.catalog.marc.record import Record
from tests.conditions import eventually
from tests.fakes.payloads import PAYLOADS
from tests.journeys.library import Library

WORD = "zamrudkhatulistiwa"
# Elements of our own templates; a payload that became markup would add others.
TAGS = {
    "html", "head", "meta", "title", "link", "script", "body", "a", "header", "div", "svg", "path", "defs", "pattern",
    "symbol", "use", "text", "form", "label", "input", "button", "nav", "main", "section", "article", "aside", "h1",
    "h2", "h3", "p", "span", "ul", "ol", "li", "dl", "dt", "dd", "details", "summary", "mark", "table", "caption",
    "thead", "tbody", "tr", "th", "td", "abbr", "b", "strong", "kbd", "select", "option", "footer", "img", "fieldset",
    "legend",
}  # fmt: skip
# An import decodes the entities of a field once.
SHOWN = tuple(unescape(payload) if payload.startswith("&lt;") else payload for payload in PAYLOADS)
# A library's telephone and e-mail are in the footer, and records are shared by e-mail.
SAFE_LINKS = ("/", "#", "https://", "http://", "ftp://", "tel:+", "mailto:", "geo:")
LINK_ATTRIBUTES = ("href", "src", "action", "content", "data-load", "data-href")


@pytest.fixture(scope="module")
def hostile(embedded_library: Library) -> list[str]:
    """Ids of forty imported records, in the order of the payloads. (Both editions render them with the same code.)"""
    assert len(PAYLOADS) == 40
    summary = embedded_library.put([record_with(at, payload) for at, payload in enumerate(PAYLOADS)], source="hostile")
    assert summary["created"] == 40
    eventually(lambda: embedded_library.search(WORD)["total"] == 40)
    hits = embedded_library.search(WORD, limit=100, sort="year_asc")["hits"]
    return [hit["id"] for hit in hits]


def record_with(at: int, payload: str) -> Record:
    """A record with the payload in every field that pages, lists and forms show."""
    fields = [
        ["001", f"xss{at}"],
        ["008", f"260101s{1900 + at}    io a     b    000 1 ind d"],
        ["020", "  ", "a", payload],
        ["022", "  ", "a", payload],
        ["024", "7 ", "a", payload, "2", "doi"],
        ["082", "04", "a", payload],
        ["100", "1 ", "a", payload, "e", payload],
        ["130", "0 ", "a", payload],
        ["245", "10", "6", "880-01", "a", f"{WORD} {payload}", "b", payload, "c", payload],
        ["246", "3 ", "a", payload, "i", payload],
        ["250", "  ", "a", payload],
        ["264", " 1", "a", payload, "b", payload, "c", str(1900 + at)],
        ["300", "  ", "a", payload],
        ["490", "0 ", "a", payload, "v", payload],
        *([tag, "  ", "a", payload] for tag in ("500", "502", "504", "508", "511", "521", "538", "546", "586", "590")),
        ["505", "0 ", "a", payload],
        ["520", "  ", "a", payload],
        *([tag, " 4", "a", payload, "x", payload] for tag in ("600", "610", "650", "651", "655")),
        ["653", "  ", "a", payload],
        ["700", "1 ", "a", payload, "4", payload],
        *([tag, "0 ", "t", payload, "w", payload, "z", payload] for tag in ("773", "780", "785")),
        ["852", "  ", "b", "PST", "p", f"XSS{at:04}", "h", payload, "i", payload, "t", payload, "z", payload],
        ["856", "40", "u", payload, "y", payload],
        ["856", "40", "u", f"https://contoh.example/?q={quote(payload)}", "y", payload],
        ["880", "10", "6", "245-01/(3/r", "a", payload],
        ["999", "  ", "a", payload],
    ]
    return Record("00000nam a2200000   4500", fields)


def searches_for(payload: str) -> Iterator[str]:
    yield f"/search?q={quote(payload)}&explain=true&by_work=true"
    yield f"/search?q={WORD}&author={quote(payload)}&filters=open"
    yield f"/browse/subject?term={quote(payload)}"


def test_every_page_shows_payloads_as_text(embedded_library: Library, hostile: list[str]) -> None:
    lists = [f"/search?q={WORD}&sort=year", f"/search/filters?q={WORD}", f"/search/facets/author?q={WORD}",
             f"/suggest?q={WORD}", "/browse/author?term=%22", "/browse/title?term=zamrud", "/browse/series",
             "/browse/call_number", f"/records/{hostile[0]}/shelf"]  # fmt: skip
    for path in lists:
        assert_harmless(embedded_library.page(path), path)
    for at, record_id in enumerate(hostile):
        for path in (f"/records/{record_id}/marc", *(searches_for(PAYLOADS[at]) if at % 4 == 0 else ())):
            assert_harmless(embedded_library.page(path), path)
        html = embedded_library.page(f"/records/{record_id}")
        assert_harmless(html, record_id)
        text = " ".join(lxml.html.document_fromstring(html).itertext())
        assert " ".join(SHOWN[at].split()) in " ".join(text.split())


def assert_harmless(html: str, path: str) -> None:
    page = lxml.html.document_fromstring(html or "<p></p>")
    for element in page.iter(lxml.etree.Element):
        assert element.tag in TAGS, (path, element.tag)
        for name, value in element.attrib.items():
            assert not name.startswith("on"), (path, name)
            assert name not in ("style", "srcdoc", "formaction", "ping"), (path, name)
            assert not name.startswith("hx-"), (path, name)
            if name in LINK_ATTRIBUTES and element.tag != "meta":
                assert value.startswith(SAFE_LINKS), (path, name, value)
        if element.tag == "script":
            assert element.get("src", "").startswith("/static/") or json.loads(element.text_content())


def test_covers_and_forms_are_well_formed_and_have_their_media_type(
    embedded_library: Library, hostile: list[str]
) -> None:
    for at, record_id in enumerate(hostile):
        response = embedded_library.get(f"/covers/{record_id}/1")
        assert {element.tag.rpartition("}")[2] for element in lxml.etree.fromstring(response.content).iter()} <= {
            "svg", "defs", "pattern", "path", "rect", "g", "text", "tspan", "use"
        }  # fmt: skip
        api = embedded_library.get(f"/api/v1/records/{record_id}")
        assert api.headers["content-type"] == "application/json"
        assert api.headers["x-content-type-options"] == "nosniff"
        assert SHOWN[at].split()[0].rstrip(";") in api.json()["record"]["title"]
    for ending in FORMATS:
        form = embedded_library.get(f"/records/{hostile[0]}.{ending}")
        assert form.status_code == 200
        assert not form.headers["content-type"].startswith(("text/html", "application/xhtml"))
        if "xml" in form.headers["content-type"]:
            lxml.etree.fromstring(form.content)
    feed = lxml.etree.fromstring(embedded_library.get("/search.atom", q=WORD).content)
    assert not list(feed.iter("{*}script", "{*}img", "{*}svg"))


def test_chromium_runs_no_payload(embedded_library: Library, hostile: list[str], browser: Browser) -> None:
    messages: list[str] = []
    page = browser.new_page()
    page.on("dialog", lambda dialog: (messages.append(dialog.message), dialog.dismiss()))
    page.on("console", lambda line: messages.append(line.text) if "Content Security Policy" in line.text else None)
    lists = [f"/search?q={WORD}", f"/search?q={WORD}&sort=year", f"/browse/author?term={quote(PAYLOADS[0])}"]
    for path in (*lists, *(f"/records/{record_id}" for record_id in hostile[::8])):
        page.goto(embedded_library.address + path)
        page.wait_for_load_state("networkidle")
    assert messages == []
