"""Words by which readers ask for a well-known work or a subject: characters, plot, everyday words, questions.

Records are often brief, and a reader who looks for "the planet with a rose" does not know the title. The words are in
reader_words.txt, which describes the syntax. They are keywords of the index, and searched only where few records
have all the words of a query.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from services.catalog.analysis import is_stop_word, root, tokens
from services.catalog.analysis.listed_words import is_indonesian_word
from services.catalog.record.headings import SUBDIVISION

_FILE = Path(__file__).with_name("reader_words.txt")
STORY, WORK, SUBJECT = "story:", "work:", "subject:"  # before the words in the index
_MOST_CACHED = 10_000  # headings, and lines of words, because records repeat them
_IN_BRACKETS = re.compile(r"\([^()]*\)")
_DATES = re.compile(r",\s*(?:ca?\.?\s*)?[0-9]{3,4}\s*-[\s0-9]*")  # of a person: ", 1902-1980"


class _Entry(NamedTuple):
    """A line of the file. author: words of the author's name, none for any author; words: as in the file."""

    author: frozenset[str]
    words: str


class _Entries(NamedTuple):
    """works: whole title, folded -> its entries; subjects: key of a heading -> the words of its entries."""

    works: dict[str, list[_Entry]]
    subjects: dict[tuple[str, ...], list[str]]


def reader_words_of(
    titles: Iterable[str], authors: Set[str], subjects: Iterable[str], *, is_story: bool
) -> Iterator[str]:
    """Yield the roots of the words of a record's works, with STORY or WORK, then of its subjects, with SUBJECT.

    titles    whole titles of the work and of its series, folded
    authors   folded words of the names
    subjects  subject headings
    """
    works = _entries().works
    of_work: dict[str, None] = {}
    for title in titles:
        for entry in works.get(title, ()):
            if entry.author.issubset(authors):
                of_work |= _roots_of(entry.words)
    of_subjects: dict[str, None] = {}
    for subject in subjects:
        of_subjects |= _roots_of_subject(subject)
    yield from map((STORY if is_story else WORK).__add__, of_work)
    yield from (SUBJECT + word for word in of_subjects if word not in of_work)


def words_of_works(word: str) -> tuple[str, str]:
    """Return a word as it is indexed for the stories and the other works of which readers use it."""
    return STORY + root(word), WORK + root(word)


@lru_cache(_MOST_CACHED)
def _roots_of_subject(subject: str) -> dict[str, None]:
    """Return the roots of a heading's words, and of its main part's words if it has subdivisions."""
    entries = _entries().subjects
    roots: dict[str, None] = {}
    for heading in dict.fromkeys((subject, subject.partition(SUBDIVISION)[0])):
        for words in entries.get(_subject_key(heading), ()):
            roots.update(_roots_of(words))
    return roots


@lru_cache(_MOST_CACHED)
def _roots_of(words: str) -> dict[str, None]:
    return dict.fromkeys(root(word) for word in tokens(words) if not is_stop_word(word))


def _subject_key(heading: str) -> tuple[str, ...]:
    """Return the key of a heading: its words in order of the alphabet, because names may be inverted.

    A person's dates, and what is in brackets, do not count; the year in `Peristiwa 1965` does.
    """
    return tuple(sorted(tokens(_DATES.sub(" ", _IN_BRACKETS.sub(" ", heading)))))


@cache
def _entries() -> _Entries:
    return parse_reader_words(_FILE.read_text(encoding="utf-8").splitlines())


def _foreign_words(titles: Iterable[str]) -> Iterator[str]:
    """Yield the words of other titles of a work that are in no Indonesian list: readers ask for `the alchemist`."""
    return (word for title in titles for word in tokens(title) if not is_indonesian_word(word))


def parse_reader_words(lines: Sequence[str]) -> _Entries:
    """Read the lines of a file; empty lines and comments (#) say nothing.

    raises  ValueError  a line is not a statement; the message names it
    """
    works: dict[str, list[_Entry]] = defaultdict(list)
    subjects: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        kind, _, rest = line.partition(": ")
        keys, _, words = rest.rpartition(": ")
        if kind not in ("work", "subject") or not keys or not words.strip():
            raise ValueError(f"line {number} is not a statement: {line[:80]}")
        if kind == "subject":
            for heading in keys.split("|"):
                subjects[_subject_key(heading)].append(words)
        else:
            listed, _, author = keys.partition(" / ")
            titles = listed.split("|")
            for title in titles:
                all_words = " ".join((words, *_foreign_words(other for other in titles if other != title)))
                works[" ".join(tokens(title))].append(_Entry(frozenset(tokens(author)), all_words))
    return _Entries(dict(works), dict(subjects))
