"""Which pairs of records are one work: a table of cases with reasons."""

from __future__ import annotations

from typing import Any

import pytest

from services.catalog.marc.record import Record, by_tag
from services.catalog.works.keys import keys_of, pack, record_keys_of, unpack
from services.catalog.works.likeness import compare, compared_record
from services.catalog.works.names import author_key, plain_number
from tests.builders import book

BUMI = book("1", "Bumi manusia", author="Toer, Pramoedya Ananta", year="1980", isbn="9789799731234")
EARTH = book(
    "2", "This earth of mankind", author="Toer, Pramoedya Ananta", year="1996", language="eng",
    more=[["240", "10", "a", "Bumi manusia.", "l", "Inggris"]],
)  # fmt: skip


def with_leader(record: Record, leader: str) -> Record:
    return Record(leader, record.fields)


def titled(title: str, *more: list[str], author: str = "Navis, A. A.", **other: Any) -> Record:
    """A record whose 245 says more: subfields after $a."""
    record = book("9", title, author=author, **other)
    field = next(field for field in record.fields if field[0] == "245")
    for extra_field in more:
        field += extra_field
    return record


def classed(title: str, ddc: str, subtitle: str, *more: list[str]) -> Record:
    """A book with a class, and a subtitle unless it is empty."""
    fields = [["082", "04", "a", ddc], *more]
    return titled(title, *([["b", subtitle]] if subtitle else []), more=fields)


def in_series(title: str, volume: str, subtitle: str, **other: Any) -> Record:
    """A volume of a series that has the title's name."""
    series = ["490", "0 ", "a", f"{title} ;", *(["v", volume] if volume else [])]
    more = [series, *other.pop("more", [])]
    return titled(title, *([["b", subtitle]] if subtitle else []), more=more, **other)


OMNIBUS = book(
    "1", "Sense and sensibility", author="Austen, Jane",
    more=[["246", "11", "a", "Pride and prejudice"], ["765", "0 ", "t", "Mansfield Park"]],
)  # fmt: skip

ONE_WORK = {
    "editions of other years": (BUMI, book("3", "Bumi manusia", author="Toer, Pramoedya Ananta", year="2005")),
    "names written otherwise": (titled("Kemarau", author="Navis, A.A."), titled("Kemarau", author="A. A. Navis")),
    "names in full": (titled("Kemarau", author="Navis, Ali Akbar"), titled("Kemarau", author="Navis, A. A.")),
    "a name not turned": (
        titled("Sitti Nurbaya", author="Marah Rusli"), titled("Sitti Nurbaya", author="Rusli, Marah"),
    ),
    "old spelling": (
        titled("Sitti Noerbaja", author="Roesli, Marah"),
        titled("Sitti Nurbaja", author="Rusli, Marah"),
    ),
    "a subtitle or none": (titled("Bumi manusia", ["b", "sebuah roman"]), titled("Bumi manusia")),
    "an article skipped": (
        titled("The rainbow troops", author="Hirata, Andrea"), titled("Rainbow troops", author="Hirata, Andrea"),
    ),
    "a translation by its uniform title": (BUMI, EARTH),
    "a translation by a note": (
        BUMI,
        book(
            "4", "Aarde der mensen", author="Toer, Pramoedya Ananta",
            more=[["500", "  ", "a", "Judul asli: Bumi manusia."]],
        ),
    ),
    "a translation by its original-language entry": (
        BUMI,
        book("5", "Aarde der mensen", author="Toer, P. A.", more=[["765", "0 ", "t", "Bumi manusia"]]),
    ),
    "two translations of one original": (
        EARTH,
        book(
            "6", "Garten der Menschheit", author="Toer, Pramoedya Ananta",
            more=[["246", "1 ", "i", "Judul asli:", "a", "Bumi manusia"]],
        ),
    ),
    "a book and its electronic form, by ISBN": (
        BUMI,
        book("7", "Bumi manusia [e-book]", author="Pramoedya", more=[["776", "08", "z", "978-979-97312-3-4"]]),
    ),
    "a book and its reading aloud": (BUMI, with_leader(BUMI, "00000nim a2200000   4500")),
    "one scripture by its uniform title": (
        book("8", "Al-Qur'an dan terjemahnya", author="", more=[["130", "0 ", "a", "Al-Qur'an."]]),
        book("9", "The meaning of the glorious Koran", author="", more=[["130", "0 ", "a", "Qurʾān."]]),
    ),
    "nobody's book by title and publisher": (
        titled("Kaba Cindua Mato", author="", year="1960"), titled("Kaba Cindua Mato", author="", year="1980"),
    ),
    "Roman and other numbers of one volume": (
        titled("Sejarah Minangkabau", ["n", "Jilid II"]), titled("Sejarah Minangkabau", ["n", "2"]),
    ),
    "a subtitle, and the same form of literature in another country's class": (
        classed("Hujan bulan Juni", "899.2211", "sepilihan sajak"), classed("Hujan bulan Juni", "811", "poems"),
    ),
    "one subtitle and other classes": (
        classed("Manajemen pemasaran", "658.8", "analisis dan perencanaan"),
        classed("Manajemen pemasaran", "338", "analisis & perencanaan"),
    ),
    "an edition in capitals inside the title": (titled("KIMIA DASAR EDISI 4"), titled("Kimia dasar")),
    "a revised edition inside the title": (titled("KIMIA DASAR EDISI REVISI"), titled("Kimia dasar edisi keempat")),
    "an edition after a stroke": (titled("Kimia dasar / ed. 2"), titled("Kimia dasar /ed. 3")),
    "an edition in English": (titled("Basic chemistry, 2nd rev. ed."), titled("Basic chemistry")),
    "an ampersand and a word": (titled("Sejarah & budaya"), titled("Sejarah dan budaya")),
    "an ampersand and an English word": (titled("War & peace"), titled("War and peace")),
    "a volume inside the title": (titled("Kimia dasar jilid II"), titled("Kimia dasar", ["n", "Jilid 2"])),
    "volumes of one series in two editions": (
        in_series("Supernova", "3", "petir", year="2004"), in_series("Supernova", "3", "Petir", year="2012"),
    ),
    "other series of publishers": (
        titled("Pride and prejudice", author="Austen, Jane", more=[["490", "0 ", "a", "Penguin classics ;", "v", "7"]]),
        titled("Pride and prejudice", author="Austen, Jane", more=[["490", "0 ", "a", "Everyman", "v", "22"]]),
    ),
    "an original that has a subtitle, of one class": (
        classed("Bumi manusia", "899.2213", "sebuah roman"),
        classed("This earth of mankind", "899.2213", "", ["240", "10", "a", "Bumi manusia."]),
    ),
}  # fmt: skip

