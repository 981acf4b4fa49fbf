"""Titles, names with their roles, subjects and series of a record, without ISBD punctuation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from services.catalog.analysis import is_stop_word, root, tokens
from services.catalog.marc.faults import MarcError
from services.catalog.marc.record import Field, Record, Tags, pick

SORT_LENGTH, TITLE_SORT_LENGTH = 200, 120  # characters
TITLE = frozenset("abnp")
NAME_TAGS = ("100", "110", "111", "700", "710", "711", "720")
SUBJECT_SIGN = "subject:"  # before the keys of subjects
SUBDIVISION = " -- "
SUBJECT_TAGS = ("600", "610", "611", "630", "647", "648", "650", "651", "653", "655")
LONGEST_CACHED = 500  # characters of a text that a cache keeps
_A = frozenset("a")
_NAME = frozenset("abcq")
_SERIES = frozenset("anp")
_SERIES_OF_NAMES = frozenset("abcqtnp")
_TRAILING = " \t\n,:;/="
_LEADING = _TRAILING.replace("=", "")
_INITIAL = re.compile(r"(?:^|[\s.\-])[^\W\d_]\.\Z|\b(?:[A-Z][a-z]?|Jr|Sr|St|[dD]kk|dsb|etc|vol|no|jil|ed|cet)\.\Z")
_BEFORE_COMMA = re.compile(r"\s+,")
_DATES = re.compile(r",?\s*\(?\b[0-9]{4}\s*-\s*(?:[0-9]{4})?\)?[\s.]*\Z")
_WORD = re.compile(r"[^\W\d_]+")
_CLOSE_INITIALS = re.compile(r"(\b[^\W\d_]\.)(?=[^\W\d_]\.)")
# $x $y $z $v subdivide a subject heading; other letters belong to its main part.
_SUBDIVISIONS = frozenset("vxyz")
_NOT_READ = frozenset("0123456789euw")


def tidy(text: str) -> str:
    """Collapse white space and strip final ISBD punctuation; an initial keeps its full stop."""
    return _tidy(text) if len(text) <= LONGEST_CACHED else _tidy.__wrapped__(text)


@lru_cache(maxsize=4096)
def _tidy(text: str) -> str:
    text = strip_ends(" ".join(text.split()))
    if text.endswith(".") and not text.endswith("...") and _INITIAL.search(text) is None:
        text = text[:-1].rstrip(_TRAILING)
    return text


def strip_ends(text: str) -> str:
    """Strip blanks and final ISBD punctuation; a leading "=" stays, because it may be a part of the title."""
    return text.lstrip(_LEADING).rstrip(_TRAILING) or ("=" if text.strip() == "=" else "")


def title_of(tags: Tags) -> tuple[str, str, str]:
    """Return the title proper with number and name of part, the subtitle and the responsibility of the first 245."""
    field = next(iter(tags.get("245", ())), None)
    if field is None:
        return "", "", ""
    title: list[str] = []
    subtitle: list[str] = []
    responsibility, previous = "", ""
    for index in range(2, len(field) - 1, 2):
        code, value = field[index], field[index + 1]
        if code in ("a", "n", "p", "k", "f", "g", "s"):
            title.append(strip_ends(value))
        elif code == "b" and not _is_parallel(previous, value):
            subtitle.append(value)
        elif code == "c" and not responsibility:
            responsibility = value
        previous = value
    joined = tidy(_join_parts(title))
    if not joined and subtitle:
        return tidy(" ".join(subtitle)), "", tidy(responsibility)
    return joined, tidy(" ".join(subtitle)), tidy(responsibility)


def parallel_titles_of(tags: Tags) -> list[str]:
    """List the parallel titles of the first 245: each $b after " = "."""
    field = next(iter(tags.get("245", ())), None)
    titles, previous = [], ""
    for index in range(2, 0 if field is None else len(field) - 1, 2):
        code, value = field[index], field[index + 1]  # type: ignore[index]
        if code == "b" and _is_parallel(previous, value):
            titles.append(tidy(value.lstrip(" =")))
        previous = value
    return [title for title in titles if title]


def _is_parallel(previous: str, value: str) -> bool:
    """Tell whether a $b is a parallel title: it begins with the "=" of ISBD, or the subfield before ends with it."""
    return value.lstrip().startswith("= ") or (previous.endswith("=") and len(previous.rstrip(" =")) > 0)


def names_of(tags: Tags) -> list[str]:
    """List the persons, bodies and meetings of 1XX and 7XX, main entry first, without duplicates."""
    names: dict[str, None] = {}
    for tag in NAME_TAGS:
        for field in tags.get(tag, ()):
            name = name_of(field)
            if name:
                names[name] = None
    return list(names)


def name_of(field: Field) -> str:
    """Return a field's name without dates and relator: `Navis, A. A.`, `Indonesia. Departemen Agama`."""
    name = " ".join(pick(field, _NAME))
    return _one_form(name, field[0][1:] == "00") if len(name) <= LONGEST_CACHED else tidy(name)


