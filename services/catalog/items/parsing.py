"""Reads the items of a record by the item map of its source, with their enumeration and chronology."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from services.catalog.items.availability import ItemFacts
from services.catalog.items.call_numbers import shelf_key, shelf_parts
from services.catalog.items.item_maps import STATUSES, USUAL, ItemMap, ItemPattern
from services.catalog.marc.record import Field, Record
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

LONGEST = 200  # characters of the other texts of an item
_LEVELS = "abcdef"
_MONTHS = ("Januari", "Februari", "Maret", "April", "Mei", "Juni", "Juli", "Agustus", "September", "Oktober",
           "November", "Desember")  # fmt: skip
_YEAR = r"(?:1[5-9]|20)[0-9]{2}"
_NUMBERING_WITH_DATE = re.compile(
    rf"(.*?\S)\s*(?:[,;:]\s*|\()((?:[^,;()]{{1,40}}\s)?{_YEAR}(?:\s?[-/–]\s?(?:{_YEAR}|[0-9]{{2}}))?)\)?\s*\Z"
)
SHORT = 64  # characters of a barcode, a branch and a room, as in the tables
LONGEST_CALL_NUMBER = 500
READ_HERE = "reference"
NO_VALUES = ItemFacts()

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
    for pattern in item_map.patterns:
        fields = tags.get(pattern.tag)
        if fields and (items := _read_items(pattern, fields, tags, item_map)):
            return _complete(items, tags)
    return []


def _read_items(pattern: ItemPattern, fields: Sequence[Field], tags: Tags, item_map: ItemMap) -> list[ItemFacts]:
    """Read the items of these fields, and of the item records that $8 or $3 link to them."""
    item_records = [item_record for tag in pattern.items_in for item_record in tags.get(tag, ())]
    items: list[ItemFacts] = []
    for field in fields:
        facts = _read_item(pattern, field, item_map)
        if facts is None:
            continue
        links = _links(field) if item_records or "863" in tags or "866" in tags else set()
        linked_records = [item_record for item_record in item_records if links & _links(item_record)] if links else []
        if not linked_records and len(fields) == 1:
            linked_records = item_records
        linked_items = [
            item
            for item_record in linked_records
            if (item := _read_item_record(pattern, item_record, facts, tags, item_map)) is not None
        ]
        items.extend(linked_items or [_add_numbering(facts, field, links, tags, alone=len(fields) == 1)])
    return items


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
    )


def _read_item_record(
    pattern: ItemPattern, item_record: Field, default: ItemFacts, tags: Tags, item_map: ItemMap
) -> ItemFacts | None:
    """Read an item record (876–878) that is linked to a field."""
    assert pattern.item is not None
    item = _read_item(pattern.item, item_record, item_map, default)
    if item is None or "863" not in tags:
        return item
    return _add_issue(item, [value for value in _values(item_record, "8") if "." in value], tags)


def _add_numbering(item: ItemFacts, field: Field, links: set[str], tags: Tags, *, alone: bool) -> ItemFacts:
    """Add enumeration and chronology to an item without item records: from its only 863, else from the text of 866."""
    numbers = [_values(field, "8")[:1] for field in tags.get("863", ())]
    issues = [number for number in numbers if number and (alone or f"8{number[0].partition('.')[0]}" in links)]
    if len(issues) == 1:
        return _add_issue(item, issues[0], tags)
    texts = [field for field in tags.get("866", ()) if alone or links & _links(field)]
    if texts and not item.enumeration:
        enumeration, date = split_date("; ".join(value for text in texts for value in _values(text, "a")))
        return item._replace(enumeration=enumeration[:LONGEST], chronology=date[:LONGEST] or item.chronology)
    return item


def _add_issue(item: ItemFacts, links: list[str], tags: Tags) -> ItemFacts:
    for link in links:
        enumeration, date = issue_numbering(tags.get("853", ()), tags.get("863", ()), link)
        if enumeration or date:
            return item._replace(enumeration=enumeration or item.enumeration, chronology=date or item.chronology)
    return item


def _complete(items: list[ItemFacts], tags: Tags) -> list[ItemFacts]:
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


def _is_item(pattern: ItemPattern, first_values: Mapping[str, str]) -> bool:
    """Tell whether a field has all subfields of one group in `has`; a group of one must not be blank."""
    keys = first_values.keys()
    return any(codes <= keys and (len(codes) > 1 or first_values[min(codes)].strip()) for codes in pattern.has)


def _status(pattern: ItemPattern, field: Field, first_values: Mapping[str, str], item_map: ItemMap) -> str:
    """Return the status of the first condition that fits, else of the status word; "" for an unknown word."""
    for condition in pattern.status:
        if condition.fits(first_values):
            return condition.status
    word = pattern.status_words.text_of(field, first_values).casefold() if pattern.status_words is not None else ""
    code = item_map.statuses.get(word) or USUAL.statuses.get(word) or word.replace(" ", "_")
    return code if code in STATUSES else ""


def _translate(word: str, table: Mapping[str, str]) -> str:
    return table.get(word.casefold(), word) if table and word else word


def _links(field: Field) -> set[str]:
    """Return the numbers of $8 (without sequence) and the materials of $3: both link item records to a field."""
    return {
        code + (value.partition(".")[0] if code == "8" else value).strip()
        for code, value in zip(field[2::2], field[3::2], strict=False)
        if code in ("8", "3") and value.strip()
    }


def _values(field: Field, code: str) -> list[str]:
    return [without_controls(field[index + 1]).strip() for index in range(2, len(field) - 1, 2) if field[index] == code]


def collection_of(word: str) -> str:
    """Return the code of a collection; an unknown collection stays as written (at most 32 characters)."""
    word = word.strip()
    return _COLLECTION_WORDS.get(word.lower(), word[:32])


def item_material_of(word: str) -> str:
    """Return the material of an item from its type in the source; "" for the record's own material."""
    return _ITEM_MATERIALS.get(word.strip().lower(), "")


