"""Reads the items of a record by the item map of its source, with their enumeration and chronology."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.catalog.items.item_maps import USUAL, ItemMap, ItemPattern
from services.catalog.items.numbering import LONGEST, Numbering, Tags, links_of, split_date, values_of
from services.catalog.marc.record import Field, Record
from services.catalog.record.call_numbers import shelf_key, shelf_parts
from services.catalog.record.holdings import ASK, ONLINE, STATUSES, ItemFacts
from services.catalog.texts import without_controls

_COLLECTION_WORDS = {
    **dict.fromkeys(("circ", "circulation", "sirkulasi", "umum", "general", "fic", "nfic"), "circulation"),
    **dict.fromkeys(("anak", "children", "juvenile", "child", "anak-anak", "jf", "jnf"), "children"),
    **dict.fromkeys(("ref", "referensi", "reference", "rujukan"), "reference"),
    **dict.fromkeys(("tandon", "closed_stacks", "closed stacks", "deposit", "cadangan"), "closed_stacks"),
    **dict.fromkeys(("lokal", "local", "minangkabau", "lokal/minangkabau", "minang", "daerah"), "local"),
    **dict.fromkeys(("skripsi", "thesis", "tesis", "disertasi", "tugas akhir", "skr"), "thesis"),
    **dict.fromkeys(("terbitan berkala", "serials", "serial", "berkala", "majalah", "periodicals"), "serials"),
    **dict.fromkeys(("av", "audiovisual", "audio visual", "pandang dengar"), "audiovisual"),
}  # fmt: skip
_ITEM_MATERIALS = {
    **dict.fromkeys(("bk", "book", "buku", "fic", "nfic", "ref", "lg"), "book"),
    **dict.fromkeys(("cr", "serial", "majalah", "per", "jurnal", "mag"), "serial"),
    **dict.fromkeys(("mp", "map", "peta"), "map"),
    **dict.fromkeys(("mu", "music", "cd", "kaset", "audio"), "sound"),
    **dict.fromkeys(("vm", "video", "dvd", "vcd"), "video"),
    **dict.fromkeys(("cf", "electronic", "cd-rom"), "electronic"),
    **dict.fromkeys(("kit", "mx"), "kit"),
}

_FORM_TAGS = frozenset(("007", "008", "856"))
_FORM_AT_29 = frozenset("efgkor")  # types of record (leader/06) with form of item in 008/29
_TO_RESOURCE = frozenset(("40", "41"))  # indicators of 856: HTTP, the resource itself or a version of it

MOST_PAIRS = 20  # fields to which one item record is linked
SHORT = 64  # characters of a barcode, a branch and a room, as in the tables
LONGEST_CALL_NUMBER = 500
READ_HERE = "reference"
NO_VALUES = ItemFacts()


def items_of(record: Record, item_map: ItemMap = USUAL) -> list[ItemFacts]:
    """Read the items of a record, in its order, by the first pattern of the map that matches any.

    A barcode that occurs twice in the record stays only on the first item.
    """
    item_tags = item_map.tags | _FORM_TAGS
    tags: dict[str, list[Field]] = {}
    for field in record.fields:
        if field[0] in item_tags:
            tags.setdefault(field[0], []).append(field)
    return items_in(tags, item_map, record.leader)


def items_in(tags: Tags, item_map: ItemMap, leader: str) -> list[ItemFacts]:
    """Read items from fields grouped by tag (at least the tags of the map, 007, 008 and 856); see items_of."""
    for pattern in item_map.patterns:
        fields = tags.get(pattern.tag)
        if fields and (items := _read_items(pattern, fields, tags, item_map)):
            return _complete(items, tags, leader)
    return []


def register_texts_of(record: Record, item_map: ItemMap) -> dict[str, dict[str, str]]:
    """Read what a record says for the accession register: barcode -> texts of item_maps.REGISTER_PLACES.

    Of items with a barcode, by the first pattern of the map that finds any.
    """
    for pattern in item_map.patterns:
        texts: dict[str, dict[str, str]] = {}
        for field in record.fields:
            rules = pattern if field[0] == pattern.tag else pattern.item if field[0] in pattern.items_in else None
            if rules is None:
                continue
            first_values = dict(zip(field[-2:1:-2], field[:1:-2], strict=False))
            barcode = next(
                (text.text_of(field, first_values) for name, _, text in rules.texts if name == "barcode"), ""
            )
            if barcode := without_controls(barcode)[:SHORT].strip():
                read = (
                    (name, without_controls(rule.text_of(field, first_values)).strip()) for name, rule in rules.register
                )
                texts.setdefault(barcode, {name: text for name, text in read if text})
        if texts:
            return texts
    return {}


def is_online(leader: str, tags: Tags) -> bool:
    """Tell whether a record describes an e-resource that is used over a network, from form of item, 007 and 856."""
    fixed = next((field[1] for field in tags.get("008", ()) if len(field) > 1), "")
    place = 29 if leader[6:7] in _FORM_AT_29 else 23
    form = fixed[place : place + 1]
    if form == "o":
        return True
    carriers = [field[1][:2] for field in tags.get("007", ()) if len(field) > 1]
    if form == "s":
        return all(carrier[:1] != "c" or carrier == "cr" for carrier in carriers)
    return "cr" in carriers and any(len(field) > 2 and field[1] in _TO_RESOURCE for field in tags.get("856", ()))


def _read_items(pattern: ItemPattern, fields: Sequence[Field], tags: Tags, item_map: ItemMap) -> list[ItemFacts]:
    """Read the items of these fields, and of the item records that $8 or $3 link to them."""
    item_records = [item_record for tag in pattern.items_in for item_record in tags.get(tag, ())]
    by_link = _ItemRecords(item_records)
    numbering = Numbering(tags) if "863" in tags or "866" in tags else None
    items: list[ItemFacts] = []
    for field in fields:
        facts = _read_item(pattern, field, item_map)
        if facts is None:
            continue
        links = links_of(field) if item_records or numbering is not None else set()
        linked_records = by_link.linked_to(links)
        if not linked_records and len(fields) == 1:
            linked_records = item_records
        linked_items = [
            item
            for item_record in linked_records
            if (item := _read_item_record(pattern, item_record, facts, numbering, item_map)) is not None
        ]
        if not linked_items:
            linked_items = [
                facts if numbering is None else _add_numbering(facts, links, numbering, alone=len(fields) == 1)
            ]
        items.extend(linked_items)
    return items


class _ItemRecords:
    """Item records by their links. Each is linked to at most MOST_PAIRS fields, so the time is linear."""

    def __init__(self, item_records: list[Field]) -> None:
        self._item_records = item_records
        self._pairs_left = [MOST_PAIRS] * len(item_records)
        self._places: dict[str, list[int]] = {}
        for place, item_record in enumerate(item_records):
            for link in links_of(item_record):
                self._places.setdefault(link, []).append(place)

    def linked_to(self, links: set[str]) -> list[Field]:
        """Return the item records that share a link, in the record's order."""
        linked: set[int] = set()
        for link in links & self._places.keys():
            places = self._places[link] = [place for place in self._places[link] if self._pairs_left[place]]
            linked.update(places)
        for place in linked:
            self._pairs_left[place] -= 1
        return [self._item_records[place] for place in sorted(linked)]


