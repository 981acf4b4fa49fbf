"""The sample library: its files are sound, and become sound MARC."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from services.catalog import sample
from services.catalog.analysis.identifiers import isbn13
from services.catalog.marc import iso2709, marcjson, marcxml
from services.catalog.marc.record import Record
from services.catalog.sample.books_toml import Book, Copies, Name, books, read_file
from services.catalog.sample.marc_records import LANGUAGES, call_number, nonfiling

THIS_YEAR = 2026
DDC = re.compile(r"\d{3}(\.\d+)?|2X\d(\.\d+)?")
MINANGKABAU = re.compile(r"minang|padang|singkarak|padri|kaba\b|sumatera barat|surau", re.IGNORECASE)


def every_record() -> list[Record]:
    return [record for source, _ in sample.sources() for record in sample.records(source)]


def branches() -> set[tuple[str, str]]:
    data = tomllib.loads(sample.institutions_path().read_text(encoding="utf-8"))
    return {
        (institution["code"], branch["code"]) for institution in data["institution"] for branch in institution["branch"]
    }


def check_digit_is_right(isbn: str) -> bool:
    digits = [10 if character == "X" else int(character) for character in isbn.replace("-", "")]
    if len(digits) == 10:
        return sum(weight * digit for weight, digit in zip(range(10, 0, -1), digits, strict=True)) % 11 == 0
    return len(digits) == 13 and sum(digit * (1, 3)[place % 2] for place, digit in enumerate(digits)) % 10 == 0


def book(**fields: object) -> Book:
    values: dict[str, object] = {
        "number": 1, "title": "Merantau", "ddc": "304.8", "language": "ind", "audience": "umum",
        "collection": "sirkulasi", "copies": (Copies("PKS", "PST", 1),), "by": (Name("Naim, Mochtar"),),
    }  # fmt: skip
    return Book(**(values | fields))  # type: ignore[arg-type]


def test_there_are_at_least_five_hundred_and_twenty_books():
    assert len(books()) >= 520


def test_at_least_a_hundred_and_twenty_have_a_summary():
    assert sum(bool(book.summary) for book in books()) >= 120


def test_at_least_a_hundred_are_about_minangkabau_or_from_it():
    def is_minangkabau(sample_book: Book) -> bool:
        words = (sample_book.title, sample_book.subtitle, *sample_book.subjects, *sample_book.places)
        return sample_book.collection == "lokal" or bool(MINANGKABAU.search(" ".join(words)))

    assert sum(map(is_minangkabau, books())) >= 100


def test_every_main_class_of_ddc_is_there():
    classes = {"200" if book.ddc.startswith("2X") else f"{book.ddc[0]}00" for book in books()}
    assert classes == {f"{digit}00" for digit in range(10)}


def test_no_number_is_given_twice_though_files_grow():
    assert [number for number, times in Counter(book.number for book in books()).items() if times > 1] == []


def test_every_isbn_has_the_right_check_digit():
    assert [book.isbn for book in books() if book.isbn and not check_digit_is_right(book.isbn)] == []


def test_no_isbn_names_two_books():
    assert [isbn for isbn, times in Counter(book.isbn for book in books() if book.isbn).items() if times > 1] == []


def test_every_year_is_unknown_or_plausible():
    assert [(book.title, book.year) for book in books() if book.year and not 1700 <= book.year <= THIS_YEAR] == []


def test_every_class_is_well_formed():
    assert [(book.title, book.ddc) for book in books() if not DDC.fullmatch(book.ddc)] == []


def test_every_language_is_one_of_iso_639_2_b():
    languages = {book.language for book in books()} | {
        book.original_language for book in books() if book.original_language
    }
    assert languages <= LANGUAGES.keys()


def test_no_book_is_written_down_twice():
    keys = Counter(
        (book.title.lower(), book.part, book.subtitle.lower(), book.by, book.publisher, book.year) for book in books()
    )
    assert [key for key, times in keys.items() if times > 1] == []


def test_a_summary_is_at_most_two_sentences_and_ends_as_one():
    def sentences(text: str) -> int:
        return len(re.findall(r"[.!?]\"?(?= [A-Z\"]|$)", re.sub(r"\b(Dr|H|K|A|R|M|S)\.", r"\1", text)))

    wrong = [book.title for book in books() if book.summary and sentences(book.summary) not in (1, 2)]
    assert wrong == []


def test_every_text_is_trimmed_and_without_doubled_spaces():
    texts = [text for book in books() for text in (book.title, book.subtitle, book.publisher, book.place, book.summary)]
    assert [text for text in texts if text != " ".join(text.split())] == []


def test_a_book_that_is_written_wrongly_is_named(tmp_path: Path):
    (tmp_path / "a.toml").write_text('first = 1\n[[book]]\ntitle = "Kaba"\npublishr = "Balai Pustaka"\n', "utf-8")
    with pytest.raises(ValueError, match=r"a\.toml: Kaba: unknown: publishr"):
        list(read_file(tmp_path / "a.toml"))


def test_every_copy_is_at_a_branch_of_the_institutions_file():
    branches_of_copies = {(copies.institution, copies.branch) for book in books() for copies in book.copies}
    assert branches_of_copies == branches()


def test_the_city_has_three_branches_and_two_partners_have_one_each():
    per_institution = Counter(institution for institution, _ in branches())
    assert sorted(per_institution.values()) == [1, 1, 3]
    assert {institution for _, institution in sample.sources()} == per_institution.keys()


def test_no_barcode_is_used_twice():
    barcodes = [value for record in every_record() for value in record.values("852", "p")]
    assert len(barcodes) == len(set(barcodes))
    assert all(re.fullmatch(r"[A-Z]{2}\d{7}", barcode) for barcode in barcodes)


def test_the_same_records_come_out_every_time():
    assert every_record() == every_record()


def test_every_record_of_a_source_has_its_own_copies_only():
    for source, institution in sample.sources():
        for record in sample.records(source):
            assert set(record.values("852", "a")) == {institution}


def test_each_record_has_its_own_control_number():
    for source, _ in sample.sources():
        keys = [record.control_key() for record in sample.records(source)]
        assert len(keys) == len(set(keys))


@pytest.mark.parametrize("codec", [iso2709, marcxml, marcjson], ids=["iso2709", "marcxml", "json"])
def test_every_record_comes_back_as_it_was_written(codec):
    for record in every_record():
        decoded = codec.decode(codec.encode(record))
        assert decoded.record is not None
        assert decoded.record.fingerprint() == record.fingerprint()


def test_fixed_fields_have_the_length_marc_gives_them():
    for record in every_record():
        assert len(record.leader) == 24
        assert len(record.control("008") or "") == 40
        assert (record.control("007") is None) or len(record.control("007") or "") == 9


def test_the_title_field_counts_an_article_out_of_filing():
    cases = [("The Religion of Java", "eng", 4), ("A Road with No End", "eng", 2), ("Anak Rantau", "ind", 0)]
    assert [nonfiling(title, language) for title, language, _ in cases] == [skip for *_, skip in cases]


def test_a_call_number_has_prefix_class_three_letters_and_one():
    assert call_number(book()) == ("", "304.8", "NAI m")
    assert call_number(book(collection="referensi")) == ("R", "304.8", "NAI m")
    assert call_number(book(ddc="899.2213", genre="Novel", by=(Name("Hamka"),))) == ("F", "899.2213", "HAM m")


def test_a_book_that_only_has_an_editor_is_filed_under_its_title():
    edited_book = book(title="The Kaba", language="eng", by=(Name("Jassin, H. B.", "ed"),))
    assert call_number(edited_book)[2] == "KAB k"


def test_salah_asuhan_is_catalogued_by_the_rules():
    record = next(record for record in sample.records("PKS") if record.text("245", "a") == "Salah Asuhan /")
    assert record.first("100") == ["100", "1 ", "a", "Moeis, Abdoel,", "e", "pengarang.", "4", "aut"]
    assert record.first("245") == ["245", "10", "a", "Salah Asuhan /", "c", "Abdoel Moeis."]
    assert record.text("264", "c") == "1928"
    assert (record.control("008") or "")[35:38] == "ind"
    assert "Minangkabau" in record.texts("651", "a")


def test_a_translation_names_its_original_and_both_languages():
    record = next(record for record in sample.records("PKS") if record.text("245", "a") == "Pangeran Cilik /")
    assert record.texts("041", "ah") == ["ind fre"]
    assert record.text("240", "a") == "Le petit prince."
    assert record.texts("700", "ae") == ["Chambert-Loir, Henri, penerjemah."]


def test_the_box_has_books_of_this_library_of_others_and_of_none():
    box = sample.box()
    assert (len(box.books), sum(book.items for book in box.books)) == (12, 30)
    assert Counter(book.at for book in box.books) == {"PKS": 4, "UMMY": 3, "": 5}
    owners = {
        isbn13(book.isbn): {copies.institution for copies in book.copies} for book in books() if isbn13(book.isbn)
    }
    for book in box.books:
        assert check_digit_is_right(book.isbn), book
        assert owners.get(isbn13(book.isbn), set()) == ({book.at} if book.at else set()), book
