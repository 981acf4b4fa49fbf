"""Call numbers in their parts, and the key that sorts them as pieces stand on the shelf (domain.md, "Call numbers")."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

LONGEST = 200  # characters of a call number that are looked at
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
# A single letter needs its full stop or its number close by: `k 2` is a title's mark and something else. A Roman
# numeral is in capitals: `VOL i` is Voltaire.
_VOLUME_WORDS = r"(?:jilid|jil|vol|volume|bag|bagian|bk|no|nomor|seri|edisi|ed|thn|tahun|th)\.?\s*|[vjb]\.\s*|[vj]"
_COPY_WORDS = r"(?:copy|cop|eks|eksemplar|salinan)\.?\s*|[cke]\.\s*|c"
_VOLUME_NUMBER = r"([0-9]+)([a-z]?(?:\s?[-/]\s?[0-9]+)?)|(?<=[\s.])((?-i:[IVX])+)"
_VOLUME = re.compile(rf"(?<![^\s/])(?:{_VOLUME_WORDS})(?:{_VOLUME_NUMBER})(?![^\s/,])", re.IGNORECASE)
_COPY = re.compile(rf"(?<![^\s/])(?:{_COPY_WORDS})([0-9]+)(?![^\s/,])", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+")
# What most call numbers are, and no more than that: read at once.
_USUAL = re.compile(r"(?:([A-Z]{1,6}) )?([0-9]{3}(?:\.[0-9]+)?|2X[0-9]?(?:\.[0-9]+)?) ([A-Za-z]{2,4}) ([a-z])\Z")
_BLANKS = re.compile(r"[\x00-\x20\s]+")
_PRIMES = str.maketrans("", "", "'’′`")
_ROMAN = {"i": 1, "v": 5, "x": 10}
_NOWHERE = "~"
_LONGEST_KEY = 300  # a database's index takes no row of any length


@dataclass(frozen=True, slots=True)
class CallNumber:
    """The parts of a call number; "" where it has no such part.

    prefix        R, A, F, SKR …: the shelf
    class_number  a DDC number, a local one (2X4.1), or what another scheme writes; "" for fiction by author
    author_mark   three letters of the main entry, capitals; or a Cutter number
    title_mark    first letter of the title, lower case
    volume        as written: "jil. 2"
    copy          its number: "c.2" is "2"
    rest          what is none of these
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
        """Sorts by code point, part by part: R after A, 813 before 813.5 before 814, NAV before NAZ, jil. 2 before 10.

        2X stands by itself between 299 and 300. "" for a call number that says nothing.
        """
        return shelf_key(self._start, self.volume, self.copy)

    @property
    def _start(self) -> str:
        """What a sort key begins with; "" where only a volume or a copy is said."""
        parts = (
            _natural(self.prefix),
            _decimal(self.class_number),
            _plain(self.author_mark),
            _plain(self.title_mark),
            _natural(self.rest),
        )
        return " ".join(parts) if any(parts) else ""


@lru_cache(maxsize=1024)
def parse(written: str) -> CallNumber:
    """Read a call number as libraries write them: `R 899.221 3 NAV r jil. 2 c.2`, `813/NAV/r`, `2X4.1 HAM t`, `F NAV`.

    Takes any text and never raises; at most LONGEST characters count.
    """
    text = unicodedata.normalize("NFC", written[:LONGEST]).replace("\x1f", " ")
    copy = _COPY.search(text)
    number = ""
    if copy is not None and copy.start() > 0:
        number = copy.group(1).lstrip("0") or "0"
        text = text[: copy.start()] + " " + text[copy.end() :]
    volumes = [match for match in _VOLUME.finditer(text) if match.start() > 0]
    said = " ".join(" ".join(volume.group() for volume in volumes).split())
    for volume in reversed(volumes):
        text = text[: volume.start()] + " " + text[volume.end() :]
    words = text.replace("/", " ").replace("\\", " ").split()
    prefix, words = _prefix(words)
    class_number, words = _class(words)
    author, title, words = _marks(words, bool(class_number or prefix))
    return CallNumber(prefix, class_number, author, title, said, number, " ".join(words))


def sort_key(written: str) -> str:
    """The key that sorts this call number on its shelf: parse(written).sort_key."""
    return shelf_key(*shelf_parts(written))


