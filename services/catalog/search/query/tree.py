"""The tree of a query; each part prints as the text it would be read from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Word:
    """One word as typed, perhaps of several tokens (laki-laki), in one field or anywhere; `prefix`: its beginning."""

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
    """Thirteen digits; or what was called an ISBN and is none.

    ten  the ten characters that were typed, when nobody said that they are an ISBN: they may be a barcode, too
    """

    number: str
    ten: str = ""

    def __str__(self) -> str:
        return self.ten or f"isbn:{self.number}"


@dataclass(frozen=True, slots=True)
class Identifier:
    """What names one thing: an `issn`, `barcode`, `call` (number) or `control` (number), letters and digits only."""

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
        low, high = ("" if each is None else f"{each:04}" for each in (self.low, self.high))
        return f"year:{low}..{high}"


@dataclass(frozen=True, slots=True)
class Classes:
    """Of these classes as written, both included with all that stands under them; None for open.

    One alone (low is high) has all under it: 8 and 800 are all of literature, 297 is all of Islam, 2X4 a local class.
    """

    low: str | None
    high: str | None

    def __str__(self) -> str:
        return f"class:{self.low}" if self.low == self.high else f"class:{self.low or ''}..{self.high or ''}"


@dataclass(frozen=True, slots=True)
class FacetCode:
    """Of this `language` (ISO 639-2), `format`, `audience` or `collection`, by its code."""

    field: str
    code: str

    def __str__(self) -> str:
        return f"{self.field}:{self.code}"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of these; of one alone it is brackets, which only an exclusion needs."""

    choices: tuple[Query, ...]

    def __str__(self) -> str:
        return f"({' OR '.join(map(str, self.choices))})"


Part = Word | Phrase | Isbn | Identifier | Years | Classes | FacetCode | AnyOf


@dataclass(frozen=True, slots=True)
class Query:
    """All of `parts`, none of `without`. Without any part: everything.

    read_as_words  something in the text could not be read, and was taken as plain words
    """

    parts: tuple[Part, ...] = ()
    without: tuple[Part, ...] = ()
    read_as_words: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return " ".join([*map(str, self.parts), *(f"-{each}" for each in self.without)])

    def leaves(self) -> Iterator[Part]:
        """Every part that is no Either, those of alternatives and those excluded too."""
        for each in (*self.parts, *self.without):
            if isinstance(each, AnyOf):
                for choice in each.choices:
                    yield from choice.leaves()
            else:
                yield each

    @property
    def size(self) -> int:
        """How many words it has."""
        return sum(len(each.text.split()) if isinstance(each, Phrase) else 1 for each in self.leaves())

    @property
    def wildcards(self) -> list[str]:
        """The beginnings of words that it asks for."""
        return [each.text for each in self.leaves() if isinstance(each, Word) and each.prefix]

    def respelt(self, words: Mapping[str, str]) -> Query:
        """The same with these words, as typed, spelt otherwise."""
        return replace(self, parts=tuple(_respelt(each, words) for each in self.parts))


def _respelt(part: Part, words: Mapping[str, str]) -> Part:
    if isinstance(part, Word) and part.text in words:
        return replace(part, text=words[part.text])
    if isinstance(part, AnyOf):
        return AnyOf(tuple(each.respelt(words) for each in part.choices))
    return part


def _label(field: str) -> str:
    return f"{field}:" if field else ""
