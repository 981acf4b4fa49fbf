"""Files of damaged gzip, MARCXML and MARC-in-JSON, and the expected result for the records."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from functools import partial
from typing import Final

from services.catalog.marc import iso2709, marcjson, marcxml
from tests.corpus.files import DamagedFile
from tests.corpus.sound import plain_records

COUNT: Final = 3


def _elements(count: int = COUNT) -> list[bytes]:
    return [marcxml.encode(record, declare=False) for record in plain_records(count)]


def _collection(*elements: bytes) -> bytes:
    return marcxml.COLLECTION_HEAD + b"".join(elements) + marcxml.COLLECTION_TAIL


def _second_changed(old: bytes, new: bytes) -> bytes:
    """Three records in MARCXML, the second with this change."""
    first, second, third = _elements()
    assert old in second
    return _collection(first, second.replace(old, new, 1), third)


def _objects(count: int = COUNT) -> list[bytes]:
    return [marcjson.encode(record) for record in plain_records(count)]


def _second_object_changed(old: bytes, new: bytes) -> bytes:
    """Three records in MARC-in-JSON, one a line, the second with this change."""
    first, second, third = _objects()
    assert old in second
    return b"\n".join([first, second.replace(old, new, 1), third])


def _packed(*, cut: int = 0) -> bytes:
    raw = b"".join(map(iso2709.encode, plain_records(COUNT)))
    packed = gzip.compress(raw, mtime=0)
    return packed[: len(packed) - cut]


def _bomb() -> bytes:
    """One sound record, then 40 million zeros, in a few kilobytes."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    record = next(plain_records(1))
    zeros = bytes(1 << 20)
    return b"".join([squeeze.compress(iso2709.encode(record)), *(squeeze.compress(zeros) for _ in range(40)),
                     squeeze.flush()])  # fmt: skip


XML = partial(DamagedFile, form="marcxml", framed=False)
JSON = partial(DamagedFile, form="json", framed=False)
NOTE = b'<subfield code="a">Kesusastraan</subfield>'
TITLE_TAG = b'<datafield tag="245" ind1="1" ind2="0">'


def _second_aside(name: str, reason: str, old: bytes, new: bytes) -> DamagedFile:
    return XML(name, partial(_second_changed, old, new), loaded=2, put_aside={reason: 1})


def _second_warned(name: str, reason: str, old: bytes, new: bytes) -> DamagedFile:
    return XML(name, partial(_second_changed, old, new), loaded=3, warned={reason: 1})


def _object_aside(name: str, reason: str, old: bytes, new: bytes) -> DamagedFile:
    return JSON(name, partial(_second_object_changed, old, new), loaded=2, put_aside={reason: 1})


def _alone(name: str, reason: str, raw: Callable[[], bytes]) -> DamagedFile:
    return XML(name, raw, put_aside={reason: 1})


FILES: Final = [
    DamagedFile("gzip_cut", partial(_packed, cut=9), loaded=COUNT, put_aside={"GZIP_DAMAGED": 1}, framed=False),
    DamagedFile("gzip_bomb", _bomb, loaded=1, put_aside={"GZIP_BOMB": 1}, framed=False),
    _second_aside("xml_control_character", "XML_MALFORMED", b'code="a">Kes', b'code="\x07">Kes'),
    _second_aside("xml_wrong_end", "XML_MALFORMED", b"Kesusastraan</subfield>", b"Kesusastraan</subfeld>"),
    _second_aside("xml_bare_ampersand", "XML_MALFORMED", b"Kesusastraan", b"Sastra & seni"),
    _second_aside("xml_bad_reference", "XML_MALFORMED", b"Kesusastraan", b"&#xFFFFFFF;"),
    _second_aside("xml_entity_unknown", "XML_MALFORMED", b"Kesusastraan", b"&nbsp;"),
    _second_aside("xml_two_leaders", "LEADER_BAD", b"</leader>", b"</leader><leader>00000nam a2200000   4500</leader>"),
    _second_aside("xml_leader_long", "LEADER_BAD", b"4500</leader>", b"4500    x</leader>"),
    _second_aside("xml_data_in_control", "FIELD_BAD", b'<controlfield tag="003">', b'<controlfield tag="245">'),
    _second_aside("xml_long_indicator", "FIELD_BAD", TITLE_TAG, TITLE_TAG.replace(b'"1"', b'"10"')),
    _second_aside("xml_element_in_text", "FIELD_BAD", b"Kesusastraan", b"Kesu<i>sastra</i>an"),
    _second_warned("xml_unknown_element", "UNKNOWN_ELEMENT", TITLE_TAG, b"<holding><copy/></holding>" + TITLE_TAG),
    _second_warned("xml_leader_blanks_lost", "LEADER_ODD", b"<leader>00000nam a2200000   4500", b"<leader>00000nam"),
    _second_warned("xml_code_empty", "TEXT_OUTSIDE_SUBFIELDS", b'"a">Kes', b'"">Kes'),
    XML("xml_without_namespace", lambda: b"".join(_elements()), loaded=COUNT, warned={"NO_NAMESPACE": COUNT}),
    XML("xml_without_leader", lambda: _second_changed(b"  <leader>00000nam a2200000   4500</leader>\n", b""), loaded=3,
        warned={"NO_LEADER": 1}),
    _alone("xml_cut", "XML_MALFORMED", lambda: _collection(_elements(1)[0])[:400]),
    _alone("xml_no_fields", "NO_FIELDS",
           lambda: _collection(b"<record><leader>00000nam a2200000   4500</leader></record>")),
    _alone("xml_other_document", "NOT_MARCXML", lambda: b"<html><body><p>Tidak ada cantuman.</p></body></html>"),
    _alone("xml_other_namespace", "NOT_MARCXML",
           lambda: _collection(_elements(1)[0].replace(b"<record>", b'<record xmlns="urn:example:other">'))),
    _alone("xml_dtd", "XML_DTD",
           lambda: b'<!DOCTYPE collection [<!ENTITY a "aaaaaaaa">]>\n' + _collection(*_elements())),
    XML("xml_too_deep", lambda: _collection(*_elements(2), b"<a>" * 70 + b"</a>" * 70), loaded=2,
        put_aside={"XML_TOO_DEEP": 1}),
    _object_aside("json_comma_lost", "JSON_MALFORMED", b'},{"245"', b'}{"245"'),
    _object_aside("json_no_fields", "NOT_MARCJSON", b'"fields"', b'"felder"'),
    _object_aside("json_key_twice", "DUPLICATE_KEYS", b'"ind1":"1",', b'"ind1":"1","ind1":"0",'),
    _object_aside("json_field_of_two_tags", "FIELD_BAD", b'{"003":"RK"}', b'{"003":"RK","005":"20261126013000.0"}'),
    _object_aside("json_number_for_text", "FIELD_BAD", b'"RK"', b"7"),
    JSON("json_unknown_key", lambda: _second_object_changed(b'{"leader"', b'{"id":7,"leader"'), loaded=3,
         warned={"UNKNOWN_ELEMENT": 1}),
    JSON("json_array_with_text", lambda: b"[" + b",".join([*_objects(2), b' "stray" ', *_objects(1)]) + b"]", loaded=3,
         put_aside={"JSON_MALFORMED": 1}),
    JSON("json_cut", lambda: b"[" + b",".join(_objects())[:-40], loaded=2, put_aside={"JSON_MALFORMED": 1}),
]  # fmt: skip