def _read_item(
    pattern: ItemPattern, field: Field, item_map: ItemMap, default: ItemFacts = NO_VALUES
) -> ItemFacts | None:
    """Read one item from a field; missing values come from `default`. None when the field is not an item."""
    first_values = dict(zip(field[-2:1:-2], field[:1:-2], strict=False))
    if pattern.has and not _is_item(pattern, first_values):
        return None
    values: dict[str, str] = {}
    for name, code, text in pattern.texts:
        value = without_controls(first_values.get(code, "") if code else text.text_of(field, first_values)).strip()
        if value:
            values[name] = value
    get = values.get
    status = (
        _status(pattern, field, first_values, item_map) if pattern.status or pattern.status_words is not None else ""
    )
    access = "" if status else default.access
    if status in (ONLINE, ASK):
        access, status = status, ""
    collection = get("collection", "")
    if collection:
        collection = collection_of(_translate(collection, item_map.collections))
    if pattern.read_here and any(condition.fits(first_values) for condition in pattern.read_here):
        collection = READ_HERE
    branch, material = get("branch", ""), get("material", "")
    if branch and item_map.branches:
        branch = _translate(branch, item_map.branches)
    if material:
        material = item_material_of(_translate(material, item_map.materials))
    enumeration, chronology = get("enumeration", ""), get("chronology", "")
    if enumeration:
        enumeration, date = split_date(enumeration)
        chronology = chronology or date
    return ItemFacts(
        get("barcode", "")[:SHORT].strip() or None,
        get("call_number", "")[:LONGEST_CALL_NUMBER] or default.call_number,
        "",
        branch[:SHORT].strip() or default.branch,
        collection or default.collection,
        material or default.material,
        status or default.status,
        get("copy", "")[:LONGEST] or default.copy,
        get("room", "")[:SHORT].strip() or default.room,
        enumeration[:LONGEST] or default.enumeration,
        chronology[:LONGEST] or default.chronology,
        get("pieces", "")[:LONGEST] or default.pieces,
        access=access,
    )


