"""Two cataloguers edit one record."""

from __future__ import annotations

from services.catalog.cataloguing.forms.editing import merge
from services.catalog.marc.record import Field, Record
from tests.builders import book

BASE = book("N1", subjects=["Surau", "Adat"])


def changed(*, without: tuple[Field, ...] = (), added: tuple[Field, ...] = (), **tags: Field) -> Record:
    """The base with other fields, by their tag; `_245` for 245."""
    fields = [tags.get(f"_{field[0]}", field) for field in BASE.fields if field not in without]
    return Record(BASE.leader, [*fields, *added])


def test_changes_of_different_fields_are_put_together() -> None:
    mine = changed(_245=["245", "10", "a", "Judul saya"], without=(["650", " 4", "a", "Surau"],))
    theirs = changed(_100=["100", "1 ", "a", "Navis"], added=(["700", "1 ", "a", "Lain"],))
    merged = merge(BASE, mine, theirs)
    assert merged.text("245") == "Judul saya"
    assert merged.text("100") == "Navis"
    assert merged.text("700") == "Lain"
    assert merged.values("650") == ["Adat"]


def test_where_both_changed_a_field_mine_is_kept() -> None:
    mine = changed(_245=["245", "10", "a", "Judul saya"])
    theirs = changed(_245=["245", "10", "a", "Judul mereka"])
    assert merge(BASE, mine, theirs).values("245") == ["Judul saya"]
    assert merge(BASE, mine, changed(without=(["245", "10", "a", "Robohnya surau kami"],))).values("245") == [
        "Judul saya"
    ]


def test_additions_of_both_are_kept_and_the_same_one_once() -> None:
    mine = changed(added=(["700", "1 ", "a", "Satu"], ["700", "1 ", "a", "Sama"]))
    theirs = changed(added=(["700", "1 ", "a", "Dua"], ["700", "1 ", "a", "Sama"]))
    assert sorted(merge(BASE, mine, theirs).values("700")) == ["Dua", "Sama", "Satu"]


def test_a_field_that_one_removed_and_the_other_changed_stays() -> None:
    title = ["245", "10", "a", "Robohnya surau kami"]
    theirs = changed(_245=["245", "10", "a", "Judul mereka"])
    assert merge(BASE, changed(without=(title,)), theirs).values("245") == ["Judul mereka"]


def test_positions_of_008_and_the_leader_are_put_together() -> None:
    fixed = BASE.control("008") or ""
    mine = changed(_008=["008", f"{fixed[:35]}min{fixed[38:]}"])
    theirs = changed(_008=["008", f"{fixed[:22]}j{fixed[23:]}"])
    theirs.leader = f"{BASE.leader[:6]}c{BASE.leader[7:]}"
    merged = merge(BASE, mine, theirs)
    assert merged.control("008") == f"{fixed[:22]}j{fixed[23:35]}min{fixed[38:]}"
    assert merged.leader == theirs.leader


def test_an_edit_of_what_nobody_else_changed_is_that_edit() -> None:
    mine = changed(_245=["245", "10", "a", "Judul saya"])
    assert merge(BASE, mine, BASE) == mine
    assert merge(BASE, BASE, mine) == mine
