"""The keys of a record: work keys, which records of a work share, sort keys, headings and standard number."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from services.catalog.analysis import issn_of, tokens
from services.catalog.marc.record import Field, Record, Tags, by_tag, pick, pick_all
from services.catalog.record.codes import standard_number_of
from services.catalog.record.headings import (
    NAME_TAGS,
    TITLE_SORT_LENGTH,
    names_of,
    series_of,
    subjects_of,
    title_sort_of,
)
from services.catalog.works.distinctions import TitleFacts, class_code, isbns_of_record, title_facts
from services.catalog.works.names import author_of, is_generic_title, part_of, title_words, words

MOST_KEYS = 12  # of one record
# The version of the rules for keys. It is a part of every key, so keys of different versions never match. A database
# with keys of an older version is regrouped (importing.regrouping).
RULES = 2

_A, _B, _X, _AL = (frozenset(code) for code in ("a", "b", "x", "al"))
_KINDS = {
    **dict.fromkeys("ef", "map"), **dict.fromkeys("cdj", "music"), "g": "film", **dict.fromkeys("kopr", "object"),
}  # fmt: skip


class Key(NamedTuple):
    """One key: `kind` names its fields, `number` (63 bits) is the hash of their values.

    kind  "title": author and title, with the subtitle or with class and originals · "original": author and original,
          uniform or linked title · "uniform": 130 · "isbn", "issn": with the title's first word · "anonymous": title,
          subtitle and publisher
    """

    kind: str
    number: int


def keys_of(leader: str, tags: Tags) -> list[Key]:
    """List a record's work keys, at most MOST_KEYS, without repetition; none when it has too few data.

    tags  marc.record.by_tag of the record
    """
    field = next(iter(tags.get("245", ())), None)
    if field is None:
        return []
    material = kind_of(leader, tags)
    author = author_of(tags)
    facts = title_facts(field, tags, author)
    title, part = facts.title, facts.part
    keys: dict[int, str] = {}
    has_title = bool(author and title and not is_generic_title(title))
    shelved = class_code(tags) if has_title or facts.originals else ""
    if has_title:
        _put_titles(keys, material, author, facts, shelved)
    for by, name, own_part in facts.originals:
        _put(keys, "original", "b", material, by, " ".join(name), own_part, "")
        _put(keys, "original", "c", material, by, " ".join(name), own_part, shelved, "")
    for uniform in tags.get("130", ()):
        uniform_title = title_words(" ".join(pick(uniform, _A)))
        if uniform_title and not is_generic_title(uniform_title):
            _put(keys, "uniform", "u", material, " ".join(uniform_title), part_of(uniform) or part)
    if title:
        for isbn in isbns_of_record(tags):
            _put(keys, "isbn", "i", material, isbn, title[0], part)
        if material == "serial":
            for issn in _issns(tags):
                _put(keys, "issn", "s", issn, title[0])
    if not author and "130" not in tags:
        _put_anonymous(keys, tags, field, material, title, part)
    return [Key(kind, number) for number, kind in list(keys.items())[:MOST_KEYS]]


def _put_titles(keys: dict[int, str], material: str, author: str, facts: TitleFacts, shelved: str) -> None:
    """Add the keys of the title, which records with the same subtitle, or the same class and original, share."""
    common = material, author, " ".join(facts.title), facts.part
    _put(keys, "title", "b", *common, facts.subtitle)
    if not (facts.is_collection or facts.names_volume):
        originals = sorted({" ".join(name) for _by, name, _part in facts.originals} - {common[2]})
        _put(keys, "title", "c", *common, shelved, "|".join(originals))


def pack(keys: Iterable[int]) -> bytes:
    """Pack keys as a record's row stores them: eight bytes each, sorted."""
    ordered = sorted(keys)
    return struct.pack(f">{len(ordered)}q", *ordered)


def unpack(packed: bytes | None) -> tuple[int, ...]:
    return struct.unpack(f">{len(packed) // 8}q", packed) if packed else ()


def kind_of(leader: str, tags: Tags) -> str:
    """Return the kind of a record; a work has records of one kind only.

    returns  "text" (on paper, on a screen, read aloud), "serial", "thesis", "part" (an article), "map", "music",
             "film", "object"
    """
    level = leader[7:8]
    if level in ("s", "i"):
        return "serial"
    if level in ("a", "b"):
        return "part"
    if "502" in tags:
        return "thesis"
    return _KINDS.get(leader[6:7], "text")


_RULES = str(RULES)


def _put(keys: dict[int, str], kind: str, *values: str) -> None:
    digest = blake2b("\x1f".join((_RULES, *values)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    keys.setdefault(int.from_bytes(digest, "big") >> 1, kind)


def _issns(tags: Tags) -> Iterator[str]:
    for tag, code in (("022", _AL), ("776", _X)):
        for value in pick_all(tags, tag, code):
            if issn := issn_of(value[:40]):
                yield issn


def _put_anonymous(keys: dict[int, str], tags: Tags, field: Field, material: str, title: list[str], part: str) -> None:
    """Add the key of a book without author: its whole title, of at least three words, and its publisher."""
    whole = [*title, *words(" ".join(pick(field, _B)))]
    if len(whole) < 3 or is_generic_title(whole):
        return
    for tag in ("264", "260"):
        publisher = words(next(pick_all(tags, tag, _B), ""))
        if publisher:
            _put(keys, "anonymous", "n", material, " ".join(whole), part, publisher[0])
            return


HEADING_LENGTH, MOST_HEADINGS = 200, 40  # as the facets have them
LONGEST_NAME = 1000  # characters of a name that are folded
KINDS = {"a": "author", "s": "subject", "e": "series"}

_NAME = frozenset("abcq")
_SERIES = frozenset(("440", "490", "800", "810", "811", "830"))


class RecordKeys(NamedTuple):
    """The keys of one record; plain data, because processes exchange thousands.

    title_sort, author_sort   folded title (without non-filing characters) and main entry, shortened
    headings                  a letter of KINDS before each text, as the facets have it
    keys                      numbers of keys.keys_of
    standard_number           record.codes.standard_number_of
    """

    title_sort: str
    author_sort: str
    headings: tuple[str, ...]
    keys: tuple[int, ...]
    standard_number: int | None = None


def record_keys_of(record: Record, tags: Tags | None = None, names: Sequence[str] | None = None) -> RecordKeys:
    """Compute the keys of any record; never raises.

    tags, names  its fields by tag, and their headings.names_of, if the caller has them
    """
    tags = by_tag(record.fields) if tags is None else tags
    headings = [
        f"a{heading[:HEADING_LENGTH]}" for heading in (names_of(tags) if names is None else names)[:MOST_HEADINGS]
    ]
    headings += [f"s{heading[:HEADING_LENGTH]}" for heading in subjects_of(tags)[:MOST_HEADINGS]]
    if not _SERIES.isdisjoint(tags):
        headings += [f"e{heading[:HEADING_LENGTH]}" for heading in series_of(tags)[:MOST_HEADINGS]]
    keys = tuple([key.number for key in keys_of(record.leader, tags)])
    return RecordKeys(title_sort_of(tags), _author_sort(tags), tuple(headings), keys, standard_number_of(tags))


def _author_sort(tags: Tags) -> str:
    for tag in NAME_TAGS:
        for field in tags.get(tag, ()):
            folded = _fold_name(" ".join(pick(field, _NAME))[:LONGEST_NAME])
            if folded:
                return folded
    return ""


@lru_cache(maxsize=4096)
def _fold_name(name: str) -> str:
    return " ".join(tokens(name))[:TITLE_SORT_LENGTH]
