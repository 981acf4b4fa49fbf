"""The items a record carries, read by its source's map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.catalog.items.availability import ItemFacts
from services.catalog.items.call_numbers import shelf_key, shelf_parts
from services.catalog.items.enumeration import LONGEST, paired, split_date
from services.catalog.items.item_maps import STATUSES, USUAL, ItemMap, ItemPattern
from services.catalog.marc.fields import Field
from services.catalog.marc.record import Record

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
    for field in record.fields:
        if field[0] in wanted:
            tags.setdefault(field[0], []).append(field)
    return items_in(tags, item_map)


def items_in(tags: Tags, item_map: ItemMap) -> list[ItemFacts]:
    """See items_of; `tags` are the record's, those of the map at least."""
    for way in item_map.ways:
        fields = tags.get(way.tag)
        if fields and (found := _by(way, fields, tags, item_map)):
            return _finished(found, tags)
    return []


def _by(way: ItemPattern, fields: Sequence[Field], tags: Tags, item_map: ItemMap) -> list[ItemFacts]:
    """Items of these fields, each with the item records that its $8 or $3 names."""
    pieces = [piece for tag in way.items_in for piece in tags.get(tag, ())]
    results: list[ItemFacts] = []
    for field in fields:
        place = _facts(way, field, item_map)
        if place is None:
            continue
        names = _links(field) if pieces or "863" in tags or "866" in tags else set()
        own = [piece for piece in pieces if names & _links(piece)] if names else []
        if not own and len(fields) == 1:
            own = pieces
        items = [item for piece in own if (item := _piece(way, piece, place, tags, item_map)) is not None]
        results.extend(items or [_numbered(place, field, names, tags, alone=len(fields) == 1)])
    return results


def _facts(way: ItemPattern, field: Field, item_map: ItemMap, place: ItemFacts = NOWHERE) -> ItemFacts | None:
    """One item as the field says; what it does not say is as `place` has it. None when the field is no item."""
    first = dict(zip(field[-2:1:-2], field[:1:-2], strict=False))
    if way.has and not _is_item(way, first):
        return None
    said: dict[str, str] = {}
    for name, code, text in way.texts:
        value = first.get(code, "").strip() if code else text.of(field, first)
        if value:
            said[name] = value
    get = said.get
    status = _status(way, field, first, item_map) if way.status or way.status_words is not None else ""
    collection = get("collection", "")
    if collection:
        collection = collection_of(_translated(collection, item_map.collections))
    if way.read_here and any(each.fits(first) for each in way.read_here):
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
        get("call_number", "")[:LONGEST_CALL_NUMBER] or place.call_number,
        "",
        branch[:SHORT].strip() or place.branch,
        collection or place.collection,
        material or place.material,
        status or place.status,
        get("copy", "")[:LONGEST] or place.copy,
        get("room", "")[:SHORT].strip() or place.room,
        enumeration[:LONGEST] or place.enumeration,
        chronology[:LONGEST] or place.chronology,
        get("pieces", "")[:LONGEST] or place.pieces,
    )


def _piece(way: ItemPattern, piece: Field, place: ItemFacts, tags: Tags, item_map: ItemMap) -> ItemFacts | None:
    """An item record (876–878) that belongs to a field."""
    assert way.item is not None
    item = _facts(way.item, piece, item_map, place)
    if item is None or "863" not in tags:
        return item
    return _issue(item, [value for value in _values(piece, "8") if "." in value], tags)


def _numbered(place: ItemFacts, field: Field, names: set[str], tags: Tags, *, alone: bool) -> ItemFacts:
    """A field without item records: its one volume, or what the text of its holdings (866) says."""
    numbers = [_values(field, "8")[:1] for field in tags.get("863", ())]
    own = [link for link in numbers if link and (alone or f"8{link[0].partition('.')[0]}" in names)]
    if len(own) == 1:
        return _issue(place, own[0], tags)
    texts = [field for field in tags.get("866", ()) if alone or names & _links(field)]
    if texts and not place.enumeration:
        said, date = split_date("; ".join(value for text in texts for value in _values(text, "a")))
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
    for field in tags.get("300", ()):
        if "e" in field:
            beside = beside or next((value.strip(" .;+")[:LONGEST] for value in _values(field, "e")), "")
    for at, item in enumerate(items):
        barcode, call_number, _, branch, collection, material, status, copy, room, said, date, pieces, key = item
        if barcode is not None:
            if barcode in seen:
                barcode = None
            else:
                seen.add(barcode)
        if call_number:
            start, volume, number = shelf_parts(call_number)
            key = shelf_key(start, volume or said, number or copy)
            said, copy = said or volume, copy or number
        items[at] = ItemFacts(
            barcode,
            call_number,
            "",
            branch,
            collection,
            material,
            status,
            copy,
            room,
            said,
            date,
            pieces or beside,
            key,
        )
    return items


def _is_item(way: ItemPattern, first: Mapping[str, str]) -> bool:
    """Whether a field has what an item has; a code that is alone in this has to say something."""
    keys = first.keys()
    return any(codes <= keys and (len(codes) > 1 or first[min(codes)].strip()) for codes in way.has)


def _status(way: ItemPattern, field: Field, first: Mapping[str, str], item_map: ItemMap) -> str:
    """The status by the first condition that fits, or by its word; what nobody knows says nothing."""
    for condition in way.status:
        if condition.fits(first):
            return condition.status
    said = way.status_words.of(field, first).casefold() if way.status_words is not None else ""
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


def collection_of(said: str) -> str:
    """Code of a collection as the house knows it; what it does not know, as written (at most 32 characters)."""
    said = said.strip()
    return _COLLECTION_WORDS.get(said.lower(), said[:32])


def item_material_of(said: str) -> str:
    """Material of an item from the type its source gave it; empty for the record's own."""
    return _ITEM_MATERIALS.get(said.strip().lower(), "")
