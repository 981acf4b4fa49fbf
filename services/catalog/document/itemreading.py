"""The items a record carries, read by its source's map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.catalog.document.callnumbers import shelf_key, shelf_parts
from services.catalog.document.codes import collection_of, item_material_of
from services.catalog.document.issues import LONGEST, paired, split_date
from services.catalog.document.itemmaps import STATUSES, USUAL, ItemMap, Way
from services.catalog.document.items import ItemFacts
from services.catalog.marc import Field, Record

SHORT = 64  # characters of a barcode, a branch and a room, as the tables keep them
LONGEST_CALL_NUMBER = 500
READ_HERE = "reference"
NOWHERE = ItemFacts()

Tags = Mapping[str, Sequence[Field]]


def items_of(record: Record, item_map: ItemMap = USUAL) -> list[ItemFacts]:
    """The items of a record, in its order, by the first way of the map that finds any.

    A barcode met again within the record is left out of the second item: it cannot name both.
    """
    wanted = item_map.tags
    tags: dict[str, list[Field]] = {}
    for each in record.fields:
        if each[0] in wanted:
            tags.setdefault(each[0], []).append(each)
    for way in item_map.ways:
        fields = tags.get(way.tag)
        if fields and (found := _by(way, fields, tags, item_map)):
            return _finished(found, tags)
    return []


def _by(way: Way, fields: list[Field], tags: Tags, item_map: ItemMap) -> list[ItemFacts]:
    """Items of these fields, each with the item records that its $8 or $3 names."""
    pieces = [piece for tag in way.items_in for piece in tags.get(tag, ())]
    found: list[ItemFacts] = []
    for each in fields:
        place = _facts(way, each, item_map)
        if place is None:
            continue
        names = _links(each) if pieces or "863" in tags or "866" in tags else set()
        own = [piece for piece in pieces if names & _links(piece)] if names else []
        if not own and len(fields) == 1:
            own = pieces
        items = [item for piece in own if (item := _piece(way, piece, place, tags, item_map)) is not None]
        found.extend(items or [_numbered(place, each, names, tags, alone=len(fields) == 1)])
    return found


def _facts(way: Way, field: Field, item_map: ItemMap, place: ItemFacts = NOWHERE) -> ItemFacts | None:
    """One item as the field says; what it does not say is as `place` has it. None when the field is no item."""
    first = dict(zip(reversed(field[2::2]), reversed(field[3::2]), strict=False))
    there = first.keys()
    if way.has and not any(codes <= there and (len(codes) > 1 or first[min(codes)].strip()) for codes in way.has):
        return None
    said: dict[str, str] = {}
    for name, code, text in way.texts:
        value = first.get(code, "").strip() if code else text.of(field, first)
        if value:
            said[name] = value
    get = said.get
    status = ""
    if way.status:
        status = next((each.status for each in way.status if each.fits(first)), "")
    if not status and way.status_words is not None:
        status = _status(way.status_words.of(field, first), item_map)
    collection = collection_of(_translated(get("collection", ""), item_map.collections))
    if way.read_here and any(each.fits(first) for each in way.read_here):
        collection = READ_HERE
    enumeration, chronology = split_date(said["enumeration"]) if "enumeration" in said else ("", "")
    material = item_material_of(_translated(said["material"], item_map.materials)) if "material" in said else ""
    return ItemFacts(
        get("barcode", "")[:SHORT].strip() or None,
        get("call_number", "")[:LONGEST_CALL_NUMBER] or place.call_number,
        "",
        _translated(get("branch", ""), item_map.branches)[:SHORT].strip() or place.branch,
        collection or place.collection,
        material or place.material,
        status or place.status,
        get("copy", "")[:LONGEST] or place.copy,
        get("room", "")[:SHORT].strip() or place.room,
        enumeration[:LONGEST] or place.enumeration,
        (get("chronology", "") or chronology)[:LONGEST] or place.chronology,
        get("pieces", "")[:LONGEST] or place.pieces,
    )


def _piece(way: Way, piece: Field, place: ItemFacts, tags: Tags, item_map: ItemMap) -> ItemFacts | None:
    """An item record (876–878) that belongs to a field."""
    assert way.item is not None
    item = _facts(way.item, piece, item_map, place)
    if item is None or "863" not in tags:
        return item
    return _issue(item, [value for value in _values(piece, "8") if "." in value], tags)


def _numbered(place: ItemFacts, field: Field, names: set[str], tags: Tags, *, alone: bool) -> ItemFacts:
    """A field without item records: its one volume, or what the text of its holdings (866) says."""
    numbers = [_values(each, "8")[:1] for each in tags.get("863", ())]
    own = [link for link in numbers if link and (alone or f"8{link[0].partition('.')[0]}" in names)]
    if len(own) == 1:
        return _issue(place, own[0], tags)
    texts = [each for each in tags.get("866", ()) if alone or names & _links(each)]
    if texts and not place.enumeration:
        said, date = split_date("; ".join(value for each in texts for value in _values(each, "a")))
        return place._replace(enumeration=said[:LONGEST], chronology=date[:LONGEST] or place.chronology)
    return place


def _issue(item: ItemFacts, links: list[str], tags: Tags) -> ItemFacts:
    for link in links:
        said, date = paired(tags.get("853", ()), tags.get("863", ()), link)
        if said or date:
            return item._replace(enumeration=said or item.enumeration, chronology=date or item.chronology)
    return item


def _finished(items: list[ItemFacts], tags: Tags) -> list[ItemFacts]:
    """Barcodes once, the record's accompanying pieces (300 $e), and volume and copy that the call number alone says."""
    seen: set[str] = set()
    beside = ""
    for each in tags.get("300", ()):
        if "e" in each:
            beside = beside or next((value.strip(" .;+")[:LONGEST] for value in _values(each, "e")), "")
    for at, item in enumerate(items):
        barcode, enumeration, copy, call_sort = item.barcode, item.enumeration, item.copy, ""
        if barcode is not None:
            if barcode in seen:
                barcode = None
            else:
                seen.add(barcode)
        if item.call_number:
            start, volume, number = shelf_parts(item.call_number)
            call_sort = shelf_key(start, volume or enumeration, number or copy)
            enumeration, copy = enumeration or volume, copy or number
        items[at] = item._replace(
            barcode=barcode, enumeration=enumeration, copy=copy, pieces=item.pieces or beside, call_sort=call_sort
        )
    return items


def _status(said: str, item_map: ItemMap) -> str:
    """A status by its word; what nobody knows says nothing."""
    said = said.casefold()
    code = item_map.statuses.get(said) or USUAL.statuses.get(said) or said.replace(" ", "_")
    return code if code in STATUSES else ""


def _translated(said: str, table: Mapping[str, str]) -> str:
    return table.get(said.casefold(), said) if table and said else said


def _links(field: Field) -> set[str]:
    """The link numbers of $8 (without sequence) and the materials of $3: either ties an item record to its field."""
    return {
        code + (value.partition(".")[0] if code == "8" else value).strip()
        for code, value in zip(field[2::2], field[3::2], strict=False)
        if code in ("8", "3") and value.strip()
    }


def _values(field: Field, code: str) -> list[str]:
    return [field[at + 1].strip() for at in range(2, len(field) - 1, 2) if field[at] == code]
