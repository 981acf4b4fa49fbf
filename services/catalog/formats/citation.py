"""The citation data of a record, read once for all citation formats."""

from __future__ import annotations

import dataclasses
import re

from services.catalog.formats.xml_text import clean
from services.catalog.marc.record import Field, Record, Tags, by_tag, control, pick, pick_all
from services.catalog.record.brief import isbns
from services.catalog.record.codes import ddc_of, language_of, material_of, year_of
from services.catalog.record.headings import NAME_TAGS, name_of, subjects_of, tidy, title_of
from services.catalog.record.links import SAFE_ADDRESS

# MARC relator codes and the Indonesian and English terms of $e, for the roles that citations distinguish.
ROLES = {
    **dict.fromkeys(("edt", "edc", "com", "editor", "penyunting", "ed", "compiler", "penyusun"), "editor"),
    **dict.fromkeys(("trl", "translator", "penerjemah", "pengalih bahasa", "alih bahasa"), "translator"),
    **dict.fromkeys(("ill", "illustrator", "ilustrator", "art", "artist"), "illustrator"),
    **dict.fromkeys(("aut", "author", "penulis", "pengarang", "cre", "creator"), "author"),
}
KINDS = {"00": "person", "10": "body", "11": "meeting", "20": "person"}
NOTES = ("500", "502", "504", "508", "511", "518", "530", "533", "538", "546")
_A, _B, _C, _U = (frozenset(code) for code in "abcu")
_SERIES = frozenset("ap")
_VOLUME = re.compile(r"\bv(?:ol(?:ume)?)?\.?\s*([0-9]+)", re.IGNORECASE)
_ISSUE = re.compile(r"\b(?:no|nr|num|issue)\.?\s*([0-9]+)", re.IGNORECASE)
_PAGES = re.compile(r"\b(?:p|pp|h|hlm|hal)\.?\s*([0-9]+(?:\s*[-–]\s*[0-9]+)?)", re.IGNORECASE)
_PAGE_COUNT = re.compile(r"([0-9]{1,5})\s*(?:p\b|pages|hlm|hal|halaman|h\b)", re.IGNORECASE)
_YEAR = re.compile(r"[0-9]{4}")
_ENDS = " \t:;,/="


@dataclasses.dataclass(frozen=True, slots=True)
class Name:
    """One name in its MARC form (`Navis, A. A.`).

    kind  "person", "body" or "meeting"
    role  "author", "editor", "translator", "illustrator" or "other"
    """

    text: str
    kind: str
    role: str


@dataclasses.dataclass(frozen=True, slots=True)
class Citation:
    """Citation data as plain text in single spaces; "" and empty lists where the record has no value.

    material  a material of record.codes, or "thesis"
    host      title of the publication that contains an article or chapter; volume, issue and pages are those in it
    """

    material: str
    title: str
    subtitle: str
    responsibility: str
    names: list[Name]
    publisher: str
    place: str
    year: str
    edition: str
    language: str
    series: str
    series_volume: str
    isbn: list[str]
    issn: list[str]
    ddc: str
    subjects: list[str]
    extent: str
    page_count: str
    summary: str
    notes: list[str]
    links: list[str]
    control_number: str
    host: str = ""
    volume: str = ""
    issue: str = ""
    pages: str = ""
    other_titles: list[str] = dataclasses.field(default_factory=list)

    @property
    def whole_title(self) -> str:
        return f"{self.title}: {self.subtitle}" if self.subtitle else self.title

    def by_role(self, *roles: str) -> list[Name]:
        """Return the names with one of these roles, in order."""
        return [name for name in self.names if name.role in roles]


