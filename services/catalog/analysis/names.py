"""Names as they are written: inverted or not, with initials or without, with titles before and after.

`Navis, A. A.`, `A.A. Navis`, `AA Navis` and `Navis, Ali Akbar` are told apart by no reader, so a name is also found
under its initials, one by one and joined.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.catalog.analysis.folding import tokens

MOST_WORDS = 12  # of one name that are looked at
# Before or after names of people; not what they are called.
_TITLES = """
h hj haji hajjah kh kiai ki nyi prof dr drs dra drg ir mr mrs ms sir s sh se si sp sos pd ag mag msi mpd ma msc mba
phd jr rm ra raden tengku teuku tgk ust ustaz ustad syekh
"""
TITLES = frozenset(_TITLES.split())
# The Arabic article, before the sun letters too: al-Ghazali is found by Ghazali, an-Nawawi by Nawawi.
ARTICLES = frozenset(("al", "el", "as", "asy", "ash", "at", "ath", "ad", "adz", "an", "ar", "az"))


def initials(words: Sequence[str], start: int) -> int:
    """How many single letters stand here side by side; 0 unless there are two or more."""
    end = start
    while end < len(words) and len(words[end]) == 1 and words[end].isalpha():
        end += 1
    return end - start if end - start > 1 else 0


def name_forms(name: str) -> list[str]:
    """Tokens that a name is found by beside its own words: its initials, each and joined.

    Of an inverted personal name (`Navis, Ali Akbar`): of what follows the first comma. Of any other: of the letters
    that stand side by side.
    """
    family, comma, given = name.partition("(")[0].partition(",")
    if comma:
        words = [token for token in tokens(given) if token.isalpha()][:MOST_WORDS]
        letters = [word[0] for word in words if not (len(word) > 1 and word in TITLES)]
        return [*dict.fromkeys(letters), *(["".join(letters[:4])] if len(letters) > 1 else ())]
    words = tokens(family)[:MOST_WORDS]
    return [
        "".join(words[place : place + run])
        for place in range(len(words))
        if (run := initials(words, place)) and (place == 0 or not initials(words, place - 1))
    ]


def name_key(words: Sequence[str]) -> str:
    """One key for a name however it is turned: initials joined, titles gone, in the order of the alphabet."""
    found, place = [], 0
    while place < len(words):
        run = initials(words, place)
        found.append("".join(words[place : place + run]) if run else words[place])
        place += run or 1
    kept = [each for each in found if each not in TITLES or (len(each) == 1 and len(found) == 1)] or found
    return " ".join(sorted(kept))
