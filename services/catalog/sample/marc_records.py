"""Converts a book of the sample to a MARC 21 bibliographic record with ISBD punctuation."""

from __future__ import annotations

from services.catalog.marc.fields import Field
from services.catalog.marc.record import Record
from services.catalog.sample.books_toml import Book, Name
from services.catalog.sample.call_numbers import items, nonfiling
from services.catalog.sample.control_fields import LANGUAGES, SCRIPTS, carriers, control_008, leader

_TRANSACTION = "20261101000000.0"
_RELATORS = {
    "aut": ("pengarang", "aut"), "ed": ("penyunting", "edt"), "tr": ("penerjemah", "trl"), "il": ("ilustrator", "ill"),
    "dir": ("sutradara", "drt"), "org": ("pengarang", "aut"),
}  # fmt: skip
_STATEMENTS = {"ed": "penyunting", "tr": "penerjemah", "il": "ilustrator", "dir": "sutradara"}
_AUDIENCES = {"anak": "Anak", "remaja": "Remaja", "umum": "Umum"}
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
    fields.append(["521", "  ", "a", f"{_AUDIENCES[book.audience]}."])
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
