"""Call numbers are proposed from the class, the main entry and the title, with their neighbours on the shelf."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.context import Context
from chassis.database.db import Database
from services.catalog.cataloguing.call_number_proposals import call_number_of, propose
from services.catalog.marc.record import by_tag
from services.catalog.record.call_numbers import parse
from tests.services.catalog.items.test_added_items import add, record_id
from tests.services.catalog.items.test_edits import caller

__all__ = ["caller"]
WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=12)


@pytest.mark.parametrize(
    ("fields", "prefix", "call_number"),
    [
        ([["082", "04", "a", "899.221 3"], ["100", "1 ", "a", "Navis, A. A."], ["245", "10", "a", "Robohnya"]], "",
         "899.221 3 NAV r"),
        ([["082", "04", "a", "297"], ["100", "1 ", "a", "D'Arcy, P."], ["245", "14", "a", "The Minangkabau"]], "R",
         "R 297 DAR m"),
        ([["082", "04", "a", "030"], ["245", "03", "a", "An Encyclopedia"]], "R", "R 030 ENC e"),
        ([["100", "1 ", "a", "Éluard, Paul"], ["245", "10", "a", "Ünder"]], "", "ELU u"),
        ([["245", "19", "a", "Kaba"]], "", "KAB k"),
        ([["100", "1 ", "a", "\u02bbAbd al-Malik"], ["245", "10", "a", "\u02bbUmdat"]], "F", "F ABD u"),
        ([["500", "  ", "a", "Tanpa judul"]], "R", ""),
    ],
)  # fmt: skip
def test_a_call_number_has_prefix_class_main_entry_and_title(
    fields: list[list[str]], prefix: str, call_number: str
) -> None:
    assert call_number_of(by_tag(fields), prefix=prefix) == call_number


@given(st.integers(100, 999), WORDS, WORDS, st.sampled_from(["", "the ", "sang "]))
def test_a_proposal_is_read_back_in_its_parts(number: int, author: str, title: str, article: str) -> None:
    fields = [
        ["082", "04", "a", str(number)],
        ["100", "1 ", "a", author.capitalize()],
        ["245", f"1{len(article)}", "a", article + title],
    ]
    parts = parse(call_number_of(by_tag(fields)))
    assert (parts.class_number, parts.author_mark) == (str(number), author[:3].upper())
    assert (parts.title_mark, parts.rest) == (title[0], "")


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from("0123456789 x"))
def test_any_text_gives_a_proposal_without_blanks_at_its_ends(author: str, title: str, skipped: str) -> None:
    call_number = call_number_of(by_tag([["100", "1 ", "a", author], ["245", f"1{skipped}", "a", title]]))
    assert call_number == call_number.strip()
    assert len(call_number) < 20


def test_the_neighbours_on_the_shelf_of_a_branch_are_named(database: Database, caller: Context) -> None:
    record = record_id(database, caller)
    for call_number in ("001 AAA a", "999 ZZZ z"):
        add(database, caller, call_number=call_number)
    with database.reading(caller) as session:
        proposal = propose(session, record, branch="PKS/PST", collection="", context=caller)
        prefixed = propose(session, record, branch="PKS/PST", collection="reference", context=caller)
    shelf = ["001 AAA a", "899.221 NAV r", "999 ZZZ z"]
    assert (proposal.call_number, proposal.before, proposal.after) == ("NAV r", [], shelf)  # the record has no class
    assert (prefixed.call_number, prefixed.before, prefixed.after) == ("R NAV r", shelf, [])


def test_fiction_reference_and_other_shelves_have_prefixes(database: Database, caller: Context) -> None:
    record = record_id(database, caller)
    with database.reading(caller) as session:
        proposals = {
            collection: propose(session, record, branch="", collection=collection, context=caller).call_number
            for collection in ("", "fiction", "reference", "children", "thesis")
        }
    usual = proposals.pop("")
    assert proposals == {
        "fiction": f"F {usual}",
        "reference": f"R {usual}",
        "children": f"A {usual}",
        "thesis": f"SKR {usual}",
    }
