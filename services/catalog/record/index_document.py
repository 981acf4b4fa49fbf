"""The index document of a record: its fields, and the signs before its tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from services.catalog.analysis import (
    MAX_TOKEN,
    as_old,
    elided_words,
    is_old,
    name_forms,
    name_key,
    root,
    spell_out,
    squeeze,
    tokens,
)
from services.catalog.marc.record import Record, Tags, by_tag, control, linked_tag, pick, pick_all
from services.catalog.record.brief import all_isbns
from services.catalog.record.classes import NONE as WITHOUT_CLASS
from services.catalog.record.classes import all_levels, class_of, levels, thousandths
from services.catalog.record.codes import audience_of, language_of, main_classes, material_of, year_of
from services.catalog.record.field_words import FIELDED, field_words
from services.catalog.record.headings import (
    NAME_TAGS,
    SUBJECT_TAGS,
    TITLE,
    names_of,
    non_filing,
    series_of,
    subject_keys,
    subjects_of,
    title_sort_of,
)
from services.catalog.record.holdings import ItemFacts, availability_of
from services.catalog.record.reader_words import reader_words_of

# Analysed fields: tokens joined by spaces. Each field begins with START in every document.
START = "^"
END = "$"  # ends a whole title among the `opening` keywords
# Words as written: `text` has all words, with a GAP between the kinds, so that no phrase matches across kinds; the
# other fields have the words of one kind. `any` has the roots of the words and other tokens, without positions.
WORD_FIELDS = ("title", "author", "subject", "text")
TEXT_FIELDS = (*WORD_FIELDS, FIELDED, "any")
GAP = "|"
# Tokens of `any`, besides roots: BEGINNING + the beginning of a word of title, author or subject (or of its root), and
# BEGINNING + the whole root of any word; KIND_SIGNS[kind] + a root of that kind. No word contains these signs.
BEGINNING = "#"
BEGINNING_LENGTHS = (3, 12)  # characters of the shortest and the longest beginning
KIND_SIGNS = {"title": "t=", "author": "a=", "subject": "s=", "series": "e=", "publisher": "p="}
# Kind of words -> number of times that a root is in `any`; once more where the word is the root itself. So one look-up
# returns both the match and its weight.
ROOT_COUNTS = {"title": 4, "author": 4, "subject": 2, "series": 1, "publisher": 1, "notes": 1}
# "class_path" has numbers with decimals too; it is counted below one class, and the filter "class" restricts it.
FACETS = (
    "availability", "institution", "branch", "collection", "material", "audience", "language", "year", "subject",
    "author", "ddc", "class", "series", "class_path",
)  # fmt: skip
KEYWORDS = ("isbn", "identifier", "opening", "name", "reader_word")


@dataclass(frozen=True, slots=True)
class Document:
    """One record for the index.

    number      records.number: unique, positive, below 2**39; breaks ties
    work        records.work_number; for a record without one, the negative of its own number
    text        analysed field -> tokens joined by spaces, beginning with START; all of TEXT_FIELDS are present
    facets      facet -> values as stored (codes or headings); indexed in a field `facet_<name>`
    keywords    "isbn": ISBN-13 digits · "identifier": ISSN, barcodes, control number, call number, folded ·
                "opening": the title's first word, and the whole title followed by ` $`, with and without subtitle ·
                "name": whole names, see analysis.name_key, and whole subjects, see headings.subject_key ·
                "reader_word": story:, work: or subject: + the root of a word by which readers ask, see reader_words
    year        of publication, for sorting and ranges
    title_sort  folded title without non-filing characters; the adapter appends the number
    class_number  the class in thousandths, for ranges: 899.2213 is 899221, 2X is 297000; None without a class
    """

    number: int
    text: Mapping[str, str]
    facets: Mapping[str, tuple[str, ...]]
    keywords: Mapping[str, tuple[str, ...]]
    year: int | None
    title_sort: str
    work: int = 0
    class_number: int | None = None


TEXT_LIMIT = 20_000  # characters of one kind of words; the rest of a very long note does not help a search
NAMES_LIMIT = 40
_MOST_CACHED = 40_000  # words of each kind; 15 MB, enough for the frequent words of most catalogues
_MOST_CACHED_NAMES = 10_000

_Where = tuple[tuple[str, frozenset[str]], ...]  # kind of words, subfields


def _where(tags: str, *kinds: tuple[str, str]) -> dict[str, _Where]:
    return dict.fromkeys(tags.split(), tuple((kind, frozenset(codes)) for kind, codes in kinds))


_KINDS = ("title", "author", "subject", "series", "publisher", "notes")
# Kinds of words by tag; other tags are not searched. The title in a name-title heading is also a title.
_WHERE: dict[str, _Where] = {
    **_where("245", ("title", "abnp"), ("author", "c")),
    **_where("130 210 222 240 242 246 247 730 740", ("title", "abnpt")),
    **_where("100 110 111 720", ("author", "abcdq")),
    **_where("700 710 711", ("author", "abcdq"), ("title", "tnp")),
    **_where(" ".join(SUBJECT_TAGS), ("subject", "abcdnpqtvxyz")),
    **_where("440 490 800 810 811 830", ("series", "anptv")),
    **_where("260 264", ("notes", "a"), ("publisher", "b")),
    **_where("773 775 776 780 785 787", ("notes", "at")),
    **_where("500 501 502 505 508 511 518 520 525 534 545 546 550 580 586 590", ("notes", "abcdgrt")),
    **_where("250", ("notes", "ab")),
    **_where("856", ("notes", "3yz")),
}
_A, _AB, _Z = frozenset("a"), frozenset("ab"), frozenset("z")
_NUMBERS = (("010", _A), ("022", frozenset("alyz")), ("024", _A), ("027", _A), ("028", _A))
_CLASS_TAGS = ("050", "082", "090", "092", "099")
_ELISION = re.compile("['’ʼ`]")
_PERSONS = ("100", "700", "600", "720")
_OLD_SIGN = re.compile("oe|[tds]j|jang")  # a word without one of these is not in old spelling
_INITIALS = re.compile(r"(?:\b[^\W\d_]\.\s?){2,}")
_SHORTEST, _LONGEST = BEGINNING_LENGTHS


def words_of(tags: Tags) -> dict[str, str]:
    """Return the tokens of each analysed field of a Document, joined by spaces."""
    texts: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for tag, fields in tags.items():
        where = _WHERE.get(tag, ())
        if not where and tag != "880":
            continue
        for field in fields:
            for kind, codes in where or _WHERE.get(linked_tag(field), ()):
                texts[kind] += pick(field, codes)
    joined = {kind: " ".join(values) for kind, values in texts.items()}
    words = {kind: tokens(text[:TEXT_LIMIT]) if text else [] for kind, text in joined.items()}
    roots = [START]
    for kind, kind_words in words.items():
        roots.extend(map(_ROOT_TOKENS[kind].__getitem__, dict.fromkeys(kind_words)))
    roots.extend(
        map(
            _ROOT_TOKENS["author"].__getitem__,
            _initials(tags, f"{joined['title'][:TEXT_LIMIT]} {joined['author'][:TEXT_LIMIT]}"),
        )
    )
    roots.extend(map(_ROOT_TOKENS["title"].__getitem__, _old(words["title"])))
    for kind in ("title", "author", "subject"):
        if _ELISION.search(joined[kind]):
            roots.extend(map(_ROOT_TOKENS[kind].__getitem__, elided_words(joined[kind][:TEXT_LIMIT])))
    all_words = [START]
    for kind_words in words.values():
        if kind_words:
            all_words.extend(kind_words)
            all_words.append(GAP)
    return {
        "title": _join(words["title"]),
        "author": _join(words["author"]),
        "subject": _join(words["subject"]),
        "text": " ".join(all_words),
        "any": " ".join(roots),
    }


def name_keys(tags: Tags) -> tuple[str, ...]:
    """Return the keys of the contributors' whole names."""
    keys = dict.fromkeys([_name_key(name[:100]) for tag in NAME_TAGS for name in pick_all(tags, tag, _A)])
    return tuple([key for key in keys if key])[:NAMES_LIMIT]


