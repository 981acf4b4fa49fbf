"""One address of every kind of page, for tests of all of them."""

from __future__ import annotations

from tests.fakes.books import BOOKS
from tests.fakes.shelves import WORK

BOOK = BOOKS[1]
JAWI = BOOKS[2]
HOSTILE = BOOKS[7]
RECORD = f"/records/{BOOK.id}"
PLACES = {
    "home": "/",
    "results": "/search?q=minangkabau",
    "filtered": "/search?q=&language=ind&branch=KOTASOLOK/PUSAT&explain=true&by_work=true",
    "long": f"/search?q={'a' * 60}",
    "nothing": "/search?q=surau+xyzzy",
    "record": f"/records/{JAWI.id}",
    "hostile": f"/records/{HOSTILE.id}",
    "marc": f"{RECORD}/marc",
    "shelf": f"{RECORD}/shelf",
    "work": f"/works/{WORK}",
    "facet": "/search/facets/author?q=",
    "browse": "/browse",
    "headings": "/browse/author?term=muis",  # there are headings before and after it
    "classes": "/golongan",
    "division": "/golongan/8",
    "branches": "/branches",
    "branch": "/branches/KOTASOLOK/PUSAT",
    "library": "/my-library?back=/search",
    "sign-in": "/sign-in",
    "trouble": "/records/nope",
}
