"""Titles and names for work keys: folded, in one spelling, without parts that differ between editions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from services.catalog.analysis import tokens
from services.catalog.marc.record import Field, Tags, pick

LONGEST = 300  # characters of a title or name that are compared

_OLD = re.compile("oe|tj|dj|sj")
_NEW = {"oe": "u", "tj": "c", "dj": "j", "sj": "sy"}
_ARTICLES = frozenset(("the", "a", "an", "de", "het", "le", "la", "les", "der", "die", "das", "el", "al", "sang", "si"))
# Words for a volume; the number after such a word identifies a volume, grade or year of a textbook.
_DESIGNATIONS = frozenset(
    (
        *("jilid", "jil", "jld", "volume", "vol", "bagian", "bag", "buku", "book", "part", "seri", "series", "kelas"),
        *("kls", "grade", "semester", "tingkat", "no", "nomor", "juz", "tome", "deel", "band"),
    )
)
_ROMAN = re.compile(r"(?=[ivxl])(?:xl|l?x{0,3})(?:ix|iv|v?i{0,3})\Z")
_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50}
# Words of titles that many different books have. A title of only these words does not identify a work.
_GENERIC = frozenset(
    (
        *("himpunan", "kumpulan", "antologi", "bunga", "rampai", "puisi", "sajak", "pantun", "syair", "cerpen"),
        *("cerita", "ceritera", "pendek", "rakyat", "dongeng", "novel", "roman", "drama", "esai", "artikel"),
        *("karangan", "karya", "tulisan", "lengkap", "pilihan", "terpilih", "baru", "laporan", "tahunan", "kegiatan"),
        *("akhir", "penelitian", "kerja", "praktek", "magang", "skripsi", "tesis", "disertasi", "makalah"),
        *("prosiding", "proceeding", "proceedings", "seminar", "nasional", "internasional", "buletin", "jurnal"),
        *("majalah", "katalog", "kamus", "pedoman", "panduan", "petunjuk", "modul", "diktat", "buku", "ajar"),
        *("pegangan", "guru", "siswa", "profil", "undang", "peraturan", "daerah", "dan", "the", "of", "and"),
        *("poems", "poem", "selected", "collected", "complete", "works", "essays", "stories", "short", "story"),
        *("novels", "plays", "writings", "letters", "report", "annual", "year", "book", "yearbook", "handbook"),
        *("guide", "manual", "catalogue", "catalog", "bulletin", "journal", "introduction", "index"),
    )
)
# Titles of yearly publications.
_YEARLY = re.compile(
    "dalam angka|laporan tahunan|annual report|laporan kinerja|buku tahunan|laporan kegiatan|statistik daerah"
    "|profil kesehatan|statistical yearbook"
)
# Words for "and", which editions write as a word, as "&" or not at all.
_JOINING = frozenset(("and", "dan", "und", "en", "et"))
_QUALITY = (
    r"(?:\d{1,4}(?:st|nd|rd|th)?|[ivx]{1,4}|ke|pertama|kedua|ketiga|keempat|kelima|keenam|ketujuh|kedelapan|kesembilan"
    r"|kesepuluh|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|revisi|direvisi|rev|revised|baru|terbaru"
    r"|new|updated|lengkap|diperbarui|diperluas|enlarged|expanded|international|internasional)"
)
_EDITION = re.compile(
    rf" (?:(?:edisi|edition|edn?|cetakan|cet|ctk)(?: {_QUALITY})+|(?:{_QUALITY} )+(?:edisi|edition|edn?|cetakan))\Z"
)
_NAME = frozenset("a")
_STATEMENT = frozenset("c")
_BODY = frozenset("ab")
_RELATION = frozenset("e4")
_STYLES = frozenset(
    ("dr", "drs", "dra", "prof", "ir", "haji", "hajjah", "hj", "kh", "kiai", "kyai", "ustadz", "ustaz", "buya")
)
# Roles of people who are not authors of the work.
_NOT_AUTHORS = re.compile(
    r"\b(?:trl|edt|ill|pbl|drt|nrt|cmp|ctb|aui|prf|act|art"
    r"|penerjemah|translator|penyunting|editor|ilustrator|illustrator|penerbit|publisher"
    r"|pengantar|narator|narrator|sutradara|director|penyusun)\b",
    re.IGNORECASE,
)
_STATED_BY = re.compile(
    r"\A(?:oleh|by|karangan|karya|penulis|pengarang|disusun oleh|ditulis oleh|written by)\s*[:,]?\s+", re.IGNORECASE
)
_NOT_STATED = re.compile(
    r"\A\[?(?:tim|editor|ed\.|penyunting|penyusun|penerjemah|alih bahasa|disunting|edited|compiled|translated)\b",
    re.IGNORECASE,
)
_NEXT_NAME = re.compile(r"\s*(?:[;,/]|\bdan\b|\band\b|&|\[et al|\bdkk\b|\.\.\.|…)", re.IGNORECASE)


def words(text: str) -> list[str]:
    """Return folded words in today's spelling: oe, tj, dj and sj as u, c, j and sy."""
    text = text[:LONGEST]
    folded = tokens(text)
    if _OLD.search(text.lower() if text.isascii() else " ".join(folded)) is None:
        return folded
    return [_OLD.sub(lambda old: _NEW[old.group()], word) for word in folded]


