"""A picture of every kind of page, for people to look at, in the folder SCREENSHOTS; by default var/screenshots."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from tests.fakes.accounts import add_institution, add_staff, new_user
from tests.fakes.institutions import OWN
from tests.fakes.items import INSTITUTION_ID
from tests.web.accessibility import take_session
from tests.web.conftest import DESK, PHONE, Visit
from tests.web.places import BOOK, PLACES
from tests.web.visitors import Visitor, visitor

FOLDER = Path(os.environ.get("SCREENSHOTS") or Path(__file__).parents[2] / "var" / "screenshots")
PAGES = {**PLACES, "book": f"/records/{BOOK.id}", "install": "/install", "offline": "/offline"}
STAFF_PAGES = {
    "account": "/account",
    "desk": "/desk",
    "overdue": "/desk/overdue",
    "policies": "/desk/policies",
    "calendars": "/desk/calendars",
    "calendar": "/desk/calendars/PUSAT",
    "libraries": "/desk/libraries",
    "library-institution": "/desk/libraries/institution",
    "library-branch": "/desk/libraries/branches/PUSAT",
    "members": "/members",
    "member-new": "/members/new",
    "staff": "/staff",
    "clients": "/clients",
}
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


@pytest.fixture(scope="module")
def administrator(address: str) -> Iterator[Visitor]:
    add_institution(UUID(INSTITUTION_ID), OWN)
    with visitor(address) as administrator:
        administrator.sign_in(add_staff(new_user("admin"), "administrator", institution=UUID(INSTITUTION_ID)))
        yield administrator


@pytest.mark.parametrize("display", DISPLAYS)
def test_every_page_of_staff_is_drawn(visit: Visit, administrator: Visitor, display: str) -> None:
    size, locale, scheme = DISPLAYS[display]
    FOLDER.mkdir(parents=True, exist_ok=True)
    page = visit("/", size=size, locale=locale, fresh=True)
    take_session(page, administrator)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for name, path in STAFF_PAGES.items():
        page.goto(path)
        assert "/sign-in" not in page.url, path
        picture = page.screenshot(path=FOLDER / f"{name}-{display}.png", full_page=True)
        assert len(picture) > SMALLEST_BYTES, name
