"""The kind of a file that is not MARC is recognised."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from chassis.sentences import sentence
from services.catalog.importing import file_kinds
from services.catalog.importing.file_kinds import HEAD_BYTES, kind_of
from services.catalog.marc import marcjson, marcxml
from tests import corpus
from tests.builders import book, iso
from tests.services.catalog.conftest import Importer


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


FILES = {
    "FILE_IS_XLSX": zipped("[Content_Types].xml", "xl/workbook.xml"),
    "FILE_IS_ZIP": zipped("katalog.mrc"),
    "FILE_IS_DOCUMENT": zipped("[Content_Types].xml", "word/document.xml"),
    "FILE_IS_CSV": b"judul;pengarang;tahun\nRobohnya surau kami;Navis;1956\nKemarau;Navis;1957\n",
    "FILE_IS_PDF": b"%PDF-1.7\n",
    "FILE_IS_HTML": b"\n<!DOCTYPE html><html><body>404</body></html>",
    "FILE_IS_MARC_AS_TEXT": b"=LDR  00000nam a2200000 a 4500\n=001  1\n=245  10$aKemarau\n",
    "FILE_IS_JSON": b'[{"judul": "Kemarau"}]',
    "FILE_IS_SQL": b"-- MySQL dump 10.13\nCREATE TABLE `biblio` (\n",
    "FILE_IS_TEXT": b"Daftar buku\n\nKemarau\nRobohnya surau kami\n",
    "FILE_IS_GZIP": gzip.compress(gzip.compress(b"x")),
    "FILE_IS_TAR": b"katalog.mrc".ljust(257, b"\0") + b"ustar\x0000",
    "FILE_IS_UTF16": "judul".encode("utf-16"),
    "FILE_IS_OLD_OFFICE": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
}


@pytest.mark.parametrize("reason", FILES)
def test_the_kind_of_a_file_is_recognised_also_inside_gzip(reason: str) -> None:
    assert kind_of(FILES[reason]) == reason
    if reason != "FILE_IS_GZIP":
        assert kind_of(gzip.compress(FILES[reason])) == reason


def test_each_kind_has_a_sentence() -> None:
    assert all(sentence(reason).id and sentence(reason).en for reason in file_kinds.REASONS)


def test_no_file_with_records_is_taken_for_another_kind() -> None:
    record = book("1")
    for content in (
        iso([record]),
        marcxml.encode(record),
        marcjson.encode(record),
        b"[" + marcjson.encode(record) + b"]",
    ):
        assert kind_of(content) == kind_of(gzip.compress(content)) == ""
    for name in corpus.sets():
        for file in corpus.sound_set(name):
            assert kind_of(file.read()[:HEAD_BYTES]) == "", file.name


def test_a_file_that_is_no_marc_is_one_rejected_record(import_: Importer, tmp_path: Path) -> None:
    for name, content in (("a.mrc", iso([book("1")])), ("b.csv", FILES["FILE_IS_CSV"]), ("c.mrc", iso([book("2")]))):
        (tmp_path / name).write_bytes(content)
    counts = import_(tmp_path / "b.csv")
    assert (counts.read, counts.put_aside, import_.reasons) == (1, 1, ["FILE_IS_CSV"])
    assert import_(FILES["FILE_IS_XLSX"]).findings.rows()[0]["reason"] == "FILE_IS_XLSX"