@lru_cache(maxsize=8192)
def shelf_parts(written: str) -> tuple[str, str, str]:
    """What the sort key of a call number begins with, and its volume and copy: copies of a book share the rest.

    What has no part that we know stands at the end; only a blank one stands nowhere.
    """
    usual = _USUAL.match(written)
    if usual is not None:
        prefix, number, author, title = usual.groups("")
        return f"{prefix} {number} {author.upper()} {title.upper()} ", "", ""
    found = parse(written)
    return found._start or (_NOWHERE if written.strip() else ""), found.volume, found.copy


def shelf_key(start: str, volume: str, copy: str) -> str:
    """A sort key for one volume and copy; "" where there is nothing to begin with."""
    return f"{start} {_volume(volume)} {_copy(copy)}"[:_LONGEST_KEY] if start else ""


def _prefix(words: list[str]) -> tuple[str, list[str]]:
    """Letters before the class; before an author's mark only those that libraries use for a shelf."""
    taken = 0
    while taken < len(words) - 1 and taken < 2 and words[taken].rstrip(".").isalpha() and len(words[taken]) <= 6:
        taken += 1
    if taken and taken < len(words) and _is_class(words[taken]):
        return " ".join(word.rstrip(".").upper() for word in words[:taken]), words[taken:]
    first = words[0].rstrip(".") if words else ""
    if len(words) > 1 and first.upper() == first and first in _PREFIXES:
        return first, words[1:]
    return "", words


def _class(words: list[str]) -> tuple[str, list[str]]:
    """The class, groups of three digits and prime marks put together again: `899.221 3` is 899.2213."""
    if not words or not _is_class(words[0]):
        return "", words
    found = words[0].translate(_PRIMES).upper().strip(".,;:")
    taken = 1
    if _CLASS.match(found) is not None and "." in found:
        while taken < len(words) and _GROUP.match(words[taken]):
            found += words[taken]
            taken += 1
    return found, words[taken:]


def _is_class(word: str) -> bool:
    return any(letter.isdigit() for letter in word) and (word[0].isdigit() or not _CUTTER.match(word))


def _marks(words: list[str], placed: bool) -> tuple[str, str, list[str]]:
    """Author's and title's mark; a lone small letter is the title's."""
    author = title = ""
    if words and (_LETTERS.match(words[0]) or _CUTTER.match(words[0])):
        word = words[0].rstrip(".,")
        if not (len(word) == 1 and word.islower() and placed):
            author, words = word.upper(), words[1:]
    if words and _TITLE_MARK.match(words[0]):
        title, words = words[0].lower(), words[1:]
    return author, title, words


def _decimal(number: str) -> str:
    """A class's decimals are read digit by digit and stay as they are; another scheme's numbers are whole ones."""
    plain = _plain(number)
    return plain if _CLASS.match(plain) else _NUMBER.sub(_padded, plain)


def _natural(part: str) -> str:
    """Whole numbers compare as numbers."""
    return _NUMBER.sub(_padded, _plain(part))


@lru_cache(maxsize=2048)
def _copy(said: str) -> str:
    return _natural(said)


@lru_cache(maxsize=2048)
def _volume(said: str) -> str:
    """By its numbers, whatever the words before them: Jilid II is jil. 2."""
    if not said:
        return ""
    numbers = [
        f"{digits}{more}" if digits else str(_roman(roman.lower())) for digits, more, roman in _VOLUME.findall(said)
    ]
    return _natural("-".join(numbers) or said)


def _roman(letters: str) -> int:
    values = [_ROMAN[letter] for letter in letters]
    return sum(-value if value < max(values[at:]) else value for at, value in enumerate(values))


def _plain(part: str) -> str:
    """In upper case without accents and without blanks, which end a part."""
    if not part:
        return ""
    if part.isascii():
        return _BLANKS.sub("-", part.upper())
    folded = (letter for letter in unicodedata.normalize("NFKD", part.upper()) if not unicodedata.combining(letter))
    return _BLANKS.sub("-", "".join(folded))


def _padded(found: re.Match[str]) -> str:
    digits = found.group().lstrip("0")
    return digits.zfill(6) if len(digits) <= 6 else f"{'9' * 6}{digits}"
