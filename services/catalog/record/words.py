"""The words of a record for the index: as written, by kind, and as roots."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from services.catalog.analysis import as_old, is_old, name_forms, name_key, root, tokens
from services.catalog.marc.fields import Tags, linked_tag, pick, picked
from services.catalog.record.headings import SUBJECT_TAGS
from services.catalog.record.index_fields import BEGUN, BEGUN_LENGTHS, GAP, IN, STANDING, START

TEXT_LIMIT = 20_000  # characters of one kind of words; the rest of a very long note does not help a search
NAMES_LIMIT = 40
_REMEMBERED = 40_000  # words of each kind, 15 MB: the repeated words of most catalogues
_NAMES_REMEMBERED = 10_000

_Where = tuple[tuple[str, frozenset[str]], ...]  # kind of words, subfields


def _where(tags: str, *kinds: tuple[str, str]) -> dict[str, _Where]:
    return dict.fromkeys(tags.split(), tuple((kind, frozenset(codes)) for kind, codes in kinds))


TITLE = frozenset("abnp")
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
    **_where(
        "500 501 502 505 508 511 518 520 525 534 545 546 550 580 586 590",
        ("notes", "abcdgrt"),
    ),
    **_where("250", ("notes", "ab")),
    **_where("856", ("notes", "3yz")),
}
_NAMES = ("100", "110", "111", "700", "710", "711", "720")
_A = frozenset("a")
_PERSONS = ("100", "700", "600", "720")
_INITIALS = re.compile(r"(?:\b[^\W\d_]\.\s?){2,}")
_SHORTEST, _LONGEST = BEGUN_LENGTHS


def words_of(tags: Tags) -> dict[str, str]:
    """Return the tokens of each analysed field of a Document, joined by spaces."""
    texts: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for tag, fields in tags.items():
        for field in fields:
            for kind, codes in _WHERE.get(linked_tag(field) if tag == "880" else tag, ()):
                texts[kind].extend(pick(field, codes))
    joined = {kind: " ".join(values) for kind, values in texts.items()}
    words = {kind: tokens(text[:TEXT_LIMIT]) for kind, text in joined.items()}
    roots = [START]
    for kind, kind_words in words.items():
        roots.extend(map(_ROOT_TOKENS[kind].__getitem__, dict.fromkeys(kind_words)))
    roots.extend(map(_ROOT_TOKENS["author"].__getitem__, _initials(tags, joined["title"] + " " + joined["author"])))
    roots.extend(map(_ROOT_TOKENS["title"].__getitem__, _old(words["title"])))
    all_words = [START]
    for kind_words in words.values():
        if kind_words:
            all_words.extend(kind_words)
            all_words.append(GAP)
    return {
        "title": _joined(words["title"]),
        "author": _joined(words["author"]),
        "subject": _joined(words["subject"]),
        "text": " ".join(all_words),
        "any": " ".join(roots),
    }


def name_keys(tags: Tags) -> tuple[str, ...]:
    """Return the keys of the contributors' whole names."""
    keys = dict.fromkeys(_name_key(name[:100]) for tag in _NAMES for name in picked(tags, tag, _A))
    return tuple(key for key in keys if key)[:NAMES_LIMIT]


@lru_cache(maxsize=_NAMES_REMEMBERED)
def _name_key(name: str) -> str:
    return name_key([root(token) for token in tokens(name)])


def _joined(words: Iterable[str]) -> str:
    return " ".join((START, *words))


def _initials(tags: Tags, text: str) -> list[str]:
    """List the initials by which a search can match persons of this record."""
    initials: dict[str, None] = {}
    for tag in _PERSONS:
        for name in picked(tags, tag, _A):
            initials.update(_name_forms(name[:100]))
    if "." in text:
        initials.update(("".join(tokens(value)), None) for value in _INITIALS.findall(text))
    return list(initials)


@lru_cache(maxsize=_NAMES_REMEMBERED)
def _name_forms(name: str) -> tuple[tuple[str, None], ...]:
    return tuple((form, None) for form in name_forms(name))


def _old(title: Sequence[str]) -> list[str]:
    """Return modern spellings of words with j, if the title has a word in old spelling: then j is old, too."""
    return [as_old(word) for word in title if "j" in word] if any(map(is_old, title)) else []


class _RootTokens(dict[str, str]):
    """A cache from a word to its tokens in `any`, as text, for one kind of words."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._standing = STANDING[kind]
        self._mark = IN.get(kind, "")
        self._begun = kind in ("title", "author", "subject")

    def __missing__(self, word: str) -> str:
        if len(self) >= _REMEMBERED:
            self.clear()
        stem = root(word)
        count = self._standing + (stem == word)
        parts = [stem] * count
        if _SHORTEST <= len(stem) <= _LONGEST:
            parts += [BEGUN + stem] * count
        if self._mark:
            parts.append(self._mark + stem)
        if self._begun and word.isalpha():
            parts += dict.fromkeys(
                beginning for form in (word, stem) for beginning in _beginnings(form) if beginning != BEGUN + stem
            )
        text = self[word] = " ".join(parts)
        return text


_ROOT_TOKENS = {kind: _RootTokens(kind) for kind in _KINDS}


def _beginnings(word: str) -> Iterator[str]:
    for end in range(_SHORTEST, min(len(word), _LONGEST) + 1):
        yield BEGUN + word[:end]
