"""Proposals for what a form does not ask: indicators, and characters that do not count in the order of titles."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.catalog.cataloguing.forms.definitions import ARTICLES
from services.catalog.marc.record import Field, Record, subfields

_YEAR = re.compile(r"(?<!\d)(1[0-9]{3}|20[0-9]{2})(?!\d)")
_BEFORE = re.compile(r"[\s\"'“”‘«‹\[(¡¿]*")  # signs that may stand before an article
Former = tuple[Field, bool, str]


def indicators_of(
    rules: Sequence[str], field: Field, *, main: bool, language: str, former: Former | None = None
) -> str:
    """Return the indicators of a new or changed field.

    rules     two of record_forms.toml
    main      whether the record has a main entry
    language  of the text, ISO 639-2
    former    the field, `main` and `language` before a change: an indicator that the former content does not explain
              is a cataloguer's own, and stays
    """
    given = ""
    for place, rule in enumerate(rules):
        new = _proposed(rule, field, main=main, language=language)
        if former is not None:
            field_before, had_main, language_before = former
            old = field_before[1][place : place + 1]
            if rule == "articles" and old.isdigit() and old != "0":
                is_own = _title(field_before)[: int(old)] == _title(field)[: int(old)]
            else:
                is_own = old != _proposed(rule, field_before, main=had_main, language=language_before)
            new = old if is_own else new
        given += new
    return given


def articles_in(title: str, language: str) -> int:
    """Return how many characters of a title are an initial article with its signs and blanks; at most 9."""
    match = _BEFORE.match(title)
    start = match.end() if match else 0
    text = title[start:].casefold()
    for article in ARTICLES.get(language, ()):
        if text.startswith(article) and len(text) > len(article):
            return min(start + len(article), 9)
    return 0


def year_in(record: Record) -> str:
    """Return the year of publication in the text of a record: of 264 or 260, else of a thesis (502 $d)."""
    for tag, code in (("264", "c"), ("260", "c"), ("502", "d")):
        for field in record.all(tag):
            if tag == "264" and field[1][1:2] != "1":
                continue
            for each, value in subfields(field):
                if each == code and (match := _YEAR.search(value)):
                    return match[1]
    return ""


def _proposed(rule: str, field: Field, *, main: bool, language: str) -> str:
    if rule == "main":
        return "1" if main else "0"
    if rule == "articles":
        return str(articles_in(_title(field), language))
    if rule == "name":
        return "1" if "," in _title(field) else "0"
    return rule.replace("#", " ")


def _title(field: Field) -> str:
    """Return the first $a of a field."""
    return next((value for code, value in subfields(field) if code == "a"), "")
