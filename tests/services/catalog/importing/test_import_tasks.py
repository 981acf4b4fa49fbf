"""Files that staff upload are checked and imported by tasks, which survive kill -9 and can be cancelled."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from chassis import clock
from chassis.context import READER, Context, system
from chassis.database.db import Database
from chassis.errors import Invalid, KeyReused, NotFound, Refused
from chassis.service import Resources
from chassis.settings import load
from services.catalog import jobs, tasks
from services.catalog.importing import import_tasks, uploads
from services.catalog.service import SERVICE
from services.catalog.tables import Item, Record, Source, Task, Upload, UploadPart
from tests.builders import book, iso
from tests.services.catalog.conftest import Importer

SYSTEM = system("test")
NEVER = threading.Event()


@dataclass
class Staff:
    """A manager of the institution PKS, whose source TEST exists."""

    database: Database
    institution: str

    @property
    def context(self) -> Context:
        return Context(institution=self.institution, actor="account-1")

    def upload(self, content: bytes, *, source: str = "TEST", new_source: bool = False) -> UUID:
        """Upload a file. Returns the id of the task that checks it."""
        parts = [content[at : at + uploads.PART_BYTES] for at in range(0, len(content), uploads.PART_BYTES)]
        with self.database.transaction(self.context) as session:
            upload_id = str(uploads.start_upload(session, institution=self.institution))
        for number, part in enumerate(parts):
            with self.database.transaction(self.context) as session:
                uploads.add_part(session, upload_id, number=number, content=part, institution=self.institution)
        with self.database.transaction(self.context) as session:
            identifier = uploads.finish_upload(
                session, upload_id, parts=len(parts), size=len(content), institution=self.institution
            )
            arguments = {"source": source, "new_source": new_source, "file": "buku.mrc"}
            tasks.add_task(
                session, import_tasks.CHECK, arguments, task_id=identifier, institution_id=UUID(self.institution),
                context=self.context,
            )  # fmt: skip
        return identifier

    def start(self, check: UUID, most_missing: int | None = None) -> UUID:
        with self.database.transaction(self.context) as session:
            return import_tasks.start_import(session, str(check), most_missing, context=self.context).id

    def run(self, find_work: Callable[[str], tasks.Work] = jobs.TASKS.__getitem__) -> None:
        """Run the tasks as the job does, until none is open."""
        resources = Resources(settings=load({}), database=self.database, service=SERVICE)
        while tasks.run_next(resources, find_work, NEVER):
            pass

    def import_(self, content: bytes, most_missing: int | None = None) -> Task:
        check = self.upload(content)
        self.run()
        task_id = self.start(check, most_missing)
        self.run()
        return self.task(task_id)

    def task(self, task_id: UUID) -> Task:
        with self.database.reading(SYSTEM) as session:
            return tasks.get_task(session, task_id, institution=self.institution)

    def report(self, task_id: UUID, *names: str) -> tuple[int, ...]:
        report = tasks.report_of(self.task(task_id))
        return tuple(report[name] for name in names)

    def findings(self, task_id: UUID) -> list[tuple[Any, ...]]:
        with self.database.reading(SYSTEM) as session:
            rows = tasks.findings_of(session, self.task(task_id), after=0, most=100)
            return [(row.record, row.position, row.reason, row.title) for row in rows]


@pytest.fixture
def staff(database: Database, import_: Importer) -> Staff:
    import_([book("1", "Satu", items=[("PST", "B1")]), book("2", "Dua"), book("3", "Tiga")])
    with database.reading(READER) as session:
        return Staff(database, str(session.scalars(select(Source.institution_id)).one()))


def titles(database: Database) -> dict[str, int]:
    """Number of live records by control number."""
    with database.reading(READER) as session:
        keys = session.scalars(select(Record.control_key).where(Record.deleted_at.is_(None)))
        found: dict[str, int] = {}
        for key in keys:
            found[key] = found.get(key, 0) + 1
        return found


def test_a_check_counts_what_the_import_does_then_and_changes_nothing(staff: Staff, database: Database) -> None:
    bad = iso([book("9", "Rusak")]).replace(b"Rusak", b"R\xff\xfe\xfdk")
    records = [
        book("1", "Satu", items=[("PST", "B1"), ("PST", "B2")]),
        book("2", "Dua"),
        book("4", "Empat", items=[("PST", "B4")]),
    ]
    check = staff.upload(iso(records[:1]) + bad + iso(records[1:]))
    staff.run()
    names = ("read", "created", "updated", "unchanged", "rejected", "missing", "items_created", "items_changed")
    assert staff.report(check, *names) == (4, 1, 1, 1, 1, 1, 2, 1)
    [finding] = staff.findings(check)
    assert finding[:3] == (2, len(iso(records[:1])), "BAD_UTF8")
    assert finding[3].startswith("R\ufffd")
    assert set(titles(database)) == {"(TEST)1", "(TEST)2", "(TEST)3"}
    task_id = staff.start(check, most_missing=1)
    staff.run()
    assert staff.task(task_id).state == "done"
    assert staff.report(task_id, *names) == (4, 1, 1, 1, 1, 1, 2, 1)
    assert set(titles(database)) == {"(TEST)1", "(TEST)2", "(TEST)4"}
    with database.reading(READER) as session:
        assert set(session.scalars(select(Item.barcode))) == {"B1", "B2", "B4"}
        assert session.scalar(select(func.count()).select_from(UploadPart)) == 0


def test_an_import_that_finds_more_missing_records_than_were_confirmed_deletes_none(
    staff: Staff, database: Database
) -> None:
    task = staff.import_(iso([book("1", "Satu, baru")]), most_missing=1)
    assert (task.state, "MISSING_MORE_THAN_GIVEN" in task.error) == ("failed", True)
    assert set(titles(database)) == {"(TEST)1", "(TEST)2", "(TEST)3"}
    assert staff.report(task.id, "updated", "missing") == (1, 0)


def test_what_is_no_marc_is_refused_with_the_first_part_and_a_gzip_bomb_is_not_read_on(staff: Staff) -> None:
    with pytest.raises(Invalid, match="FILE_IS_PDF"):
        staff.upload(b"%PDF-1.7 buku")
    with pytest.raises(Invalid, match="UPLOAD_EMPTY"):
        staff.upload(b"")
    with staff.database.transaction(staff.context) as session:
        upload_id = str(uploads.start_upload(session, institution=staff.institution))
        uploads.add_part(session, upload_id, number=1, content=b"00000", institution=staff.institution)
        with pytest.raises(Invalid, match="UPLOAD_PART_INVALID"):
            uploads.add_part(session, upload_id, number=200, content=b"0", institution=staff.institution)
        with pytest.raises(Invalid, match="UPLOAD_INCOMPLETE"):
            uploads.finish_upload(session, upload_id, parts=2, size=10, institution=staff.institution)
        with pytest.raises(NotFound):
            uploads.add_part(session, upload_id, number=0, content=b"0", institution=str(UUID(int=1)))
    check = staff.upload(gzip.compress(iso([book("7", "Tujuh")]) + b"0" * 30_000_000))
    staff.run()
    assert "GZIP_BOMB" in [finding[2] for finding in staff.findings(check)]
    assert staff.report(check, "created") == (1,)


def test_the_key_of_an_upload_belongs_to_its_file(staff: Staff) -> None:
    one, other = iso([book("31", "Satu")]), iso([book("31", "Dua!")])
    names = {"institution": staff.institution}
    with staff.database.transaction(staff.context) as session:
        upload_id = str(uploads.start_upload(session, **names))
        for _ in range(2):
            uploads.add_part(session, upload_id, number=0, content=one, **names)
        with pytest.raises(KeyReused, match="IDEMPOTENCY_KEY_REUSED"):
            uploads.add_part(session, upload_id, number=0, content=other, **names)
        uploads.finish_upload(session, upload_id, parts=1, size=len(one), **names)
        uploads.add_part(session, upload_id, number=0, content=one, **names)
        with pytest.raises(KeyReused, match="IDEMPOTENCY_KEY_REUSED"):
            uploads.add_part(session, upload_id, number=1, content=other, **names)
        with pytest.raises(KeyReused, match="IDEMPOTENCY_KEY_REUSED"):
            uploads.is_finished(session, upload_id, size=len(one) - 1, **names)
        assert uploads.is_finished(session, upload_id, size=len(one), **names)


def test_a_file_that_an_open_task_reads_is_kept_however_old_it_is(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = staff.upload(iso([book("4")]))
    staff.run()
    waiting, now = staff.start(check), clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + 2 * uploads.KEPT)
    with staff.database.transaction(SYSTEM) as session:
        uploads.delete_old_uploads(session)
    staff.run()
    assert staff.task(waiting).state == "done"


def test_the_stream_of_an_upload_equals_its_bytes_wherever_it_is_read(staff: Staff) -> None:
    content = os.urandom(uploads.PART_BYTES) + iso([book("1")]) + os.urandom(1000)
    content = b"00000" + content
    file = uploads.UploadedFile(staff.database, staff.upload(content))
    assert file.readall() == content
    file.seek(uploads.PART_BYTES - 7)
    assert file.read(10_000_000) == content[uploads.PART_BYTES - 7 : uploads.PART_BYTES]  # to the end of the part
    assert file.seek(-5, os.SEEK_END) == len(content) - 5
    assert file.readall() == content[-5:]


def test_a_cancelled_import_keeps_what_it_has_done_and_a_waiting_task_ends_at_once(
    staff: Staff, database: Database
) -> None:
    check = staff.upload(iso([book(str(number), f"Judul {number}") for number in range(10, 1510)]))
    staff.run()
    task_id, second = staff.start(check), staff.start(check)
    with database.transaction(staff.context) as session:
        assert (
            tasks.cancel_task(session, str(second), institution=staff.institution, context=staff.context).state
            == "cancelled"
        )

    def cancelling(kind: str) -> tasks.Work:
        def work(resources: Any, task: Task, progress: tasks.Progress) -> Any:
            with database.transaction(staff.context) as session:
                tasks.cancel_task(session, str(task.id), institution=staff.institution, context=staff.context)
            return jobs.TASKS[kind](resources, task, progress)

        return work

    staff.run(cancelling)
    assert staff.task(task_id).state == "cancelled"
    assert staff.report(task_id, "read", "created") == (500, 500)
    assert len(titles(database)) == 503
    with database.transaction(staff.context) as session, pytest.raises(Refused, match="TASK_ENDED"):
        tasks.cancel_task(session, str(task_id), institution=staff.institution, context=staff.context)
    again = staff.start(check)  # from the beginning
    staff.run()
    assert staff.report(again, "created", "unchanged") == (1000, 500)


def test_a_new_source_that_another_institution_creates_meanwhile_is_not_written(
    staff: Staff, database: Database, import_: Importer
) -> None:
    checked = staff.upload(iso([book("77", "Milik PKS")]), source="BARU", new_source=True)
    staff.run()
    waiting, late = staff.start(checked), staff.upload(iso([book("78")]), source="BARU", new_source=True)
    import_([book("1", "Milik LAIN")], source="BARU", institution="LAIN")
    staff.run()
    for task in (staff.task(waiting), staff.task(late)):
        assert (task.state, "SOURCE_OF_OTHERS" in task.error) == ("failed", True)
    assert titles(database) == {"(TEST)1": 2, "(TEST)2": 1, "(TEST)3": 1}


def test_a_killed_import_is_taken_up_again_and_has_each_record_once(staff: Staff, database: Database) -> None:
    check = staff.upload(iso([book(str(number), f"Judul {number}") for number in range(10, 1510)]))
    staff.run()
    task_id = staff.start(check)
    url = database.url.render_as_string(hide_password=False)
    # The second batch is stored, and its progress is not.
    command = [sys.executable, "-P", "-m", "tests.services.catalog.killed_task", url]
    killed = subprocess.run(command, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (staff.task(task_id).state, len(titles(database))) == ("running", 1003)
    assert staff.report(task_id, "created") == (500,)
    deadline = clock.now().timestamp() + 20  # a lease of PostgreSQL ends after 6 s
    while staff.task(task_id).state == "running" and clock.now().timestamp() < deadline:
        staff.run()
    assert staff.task(task_id).state == "done"
    assert staff.report(task_id, "read", "created", "unchanged") == (1500, 1500, 0)
    assert len(titles(database)) == 1503
    assert set(titles(database).values()) == {1}


def test_a_task_whose_process_dies_each_time_ends_and_so_does_one_of_a_killed_command(
    staff: Staff, database: Database
) -> None:
    check = staff.upload(iso([book("4")]))
    with database.transaction(staff.context) as session:
        tasks.get_task(session, check, institution="*").starts = tasks.MOST_STARTS
        command = tasks.add_task(
            session, "import", {}, institution_id=UUID(staff.institution), context=staff.context, is_command=True
        )
    staff.run()
    staff.run()
    assert [staff.task(task_id).state for task_id in (check, command.id)] == ["failed", "failed"]
    assert "TASK_PROCESS_ENDED" in staff.task(command.id).error


def test_tasks_and_uploads_of_others_are_not_found_and_old_ones_are_deleted(
    staff: Staff, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = staff.upload(iso([book("4")]))
    staff.run()
    with database.reading(SYSTEM) as session:
        assert [task.id for task in tasks.list_tasks(session, institution=staff.institution)[0]] == [check]
        assert tasks.list_tasks(session, institution=str(UUID(int=1))) == ([], "")
    with database.reading(SYSTEM) as session, pytest.raises(NotFound, match="TASK_NOT_FOUND"):
        tasks.get_task(session, check, institution=str(UUID(int=1)))
    now = clock.now()
    for days, kept in ((6, (1, 1)), (8, (0, 1)), (91, (0, 0))):
        monkeypatch.setattr(clock, "now", lambda days=days: now + tasks.KEPT * days / 90)
        jobs.delete_old_tasks(Resources(settings=load({}), database=database, service=SERVICE), NEVER)
        with database.reading(SYSTEM) as session:
            counts = [session.scalar(select(func.count()).select_from(table)) for table in (Upload, Task)]
        assert tuple(counts) == kept


def test_the_oldest_of_too_many_uploads_goes_unless_a_task_reads_it(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_UPLOADS", 2)
    first, second = staff.upload(iso([book("4")])), staff.upload(iso([book("5")]))
    with staff.database.reading(SYSTEM) as session, pytest.raises(Refused, match="UPLOADS_TOO_MANY"):
        uploads.start_upload(session, institution=staff.institution)
    staff.run()
    waiting = staff.start(first)
    third = staff.upload(iso([book("6")]))
    with staff.database.reading(SYSTEM) as session:
        assert set(session.scalars(select(Upload.id))) == {first, third}
    late = staff.start(second)
    staff.run()
    assert (staff.task(waiting).state, staff.task(late).state) == ("done", "failed")
    assert "UPLOAD_NOT_FOUND" in staff.task(late).error
