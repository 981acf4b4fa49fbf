"""Inputs with which fuzzing begins: valid ones of each kind, and their significant tokens."""

from __future__ import annotations

from services.catalog.marc import iso2709, marcjson, marcxml
from services.catalog.search.search import Cursor
from tests.builders import book, iso
from tests.fuzz.targets import QUESTION

_BOOKS = [
    book("1", "Robohnya surau kami", isbn="9780306406157", subjects=["Minangkabau"], items=[("PST", "K1")]),
    book("2", "Kaba", more=[["880", "1 ", "6", "245-01/(3/r", "a", "كابا"], ["500", "  ", "", "", "", "", "a", "x"]]),
]
_MARC8 = iso([book("3", "Cafe")]).replace(b"Cafe", b"Caf\xe2e").replace(b"a2200", b" 2200", 1)

SEEDS: dict[str, list[bytes]] = {
    "marc": [
        iso(_BOOKS),
        _MARC8,
        marcxml.COLLECTION_HEAD
        + b"".join(marcxml.encode(record, declare=False) for record in _BOOKS)
        + b"</collection>",
        b"[" + b",".join(map(marcjson.encode, _BOOKS)) + b"]",
        b"\n".join(map(marcjson.encode, _BOOKS)),
        iso2709.encode(_BOOKS[0]),
    ],
    "query": [
        b"robohnya surau kami",
        b'judul:"robohnya surau" -navis tahun:1990..2000',
        b"isbn:978-0-306-40615-7 bahasa:indonesia minang*",
        "pengarang:Navis 0306406152 – “kaba”".encode(),
    ],
    "cursor": [str(Cursor(10, QUESTION, "tantivy-1")).encode(), str(Cursor(9_999, QUESTION, "", "relaxed")).encode()],
}
_MARC = b"\x1d \x1e \x1f \x1b$1 \x1b(B 4500 < ]]> &#x1; <record> </subfield> {  } \xff \xc3 \x1f\x8b\x08\0 880 LKR &lt;"
_QUERY = 'judul: tahun: isbn: bahasa: kelas: - " * .. 1990 OR ATAU ( ) 978 0306406152 surau é ب 日本 _ : – ʿ \0 ^ ~'

TOKENS: dict[str, list[bytes]] = {
    "marc": [*_MARC.split(), b'"subfields":['],
    "query": [b" ", *_QUERY.encode().split()],
    "cursor": [b"=", b"-", b"_", b"A", b"\xff"],
}
