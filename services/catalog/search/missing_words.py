"""The words that a hit lacks, and why it is a hit without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from chassis.sentences import LocalText, sentence
from services.catalog.index.port import Index
from services.catalog.record.classes import notation
from services.catalog.search.class_matches import recall_choices, translation_match
from services.catalog.search.class_recall import ClassFinder
from services.catalog.search.partial_hits import PartialMatch, in_groups


class MissingWords(NamedTuple):
    """The words that a hit lacks, as typed.

    because  the related words, the words of readers or the class for which it is a hit, or None
    """

    words: tuple[str, ...] = ()
    because: LocalText | None = None


def find_missing_words(
    index: Index, partial: PartialMatch, numbers: Sequence[int], finder: ClassFinder
) -> Mapping[int, MissingWords]:
    """Return record number -> the words that the hit lacks, for hits that lack a word as typed.

    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    class_choices = [choice for matched in partial.classes for choice in recall_choices(matched)]
    groups = (
        [partial.complete],
        [word.match for word in partial.words],
        [word.of_readers for word in partial.words],
        [translation_match(translation) for translation in partial.translations],
        [match for _key, match in class_choices],
    )
    matching = index.matching([match for group in groups for match in group], numbers)
    (complete,), of_words, of_readers, of_translations, of_classes = in_groups(matching, groups)
    describe = cache(lambda key: describe_class(key, finder))  # the same for many hits

    def missing_in(number: int) -> MissingWords:
        missing = [word for word, having in zip(partial.words, of_words, strict=True) if number not in having]
        because: LocalText | None = None
        for translation, having in zip(partial.translations, of_translations, strict=True):
            replaced = [word for word in missing if word.roots <= translation.roots]
            if number in having and replaced:
                missing = [word for word in missing if word not in replaced]
                typed = " ".join(word.text for word in replaced)
                because = because or sentence("WHY_SAME_MEANING", word=typed, form=translation.other)
        having_readers = zip(partial.words, of_readers, strict=True)
        used = [word for word, having in having_readers if number in having and word in missing]
        if used:
            missing = [word for word in missing if word not in used]
            because = because or sentence("WHY_READERS", word=" ".join(word.text for word in used))
        if missing and because is None:
            of_number = (
                key for (key, _match), having in zip(class_choices, of_classes, strict=True) if number in having
            )
            because = next(map(describe, of_number), None)
        return MissingWords(tuple(word.text for word in missing), because)

    return {number: missing_in(number) for number in numbers if number not in complete}


def describe_class(key: str, finder: ClassFinder) -> LocalText:
    """Return the sentence that a hit is in a class, with the number and caption of the class."""
    caption = finder.caption(key) or LocalText("", "")
    number = notation(key)
    return sentence("WHY_CLASS", name=LocalText(f"{number} {caption.id}".strip(), f"{number} {caption.en}".strip()))