def citation(record: Record) -> Citation:
    """Read the citation data of a record; missing fields are allowed."""
    tags = by_tag(record.fields)
    title, subtitle, responsibility = title_of(tags)
    imprint = _imprint(tags)
    series, volume = _series(tags)
    material = "thesis" if tags.get("502") else material_of(record.leader, tags)
    host, part = _host(tags)
    extent = tidy(" ".join(pick(tags["300"][0], frozenset("abce")))) if "300" in tags else ""
    pages = _PAGE_COUNT.search(extent)
    year = year_of(tags)
    return Citation(
        material=material,
        title=clean(title),
        subtitle=clean(subtitle),
        responsibility=clean(responsibility),
        names=_names(tags),
        publisher=clean(tidy(next(iter(pick(imprint, _B)), ""))),
        place=clean(tidy(next(iter(pick(imprint, _A)), "")).strip("[]")),
        year=str(year) if year is not None else "",
        edition=clean(tidy(next(pick_all(tags, "250", _A), ""))),
        language=clean(language_of(tags)),
        series=series,
        series_volume=volume,
        isbn=[clean(isbn) for isbn in isbns(tags)],
        issn=_clean_all(tidy(value) for value in pick_all(tags, "022", _A)),
        ddc=clean(ddc_of(tags)),
        subjects=_clean_all(subjects_of(tags)),
        extent=clean(extent),
        page_count=pages.group(1) if pages else "",
        summary=clean(" ".join(pick_all(tags, "520", frozenset("ab")))),
        notes=_clean_all(_lettered_text(field) for tag in NOTES for field in tags.get(tag, ())),
        links=[link for value in pick_all(tags, "856", _U) if SAFE_ADDRESS.match(link := value.strip())],
        control_number=clean(control(tags, "001")),
        host=host,
        volume=_first_match(_VOLUME, part),
        issue=_first_match(_ISSUE, part),
        pages=_first_match(_PAGES, part),
        other_titles=_clean_all(
            tidy(" ".join(pick(field, frozenset("anp"))))
            for tag in ("240", "246", "740")
            for field in tags.get(tag, ())
        ),
    )


def role_of(field: Field) -> str:
    """Return the role in a name's $4 or $e; without one "author" for a main entry, "other" for an added entry."""
    for code in ("4", "e"):
        for value in pick(field, frozenset(code)):
            word = value.rsplit("/", 1)[-1].strip(" .,;()").lower()
            if word in ROLES:
                return ROLES[word]
            return "other"
    return "author" if field[0][:1] == "1" else "other"


def _names(tags: Tags) -> list[Name]:
    names: dict[tuple[str, str], Name] = {}
    for tag in NAME_TAGS:
        for field in tags.get(tag, ()):
            text = clean(name_of(field))
            if text and not pick(field, frozenset("t")):
                name = Name(text, KINDS[tag[1:]], role_of(field))
                names.setdefault((name.text, name.role), name)
    return list(names.values())


def _imprint(tags: Tags) -> Field:
    """Return the publication field: 264 with second indicator 1, else 260, else any 264."""
    candidates = [
        *(field for field in tags.get("264", ()) if field[1][1:2] == "1"),
        *tags.get("260", ()),
        *tags.get("264", ()),
    ]
    return candidates[0] if candidates else ["264", " 1"]


def _series(tags: Tags) -> tuple[str, str]:
    for tag in ("490", "440", "830", "800", "810"):
        for field in tags.get(tag, ()):
            codes = frozenset("tp") if tag in ("800", "810") else _SERIES
            title = clean(". ".join(part.strip(_ENDS) for part in pick(field, codes)))
            if title:
                return title, clean(tidy("; ".join(pick(field, frozenset("v")))))
    return "", ""


def _host(tags: Tags) -> tuple[str, str]:
    for field in tags.get("773", ()):
        title = clean(tidy(" ".join(pick(field, frozenset("t")) or pick(field, frozenset("as")))))
        if title:
            return title, clean(" ".join(pick(field, frozenset("g"))))
    return "", ""


def _lettered_text(field: Field) -> str:
    return " ".join(field[at + 1] for at in range(2, len(field) - 1, 2) if field[at].isalpha())


def _clean_all(texts: object) -> list[str]:
    return list(dict.fromkeys(text for value in texts if (text := clean(value))))  # type: ignore[attr-defined]


def _first_match(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return " ".join(match.group(1).split()) if match else ""
