"""Reads the items of a record by the item map of its source, with their enumeration and chronology."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice

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
MOST_TEXTS = LONGEST // 3 + 1  # textual holdings that fit in an enumeration, with their separators
MOST_PAIRS = 20  # fields to which one item record is linked
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
    by_link = _ItemRecords(item_records)
    numbering = _Numbering(tags) if "863" in tags or "866" in tags else None
    items: list[ItemFacts] = []
    for field in fields:
        facts = _read_item(pattern, field, item_map)
        if facts is None:
            continue
        links = _links(field) if item_records or numbering is not None else set()
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
    """Item records by their links. One item record is linked to MOST_PAIRS fields at most, so the work is linear."""

    def __init__(self, item_records: list[Field]) -> None:
        self._item_records = item_records
        self._pairs_left = [MOST_PAIRS] * len(item_records)
        self._places: dict[str, list[int]] = {}
        for place, item_record in enumerate(item_records):
            for link in _links(item_record):
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


class _Numbering:
    """Captions (853), enumeration and chronology (863) and textual holdings (866) by their links."""

    def __init__(self, tags: Tags) -> None:
        self._captions: dict[str, Field] = {}
        self._numbers: dict[str, Field] = {}
        self._links_of_series: dict[str, list[str]] = {}
        self._texts: list[str] = []
        self._texts_of_link: dict[str, list[int]] = {}
        self._issues: dict[str, tuple[str, str]] = {}
        for caption in tags.get("853", ()):
            self._captions.setdefault(_value(caption, "8").partition(".")[0], caption)
        for number in tags.get("863", ()):
            for link in _values(number, "8")[:1]:
                self._links_of_series.setdefault("8" + link.partition(".")[0], []).append(link)
            self._numbers.setdefault(_value(number, "8"), number)
        for field in tags.get("866", ()):
            text = "; ".join(_values(field, "a"))[:LONGEST]
            for link in _links(field) if text else ():
                self._texts_of_link.setdefault(link, []).append(len(self._texts))
            if text:
                self._texts.append(text)

    def only_issue(self, links: set[str], *, alone: bool) -> str | None:
        """Return the link of the only 863 of these links, of the only 863 at all when `alone`; None for several."""
        series = self._links_of_series if alone else links & self._links_of_series.keys()
        issues = list(islice((issue for link in series for issue in self._links_of_series[link]), 2))
        return issues[0] if len(issues) == 1 else None

    def text(self, links: set[str], *, alone: bool) -> str:
        """Return the textual holdings of these links, all when `alone`; as many as an enumeration can hold."""
        if alone:
            return "; ".join(self._texts[:MOST_TEXTS])
        linked = links & self._texts_of_link.keys()
        places = {place for link in linked for place in self._texts_of_link[link][:MOST_TEXTS]}
        return "; ".join(self._texts[place] for place in sorted(places)[:MOST_TEXTS])

    def issue(self, link: str) -> tuple[str, str]:
        """Return numbering and date of the 863 whose $8 is `link` (`1.2`), with the captions of its 853.

        returns  ("", "") when there is no such 863
        """
        if link not in self._issues:
            number = self._numbers.get(link)
            caption = self._captions.get(link.partition(".")[0], [])
            self._issues[link] = ("", "") if number is None else _issue(caption, number)
        return self._issues[link]


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
    pattern: ItemPattern, item_record: Field, default: ItemFacts, numbering: _Numbering | None, item_map: ItemMap
) -> ItemFacts | None:
    """Read an item record (876–878) that is linked to a field."""
    assert pattern.item is not None
    item = _read_item(pattern.item, item_record, item_map, default)
    if item is None or numbering is None:
        return item
    return _add_issue(item, [value for value in _values(item_record, "8") if "." in value], numbering)


def _add_numbering(item: ItemFacts, links: set[str], numbering: _Numbering, *, alone: bool) -> ItemFacts:
    """Add enumeration and chronology to an item without item records: from its only 863, else from the text of 866."""
    issue = numbering.only_issue(links, alone=alone)
    if issue is not None:
        return _add_issue(item, [issue], numbering)
    if not item.enumeration and (text := numbering.text(links, alone=alone)):
        enumeration, date = split_date(text)
        return item._replace(enumeration=enumeration[:LONGEST], chronology=date[:LONGEST] or item.chronology)
    return item


def _add_issue(item: ItemFacts, links: list[str], numbering: _Numbering) -> ItemFacts:
    for link in links:
        enumeration, date = numbering.issue(link)
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
        barcode, call_number, _, branch, collection, material, status, copy, room = item[:9]
        enumeration, date, pieces, key = item[9:13]
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


def _issue(caption: Field, number: Field) -> tuple[str, str]:
    """Return numbering and date of an 863 with the captions of its 853."""
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
