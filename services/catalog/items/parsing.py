"""Reads the items of a record by the item map of its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.catalog.items.availability import ItemFacts
from services.catalog.items.call_numbers import shelf_key, shelf_parts
from services.catalog.items.enumeration import LONGEST, paired, split_date
from services.catalog.items.item_maps import STATUSES, USUAL, ItemMap, ItemPattern
from services.catalog.marc.record import Field, Record

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


SHORT = 64  # characters of a barcode, a branch and a room, as in the tables
LONGEST_CALL_NUMBER = 500
READ_HERE = "reference"
NOWHERE = ItemFacts()

Tags = Mapping[str, Sequence[Field]]


def items_of(record: Record, item_map: ItemMap = USUAL) -> list[ItemFacts]:
    """Read the items of a record, in its order, by the first pattern of the map that matches any.

    A barcode that occurs twice in the record stays only on the first item.
    """
    item_tags = item_map.tags
    tags: dict[str, list[Field]] = {}
    for field in record.fields:
        if field[0] in item_tags:
            tags.setdefault(field[0], []).append(field)
    return items_in(tags, item_map)


def items_in(tags: Tags, item_map: ItemMap) -> list[ItemFacts]:
    """Read items from fields grouped by tag (at least the tags of the map); see items_of."""
    for way in item_map.ways:
        fields = tags.get(way.tag)
        if fields and (items := _by(way, fields, tags, item_map)):
            return _finished(items, tags)
    return []


def _by(way: ItemPattern, fields: Sequence[Field], tags: Tags, item_map: ItemMap) -> list[ItemFacts]:
    """Read the items of these fields together with the item records linked by $8 or $3."""
    pieces = [piece for tag in way.items_in for piece in tags.get(tag, ())]
    results: list[ItemFacts] = []
    for field in fields:
        facts = _facts(way, field, item_map)
        if facts is None:
            continue
        names = _links(field) if pieces or "863" in tags or "866" in tags else set()
        linked = [piece for piece in pieces if names & _links(piece)] if names else []
        if not linked and len(fields) == 1:
            linked = pieces
        items = [item for piece in linked if (item := _piece(way, piece, facts, tags, item_map)) is not None]
        results.extend(items or [_numbered(facts, field, names, tags, alone=len(fields) == 1)])
    return results


def _facts(way: ItemPattern, field: Field, item_map: ItemMap, default: ItemFacts = NOWHERE) -> ItemFacts | None:
    """Read one item from a field; missing values come from `place`. None when the field is not an item."""
    first = dict(zip(field[-2:1:-2], field[:1:-2], strict=False))
    if way.has and not _is_item(way, first):
        return None
    values: dict[str, str] = {}
    for name, code, text in way.texts:
        value = first.get(code, "").strip() if code else text.of(field, first)
        if value:
            values[name] = value
    get = values.get
    status = _status(way, field, first, item_map) if way.status or way.status_words is not None else ""
    collection = get("collection", "")
    if collection:
        collection = collection_of(_translated(collection, item_map.collections))
    if way.read_here and any(condition.fits(first) for condition in way.read_here):
        collection = READ_HERE
    branch, material = get("branch", ""), get("material", "")
    if branch and item_map.branches:
        branch = _translated(branch, item_map.branches)
    if material:
        material = item_material_of(_translated(material, item_map.materials))
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
    )


def _piece(way: ItemPattern, piece: Field, default: ItemFacts, tags: Tags, item_map: ItemMap) -> ItemFacts | None:
    """Read an item record (876–878) that is linked to a field."""
    assert way.item is not None
    item = _facts(way.item, piece, item_map, default)
    if item is None or "863" not in tags:
        return item
    return _issue(item, [value for value in _values(piece, "8") if "." in value], tags)


def _numbered(item: ItemFacts, field: Field, names: set[str], tags: Tags, *, alone: bool) -> ItemFacts:
    """Add enumeration and chronology to a field without item records: its only 863, else the text of 866."""
    numbers = [_values(field, "8")[:1] for field in tags.get("863", ())]
    linked = [link for link in numbers if link and (alone or f"8{link[0].partition('.')[0]}" in names)]
    if len(linked) == 1:
        return _issue(item, linked[0], tags)
    texts = [field for field in tags.get("866", ()) if alone or names & _links(field)]
    if texts and not item.enumeration:
        enumeration, date = split_date("; ".join(value for text in texts for value in _values(text, "a")))
        return item._replace(enumeration=enumeration[:LONGEST], chronology=date[:LONGEST] or item.chronology)
    return item


def _issue(item: ItemFacts, links: list[str], tags: Tags) -> ItemFacts:
    for link in links:
        enumeration, date = paired(tags.get("853", ()), tags.get("863", ()), link)
        if enumeration or date:
            return item._replace(enumeration=enumeration or item.enumeration, chronology=date or item.chronology)
    return item


def _finished(items: list[ItemFacts], tags: Tags) -> list[ItemFacts]:
    """Remove repeated barcodes; add accompanying material (300 $e), volume and copy of call numbers, and sort keys."""
    seen: set[str] = set()
    accompanying = ""
    for field in tags.get("300", ()):
        if "e" in field:
            accompanying = accompanying or next((value.strip(" .;+")[:LONGEST] for value in _values(field, "e")), "")
    for index, item in enumerate(items):
        barcode, call_number, _, branch, collection, material, status, copy, room, enumeration, date, pieces, key = item
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
        )
    return items


def _is_item(way: ItemPattern, first: Mapping[str, str]) -> bool:
    """Tell whether a field has the required subfields; a single required subfield must not be blank."""
    keys = first.keys()
    return any(codes <= keys and (len(codes) > 1 or first[min(codes)].strip()) for codes in way.has)


def _status(way: ItemPattern, field: Field, first: Mapping[str, str], item_map: ItemMap) -> str:
    """Return the status of the first condition that fits, else of the status word; "" for an unknown word."""
    for condition in way.status:
        if condition.fits(first):
            return condition.status
    word = way.status_words.of(field, first).casefold() if way.status_words is not None else ""
    code = item_map.statuses.get(word) or USUAL.statuses.get(word) or word.replace(" ", "_")
    return code if code in STATUSES else ""


def _translated(word: str, table: Mapping[str, str]) -> str:
    return table.get(word.casefold(), word) if table and word else word


def _links(field: Field) -> set[str]:
    """Return the link numbers of $8 (without sequence) and the materials of $3; both link item records to a field."""
    return {
        code + (value.partition(".")[0] if code == "8" else value).strip()
        for code, value in zip(field[2::2], field[3::2], strict=False)
        if code in ("8", "3") and value.strip()
    }


def _values(field: Field, code: str) -> list[str]:
    return [field[index + 1].strip() for index in range(2, len(field) - 1, 2) if field[index] == code]


def collection_of(word: str) -> str:
    """Return the code of a collection; an unknown collection stays as written (at most 32 characters)."""
    word = word.strip()
    return _COLLECTION_WORDS.get(word.lower(), word[:32])


def item_material_of(word: str) -> str:
    """Return the material of an item from its type in the source; "" for the record's own material."""
    return _ITEM_MATERIALS.get(word.strip().lower(), "")
