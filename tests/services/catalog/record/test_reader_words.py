"""Words by which readers ask for works and subjects: the file of the release, and the records that get its words."""

from __future__ import annotations

import itertools

import pytest

from services.catalog.analysis import reading_of, tokens
from services.catalog.marc.record import Field, Record
from services.catalog.record import reader_words
from services.catalog.record.index_document import document
from services.catalog.record.reader_words import parse_reader_words

MOST_WORDS = 80
LINES = [
    line
    for line in reader_words._FILE.read_text(encoding="utf-8").splitlines()
    if line.strip() and not line.startswith("#")
]


def found_words(*fields: Field) -> dict[str, set[str]]:
    """Return story, work or subject -> roots of readers' words in the index document of a record."""
    words = document(Record("00000nam a2200000   4500", list(fields)), number=1, institution="PKS")
    found: dict[str, set[str]] = {"story": set(), "work": set(), "subject": set()}
    for word in words.keywords["reader_word"]:
        kind, _, word_root = word.partition(":")
        found[kind].add(word_root)
    return found


def test_the_file_is_in_order_and_each_line_has_its_own_key_and_few_words() -> None:
    keys = [line.rpartition(": ")[0] for line in LINES]
    works = list(itertools.takewhile(lambda key: key.startswith("work: "), keys))
    assert len(works) > 1_000 < len(keys) - len(works)
    assert works == sorted(set(works))
    assert keys[len(works) :] == sorted(set(keys[len(works) :]))
    assert all(len(line.rpartition(": ")[2].split()) <= MOST_WORDS for line in LINES)
    assert all(line == line.lower() for line in LINES)


# Words that offend people when a page shows them beside a book about these people.
OFFENSIVE = {
    "idiot",
    "cacat",
    "teroris",
    "banci",
    "primitif",
    "terbelakang",
    "sesat",
    "kanibal",
    "lonte",
    "dibenci",
    "kafir",
}


def test_no_subject_has_an_offensive_word_and_no_word_is_shortened() -> None:
    for line in LINES:
        words = tokens(line.rpartition(": ")[2])
        assert not (line.startswith("subject: ") and OFFENSIVE.intersection(words)), line
        # A query reads `cewek` as perempuan, so only perempuan is found.
        assert [word for word in words if reading_of(word) != word] == [], line


def test_a_work_is_known_by_its_whole_title_and_a_word_of_its_authors_name() -> None:
    title: Field = ["245", "10", "a", "Pangeran Cilik :", "b", "dongeng /"]
    author: Field = ["100", "1 ", "a", "Saint-Exupéry, Antoine de"]
    words = found_words(author, title)
    assert {"mawar", "rubah", "gurun"} <= words["story"]
    assert "petit" in words["story"]  # a foreign word of its other titles
    assert not words["subject"]
    assert found_words(title) == {"story": set(), "work": set(), "subject": set()}
    assert not found_words(author, ["245", "10", "a", "Pangeran Cilik Kembali"])["story"]
    original: Field = ["240", "10", "a", "Le petit prince"]
    others = found_words(author, original, ["245", "10", "a", "Sang pangeran"])["story"]
    assert {"mawar", "rubah", "gurun"} <= others


def test_a_volume_has_the_words_of_its_series() -> None:
    words = found_words(
        ["100", "1 ", "a", "Blyton, Enid"],
        ["245", "10", "a", "Di Sarang Penyelundup"],
        ["490", "0 ", "a", "Lima Sekawan ;", "v", "4"],
    )
    assert {"george", "timmy"} <= words["story"]


def test_every_word_of_the_author_in_the_file_must_be_in_the_names() -> None:
    title: Field = ["245", "10", "a", "Pangeran Cilik"]
    assert found_words(["100", "1 ", "a", "Saint, Antoine"], title)["story"] == set()


def test_an_authorised_series_with_its_author_has_the_words_of_the_series() -> None:
    words = found_words(
        ["100", "1 ", "a", "Blyton, Enid"],
        ["245", "10", "a", "Di Sarang Penyelundup"],
        ["800", "1 ", "a", "Blyton, Enid.", "t", "Lima Sekawan ;", "v", "4"],
    )
    assert {"george", "timmy"} <= words["story"]


def test_years_of_a_person_do_not_count() -> None:
    plain = found_words(["600", "14", "a", "Hatta, Mohammad"])
    assert plain["subject"]
    assert found_words(["600", "14", "a", "Hatta, Mohammad,", "d", "1902-1980"]) == plain


def test_the_year_of_an_event_counts() -> None:
    events = [
        found_words(["650", " 4", "a", heading])["subject"] for heading in ("Peristiwa 1965", "Pemberontakan 1927")
    ]
    assert all(events)
    assert not found_words(["650", " 4", "a", "Peristiwa"])["subject"]
    assert not found_words(["650", " 4", "a", "Pemberontakan"])["subject"]


def test_a_comic_and_a_work_without_a_class_are_stories() -> None:
    author: Field = ["100", "1 ", "a", "Saint-Exupéry, Antoine de"]
    title: Field = ["245", "10", "a", "Pangeran Cilik"]
    for number in ("741.5", "398.2", "843"):
        assert found_words(author, title, ["082", "04", "a", number])["story"]
    assert found_words(author, title)["story"]
    assert found_words(author, title, ["082", "04", "a", "520"])["work"]


@pytest.mark.parametrize("heading", [["a", "Perantauan"], ["a", "Perantauan", "z", "Sumatera Barat"]])
def test_a_subject_brings_its_words_also_with_subdivisions(heading: list[str]) -> None:
    words = found_words(["245", "10", "a", "Pergi"], ["650", " 4", *heading])
    assert {"mudik", "nafkah"} <= words["subject"]
    assert not words["story"] | words["work"]


def test_names_and_headings_are_read_in_any_order_and_form() -> None:
    entries = parse_reader_words(["# ours", "", "subject: mohammad hatta | bung hatta: koperasi, proklamator"])
    assert entries.subjects == {
        ("hatta", "mohammad"): ["koperasi, proklamator"],
        ("bung", "hatta"): ["koperasi, proklamator"],
    }
    entries = parse_reader_words(["work: gadis: pantai / toer: pembantu"])
    assert list(entries.works) == ["gadis pantai"]


@pytest.mark.parametrize(
    "line", ["pangeran cilik: mawar", "work: pangeran cilik", "author: navis: surau", "subject: x: "]
)
def test_a_line_that_is_no_statement_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2 is not a statement"):
        parse_reader_words(["", line])
