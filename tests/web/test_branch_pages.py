"""Pages of branches: hours, address, maps, contact, services, JSON-LD; and how far they are from a title."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import lxml.html
import pytest

from chassis import clock
from tests.fakes.books import BOOKS
from tests.fakes.catalog import FakeCatalog
from tests.fakes.hours import WEEK, add_hours, wait_for_hours
from tests.fakes.running import served_catalog, served_gateway
from tests.web.conftest import PHONE, Visit
from tests.web.places import PLACES
from tests.web.test_browser import Taps

PUSAT = "/branches/KOTASOLOK/PUSAT"
# 14.00 in Solok on a Monday, Idul Adha on the Wednesday.
MOMENT = datetime(2026, 5, 25, 7, tzinfo=UTC)
HOLIDAY = {"weekly": WEEK, "closed": [{"from": "2026-05-27", "why": "Idul Adha </script>"}]}


@pytest.fixture(scope="module")
def site() -> Iterator[httpx.Client]:
    """A gateway whose clock stands still."""
    with (
        clock.frozen(MOMENT),
        served_catalog(FakeCatalog()) as url,
        served_gateway(url, default_institution="KOTASOLOK") as address,
        httpx.Client(base_url=address, timeout=10, verify=False, headers={"Accept": "text/html"}) as client,
    ):
        add_hours(PUSAT=HOLIDAY)
        wait_for_hours(address)
        yield client


@pytest.fixture(scope="module")
def address(site: httpx.Client) -> str:
    """Address of that gateway also for browsers: another one may know hours of days at which its clock stood before."""
    return str(site.base_url)


def page_of(site: httpx.Client, path: str, language: str = "id") -> lxml.html.HtmlElement:
    answer = site.get(path, headers={"Accept-Language": language})
    assert answer.status_code == 200
    return lxml.html.fromstring(answer.text)


def text_of(element: lxml.html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def test_a_branch_says_that_it_is_open_and_until_when(site):
    assert text_of(page_of(site, PUSAT).find(".//*[@class='now']")) == "Buka hari ini 08.00–16.00 · tutup 2 jam lagi"
    english = text_of(page_of(site, PUSAT, "en").find(".//*[@class='now']"))
    assert english == "Open today 08:00–16:00 · closes in 2 hours"


def test_a_branch_shows_seven_days_with_breaks_and_closings(site):
    days = [text_of(day) for day in page_of(site, PUSAT).xpath("//dl[@class='week']/div")]
    assert len(days) == 7
    assert days[0] == "Senin hari ini 08.00–16.00"
    assert days[2] == "Rabu 27 Mei Tutup Idul Adha </script>"
    assert days[4] == "Jumat 29 Mei 08.00–11.30, 13.30–16.30"


def test_a_branch_says_where_it_is_and_how_to_reach_it(site):
    page = page_of(site, PUSAT)
    text = text_of(page.find(".//main"))
    links = {str(link) for link in page.xpath("//main//a/@href")}
    assert "Jl. Contoh No. 1" in text
    assert "0755 0000001" in text
    assert {"tel:+627550000001", "https://wa.me/6281200000001", "mailto:pustaka@example.org"} <= links
    assert "geo:-0.789300,100.654300?q=-0.789300,100.654300(Perpustakaan%20Pusat)" in links
    assert any(link.startswith("https://www.openstreetmap.org/?mlat=-0.789300&mlon=100.654300") for link in links)
    assert "Ruang baca anak" in text
    assert "Jalur landai" in text


def test_a_branch_shows_what_came_there_last(site):
    page = page_of(site, PUSAT)
    titles = [text_of(title) for title in page.xpath("//section[@aria-labelledby='newest']//h3/a")]
    here = [book.title for book in BOOKS if ("KOTASOLOK", "PUSAT") in {(item[0], item[1]) for item in book.items}]
    assert titles == here[::-1][: len(titles)]
    assert titles
    assert "/search?branch=KOTASOLOK%2FPUSAT" in {str(link) for link in page.xpath("//main//a/@href")}


def test_no_line_ends_within_a_span_of_hours(site):
    spans = page_of(site, PUSAT).xpath("//*[@class='span']/text()")
    assert {"08.00–16.00", "08.00–11.30", "13.30–16.30"} <= set(spans)


def test_a_branch_without_hours_says_so(site):
    text = text_of(page_of(site, "/branches/KOTASOLOK/LAING").find(".//main"))
    assert "Jam buka belum diisi oleh perpustakaan ini." in text
    assert "Senin" not in text


def test_a_branch_is_described_for_machines(site):
    page = page_of(site, PUSAT)
    data = json.loads(page.xpath("//script[@type='application/ld+json']/text()")[0])
    assert (data["@type"], data["name"], data["telephone"]) == ("Library", "Perpustakaan Pusat", "+627550000001")
    assert data["geo"]["latitude"] == pytest.approx(-0.7893)
    friday = [span for span in data["openingHoursSpecification"] if span["validFrom"] == "2026-05-29"]
    assert [(span["opens"], span["closes"]) for span in friday] == [("08:00", "11:30"), ("13:30", "16:30")]
    assert friday[0]["dayOfWeek"] == "https://schema.org/Friday"
    (closing,) = data["specialOpeningHoursSpecification"]
    assert (closing["opens"], closing["closes"], closing["validFrom"]) == ("00:00", "00:00", "2026-05-27")
    assert data["parentOrganization"]["@type"] == "LibrarySystem"


def test_the_list_describes_the_library_system(site):
    page = page_of(site, "/branches", "en")
    data = json.loads(page.xpath("//script[@type='application/ld+json']/text()")[0])
    assert (data["@type"], data["name"]) == ("LibrarySystem", "Solok City Library")
    assert [branch["name"] for branch in data["subOrganization"]] == ["Central Library", "Laing Branch"]


def test_header_title_and_footer_name_the_library(site):
    page = page_of(site, "/search?q=surau")
    assert page.find(".//title").text.endswith(" – Perpustakaan Kota Solok")
    assert text_of(page.find(".//a[@class='mark']")) == "Pustaka Solok"
    footer = text_of(page.find(".//footer"))
    assert "Perpustakaan Pusat Buka sampai 16.00" in footer
    assert "WhatsApp 0812-0000-0001" in footer
    assert "Rangkiang" not in page.find(".//title").text


def test_the_places_of_a_record_link_to_their_branches_and_say_whether_they_are_open(site):
    places = page_of(site, PLACES["record"]).xpath("//li[@class='branch']")
    by_path = {str(place.xpath(".//h3//a/@href")[0]): text_of(place) for place in places}
    assert "Buka sampai 16.00" in by_path[PUSAT]


def test_an_unknown_branch_is_not_found(site):
    answer = site.get("/branches/KOTASOLOK/NONE", headers={"Accept-Language": "id"})
    assert answer.status_code == 404
    error = lxml.html.fromstring(answer.text)
    assert error.xpath("//main//a[@href='/branches']/text()") == ["Semua perpustakaan"]


@pytest.mark.parametrize("locale", ["id-ID", "en-GB"])
def test_from_a_title_to_the_hours_of_a_branch_takes_two_taps_and_no_scroll(visit: Visit, locale: str) -> None:
    page = visit("/search?q=siti", size=PHONE, locale=locale, has_touch=True, is_mobile=True)
    taps = Taps(page)
    taps.tap(page.locator(".hit h2 a").first)
    page.wait_for_url("**/records/**")
    taps.tap(page.locator(".branch h3 a").first)
    page.wait_for_url("**/branches/**")
    now = page.locator(".now").bounding_box()
    today = page.locator(".week .today").bounding_box()
    assert now is not None
    assert today is not None
    assert today["y"] + today["height"] <= PHONE[1]
    assert (taps.count, page.evaluate("scrollY")) == (2, 0)


def test_the_api_gives_the_reason_of_a_closed_day(site):
    answer = site.get("/api/v1/branches/KOTASOLOK/PUSAT/hours", params={"from": "2026-05-27", "days": 2})
    assert [day.get("closed") for day in answer.json()["days"]] == [
        {"why": "Idul Adha </script>", "is_estimated": False},
        None,
    ]