@lru_cache(maxsize=4096)
def _one_form(name: str, is_person: bool) -> str:
    """Write a name in the usual form: `NAVIS, A.A. , 1924-2003` and `Navis, A. A.` get one heading."""
    name = tidy(_BEFORE_COMMA.sub(",", name))
    if not is_person:
        return name
    name = tidy(_DATES.sub("", name))
    if "," in name and name.isupper():
        name = _WORD.sub(lambda word: word.group().capitalize(), name)
    return _CLOSE_INITIALS.sub(r"\1 ", name)


def subjects_of(tags: Tags) -> list[str]:
    """List subject and genre headings in order, without duplicates; ` -- ` separates subdivisions."""
    subjects: dict[str, None] = {}
    for tag in SUBJECT_TAGS:
        for field in tags.get(tag, ()):
            if tag == "653":  # uncontrolled terms: one per subfield
                for value in pick(field, _A):
                    _put(subjects, tidy(value))
            else:
                _put(subjects, heading_of(field))
    return list(subjects)


def subject_keys(subjects: Iterable[str]) -> list[str]:
    """Return the keys of headings of several words, and of their main parts, without duplicates.

    Inverted names have none (`Hatta, Mohammad`): for a name, books by this person come first.
    """
    return list(dict.fromkeys(key for subject in subjects if "," not in subject for key in _subject_keys(subject)))


@lru_cache(maxsize=4096)
def _subject_keys(subject: str) -> tuple[str, ...]:
    main, subdivision, _others = subject.partition(SUBDIVISION)
    headings = (subject, main) if subdivision else (subject,)
    roots_of_headings = ([root(word) for word in tokens(heading) if not is_stop_word(word)] for heading in headings)
    return tuple(subject_key(roots) for roots in roots_of_headings if len(set(roots)) > 1)


def subject_key(roots: Iterable[str]) -> str:
    """Return one key for a subject heading with its words in any order. roots: of its words without stop words."""
    return SUBJECT_SIGN + " ".join(sorted(set(roots)))


def series_of(tags: Tags) -> list[str]:
    """List series by authorised form (800–830), else as transcribed (490, 440); without volumes."""
    series: dict[str, None] = {}
    for tag in ("800", "810", "811", "830"):
        for field in tags.get(tag, ()):
            _put(series, tidy(" ".join(pick(field, _SERIES if tag == "830" else _SERIES_OF_NAMES))))
    if not series:
        for tag in ("490", "440"):
            for field in tags.get(tag, ()):
                _put(series, tidy(" ".join(part.strip(_TRAILING) for part in pick(field, _SERIES))))
    return list(series)


def series_heading_of(field: Field) -> str:
    """Return a series heading: a title, or a name and a title, without the volume."""
    return tidy(" ".join(pick(field, _SERIES if field[0][1:] == "30" else _SERIES_OF_NAMES)))


def heading_sort(text: str) -> str:
    """Return the sort form of a heading: folded words, at most SORT_LENGTH characters."""
    return " ".join(tokens(text))[:SORT_LENGTH]


def non_filing(field: Field) -> int:
    """Return the number of characters to skip in sorting, from the second indicator of 245."""
    mark = field[1][1:2] if len(field) > 2 else ""
    return int(mark) if mark.isascii() and mark.isdigit() else 0


def title_sort_of(tags: Tags) -> str:
    """Return the sort form of the title: folded, without non-filing characters, cut at TITLE_SORT_LENGTH."""
    field = next(iter(tags.get("245", ())), None)
    if field is None:
        return ""
    text = " ".join(pick(field, TITLE))
    return " ".join(tokens(text[non_filing(field) :] or text))[:TITLE_SORT_LENGTH]


def heading_of(field: Field) -> str:
    """Return a subject heading; ` -- ` separates subdivisions."""
    main: list[str] = []
    parts: list[str] = []
    for index in range(2, len(field) - 1, 2):
        code = field[index]
        if code in _SUBDIVISIONS:
            parts.append(tidy(field[index + 1]))
        elif code and code not in _NOT_READ:
            main.append(field[index + 1])
    return SUBDIVISION.join(value for value in (tidy(" ".join(main)), *parts) if value)


def _join_parts(parts: Iterable[str]) -> str:
    text = ""
    for part in parts:
        if part:
            text += (" " if text.endswith((".", "!", "?")) else ". ") + part if text else part
    return text


def _put(headings: dict[str, None], text: str) -> None:
    if text:
        headings[text] = None


LONGEST = 200  # characters of a form; the same limit as for facet values
_KINDS = {
    **dict.fromkeys(("00", "10", "11"), "author"),
    "30": "series",
    **dict.fromkeys(("47", "48", "50", "51", "55"), "subject"),
}
_TITLE, _CONTROL = frozenset("t"), frozenset("w")


@dataclass(frozen=True, slots=True)
class Authority:
    """One authority record.

    kind   "author", "subject", "series", or "title" (a name with a title)
    forms  (relation, text): "heading" first, then "see" for forms not to be used, "see_also" for related headings
    """

    kind: str
    heading: str
    forms: tuple[tuple[str, str], ...]


