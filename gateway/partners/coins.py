"""COinS: a record as an OpenURL ContextObject (NISO Z39.88-2004) in the title of an empty span on a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

BOOK, JOURNAL, DUBLIN_CORE = ("info:ofi/fmt:kev:mtx:" + form for form in ("book", "journal", "dc"))
# Material of a brief record -> metadata format and genre; all other materials use Dublin Core.
FORMATS = {
    "book": (BOOK, "book"),
    "ebook": (BOOK, "book"),
    "manuscript": (BOOK, "document"),
    "serial": (JOURNAL, "journal"),
    "article": (JOURNAL, "article"),
}


def title_of(brief: Mapping[str, Any], *, address: str = "") -> str:
    """Return the title attribute of `<span class="Z3988" title="…">` for a brief record, not yet escaped for HTML.

    address  URL of the record's page
    """
    # A page's data has every key; the value is None when the record has no such data.
    data = {key: value for key, value in brief.items() if value is not None}
    form, genre = FORMATS.get(str(data.get("material", "")), (DUBLIN_CORE, ""))
    title = ": ".join(str(data[key]) for key in ("title", "subtitle") if data.get(key))
    authors = data.get("authors") or ()
    pairs: list[tuple[str, Any]] = [("ctx_ver", "Z39.88-2004"), ("rft_val_fmt", form)]
    if form == DUBLIN_CORE:
        pairs += [("rft.title", title), *(("rft.creator", author) for author in authors)]
        pairs += [("rft.type", data.get("material"))]
    else:
        pairs += [("rft.genre", genre), (_TITLES[genre], title), *(("rft.au", author) for author in authors)]
        pairs += [("rft.place", data.get("place")), ("rft.edition", data.get("edition"))]
        pairs += [("rft.isbn", data.get("isbn")), ("rft.series", data.get("series"))]
    publisher = "rft.publisher" if form == DUBLIN_CORE else "rft.pub"
    pairs += [(publisher, data.get("publisher")), ("rft.date", data.get("year"))]
    pairs += [("rft.language", data.get("language")), ("rft_id", address)]
    return urlencode([(name, str(value)) for name, value in pairs if value])


_TITLES = {"book": "rft.btitle", "document": "rft.btitle", "journal": "rft.jtitle", "article": "rft.atitle"}
