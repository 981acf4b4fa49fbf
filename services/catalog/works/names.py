"""Titles and names as work keys compare them: folded, in one spelling, without what editions write differently."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from services.catalog.analysis import tokens
from services.catalog.marc.fields import Field, Tags, pick

LONGEST = 300  # characters of a title or name that are looked at

_OLD = re.compile("oe|tj|dj|sj")
_NEW = {"oe": "u", "tj": "c", "dj": "j", "sj": "sy"}
_ARTICLES = frozenset(("the", "a", "an", "de", "het", "le", "la", "les", "der", "die", "das", "el", "al", "sang", "si"))
# Words for a volume; the number after one tells volumes, grades and years of a textbook apart.
_DESIGNATIONS = frozenset(
    (
        *("jilid", "jil", "jld", "volume", "vol", "bagian", "bag", "buku", "book", "part", "seri", "series", "kelas"),
        *("kls", "grade", "semester", "tingkat", "no", "nomor", "juz", "tome", "deel", "band"),
    )
)
_ROMAN = re.compile(r"(?=[ivxl])(?:xl|l?x{0,3})(?:ix|iv|v?i{0,3})\Z")
_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50}
# Titles that many different books have. With nothing else in it a title decides nothing.
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
# Compilations of each year under one name.
_EACH_YEAR = re.compile(
    "dalam angka|laporan tahunan|annual report|laporan kinerja|buku tahunan|laporan kegiatan|statistik daerah"
    "|profil kesehatan|statistical yearbook"
)
_NAME = frozenset("a")
_BODY = frozenset("ab")
_RELATION = frozenset("e4")
_STYLES = frozenset(
    ("dr", "drs", "dra", "prof", "ir", "haji", "hajjah", "hj", "kh", "kiai", "kyai", "ustadz", "ustaz", "buya")
)
# Who made the book but not the work.
_NOT_AUTHORS = re.compile(
    r"\b(?:trl|edt|ill|pbl|drt|nrt|cmp|ctb|aui|prf|act|art"
    r"|penerjemah|translator|penyunting|editor|ilustrator|illustrator|penerbit|publisher"
    r"|pengantar|narator|narrator|sutradara|director|penyusun)\b",
    re.IGNORECASE,
)
_SAID_BY = re.compile(
    r"\A(?:oleh|by|karangan|karya|penulis|pengarang|disusun oleh|ditulis oleh|written by)\s*[:,]?\s+", re.IGNORECASE
)
_NOT_SAID = re.compile(
    r"\A\[?(?:tim|editor|ed\.|penyunting|penyusun|penerjemah|alih bahasa|disunting|edited|compiled|translated)\b",
    re.IGNORECASE,
)
_NEXT_NAME = re.compile(r"\s*(?:[;,/]|\bdan\b|\band\b|&|\[et al|\bdkk\b|\.\.\.|…)", re.IGNORECASE)


def words(text: str) -> list[str]:
    """Folded words in one spelling: Noerbaja's oe, tj, dj and sj as they are written today."""
    text = text[:LONGEST]
    found = tokens(text)
    if _OLD.search(text.lower() if text.isascii() else " ".join(found)) is None:
        return found
    return [_OLD.sub(lambda old: _NEW[old.group()], each) for each in found]


def title_words(text: str) -> list[str]:
    """Words of a title proper: what was run on after ` / ` or ` : ` is gone, and an article at its head."""
    if " / " in text or " : " in text:
        text = text.partition(" / ")[0].partition(" : ")[0]
    found = words(text)
    return found[1:] if len(found) > 1 and found[0] in _ARTICLES else found


def is_generic_title(title: Sequence[str]) -> bool:
    """A title of words that any book of its kind may have, or of something that comes out anew each year."""
    for each in title:
        if each not in _GENERIC and len(each) > 1 and not each.isdigit():
            return _EACH_YEAR.search(" ".join(title)) is not None
    return True


def part_of(field: Field) -> str:
    """Which part of a work a 245 or 240 is: $n and $p, and the number in a subtitle such as `untuk SMA kelas X`."""
    found: list[str] = []
    for place in range(2, len(field) - 1, 2):
        code = field[place]
        if code in ("n", "p"):
            found += [number(word) for word in words(field[place + 1]) if word not in _DESIGNATIONS]
        elif code == "b":
            said = words(field[place + 1])
            found += [
                number(after)
                for word, after in pairwise(said)
                if word in _DESIGNATIONS and (after.isdigit() or _ROMAN.match(after))
            ]
    return " ".join(found)


def number(word: str) -> str:
    """A Roman number in figures, a figure without leading noughts; any other word as it is."""
    if word.isdigit():
        return word.lstrip("0") or "0"
    if _ROMAN.match(word) is None:
        return word
    values = [_VALUES[each] for each in word]
    pairs = zip(values, [*values[1:], 0], strict=True)
    return str(sum(-one if one < following else one for one, following in pairs))


@lru_cache(maxsize=4096)
def mark(name: str, *, inverted: bool = False) -> str:
    """What tells one author from another, however the name is written: the filing word and one initial.

    `Navis, A.A.`, `A. A. Navis` and `Navis, Ali Akbar` are `navis a`; `Hamka` is `hamka`.

    inverted  the name may be written with its filing word first: what stands before the comma is that
    """
    head, comma, rest = name[:LONGEST].partition(",")
    given = _plain(rest) if comma and inverted else []
    if given:
        filed = _plain(head)
        return f"{filed[-1]} {given[0][0]}" if filed else ""
    found = _plain(name)
    return f"{found[-1]} {found[0][0]}" if len(found) > 1 else " ".join(found)


def _plain(name: str) -> list[str]:
    found = words(name)
    kept = [each for each in found if each not in _STYLES]
    if len(kept) > 2 and kept[0] == "h":
        kept = kept[1:]  # H. for Haji
    return kept or found


def author_of(tags: Tags) -> str:
    """The mark of who made the work: 1XX, else the first 7XX that is no translator or the like, else 245 $c; or ""."""
    for tag in ("100", "110", "111", "700", "710"):
        for field in tags.get(tag, ()):
            if tag > "199" and _NOT_AUTHORS.search(" ".join(pick(field, _RELATION))):
                continue
            found = name_mark(field)
            if found:
                return found
    for field in tags.get("245", ()):
        said = next(iter(pick(field, frozenset("c"))), "").strip()
        said = _SAID_BY.sub("", said)
        if said and _NOT_SAID.match(said) is None:
            return mark(_NEXT_NAME.split(said, maxsplit=1)[0])
    return ""


def name_mark(field: Field) -> str:
    """The mark of a name field: a person's, or all the words of a body's name."""
    if field[0][1:] != "00":
        return " ".join(words(" ".join(pick(field, _BODY))))
    return mark(" ".join(pick(field, _NAME)), inverted=True)
