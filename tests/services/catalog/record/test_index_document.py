"""The index document of a record."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.items.parsing import items_of
from services.catalog.marc.record import Field, Record
from services.catalog.record.brief import brief
from services.catalog.record.display import display
from services.catalog.record.holdings import ItemFacts, holdings
from services.catalog.record.index_document import FACETS, KEYWORDS, START, TEXT_FIELDS, Document, document
from tests import corpus


def indexed(*fields: Field, items: tuple[ItemFacts, ...] = (), leader: str = "00000nam a2200000   4500") -> Document:
    return document(Record(leader, list(fields)), number=1, institution="PKS", items=items)


def words(document: Document, field: str) -> set[str]:
    return set(document.text[field].split()) - {START}


def test_every_field_begins_with_the_constant_token_empty_ones_too() -> None:
    indexed_document = indexed()
    assert set(indexed_document.text) == set(TEXT_FIELDS)
    assert set(indexed_document.text.values()) == {START}
    assert set(indexed_document.facets) == set(FACETS)
    assert set(indexed_document.keywords) == set(KEYWORDS)


def test_words_are_in_the_field_of_their_source() -> None:
    indexed_document = indexed(
        ["008", "260101s1956    io            000 1 ind d"],
        ["100", "1 ", "a", "Navis, A. A.", "e", "pengarang"],
        ["245", "10", "a", "Robohnya surau kami :", "b", "cerpen /", "c", "oleh Ali Akbar"],
        ["246", "3 ", "a", "Surau roboh"],
        ["260", "  ", "a", "Bukittinggi", "b", "Nusantara"],
        ["490", "0 ", "a", "Seri sastra"],
        ["520", "  ", "a", "Kakek penjaga"],
        ["650", " 4", "a", "Kesusastraan", "z", "Sumatra"],
        ["700", "1 ", "a", "Hamka", "t", "Tasawuf"],
        ["999", "  ", "a", "rahasia"],
    )
    assert {"robohnya", "surau", "cerpen", "roboh", "tasawuf"} <= words(indexed_document, "title")
    assert {"navis", "ali", "akbar", "hamka"} <= words(indexed_document, "author")
    assert words(indexed_document, "subject") == {"kesusastraan", "sumatra"}
    assert {"nusantara", "seri", "kakek", "navis", "surau"} <= words(indexed_document, "text")
    assert not any(
        "rahasia" in words(indexed_document, field) or "pengarang" in words(indexed_document, field)
        for field in TEXT_FIELDS
    )


def test_words_in_another_script_are_found_where_their_field_belongs() -> None:
    indexed_document = indexed(
        ["245", "10", "6", "880-01", "a", "Tafsir"],
        ["880", "10", "6", "245-01/(3/r", "a", "تفسير"],
        ["880", "1 ", "6", "100-02/(3/r", "a", "همكا"],
    )
    assert "تفسير" in words(indexed_document, "title")
    assert "همكا" in words(indexed_document, "author")


def test_a_root_is_repeated_by_the_weight_of_its_field() -> None:
    indexed_document = indexed(
        ["245", "10", "a", "Penulisan surau"],
        ["650", " 4", "a", "Surau"],
        ["520", "  ", "a", "Penulis dan kakek penulis"],
    )
    counts = Counter(indexed_document.text["any"].split())
    assert (counts["surau"], counts["tulis"], counts["kakek"]) == (5 + 3, 4 + 1, 2)
    assert counts["#surau"] == counts["surau"]
    assert {"#pen", "#penulisan", "#tul", "#tulis", "t=surau", "t=tulis", "s=surau", "#kakek"} <= set(counts)
    assert not {"#kak", "s=tulis", "penulisan"} & set(counts)


def test_series_publishers_initials_and_old_spelling_are_found() -> None:
    indexed_document = indexed(
        ["100", "1 ", "a", "Alisjahbana, Sutan Takdir,", "d", "1908-1994"],
        ["245", "10", "a", "Tjerita Hari Raja /", "c", "S. T. Alisjahbana ; H.B. Jassin"],
        ["260", "  ", "b", "Balai Poestaka"],
        ["490", "0 ", "a", "Seri sastra"],
    )
    assert {"cerita", "raja", "raya", "st", "hb", "s", "t", "e=sastra", "p=pustaka", "p=balai"} <= words(
        indexed_document, "any"
    )
    assert indexed_document.keywords["name"] == ("alisyahbana sutan takdir",)


def test_no_phrase_reaches_from_one_kind_of_words_into_another() -> None:
    indexed_document = indexed(["100", "1 ", "a", "Hamka"], ["245", "10", "a", "Tasawuf"], ["520", "  ", "a", "Modern"])
    assert indexed_document.text["text"] == "^ tasawuf | hamka | modern |"


def test_items_make_facets_and_identifiers() -> None:
    indexed_document = indexed(
        items=(
            ItemFacts(barcode="00-12", branch="PST", collection="local", call_number="F 813 NAV r"),
            ItemFacts(institution="UMMY", branch="KPS", status="in_repair", material="video"),
            ItemFacts(branch="TJH", status="withdrawn"),
        )
    )
    assert indexed_document.facets["availability"] == ("can_be_borrowed",)
    assert indexed_document.facets["branch"] == ("PKS/PST", "UMMY/KPS")
    assert indexed_document.facets["institution"] == ("PKS", "UMMY")
    assert indexed_document.facets["collection"] == ("local",)
    assert indexed_document.facets["material"] == ("book", "video")
    assert indexed_document.keywords["identifier"] == ("0012", "f813navr", "813navr")


def test_nothing_is_available_that_is_only_read_here() -> None:
    assert indexed(items=(ItemFacts(branch="PST", collection="reference"),)).facets["availability"] == ()


@pytest.mark.parametrize(
    ("number", "classes"),
    [("899.2213", ("800",)), ("2X4.1", ("200", "2X")), ("[Fic]", ()), ("297", ("200",)), ("", ())],
)
def test_a_class_counts_under_its_main_class(number: str, classes: tuple[str, ...]) -> None:
    assert indexed(["082", "04", "a", number]).facets["ddc"] == classes


@pytest.mark.parametrize(
    ("fields", "audience"),
    [
        ([["008", "260101s2000    io     j      000 0 ind d"]], ("child",)),
        ([["008", "260101s2000    io     d      000 0 ind d"]], ("teen",)),
        ([["521", "  ", "a", "Remaja 12-15 tahun"]], ("teen",)),
        ([["521", "  ", "a", "Untuk anak SD"]], ("child",)),
        ([], ()),
    ],
)
def test_the_audience_is_read_from_008_or_521(fields: list[Field], audience: tuple[str, ...]) -> None:
    assert indexed(*fields).facets["audience"] == audience


def test_sorting_skips_what_the_indicator_says() -> None:
    assert indexed(["245", "14", "a", "The Óbor /"]).title_sort == "obor"
    assert indexed(["245", "1x", "a", "The Obor"]).title_sort == "the obor"
    assert indexed(["245", "19", "a", "Pendek"]).title_sort == "pendek"


def test_isbns_are_kept_as_thirteen_digits_wrong_ones_as_written() -> None:
    indexed_document = indexed(
        ["020", "  ", "a", "602-8811-30-0 (jil. 1)", "z", "0306406152"], ["020", "  ", "a", "9794331119"]
    )
    assert indexed_document.keywords["isbn"] == ("9786028811309", "9794331119", "9780306406157")


def everything(record: Record) -> Document:
    items = items_of(record)
    brief(record)
    display(record)
    holdings(items)
    return document(record, number=1, institution="X", items=items)


AS_MANY_AS = {("own", "sound"): 1_500, ("own", "damaged"): 100, ("real", "sound"): 5_902, ("real", "damaged"): 100}


@pytest.mark.parametrize("kind", ["sound", "damaged"])
@pytest.mark.parametrize("records", corpus.sets())
def test_every_record_that_loads_has_a_document(records: str, kind: str) -> None:
    count = 0
    for record in corpus.loaded(records, sound=kind == "sound", damaged=kind == "damaged"):
        indexed_document = everything(record)
        assert all(value.split(" ")[0] == START for value in indexed_document.text.values())
        assert all(len(values) == len(set(values)) for values in indexed_document.facets.values())
        count += 1
    assert count >= AS_MANY_AS[records, kind]


TAGS = st.one_of(
    st.sampled_from(["001", "008", "020", "041", "082", "100", "245", "264", "300", "490", "520", "521", "650", "653"]),
    st.sampled_from(["700", "852", "856", "876", "880", "952", "999", "", "24"]),
)
VALUES = st.one_of(
    st.text(max_size=12), st.sampled_from(["245-01", "9786028811309", "PST", "-1", "1956", "javascript:x"])
)
SUBFIELDS = st.lists(st.tuples(st.sampled_from([*"0123456789abcdehijknoptuvxyz", ""]), VALUES), min_size=1, max_size=5)
FIELDS = st.one_of(
    st.tuples(TAGS, VALUES).map(list),
    st.tuples(TAGS, st.text(min_size=2, max_size=2), SUBFIELDS).map(
        lambda made: [made[0], made[1], *(text for pair in made[2] for text in pair)]
    ),
)


@given(st.text(max_size=24), st.lists(FIELDS, max_size=12))
def test_no_record_is_too_strange(leader: str, fields: list[Field]) -> None:
    record = Record(leader, fields)
    assert everything(record) == everything(record)
