"""Drafts of an account, and templates of an institution: stored, bounded, and seen by nobody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from chassis import clock
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.errors import Error, Invalid, NotFound, Outdated, Refused
from chassis.ids import new_id
from services.catalog.cataloguing import drafts, templates
from services.catalog.cataloguing.drafts import KEPT, MOST_DRAFTS, NEW
from services.catalog.tables import Draft
from tests.builders import book
from tests.services.catalog.cataloguing.conftest import Cataloguer

TEXT = "LDR 00000nam#a2200000#i#4500\n001 x1\n245 00 $a\n650 #4 $a Fiksi Indonesia\n952 ## $p B1"


def save(cataloguer: Cataloguer, place: str, context: Context | None = None, **values: str) -> None:
    caller = context or cataloguer.context
    with cataloguer.database.transaction(caller) as session:
        drafts.save_draft(session, place, title="Judul", values=values, context=caller)


def get(cataloguer: Cataloguer, place: str, context: Context | None = None) -> dict[str, str]:
    caller = context or cataloguer.context
    with cataloguer.database.reading(caller) as session:
        return dict(drafts.get_draft(session, place, context=caller).values)


def places(cataloguer: Cataloguer) -> list[str]:
    with cataloguer.database.reading(cataloguer.context) as session:
        return [draft.place for draft in drafts.list_drafts(session, context=cataloguer.context)]


def test_a_draft_is_kept_for_its_account_and_record_until_it_is_deleted(cataloguer: Cataloguer, imported: Any) -> None:
    save(cataloguer, str(imported), text="a")
    save(cataloguer, str(imported).upper(), text="245 10 $a Kémarau")
    save(cataloguer, NEW, text="b")
    assert get(cataloguer, str(imported)) == {"text": "245 10 $a Kémarau"}
    assert places(cataloguer) == [NEW, str(imported)]
    colleague = replace(cataloguer.context, actor="account-2")
    with pytest.raises(NotFound, match="DRAFT_NOT_FOUND"):
        get(cataloguer, NEW, colleague)
    save(cataloguer, NEW, colleague, text="c")
    for _ in range(2):
        with cataloguer.database.transaction(cataloguer.context) as session:
            drafts.delete_draft(session, NEW, context=cataloguer.context)
    assert places(cataloguer) == [str(imported)]
    assert get(cataloguer, NEW, colleague) == {"text": "c"}


def test_a_draft_needs_a_record_of_the_institution_and_a_bounded_text(cataloguer: Cataloguer) -> None:
    with pytest.raises(NotFound, match="RECORD_UNKNOWN"):
        save(cataloguer, str(new_id()), text="a")
    with pytest.raises(NotFound, match="RECORD_UNKNOWN"):
        save(cataloguer, "../x", text="a")
    with pytest.raises(Invalid, match="DRAFT_TOO_LARGE"):
        save(cataloguer, NEW, text="é" * 40_000)
    assert places(cataloguer) == []


def test_the_oldest_of_too_many_drafts_goes_and_so_does_one_of_a_month_ago(cataloguer: Cataloguer) -> None:
    saved = [cataloguer.create(book(f"draft-{number}")) for number in range(MOST_DRAFTS + 1)]
    started = clock.now()
    for number, record in enumerate(saved):
        with clock.frozen(started + timedelta(seconds=number)):
            save(cataloguer, str(record.id), text="a")
    assert places(cataloguer) == [str(record.id) for record in reversed(saved[1:])]
    with clock.frozen(started + KEPT + timedelta(seconds=MOST_DRAFTS)):
        assert places(cataloguer) == [str(saved[-1].id)]
        save(cataloguer, NEW, text="b")
    with cataloguer.database.reading(system("test")) as session:
        assert session.scalar(select(func.count()).select_from(Draft)) == 2


def create(database: Database, context: Context, name: str, text: str = TEXT) -> templates.SavedTemplate:
    with database.transaction(context) as session:
        return templates.create_template(session, name=name, material="book", text=text, context=context)


def test_a_template_is_a_record_without_control_numbers_and_items(cataloguer: Cataloguer) -> None:
    database, context = cataloguer.database, cataloguer.context
    template = create(database, context, "  Novel   Indonesia ")
    assert (template.name, template.version) == ("Novel Indonesia", 1)
    assert template.text == "LDR 00000nam#a2200000#i#4500\n245 00 $a\n650 #4 $a Fiksi Indonesia"
    with pytest.raises(Refused, match="TEMPLATE_NAME_TAKEN"):
        create(database, context, "Novel Indonesia")
    with database.reading(context) as session:
        assert templates.list_templates(session, context=context) == [template]
    stranger = Context(institution=str(new_id()), actor="account-9")
    with database.reading(stranger) as session:
        assert templates.list_templates(session, context=stranger) == []
        with pytest.raises(NotFound, match="TEMPLATE_NOT_FOUND"):
            templates.get_template(session, str(template.id), context=stranger)


def test_a_template_is_replaced_and_deleted_at_its_version(cataloguer: Cataloguer) -> None:
    database, context = cataloguer.database, cataloguer.context
    template_id, other = str(create(database, context, "Novel").id), create(database, context, "Skripsi")

    def replaced(version: int, **values: str) -> templates.SavedTemplate:
        given = {"name": "Novel", "material": "book", "text": TEXT} | values
        with database.transaction(context) as session:
            return templates.replace_template(session, template_id, version, **given, context=context)

    assert replaced(1, text=f"{TEXT}\n500 ## $a Catatan").version == 2
    with pytest.raises(Outdated, match="VERSION_OUTDATED"):
        replaced(1)
    with pytest.raises(Refused, match="TEMPLATE_NAME_TAKEN"):
        replaced(2, name=other.name)
    with database.transaction(context) as session:
        templates.delete_template(session, template_id, 2, context=context)
    with pytest.raises(NotFound, match="TEMPLATE_NOT_FOUND"):
        replaced(2)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"name": " "}, "TEMPLATE_NAME_INVALID"),
        ({"name": "x" * 101}, "TEMPLATE_NAME_INVALID"),
        ({"material": "cd"}, "MATERIAL_UNKNOWN"),
        ({"text": "LDR 00000nam#a2200000#i#4500\nno field"}, "TEMPLATE_INVALID"),
        ({"text": "x" * 70_000}, "TEMPLATE_TOO_LARGE"),
    ],
)
def test_a_template_that_is_none_is_refused(cataloguer: Cataloguer, values: dict[str, str], reason: str) -> None:
    given = {"name": "Novel", "material": "book", "text": TEXT} | values
    with pytest.raises(Error, match=reason), cataloguer.database.transaction(cataloguer.context) as session:
        templates.create_template(session, **given, context=cataloguer.context)
