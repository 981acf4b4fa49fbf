"""Compressed values are read as they were written, also those of earlier releases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from chassis.context import READER, system
from chassis.database.db import Database
from services.catalog import queries
from services.catalog.index.indexer import Indexer
from services.catalog.index.port import Index
from services.catalog.marc.record import Record
from services.catalog.tables.base import compress, decompress
from tests.fakes.library import Library, book

TEXT = (
    b'["00733nam a2200169   4500",["001","1"],["245","10","a","Kemarau /","c","A.A. Navis"],'
    b'["852","  ","b","PST","c","sirkulasi"]]'
)
# It stands so in databases: one that cannot be read any more is a lost catalogue.
KEPT = bytes.fromhex(
    "0128b52ffd207da50100d0373333313639314b656d61726175412e412e204e617669735d"
    "5d0800050580842282a804822d0a932de80be6b024eb28616520"
)


@given(st.binary(max_size=5_000).map(lambda data: b"[" + data))
def test_everything_comes_back(data: bytes) -> None:
    assert decompress(compress(data)) == data


def test_values_of_the_first_compression_can_be_read() -> None:
    assert decompress(KEPT) == TEXT
    assert len(KEPT) < len(TEXT) / 2


def test_values_from_before_compression_are_returned_as_they_are() -> None:
    assert decompress(b'{"title":"Kemarau"}') == b'{"title":"Kemarau"}'
    assert decompress(b"") == b""


def test_threads_do_not_get_in_each_others_way() -> None:
    texts = [TEXT * times for times in range(1, 200)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda data: decompress(compress(data)), texts * 20)) == texts * 20


def test_uncompressed_records_are_read_and_new_ones_are_compressed(database: Database, index: Index) -> None:
    Indexer(database, index).step()
    library = Library(database, index)
    library.put([book("Kemarau", author="Navis, A. A."), book("Siti Nurbaya")])
    select = "SELECT marc, brief, holdings FROM records ORDER BY number"
    new = [bytes(value) for row in library.database.rows(select, ()) for value in row]
    assert all(value[:1] == b"\x01" for value in new)
    plain = [decompress(value) for value in new]
    with library.database.transaction(system("test")) as session:
        update = text("UPDATE records SET marc = :marc, brief = :brief, holdings = :holdings WHERE number = 1")
        session.execute(update, dict(zip(("marc", "brief", "holdings"), plain[:3], strict=True)))
    assert library.titles("kemarau") == ["Kemarau"]
    assert queries.briefs(library.database, [1, 2])[1].brief == plain[1]
    with library.database.reading(READER) as session:
        rows = {number: marc for number, (marc, _work) in queries.marc_and_work(session, [1, 2]).items()}
    assert [Record.unpack(rows[number]).text("245", "a") for number in (1, 2)] == ["Kemarau", "Siti Nurbaya"]