def is_authority(record: Record) -> bool:
    """Tell whether a record is an authority record (leader position 06)."""
    return record.leader[6:7] == "z"


def authority_of(record: Record) -> Authority:
    """Read an authority record. Forms are built like the headings of bibliographic records, so that both match.

    raises  MarcError  AUTHORITY_WITHOUT_HEADING, AUTHORITY_KIND_UNKNOWN
    """
    main = next((field for field in record.fields if field[0][:1] == "1" and len(field) > 2), None)
    if main is None:
        raise MarcError("AUTHORITY_WITHOUT_HEADING", "no 1XX")
    kind = _KINDS.get(main[0][1:])
    if kind is None:
        raise MarcError("AUTHORITY_KIND_UNKNOWN", f"1XX is {main[0]}")
    heading = _form(main, kind)
    if not heading:
        raise MarcError("AUTHORITY_WITHOUT_HEADING", f"{main[0]} says nothing")
    if pick(main, _TITLE):
        kind = "title"
    relations = {heading: "heading"}
    for field in record.fields:
        relation = {"4": "see", "5": "see_also"}.get(field[0][:1])
        form_kind = _KINDS.get(field[0][1:])
        if relation is None or form_kind is None or len(field) <= 2 or _is_hidden(field):
            continue
        text = _form(field, form_kind)
        if text:
            relations.setdefault(text, relation)
    return Authority(kind, heading, tuple((relation, text) for text, relation in relations.items()))


def _form(field: Field, kind: str) -> str:
    if kind == "subject":
        text = heading_of(field)
    elif kind == "series" or pick(field, _TITLE):
        text = series_heading_of(field)
    else:
        text = name_of(field)
    return text.replace("\x00", "")[:LONGEST]


def _is_hidden(field: Field) -> bool:
    """Tell whether $w position 3 suppresses the reference."""
    return any(value[3:4] == "a" for value in pick(field, _CONTROL))


_TERM, _MEETING_TERM, _CODE = (frozenset(code) for code in "ej4")
# Labels of MARC relator codes.
_ROLES = """
act pemeran|actor
adp penyadur|adapter
aft penulis kata penutup|author of afterword
arr pengaransemen|arranger
art seniman|artist
aui penulis kata pengantar|author of introduction
aut pengarang|author
bkd perancang buku|book designer
cmm komentator|commentator
cmp komponis|composer
cnd pengaba|conductor
com penyusun|compiler
cov perancang sampul|cover designer
ctb kontributor|contributor
ctg kartografer|cartographer
cwt penulis komentar|commentator for written text
dgg pemberi gelar|degree granting institution
dgs pembimbing|degree supervisor
drt sutradara|director
dub dugaan pengarang|dubious author
edt penyunting|editor
ill ilustrator|illustrator
isb badan penerbit|issuing body
ive narasumber|interviewee
ivr pewawancara|interviewer
lbt penulis libreto|librettist
lyr penulis lirik|lyricist
mus pemusik|musician
nrt pencerita|narrator
org asal|originator
pbl penerbit|publisher
pht fotografer|photographer
pro produser|producer
prf pemain|performer
res peneliti|researcher
rev pengulas|reviewer
sce penulis skenario|scenarist
sng penyanyi|singer
spn sponsor|sponsor
ths pembimbing tesis|thesis advisor
trc penyalin|transcriber
trl penerjemah|translator
win penulis pendahuluan|writer of introduction
"""
ROLES: dict[str, dict[str, str]] = {}
for _line in _ROLES.strip().splitlines():
    _indonesian, _, _english = _line[4:].partition("|")
    ROLES[_line[:3]] = {"id": _indonesian, "en": _english}
_BY_WORD = {word: label for label in ROLES.values() for word in label.values()}


def contributors_of(tags: Tags) -> list[dict[str, Any]]:
    """List `{"name", "role", "label": {"id", "en"}}`, main entry first, without duplicate names.

    Names of name-title entries are included.
    name   value of the facet "author"
    role   as written in the record (`penerjemah`); left out when the record has none
    label  the role in both languages
    """
    contributors: dict[str, dict[str, Any]] = {}
    for tag in NAME_TAGS:
        for field in tags.get(tag, ()):
            name = name_of(field)
            if not name:
                continue
            contributor = contributors.setdefault(name, {"name": name})
            role, label = _role(tag, field)
            if label and "label" not in contributor:
                contributor |= {"role": role, "label": label}
    return list(contributors.values())


def _role(tag: str, field: Field) -> tuple[str, dict[str, str] | None]:
    terms = [tidy(value) for value in pick(field, _MEETING_TERM if tag in ("111", "711") else _TERM)]
    codes = [value.strip().rpartition("/")[2].lower()[:3] for value in pick(field, _CODE)]
    labels = [_BY_WORD.get(term.lower(), {"id": term, "en": term}) for term in terms if term]
    labels = labels or [ROLES[code] for code in codes if code in ROLES]
    if not labels:
        return "", None
    joined = {language: ", ".join(dict.fromkeys(label[language] for label in labels)) for language in ("id", "en")}
    return ", ".join(term for term in terms if term) or joined["id"], joined
