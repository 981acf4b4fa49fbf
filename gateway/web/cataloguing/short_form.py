"""The short form of a book, as a MARC 21 record: what a public library needs of a book without a record to copy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from chassis import clock
from gateway.web.cataloguing.matches import isbn_of
from gateway.web.forms import Form
from gateway.web.texts import Wording

FIELDS = (
    "isbn", "title", "author", "publisher", "place", "year", "ddc", "subjects", "language", "audience",
)  # fmt: skip
# 008/22 by audience.
_AUDIENCES = {"child": "j", "teen": "d", "adult": "e", "general": "g"}
# Languages of books that are published in Indonesia more often than elsewhere: 008/15-17.
_INDONESIAN = ("ind", "min", "jav", "sun", "ban", "bug", "mad", "mak")
_YEAR = re.compile(r"1[0-9]{3}|20[0-9]{2}")
# Articles at the beginning of a title, which sorting skips: 245, second indicator.
_ARTICLES = {"eng": ("The ", "An ", "A "), "dut": ("De ", "Het ", "Een ")}
_LANGUAGE = re.compile(r"[a-z]{3}")

Field = dict[str, Any]


def check(form: Form, words: Wording) -> None:
    """Add to a form what is wrong with its values."""
    if not form.values.get("title", "").strip():
        form.add_error("title", words.say("catalogue.title_missing"))
    year = form.values.get("year", "").strip()
    if year and not _YEAR.fullmatch(year):
        form.add_error("year", words.say("catalogue.year_wrong"))


def marc_of(values: Mapping[str, str], *, control: list[Field] | None = None) -> bytes:
    """Return the record of a short form as MARC-in-JSON.

    values   of FIELDS; authors and subjects are separated by semicolons, a subtitle by a colon between spaces
    control  control fields of the record that it replaces
    """
    given = {name: " ".join(values.get(name, "").split()) for name in FIELDS}
    fields = [*(control or []), *_fields(given)]
    return orjson.dumps({"leader": "00000nam a2200000 i 4500", "fields": fields})


def values_of(marc: Mapping[str, Any]) -> dict[str, str]:
    """Return title and author of a brief record that a desk has made, for the short form."""
    texts = {tag: dict(pair for part in field["subfields"] for pair in part.items())
             for fields in marc["fields"] for tag, field in fields.items() if isinstance(field, dict)}  # fmt: skip
    return {"title": texts.get("245", {}).get("a", ""), "author": texts.get("100", {}).get("a", "")}


def is_brief(marc: Mapping[str, Any]) -> bool:
    """Return whether a record has no more than what a desk knows of a book, so that the short form may replace it."""
    return {tag for field in marc["fields"] for tag in field} <= {"001", "003", "005", "100", "245"}


def _fields(given: Mapping[str, str]) -> Iterator[Field]:
    language = given["language"] if _LANGUAGE.fullmatch(given["language"]) else "und"
    year, audience = given["year"], _AUDIENCES.get(given["audience"], " ")
    country = "io " if language in _INDONESIAN else "xx "
    dates = f"s{year}    " if year else "nuuuuuuuu"
    yield {"008": f"{clock.now():%y%m%d}{dates}{country}    {audience}      000 | {language} d"}
    if isbn := isbn_of(given["isbn"]) or given["isbn"]:
        yield _data("020", "  ", a=isbn)
    if given["ddc"]:
        yield _data("082", "04", a=given["ddc"])
    authors = _parts(given["author"])
    if authors:
        yield _data("100", _person(authors[0]), a=authors[0])
    title, _, subtitle = given["title"].partition(" : ")
    article = next((word for word in _ARTICLES.get(language, ()) if title.startswith(word)), "")
    parts = {"a": f"{title} :", "b": subtitle} if subtitle else {"a": title}
    yield _data("245", f"{int(bool(authors))}{len(article)}", **parts)
    if given["place"] or given["publisher"] or year:
        # With the punctuation of ISBD, which leader position 18 promises.
        place = f"{given['place']} :" if given["place"] and given["publisher"] else given["place"]
        publisher = f"{given['publisher']}," if given["publisher"] and year else given["publisher"]
        yield _data("264", " 1", a=place, b=publisher, c=year)
    for subject in _parts(given["subjects"]):
        yield _data("650", " 4", a=subject)
    for author in authors[1:]:
        yield _data("700", _person(author), a=author)


def _person(name: str) -> str:
    """Return the indicators of a name: whether it begins with the family name."""
    return f"{int(',' in name)} "


def _parts(text: str) -> list[str]:
    return [part for part in map(str.strip, text.split(";")) if part]


def _data(tag: str, indicators: str, **subfields: str) -> Field:
    values = [{code: value} for code, value in subfields.items() if value]
    return {tag: {"ind1": indicators[0], "ind2": indicators[1], "subfields": values}}