def split_date(text: str) -> tuple[str, str]:
    """Split a numbering and its date: `Vol. 3 No. 2, Mei 2026` is ("Vol. 3 No. 2", "Mei 2026"); no date is ""."""
    match = _NUMBERING_WITH_DATE.match(text[:LONGEST])
    return (match.group(1).rstrip(" ,;:"), match.group(2).strip()) if match is not None else (text, "")


def issue_numbering(captions: Sequence[Field], numbers: Sequence[Field], link: str) -> tuple[str, str]:
    """Return numbering and date of the 863 whose $8 is `link` (`1.2`), with the captions of its 853.

    returns  ("", "") when there is no such 863
    """
    number = next((number for number in numbers if _value(number, "8") == link), None)
    if number is None:
        return "", ""
    series = link.partition(".")[0]
    caption = next((caption for caption in captions if _value(caption, "8").partition(".")[0] == series), [])
    parts = []
    for code in _LEVELS:
        value, word = _value(number, code), _value(caption, code)
        if value:
            parts.append(value if not word or word.startswith(("(", "[")) else f"{word} {value}")
    return " ".join(parts)[:LONGEST], _date(caption, number)[:LONGEST]


def _date(caption: Field, number: Field) -> str:
    """Build `2 Mei 2026` from $i year, $j month, $k day; captions may give the subfields another order."""
    year, month, day = "", "", ""
    for code in "ijkl":
        value, word = _value(number, code), _value(caption, code).lower()
        if not value:
            continue
        if "month" in word or "bulan" in word or "season" in word or (not word and code == "j"):
            month = _month(value)
        elif "day" in word or "hari" in word or "tanggal" in word or (not word and code == "k"):
            day = value.lstrip("0")
        elif not year:
            year = value
    return " ".join(value for value in (day, month, year) if value)


def _month(value: str) -> str:
    """Return the name of a month number or of two (`1/2`); other text, such as a season, is unchanged."""
    first_values, slash, last = value.partition("/")
    if slash:
        return f"{_month(first_values)}/{_month(last)}"
    return _MONTHS[int(value) - 1] if value.isascii() and value.isdigit() and 1 <= int(value) <= 12 else value


def _value(field: Field, code: str) -> str:
    for index in range(2, len(field) - 1, 2):
        if field[index] == code:
            return without_controls(field[index + 1]).strip()
    return ""
