"""A picture of every kind of page, for people to look at, in the folder SCREENSHOTS; by default var/screenshots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.web.conftest import DESK, PHONE, Visit
from tests.web.places import BOOK, PLACES

FOLDER = Path(os.environ.get("SCREENSHOTS") or Path(__file__).parents[2] / "var" / "screenshots")
PAGES = {**PLACES, "book": f"/records/{BOOK.id}", "install": "/install", "offline": "/offline"}
# name -> size of the window, language, colours
DISPLAYS = {"phone-id-light": (PHONE, "id-ID", "light"), "desk-en-dark": (DESK, "en-GB", "dark")}
# A page that shows nothing is smaller.
SMALLEST_BYTES = 4_000


@pytest.mark.parametrize("display", DISPLAYS)
def test_every_page_is_drawn(visit: Visit, display: str) -> None:
    size, locale, scheme = DISPLAYS[display]
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, path in PAGES.items():
        page = visit(path, size=size, locale=locale)
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        picture = page.screenshot(path=FOLDER / f"{name}-{display}.png")
        assert len(picture) > SMALLEST_BYTES, name
