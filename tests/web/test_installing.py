"""Links of pages that are shared, and the site on the screen of a phone: manifest, icons, offline page."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.fakes.books import BOOKS
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway
from tests.web.conftest import PHONE
from tests.web.places import BOOK, JAWI, PLACES, RECORD
from tests.web.test_pages import Outline

SHARED = [name for name in PLACES if name != "trouble"]


def properties(http: httpx.Client, path: str) -> dict[str, str]:
    metas = Outline(http.get(path).text).all("meta")
    return {str(meta.get("property") or meta.get("name")): str(meta["content"]) for meta in metas if "content" in meta}


@pytest.mark.parametrize("name", SHARED)
def test_a_link_to_any_page_has_a_title_a_description_and_a_picture(http: httpx.Client, name: str) -> None:
    card = properties(http, PLACES[name])
    for key in ("og:title", "og:description", "og:type", "og:url", "og:site_name", "og:locale", "og:image"):
        assert card[key], key
    assert card["twitter:card"] == "summary_large_image"
    base = str(http.base_url).rstrip("/")
    assert card["og:url"].startswith(base)
    picture = http.get(card["og:image"].removeprefix(base))
    with Image.open(io.BytesIO(picture.content)) as image:
        assert (picture.headers["content-type"], image.size) == ("image/png", (1200, 630))


def test_a_link_to_a_record_says_whether_it_can_be_had_and_by_whom_it_is(http: httpx.Client) -> None:
    descriptions = [
        properties(http, f"/records/{book.id}?lang={lang}")["og:description"]
        for book, lang in ((BOOK, "id"), (BOOK, "en"), (JAWI, "id"), (BOOKS[10], "id"))
    ]
    assert descriptions[0].startswith("Dapat dipinjam: 2 perpustakaan · Rusli, Marah · Balai Pustaka, 1922")
    assert descriptions[1].startswith("Can be borrowed: 2 libraries · ")
    assert descriptions[2].startswith("Baca di tempat: Perpustakaan Pusat · ")
    assert descriptions[3].startswith("Belum ada eksemplar. · ")


def test_an_error_page_is_no_card(http: httpx.Client) -> None:
    assert not [key for key in properties(http, PLACES["trouble"]) if key.startswith("og:")]


def test_the_manifest_names_icons_that_exist(http: httpx.Client) -> None:
    for lang in ("id", "en"):
        response = http.get("/site.webmanifest", headers={"Accept-Language": lang})
        assert response.headers["content-type"] == "application/manifest+json"
        manifest = response.json()
        assert (manifest["lang"], manifest["start_url"], manifest["display"]) == (lang, "/", "standalone")
        assert manifest["description"]
    purposes = set()
    for entry in manifest["icons"]:
        with Image.open(io.BytesIO(http.get(entry["src"]).content)) as image:
            assert "{}x{}".format(*image.size) == entry["sizes"]
        purposes.add((entry["sizes"], entry["purpose"]))
    assert purposes == {("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")}
    assert http.get("/icons/193.png").status_code == 404


def test_a_maskable_icon_keeps_to_the_inner_four_fifths(http: httpx.Client) -> None:
    with Image.open(io.BytesIO(http.get("/icons/maskable-512.png").content)) as image:
        picture = image.convert("RGB")
    ground = picture.getpixel((0, 0))
    for x in range(0, 512, 4):
        for y in range(0, 512, 4):
            if (x - 256) ** 2 + (y - 256) ** 2 > (0.4 * 512) ** 2:
                assert picture.getpixel((x, y)) == ground


def test_old_browsers_find_an_icon(http: httpx.Client) -> None:
    response = http.get("/favicon.ico")
    assert response.headers["content-type"] == "image/x-icon"
    with Image.open(io.BytesIO(response.content)) as image:
        assert image.info["sizes"] == {(16, 16), (32, 32), (48, 48)}


def test_every_page_links_its_manifest_and_says_how_to_install(http: httpx.Client) -> None:
    html = http.get("/").text
    links = {link.get("rel"): link.get("href") for link in Outline(html).all("link")}
    assert links["manifest"] == "/site.webmanifest"
    assert http.get(str(links["apple-touch-icon"])).status_code == 200
    assert 'href="/install"' in html
    for lang, text in (("id", "Tambahkan ke layar utama"), ("en", "Add to Home screen")):
        assert text in http.get(f"/install?lang={lang}").text


def test_the_service_worker_keeps_files_and_the_offline_page_alone(http: httpx.Client) -> None:
    script = http.get("/sw.js").text
    listed = re.search(r"const FILES = (\[.*?\]);", script)
    assert listed is not None
    files = re.findall(r'"([^"]+)"', listed[1])
    assert files
    assert all(file.startswith("/static/") and http.get(file).status_code == 200 for file in files)
    assert len(script) < 3_500
    offline = http.get("/offline").text
    assert "Tidak ada sambungan" in offline
    assert "No connection" in offline


def test_the_page_that_a_phone_keeps_has_no_hours_and_no_search(http: httpx.Client) -> None:
    now = re.compile(r">Perpustakaan Pusat</a> <span>([^<]*)</span>")
    pages = [http.get(path, headers={"Accept-Language": "id"}).text for path in ("/", "/offline")]
    front, offline = (now.search(html) for html in pages)
    assert front is not None
    assert front[1]
    assert offline is not None
    assert offline[1] == ""
    assert 'id="q"' not in pages[1]


# The paths of what the browser keeps for the service worker.
KEPT = """async () => {
    const caches_of_site = await Promise.all((await caches.keys()).map(name => caches.open(name)));
    const requests = await Promise.all(caches_of_site.map(cache => cache.keys()));
    return requests.flat().map(request => new URL(request.url).pathname);
}"""


class Site:
    """A gateway that can be away: the browser reaches it through the port of its address."""

    def __init__(self, address: str, page: Page) -> None:
        self.address, self.page = address, page


@pytest.fixture
def site(browser: Browser) -> Iterator[Site]:
    with served_catalog(FakeCatalog()) as url, served_gateway(url) as address:
        context = browser.new_context(
            base_url=address, locale="id-ID", viewport={"width": PHONE[0], "height": PHONE[1]}
        )
        yield Site(address, context.new_page())
        context.close()


def test_without_a_connection_a_page_says_so_and_comes_back_with_it(site: Site) -> None:
    page = site.page
    page.goto("/")
    page.wait_for_function("navigator.serviceWorker.ready.then(worker => worker.active.state === 'activated')")
    page.goto(RECORD)
    kept = page.evaluate(KEPT)
    assert sorted(path for path in kept if not path.startswith("/static/")) == ["/offline"]
    page.context.set_offline(True)
    page.goto("/search?q=surau")
    assert page.get_by_role("heading", name="Tidak ada sambungan").is_visible()
    assert page.get_by_role("heading", name="No connection").is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.top')).backgroundColor") == "rgb(74, 15, 14)"
    page.context.set_offline(False)
    page.wait_for_selector(".hit", timeout=20_000)
    assert page.url.endswith("/search?q=surau")
