"""Converts a book of the sample to a MARC 21 bibliographic record with ISBD punctuation."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from services.catalog.marc.record import Field, Record
from services.catalog.sample.books_toml import Book, Name
from services.catalog.texts import normalize

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
_AUDIENCE_CODES = {"anak": "j", "remaja": "d", "umum": "g"}
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
    audience = _AUDIENCE_CODES[book.audience]
    if book.material == "peta":
        return "       " + ("e" if book.genre == "Atlas" else "a") + "     0   "
    if book.material == "av":
        return "---" + " " + audience + "     " + "  " + "   " + "vl"
    illustrated = "a   " if book.material == "komik" else "    "
    contents = "6   " if book.material == "komik" else _contents_code(book)
    life = "a" if "Autobiografi" in book.subjects else "b" if "Biografi" in book.subjects else " "
    return f"{illustrated}{audience} {contents} 000 {_LITERARY_FORMS.get(book.genre, '0')}{life}"


def _contents_code(book: Book) -> str:
    if "Kamus" in book.subjects:
        return "d   "
    return "e   " if "Ensiklopedia" in book.subjects else "    "


def carriers(book: Book) -> list[tuple[str, str, str, str]]:
    """Return (tag, term, code, vocabulary) for 336, 337 and 338, with RDA terms in Indonesian."""
    types = [("336", term, code, "rdacontent") for term, code in _CONTENT[book.material]]
    medium, carrier = _UNMEDIATED, ("volume", "nc")
    if book.material == "av":
        medium, carrier = ("video", "v"), ("cakram video", "vd")
    elif book.material == "peta" and book.genre != "Atlas":
        carrier = ("lembar", "nb")
    return [*types, ("337", *medium, "rdamedia"), ("338", *carrier, "rdacarrier")]


BARCODE_PREFIXES = {"PKS": "KS", "UMMY": "MY", "NSL": "NS"}
_FICTION = ("813", "823", "833", "843", "863", "899.2213")
_ARTICLES = {"eng": ("The ", "A ", "An "), "dut": ("De ", "Het ", "Een ")}


def nonfiling(title: str, language: str) -> int:
    """Count the nonfiling characters at the start of a title (second indicator of 245)."""
    for article in _ARTICLES.get(language, ()):
        if title.startswith(article):
            return len(article)
    return 0


def call_number(book: Book) -> tuple[str, str, str]:
    """Return prefix (`R`, `A`, `AV`, `F` or none), class, and three letters of the main entry and one of the title."""
    title = _letters(book.title[nonfiling(book.title, book.language) :])
    entry = book.main_entry
    filed = _letters(entry.heading) if entry is not None else title
    return _prefix(book), book.ddc, f"{filed[:3].upper()} {title[:1].lower()}"


def items(book: Book, institution: str) -> Iterator[Field]:
    """Yield an 852 for each copy of the institution.

    A barcode has the book's number and the copy's position among all copies of the book, so that other books may be
    added or removed without a change of barcodes.
    """
    prefix, ddc, rest = call_number(book)
    place = 0
    copy = 0
    for copies in book.copies:
        for _ in range(copies.number):
            place += 1
            if copies.institution != institution:
                continue
            copy += 1
            barcode = f"{BARCODE_PREFIXES[institution]}{book.number * 10 + place:07}"
            field = ["852", "1 ", "a", institution, "b", copies.branch, "c", book.collection]
            field += ["k", prefix] if prefix else []
            volume = ["3", book.part] if book.part else []
            yield [*field, "h", ddc, "i", rest, *volume, "p", barcode, "t", str(copy)]


def _prefix(book: Book) -> str:
    by_collection = {"referensi": "R", "anak": "A", "av": "AV"}
    if book.collection in by_collection:
        return by_collection[book.collection]
    return "F" if book.genre in ("Novel", "Kumpulan cerpen") or book.ddc in _FICTION else ""


def _letters(text: str) -> str:
    plain = normalize("NFKD", text)
    return "".join(letter for letter in plain if letter.isalnum() and letter.isascii())


_TRANSACTION = "20261101000000.0"
_RELATORS = {
    "aut": ("pengarang", "aut"), "ed": ("penyunting", "edt"), "tr": ("penerjemah", "trl"), "il": ("ilustrator", "ill"),
    "dir": ("sutradara", "drt"), "org": ("pengarang", "aut"),
}  # fmt: skip
_STATEMENTS = {"ed": "penyunting", "tr": "penerjemah", "il": "ilustrator", "dir": "sutradara"}
_AUDIENCE_NOTES = {"anak": "Anak", "remaja": "Remaja", "umum": "Umum"}
_EXTENTS = {"buku": "1 jilid", "komik": "1 jilid", "peta": "1 peta", "av": "1 cakram video"}


def describe(book: Book, institution: str) -> Record:
    """Create the institution's record of a book: 003 and 040 have its code, 852 its copies."""
    fields: list[Field] = [["001", f"contoh{book.number}"], ["003", institution], ["005", _TRANSACTION]]
    if book.material == "av":
        fields.append(["007", "vd |v||||"])
    fields.append(["008", control_008(book)])
    fields += _identity(book, institution)
    fields += _titles(book)
    fields += _publication(book)
    fields += [[tag, "  ", "a", term, "b", code, "2", source] for tag, term, code, source in carriers(book)]
    fields += _series(book)
    fields += _notes(book)
    fields += _subjects(book)
    fields += [_added(name) for name in book.by if name is not book.main_entry]
    if book.series:
        fields.append(["830", " 0", "a", book.series + (" ;" if book.volume else "."), *_sub("v", book.volume)])
    if book.original and book.original_script:
        fields.append(_own_script(book))
    fields += items(book, institution)
    return Record(leader(book), fields)


