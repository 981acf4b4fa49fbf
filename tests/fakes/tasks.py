"""Long work, as the catalogue answers on the wire: one finished check of a file, and its import."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from chassis import rpc
from chassis.cursors import read_cursor
from chassis.errors import Invalid, NotFound
from rangkiang.catalog.v1 import tasks_pb2 as wire
from services.catalog.rpc.tasks import check_conditions
from tests.fakes.items import INSTITUTION_ID

TASK_ID = "0192f3a4-5b6c-7d8e-9f0c-23456789abcd"


class FakeTasks:
    """The part of a Catalog servicer for tasks, whose task belongs to INSTITUTION_ID."""

    def ListTasks(self, request: wire.ListTasksRequest, context: Any) -> wire.ListTasksReply:
        check_conditions(request)
        if request.cursor:
            read_cursor(request.cursor, "tasks", str)
        is_own = rpc.context(context).institution == INSTITUTION_ID
        return wire.ListTasksReply(tasks=[_task()] if is_own else [])

    def GetTask(self, request: wire.GetTaskRequest, context: Any) -> wire.Task:
        return self._own_task(request.id, context)

    def ListTaskFindings(self, request: wire.ListTaskFindingsRequest, context: Any) -> wire.ListTaskFindingsReply:
        if request.cursor:
            read_cursor(request.cursor, "findings", int)
        self._own_task(request.id, context)
        finding = wire.TaskFinding(
            record=2, position=120, title="=Rusak", reason="BAD_UTF8", sentence="Isinya bukan UTF-8.", is_rejected=True
        )
        return wire.ListTaskFindingsReply(findings=[finding])

    def CancelTask(self, request: wire.CancelTaskRequest, context: Any) -> wire.Task:
        return self._own_task(request.id, context)

    def StartUpload(self, _request: wire.StartUploadRequest, _context: Any) -> wire.StartUploadReply:
        return wire.StartUploadReply(id=TASK_ID)

    def AddUploadPart(self, _request: wire.AddUploadPartRequest, _context: Any) -> wire.AddUploadPartReply:
        return wire.AddUploadPartReply()

    def FinishUpload(self, request: wire.FinishUploadRequest, _context: Any) -> wire.Task:
        if not request.size:
            raise Invalid("UPLOAD_EMPTY")
        return _task()

    def StartImport(self, request: wire.StartImportRequest, context: Any) -> wire.Task:
        return self._own_task(request.id, context)

    def UndoImport(self, request: wire.UndoImportRequest, context: Any) -> wire.Task:
        return self._own_task(request.id, context)

    def _own_task(self, task_id: str, context: Any) -> wire.Task:
        if (task_id, rpc.context(context).institution) != (TASK_ID, INSTITUTION_ID):
            raise NotFound("TASK_NOT_FOUND", id=task_id)
        return _task()


def _task() -> wire.Task:
    moment = Timestamp(seconds=1_790_000_000)
    report = wire.TaskReport(read=120, created=100, updated=12, unchanged=5, rejected=3, items_created=130)
    return wire.Task(
        id=TASK_ID, kind="import_check", state="done", source="SLIMS", file="buku.mrc", actor=INSTITUTION_ID, done=9,
        total=9, report=report, created_at=moment, started_at=moment, ended_at=moment,
    )  # fmt: skip