APART = {
    "volumes of a series": (in_series("Supernova", "1", ""), in_series("Supernova", "2", "")),
    "volumes of a series by added entry": (
        titled("Supernova", more=[["800", "1 ", "a", "Navis, A. A.", "t", "Serial Supernova ;", "v", "ke-1"]]),
        titled("Supernova", more=[["800", "1 ", "a", "Navis, A. A.", "t", "Serial Supernova ;", "v", "ke-2"]]),
    ),
    "volumes of a series without numbers": (in_series("Supernova", "", "akar"), in_series("Supernova", "", "petir")),
    "poems and a novel": (
        classed("Hujan bulan Juni", "899.2211", "sepilihan sajak"), classed("Hujan bulan Juni", "899.2213", "novel"),
    ),
    "subtitles and originals that differ": (
        classed("Rahasia", "158.1", "hukum tarik", ["240", "10", "a", "The secret"]),
        classed("Rahasia", "158.1", "kekuatan", ["240", "10", "a", "The power"]),
    ),
    "an omnibus and a part of it": (OMNIBUS, titled("Pride and prejudice", author="Austen, Jane")),
    "an omnibus by added entries and a part of it": (
        titled("Sense and sensibility", ["b", "and Pride and prejudice"], author="Austen, Jane",
               more=[["700", "12", "a", "Austen, Jane", "t", "Pride and prejudice"]]),
        titled("Pride and prejudice", author="Austen, Jane"),
    ),
    "volumes under the ISBN of their set": (
        in_series("Supernova", "1", "", more=[["020", "  ", "a", "9789799731234 (no.jil.lengkap)"]]),
        in_series("Supernova", "2", "", more=[["020", "  ", "a", "9789799731234 (no.jil.lengkap)"]]),
    ),
    "books under the ISBN of a set": (
        titled("Kemarau satu", author="", more=[["020", "  ", "a", "9789799731234", "q", "set"]]),
        titled("Kemarau dua", author="", more=[["020", "  ", "a", "9789799731234", "q", "set"]]),
    ),
    "another author": (titled("Kemarau", author="Navis, A. A."), titled("Kemarau", author="Hamid, Ismail")),
    "another volume": (titled("Sejarah", ["n", "Jilid 1"]), titled("Sejarah", ["n", "Jilid 2"])),
    "a part with a name": (titled("Tambo alam", ["p", "Adat"]), titled("Tambo alam", ["p", "Sejarah"])),
    "another year of school": (
        titled("Matematika", ["b", "untuk SMA kelas X"]), titled("Matematika", ["b", "untuk SMA kelas XI"]),
    ),
    "a title that says nothing": (titled("Himpunan puisi"), titled("Himpunan puisi")),
    "a report of each year": (
        book("1", "Laporan tahunan", author="Perpustakaan"), book("2", "Laporan tahunan", author="Perpustakaan"),
    ),
    "figures of each year": (
        book("1", "Kota Solok dalam angka", author="Badan Pusat Statistik", year="2014"),
        book("2", "Kota Solok dalam angka", author="Badan Pusat Statistik", year="2015"),
    ),
    "a serial and a book": (titled("Panji masyarakat"), with_leader(titled("Panji masyarakat"), "00000nas a2200000")),
    "a thesis and a book": (
        titled("Adat dan ulama"),
        Record(BUMI.leader, [*titled("Adat dan ulama").fields, ["502", "  ", "a", "Skripsi"]]),
    ),
    "a film of the novel": (BUMI, with_leader(BUMI, "00000ngm a2200000   4500")),
    "a sequel": (BUMI, book("2", "Anak semua bangsa", author="Toer, Pramoedya Ananta")),
    "volumes under one ISBN": (
        titled("Tafsir Al-Azhar", ["n", "Juz 1"], isbn="9789799731234"),
        titled("Tafsir Al-Azhar", ["n", "Juz 2"], isbn="9789799731234"),
    ),
    "an ISBN used twice": (titled("Kemarau", isbn="9789799731234"), titled("Masakan Padang", isbn="9789799731234")),
    "selections of works": (
        book("1", "Cerita pilihan", more=[["240", "10", "a", "Kemarau.", "k", "Selections"]]), titled("Kemarau"),
    ),
    "records that say nothing": (Record(), Record()),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_WORK)
