"""Folding: different ways to write a word get the same form.

Apostrophes and similar signs (hamza, ʿayn, primes, the soft sign) are removed: Qur'an, Qurʾan and Quran are equal, and
so are Jum'at and Jumat. Hyphens separate tokens: laki-laki is `laki laki`, and Quran matches al-Quran. Chinese and
Japanese have no spaces: each character is a token.
"""

from __future__ import annotations

import re

from services.catalog.texts import normalize

MAX_TOKEN = 64  # characters; longer tokens are cut, in documents and queries

_APOSTROPHES = "'`´‘’‚‛′‵ʹʻʼʽʾʿˈˊˋ՚＇ꞌ"
_LETTERS = {
    "ß": "ss", "ẞ": "ss", "æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe", "ø": "o", "Ø": "o", "đ": "d", "Đ": "d", "ð": "d",
    "Ð": "d", "ł": "l", "Ł": "l", "þ": "th", "Þ": "th", "ı": "i", "İ": "i", "ħ": "h", "Ħ": "h", "ŋ": "n", "Ŋ": "n",
    "ə": "e", "ـ": "", "ى": "ي", "ة": "ه", "ٱ": "ا", "\u00ad": "", "\u200b": "", "\u200c": "", "\u200d": "",
    "\u2060": "", "\ufeff": "",
}  # fmt: skip
_TABLE = str.maketrans({**dict.fromkeys(_APOSTROPHES, ""), **_LETTERS})
_IN_TABLE = re.compile(f"[{''.join(map(chr, _TABLE))}]")  # fewer steps than to translate a text that has none
_MARKS = re.compile(
    r"[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
    r"\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
    r"\ufe20-\ufe2f]+"
)
_PLAIN = re.compile(r"[a-z0-9]+")
# A reduplicated word that is written once, with a 2 (laki2, anak2nya, ke-kanak2an), as in old titles.
_REPEATED = re.compile(r"(?<![^\W_])([^\W\d_]{3,})[2²](nya|an|kan|ku|mu|lah|pun|i|)(?![^\W_])", re.IGNORECASE)
# A French or Italian article or preposition before a word: L'amour, d'Artagnan. Readers also type the word alone.
_ELIDED = re.compile(rf"(?<![^\W_])[ldLD][{re.escape(_APOSTROPHES)}](?=([^\W\d_]{{3,}}))")
_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_ANY = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")

# Words that are too common for ranking: used only when a query has no other words, such as "Yang".
_COMMON = frozenset(
    """
    yang dan di ke dari untuk dengan pada dalam oleh sebuah para atau itu ini adalah ialah juga serta bagi akan the
    of and a an in on for to from by with at or is are was were which
    """.split()  # noqa: SIM905
)
# Stop words that are common in questions and rare in titles.
_QUESTION = frozenset(
    """
    tentang apa apakah siapa siapakah mengapa kenapa bagaimana bagaimanakah kapan dimana buku what who whom why how
    when where about book books
    """.split()  # noqa: SIM905
)
_STOP_WORDS = _COMMON | _QUESTION


def fold(text: str) -> str:
    """Convert to lower case and remove diacritics and apostrophes; other punctuation stays."""
    if text.isascii():
        return _fold_ascii(text)
    if _IN_TABLE.search(text):
        text = text.translate(_TABLE)
    text = _MARKS.sub("", normalize("NFKD", text))
    if text.isascii():
        return _fold_ascii(text)
    return normalize("NFC", text.casefold().translate(_TABLE))


def _fold_ascii(text: str) -> str:
    text = text.lower()
    return text.replace("'", "").replace("`", "") if "'" in text or "`" in text else text


def tokens(text: str) -> list[str]:
    """Split a text into its folded words, in order."""
    text = fold(text)
    words: list[str] = _PLAIN.findall(text) if text.isascii() else _ANY.findall(text)
    if len(text) > MAX_TOKEN and words and max(map(len, words)) > MAX_TOKEN:
        return [word[:MAX_TOKEN] for word in words]
    return words


def spell_out(text: str) -> str:
    """Replace the 2 after a word by the word itself: anak2nya is anak anaknya."""
    return _REPEATED.sub(r"\1 \1\2", text) if "2" in text or "²" in text else text


def elided_words(text: str) -> list[str]:
    """List the words that follow L' or D', folded: amour of L'amour. `tokens` returns lamour, one word."""
    return [token for word in _ELIDED.findall(text) for token in tokens(word)]


def squeeze(text: str) -> str:
    """Fold and keep only letters and digits, to compare barcodes, call numbers and other identifiers."""
    if text.isascii() and text.isalnum():
        return text[:MAX_TOKEN].lower()
    return "".join(tokens(text))[:MAX_TOKEN]


def is_stop_word(token: str) -> bool:
    """Return True for words too common to rank by, and for question words."""
    return token in _STOP_WORDS


def is_question_word(token: str) -> bool:
    """Return True for a stop word that is common in questions and rare in titles."""
    return token in _QUESTION
