"""A library's own vocabulary: the file that the setting VOCABULARY names, added to that of the release."""

from __future__ import annotations

from pathlib import Path

from chassis.errors import Invalid
from chassis.sentences import load_sentences
from services.catalog.analysis.listed_words import is_in_lists
from services.catalog.analysis.vocabulary import is_light_word, use_vocabulary
from services.catalog.analysis.vocabulary_syntax import Vocabulary, VocabularyFault, parse_vocabulary
from services.catalog.search.class_recall import forget_classes, release_finder
from services.catalog.search.validation import forget_queries


def read_vocabulary(path: Path) -> Vocabulary:
    """Read and check a file; the vocabulary in use does not change.

    raises  Invalid  VOCABULARY_UNREADABLE, VOCABULARY_INVALID with the line
    """
    try:
        return parse_vocabulary(_read(path))
    except VocabularyFault as fault:
        raise Invalid("VOCABULARY_INVALID", file=str(path), line=fault.line, text=fault.text) from None


def use_own_vocabulary(path: Path | None) -> None:
    """Use the release's vocabulary and that of the file, if there is one. Raises the errors of read_vocabulary."""
    if path is not None:
        read_vocabulary(path)
        use_vocabulary(_read(path))
        forget_queries()
        forget_classes()


def load_words() -> None:
    """Load the vocabulary, the words of classes, the word lists and the sentences: 0.3 s of CPU.

    The first searches of a process may come at the same time, and each of them would load everything.
    """
    is_light_word("")
    is_in_lists("a")
    release_finder()
    load_sentences()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise Invalid("VOCABULARY_UNREADABLE", file=str(path), why=str(problem)) from problem
