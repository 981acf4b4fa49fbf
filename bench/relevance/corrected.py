"""Measures corrections: how many real words that the sample does not have are replaced by others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.relevance.library import Prepared
from chassis.context import READER
from services.catalog.search.search import search

WORDS = Path(__file__).with_name("unknown_words.txt")


def real_words() -> list[str]:
    """List the words of the file, each once."""
    lines = WORDS.read_text(encoding="utf-8").splitlines()
    return list(dict.fromkeys(word for line in lines if not line.startswith("#") for word in line.split()))


@dataclass(frozen=True, slots=True)
class Corrected:
    """
    unknown   words that no record has
    replaced  those of them that were replaced: word -> correction
    offered   those for which another word was offered
    """

    unknown: Sequence[str]
    replaced: dict[str, str]
    offered: dict[str, str]

    @staticmethod
    def of(library: Prepared, words: Sequence[str]) -> Corrected:
        """Search for each word alone."""
        results = {word: search(library.database, library.index, context=READER, query=word, limit=1) for word in words}
        unknown = [word for word, result in results.items() if result.corrected or not result.total]
        return Corrected(
            unknown,
            {word: results[word].did_you_mean for word in unknown if results[word].corrected},
            {word: results[word].did_you_mean for word in unknown if not results[word].corrected},
        )

    def __str__(self) -> str:
        pairs = ", ".join(f"{word} -> {correction}" for word, correction in self.replaced.items())
        offers = sum(map(bool, self.offered.values()))
        return f"{len(self.unknown)} unknown words: {len(self.replaced)} replaced, {offers} offered another\n{pairs}"
