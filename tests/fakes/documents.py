"""Documents for the index with few common and many rare words, as in a catalogue; a seed always gives the same ones."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from services.catalog.index.port import Change
from services.catalog.record.index_document import FACETS, GAP, KEYWORDS, START, TEXT_FIELDS, Document

LANGUAGES = ("ind", "min", "eng", "ara", "nld")
SYLLABLES = ("ba", "ca", "di", "gu", "ha", "ka", "lo", "mi", "nang", "po", "ra", "sa", "tu", "wi", "ya", "ter")


def word(rank: int) -> str:
    """The word of this rank in the vocabulary; neighbouring ranks have different words."""
    letters, number = "", rank * 7919 + 17
    while number:
        number, at = divmod(number, len(SYLLABLES))
        letters += SYLLABLES[at]
    return letters


def ranks(rng: random.Random, maximum: int) -> list[int]:
    return [min(int(rng.paretovariate(0.7)), 4000) for _ in range(rng.randint(0, maximum))]


def made(
    number: int,
    *,
    text: Mapping[str, str] | None = None,
    facets: Mapping[str, tuple[str, ...]] | None = None,
    keywords: Mapping[str, tuple[str, ...]] | None = None,
    year: int | None = None,
    title_sort: str = "",
) -> Document:
    """A document with these fields only; `text` has all words, as in every document."""
    words = {"text": f" {GAP} ".join((text or {}).values()), **(text or {})}
    return Document(
        number=number,
        text={name: f"{START} {words.get(name, '')}".strip() for name in TEXT_FIELDS},
        facets={name: (facets or {}).get(name, ()) for name in FACETS},
        keywords={name: (keywords or {}).get(name, ()) for name in KEYWORDS},
        year=year,
        title_sort=title_sort,
    )


def random_document(number: int, rng: random.Random) -> Document:
    title = " ".join(word(rank) for rank in [*ranks(rng, 8), rng.randint(1, 4000)])
    year = rng.choice([None, *range(1990, 2026)])
    return made(
        number,
        text={
            "title": title,
            "author": " ".join(word(rank) for rank in ranks(rng, 3)),
            "subject": " ".join(word(rank) for rank in ranks(rng, 6)),
            "text": " ".join((title, *(word(rank) for rank in ranks(rng, 40)))),
            "any": " ".join(f"{term[:5]} " * 4 + f"#{term[:3]}" for term in title.split()),
        },
        facets={
            "language": (rng.choice(LANGUAGES),),
            "author": tuple(f"Pengarang {rank}" for rank in ranks(rng, 3)),
            "subject": tuple({f"Subjek {rank}" for rank in ranks(rng, 5)}),
            "year": () if year is None else (str(year),),
            "availability": ("available",) if rng.random() < 0.5 else (),
        },
        keywords={"isbn": (f"978{number:010d}",)},
        year=year,
        title_sort=title if rng.random() < 0.9 else "",
    )


def random_changes(count: int, *, seed: int, first: int = 1, version: int = 1) -> Iterator[Change]:
    rng = random.Random(seed)
    for number in range(first, first + count):
        yield Change(number, version, random_document(number, rng))