@lru_cache(maxsize=_MOST_CACHED_NAMES)
def _name_key(name: str) -> str:
    return name_key([root(token) for token in tokens(name)])


def _join(words: Iterable[str]) -> str:
    return " ".join((START, *words))


def _initials(tags: Tags, text: str) -> list[str]:
    """List the initials by which a search can match persons of this record."""
    initials: dict[str, None] = {}
    for tag in _PERSONS:
        for name in pick_all(tags, tag, _A):
            initials.update(_name_forms(name[:100]))
    if "." in text:
        initials.update(("".join(tokens(value))[:MAX_TOKEN], None) for value in _INITIALS.findall(text))
    return list(initials)


@lru_cache(maxsize=_MOST_CACHED_NAMES)
def _name_forms(name: str) -> tuple[tuple[str, None], ...]:
    return tuple((form, None) for form in name_forms(name))


def _old(title: Sequence[str]) -> list[str]:
    """Return modern spellings of the words with j, if the title has a word in old spelling, because j is old then."""
    if _OLD_SIGN.search(" ".join(title)) is None or not any(map(is_old, title)):
        return []
    return [as_old(word) for word in title if "j" in word]


class _RootTokens(dict[str, str]):
    """A cache from a word to its tokens in `any`, as text, for one kind of words."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._root_count = ROOT_COUNTS[kind]
        self._sign = KIND_SIGNS.get(kind, "")
        self._has_beginnings = kind in ("title", "author", "subject")

    def __missing__(self, word: str) -> str:
        if len(self) >= _MOST_CACHED:
            self.clear()
        spelled = spell_out(word)
        if spelled != word:
            text = self[word] = " ".join(map(self.__getitem__, dict.fromkeys(spelled.split())))
            return text
        stem = root(word)
        count = self._root_count + (stem == word)
        parts = [stem] * count
        if _SHORTEST <= len(stem) <= _LONGEST:
            parts += [BEGINNING + stem] * count
        if self._sign:
            parts.append(self._sign + stem)
        if self._has_beginnings and word.isalpha():
            parts += _beginnings(word, stem)
        text = self[word] = " ".join(parts)
        return text


_ROOT_TOKENS = {kind: _RootTokens(kind) for kind in _KINDS}


def _beginnings(word: str, stem: str) -> Iterable[str]:
    """Return the beginnings of a word, then those of its root, without repetition and without the whole root."""
    beginnings = [BEGINNING + word[:end] for end in range(_SHORTEST, min(len(word), _LONGEST) + 1)]
    whole = BEGINNING + stem
    if word.startswith(stem):
        # The beginnings of the root are among those of the word.
        if _SHORTEST <= len(stem) <= _LONGEST:
            beginnings.remove(whole)
        return beginnings
    beginnings += [BEGINNING + stem[:end] for end in range(_SHORTEST, min(len(stem), _LONGEST) + 1)]
    return [beginning for beginning in dict.fromkeys(beginnings) if beginning != whole]


OPENING_LIMIT = 200
FACET_LIMIT = 40  # values of one facet
FACET_LENGTH = 200  # characters of a facet value

_CLASSES_OF_STORIES = ("8", "398", "741.5", "791.4")  # and works without a class
_T = frozenset("t")
_OTHER_TITLES = (
    *((tag, _A) for tag in ("130", "240", "246", "730", "740", "440", "490", "830")),
    *((tag, _T) for tag in ("800", "810", "811")),
)
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
    text, isbn_numbers = words_of(tags), tuple(all_isbns(tags))
    text[FIELDED] = field_words(tags, isbns=isbn_numbers, items=items, class_number=class_number, first=START)
    facets = _facets(record.leader, tags, language, year, institution, items, class_number)
    openings = _openings(tags)
    titles = _whole_titles(openings, tags)
    return Document(
        number=number,
        text=text,
        facets=facets,
        keywords={
            "isbn": isbn_numbers,
            "identifier": _identifiers(tags, items),
            "opening": openings,
            "name": (*name_keys(tags), *subject_keys(facets["subject"])),
            "reader_word": tuple(
                reader_words_of(
                    titles,
                    set(text["author"].split()),
                    facets["subject"],
                    is_story=not class_number or class_number.startswith(_CLASSES_OF_STORIES),
                )
            ),
        },
        year=year,
        title_sort=title_sort_of(tags),
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
        "availability": ("can_be_borrowed",) if any(_can_be_borrowed(item) for item in items) else (),
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
        "class_path": all_levels(class_number) or (WITHOUT_CLASS,),
    }


def _whole_titles(openings: Iterable[str], tags: Tags) -> list[str]:
    """Return the folded whole titles of a record and of its series, without END."""
    titles = [opening.removesuffix(f" {END}") for opening in openings if opening.endswith(f" {END}")]
    others = (title for tag, code in _OTHER_TITLES if tag in tags for title in pick_all(tags, tag, code))
    return [*titles, *(" ".join(tokens(title[:OPENING_LIMIT])) for title in others)]


def _can_be_borrowed(item: ItemFacts) -> bool:
    return availability_of(item, item.lending) == "can_be_borrowed"


def _values(values: Iterable[str]) -> tuple[str, ...]:
    """Remove duplicates and keep the order; a set is sorted, so that a record always gives the same document."""
    ordered = sorted(values) if isinstance(values, set) else values
    return tuple(dict.fromkeys([value[:FACET_LENGTH] for value in ordered if value]))[:FACET_LIMIT]


def _identifiers(tags: Tags, items: Sequence[ItemFacts]) -> tuple[str, ...]:
    values = [control(tags, "001")]
    for tag, codes in _NUMBERS:
        values += pick_all(tags, tag, codes)
    values += [value.rpartition(")")[2] for value in pick_all(tags, "035", _A)]
    for tag in _CLASS_TAGS:
        values += [" ".join(pick(field, _AB)) for field in tags.get(tag, ())]
    values += [item.barcode for item in items if item.barcode]
    for item in items:
        values += _call_numbers(item.call_number)
    identifiers = dict.fromkeys([squeeze(value[:200]) for value in values if value])
    return tuple([identifier for identifier in identifiers if len(identifier) >= 3])


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
    for text in dict.fromkeys([" ".join(pick(field, codes)) for codes in (_A, TITLE)]):
        for form in {0: text, skipped: text[skipped:]}.values():
            words = tokens(form[:OPENING_LIMIT])
            if words:
                openings[words[0]] = None
                openings[f"{' '.join(words)} {END}"] = None
    return tuple(openings)
