"""Covers: the same record always has the same drawing, titles stay text, and a library's own picture replaces it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from PIL import Image

from gateway.web.covers.card_png import card, drawable, site_card
from gateway.web.covers.cover_svg import BACKGROUNDS, MOTIF_COLOURS, SHOOT, columns, cover, wrap
from gateway.web.covers.images import LARGEST_PICTURE_BYTES, find_picture, isbns, to_isbn10
from tests.fakes.books import BOOKS, SCRIPT, Book
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway
from tests.web.places import BOOK, HOSTILE

COVER = f"/covers/{BOOK.id}/3"
JPEG = b"\xff\xd8\xff\xe0" + b"0" * 100
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100
WEBP = b"RIFF\x00\x00\x00\x00WEBP" + b"0" * 100


def test_a_cover_has_the_title_the_author_the_motif_and_the_ground_of_its_class(http: httpx.Client) -> None:
    response = http.get(COVER)
    assert response.headers["content-type"] == "image/svg+xml"
    text = " ".join(ElementTree.fromstring(response.text).itertext())
    assert "Siti" in text
    assert "Rusli, Marah" in text
    assert SHOOT in response.text
    assert BACKGROUNDS["8"] in response.text


def test_a_cover_of_the_current_version_is_immutable_and_has_an_etag(http: httpx.Client) -> None:
    response = http.get(COVER)
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "Cookie" not in response.headers["vary"]
    assert http.get(COVER, headers={"If-None-Match": response.headers["etag"]}).status_code == 304
    assert "immutable" not in http.get(f"/covers/{BOOK.id}/2").headers["cache-control"]


@pytest.mark.parametrize("path", [f"/covers/{BOOK.id}/x", "/covers/nope/3", f"/covers/{BOOK.id}/{'9' * 40}"])
def test_a_missing_cover_is_a_404(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 404


def test_a_hostile_title_stays_text_on_its_cover(http: httpx.Client) -> None:
    response = http.get(f"/covers/{HOSTILE.id}/3")
    assert SCRIPT not in response.text
    svg = ElementTree.fromstring(response.text)
    assert {element.tag.rpartition("}")[2] for element in svg.iter()} <= {
        "svg", "defs", "pattern", "path", "rect", "g", "text", "tspan"
    }  # fmt: skip
    assert not [name for element in svg.iter() for name in element.attrib if name.startswith("on") or name == "style"]
    assert "default-src 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("ddc", ["", "8", "899.221", "2X4.1", "X", "٨٩٩", "Rd 300", "<>&'\""])
@pytest.mark.parametrize("title", ["", " ", "\x00\x08\ufffe", "کابا", "字" * 80, "a" * 3000, "Surau " * 90, "&<>\"'"])
def test_any_title_and_class_make_a_well_formed_cover(title: str, ddc: str) -> None:
    svg = cover(title=title, author=title, ddc=ddc)
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert len(svg) < 3_000
    assert svg == cover(title=title, author=title, ddc=ddc)


@pytest.mark.parametrize("ddc", ["", "899.221", "2X4.1", "<>&"])
@pytest.mark.parametrize(
    "title", ["", "\x00", "کابا", "字" * 80, "a" * 3000, "W" * 200, "Mémoires ḥadīth", "Surau " * 90]
)
def test_any_title_and_class_make_a_card(title: str, ddc: str) -> None:
    body = card(title=title, author=title, ddc=ddc)
    with Image.open(io.BytesIO(body)) as image:
        assert (image.size, image.format) == ((1200, 630), "PNG")
    assert len(body) < 60_000
    assert card(title=title, author=title, ddc=ddc) is body


def test_a_card_has_the_colours_of_the_cover() -> None:
    for digit, background in BACKGROUNDS.items():
        with Image.open(io.BytesIO(card(title="Kaba", author="", ddc=f"{digit}10"))) as image:
            palette = image.getpalette() or []
        colours = {"#{:02x}{:02x}{:02x}".format(*palette[at : at + 3]) for at in range(0, len(palette), 3)}
        assert {background, MOTIF_COLOURS[1]} <= colours, digit


def test_letters_without_a_glyph_are_written_plainly_and_other_scripts_are_left_to_the_text() -> None:
    assert drawable("Ḥadīth – “naïve” Đơn") == 'Hadith - "naïve" Don'
    assert drawable("إحياء علوم الدين") == ""


def test_the_card_of_a_record_is_a_png_of_its_version(http: httpx.Client) -> None:
    response = http.get(f"{COVER}.png")
    assert response.headers["content-type"] == "image/png"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "immutable" not in http.get(f"/covers/{BOOK.id}/2.png").headers["cache-control"]
    assert http.get(f"/covers/{BOOK.id}/x.png").status_code == 404
    assert http.get("/covers/nope/3.png").status_code == 404


def test_a_drawing_is_charged_to_who_asks_for_it() -> None:
    card.cache_clear()
    left = []
    with served_catalog(FakeCatalog()) as url, served_gateway(url, rate_limit=100) as gateway_address:
        for path in (COVER, f"{COVER}.png", COVER):
            header = httpx.get(f"{gateway_address}{path}", verify=False).headers["ratelimit"]
            left.append(int(header.partition("r=")[2].partition(";")[0]))
    # One token a request, and more for the CPU time of the drawing, which is charged when it has ended.
    assert left[0] - left[2] > 3


def test_the_card_of_other_pages_has_the_name_of_the_site() -> None:
    body = site_card("Perpustakaan Kota Padang")
    with Image.open(io.BytesIO(body)) as image:
        assert (image.size, image.format) == ((1200, 630), "PNG")
    assert body != site_card("Perpustakaan")


def test_covers_of_different_classes_differ() -> None:
    covers = {cover(title="Kaba", author="", ddc=f"{first}{second}0") for first in range(10) for second in range(3)}
    assert len(covers) == 30


def test_a_right_to_left_title_has_its_direction() -> None:
    assert b'direction="rtl"' in cover(title="إحياء علوم الدين", author="", ddc="297")


def test_lines_are_never_wider_than_the_cover() -> None:
    for width in (24, 10, 5):
        lines = wrap("Bergotong-royong membangun 字字字字字字 negeri antahberantah yang jauh", width, 4)
        assert len(lines) <= 4
        assert all(columns(line) <= width for line in lines)
    assert lines[-1].endswith("…")


def test_a_long_word_is_split_after_its_hyphen() -> None:
    assert wrap("Kamus Minangkabau-Indonesia", 14, 6) == ["Kamus", "Minangkabau-", "Indonesia"]


def test_the_pictures_of_a_folder_are_found_by_isbn_of_10_or_13_digits(tmp_path: Path) -> None:
    (tmp_path / "9794030462.png").write_bytes(PNG)
    assert to_isbn10("9789794030462") == "979403046" + to_isbn10("9789794030462")[-1]
    (tmp_path / f"{to_isbn10('9789794030462')}.jpg").write_bytes(JPEG)
    assert find_picture(tmp_path, isbns({"isbn": "978-979-403-046-2"})) in ((JPEG, "image/jpeg"), (PNG, "image/png"))
    (tmp_path / "9789794030462.webp").write_bytes(WEBP)
    assert find_picture(tmp_path, isbns({"identifiers": {"isbn": ["9789794030462"]}})) == (WEBP, "image/webp")


@pytest.mark.parametrize("body", [b"", b"<svg onload=alert(1)>", PNG, JPEG + b"0" * LARGEST_PICTURE_BYTES])
def test_a_picture_of_another_type_or_too_large_is_ignored(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "9789794030462.jpg").write_bytes(body)
    assert find_picture(tmp_path, ["9789794030462"]) is None
    assert find_picture(None, ["9789794030462"]) is None


def test_an_isbn_never_names_another_file(tmp_path: Path) -> None:
    for value in ("../../etc/passwd", "9789794030462/../x", "%2e%2e", "", None, "9" * 200):
        assert all(re.fullmatch(r"[0-9X]{10}|[0-9X]{13}", isbn) for isbn in isbns({"isbn": value}))


@pytest.fixture
def address_with_picture(tmp_path: Path) -> Iterator[str]:
    """A gateway whose library has a picture of one book; its address."""
    book = Book(1, "Robohnya Surau Kami", "Navis, A.A.", 1986, brief_fields={"isbn": "9789794030462"})
    (tmp_path / "9789794030462.png").write_bytes(PNG)
    with (
        served_catalog(FakeCatalog((book,))) as url,
        served_gateway(url, covers=tmp_path, public_url="https://katalog.example") as gateway_address,
    ):
        yield gateway_address


def test_a_librarys_own_picture_is_shown_and_is_on_the_card(address_with_picture: str) -> None:
    cover_path = f"/covers/{BOOKS[0].id}/3"
    response = httpx.get(f"{address_with_picture}{cover_path}", verify=False)
    assert (response.content, response.headers["content-type"]) == (PNG, "image/png")
    html = httpx.get(
        f"{address_with_picture}/records/{BOOKS[0].id}", headers={"Accept": "text/html"}, verify=False
    ).text
    assert f'<meta property="og:image" content="https://katalog.example{cover_path}">' in html