def _identity(book: Book, institution: str) -> list[Field]:
    fields: list[Field] = []
    if book.isbn:
        fields.append(["020", "  ", "a", book.isbn.replace("-", "")])
    fields.append(["040", "  ", "a", institution, "b", "ind", "e", "rda", "c", institution])
    if book.original_language and book.original_language != book.language:
        fields.append(["041", "1 ", "a", book.language, "h", book.original_language])
    if book.ddc.startswith("2X"):
        fields.append(["082", "74", "a", book.ddc, "2", "Klasifikasi Islam 2X"])
        fields.append(["082", "04", "a", "297", "2", "23"])
    else:
        fields.append(["082", "04", "a", book.ddc, "2", "23"])
    main = book.main_entry
    if main is not None:
        tag, indicators = ("110", "2 ") if main.role == "org" else ("100", "1 " if main.inverted else "0 ")
        fields.append([tag, indicators, *_heading(main)])
    return fields


def _titles(book: Book) -> list[Field]:
    fields: list[Field] = []
    main = book.main_entry
    if book.original:
        language = LANGUAGES[book.language][1]
        tag, indicators = ("240", "10") if main is not None else ("130", "0 ")
        link = ["6", "880-01"] if book.original_script else []
        fields.append([tag, indicators, *link, "a", f"{book.original}.", "l", language])
    title: Field = ["245", f"{int(main is not None)}{nonfiling(book.title, book.language)}"]
    statement = _statement(book)
    parts = [("a", book.title), ("n", book.part), ("b", book.subtitle), ("c", statement)]
    present = [(code, text) for code, text in parts if text]
    marks = {"n": ".", "b": " :", "c": " /"}
    for place, (code, text) in enumerate(present):
        following = marks[present[place + 1][0]] if place + 1 < len(present) else ""
        title += [code, text + following]
    if not title[-1].endswith((".", "?", "!")):
        title[-1] += "."
    fields.append(title)
    if book.original:
        fields.append(["246", "1 ", "i", "Judul asli:", "a", book.original])
    if book.also:
        fields.append(["246", "3 ", "a", book.also])
    if book.edition:
        fields.append(["250", "  ", "a", book.edition if book.edition.endswith(".") else f"{book.edition}."])
    return fields


