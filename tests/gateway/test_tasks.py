"""Imports over HTTP, with the real catalogue: uploaded in parts, checked and imported by tasks, cancelled, exported."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select

from chassis.context import system
from chassis.database.db import Database
from chassis.operations.testing import migrated_database
from chassis.service import Resources
from chassis.settings import load
from gateway.uploads import LONGEST_UPLOAD_BYTES, PART_BYTES
from services.catalog import jobs, tasks
from services.catalog.service import SERVICE
from services.catalog.tables import Task, Upload, UploadPart
from tests.builders import book, iso
from tests.conditions import eventually
from tests.gateway.test_items import served
from tests.gateway.test_record_edits import key
from tests.services.catalog.conftest import Importer

IMPORTS = "/api/v1/imports?source=TEST"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("catalogue")
    with migrated_database(SERVICE, f"sqlite:///{folder}/catalog.db") as database:
        Importer(database)([book("1", items=[("PST", "A")])])
        yield database


@pytest.fixture(scope="module")
def http(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A manager of an institution with one record of one item, of the source TEST."""
    with served(database, tmp_path_factory.mktemp("manager")) as client:
        yield client


def run(database: Database) -> None:
    resources = Resources(settings=load({}), database=database, service=SERVICE)
    while tasks.run_next(resources, jobs.TASKS.__getitem__, threading.Event()):
        pass


def test_a_file_is_uploaded_once_checked_and_imported(http: httpx.Client, database: Database) -> None:
    repeated = key()
    bad = iso([book("9", "Rusak")]).replace(b"Rusak", b"R\xff\xfe\xfdk")
    content = iso([book(str(number), f"=Judul {number}") for number in range(2, 9)]) + bad
    first, again = (
        http.post(f"{IMPORTS}&name=../../etc/buku.mrc", content=content, headers=repeated) for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 201)
    task = first.json()
    assert again.json() == task
    assert (task["kind"], task["state"], task["file"], task["source"]) == (
        "import_check",
        "waiting",
        "buku.mrc",
        "TEST",
    )
    address = f"/api/v1/tasks/{task['id']}"
    assert first.headers["Location"] == address
    run(database)
    checked = http.get(address).json()
    assert (checked["state"], checked["done"]) == ("done", len(content))
    assert {name: checked["report"][name] for name in ("read", "created", "rejected")} == {
        "read": 8, "created": 7, "rejected": 1,
    }  # fmt: skip
    [finding] = http.get(f"{address}/findings", headers={"Accept-Language": "en"}).json()["hits"]
    assert (finding["record"], finding["reason"], finding["is_rejected"]) == (8, "BAD_UTF8", True)
    assert finding["sentence"] == "The leader says UTF-8, but the bytes are not UTF-8."
    assert http.get(f"{address}/findings.csv").text.count("BAD_UTF8") == 1

    started = http.post(f"{address}/import", json={"most_missing": 1}, headers=key())
    assert (started.status_code, started.json()["follows"]) == (201, task["id"])
    run(database)
    done = http.get(started.headers["Location"]).json()
    assert (done["state"], done["report"]["created"], done["report"]["missing"]) == ("done", 7, 1)
    listed = http.get("/api/v1/tasks").json()["hits"]
    assert [row["id"] for row in listed] == [done["id"], task["id"]]
    assert http.get("/api/v1/tasks?kind=import").json()["hits"] == [done]
    assert len(http.get("/api/v1/tasks.csv").text.splitlines()) == 3
    ended = http.post(f"{address}/cancellations", headers=key())
    assert (ended.status_code, ended.json()["refusals"][0]["reason"]) == (409, "TASK_ENDED")
    refused = http.post(f"/api/v1/tasks/{done['id']}/import", json={}, headers=key())
    assert (refused.status_code, refused.json()["refusals"][0]["reason"]) == (409, "TASK_NOT_CHECKED")


def test_a_form_is_read_as_a_stream_and_its_file_arrives_byte_for_byte(http: httpx.Client, database: Database) -> None:
    content = b"00000" + bytes(range(256)) * (PART_BYTES // 100)
    form = {"files": {"file": ("C:\\buku\\katalog.mrc", content, "text/html")}, "headers": key()}
    task = http.post(IMPORTS, **form).json()  # type: ignore[arg-type]
    assert (task["state"], task["file"]) == ("waiting", "katalog.mrc")
    with database.reading(system("test")) as session:
        of_task = select(UploadPart.content).where(UploadPart.upload_id == UUID(task["id"]))
        parts = session.scalars(of_task.order_by(UploadPart.number)).all()
    assert b"".join(parts) == content
    assert {len(part) for part in parts[:-1]} == {PART_BYTES}
    cut = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n00000'
    headers = {"Content-Type": "multipart/form-data; boundary=x", **key()}
    refused = http.post(IMPORTS, content=cut, headers=headers)
    assert (refused.status_code, refused.json()["refusals"][0]["reason"]) == (400, "UPLOAD_CUT")
    malformed = (
        b"no form",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"0" * 10_000,
        b"--x\r\n" + b"a" * 10_000 + b": b\r\n\r\n",
        b"--x\r\n" + b"".join(b"a%d: b\r\n" % number for number in range(100)) + b"\r\n",
    )
    for body in malformed:
        refused = http.post(IMPORTS, content=body, headers=headers | key())
        assert (refused.status_code, refused.json()["refusals"][0]["reason"]) == (400, "FORM_MALFORMED")


def test_a_wrong_type_a_wrong_source_and_too_many_bytes_are_refused(http: httpx.Client) -> None:
    def reason(url: str, content: Any, **headers: str) -> tuple[int, str]:
        response = http.post(url, content=content, headers={**key(), **headers})
        return response.status_code, response.json()["refusals"][0]["reason"]

    assert reason(IMPORTS, b"PK\x03\x04xl/workbook") == (400, "FILE_IS_XLSX")
    assert reason(IMPORTS, b"") == (400, "UPLOAD_EMPTY")
    assert reason("/api/v1/imports?source=LAIN", b"00000") == (400, "SOURCE_UNKNOWN")
    assert reason("/api/v1/imports?source=a/../b&new_source=true", b"00000") == (400, "CODE_INVALID")
    # A client that says so before it sends the body.
    connection = HTTPConnection(http.base_url.host, http.base_url.port)
    connection.putrequest("POST", IMPORTS)
    for name, value in {**http.headers, **key(), "Content-Length": str(LONGEST_UPLOAD_BYTES * 2)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    assert (response.status, b"BODY_TOO_LARGE" in response.read()) == (413, True)
    connection.close()


def test_an_upload_that_is_cut_adds_no_task(http: httpx.Client, database: Database) -> None:
    def rows() -> tuple[int, int, int]:
        """Numbers of tasks, of complete uploads and of parts."""
        with database.reading(system("test")) as session:
            columns = (Task.id, Upload.size, UploadPart.number)
            tasks_, complete, parts = (session.scalar(select(func.count(column))) or 0 for column in columns)
            return tasks_, complete, parts

    def body() -> Iterator[bytes]:
        yield b"00000" * (PART_BYTES // 4)
        raise ConnectionError

    tasks_before, complete, parts = rows()
    with pytest.raises(ConnectionError):
        http.post(IMPORTS, content=body(), headers=key())
    eventually(lambda: rows()[2] > parts)
    assert rows() == (tasks_before, complete, parts + 1)
