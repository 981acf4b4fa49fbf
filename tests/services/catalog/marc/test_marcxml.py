"""MARCXML: which documents are read, which are stopped, and where reading continues after an error."""

from __future__ import annotations

import pytest

from services.catalog.marc import marcxml
from services.catalog.marc.faults import NotSerialisable
from services.catalog.marc.readers import MarcError, decode
from services.catalog.marc.record import Record

from .samples import book, one, read, reasons

NAMESPACE = marcxml.NAMESPACE
LEADER = "<leader>00000nam a2200000   4500</leader>"
TITLE = '<datafield tag="245" ind1="1" ind2="0"><subfield code="a">{}</subfield></datafield>'


def element(inside: str = "", *, title: str = "Siti Nurbaya", attributes: str = "") -> str:
    return f"<record{attributes}>{LEADER}{TITLE.format(title)}{inside}</record>"


def collection(*inside: str, attributes: str = f' xmlns="{NAMESPACE}"') -> bytes:
    return f"<collection{attributes}>\n{' '.join(inside)}</collection>\n".encode()


def titles(raw: bytes) -> list[str]:
    """Titles of the records that load, in order."""
    return [decode(frame).record.text("245", "a") for frame in read(raw) if not frame.fault]


def test_every_record_of_a_collection_is_a_frame_of_its_own_bytes() -> None:
    raw = collection(element(title="a"), element(title="b"))
    first, second = read(raw)
    assert raw[second.position :].startswith(second.raw)
    assert second.raw == element(title="b").encode()
    assert (first.number, second.number) == (1, 2)
    assert decode(second).warnings == ()


def test_prefixes_declared_on_the_collection_are_known_to_its_records() -> None:
    inside = element().replace("</", "</marc:").replace("<", "<marc:").replace("<marc:/marc:", "</marc:")
    raw = f'<marc:collection xmlns:marc="{NAMESPACE}">{inside}</marc:collection>'.encode()
    assert titles(raw) == ["Siti Nurbaya"]
    assert one(raw).warnings == ()


def test_a_record_without_the_namespace_is_read_with_a_warning() -> None:
    assert one(collection(element(), attributes="")).warnings == ("NO_NAMESPACE",)
    assert one(element().encode()).warnings == ("NO_NAMESPACE",)


def test_a_record_of_another_namespace_is_put_aside() -> None:
    with pytest.raises(MarcError, match="NOT_MARCXML"):
        one(collection(element(), attributes=' xmlns="http://example.org/dc"'))


def test_a_record_wrapped_in_another_kind_of_record_is_found() -> None:
    inner = element(attributes=f' xmlns="{NAMESPACE}"')
    raw = (
        '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords>'
        f"<record><header/><metadata>{inner}</metadata></record></ListRecords></OAI-PMH>"
    ).encode()
    assert titles(raw) == ["Siti Nurbaya"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"<html><body>Not found</body></html>", ["NOT_MARCXML"]),
        (b"<collection/>", []),
        (f'<collection xmlns="{NAMESPACE}"></collection>'.encode(), []),
        (b"<", ["XML_MALFORMED"]),
        (b"<collection>" + element().encode(), ["", "XML_MALFORMED"]),
        (b"<collection>" + b"<a>" * 100, ["XML_TOO_DEEP"]),
        (b"<!DOCTYPE html><html></html>", ["XML_DTD"]),
    ],
)
def test_a_document_that_is_no_marcxml_is_rejected_with_the_reason(raw: bytes, expected: list[str]) -> None:
    assert reasons(raw) == expected


def test_a_billion_laughs_are_not_laughed() -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    raw = f'<?xml version="1.0"?><!DOCTYPE c [<!ENTITY l0 "lol">{entities}]>'.encode()
    assert reasons(raw + collection(element(title="&l9;"))) == ["XML_DTD"]


def test_a_file_named_by_an_entity_is_not_opened() -> None:
    raw = b'<!DOCTYPE c [<!ENTITY secret SYSTEM "file:///etc/passwd">]>' + collection(element(title="&secret;"))
    assert reasons(raw) == ["XML_DTD"]


@pytest.mark.parametrize(
    "broken",
    [
        element(title="<b>"),
        element(title="&nbsp;"),
        element(title="\x07"),
        element().replace("</record>", ""),
        element().replace("</subfield>", ""),
        element().replace('"245"', '"245'),
        "<record",
        "<record><<<",
        "</collection>",
    ],
)
def test_reading_goes_on_at_the_record_after_an_error(broken: str) -> None:
    raw = collection(element(title="a"), broken, element(title="c"), element(title="d"))
    assert [reason for reason in reasons(raw) if reason] == ["XML_MALFORMED"]
    assert titles(raw) == ["a", "c", "d"]


