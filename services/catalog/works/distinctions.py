"""Differences between records with one title proper: number in a series, part, subtitle, class, originals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from services.catalog.analysis import isbn13
from services.catalog.marc.record import Field, Tags, control, pick, pick_all
from services.catalog.record.classes import class_of
from services.catalog.record.headings import non_filing
from services.catalog.works.names import (
    author_key,
    is_generic_title,
    numbered_part,
    part_of,
    plain_number,
    title_words,
    without_edition,
    without_joining,
    words,
)

SUBTITLE_WORDS = 4  # that are compared, because records often leave out the end of a long subtitle
LONGEST_SUBTITLE, LONGEST_NUMBER = 120, 32  # characters that are read

_A, _B, _H, _I, _K, _Q, _T, _V, _Z = (frozenset(code) for code in "abhikqtvz")
_SERIES = (("490", _A), ("440", _A), ("830", _A), ("800", _T), ("810", _T), ("811", _T))
_SERIES_TAGS = frozenset(tag for tag, _codes in _SERIES)
_ANALYTICS = frozenset(("700", "710", "711", "730", "740"))
_SERIES_WORDS = frozenset(("seri", "serial", "series", "siri", "the"))
_LINKS = ("765", "767", "775", "776")
_OTHER_TITLES = frozenset(("240", "246", "500", *_LINKS))
_ORIGINAL = re.compile(
    r"\A\s*(?:judul asli(?:nya)?|terjemahan(?: dari)?|diterjemahkan dari|translation of|original title|originally"
    r" published as)\s*[:;]\s*(.{2,200})",
    re.IGNORECASE,
)
_ORIGINAL_LABEL = re.compile(r"asli|original|terjemahan|translat", re.IGNORECASE)
_LIGHT = frozenset(("a", "an", "the", "sebuah", "suatu", "buah", "of"))
_OF_SET = re.compile(r"\bset\b|lengkap|complete|seri\b", re.IGNORECASE)
_OF_VOLUME = re.compile(r"\b(?:jil|jld|vol|v|bd|no|t|buku|book|part|pt)\b", re.IGNORECASE)
# Literary form (DDC table 3): its digit, and the codes of 008/33.
_FORMS = {"f": "3", "j": "3", "1": "3", "p": "1", "d": "2", "e": "4", "s": "5", "i": "6", "h": "7"}
# Digits of a literature before the digit of the form: 899.221-3, 839.31-3; elsewhere 813, 891.7-3.
_LITERATURES = (("899", 6), ("8393", 5), ("8398", 5), ("839", 4), ("869", 3), ("89", 4), ("8", 2))
_FICTION = re.compile(r"\A\W*(?:f|fic|fiction|fiksi|e|j?fic)\W*\Z", re.IGNORECASE)
_AND_ANOTHER = re.compile(r"\A\W*(?:and|dan|&)\W", re.IGNORECASE)
_LETTERS = re.compile(r"[A-Z]{1,3}")


@dataclass(frozen=True, slots=True)
class TitleFacts:
    """Data of a record's title, for the keys of its work.

    title          folded words of the title proper, without edition, volume and first article
    part           number or name of the part; the number in the series, if the series has the title's name
    subtitle       its first words; "" without one
    originals      (author's key, words of the title, part) of originals or uniform titles, at most one title
    is_collection  the record has several works: it shares a work by its whole title only
    names_volume   the title is the title of the series, so the subtitle names the volume
    """

    title: list[str]
    part: str
    subtitle: str
    originals: tuple[tuple[str, tuple[str, ...], str], ...]
    is_collection: bool
    names_volume: bool


def title_facts(field: Field, tags: Tags, author: str) -> TitleFacts:
    """Read the data of a title from a 245 and the record's other fields.

    author  works.names.author_of the record
    """
    proper, subtitle = _divide(field)
    title, number = numbered_part(title_words(proper))
    if number:
        title = without_edition(title)
    part = part_of(field) or number
    is_series, series_number = (False, "") if _SERIES_TAGS.isdisjoint(tags) else _number_in_series(tags, title)
    is_collection = _has_several_works(field, tags, title)
    return TitleFacts(
        title=title,
        part=part or series_number,
        subtitle=subtitle,
        originals=() if is_collection or _OTHER_TITLES.isdisjoint(tags) else _originals(tags, author, title, part),
        is_collection=is_collection,
        names_volume=is_series and not part and not series_number and bool(subtitle),
    )


def class_code(tags: Tags) -> str:
    """Return the class by which works differ: three digits, "8" and the form for literature, else letters of LCC."""
    number = class_of(tags)
    if not number:
        for tag, codes in (("852", _H), ("090", _A), ("099", _A)):
            number = class_of({}, pick_all(tags, tag, codes)) if tag in tags else ""
            if number:
                break
    if number and (code := _code_of_number(number[:LONGEST_NUMBER])):
        return code if code != "8" else f"8{_form_of(tags)}"
    for tag in ("082", "092"):
        if any(_FICTION.match(value) for value in pick_all(tags, tag, _A)):
            return "83"
    letters = _LETTERS.match(next(pick_all(tags, "050", _A), ""))
    if letters is None:
        return ""
    return f"8{_form_of(tags)}" if letters.group()[0] == "P" and len(letters.group()) > 1 else letters.group()


@lru_cache(maxsize=4096)
def _code_of_number(number: str) -> str:
    """Return the code of a DDC or 2X number; "8" for literature of an unknown form, "" for other text."""
    if number[:2].upper() == "2X":
        return "297"
    digits = "".join(filter(str.isdigit, number))
    if len(digits) < 3:
        return ""
    if digits[0] != "8" or digits[1] == "0":
        return digits[:3]
    place = next(place for start, place in _LITERATURES if digits.startswith(start))
    form = digits[place : place + 1]
    return f"8{form}" if form and form in "12345678" else "8"


def _form_of(tags: Tags) -> str:
    return _FORMS.get(control(tags, "008")[33:34], "")


def _divide(field: Field) -> tuple[str, str]:
    """Return the title proper as written, and the first words of the subtitle; a parallel title is not a subtitle."""
    text = next(iter(pick(field, _A)), "")
    proper = text[non_filing(field) :] or text
    proper, _, rest = proper.partition(" / ")[0].partition(" : ")
    subtitle = rest.partition(" = ")[0]
    if not subtitle and not text.rstrip().endswith("="):
        subtitle = next(iter(pick(field, _B)), "")
        subtitle = "" if subtitle.lstrip().startswith("=") else subtitle.partition(" = ")[0].partition(" / ")[0]
    if not subtitle:
        return proper, ""
    heard = [
        word for word in without_edition(without_joining(words(subtitle[:LONGEST_SUBTITLE]))) if word not in _LIGHT
    ]
    return proper, " ".join(heard[:SUBTITLE_WORDS])


def _number_in_series(tags: Tags, title: list[str]) -> tuple[bool, str]:
    """Return whether a series has the name of this title, and the number in the series."""
    is_series = False
    for tag, codes in _SERIES:
        for field in tags.get(tag, ()):
            name = title_words(next(iter(pick(field, codes)), ""))
            number = next((word for value in pick(field, _V) for word in _numbers(words(value))), "")
            if not number and len(name) > 1 and name[-1].isdigit():
                number = plain_number(name.pop())
            if [word for word in name if word not in _SERIES_WORDS] == title:
                is_series = True
                if number:
                    return True, number
    return is_series, ""


def _numbers(text: list[str]) -> Iterator[str]:
    for word in text:
        number = plain_number(word)
        if number.isdigit():
            yield number


def _has_several_works(field: Field, tags: Tags, title: list[str]) -> bool:
    """Tell whether a record has further works: `a ; b` or `a and b` in the title, or analytic added entries."""
    if any(value.rstrip().endswith(";") for value in pick(field, _A)):
        return True
    if any(_AND_ANOTHER.match(value) for value in pick(field, _B)):
        return True
    for tag in () if _ANALYTICS.isdisjoint(tags) else _ANALYTICS.intersection(tags):
        for entry in tags[tag]:
            if entry[1][1:2] != "2":
                continue
            for value in pick(entry, _A if tag in ("730", "740") else _T):
                name = title_words(value)
                if name and name != title:
                    return True
    return False


def _originals(tags: Tags, author: str, title: list[str], part: str) -> tuple[tuple[str, tuple[str, ...], str], ...]:
    """Return the titles of the original. If there are several different ones, return a single uniform title or none."""
    originals: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    uniform: set[tuple[str, ...]] = set()
    own = tuple(title)
    for tag, by, name, own_part in _other_titles(tags, author, part):
        words_of_name = tuple(name)
        if not by or not name or is_generic_title(name):
            continue
        if tag == "240":
            uniform.add(words_of_name)
        if words_of_name != own or tag == "240":
            originals.setdefault(words_of_name, []).append((by, own_part))
    if len(originals) > 1:
        if len(uniform) != 1:
            return ()
        originals = {name: originals[name] for name in uniform}
    return tuple((by, name, own_part) for name, values in originals.items() for by, own_part in dict.fromkeys(values))


def _other_titles(tags: Tags, author: str, part: str) -> Iterator[tuple[str, str, list[str], str]]:
    """Yield the work's other titles: tag, author, words of the title, part."""
    for field in tags.get("240", ()):
        if not pick(field, _K):  # selections are works of their own
            yield "240", author, title_words(" ".join(pick(field, _A))), part_of(field) or part
    for field in tags.get("246", ()):
        label = " ".join(pick(field, _I))
        if field[1][1:2] == "1" or (label and _ORIGINAL_LABEL.search(label)):
            yield "246", author, title_words(" ".join(pick(field, _A))), part
    for tag in _LINKS:
        for field in tags.get(tag, ()):
            by = next(iter(pick(field, _A)), "")
            for value in pick(field, _T):
                yield tag, (author_key(by, inverted=True) if by else author), title_words(value), part
    for value in pick_all(tags, "500", _A):
        if match := _ORIGINAL.match(value):
            yield "500", author, title_words(match.group(1)), part


def isbns_of_record(tags: Tags) -> Iterator[str]:
    """Yield the ISBNs of the record's own volume: not those of a set, and not those of several volumes."""
    values = [(value, " ".join(pick(field, _Q))) for field in tags.get("020", ()) for value in pick(field, _A)]
    of_volumes = {value for value, qualifier in values if _OF_VOLUME.search(f"{value[9:]} {qualifier}")}
    several = len({isbn13(value[:24].partition(" ")[0]) for value in of_volumes}) > 1
    for value, qualifier in values:
        if _OF_SET.search(f"{value[9:]} {qualifier}") or (several and value in of_volumes):
            continue
        if isbn := isbn13(value[:24]) or isbn13(value[:24].partition(" ")[0]):
            yield isbn
    for value in pick_all(tags, "776", _Z):
        if isbn := isbn13(value[:24]) or isbn13(value[:24].partition(" ")[0]):
            yield isbn
