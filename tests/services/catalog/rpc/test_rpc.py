"""The catalogue returns the same answers and refusals in this process and over a socket."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from chassis.context import system
from chassis.database.db import Database
from chassis.errors import Error, Invalid, NotFound, Unavailable
from chassis.rpc import inproc
from chassis.rpc.client import aio_channel, sync_channel
from chassis.rpc.server import Server
from chassis.service import Resources
from chassis.settings import Settings
from rangkiang.catalog.v1 import browsing_pb2, facets_pb2, forms_pb2
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogStub, add_CatalogServicer_to_server
from services.catalog import rpc, sample
from services.catalog.formats import FORMS
from services.catalog.index.indexer import Indexer
from services.catalog.index.installation import open_index_at
from services.catalog.institutions.file import read_institutions
from services.catalog.institutions.loading import load_institutions
from services.catalog.marc import marcjson
from services.catalog.marc.readers import decode, frames
from services.catalog.service import SERVICE
from services.catalog.settings import CatalogSettings
from tests.builders import book
from tests.migrated import copied_database
from tests.services.catalog.conftest import Importer

TOO_LONG_FOR_ISO_2709 = 10_000
BOOK = book("1", "Kaba Cindua Mato", author="Sjamsuddin", isbn="0-306-40615-2", items=[("PST", "K1"), ("TJH", "K2")])
LARGE = book("2", "Kaba besar", more=[["520", "  ", "a", "x" * TOO_LONG_FOR_ISO_2709]])
UNKNOWN = "01900000-0000-7000-8000-000000000000"

Call = Callable[[str, Any], Any]


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resources]:
    """A catalogue with two books, indexed."""
    folder: Path = tmp_path_factory.mktemp("rpc")
    settings = Settings(data=folder, grpc_port=0, grpc_threads=2)
    with copied_database(SERVICE, folder) as database:
        with database.transaction(system("test")) as session:
            load_institutions(session, read_institutions(sample.institutions_path()), context=system("test"))
        Importer(database)(_as_json([BOOK, LARGE]))
        _index(database, settings)
        yield Resources(settings=settings, database=database, service=SERVICE)


def _as_json(records: list[Any]) -> bytes:
    return b"\n".join(marcjson.encode(record) for record in records)


def _index(database: Database, settings: Settings) -> None:
    index = open_index_at(settings.of(CatalogSettings).search, database)
    indexer = Indexer(database, index)
    while indexer.step():
        pass
    index.close()


@pytest.fixture(scope="module", params=["inproc", "socket"])
def call(request: pytest.FixtureRequest, resources: Resources) -> Iterator[Call]:
    """Calls a method: through an aio channel within the process, or a sync one over TCP."""
    if request.param == "inproc":
        inproc.register("catalog", rpc.servicer(resources), add_CatalogServicer_to_server)

        async def ask(method: str, message: Any) -> Any:
            async with aio_channel("inproc:catalog", resources.settings) as channel:
                return await getattr(CatalogStub(channel), method)(message)

        yield lambda method, message: asyncio.run(ask(method, message))
        inproc.unregister("catalog")
        return
    server = Server(rpc.servicer(resources), add_CatalogServicer_to_server, resources.settings)
    server.start()
    with sync_channel(f"dns:///{server.address}", resources.settings) as channel:
        yield lambda method, message: getattr(CatalogStub(channel), method)(message)
    server.stop(grace=0.2)


def found(call: Call, query: str = "kaba cindua", *, strict: bool = True) -> Any:
    return call("Search", wire.SearchRequest(query=query, facets=["branch"], highlight=True, strict=strict))


def test_a_search_answers_with_brief_records_facets_and_marks(call: Call) -> None:
    reply = found(call)
    assert (reply.total, len(reply.hits), reply.next) == (1, 1, "")
    brief = orjson.loads(reply.hits[0].brief)
    assert (brief["title"], brief["institution"]) == ("Kaba Cindua Mato", "PKS")
    assert [holding["branch"] for holding in orjson.loads(reply.hits[0].holdings)] == ["PKS/PST", "PKS/TJH"]
    labels = {value.value: (value.count, value.label.id) for value in reply.facets[0].values}
    assert labels["PKS/PST"] == (1, "Perpustakaan Pusat")
    assert {mark.field for mark in reply.hits[0].highlights} == {"title"}


def test_a_search_of_a_tree(call: Call) -> None:
    mato, absent = (wire.SearchTree(field="title", term=term) for term in ("cindua mato", "besar"))
    tree = wire.SearchTree(operator="not", operands=[mato, absent])
    reply = call("Search", wire.SearchRequest(tree=tree))
    assert (reply.total, [orjson.loads(hit.brief)["title"] for hit in reply.hits]) == (1, ["Kaba Cindua Mato"])
    everything = wire.SearchTree(field="all_records", term="1")
    assert call("Search", wire.SearchRequest(tree=everything, offset=1)).offset == 1
    near = wire.SearchTree(operator="near", operands=[mato, absent], unit="sentence")
    with pytest.raises(Invalid, match="PROXIMITY_UNSUPPORTED"):
        call("Search", wire.SearchRequest(tree=near))


def test_suggestions(call: Call) -> None:
    reply = call("Suggest", wire.SuggestRequest(prefix="kaba"))
    assert "Kaba Cindua Mato" in [suggestion.text for suggestion in reply.suggestions]


def test_a_record_for_display(call: Call) -> None:
    record_id = found(call).hits[0].id
    reply = call("GetRecord", wire.GetRecordRequest(id=record_id))
    display_json = orjson.loads(reply.display)
    assert (reply.id, reply.version, reply.source, reply.institution) == (record_id, 1, "TEST", "PKS")
    assert display_json["title"] == "Kaba Cindua Mato"
    assert reply.updated_at.seconds > 0


@pytest.mark.parametrize("form", ["marc", "marcxml", "marcjson"])
def test_a_record_in_each_marc_form(call: Call, form: str) -> None:
    reply = call("GetForm", forms_pb2.GetFormRequest(id=found(call).hits[0].id, form=form))
    assert [decode(frame).record.fingerprint() for frame in frames(io.BytesIO(reply.content))] == [BOOK.fingerprint()]


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_record_in_each_form_with_the_address_of_its_page(call: Call, form: str) -> None:
    record_id = found(call).hits[0].id
    address = "https://katalog.example/records/{id}"
    reply = call("GetForm", forms_pb2.GetFormRequest(id=record_id, form=form, address=address))
    assert (reply.media_type, reply.version) == (FORMS[form].media_type, 1)
    assert reply.updated_at.seconds > 0
    assert b"Cindua Mato" in reply.content
    if form in ("dc", "mods", "jsonld", "ris", "bibtex", "csv"):
        assert address.replace("{id}", record_id).encode() in reply.content


def test_records_are_listed_by_number(call: Call) -> None:
    all_records = call("ListRecords", forms_pb2.ListRecordsRequest())
    first_page = call("ListRecords", forms_pb2.ListRecordsRequest(limit=1))
    rest = call("ListRecords", forms_pb2.ListRecordsRequest(after=first_page.records[0].number))
    assert [record.id for record in all_records.records] == [
        record.id for record in (*first_page.records, *rest.records)
    ]
    assert all_records.highest == all_records.records[-1].number
    assert all(record.updated_at.seconds > 0 for record in all_records.records)


def test_items_by_branch_with_their_names(call: Call) -> None:
    reply = call("ListItems", wire.ListItemsRequest(record_id=found(call).hits[0].id))
    assert [(item.barcode, item.branch, item.branch_name.en, item.availability) for item in reply.items] == [
        ("K1", "PKS/PST", "Central Library", "can_be_borrowed"),
        ("K2", "PKS/TJH", "Tanjung Harapan Reading Room", "can_be_borrowed"),
    ]


def test_institutions_and_the_branches_of_one(call: Call) -> None:
    institutions = call("ListInstitutions", wire.ListInstitutionsRequest()).institutions
    assert "PKS" in [institution.code for institution in institutions]
    branches = call("ListBranches", wire.ListBranchesRequest(institution="PKS")).branches
    assert {branch.code for branch in branches} == {"PST", "TJH", "KLL"}
    assert all(branch.confirmed for branch in branches)
    assert len(call("ListBranches", wire.ListBranchesRequest()).branches) > len(branches)


@pytest.mark.parametrize(
    ("method", "message", "kind", "reason"),
    [
        ("GetRecord", wire.GetRecordRequest(id=UNKNOWN), NotFound, "RECORD_NOT_FOUND"),
        ("GetForm", forms_pb2.GetFormRequest(id=UNKNOWN, form="mods"), NotFound, "RECORD_NOT_FOUND"),
        ("ListItems", wire.ListItemsRequest(record_id=UNKNOWN), NotFound, "RECORD_NOT_FOUND"),
        ("GetRecord", wire.GetRecordRequest(id="not an id"), Error, ""),
        ("GetRecord", wire.GetRecordRequest(), Error, ""),
        ("GetForm", forms_pb2.GetFormRequest(id=UNKNOWN), Invalid, "FORM_UNKNOWN"),
        (
            "GetForm",
            forms_pb2.GetFormRequest(id=UNKNOWN, form="csv", address="x" * 2001),
            Invalid,
            "RECORD_ADDRESS_TOO_LONG",
        ),
        ("ListRecords", forms_pb2.ListRecordsRequest(limit=50_001), Invalid, "LIMIT_OUT_OF_BOUNDS"),
        ("ListRecords", forms_pb2.ListRecordsRequest(after=-1), Invalid, "LIMIT_OUT_OF_BOUNDS"),
        ("Search", wire.SearchRequest(cursor="nonsense"), Invalid, ""),
        ("Search", wire.SearchRequest(sort="colour"), Invalid, ""),
        ("Search", wire.SearchRequest(limit=100_000), Invalid, ""),
        ("Search", wire.SearchRequest(facets=["colour"]), Invalid, ""),
        ("Search", wire.SearchRequest(filters=[facets_pb2.Filter(facet="colour", values=["red"])]), Invalid, ""),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_refusals_arrive_with_their_reason_and_both_sentences(
    call: Call, method: str, message: Any, kind: type[Error], reason: str
) -> None:
    with pytest.raises(kind) as refusal:
        call(method, message)
    assert refusal.value.reason == reason or (not reason and refusal.value.reason)
    assert type(refusal.value) in (Invalid, NotFound)
    assert refusal.value.sentence.id
    assert refusal.value.sentence.en


def test_a_record_that_a_format_cannot_hold_is_refused_with_the_reason(call: Call) -> None:
    record_id = found(call, "kaba besar").hits[0].id
    with pytest.raises(Invalid) as refusal:
        call("GetForm", forms_pb2.GetFormRequest(id=record_id, form="marc"))
    assert refusal.value.facts["record"] == record_id
    assert call("GetForm", forms_pb2.GetFormRequest(id=record_id, form="marcxml")).content


def test_without_an_index_searches_are_looked_up_and_records_are_still_given(
    resources: Resources, tmp_path: Path
) -> None:
    bare = Resources(settings=Settings(data=tmp_path), database=resources.database, service=SERVICE)
    inproc.register("bare", rpc.servicer(bare), add_CatalogServicer_to_server)

    async def ask() -> None:
        async with aio_channel("inproc:bare", bare.settings) as channel:
            stub = CatalogStub(channel)
            reply = await stub.Search(wire.SearchRequest(query="kaba cindua"))
            assert (reply.degraded, reply.total) == (True, 1)
            with pytest.raises(Unavailable) as refusal:
                await stub.CountFacet(browsing_pb2.CountFacetRequest(facet="language"))
            assert refusal.value.reason == "INDEX_BUILDING"
            assert (await stub.ListInstitutions(wire.ListInstitutionsRequest())).institutions

    asyncio.run(ask())
    inproc.unregister("bare")


# Prints the files of the catalogue that the first search of a process reads, with words, classes and corrections.
FIRST_SEARCH = """
import sys
from contextlib import closing
from pathlib import Path

from chassis.context import READER
from chassis.service import Resources
from chassis.settings import Settings
from services.catalog.rpc import servicer
from services.catalog.search.search import search
from services.catalog.service import SERVICE

settings = Settings(data=Path(sys.argv[1]))
with closing(SERVICE.open_database(settings)) as database:
    catalog = servicer(Resources(settings=settings, database=database, service=SERVICE))
    sys.addaudithook(lambda event, facts: event == "open" and "services/catalog" in str(facts[0]) and print(*facts))
    total = search(database, catalog._index, context=READER, query="kenapa kaba cindoa langit biru").total
print("hits", total)
"""


def test_the_first_search_of_a_process_reads_no_words(resources: Resources) -> None:
    program = [sys.executable, "-c", FIRST_SEARCH, str(resources.settings.data)]
    run = subprocess.run(program, capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.stderr) == ("hits 2\n", "")
