"""Parses call numbers and builds their sort keys for the shelf order (domain.md, "Call numbers")."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from services.catalog.texts import normalize

LONGEST = 200  # characters of a call number that are parsed
# fmt: off
_PREFIXES = frozenset((
    "R", "A", "F", "T", "D", "K", "P", "S", "B", "M", "N", "L", "J", "AV", "CD", "DV", "DVD", "VCD", "REF", "ANK",
    "ANAK", "FIK", "SKR", "TA", "TES", "DIS", "KP", "LP", "LK", "MIN", "LOK", "TAN", "TDN", "BT", "MJL", "PER", "KOM",
))
# fmt: on
# 813 · 899.221 · 2X · 2X4.1
_CLASS = re.compile(r"(?:[0-9]{3}|2X[0-9]?)(?:\.[0-9]+)*\Z")
_GROUP = re.compile(r"[0-9]{1,3}\Z")
_LETTERS = re.compile(r"[^\W\d_]{1,4}[.,]?\Z")
_CUTTER = re.compile(r"[^\W\d_]{1,2}[0-9]{1,4}[^\W\d_]{0,2}\Z")
_TITLE_MARK = re.compile(r"[^\W\d_]{1,2}\Z")
# A single letter needs a full stop or an adjacent number: in `k 2`, k is a title mark. A Roman numeral is in capitals:
# in `VOL i`, VOL is the author mark of Voltaire.
_VOLUME_WORDS = r"(?:jilid|jil|vol|volume|bag|bagian|bk|no|nomor|seri|edisi|ed|thn|tahun|th)\.?\s*|[vjb]\.\s*|[vj]"
_COPY_WORDS = r"(?:copy|cop|eks|eksemplar|salinan)\.?\s*|[cke]\.\s*|c"
_VOLUME_NUMBER = r"([0-9]+)([a-z]?(?:\s?[-/]\s?[0-9]+)?)|(?<=[\s.])((?-i:[IVX])+)"
_VOLUME = re.compile(rf"(?<![^\s/])(?:{_VOLUME_WORDS})(?:{_VOLUME_NUMBER})(?![^\s/,])", re.IGNORECASE)
_COPY = re.compile(rf"(?<![^\s/])(?:{_COPY_WORDS})([0-9]+)(?![^\s/,])", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+")
# The most common form of a call number.
_USUAL = re.compile(r"(?:([A-Z]{1,6}) )?([0-9]{3}(?:\.[0-9]+)?|2X[0-9]?(?:\.[0-9]+)?) ([A-Za-z]{2,4}) ([a-z])\Z")
_BLANKS = re.compile(r"[\x00-\x20\s]+")
_PRIMES = str.maketrans("", "", "'’′`")
_ROMAN = {"i": 1, "v": 5, "x": 10}
_NOWHERE = "~"
_LONGEST_KEY = 300  # database indexes limit the length of a row


@dataclass(frozen=True, slots=True)
class CallNumber:
    """The parts of a call number; "" for a missing part.

    prefix        R, A, F, SKR …: the shelf
    class_number  a DDC number, a local one (2X4.1), or a number of another scheme; "" for fiction by author
    author_mark   three letters of the main entry, capitals; or a Cutter number
    title_mark    first letter of the title, lower case
    volume        as written: "jil. 2"
    copy          copy number: "c.2" is "2"
    rest          all other words
    """

    prefix: str = ""
    class_number: str = ""
    author_mark: str = ""
    title_mark: str = ""
    volume: str = ""
    copy: str = ""
    rest: str = ""

    @property
    def sort_key(self) -> str:
        """Return a key that sorts by code point, part by part: A before R, 813 before 813.5 before 814, NAV before NAZ.

        Volumes sort by number: jil. 2 before jil. 10. 2X sorts between 299 and 300. "" for an empty call number.
        """
        return shelf_key(self._start, self.volume, self.copy)

    @property
    def _start(self) -> str:
        """Return the sort key without volume and copy; "" when the call number has no other part."""
        parts = (
            _natural(self.prefix),
            _decimal(self.class_number),
            _plain(self.author_mark),
            _plain(self.title_mark),
            _natural(self.rest),
        )
        return " ".join(parts) if any(parts) else ""


@lru_cache(maxsize=1024)
def parse(text: str) -> CallNumber:
    """Parse a call number in any common form: `R 899.221 3 NAV r jil. 2 c.2`, `813/NAV/r`, `2X4.1 HAM t`, `F NAV`.

    Accepts any text and never raises; characters after LONGEST are ignored.
    """
    text = normalize("NFC", text[:LONGEST]).replace("\x1f", " ")
    copy = _COPY.search(text)
    number = ""
    if copy is not None and copy.start() > 0:
        number = copy.group(1).lstrip("0") or "0"
        text = text[: copy.start()] + " " + text[copy.end() :]
    volumes = [match for match in _VOLUME.finditer(text) if match.start() > 0]
    volume = " ".join(" ".join(match.group() for match in volumes).split())
    for match in reversed(volumes):
        text = text[: match.start()] + " " + text[match.end() :]
    words = text.replace("/", " ").replace("\\", " ").split()
    prefix, words = _prefix(words)
    class_number, words = _class(words)
    author, title, words = _marks(words, bool(class_number or prefix))
    return CallNumber(prefix, class_number, author, title, volume, number, " ".join(words))


def sort_key(text: str) -> str:
    """Return the sort key of a call number: parse(written).sort_key."""
    return shelf_key(*shelf_parts(text))


@lru_cache(maxsize=8192)
def shelf_parts(text: str) -> tuple[str, str, str]:
    """Return the beginning of the sort key (equal for all copies of a book), the volume and the copy.

    A call number without a known part sorts last; a blank one has no sort key.
    """
    match = _USUAL.match(text)
    if match is not None:
        prefix, number, author, title = match.groups("")
        return f"{prefix} {number} {author.upper()} {title.upper()} ", "", ""
    parts = parse(text)
    return parts._start or (_NOWHERE if text.strip() else ""), parts.volume, parts.copy


def shelf_key(start: str, volume: str, copy: str) -> str:
    """Build the sort key of one volume and copy; "" when `start` is empty."""
    return f"{start} {_volume(volume)} {_copy(copy)}"[:_LONGEST_KEY] if start else ""


def label_lines(text: str, *, enumeration: str = "", copy: str = "") -> list[str]:
    """Return the lines of a spine label: prefix, class, author mark, title mark, the rest, volume and copy.

    enumeration, copy  of the item, for a call number that does not have them; the first copy has no line
    """
    parts = parse(text)
    whole, point, decimals = parts.class_number.partition(".")
    grouped = f"{whole}{point}" + " ".join(decimals[start : start + 3] for start in range(0, len(decimals), 3))
    # As it is written: 899.221 3 or 899.2213.
    number = grouped if grouped in " ".join(text.split()) else parts.class_number
    volume, number_of_copy = parts.volume or enumeration, parts.copy or copy
    copy_line = f"c.{number_of_copy}" if number_of_copy.isdecimal() else number_of_copy
    lines = (parts.prefix, number, parts.author_mark, parts.title_mark, parts.rest, volume, copy_line)
    return [line for line in lines if line]


def _prefix(words: list[str]) -> tuple[str, list[str]]:
    """Split off the letters before the class; without a class only known prefixes count."""
    count = 0
    while count < len(words) - 1 and count < 2 and words[count].rstrip(".").isalpha() and len(words[count]) <= 6:
        count += 1
    if count and count < len(words) and _is_class(words[count]):
        return " ".join(word.rstrip(".").upper() for word in words[:count]), words[count:]
    first_word = words[0].rstrip(".") if words else ""
    if len(words) > 1 and first_word.upper() == first_word and first_word in _PREFIXES:
        return first_word, words[1:]
    return "", words


def _class(words: list[str]) -> tuple[str, list[str]]:
    """Split off the class and join its groups of three digits: `899.221 3` is 899.2213."""
    if not words or not _is_class(words[0]):
        return "", words
    number = words[0].translate(_PRIMES).upper().strip(".,;:")
    count = 1
    if _CLASS.match(number) is not None and "." in number:
        while count < len(words) and _GROUP.match(words[count]):
            number += words[count]
            count += 1
    return number, words[count:]


def _is_class(word: str) -> bool:
    return any(letter.isdigit() for letter in word) and (word[0].isdigit() or not _CUTTER.match(word))


def _marks(words: list[str], has_class: bool) -> tuple[str, str, list[str]]:
    """Split off author mark and title mark; a single lower-case letter is the title mark."""
    author = title = ""
    if words and (_LETTERS.match(words[0]) or _CUTTER.match(words[0])):
        word = words[0].rstrip(".,")
        if not (len(word) == 1 and word.islower() and has_class):
            author, words = word.upper(), words[1:]
    if words and _TITLE_MARK.match(words[0]):
        title, words = words[0].lower(), words[1:]
    return author, title, words


def _decimal(number: str) -> str:
    """Build the key of a class: decimals compare digit by digit; numbers of other schemes compare as integers."""
    plain = _plain(number)
    return plain if _CLASS.match(plain) else _NUMBER.sub(_padded, plain)


def _natural(part: str) -> str:
    """Build a key in which numbers compare as integers."""
    return _NUMBER.sub(_padded, _plain(part))


@lru_cache(maxsize=2048)
def _copy(copy: str) -> str:
    return _natural(copy)


@lru_cache(maxsize=2048)
def _volume(volume: str) -> str:
    """Build the key of a volume from its numbers only: Jilid II equals jil. 2."""
    if not volume:
        return ""
    numbers = [
        f"{digits}{more}" if digits else str(_roman(roman.lower())) for digits, more, roman in _VOLUME.findall(volume)
    ]
    return _natural("-".join(numbers) or volume)


def _roman(letters: str) -> int:
    values = [_ROMAN[letter] for letter in letters]
    return sum(-value if value < max(values[index:]) else value for index, value in enumerate(values))


def _plain(part: str) -> str:
    """Convert to upper case without accents; blanks become hyphens, because blanks separate the parts of a key."""
    if not part:
        return ""
    if part.isascii():
        return _BLANKS.sub("-", part.upper())
    folded = (letter for letter in normalize("NFKD", part.upper()) if not unicodedata.combining(letter))
    return _BLANKS.sub("-", "".join(folded))


def _padded(match: re.Match[str]) -> str:
    digits = match.group().lstrip("0")
    return digits.zfill(6) if len(digits) <= 6 else f"{'9' * 6}{digits}"
