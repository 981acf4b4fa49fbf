"""Offers of imports: compared field by field, taken in whole or in part, or refused."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from chassis.errors import NotFound, Outdated, Refused
from services.catalog.cataloguing.offers import Offer, get_offer, list_offers, refuse_offer, take_offer
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import Record
from tests.builders import book
from tests.services.catalog.cataloguing.conftest import Cataloguer, titled
from tests.services.catalog.conftest import Importer

BROUGHT = book("1", "Kemarau: roman", items=[("PST", "A"), ("PST", "B")], subjects=["Novel", "Minangkabau"])


@pytest.fixture
def offered(cataloguer: Cataloguer, imported: UUID, import_: Importer) -> Offer:
    """The offer of an import for a record whose title was edited here."""
    base = titled(cataloguer.content(imported), "Kemarau panjang")
    cataloguer.save(imported, 1, Marc(base.leader, [*base.fields, ["650", " 4", "a", "Roman"]]))
    import_([BROUGHT])
    (offer,), cursor = listed(cataloguer)
    assert (offer.record_id, offer.title, cursor) == (imported, "Kemarau panjang", "")
    return offer


def listed(cataloguer: Cataloguer) -> tuple[list[Offer], str]:
    with cataloguer.database.reading(cataloguer.context) as session:
        return list_offers(session, cursor="", limit=0, context=cataloguer.context)


def act(cataloguer: Cataloguer, do: Any, *values: Any, **named: Any) -> Any:
    with cataloguer.database.transaction(cataloguer.context) as session:
        return do(session, *values, **named, context=cataloguer.context)


def test_an_offer_is_compared_field_by_field(offered: Offer) -> None:
    changes = {(change.tag, change.before, change.after) for change in offered.differences}
    assert ("245", "245 10 $aKemarau panjang", "245 10 $aKemarau: roman") in changes
    assert ("650", "", "650 #4 $aNovel") in changes
    assert ("650", "650 #4 $aRoman", "") in changes


def test_chosen_fields_are_taken_and_the_offer_is_closed(
    cataloguer: Cataloguer, imported: UUID, offered: Offer, import_: Importer
) -> None:
    chosen = [change.id for change in offered.differences if change.after == "650 #4 $aNovel"]
    saved = act(cataloguer, take_offer, str(offered.id), chosen, version=2)
    content = cataloguer.content(imported)
    assert (saved.version, cataloguer.versions(imported)[0].act) == (3, "take")
    assert content.text("245") == "Kemarau panjang"
    assert sorted(content.texts("650")) == ["Novel", "Roman"]
    assert listed(cataloguer)[0] == []
    import_([BROUGHT])
    assert listed(cataloguer)[0] == []  # the same is not offered again


def test_a_whole_offer_is_taken(cataloguer: Cataloguer, imported: UUID, offered: Offer) -> None:
    act(cataloguer, take_offer, str(offered.id), [], version=2)
    assert cataloguer.content(imported).fields == BROUGHT.fields


def test_a_refused_offer_changes_nothing_and_does_not_come_back(
    cataloguer: Cataloguer, imported: UUID, offered: Offer, import_: Importer
) -> None:
    before = cataloguer.content(imported)
    act(cataloguer, refuse_offer, str(offered.id))
    import_([BROUGHT])
    assert (cataloguer.content(imported), listed(cataloguer)[0]) == (before, [])
    with pytest.raises(NotFound):
        act(cataloguer, get_offer, str(offered.id))


def test_an_import_that_brings_the_present_content_ends_the_offer(
    cataloguer: Cataloguer, imported: UUID, offered: Offer, import_: Importer
) -> None:
    import_([cataloguer.content(imported)])
    assert listed(cataloguer)[0] == []


def test_a_record_that_an_import_deleted_and_staff_restored_has_no_offer_of_its_own_content(
    cataloguer: Cataloguer, imported: UUID, import_: Importer
) -> None:
    content = cataloguer.content(imported)
    import_([Marc("00000dam a2200000   4500", content.fields)])
    cataloguer.restore(imported)
    counts = import_([content])
    assert (counts.unchanged, import_.reasons, listed(cataloguer)[0]) == (1, [], [])


def test_an_offer_for_an_outdated_version_is_not_taken(cataloguer: Cataloguer, imported: UUID, offered: Offer) -> None:
    edited = titled(cataloguer.content(imported), "Kemarau sekali")
    cataloguer.save(imported, offered.version, edited)
    with pytest.raises(Outdated) as outdated:
        act(cataloguer, take_offer, str(offered.id), [], version=offered.version)
    assert (outdated.value.facts["version"], outdated.value.facts["changed"]) == (3, ["245"])
    assert cataloguer.content(imported) == edited


def test_offers_are_listed_by_page(cataloguer: Cataloguer, imported: UUID, import_: Importer) -> None:
    for number in ("2", "3", "4"):
        import_([book(number)])
    keys = ("2", "3", "4")
    with cataloguer.database.reading(cataloguer.context) as session:
        ids = [session.scalars(select(Record.id).where(Record.control_key == f"(TEST){key}")).one() for key in keys]
    for record_id in ids:
        cataloguer.save(record_id, 1, titled(cataloguer.content(record_id), "Diubah"))
    for key in keys:
        import_([book(key, "Dibawa")])
    pages, cursor = [], ""
    with cataloguer.database.reading(cataloguer.context) as session:
        while True:
            page, cursor = list_offers(session, cursor=cursor, limit=2, context=cataloguer.context)
            pages.append([offer.record_id for offer in page])
            if not cursor:
                break
    assert pages == [ids[:2], ids[2:]]


def test_a_difference_that_is_no_longer_there_is_not_taken(
    cataloguer: Cataloguer, imported: UUID, offered: Offer
) -> None:
    of_title = [change.id for change in offered.differences if change.tag == "245"]
    cataloguer.save(imported, 2, titled(cataloguer.content(imported), "Kemarau sekali"))
    with pytest.raises(Refused) as refused:
        act(cataloguer, take_offer, str(offered.id), of_title, version=3)
    assert (refused.value.reason, refused.value.facts) == ("OFFER_CHANGED", {"differences": of_title})
