"""Recognises ISBN and ISSN, with or without hyphens and spaces."""

from __future__ import annotations

import re
from functools import lru_cache

_NUMBER = re.compile(r"(?<![\w])(?:97[89][\s.\-–—‐‑]*)?(?:\d[\s.\-–—‐‑]*){9}[\dXx](?![\w])")
_ISSN = re.compile(r"(?<![\w])(\d{4})[\s\-–—‐‑]?(\d{3}[\dXx])(?![\w])")
_NOISE = re.compile(r"[^0-9Xx]")

# The functions below have a cache because an import checks each record's ISBN five times.


@lru_cache(maxsize=1024)
def is_isbn(digits: str) -> bool:
    """Return True for ten or thirteen digits with a valid check digit (ISO 2108); ten may end in X."""
    if len(digits) == 13:
        return digits.isascii() and digits.isdigit() and digits[:3] in ("978", "979") and _sum13(digits) % 10 == 0
    if len(digits) == 10 and digits.isascii() and digits[:9].isdigit() and (digits[9].isdigit() or digits[9] in "xX"):
        total = sum((10 - place) * int(digit) for place, digit in enumerate(digits[:9]))
        return (total + (10 if digits[9] in "xX" else int(digits[9]))) % 11 == 0
    return False


@lru_cache(maxsize=1024)
def isbn13(text: str) -> str | None:
    """Return the thirteen digits of an ISBN with any hyphens and spaces; None if it is not a valid ISBN."""
    digits = _NOISE.sub("", text)
    if not is_isbn(digits):
        return None
    if len(digits) == 13:
        return digits
    body = "978" + digits[:9]
    return body + str(-_sum13(body) % 10)


def isbn10(isbn: str) -> str:
    """Return the ten digits of an ISBN of thirteen; "" for one that begins with 979, which has no other form."""
    if not isbn.startswith("978"):
        return ""
    remainder = -sum((10 - place) * int(digit) for place, digit in enumerate(isbn[3:12])) % 11
    return f"{isbn[3:12]}{'X' if remainder == 10 else remainder}"


def isbns_of(text: str) -> list[tuple[int, int, str]]:
    """List the valid ISBNs in a text: (start, end, thirteen digits)."""
    isbns = []
    for match in _NUMBER.finditer(text):
        number = isbn13(match.group())
        if number is not None:
            isbns.append((match.start(), match.end(), number))
    return isbns


def issn_of(text: str) -> str | None:
    """Return the eight characters of the first ISSN in a text, X in lower case; the check digit is not checked."""
    match = _ISSN.search(text)
    return None if match is None else (match.group(1) + match.group(2)).lower()


def _sum13(digits: str) -> int:
    return sum(map(int, digits[::2])) + 3 * sum(map(int, digits[1::2]))
