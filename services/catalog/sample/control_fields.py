"""Coded parts of the sample's records: leader, 008, and the content, media and carrier types."""

from __future__ import annotations

from services.catalog.sample.books_toml import Book

# Language code (ISO 639-2/B): its name in Indonesian notes, and after a uniform title.
LANGUAGES = {
    "ind": ("Indonesia", "Indonesia"),
    "min": ("Minangkabau", "Minangkabau"),
    "eng": ("Inggris", "Inggris"),
    "dut": ("Belanda", "Belanda"),
    "fre": ("Prancis", "Prancis"),
    "ger": ("Jerman", "Jerman"),
    "spa": ("Spanyol", "Spanyol"),
    "por": ("Portugis", "Portugis"),
    "rus": ("Rusia", "Rusia"),
    "jpn": ("Jepang", "Jepang"),
    "nor": ("Norwegia", "Norwegia"),
    "swe": ("Swedia", "Swedia"),
    "tur": ("Turki", "Turki"),
    "ara": ("Arab", "Arab"),
    "per": ("Persia", "Persia"),
    "grc": ("Yunani kuno", "Yunani kuno"),
}
# Script of a language in $6, with /r for right-to-left.
SCRIPTS = {"ara": "/(3/r", "per": "/(3/r", "rus": "/(N", "grc": "/(S", "jpn": "/$1"}
COUNTRIES = {
    "Jakarta": "io ", "Bandung": "io ", "Yogyakarta": "io ", "Padang": "io ", "Bukittinggi": "io ", "Magelang": "io ",
    "Ende": "io ", "Depok": "io ", "Surabaya": "io ", "Tangerang": "io ", "Ithaca": "nyu", "New York": "nyu",
    "Cambridge": "enk", "London": "enk", "Oxford": "enk", "The Hague": "ne ", "'s-Gravenhage": "ne ", "Leiden": "ne ",
    "Amsterdam": "ne ", "Honolulu": "hiu", "Princeton": "nju", "Englewood Cliffs": "nju", "New Haven": "ctu",
    "Berkeley": "cau", "Los Angeles": "cau", "Cambridge, Massachusetts": "mau", "Athens, Ohio": "ohu",
    "Dublin, Ohio": "ohu", "Singapore": "si ", "Kuala Lumpur": "my ",
}  # fmt: skip
_ENTERED = "261101"
_TYPES = {"buku": "a", "komik": "a", "peta": "e", "av": "g"}
_AUDIENCES = {"anak": "j", "remaja": "d", "umum": "g"}
_LITERARY_FORMS = {
    "Novel": "f", "Kumpulan cerpen": "j", "Puisi": "p", "Drama": "d", "Esai": "e", "Cerita anak": "1", "Kaba": "1",
    "Cerita rakyat": "1", "Komik": "1",
}  # fmt: skip
_CONTENT = {
    "buku": [("teks", "txt")],
    "komik": [("teks", "txt"), ("gambar diam", "sti")],
    "peta": [("gambar kartografi", "cri")],
    "av": [("gambar bergerak dua dimensi", "tdi")],
}
_UNMEDIATED = ("tanpa perantara", "n")


def leader(book: Book) -> str:
    """Return the leader of a new monograph record, minimal level, ISBD punctuation."""
    return f"00000n{_TYPES[book.material]}m a22000007i 4500"


def control_008(book: Book) -> str:
    """Return the 40 characters of 008 for books, maps or visual materials, as in the leader."""
    date = f"s{book.year}    " if book.year else "nuuuuuuuu"
    country = COUNTRIES[book.place] if book.place else "xx "
    return f"{_ENTERED}{date}{country}{_specific(book)}{book.language} d"


def _specific(book: Book) -> str:
    """Return positions 18–34."""
    audience = _AUDIENCES[book.audience]
    if book.material == "peta":
        return "       " + ("e" if book.genre == "Atlas" else "a") + "     0   "
    if book.material == "av":
        return "---" + " " + audience + "     " + "  " + "   " + "vl"
    illustrated = "a   " if book.material == "komik" else "    "
    contents = "6   " if book.material == "komik" else _nature(book)
    life = "a" if "Autobiografi" in book.subjects else "b" if "Biografi" in book.subjects else " "
    return f"{illustrated}{audience} {contents} 000 {_LITERARY_FORMS.get(book.genre, '0')}{life}"


def _nature(book: Book) -> str:
    if "Kamus" in book.subjects:
        return "d   "
    return "e   " if "Ensiklopedia" in book.subjects else "    "


def carriers(book: Book) -> list[tuple[str, str, str, str]]:
    """List (tag, term, code, vocabulary) for 336, 337 and 338, with RDA terms in Indonesian."""
    types = [("336", term, code, "rdacontent") for term, code in _CONTENT[book.material]]
    medium, carrier = _UNMEDIATED, ("volume", "nc")
    if book.material == "av":
        medium, carrier = ("video", "v"), ("cakram video", "vd")
    elif book.material == "peta" and book.genre != "Atlas":
        carrier = ("lembar", "nb")
    return [*types, ("337", *medium, "rdamedia"), ("338", *carrier, "rdacarrier")]
