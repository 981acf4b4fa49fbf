"""A record as the index gets it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.catalog.analysis import BOTH, isbn13, squeeze, stemmers_for, stems, tokens
from services.catalog.document.classes import NONE as WITHOUT_CLASS
from services.catalog.document.classes import class_of, levels, thousandths
from services.catalog.document.codes import (
    Tags,
    audience_of,
    control,
    language_of,
    main_classes,
    material_of,
    year_of,
)
from services.catalog.document.describing import isbns
from services.catalog.document.fields import END, START, Document
from services.catalog.document.headings import (
    SUBJECT_TAGS,
    by_tag,
    linked_tag,
    names_of,
    non_filing,
    pick,
    picked,
    series_of,
    subjects_of,
)
from services.catalog.document.items import ItemFacts, answer
from services.catalog.marc import Field, Record

TEXT_LIMIT = 20_000  # characters of one analysed field; the rest of a novel in a note decides nothing
TITLE_SORT_LIMIT = 120
OPENING_LIMIT = 200
FACET_LIMIT = 40  # values of one facet
FACET_LENGTH = 200  # characters of a facet value

_TITLE = frozenset("abnp")
_PROPER = frozenset("a")
_TITLES = ("130", "210", "222", "240", "242", "246", "247", "730", "740")
_TITLES_CODES = frozenset("abnpt")
_NAMES = ("100", "110", "111", "700", "710", "711", "720")
_NAMES_CODES = frozenset("abcdq")
_SUBJECTS = frozenset(SUBJECT_TAGS)
_HAS_SERIES = frozenset(("440", "490", "800", "810", "811", "830"))
_SUBJECT_CODES = frozenset("abcdnpqtvxyz")
# Series, contents, summaries, notes of every kind, publisher, the host of an article, earlier and later titles.
_NOTES = {
    **dict.fromkeys(("260", "264"), frozenset("ab")),
    **dict.fromkeys(("440", "490", "800", "810", "811", "830"), frozenset("anptv")),
    **dict.fromkeys(("773", "775", "776", "780", "785", "787"), frozenset("at")),
    **dict.fromkeys(("500", "501", "502", "505", "508", "511", "518", "520", "525", "534", "545", "546", "550",
                     "580", "586", "590"), frozenset("abcdgrt")),
    "250": frozenset("ab"),
    "856": frozenset("3yz"),
}  # fmt: skip
_WORKS = frozenset("tnp")  # the title in a name-title heading


def document(
    record: Record, *, number: int, institution: str, items: Sequence[ItemFacts] = (), work: int | None = None
) -> Document:
    """What the index is given of a record; takes any record and never raises.

    number       records.number
    institution  code of the institution whose source it is
    items        its items, with codes; withdrawn ones do not count
    work         records.work_number
    """
    tags = by_tag(record)
    language = language_of(tags)
    items = [each for each in items if each.status != "withdrawn"]
    year = year_of(tags)
    class_number = class_of(tags, (each.call_number for each in items))
    return Document(
        number=number,
        text=_text(tags, language),
        facets=_facets(record.leader, tags, language, year, institution, items, class_number),
        keywords={"isbn": _isbns(tags), "identifier": _identifiers(tags, items), "opening": _openings(tags)},
        year=year,
        title_sort=_title_sort(tags),
        work=-number if work is None else work,
        class_number=thousandths(class_number),
    )


def _text(tags: Tags, language: str) -> dict[str, str]:
    proper: list[str] = []
    titles: list[str] = []
    names: list[str] = []
    subjects: list[str] = []
    notes: list[str] = []
    for tag, fields in tags.items():
        if tag == "880":
            for each in fields:
                _sort_words(linked_tag(each), [each], titles, titles, names, subjects, notes)
        else:
            _sort_words(tag, fields, proper, titles, names, subjects, notes)
    title = _tokens([*proper, *titles])
    subject = _tokens(subjects)
    note = _tokens(notes)
    stemmers = stemmers_for(language)
    return {
        "title": _joined(title),
        "title_stem": _joined(stems(title, stemmers)),
        "author": _joined(_tokens(names)),
        "subject": _joined(subject),
        "subject_stem": _joined(stems(subject, BOTH)),
        "notes": _joined(note),
        "notes_stem": _joined(stems(note, stemmers)),
    }


def _sort_words(
    tag: str,
    fields: Iterable[Field],
    proper: list[str],
    titles: list[str],
    names: list[str],
    subjects: list[str],
    notes: list[str],
) -> None:
    """Put the words of these fields where they belong; a tag that nobody searches goes nowhere."""
    if tag == "245":
        for each in fields:
            (titles if proper else proper).extend(pick(each, _TITLE))
            names.extend(pick(each, frozenset("c")))
    elif tag in _SUBJECTS:
        for each in fields:
            subjects.extend(pick(each, _SUBJECT_CODES))
    elif tag in _NAMES:
        for each in fields:
            names.extend(pick(each, _NAMES_CODES))
            if tag[0] == "7":
                titles.extend(pick(each, _WORKS))
    elif tag in _TITLES:
        for each in fields:
            titles.extend(pick(each, _TITLES_CODES))
    elif (codes := _NOTES.get(tag)) is not None:
        for each in fields:
            notes.extend(pick(each, codes))


def _tokens(texts: list[str]) -> list[str]:
    return tokens(" ".join(texts)[:TEXT_LIMIT])


def _joined(found: list[str]) -> str:
    return START + " " + " ".join(found) if found else START


def _facets(
    leader: str,
    tags: Tags,
    language: str,
    year: int | None,
    institution: str,
    items: Sequence[ItemFacts],
    class_number: str,
) -> dict[str, tuple[str, ...]]:
    audience = audience_of(leader, tags)
    materials = {each.material for each in items if each.material}
    materials.add(material_of(leader, tags))
    return {
        "availability": ("can_be_borrowed",) if any(_can_be_had(each) for each in items) else (),
        "institution": _values({institution, *(each.institution for each in items)}),
        "branch": _values(f"{each.institution or institution}/{each.branch}" for each in items if each.branch),
        "collection": _values(each.collection for each in items),
        "material": _values(materials),
        "audience": (audience,) if audience else (),
        "language": (language,) if language else (),
        "year": (str(year),) if year is not None else (),
        "subject": _values(subjects_of(tags)),
        "author": _values(names_of(tags)),
        "ddc": main_classes(class_number),
        "series": _values(series_of(tags)) if _HAS_SERIES.intersection(tags) else (),
        "class": levels(class_number) or (WITHOUT_CLASS,),
    }


def _can_be_had(item: ItemFacts) -> bool:
    return answer(item.status, item.collection) == "can_be_borrowed"


def _values(values: Iterable[str]) -> tuple[str, ...]:
    """Each once, in order; sets are sorted, so that the same record always makes the same document."""
    ordered = sorted(values) if isinstance(values, set) else values
    return tuple(dict.fromkeys(each[:FACET_LENGTH] for each in ordered if each))[:FACET_LIMIT]


def _isbns(tags: Tags) -> tuple[str, ...]:
    found = dict.fromkeys(isbns(tags))
    for value in picked(tags, "020", frozenset("z")):  # cancelled or wrong, but printed in the book all the same
        if number := isbn13(value[:24]):
            found[number] = None
    return tuple(found)


def _identifiers(tags: Tags, items: Sequence[ItemFacts]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for value in (
        control(tags, "001"),
        *picked(tags, "010", frozenset("a")),
        *picked(tags, "022", frozenset("alyz")),
        *picked(tags, "024", frozenset("a")),
        *picked(tags, "027", frozenset("a")),
        *picked(tags, "028", frozenset("a")),
        *(each.rpartition(")")[2] for each in picked(tags, "035", frozenset("a"))),
        *(
            " ".join(pick(each, frozenset("ab")))
            for tag in ("050", "082", "090", "092", "099")
            for each in tags.get(tag, ())
        ),
        *(each.barcode or "" for each in items),
        *(form for each in items for form in _call_numbers(each.call_number)),
    ):
        if value:
            found[squeeze(value[:200])] = None
    return tuple(each for each in found if len(each) >= 3)


def _call_numbers(written: str) -> tuple[str, str]:
    """A call number as written, and without the prefix (R, F, SKR …) that people leave out."""
    prefix, _, rest = written.partition(" ")
    return written, rest if prefix.isalpha() and len(prefix) <= 3 else ""


def _openings(tags: Tags) -> tuple[str, ...]:
    """How the title begins and what it is, so that both are looked up and need no search through positions."""
    field = next(iter(tags.get("245", ())), None)
    if field is None:
        return ()
    skipped = non_filing(field)
    found: dict[str, None] = {}
    for codes in (_PROPER, _TITLE):
        text = " ".join(pick(field, codes))
        for form in {0: text, skipped: text[skipped:]}.values():
            words = tokens(form[:OPENING_LIMIT])
            if words:
                found[words[0]] = None
                found[f"{' '.join(words)} {END}"] = None
    return tuple(found)


def _title_sort(tags: Tags) -> str:
    field = next(iter(tags.get("245", ())), None)
    if field is None:
        return ""
    text = " ".join(pick(field, _TITLE))
    return " ".join(tokens(text[non_filing(field) :] or text))[:TITLE_SORT_LIMIT]