def _read_item_record(
    pattern: ItemPattern, item_record: Field, default: ItemFacts, numbering: Numbering | None, item_map: ItemMap
) -> ItemFacts | None:
    """Read an item record (876–878) that is linked to a field."""
    assert pattern.item is not None
    item = _read_item(pattern.item, item_record, item_map, default)
    if item is None or numbering is None:
        return item
    return _add_issue(item, [value for value in values_of(item_record, "8") if "." in value], numbering)


def _add_numbering(item: ItemFacts, links: set[str], numbering: Numbering, *, alone: bool) -> ItemFacts:
    """Add enumeration and chronology to an item without item records: from its only 863, else from the text of 866."""
    issue = numbering.only_issue(links, alone=alone)
    if issue is not None:
        return _add_issue(item, [issue], numbering)
    if not item.enumeration and (text := numbering.text(links, alone=alone)):
        enumeration, date = split_date(text)
        return item._replace(enumeration=enumeration[:LONGEST], chronology=date[:LONGEST] or item.chronology)
    return item


def _add_issue(item: ItemFacts, links: list[str], numbering: Numbering) -> ItemFacts:
    for link in links:
        enumeration, date = numbering.issue(link)
        if enumeration or date:
            return item._replace(enumeration=enumeration or item.enumeration, chronology=date or item.chronology)
    return item


def _complete(items: list[ItemFacts], tags: Tags, leader: str) -> list[ItemFacts]:
    """Remove repeated barcodes; add accompanying material (300 $e), volume and copy of call numbers, and sort keys.

    In the record of an e-resource, an item without a barcode is the e-resource itself.
    """
    electronic = any(item.barcode is None for item in items) and is_online(leader, tags)
    seen: set[str] = set()
    accompanying = ""
    for field in tags.get("300", ()):
        if "e" in field:
            accompanying = accompanying or next((value.strip(" .;+")[:LONGEST] for value in values_of(field, "e")), "")
    for index, item in enumerate(items):
        barcode, call_number, _, branch, collection, material, status, copy, room = item[:9]
        enumeration, date, pieces, key = item[9:13]
        access = item.access or (ONLINE if electronic and barcode is None else "")
        if barcode is not None:
            if barcode in seen:
                barcode = None
            else:
                seen.add(barcode)
        if call_number:
            start, volume, number = shelf_parts(call_number)
            key = shelf_key(start, volume or enumeration, number or copy)
            enumeration, copy = enumeration or volume, copy or number
        items[index] = ItemFacts(
            barcode,
            call_number,
            "",
            branch,
            collection,
            material,
            status,
            copy,
            room,
            enumeration,
            date,
            pieces or accompanying,
            key,
            access=access,
        )
    return items


def _is_item(pattern: ItemPattern, first_values: Mapping[str, str]) -> bool:
    """Tell whether a field has all subfields of one group in `has`; the subfield of a group of one must have text."""
    keys = first_values.keys()
    return any(codes <= keys and (len(codes) > 1 or first_values[min(codes)].strip()) for codes in pattern.has)


def _status(pattern: ItemPattern, field: Field, first_values: Mapping[str, str], item_map: ItemMap) -> str:
    """Return the status of the first condition that fits, else the meaning of the status words, also ONLINE or ASK.

    A text of several subfields is looked up whole, then each subfield by itself. Returns "" for unknown words.
    """
    for condition in pattern.status:
        if condition.fits(first_values):
            return condition.status
    rule = pattern.status_words
    word = "" if rule is None else rule.text_of(field, first_values)
    if rule is None or not word:
        return ""
    words = (word,) if rule.single else (word, *rule.values_in(field))
    return next(filter(None, (_status_of_word(word, item_map) for word in words)), "")


def _status_of_word(word: str, item_map: ItemMap) -> str:
    code = item_map.meaning_of(word) or USUAL.meaning_of(word)
    if code:
        return code
    code = word.strip().casefold().replace(" ", "_")
    return code if code in STATUSES else ""


def _translate(word: str, table: Mapping[str, str]) -> str:
    return table.get(word.casefold(), word) if table and word else word


def collection_of(word: str) -> str:
    """Return the code of a collection; an unknown collection stays as written (at most 32 characters)."""
    word = word.strip()
    return _COLLECTION_WORDS.get(word.lower(), word[:32])


def item_material_of(word: str) -> str:
    """Return the material of an item from its type in the source; "" for the record's own material."""
    return _ITEM_MATERIALS.get(word.strip().lower(), "")
