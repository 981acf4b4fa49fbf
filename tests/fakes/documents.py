"""Documents for the index as a catalogue would have them: few common words, many rare ones; the same for a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from services.catalog.index.port import Change
from services.catalog.record.index_fields import FACETS, KEYWORDS, START, TEXT_FIELDS, Document

LANGUAGES = ("ind", "min", "eng", "ara", "nld")
SYLLABLES = ("ba", "ca", "di", "gu", "ha", "ka", "lo", "mi", "nang", "po", "ra", "sa", "tu", "wi", "ya", "ter")


def word(rank: int) -> str:
    """The word of this rank in the vocabulary; near ranks look nothing alike."""
    letters, left = "", rank * 7919 + 17
    while left:
        left, at = divmod(left, len(SYLLABLES))
        letters += SYLLABLES[at]
    return letters


def ranks(chance: random.Random, most: int) -> list[int]:
    return [min(int(chance.paretovariate(0.7)), 4000) for _ in range(chance.randint(0, most))]


def made(
    number: int,
    *,
    text: Mapping[str, str] | None = None,
    facets: Mapping[str, tuple[str, ...]] | None = None,
    keywords: Mapping[str, tuple[str, ...]] | None = None,
    year: int | None = None,
    title_sort: str = "",
) -> Document:
    """A document that says only this."""
    return Document(
        number=number,
        text={name: f"{START} {(text or {}).get(name, '')}".strip() for name in TEXT_FIELDS},
        facets={name: (facets or {}).get(name, ()) for name in FACETS},
        keywords={name: (keywords or {}).get(name, ()) for name in KEYWORDS},
        year=year,
        title_sort=title_sort,
    )


def random_document(number: int, chance: random.Random) -> Document:
    title = " ".join(word(rank) for rank in [*ranks(chance, 8), chance.randint(1, 4000)])
    year = chance.choice([None, *range(1990, 2026)])
    return made(
        number,
        text={
            "title": title,
            "author": " ".join(word(rank) for rank in ranks(chance, 3)),
            "subject": " ".join(word(rank) for rank in ranks(chance, 6)),
            "text": " ".join((title, *(word(rank) for rank in ranks(chance, 40)))),
            "any": " ".join(f"{each[:5]} " * 4 + f"#{each[:3]}" for each in title.split()),
        },
        facets={
            "language": (chance.choice(LANGUAGES),),
            "author": tuple(f"Pengarang {rank}" for rank in ranks(chance, 3)),
            "subject": tuple({f"Subjek {rank}" for rank in ranks(chance, 5)}),
            "year": () if year is None else (str(year),),
            "availability": ("available",) if chance.random() < 0.5 else (),
        },
        keywords={"isbn": (f"978{number:010d}",)},
        year=year,
        title_sort=title if chance.random() < 0.9 else "",
    )


def random_changes(count: int, *, seed: int, first: int = 1, version: int = 1) -> Iterator[Change]:
    chance = random.Random(seed)
    for number in range(first, first + count):
        yield Change(number, version, random_document(number, chance))
