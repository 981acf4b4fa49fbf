"""Folding: what makes Qur'an, Quran and Qurʾan one word.

Apostrophes and their kin (hamza, ʿayn, primes, the soft sign) vanish, so that Qur'an, Qurʾan and Quran agree, as do
Jum'at and Jumat. Hyphens split, so that laki-laki is `laki laki` and al-Quran is found by Quran. Chinese and Japanese
have no spaces: each character is a token.
"""

from __future__ import annotations

import re
import unicodedata

MAX_TOKEN = 64  # characters; what is longer is cut, in documents and queries alike

_APOSTROPHES = "'`´‘’‚‛′‵ʹʻʼʽʾʿˈˊˋ՚＇ꞌ"
_LETTERS = {
    "ß": "ss", "ẞ": "ss", "æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe", "ø": "o", "Ø": "o", "đ": "d", "Đ": "d", "ð": "d",
    "Ð": "d", "ł": "l", "Ł": "l", "þ": "th", "Þ": "th", "ı": "i", "İ": "i", "ħ": "h", "Ħ": "h", "ŋ": "n", "Ŋ": "n",
    "ə": "e", "ـ": "", "ى": "ي", "ة": "ه", "ٱ": "ا", "\u00ad": "", "\u200b": "", "\u200c": "", "\u200d": "",
    "\u2060": "", "\ufeff": "",
}  # fmt: skip
_TABLE = str.maketrans({**dict.fromkeys(_APOSTROPHES, ""), **_LETTERS})
_MARKS = re.compile(
    r"[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
    r"\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
    r"\ufe20-\ufe2f]+"
)
_PLAIN = re.compile(r"[a-z0-9]+")
_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_ANY = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")

# Too common to decide anything: asked for only when a query has nothing else, as "Yang Hilang" would without "Hilang".
_COMMON = """
yang dan di ke dari untuk dengan pada dalam oleh sebuah para atau itu ini adalah ialah juga serta bagi akan tentang
apa apakah siapa siapakah mengapa kenapa bagaimana bagaimanakah kapan dimana buku the of and a an in on for to from by
with at or is are was were what who whom why how when where which about book books
"""
_STOP_WORDS = frozenset(_COMMON.split())


def fold(text: str) -> str:
    """The text in lower case, without diacritics and apostrophes; other punctuation stays."""
    if text.isascii():
        text = text.lower()
        return text.replace("'", "").replace("`", "") if "'" in text or "`" in text else text
    text = unicodedata.normalize("NFKD", text.translate(_TABLE))
    text = _MARKS.sub("", text).casefold().translate(_TABLE)
    return unicodedata.normalize("NFC", text)


def tokens(text: str) -> list[str]:
    """The folded words of a text, in order."""
    text = fold(text)
    found: list[str] = _PLAIN.findall(text) if text.isascii() else _ANY.findall(text)
    if len(text) > MAX_TOKEN:
        return [each[:MAX_TOKEN] for each in found]
    return found


def squeeze(text: str) -> str:
    """Letters and digits only, folded: how barcodes, call numbers and other identifiers are compared."""
    return "".join(tokens(text))[:MAX_TOKEN]


def is_stop_word(token: str) -> bool:
    """True for the few words that are too common to decide anything, and those that only make a question."""
    return token in _STOP_WORDS
