"""Items of a record and whether they can be lent: ISO 20775 as Alma returns it (isohold), and OPAC records as YAZ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final
from xml.etree.ElementTree import Element

from gateway.partners.xml import put, serialize
from rangkiang.catalog.v1.catalog_pb2 import Item

ISO_NAMESPACE: Final = "http://www.loc.gov/standards/iso20775/"
# ISO 20775: availabilityStatus and availableFor.
_AVAILABLE, _NOT_AVAILABLE, _POSSIBLY = "1", "2", "3"
_LOAN, _ONLINE, _REFERENCE = "1", "4", "5"
# Availability of an item -> availabilityStatus and availableFor.
_STATES: Final = {
    "can_be_borrowed": (_AVAILABLE, _LOAN),
    "online": (_AVAILABLE, _ONLINE),
    "read_here_only": (_AVAILABLE, _REFERENCE),
    "ask_the_library": (_POSSIBLY, ""),
    "out_until": (_NOT_AVAILABLE, ""),
    "not_available": (_NOT_AVAILABLE, ""),
}


def iso_holdings(items: Sequence[Item]) -> str:
    """Return the holdings of a record, one for each branch, without an XML declaration."""
    root = Element("holdings", {"xmlns": ISO_NAMESPACE})
    for (institution, branch), branch_items in _by_branch(items):
        holding = put(root, "holding")
        put(put(holding, "institutionIdentifier"), "value", institution)
        put(holding, "physicalLocation", branch_items[0].branch_name.id or branch)
        simple = put(holding, "holdingSimple")
        summary = put(simple, "copiesSummary")
        put(summary, "copiesCount", str(len(branch_items)))
        available = [item for item in branch_items if _STATES[item.availability][0] == _AVAILABLE]
        status = put(summary, "status")
        put(status, "availableCount", str(len(available)))
        if dates := [item.due_on for item in branch_items if item.due_on]:
            put(status, "earliestDispatchDate", min(dates))
        for item in branch_items:
            _put_copy(simple, item)
    return _text(root)


def _put_copy(parent: Element, item: Item) -> None:
    copy = put(parent, "copyInformation")
    if item.barcode:
        put(put(copy, "pieceIdentifier"), "value", item.barcode)
    if item.room or item.collection:
        put(copy, "sublocation", item.room or item.collection)
    if item.call_number:
        put(copy, "shelfLocator", item.call_number)
    if issue := _issue(item):
        put(put(copy, "enumerationAndChronology"), "text", issue)
    status = put(put(copy, "availabilityInformation"), "status")
    state, purpose = _STATES[item.availability]
    put(status, "availabilityStatus", state)
    if purpose:
        put(status, "availableFor", purpose)
    if item.due_on:
        put(status, "dateTimeAvailable", item.due_on)


def opac_record(items: Sequence[Item], marcxml: str) -> str:
    """Return an OPAC record with its MARCXML record, without an XML declaration."""
    root = Element("opacRecord", {"xmlns": ""})  # the record has no namespace, but the response around it has one
    put(put(root, "bibliographicRecord"), "place")
    holdings = put(root, "holdings")
    for (institution, branch), branch_items in _by_branch(items):
        for call_number, copies in groupby(branch_items, key=lambda item: item.call_number):
            holding = put(holdings, "holding")
            items_of_number = list(copies)
            put(holding, "nucCode", institution)
            put(holding, "localLocation", items_of_number[0].branch_name.id or branch)
            if items_of_number[0].room:
                put(holding, "shelvingLocation", items_of_number[0].room)
            if call_number:
                put(holding, "callNumber", call_number)
            circulations = put(holding, "circulations")
            for item in items_of_number:
                circulation = put(circulations, "circulation")
                is_available = _STATES[item.availability] == (_AVAILABLE, _LOAN)
                put(circulation, "availableNow", value="1" if is_available else "0")
                if item.due_on:
                    put(circulation, "availabilityDate", item.due_on)
                if item.barcode:
                    put(circulation, "itemId", item.barcode)
                put(circulation, "renewable", value="0")
                put(circulation, "onHold", value="0")
                if issue := _issue(item):
                    put(circulation, "enumAndChron", issue)
    before, _, after = _text(root).partition("<place />")
    return f"{before}{marcxml}{after}"


def _by_branch(items: Iterable[Item]) -> list[tuple[tuple[str, str], list[Item]]]:
    """Group items by branch; the catalogue lists them in this order."""
    return [(key, list(group)) for key, group in groupby(items, key=lambda item: (item.institution, item.branch))]


def _issue(item: Item) -> str:
    return " ".join(part for part in (item.enumeration, item.chronology) if part)


def _text(root: Element) -> str:
    document: bytes = serialize(root)
    return document.decode().split("?>", 1)[1].strip()
