"""The data of a record's page: related records, the reader's branch first, items in full."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from chassis.context import READER
from chassis.database.db import Database
from chassis.rpc import inproc
from chassis.rpc.client import aio_channel
from chassis.service import Resources
from chassis.settings import Settings
from rangkiang.catalog.v1 import browsing_pb2 as browsing
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogStub, add_CatalogServicer_to_server
from services.catalog import rpc
from services.catalog.index.installation import open_index_at
from services.catalog.record import page
from services.catalog.record.holdings import sort_holdings
from services.catalog.service import SERVICE
from services.catalog.settings import CatalogSettings
from services.catalog.tables import Record
from tests.builders import book
from tests.migrated import copied_database
from tests.services.catalog.conftest import Importer
from tests.services.catalog.indexes import run_indexer

HOST = book("7", "Horison", author="")
ARTICLE = book(
    "8",
    "Surau itu roboh",
    more=[
        ["773", "0 ", "t", "Horison", "g", "Vol. 3, no. 2", "w", "(TEST)7"],
        ["780", "00", "t", "Lama", "w", "7"],
        ["785", "00", "t", "Tak ada", "w", "(TEST)99"],
        ["852", "  ", "b", "PST", "h", "050", "i", "HOR h", "3", "Vol. 3 No. 2, Mei 2026", "t", "2", "p", "A2"],
        ["852", "  ", "b", "TJH", "c", "referensi", "c", "Lantai 2", "k", "R", "h", "2X4.1", "i", "HOR h", "p", "A1"],
    ],
)


def shown(database: Database, key: str, branch: str = "") -> tuple[dict[str, Any], list[dict[str, Any]]]:
    with database.reading(READER) as session:
        record_id = session.scalars(select(Record.id).where(Record.control_key == key)).one()
        reply = page.load_record_page(session, record_id, branch=branch)
    return orjson.loads(reply.display), orjson.loads(reply.holdings)


def test_related_records_of_the_same_source_are_found_by_their_number(database: Database, import_: Importer) -> None:
    import_([HOST, ARTICLE])
    import_([HOST], source="ANOTHER")
    display, _ = shown(database, "(TEST)8")
    with database.reading(READER) as session:
        host = session.scalars(select(Record.id).where(Record.control_key == "(TEST)7").order_by(Record.number)).first()
    assert [relation.get("id") for relation in display["relations"]] == [str(host), str(host), None]


def test_the_readers_branch_comes_first(database: Database, import_: Importer) -> None:
    import_([ARTICLE])
    assert [entry["branch"] for entry in shown(database, "(TEST)8")[1]] == ["PST", "TJH"]
    assert [entry["branch"] for entry in shown(database, "(TEST)8", "PKS/TJH")[1]] == ["TJH", "PST"]
    assert [entry["branch"] for entry in shown(database, "(TEST)8", "nonsense")[1]] == ["PST", "TJH"]


@pytest.mark.parametrize(
    ("branch", "order"),
    [
        ("B/2", ["B/2", "B/1", "A/1", "C/1"]),
        ("B/9", ["B/1", "B/2", "A/1", "C/1"]),
        ("A/1", ["A/1", "B/1", "B/2", "C/1"]),
        ("D/1", ["A/1", "B/1", "B/2", "C/1"]),
        ("B", ["A/1", "B/1", "B/2", "C/1"]),
        ("/", ["A/1", "B/1", "B/2", "C/1"]),
        ("", ["A/1", "B/1", "B/2", "C/1"]),
    ],
)
def test_holdings_put_the_readers_branch_and_then_its_institution_first(branch: str, order: list[str]) -> None:
    entries = [{"institution": place[0], "branch": place[2]} for place in ("A/1", "B/1", "B/2", "C/1")]
    reply = orjson.loads(sort_holdings(orjson.dumps(entries), branch))
    assert [f"{entry['institution']}/{entry['branch']}" for entry in reply] == order
    assert sort_holdings(b"[]", branch) == b"[]"


@pytest.mark.parametrize(
    ("filters", "branch", "order"),
    [
        ({"branch": ("C/1",)}, "", ["C/1", "A/1", "B/1", "B/2"]),
        ({"branch": ("C/1",)}, "B/2", ["C/1", "B/2", "B/1", "A/1"]),
        ({"institution": ("B",)}, "A/1", ["B/1", "B/2", "A/1", "C/1"]),
        ({"availability": ("can_be_borrowed",)}, "", ["B/2", "A/1", "B/1", "C/1"]),
        ({"availability": ("can_be_borrowed",)}, "A/1", ["B/2", "A/1", "B/1", "C/1"]),
        ({"availability": ("can_be_borrowed",), "branch": ("A/1",)}, "", ["A/1", "B/2", "B/1", "C/1"]),
        ({"language": ("ind",)}, "", ["A/1", "B/1", "B/2", "C/1"]),
    ],
)
def test_holdings_that_filters_ask_for_come_first(
    filters: dict[str, tuple[str, ...]], branch: str, order: list[str]
) -> None:
    entries = [
        {"institution": place[0], "branch": place[2], "answer": "can_be_borrowed" if place == "B/2" else "out_until"}
        for place in ("A/1", "B/1", "B/2", "C/1")
    ]
    reply = orjson.loads(sort_holdings(orjson.dumps(entries), branch, filters))
    assert [f"{entry['institution']}/{entry['branch']}" for entry in reply] == order


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> Any:
    settings = Settings(data=tmp_path_factory.mktemp("showing"))
    with copied_database(SERVICE, settings.data) as database:
        Importer(database)([HOST, ARTICLE, book("9", "Kaba", more=[["852", "  ", "b", "PST", "h", "398.2"]])])
        index = open_index_at(settings.of(CatalogSettings).search, database)
        run_indexer(database, index)
        index.close()
        yield Resources(settings=settings, database=database, service=SERVICE)


@pytest.fixture
def call(resources: Resources) -> Any:
    inproc.register("showing", rpc.servicer(resources), add_CatalogServicer_to_server)

    async def ask(method: str, message: Any) -> Any:
        async with aio_channel("inproc:showing", resources.settings) as channel:
            return await getattr(CatalogStub(channel), method)(message)

    yield lambda method, message: asyncio.run(ask(method, message))
    inproc.unregister("showing")


def record_id(resources: Resources, key: str) -> str:
    with resources.database.reading(READER) as session:
        return str(session.scalars(select(Record.id).where(Record.control_key == key)).one())


def test_items_say_all_that_is_known_of_them_the_readers_branch_first(call: Any, resources: Resources) -> None:
    id_of_record = record_id(resources, "(TEST)8")
    items = call("ListItems", wire.ListItemsRequest(record_id=id_of_record, branch="PKS/TJH")).items
    assert [(item.branch, item.room, item.availability) for item in items] == [
        ("PKS/TJH", "Lantai 2", "read_here_only"),
        ("PKS/PST", "", "can_be_borrowed"),
    ]
    assert (items[1].enumeration, items[1].chronology, items[1].copy) == ("Vol. 3 No. 2", "Mei 2026", "2")
    parts = items[0].call_number_parts
    assert (parts.prefix, parts.class_number, parts.author_mark, parts.title_mark) == ("R", "2X4.1", "HOR", "h")
    assert items[1].call_number_parts.volume == "Vol. 3 No. 2"
    assert items[1].call_number_parts.sort_key < parts.sort_key


def test_neighbours_and_classes_over_the_wire(call: Any, resources: Resources) -> None:
    request = browsing.ListNeighboursRequest(record_id=record_id(resources, "(TEST)9"))
    reply = call("ListNeighbours", request)
    assert [(neighbour.call_number, neighbour.here) for neighbour in reply.neighbours] == [
        ("050 HOR h", False),
        ("398.2", True),
    ]
    assert (reply.institution, reply.branch, reply.branch_name.id) == ("PKS", "PKS/PST", "PST")
    assert orjson.loads(reply.neighbours[0].record.brief)["title"] == "Surau itu roboh"
    arrivals = call("ListArrivals", browsing.ListArrivalsRequest(branch="PKS/TJH", limit=2))
    assert [orjson.loads(record.brief)["title"] for record in arrivals.records] == ["Surau itu roboh"]
    classes = call("ListClasses", browsing.ListClassesRequest())
    counts = {class_.notation: class_.count for class_ in classes.classes if class_.count}
    assert counts == {"000": 1, "300": 1}
    assert classes.without == 1
    path = call("ListClasses", browsing.ListClassesRequest(parent="398")).path
    assert [entry.notation for entry in path] == ["300", "390", "398"]
    assert path[0].caption.en == "Social sciences"


def test_the_display_over_the_wire(call: Any, resources: Resources) -> None:
    request = wire.GetRecordRequest(id=record_id(resources, "(TEST)8"), branch="PKS/TJH")
    reply = call("GetRecord", request)
    assert orjson.loads(reply.display)["relations"][0]["id"] == record_id(resources, "(TEST)7")
    assert [holding["branch"] for holding in orjson.loads(reply.holdings)] == ["PKS/TJH", "PKS/PST"]
