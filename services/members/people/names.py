"""Names of people: separation of titles, and folding of words, so that spellings of one name are equal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from zlib import crc32

LONGEST_WORD = 32
LONGEST_NAME_KEY = 24
MOST_WORDS = 24
# `unicodedata.normalize` is quadratic in runs of combining marks.
_MARKS = re.compile(r"[\u0300-\u036f]{4,}")

# Titles before a name, without dots and in lower case. A single `r` is Raden; a single `m` is not a title but Muhammad.
_BEFORE = frozenset(
    (
        "h", "hj", "kh", "k", "dr", "drs", "dra", "drg", "drh", "ir", "prof", "ust", "ustadz", "ustadzah", "ustaz",
        "ns", "apt", "r", "rr", "rm", "ra", "tgk",
    )
)  # fmt: skip
# After a comma: S.Pd., M.Si, A.Md.Keb, Ph.D, SKM, Lc., Sp.A(K)
_DEGREE = re.compile(
    r"(?:(?:S|M|A|B|D|Sp|Ph|Dipl|Amd|Bc)\.? ?(?:[A-Za-z]{1,5}\.? ?){1,4}(?:\([A-Z]\))?"
    r"|SKM|MBA|Lc|Amd|Ners|Apt|CPA|Ak|Gr|S1|S2|S3)\.?"
)
# Degrees without a comma before them: S.Pd., M.Kom; `A.A.` is not a degree.
_DOTTED_DEGREE = re.compile(r"[SMA]\.(?:[A-Z][a-z]+\.?)+")

# The stored spelling -> other spellings of the same name.
_NAMES = {
    "muhamad": "m moh mohamad mohamed muh muhamed muhd mhd mochamad moch mokhamad mohd",
    "ahmad": "achmad akhmad ahmed akmad",
    "abdul": "abd abdoel",
    "siti": "sitti st",
    "nur": "noor nor noer",
    "yusuf": "jusuf yusup jusup yosef",
    "aisiah": "aisyah aisah",
    "fatimah": "fatima fathimah",
    "husein": "husen hussein husin husain",
    "umar": "omar",
    "usman": "utsman osman",
    "ismail": "ismael",
    "ibrahim": "ibrohim",
    "rahman": "rohman rachman",
    "rahmat": "rachmat rohmat",
    "hasan": "hassan hasn",
}
# Spelling before 1972, and letters that people often exchange.
_LETTERS = (("oe", "u"), ("dj", "j"), ("tj", "c"), ("sj", "sy"), ("nj", "ny"), ("q", "k"), ("ch", "kh"))
# Letters of Arabic names that Indonesian spelling exchanges, in folded words; `sy` is folded to `si`.
_ALIKE = (
    ("sh", "si"), ("si", "s"), ("sh", "s"), ("kh", "k"), ("kh", "h"), ("dh", "d"), ("dz", "z"), ("z", "j"),
    ("th", "t"), ("ts", "s"), ("gh", "g"), ("v", "f"), ("p", "f"), ("w", "u"),
)  # fmt: skip
_DOUBLE = re.compile(r"([a-z])\1+")
_Y_AFTER_CONSONANT = re.compile(r"(?<=[b-df-hj-np-tv-xz])y")
_FIRST = "0123456789abcdefghijklmnopqrstuvwxyz"
_APART = re.compile(r"[^\w]+|_+")
_APOSTROPHES = re.compile(r"['’‘`ʻʼ]")


def split_titles(name: str) -> tuple[str, str, str]:
    """Return (titles before, name, titles after) of a typed name.

    `Hj. Siti Rahma, S.Pd.` gives `("Hj.", "Siti Rahma", "S.Pd.")`. The last remaining word is never a title.
    """
    before: list[str] = []
    main, *rest = [part.strip() for part in name.split(",")]
    after = [part for part in rest if _DEGREE.fullmatch(part)]
    main = ", ".join([main, *(part for part in rest if part and part not in after)])
    words = main.split()
    while len(words) > 1 and _is_title(words[0]):
        before.append(words.pop(0))
    while len(words) > 1 and _DOTTED_DEGREE.fullmatch(words[-1]):
        after.insert(0, words.pop())
    return " ".join(before), " ".join(words), ", ".join(after)


def _is_title(word: str) -> bool:
    plain = word.replace(".", "").lower()
    # `R` and `K` are also initials of names; they are titles only with a dot.
    return plain in _BEFORE and (len(plain) > 1 or word.endswith("."))


def fold(word: str) -> str:
    """Return the folded form of a word, which is equal for different spellings: Muhammad, Mohamad, Moh. and M."""
    word = _fold_letters(word)
    return _VARIANTS.get(word, word)


@lru_cache(maxsize=20_000)
def _fold_letters(word: str) -> str:
    word = _APOSTROPHES.sub("", word.lower())
    for old, new in _LETTERS:
        word = word.replace(old, new)
    return _DOUBLE.sub(r"\1", _Y_AFTER_CONSONANT.sub("i", word))[:LONGEST_WORD]


def _pieces(text: str) -> list[str]:
    """Return the words of a text without combining marks and apostrophes."""
    text = text[:400]
    if not text.isascii():
        text = unicodedata.normalize("NFKD", _MARKS.sub("", text))
        text = "".join(letter for letter in text if not unicodedata.combining(letter))
    return [piece for piece in _APART.split(_APOSTROPHES.sub("", text)) if piece]


_VARIANTS = {_fold_letters(variant): word for word, variants in _NAMES.items() for variant in variants.split()}


def words_of(text: str) -> list[str]:
    """Return the folded words of a text in order, each once, at most 24."""
    return list(dict.fromkeys(filter(None, map(fold, _pieces(text)))))[:MOST_WORDS]


# Thousands of members have the same school or class.
_words_of_group = lru_cache(maxsize=2_000)(words_of)


def name_words(name: str) -> list[str]:
    """Return the folded words of a name without its titles."""
    return words_of(split_titles(name)[1])


def stored_words(name: str, *more: str) -> tuple[str, set[str]]:
    """Return the sort key and the search words of a member.

    The sort key is the beginning of the folded name. The words are those of the name, folded and as typed, and the
    folded words of the other texts.
    """
    spelt = [word for piece in _pieces(split_titles(name)[1]) if (word := _fold_letters(piece))]
    folded = list(dict.fromkeys(_VARIANTS.get(word, word) for word in spelt))[:MOST_WORDS]
    words = {*folded, *spelt[:MOST_WORDS]}
    for text in more:
        if text:
            words.update(_words_of_group(text))
    return " ".join(folded)[:LONGEST_NAME_KEY].rstrip(), words


def letters_of(words: Iterable[str]) -> int:
    """Return 63 bits for the first letters of these words.

    Bits 0 to 35 are the first characters 0-9 and a-z, bit 36 is any other character, and bits 37 to 62 are a hash of
    the first two characters. A member without a bit of a searched word has no word that begins like this word.
    """
    bits = 0
    for word in words:
        bits |= _bits_of(word[:2])
    return bits


@lru_cache(maxsize=4_000)
def _bits_of(beginning: str) -> int:
    """Return the bits of a word by its first one or two characters."""
    position = _FIRST.find(beginning[0])
    bits = 1 << (position if position >= 0 else len(_FIRST))
    if len(beginning) > 1:
        bits |= 1 << (len(_FIRST) + 1 + crc32(beginning.encode()) % 26)
    return bits


def is_one_letter(word: str) -> bool:
    """Return whether `letters_of` is exact for this prefix."""
    return len(word) == 1 and word in _FIRST


def near_spellings(word: str) -> list[str]:
    """Return a folded word in the spellings that sound like it, the word first.

    zahro gives zahro, zahra, jahra …; as prefixes, these also find Zahrah. Words of up to three letters stay.
    """
    if len(word) <= 3:
        return [word]
    spellings = {word: None}
    for one, other in (*_ALIKE, *((other, one) for one, other in _ALIKE)):
        spellings[word.replace(one, other)] = None
    for spelling in list(spellings):
        stem = spelling.removesuffix("h")
        if stem.endswith(("a", "o")):
            spellings |= {stem[:-1] + "a": None, stem[:-1] + "o": None}
    return list(spellings)


def query_words(query: str) -> list[str]:
    """Return the words of a search without titles; each word matches as a prefix.

    Words of one or two letters stay as typed, because many names begin with them: `m` finds Muhammad and Maya.
    """
    words = (_fold_letters(piece) for piece in _pieces(split_titles(query)[1]))
    return list(dict.fromkeys(word if len(word) <= 2 else _VARIANTS.get(word, word) for word in words if word))
