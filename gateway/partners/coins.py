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
    form, genre = FORMATS.get(str(brief.get("material", "")), (DUBLIN_CORE, ""))
    title = ": ".join(str(brief[key]) for key in ("title", "subtitle") if brief.get(key))
    authors = [str(author) for author in brief.get("authors") or ()]
    pairs = [("ctx_ver", "Z39.88-2004"), ("rft_val_fmt", form)]
    if form == DUBLIN_CORE:
        pairs += [("rft.title", title), *(("rft.creator", author) for author in authors)]
        pairs += [("rft.type", str(brief.get("material", "")))]
    else:
        pairs += [("rft.genre", genre), (_TITLES[genre], title), *(("rft.au", author) for author in authors)]
        pairs += [("rft.place", str(brief.get("place", ""))), ("rft.edition", str(brief.get("edition", "")))]
        pairs += [("rft.isbn", str(brief.get("isbn", ""))), ("rft.series", str(brief.get("series", "")))]
    publisher = "rft.publisher" if form == DUBLIN_CORE else "rft.pub"
    pairs += [(publisher, str(brief.get("publisher", ""))), ("rft.date", str(brief.get("year", "")))]
    pairs += [("rft.language", str(brief.get("language", ""))), ("rft_id", address)]
    return urlencode([(name, value) for name, value in pairs if value])


_TITLES = {"book": "rft.btitle", "document": "rft.btitle", "journal": "rft.jtitle", "article": "rft.atitle"}
