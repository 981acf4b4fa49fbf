"""The brief record that a list of hits shows, and the full one of a record's page."""

from __future__ import annotations

import re
from typing import Any

from services.catalog.analysis import is_isbn, isbn13
from services.catalog.document.codes import Tags, audience_of, control, ddc_of, language_of, material_of, year_of
from services.catalog.document.headings import by_tag, names_of, pick, picked, subjects_of, tidy, title_of
from services.catalog.marc import Record

SUMMARY_LENGTH = 300  # characters of 520 in a brief record
UNTITLED = "[Tanpa judul]"

_A, _B, _C, _U, _X = (frozenset(code) for code in "abcux")
_SERIES = frozenset("anpv")
_OTHER_TITLE = frozenset("abnpt")
_LINK_LABEL = frozenset("3yz")
_NOTE_TAGS = ("500", "501", "502", "504", "508", "511", "515", "518", "525", "530", "533", "534", "536", "538", "540",
              "545", "546", "547", "550", "561", "562", "580", "581", "585", "586")  # fmt: skip
_OTHER_TITLE_TAGS = ("130", "210", "222", "240", "242", "246", "247", "730", "740")
_SAFE_LINK = re.compile(r"(?:https?|ftp)://[^\s\"'<>\\]+\Z", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9Xx][0-9Xx\- ]*")


def brief(record: Record, *, institution: str = "") -> dict[str, Any]:
    """What a list shows of a record, ready for JSON; keys without a value are left out.

    `{"title", "subtitle", "responsibility", "authors": [], "publisher", "place", "year": int, "edition", "language",
    "material", "isbn", "ddc", "series", "summary", "institution"}`; title, authors, material and institution always.

    institution  code of the institution whose source it is
    """
    return _brief(record, by_tag(record), institution)


def display(record: Record, *, institution: str = "", source: str = "") -> dict[str, Any]:
    """What a record's page shows: the brief record, its summary whole, and
    `{"subjects": [], "notes": [], "contents", "audience", "identifiers": {}, "links": [{"url", "label"}], "extent",
    "titles_other": [], "source"}`.

    identifiers  "isbn", "issn", "lccn", "control_number", "oclc": a list each
    links        856 whose URL is http(s) or ftp; any other scheme stays in the MARC view
    """
    tags = by_tag(record)
    shown = _brief(record, tags, institution)
    summary = " ".join(tidy_note(each) for each in picked(tags, "520", frozenset("ab")))
    _put(shown, "summary", summary)
    shown["subjects"] = subjects_of(tags)
    shown["notes"] = [
        note
        for tag in _NOTE_TAGS
        for each in tags.get(tag, ())
        if (note := tidy_note(" ".join(value for code, value in _lettered(each))))
    ]
    _put(
        shown, "contents", " ".join(tidy_note(" ".join(pick(each, frozenset("agrtu")))) for each in tags.get("505", ()))
    )
    _put(shown, "audience", audience_of(record.leader, tags))
    shown["identifiers"] = _identifiers(tags)
    shown["links"] = _links(tags)
    _put(shown, "extent", tidy(" ".join(pick(tags["300"][0], frozenset("abce")))) if "300" in tags else "")
    shown["titles_other"] = list(
        dict.fromkeys(
            title
            for tag in _OTHER_TITLE_TAGS
            for each in tags.get(tag, ())
            if (title := tidy(" ".join(pick(each, _OTHER_TITLE)))) and title != shown["title"]
        )
    )
    shown["source"] = source
    return shown


def tidy_note(text: str) -> str:
    """A note in single spaces, its punctuation kept."""
    return " ".join(text.split())


def _brief(record: Record, tags: Tags, institution: str) -> dict[str, Any]:
    title, subtitle, responsibility = title_of(tags)
    shown: dict[str, Any] = {"title": title or UNTITLED}
    _put(shown, "subtitle", subtitle)
    _put(shown, "responsibility", responsibility)
    shown["authors"] = names_of(tags)
    published = "264" if any(each[1][1:2] == "1" for each in tags.get("264", ()) if len(each) > 2) else "260"
    if published == "260" and "260" not in tags and "264" in tags:
        published = "264"
    _put(shown, "publisher", tidy(next(picked(tags, published, _B), "")))
    _put(shown, "place", tidy(next(picked(tags, published, _A), "")))
    year = year_of(tags)
    if year is not None:
        shown["year"] = year
    _put(shown, "edition", tidy(next(picked(tags, "250", _A), "")))
    _put(shown, "language", language_of(tags))
    shown["material"] = material_of(record.leader, tags)
    numbers = isbns(tags)
    _put(shown, "isbn", next((each for each in numbers if is_isbn(each)), numbers[0] if numbers else ""))
    _put(shown, "ddc", ddc_of(tags))
    for tag in ("490", "440", "830"):
        if tag in tags:
            _put(shown, "series", tidy(" ".join(each.strip(" ;,") for each in pick(tags[tag][0], _SERIES))))
            break
    summary = next(picked(tags, "520", _A), "")
    if summary:
        summary = tidy_note(summary)
        _put(
            shown,
            "summary",
            summary if len(summary) <= SUMMARY_LENGTH else summary[: SUMMARY_LENGTH - 1].rstrip() + "…",
        )
    shown["institution"] = institution
    return shown


def isbns(tags: Tags) -> list[str]:
    """ISBNs of 020 $a as thirteen digits; one that is wrong stays as the digits that are written."""
    found: dict[str, None] = {}
    for value in picked(tags, "020", _A):
        number = isbn13(value[:24])
        if number is None:
            written = _DIGITS.match(value.strip())
            digits = written.group().replace("-", "").replace(" ", "").upper() if written else ""
            number = isbn13(digits) or (digits if len(digits) in (10, 13) else None)
        if number:
            found[number] = None
    return list(found)


def _identifiers(tags: Tags) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"isbn": isbns(tags)}
    found["issn"] = [tidy(each) for each in picked(tags, "022", _A)]
    found["lccn"] = [each.strip() for each in picked(tags, "010", _A)]
    found["control_number"] = [control(tags, "001").strip()]
    found["oclc"] = [each[7:].strip() for each in picked(tags, "035", _A) if each.startswith("(OCoLC)")]
    return {name: kept for name, values in found.items() if (kept := [each for each in values if each])}


def _links(tags: Tags) -> list[dict[str, str]]:
    found = []
    for each in tags.get("856", ()):
        label = tidy(" ".join(pick(each, _LINK_LABEL)))
        for url in pick(each, _U):
            address = url.strip()
            if len(address) <= 2000 and _SAFE_LINK.match(address):
                found.append({"url": address, "label": label or address})
    return found


def _lettered(field: list[str]) -> list[tuple[str, str]]:
    """Subfields with a letter for a code: numbers link and control, they say nothing to a reader."""
    return [
        (field[at], field[at + 1]) for at in range(2, len(field) - 1, 2) if field[at].isalpha() and field[at] != "u"
    ]


def _put(shown: dict[str, Any], name: str, value: str) -> None:
    if value:
        shown[name] = value
