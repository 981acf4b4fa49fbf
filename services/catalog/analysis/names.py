"""Names of people: inverted or direct, with or without initials and titles.

`Navis, A. A.`, `A.A. Navis`, `AA Navis` and `Navis, Ali Akbar` are the same name to a reader, so a name is also indexed
by its initials, single and joined.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.catalog.analysis.folding import tokens

MOST_WORDS = 12  # of one name; further words are ignored
# Titles before or after names of people.
_TITLES = """
h hj haji hajjah kh kiai ki nyi prof dr drs dra drg ir mr mrs ms sir s sh se si sp sos pd ag mag msi mpd ma msc mba
phd jr rm ra raden tengku teuku tgk ust ustaz ustad syekh
"""
TITLES = frozenset(_TITLES.split())
# The Arabic article, also assimilated to sun letters: Ghazali matches al-Ghazali, Nawawi matches an-Nawawi.
ARTICLES = frozenset(("al", "el", "as", "asy", "ash", "at", "ath", "ad", "adz", "an", "ar", "az"))


def initials(words: Sequence[str], start: int) -> int:
    """Count the consecutive single letters from `start`; 0 for fewer than two."""
    end = start
    while end < len(words) and len(words[end]) == 1 and words[end].isalpha():
        end += 1
    return end - start if end - start > 1 else 0


def name_forms(name: str) -> list[str]:
    """Return additional tokens of a name: its initials, single and joined.

    For an inverted personal name (`Navis, Ali Akbar`) the initials of the words after the first comma; for any other
    name the joined consecutive single letters.
    """
    family, comma, forenames = name.partition("(")[0].partition(",")
    if comma:
        words = [token for token in tokens(forenames) if token.isalpha()][:MOST_WORDS]
        letters = [word[0] for word in words if not (len(word) > 1 and word in TITLES)]
        return [*dict.fromkeys(letters), *(["".join(letters[:4])] if len(letters) > 1 else ())]
    words = tokens(family)[:MOST_WORDS]
    return [
        "".join(words[place : place + run])
        for place in range(len(words))
        if (run := initials(words, place)) and (place == 0 or not initials(words, place - 1))
    ]


def name_key(words: Sequence[str]) -> str:
    """Return one key for a name in any word order: initials joined, titles removed, words sorted."""
    parts, place = [], 0
    while place < len(words):
        run = initials(words, place)
        parts.append("".join(words[place : place + run]) if run else words[place])
        place += run or 1
    significant = [part for part in parts if part not in TITLES or (len(part) == 1 and len(parts) == 1)] or parts
    return " ".join(sorted(significant))