def test_two_documents_one_after_the_other_are_both_read() -> None:
    one_of_two = b'<?xml version="1.0" encoding="UTF-8"?>\n' + collection(element())
    assert titles(one_of_two + one_of_two) == ["Siti Nurbaya"] * 2


@pytest.mark.parametrize("coding", ["utf-16", "iso-8859-1", "utf-8"])
def test_the_encoding_that_is_declared_is_believed(coding: str) -> None:
    text = f'<?xml version="1.0" encoding="{coding}"?>' + collection(element(title="Café")).decode()
    assert titles(text.encode(coding)) == ["Café"]


def test_an_encoding_that_nobody_knows_is_a_fault() -> None:
    assert reasons(b'<?xml version="1.0" encoding="klingon"?>' + collection(element())) == ["XML_MALFORMED"]


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ('<datafield tag="24" ind1=" " ind2=" "><subfield code="a">x</subfield></datafield>', "FIELD_BAD"),
        ('<datafield tag="001" ind1=" " ind2=" "><subfield code="a">x</subfield></datafield>', "FIELD_BAD"),
        ('<datafield tag="500" ind1="10" ind2=" "><subfield code="a">x</subfield></datafield>', "FIELD_BAD"),
        ('<datafield tag="500" ind1=" " ind2=" "><subfield code="ab">x</subfield></datafield>', "FIELD_BAD"),
        ('<datafield tag="500" ind1=" " ind2=" ">text</datafield>', "FIELD_BAD"),
        ('<datafield tag="500"><subfield code="a">x<i>y</i></subfield></datafield>', "FIELD_BAD"),
        ('<controlfield tag="500">x</controlfield>', "FIELD_BAD"),
        ("loose text", "FIELD_BAD"),
        (LEADER, "LEADER_BAD"),
    ],
)
def test_a_record_that_would_lose_values_is_rejected(inside: str, reason: str) -> None:
    with pytest.raises(MarcError, match=reason):
        one(collection(element(inside)))


@pytest.mark.parametrize(
    ("leader", "read_as"),
    [
        ("<leader>     nam a22     uu 4500</leader>", "     nam a22     uu 4500"),
        ("<leader>\n 00000nam a2200000   4500 \n</leader>", "00000nam a2200000   4500"),
        ("<leader>00000nam a22</leader>", "00000nam a22            "),
        ("", "00000nam a2200000   4500"),
    ],
)
def test_a_leader_is_made_whole(leader: str, read_as: str) -> None:
    assert one(collection(element().replace(LEADER, leader))).record.leader == read_as


def test_a_leader_too_long_is_put_aside() -> None:
    with pytest.raises(MarcError, match="LEADER_BAD"):
        one(collection(element().replace("4500", "4500xyz")))


def test_elements_that_are_not_marc_are_left_out_with_a_warning() -> None:
    decoded = one(collection(element("<rank>42</rank><e:x><y>z</y></e:x>")))
    assert decoded.warnings == ("UNKNOWN_ELEMENT",)
    assert len(decoded.record.fields) == 1


def test_markup_and_blanks_in_values_come_back() -> None:
    record = book("1", " <script>&amp;\"' \t\r\n  ]]> ﷺ 𝄞 ", ["500", '"&', "<", "x", "\t", "y"])
    assert one(marcxml.encode(record)).record.fields == record.fields


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x1f", "\ufffe", "\uffff"])
def test_a_character_that_xml_does_not_allow_is_refused_by_name(character: str) -> None:
    for record in (
        book("1", f"a{character}b"),
        book(f"1{character}"),
        Record(book().leader, [["500", f" {character}", "a", "x"]]),
    ):
        with pytest.raises(NotSerialisable) as refusal:
            marcxml.encode(record)
        assert refusal.value.reason == "UNSERIALISABLE_IN_XML"


def test_a_record_over_the_limit_is_one_fault_and_reading_goes_on() -> None:
    huge = element(title="x" * 9_000_000)
    raw = collection(element(title="a"), huge, element(title="c"))
    assert [reason for reason in reasons(raw) if reason] == ["RECORD_TOO_BIG"]
    assert titles(raw) == ["a", "c"]


def test_a_tag_without_end_is_one_fault() -> None:
    assert reasons(b"<collection " + b"a" * 9_000_000 + b">" + element().encode())[0] == "RECORD_TOO_BIG"
