"""Builds the index document of a record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.catalog.analysis import isbn13, squeeze, tokens
from services.catalog.items.availability import ItemFacts, answer
from services.catalog.marc.fields import Tags, by_tag, control, pick, picked
from services.catalog.marc.record import Record
from services.catalog.record.brief import isbns
from services.catalog.record.classes import NONE as WITHOUT_CLASS
from services.catalog.record.classes import class_of, levels, thousandths
from services.catalog.record.codes import audience_of, language_of, main_classes, material_of, year_of
from services.catalog.record.headings import names_of, non_filing, series_of, subjects_of
from services.catalog.record.index_fields import END, Document
from services.catalog.record.words import TITLE, name_keys, words_of

TITLE_SORT_LIMIT = 120
OPENING_LIMIT = 200
FACET_LIMIT = 40  # values of one facet
FACET_LENGTH = 200  # characters of a facet value

_PROPER = frozenset("a")
_HAS_SERIES = frozenset(("440", "490", "800", "810", "811", "830"))


def document(
    record: Record, *, number: int, institution: str, items: Sequence[ItemFacts] = (), work: int | None = None
) -> Document:
    """Build the index document of a record. Accepts any record and never raises.

    number       records.number
    institution  code of the institution that owns the source
    items        the record's items, with codes; withdrawn items are ignored
    work         records.work_number
    """
    tags = by_tag(record.fields)
    language = language_of(tags)
    items = [item for item in items if item.status != "withdrawn"]
    year = year_of(tags)
    class_number = class_of(tags, (item.call_number for item in items))
    return Document(
        number=number,
        text=words_of(tags),
        facets=_facets(record.leader, tags, language, year, institution, items, class_number),
        keywords={
            "isbn": _isbns(tags),
            "identifier": _identifiers(tags, items),
            "opening": _openings(tags),
            "name": name_keys(tags),
        },
        year=year,
        title_sort=_title_sort(tags),
        work=-number if work is None else work,
        class_number=thousandths(class_number),
    )


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
    materials = {item.material for item in items if item.material}
    materials.add(material_of(leader, tags))
    return {
        "availability": ("can_be_borrowed",) if any(_can_be_had(item) for item in items) else (),
        "institution": _values({institution, *(item.institution for item in items)}),
        "branch": _values(f"{item.institution or institution}/{item.branch}" for item in items if item.branch),
        "collection": _values(item.collection for item in items),
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
    """Remove duplicates and keep the order; a set is sorted, so that a record always gives the same document."""
    ordered = sorted(values) if isinstance(values, set) else values
    return tuple(dict.fromkeys(value[:FACET_LENGTH] for value in ordered if value))[:FACET_LIMIT]


def _isbns(tags: Tags) -> tuple[str, ...]:
    numbers = dict.fromkeys(isbns(tags))
    for value in picked(tags, "020", frozenset("z")):  # cancelled or invalid, but may be printed in the book
        if number := isbn13(value[:24]):
            numbers[number] = None
    return tuple(numbers)


def _identifiers(tags: Tags, items: Sequence[ItemFacts]) -> tuple[str, ...]:
    identifiers: dict[str, None] = {}
    for value in (
        control(tags, "001"),
        *picked(tags, "010", frozenset("a")),
        *picked(tags, "022", frozenset("alyz")),
        *picked(tags, "024", frozenset("a")),
        *picked(tags, "027", frozenset("a")),
        *picked(tags, "028", frozenset("a")),
        *(value.rpartition(")")[2] for value in picked(tags, "035", frozenset("a"))),
        *(
            " ".join(pick(field, frozenset("ab")))
            for tag in ("050", "082", "090", "092", "099")
            for field in tags.get(tag, ())
        ),
        *(item.barcode or "" for item in items),
        *(form for item in items for form in _call_numbers(item.call_number)),
    ):
        if value:
            identifiers[squeeze(value[:200])] = None
    return tuple(identifier for identifier in identifiers if len(identifier) >= 3)


def _call_numbers(written: str) -> tuple[str, str]:
    """Return a call number as written and without its prefix (R, F, SKR …), which searches often omit."""
    prefix, _, rest = written.partition(" ")
    return written, rest if prefix.isalpha() and len(prefix) <= 3 else ""


def _openings(tags: Tags) -> tuple[str, ...]:
    """Return the title's first word and the whole title as keywords: cheaper to look up than a phrase."""
    field = next(iter(tags.get("245", ())), None)
    if field is None:
        return ()
    skipped = non_filing(field)
    openings: dict[str, None] = {}
    for codes in (_PROPER, TITLE):
        text = " ".join(pick(field, codes))
        for form in {0: text, skipped: text[skipped:]}.values():
            words = tokens(form[:OPENING_LIMIT])
            if words:
                openings[words[0]] = None
                openings[f"{' '.join(words)} {END}"] = None
    return tuple(openings)


def _title_sort(tags: Tags) -> str:
    field = next(iter(tags.get("245", ())), None)
    if field is None:
        return ""
    text = " ".join(pick(field, TITLE))
    return " ".join(tokens(text[non_filing(field) :] or text))[:TITLE_SORT_LIMIT]