def title_words(text: str) -> list[str]:
    """Return the words of a title proper, without text after ` / ` or ` : ` and without a first article."""
    if " / " in text or " : " in text:
        text = text.partition(" / ")[0].partition(" : ")[0]
    title = words(text)
    if len(title) > 1 and title[0] in _ARTICLES:
        title = title[1:]
    joined = without_joining(title)
    return without_edition(joined) if len(joined) > 1 else joined


def without_joining(title: list[str]) -> list[str]:
    """Remove "and" in several languages, because "&" is not a word; a title of only such words stays."""
    if _JOINING.isdisjoint(title):
        return title
    return [word for word in title if word not in _JOINING] or title


def without_edition(title: list[str]) -> list[str]:
    """Remove a statement of edition from the end: EDISI 4, edisi revisi, 2nd ed."""
    if not any(word in title for word in ("edisi", "edition", "edn", "ed", "cetakan", "cet", "ctk")):
        return title
    text = f" {' '.join(title)}"
    while (shorter := _EDITION.sub("", text)) != text and shorter:
        text = shorter
    return text.split()


def numbered_part(title: list[str]) -> tuple[list[str], str]:
    """Divide a title that ends in a volume (`kimia dasar jilid 2`) into the title and the number; "" without one."""
    if len(title) > 2 and title[-2] in _DESIGNATIONS and (title[-1].isdigit() or _ROMAN.match(title[-1])):
        return title[:-2], plain_number(title[-1])
    return title, ""


def is_generic_title(title: Sequence[str]) -> bool:
    """Tell whether many books may have this title, or a yearly publication has it."""
    for word in title:
        if word not in _GENERIC and len(word) > 1 and not word.isdigit():
            return _YEARLY.search(" ".join(title)) is not None
    return True


def part_of(field: Field) -> str:
    """Return the part of a work in a 245 or 240: $n and $p, and the number in a subtitle like `untuk SMA kelas X`."""
    parts: list[str] = []
    for position in range(2, len(field) - 1, 2):
        code = field[position]
        if code in ("n", "p"):
            parts += [plain_number(word) for word in words(field[position + 1]) if word not in _DESIGNATIONS]
        elif code == "b":
            subtitle = words(field[position + 1])
            parts += [
                plain_number(after)
                for word, after in pairwise(subtitle)
                if word in _DESIGNATIONS and (after.isdigit() or _ROMAN.match(after))
            ]
    return " ".join(parts)


def plain_number(word: str) -> str:
    """Write a Roman number in digits, and digits without leading zeros; other words stay."""
    if word.isdigit():
        return word.lstrip("0") or "0"
    if _ROMAN.match(word) is None:
        return word
    values = [_VALUES[letter] for letter in word]
    pairs = zip(values, [*values[1:], 0], strict=True)
    return str(sum(-value if value < following else value for value, following in pairs))


@lru_cache(maxsize=4096)
def author_key(name: str, *, inverted: bool = False) -> str:
    """Return the key of an author, equal for all spellings of the name: the filing word and one initial.

    `Navis, A.A.`, `A. A. Navis` and `Navis, Ali Akbar` are `navis a`; `Hamka` is `hamka`.

    inverted  the filing word may come first, before a comma
    """
    head, comma, rest = name[:LONGEST].partition(",")
    given_names = _without_titles(rest) if comma and inverted else []
    if given_names:
        filed = _without_titles(head)
        return f"{filed[-1]} {given_names[0][0]}" if filed else ""
    name_words = _without_titles(name)
    return f"{name_words[-1]} {name_words[0][0]}" if len(name_words) > 1 else " ".join(name_words)


def _without_titles(name: str) -> list[str]:
    name_words = words(name)
    untitled = [word for word in name_words if word not in _STYLES]
    if len(untitled) > 2 and untitled[0] == "h":
        untitled = untitled[1:]  # H. for Haji
    return untitled or name_words


def author_of(tags: Tags) -> str:
    """Return the author's key: from 1XX, else the first 7XX with an author's role, else 245 $c; or ""."""
    for tag in ("100", "110", "111", "700", "710"):
        for field in tags.get(tag, ()):
            if tag > "199" and _NOT_AUTHORS.search(" ".join(pick(field, _RELATION))):
                continue
            key = name_field_key(field)
            if key:
                return key
    for field in tags.get("245", ()):
        statement = next(iter(pick(field, _STATEMENT)), "").strip()[: 2 * LONGEST]
        statement = _STATED_BY.sub("", statement)
        if statement and _NOT_STATED.match(statement) is None:
            return author_key(_NEXT_NAME.split(statement, maxsplit=1)[0])
    return ""


def name_field_key(field: Field) -> str:
    """Return the key of a name field: a person's key, or all the words of a corporate name."""
    if field[0][1:] != "00":
        return " ".join(words(" ".join(pick(field, _BODY))))
    return author_key(" ".join(pick(field, _NAME))[:LONGEST], inverted=True)
