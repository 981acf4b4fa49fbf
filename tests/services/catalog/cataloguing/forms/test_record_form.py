"""A record as values of a form, and back."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.catalog.cataloguing.faults import faults_of
from services.catalog.cataloguing.forms.definitions import FORMS, material_of
from services.catalog.cataloguing.forms.marc_text import write_line
from services.catalog.cataloguing.forms.proposals import articles_in
from services.catalog.cataloguing.forms.record_form import compose, new_record, rows_of, shown
from services.catalog.marc import iso2709
from services.catalog.marc.record import Record, is_control
from tests.builders import book
from tests.services.catalog.cataloguing.forms.whole_records import TODAY, every_record, form_of, losses, values_of
from tests.services.catalog.marc.foreign import by_yaz

OF_EACH_FILE = 4


@pytest.fixture(scope="module")
def some_records() -> list[tuple[str, Record]]:
    return list(every_record(of_each_file=OF_EACH_FILE))


def edited(record: Record, **values: str) -> Record:
    """A record after an edit; `title_3_a0` stands for `title-3-a0`."""
    names = {name.replace("_f_", "-f-"): value for name, value in values.items()}
    names = {name if "-" in name else "-".join(name.rsplit("_", 2)): value for name, value in names.items()}
    return compose(record, form_of(record), names, today=TODAY)


def line(record: Record, tag: str) -> str:
    (field,) = record.all(tag)
    return write_line(field)


def test_neither_view_loses_anything_of_a_record(some_records: list[tuple[str, Record]]) -> None:
    assert [f"{name}: {loss}" for name, record in some_records if (loss := losses(record))] == []
    assert len(some_records) > 50


def test_what_a_form_does_not_show_and_what_nobody_changes_keeps_each_character() -> None:
    record = book("N1", more=[["950", "  ", "a", "lokal "], ["500", "  ", "9", "x", "a", " Catatan\t ", "a", "lagi"]])
    place = record.fields.index(record.first("500") or [])
    after = edited(record, **{f"note-{place}-a1": "lain"})
    assert after.fields[place] == ["500", "  ", "9", "x", "a", " Catatan\t ", "a", "lain"]
    assert [field for at, field in enumerate(after.fields) if at != place] == [
        field for at, field in enumerate(record.fields) if at != place
    ]
    assert after.leader == record.leader


def test_a_cleared_row_goes_and_a_cleared_subfield_leaves_the_others() -> None:
    record = book("N1", subjects=["Surau", "Adat"])
    places = [place for place, field in enumerate(record.fields) if field[0] == "650"]
    after = edited(record, **{f"subject-{places[0]}-a0": " "})
    assert after.values("650") == ["Adat"]
    (imprint,) = (place for place, field in enumerate(record.fields) if field[0] == "264")
    assert edited(record, **{f"imprint-{imprint}-b0": ""}).first("264") == [
        "264",
        " 1",
        "a",
        "Bukittinggi :",
        "c",
        "1956",
    ]


def test_a_new_subfield_and_a_new_field_stand_where_marc_has_them() -> None:
    record = book("N1", subjects=["Surau"])
    (title,) = (place for place, field in enumerate(record.fields) if field[0] == "245")
    after = edited(record, **{f"title-{title}-c0": "A.A. Navis", f"title-{title}-b0": "cerpen", "subject-n10-a0": "Z",
                              "subject-n2-a0": "Adat", "series-n0-a0": "Seri"})  # fmt: skip
    assert line(after, "245") == "245 10 $a Robohnya surau kami $b cerpen $c A.A. Navis"
    assert [field[0] for field in after.fields] == [
        "001",
        "003",
        "008",
        "100",
        "245",
        "264",
        "490",
        "650",
        "650",
        "650",
    ]
    assert after.values("650") == ["Surau", "Adat", "Z"]


@pytest.mark.parametrize(
    ("title", "language", "characters"),
    [
        ("The old man", "eng", 4),
        ("“The old man”", "eng", 5),
        ("Theory", "eng", 0),
        ("The old man", "ind", 0),
        ("Sang Pemimpi", "ind", 0),
        ("al-Qur'an", "ara", 3),
        ("L'étranger", "fre", 2),
        ("Der Prozess", "ger", 4),
        ("The ", "eng", 0),
        ("", "eng", 0),
    ],
)
def test_initial_articles_do_not_count_in_the_order_of_titles(title: str, language: str, characters: int) -> None:
    assert articles_in(title, language) == characters


@pytest.mark.parametrize(
    ("before", "title", "after"),
    [
        ("10", "The old man", "14"),  # as proposed before, so proposed again
        ("00", "The old man", "04"),  # `0`, though the record has a main entry, is the cataloguer's
        ("12", "A storm", "12"),
        ("14", "Robo", "14"),  # the first four characters are still those that do not count
        ("14", "A storm", "12"),
    ],
)
def test_indicators_are_proposed_unless_a_cataloguer_has_set_them(before: str, title: str, after: str) -> None:
    record = book("N1", "Robohnya surau kami", language="eng")
    place = next(at for at, field in enumerate(record.fields) if field[0] == "245")
    record.fields[place] = ["245", before, "a", "Robohnya surau kami"]
    assert edited(record, **{f"title-{place}-a0": title}).fields[place] == ["245", after, "a", title]


def test_the_year_of_008_follows_the_year_of_publication_until_somebody_sets_it() -> None:
    record = book("N1", year="1956")
    (imprint,) = (place for place, field in enumerate(record.fields) if field[0] == "264")
    assert (edited(record, **{f"imprint-{imprint}-c0": "c2001."}).control("008") or "")[6:15] == "s2001    "
    typed = edited(record, **{f"imprint-{imprint}-c0": "2001", "year-f-0": "1999"})
    assert (typed.control("008") or "")[7:11] == "1999"
    fixed = record.control("008") or ""
    own = Record(
        record.leader, [["008", f"{fixed[:7]}1950{fixed[11:]}"] if f[0] == "008" else f for f in record.fields]
    )
    assert (edited(own, **{f"imprint-{imprint}-c0": "2001"}).control("008") or "")[7:11] == "1950"


def test_positions_of_008_and_the_leader_are_set_and_the_others_stay() -> None:
    record = book("N1")
    fixed = record.control("008") or ""
    after = edited(record, **{"language-f-0": "min", "audience-f-0": "j", "country-f-0": "io"})
    assert after.control("008") == f"{fixed[:22]}j{fixed[23:35]}min{fixed[38:]}"
    short = Record(record.leader, [["008", "2601"], *record.fields[3:]])
    assert edited(short).control("008") == "2601"
    assert edited(short, **{"language-f-0": "min"}).control("008") == f"2601{' ' * 31}min  "
    without = Record(record.leader, record.fields[3:])
    assert edited(without, **{"language-f-0": ""}) == without
    assert (edited(without, **{"language-f-0": "min"}).control("008") or "")[:15] == "261202nuuuuuuuu"
    film = new_record(FORMS["av"], today=TODAY)
    assert edited(film, **{"recording-f-0": "i"}).leader[6] == "i"


@pytest.mark.parametrize("material", FORMS)
def test_a_new_record_of_each_material_has_no_faults_but_its_title(material: str) -> None:
    form = FORMS[material]
    record = new_record(form, today=date(2026, 12, 2))
    typed = {"title-n0-a0": "Judul", "author-n0-a0": "Hamka", "corporate_author-n0-a0": "BPS", "imprint-n0-c0": "1938"}
    after = compose(record, form, typed, today=TODAY)
    assert list(faults_of(after)) == []
    assert [line(after, "245"), material_of(record) in (material, "book")] == ["245 10 $a Judul", True]
    assert len(after.control("008") or "") == 40
    assert (after.control("008") or "")[7:11] == "1938"
    every = {
        each.name: "x"
        for field in form.fields
        if not field.length
        for row in rows_of(record, field)
        for each in row.inputs
    }
    assert list(faults_of(compose(record, form, every, today=TODAY))) == []


TYPED = st.one_of(
    st.sampled_from(["", " ", "Navis, A. A.", "$a", "\\", "<b>", "x\n y", "\x1f\x1e\x1d", "\u202e"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
)


@settings(max_examples=120)
@given(data=st.data())
def test_an_edit_changes_what_was_typed_and_nothing_else(
    data: st.DataObject, some_records: list[tuple[str, Record]]
) -> None:
    _, record = data.draw(st.sampled_from(some_records), label="record")
    form = form_of(record)
    values = values_of(record, form)
    names = [name for name in values if "-f-" not in name]
    typed = data.draw(st.dictionaries(st.sampled_from(names), TYPED, max_size=4))
    after = compose(record, form, values | typed, today=TODAY)
    changed = {name.split("-")[1] for name, value in typed.items() if shown(value) != values[name]}
    left = [field for place, field in enumerate(record.fields) if str(place) not in changed]
    kept = [field for field in after.fields if any(field is each for each in left)]
    # The year of 008 may follow that of the publication.
    assert [field for field in kept if field[0] != "008"] == [field for field in left if field[0] != "008"]
    texts = {part for field in after.fields for part in (field[1:] if is_control(field) else field[3::2])}
    assert {shown(value) for name, value in typed.items() if shown(value)} <= {shown(text) for text in texts}
    assert compose(after, form, values_of(after, form), today=TODAY) == after


def test_yaz_reads_the_structure_of_what_a_form_writes(some_records: list[tuple[str, Record]], tmp_path: Path) -> None:
    composed: list[Any] = []
    for name, record in some_records:
        if name.startswith(("generated ", "library ")):
            form = form_of(record)
            composed.append(compose(record, form, {"title-n0-a0": "Judul", "subject-n0-a0": "Surau"}, today=TODAY))
    for form in FORMS.values():
        values = values_of(new_record(form, today=TODAY), form)
        texts = {name: value or "Négara" for name, value in values.items() if "-f-" not in name}
        composed.append(compose(new_record(form, today=TODAY), form, texts, today=TODAY))
    assert by_yaz([iso2709.encode(record) for record in composed], tmp_path) == [record.fields for record in composed]