def _own_script(book: Book) -> Field:
    """Return the 880 with the original title in its own script, linked to the uniform title."""
    tag, indicators = ("240", "10") if book.main_entry is not None else ("130", "0 ")
    return [
        "880",
        indicators,
        "6",
        f"{tag}-01{SCRIPTS.get(book.original_language, '')}",
        "a",
        f"{book.original_script}.",
    ]


def _statement(book: Book) -> str:
    """Return the statement of responsibility, authors first: `A. A. Navis, M. D. Mansoer ; penerjemah, X`."""
    makers = [name.direct for name in book.by if name.role in ("aut", "org")]
    groups = [book.statement or ", ".join(makers)] if makers else []
    for role, word in _STATEMENTS.items():
        names = [name.direct for name in book.by if name.role == role]
        if names:
            groups.append(f"{word}, {', '.join(names)}")
    return " ; ".join(groups)


def _publication(book: Book) -> list[Field]:
    parts: list[tuple[str, str, str]] = []
    if book.place:
        parts.append(("a", book.place, " :" if book.publisher else ","))
    if book.publisher:
        parts.append(("b", book.publisher, ","))
    if book.year:
        parts.append(("c", str(book.year), ""))
    fields: list[Field] = []
    if parts:
        field: Field = ["264", " 0" if book.material == "av" else " 1"]
        for place, (code, text, mark) in enumerate(parts):
            field += [code, text + (mark if place + 1 < len(parts) else "")]
        fields.append(field)
    extent = f"{book.pages} halaman" if book.pages else _EXTENTS[book.material]
    fields.append(["300", "  ", "a", extent])
    return fields


def _series(book: Book) -> list[Field]:
    if not book.series:
        return []
    return [["490", "1 ", "a", book.series + (" ;" if book.volume else ""), *_sub("v", book.volume)]]


def _notes(book: Book) -> list[Field]:
    fields: list[Field] = []
    if book.original_language and book.original_language != book.language:
        fields.append(["500", "  ", "a", f"Terjemahan dari bahasa {LANGUAGES[book.original_language][0]}."])
    if book.summary:
        fields.append(["520", "  ", "a", book.summary])
    fields.append(["521", "  ", "a", f"{_AUDIENCE_NOTES[book.audience]}."])
    return fields


def _subjects(book: Book) -> list[Field]:
    fields: list[Field] = [
        ["600", "17" if ", " in person else "07", "a", person, "2", "local"] for person in book.people
    ]
    fields += [["650", " 7", "a", subject, "2", "local"] for subject in book.subjects]
    fields += [["651", " 7", "a", place, "2", "local"] for place in book.places]
    if book.genre:
        fields.append(["655", " 7", "a", book.genre, "2", "local"])
    return fields


def _added(name: Name) -> Field:
    tag, indicators = ("710", "2 ") if name.role == "org" else ("700", "1 " if name.inverted else "0 ")
    return [tag, indicators, *_heading(name)]


def _heading(name: Name) -> list[str]:
    term, code = _RELATORS[name.role]
    comma = "" if name.heading.endswith("-") else ","
    return ["a", f"{name.heading}{comma}", "e", f"{term}.", "4", code]


def _sub(code: str, value: str) -> list[str]:
    return [code, value] if value else []


_LEADER = "00000nz  a2200000n  4500"
_FIXED = "261101n||azannaabn          |a aaa      "


def authorities(source: str) -> Iterator[Record]:
    """Yield one record per heading, in the file's order; 003 is the source's code."""
    data = tomllib.loads((Path(__file__).parent / "authorities.toml").read_text(encoding="utf-8"))
    for number, heading in enumerate(data["heading"], data["first"]):
        fields: list[Field] = [["001", f"nama{number}"], ["003", source], ["005", _TRANSACTION], ["008", _FIXED]]
        fields.append([*_name("100", heading["text"]), "d", heading["dates"]])
        fields[-1][3] += ","
        fields += [_name("400", text) for text in heading.get("see", ())]
        fields += [_name("500", text) for text in heading.get("also", ())]
        yield Record(_LEADER, fields)


def _name(tag: str, text: str) -> Field:
    return [tag, "1 " if "," in text else "0 ", "a", text]
