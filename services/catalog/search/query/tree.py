"""The query tree; str() of each part is a text that parses to the same part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Word:
    """One word as typed, perhaps of several tokens (laki-laki), in one field or any. prefix: a beginning of words."""

    text: str
    field: str = ""
    prefix: bool = False

    def __str__(self) -> str:
        return f"{_label(self.field)}{self.text}{'*' if self.prefix else ''}"


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words side by side."""

    text: str
    field: str = ""

    def __str__(self) -> str:
        return f'{_label(self.field)}"{self.text}"'


@dataclass(frozen=True, slots=True)
class Isbn:
    """An ISBN of thirteen digits, or another text after `isbn:`.

    ten  ten characters that were typed without `isbn:`, because they may also be a barcode
    """

    number: str
    ten: str = ""

    def __str__(self) -> str:
        return self.ten or f"isbn:{self.number}"


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier: an `issn`, `barcode`, `call` (number) or `control` (number), letters and digits only."""

    kind: str
    number: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.number}"


@dataclass(frozen=True, slots=True)
class Years:
    """Published in these years, both included; None for open."""

    low: int | None
    high: int | None

    def __str__(self) -> str:
        if self.low == self.high:
            return f"year:{self.low:04}"
        low, high = ("" if bound is None else f"{bound:04}" for bound in (self.low, self.high))
        return f"year:{low}..{high}"


@dataclass(frozen=True, slots=True)
class Classes:
    """Classes as written, both bounds included with their subclasses; None for open.

    A single class (low is high) includes all classes under it: 8 and 800 are all of literature, 297 is all of Islam,
    2X4 is a local class.
    """

    low: str | None
    high: str | None

    def __str__(self) -> str:
        return f"class:{self.low}" if self.low == self.high else f"class:{self.low or ''}..{self.high or ''}"


@dataclass(frozen=True, slots=True)
class FacetCode:
    """A facet value by its code: `language` (ISO 639-2), `format`, `audience` or `collection`."""

    field: str
    code: str

    def __str__(self) -> str:
        return f"{self.field}:{self.code}"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of these. One choice alone is a pair of brackets, which are needed only in an exclusion."""

    choices: tuple[Query, ...]

    def __str__(self) -> str:
        return f"({' OR '.join(map(str, self.choices))})"


Part = Word | Phrase | Isbn | Identifier | Years | Classes | FacetCode | AnyOf


@dataclass(frozen=True, slots=True)
class Query:
    """All of `parts`, none of `without`. A query without parts matches every record.

    read_as_words  a part of the text could not be parsed, and was read as plain words
    """

    parts: tuple[Part, ...] = ()
    without: tuple[Part, ...] = ()
    read_as_words: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return " ".join([*map(str, self.parts), *(f"-{part}" for part in self.without)])

    def leaves(self) -> Iterator[Part]:
        """Yield every part that is not an AnyOf, including the parts of alternatives and exclusions."""
        for part in (*self.parts, *self.without):
            if isinstance(part, AnyOf):
                for choice in part.choices:
                    yield from choice.leaves()
            else:
                yield part

    @property
    def size(self) -> int:
        """Return the number of words."""
        return sum(len(leaf.text.split()) if isinstance(leaf, Phrase) else 1 for leaf in self.leaves())

    @property
    def wildcards(self) -> list[str]:
        """Return the words that end in a star."""
        return [leaf.text for leaf in self.leaves() if isinstance(leaf, Word) and leaf.prefix]


def _label(field: str) -> str:
    return f"{field}:" if field else ""