def test_of_one_work(name: str) -> None:
    left, right = (compared_record(record) for record in ONE_WORK[name])
    likeness = compare(left, right)
    assert likeness.score > 0
    assert likeness.reasons
    assert compare(right, left) == likeness


@pytest.mark.parametrize("name", APART)
def test_apart(name: str) -> None:
    left, right = (compared_record(record) for record in APART[name])
    likeness = compare(left, right)
    assert likeness.score == 0
    assert compare(right, left) == likeness


def test_reasons_are_in_both_languages_with_the_surest_first() -> None:
    twin = book("3", "Bumi manusia", author="Toer, Pramoedya Ananta", isbn="979-9731-23-4 (jil. 1)")
    likeness = compare(compared_record(BUMI), compared_record(twin))
    assert likeness.reasons[0].id == "Pengarang dan judul sama"
    assert likeness.reasons[0].en == "Same author and title"
    against = compare(compared_record(BUMI), compared_record(titled("Bumi manusia", ["n", "2"], author="Hamka")))
    assert [reason.en for reason in against.reasons] == ["Different author", "Different volume or part"]


def test_two_signs_are_surer_than_one() -> None:
    same = book("3", "Bumi manusia", author="Toer, Pramoedya Ananta", isbn="9789799731234")
    likeness = compare(compared_record(BUMI), compared_record(book("4", "Bumi manusia", author="Toer, P.")))
    assert compare(compared_record(BUMI), compared_record(same)).score > likeness.score == 95


@pytest.mark.parametrize(
    ("name", "mark"),
    [("Navis, A.A.", "navis a"), ("Hamka", "hamka"), ("Prof. Dr. Hamka", "hamka"), ("H. Agus Salim", "salim a"),
     ("Toer, Pramoedya Ananta,", "tur p"), ("", ""), (",", "")],
)  # fmt: skip
def test_a_name_s_mark(name: str, mark: str) -> None:
    assert author_key(name, inverted=True) == mark


@pytest.mark.parametrize(("word", "form"), [("xiv", "14"), ("007", "7"), ("000", "0"), ("satu", "satu"), ("ix", "9")])
def test_numbers_in_one_form(word: str, form: str) -> None:
    assert plain_number(word) == form


def _check(number: int) -> str:
    """The check digit of a ten-digit ISBN."""
    total = sum((10 - at) * int(digit) for at, digit in enumerate(f"{number:09}"))
    return "0123456789X"[-total % 11]


def test_keys_are_few_fit_a_column_and_come_back_from_their_row() -> None:
    many = Record(BUMI.leader, [*BUMI.fields, *(["020", "  ", "a", f"{at:09}{_check(at)}"] for at in range(100))])
    keys = [key.number for key in keys_of(many.leader, by_tag(many.fields))]
    assert len(keys) == len(set(keys)) == 12
    assert all(0 <= key < 2**63 for key in keys)
    assert unpack(pack(keys)) == tuple(sorted(keys))
    assert unpack(None) == unpack(b"") == ()


def test_keys_of_a_record_are_found() -> None:
    record = book(
        "1", "The tigers of Minangkabau", author="Hadler, Jeffrey,", subjects=["Harimau"],
        more=[["490", "0 ", "a", "Seri adat ;", "v", "3"]],
    )  # fmt: skip
    record.first("245")[1] = "14"  # type: ignore[index]
    keys = record_keys_of(record)
    assert (keys.title_sort, keys.author_sort) == ("tigers of minangkabau", "hadler jeffrey")
    assert keys.headings == ("aHadler, Jeffrey", "sHarimau", "eSeri adat")
