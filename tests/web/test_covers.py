"""Covers: drawn the same for the same facts, text for every text, and the library's own picture where it has one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest

from gateway.web.cover_svg import columns, cover, wrap
from gateway.web.covers import LARGEST_PICTURE_BYTES, find_picture, isbns, to_isbn10
from gateway.web.motifs import WEAVES
from tests.fakes.books import BOOKS, SCRIPT, Book
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway
from tests.web.places import BOOK, HOSTILE

COVER = f"/covers/{BOOK.id}/3"
JPEG = b"\xff\xd8\xff\xe0" + b"0" * 100
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100
WEBP = b"RIFF\x00\x00\x00\x00WEBP" + b"0" * 100


def test_a_cover_has_the_title_the_author_and_the_weave_of_its_class(http: httpx.Client) -> None:
    response = http.get(COVER)
    assert response.headers["content-type"] == "image/svg+xml"
    said = " ".join(ElementTree.fromstring(response.text).itertext())
    assert "Siti" in said
    assert "Rusli, Marah" in said
    assert WEAVES["8"].path in response.text


def test_a_cover_is_kept_for_good_by_version_and_known_by_its_tag(http: httpx.Client) -> None:
    response = http.get(COVER)
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "Cookie" not in response.headers["vary"]
    assert http.get(COVER, headers={"If-None-Match": response.headers["etag"]}).status_code == 304
    assert "immutable" not in http.get(f"/covers/{BOOK.id}/2").headers["cache-control"]


@pytest.mark.parametrize("path", [f"/covers/{BOOK.id}/x", "/covers/nope/3", f"/covers/{BOOK.id}/{'9' * 40}"])
def test_a_cover_that_is_not_there_is_a_404(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 404


def test_a_hostile_title_stays_text_on_its_cover(http: httpx.Client) -> None:
    response = http.get(f"/covers/{HOSTILE.id}/3")
    assert SCRIPT not in response.text
    drawn = ElementTree.fromstring(response.text)
    assert {element.tag.rpartition("}")[2] for element in drawn.iter()} <= {
        "svg", "defs", "pattern", "path", "rect", "g", "text", "tspan", "use"
    }  # fmt: skip
    assert not [name for element in drawn.iter() for name in element.attrib if name.startswith("on") or name == "style"]
    assert "default-src 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("ddc", ["", "8", "899.221", "2X4.1", "X", "٨٩٩", "Rd 300", "<>&'\""])
@pytest.mark.parametrize("title", ["", " ", "\x00\x08\ufffe", "کابا", "字" * 80, "a" * 3000, "Surau " * 90, "&<>\"'"])
def test_any_title_and_class_make_a_well_formed_cover(title: str, ddc: str) -> None:
    drawn = cover(title=title, author=title, ddc=ddc)
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert len(drawn) < 3_000
    assert drawn == cover(title=title, author=title, ddc=ddc)


def test_covers_of_neighbouring_classes_differ() -> None:
    drawn = {cover(title="Kaba", author="", ddc=f"{first}{second}0") for first in range(10) for second in range(3)}
    assert len(drawn) == 30


def test_a_title_that_runs_to_the_left_begins_at_the_right() -> None:
    assert b'direction="rtl"' in cover(title="إحياء علوم الدين", author="", ddc="297")


def test_lines_are_never_wider_than_the_cloth() -> None:
    for width in (24, 10, 5):
        lines = wrap("Bergotong-royong membangun 字字字字字字 negeri antahberantah yang jauh", width, 4)
        assert len(lines) <= 4
        assert all(columns(line) <= width for line in lines)
    assert lines[-1].endswith("…")


def test_the_pictures_of_a_folder_are_found_by_isbn_in_either_length(tmp_path: Path) -> None:
    (tmp_path / "9794030462.png").write_bytes(PNG)
    assert to_isbn10("9789794030462") == "979403046" + to_isbn10("9789794030462")[-1]
    (tmp_path / f"{to_isbn10('9789794030462')}.jpg").write_bytes(JPEG)
    assert find_picture(tmp_path, isbns({"isbn": "978-979-403-046-2"})) in ((JPEG, "image/jpeg"), (PNG, "image/png"))
    (tmp_path / "9789794030462.webp").write_bytes(WEBP)
    assert find_picture(tmp_path, isbns({"identifiers": {"isbn": ["9789794030462"]}})) == (WEBP, "image/webp")


@pytest.mark.parametrize("body", [b"", b"<svg onload=alert(1)>", PNG, JPEG + b"0" * LARGEST_PICTURE_BYTES])
def test_a_picture_that_is_not_what_its_name_says_or_too_big_is_passed_over(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "9789794030462.jpg").write_bytes(body)
    assert find_picture(tmp_path, ["9789794030462"]) is None
    assert find_picture(None, ["9789794030462"]) is None


def test_an_isbn_never_names_another_file(tmp_path: Path) -> None:
    for written in ("../../etc/passwd", "9789794030462/../x", "%2e%2e", "", None, "9" * 200):
        assert all(re.fullmatch(r"[0-9X]{10}|[0-9X]{13}", isbn) for isbn in isbns({"isbn": written}))


@pytest.fixture
def pictured(tmp_path: Path) -> Iterator[str]:
    """A gateway whose library has a picture of one book; its address."""
    book = Book(1, "Robohnya Surau Kami", "Navis, A.A.", 1986, brief_fields={"isbn": "9789794030462"})
    (tmp_path / "9789794030462.png").write_bytes(PNG)
    with (
        served_catalog(FakeCatalog((book,))) as url,
        served_gateway(url, covers=tmp_path, public_url="https://katalog.example") as address,
    ):
        yield address


def test_a_librarys_own_picture_is_shown_and_is_on_the_card(pictured: str) -> None:
    cover_at = f"/covers/{BOOKS[0].id}/3"
    response = httpx.get(f"{pictured}{cover_at}")
    assert (response.content, response.headers["content-type"]) == (PNG, "image/png")
    html = httpx.get(f"{pictured}/records/{BOOKS[0].id}", headers={"Accept": "text/html"}).text
    assert f'<meta property="og:image" content="https://katalog.example{cover_at}">' in html
