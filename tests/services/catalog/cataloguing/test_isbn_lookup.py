"""An ISBN is looked up here, at other institutions and in outside sources, whatever these answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from chassis.addresses import networks
from chassis.database.db import Database
from chassis.errors import Invalid, Unavailable
from chassis.http.outgoing import OutgoingClient
from chassis.service import Resources, load
from chassis.settings import Settings
from services.catalog import checks
from services.catalog.cataloguing.lookup.isbn_matches import Matches, look_up
from services.catalog.cataloguing.lookup.outside_sources import (
    MOST_BYTES,
    OutsideSource,
    ask_sources,
    load_sources,
    read_response,
)
from services.catalog.cataloguing.records import read_marc
from services.catalog.index.port import Index
from services.catalog.marc import marcxml
from services.catalog.marc.record import Record
from services.catalog.settings import CatalogSettings
from tests.builders import book
from tests.fakes.http_receiver import Answer
from tests.fakes.sru_server import SruServer, sru_response
from tests.services.catalog.cataloguing.conftest import Cataloguer
from tests.services.catalog.conftest import Importer
from tests.services.catalog.indexes import run_indexer

ISBN, PRINTED = "9789794030462", "979-403-046-5"
LOOPBACK = networks("127.0.0.0/8")
FULL = [["300", "  ", "a", "142 hlm."], ["490", "0 ", "a", "Seri sastra"], ["520", "  ", "a", "Cerita pendek."]]


SOUND = marcxml.encode(book("1", isbn=ISBN))
BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
DIAGNOSTIC = b"<diagnostics><d:diagnostic xmlns:d='x'/></diagnostics>"


def source_of(server: SruServer, **fields: Any) -> OutsideSource:
    return OutsideSource(name="Perpustakaan lain", url=f"{server.url}/sru", index="bath.isbn", **fields)


def client() -> OutgoingClient:
    return OutgoingClient(allowed=LOOPBACK, requires_https=False, most_bytes=MOST_BYTES)


@pytest.fixture
def other() -> Iterator[SruServer]:
    """The server of a library that has the book."""
    with SruServer([book("77", isbn=ISBN, more=FULL)]) as server:
        yield server


def found(
    database: Database, index: Index, cataloguer: Cataloguer, sources: dict[str, OutsideSource], text: str = PRINTED
) -> Matches:
    context = cataloguer.context
    return look_up(database, index, text, sources=sources, client=client(), seconds=1, context=context)


def summary(matches: list[Any]) -> list[tuple[str, str, list[str]]]:
    return [
        (match.library.code, orjson.loads(match.brief)["title"], [library.code for library in match.also_in])
        for match in matches
    ]


def test_records_here_at_other_institutions_and_outside_are_found_apart(
    database: Database, index: Index, cataloguer: Cataloguer, import_: Importer, other: SruServer
) -> None:
    second = [["020", "  ", "a", "9780306406157"], ["020", "  ", "a", ISBN]]
    import_([book("8", isbn=ISBN), book("9", "Jilid lain", more=second)], source="KOTA", institution="KOTA")
    import_([book("5", isbn=ISBN, more=FULL)], source="DESA", institution="DESA")
    run_indexer(database, index)  # a second ISBN is only in the index
    own = cataloguer.create(book("1", "Milik sendiri", isbn=ISBN))  # and this record is not yet in it
    result = found(database, index, cataloguer, {"lain": source_of(other)})
    assert result.isbn == ISBN
    assert (summary(result.here), result.here[0].record_id) == ([("PKS", "Milik sendiri", [])], own.id)
    assert summary(result.elsewhere) == [("DESA", "Robohnya surau kami", ["KOTA"]), ("KOTA", "Jilid lain", [])]
    assert summary(result.outside) == [("lain", "Robohnya surau kami", [])]
    assert (result.outside[0].record_id, result.silent) == (None, [])
    assert "bath.isbn=9789794030462" in other.requests[0].fields["query"]


def test_a_match_is_saved_as_it_is_and_says_where_it_comes_from(
    database: Database, index: Index, cataloguer: Cataloguer, other: SruServer
) -> None:
    [match] = found(database, index, cataloguer, {"lain": source_of(other)}).outside
    copy = cataloguer.content(cataloguer.create(read_marc(match.marc)).id)
    assert copy.values("035", "a") == ["(TEST)77"]
    assert copy.values("040") == ["TEST", "TEST", "PKS"]
    assert copy.text("245") == "Robohnya surau kami"


def test_the_fullest_record_in_a_known_language_stands_for_its_title(
    database: Database, index: Index, cataloguer: Cataloguer
) -> None:
    german = [["040", "  ", "b", "ger"], *FULL]
    with SruServer([book("1", isbn=ISBN, more=german), book("2", "Lain", isbn=ISBN)]) as first, ExitStack() as stack:
        second = stack.enter_context(SruServer([book("3", "ROBOHNYA surau kami /", isbn=ISBN)]))
        sources = {"first": source_of(first), "second": source_of(second)}
        matches = found(database, index, cataloguer, sources).outside
    assert summary(matches) == [("first", "Lain", []), ("second", "ROBOHNYA surau kami", ["first"])]


def test_a_slow_a_broken_and_a_hostile_source_are_named_and_delay_nothing(other: SruServer) -> None:
    with ExitStack() as stack:
        slow, gone, busy, moved, large = (stack.enter_context(SruServer()) for _ in range(5))
        slow.hold()
        gone.close()
        busy.answer = lambda _request: Answer(status=503)
        # A redirect is not followed: the address is none that the operator has named.
        moved.answer = lambda _request: Answer(status=302, headers={"Location": f"{other.url}/sru"})
        large.answer = lambda _request: Answer(body=sru_response([SOUND]) + b" " * 1_000_000)
        servers = {"slow": slow, "gone": gone, "busy": busy, "moved": moved, "large": large, "sound": other}
        began = time.monotonic()
        sources = {name: source_of(server) for name, server in servers.items()}
        answers, silent = ask_sources(sources, ISBN, client(), seconds=1)
        seconds = time.monotonic() - began
    assert (silent, [code for code, _ in answers]) == (["slow", "gone", "busy", "moved", "large"], ["sound"])
    assert len(other.requests) == 1
    assert seconds < 5  # the second that sources have, on a busy machine


def test_a_source_inside_the_network_is_asked_only_where_the_operator_allows_it(other: SruServer) -> None:
    guarded = OutgoingClient(requires_https=False)
    assert ask_sources({"lain": source_of(other)}, ISBN, guarded) == ([], ["lain"])
    assert other.requests == []


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>searchRetrieveResponse", id="a page"),
        pytest.param(b'{"searchRetrieveResponse": []}', id="JSON"),
        pytest.param(sru_response([SOUND])[:-400], id="cut off"),
        pytest.param(sru_response([SOUND]).replace(b"<zs:search", BOMB + b"<zs:search", 1), id="entities"),
        pytest.param(sru_response([b"<a>" * 5_000 + b"</a>" * 5_000]), id="deep"),
        pytest.param(sru_response([SOUND.replace(b"Robohnya", b"&secret;")]), id="an unknown entity"),
        pytest.param(sru_response([]).replace(b"<zs:records>", DIAGNOSTIC + b"<zs:records>"), id="a diagnostic"),
        pytest.param(b"\x1f\x8bsearchRetrieveResponse", id="compressed"),
    ],
)
def test_what_is_no_sound_response_of_sru_is_refused(document: bytes) -> None:
    began = time.thread_time()
    with pytest.raises(Unavailable) as refusal:
        read_response(document)
    assert refusal.value.reason == "OUTSIDE_SOURCE_FAILED"
    assert time.thread_time() - began < 1


def test_records_that_cannot_be_copied_are_left_out(database: Database, index: Index, cataloguer: Cataloguer) -> None:
    unimarc = Record("00000nam a2200000   4500", [
        ["010", "  ", "a", ISBN], ["020", "  ", "a", ISBN],
        ["100", "  ", "a", "20260101d1986    m  y0indy50      ba"], ["200", "1 ", "a", "Robohnya"],
    ])  # fmt: skip
    long = book("3", "Panjang", isbn=ISBN, more=[["520", "  ", "a", "x" * 200_000]])
    records = [book("2", "Buku lain", isbn="9780306406157"), unimarc, long, book("4", isbn=ISBN)]
    with SruServer() as server:
        server.answer = lambda _request: Answer(body=sru_response([*map(marcxml.encode, records), b"<diagnostic/>"]))
        result = found(database, index, cataloguer, {"lain": source_of(server)})
    assert (summary(result.outside), result.silent) == ([("lain", "Robohnya surau kami", [])], [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("979-403-046-3", "ISBN_CHECK_DIGIT_WRONG"),
        ("0-306-40615-3", "ISBN_CHECK_DIGIT_WRONG"),
        ("8992753102525", "ISBN_INVALID"),  # the barcode of something else
        ("Robohnya", "ISBN_INVALID"),
        ("", "ISBN_INVALID"),
    ],
)
def test_what_is_no_isbn_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(Invalid) as refusal:
        look_up(None, None, text, sources={}, client=client(), context=None)  # type: ignore[arg-type]
    assert refusal.value.reason == reason


def test_an_isbn_of_ten_digits_is_asked_for_in_both_forms(
    database: Database, index: Index, cataloguer: Cataloguer, other: SruServer
) -> None:
    found(database, index, cataloguer, {"lain": source_of(other)}, "0 306 40615 2")
    assert other.requests[0].fields["query"] == "bath.isbn=9780306406157 or bath.isbn=0306406152"


def test_sources_are_those_that_the_operator_names_and_those_of_a_file(tmp_path: Path) -> None:
    assert load_sources(CatalogSettings()) == {}
    file = tmp_path / "sources.toml"
    file.write_text('[kota]\nname = "Kota"\nurl = "http://10.0.0.7/sru"\nindex = "bath.isbn"\n', encoding="utf-8")
    sources = load_sources(CatalogSettings(outside_sources="dnb, loc", outside_sources_file=file))
    assert [*sources] == ["dnb", "loc", "kota"]
    assert (sources["dnb"].schema_name, sources["kota"].schema_name) == ("MARC21-xml", "marcxml")
    service = load("catalog")
    for settings, part in (
        ({"outside_sources": "nowhere"}, "k10plus"),
        ({"outside_sources_file": str(file)}, "kota.url"),
        ({"outside_sources_file": str(tmp_path / "none.toml")}, "none.toml"),
    ):
        file.write_text('[kota]\nname = "Kota"\nurl = "file:///etc/passwd"\nindex = "bath.isbn"\n', encoding="utf-8")
        own = Settings(data=tmp_path, **settings)
        with closing(service.open_database(own)) as database:
            [finding] = checks.outside_sources(Resources(settings=own, database=database, service=service))
        assert (finding.ok, part in finding.message.en) == (False, True)
