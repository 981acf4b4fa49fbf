"""RPCs for long work: uploads, imports, their undo, and the list of tasks."""

from __future__ import annotations

import orjson
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.cursors import read_cursor, write_cursor
from chassis.errors import Invalid
from chassis.ids import parse_id
from chassis.operations.health import check_folder
from chassis.rpc.methods import reads, writes, writes_once
from chassis.sentences import fill as filled
from rangkiang.catalog.v1 import tasks_pb2 as wire
from services.catalog import tasks
from services.catalog.importing import import_tasks, undo, uploads
from services.catalog.importing.sources import check_own_source
from services.catalog.rpc.protobuf import ServicerPart, fill, wire_moment
from services.catalog.tables import Task, TaskFinding

KINDS = (import_tasks.CHECK, import_tasks.IMPORT, undo.UNDO)
_COUNTS = wire.TaskReport.DESCRIPTOR.fields_by_name


class TaskMethods(ServicerPart):
    """See rangkiang/catalog/v1/tasks.proto."""

    @reads
    def ListTasks(self, request: wire.ListTasksRequest, session: Session, caller: Context) -> wire.ListTasksReply:
        check_conditions(request)
        hits, cursor = tasks.list_tasks(
            session,
            institution=caller.institution,
            kinds=[request.kind] if request.kind else [],
            state=request.state,
            cursor=request.cursor,
            limit=request.limit,
        )
        return wire.ListTasksReply(tasks=[wire_task(task, caller) for task in hits], cursor=cursor)

    @reads
    def GetTask(self, request: wire.GetTaskRequest, session: Session, caller: Context) -> wire.Task:
        return wire_task(tasks.get_task(session, request.id, institution=caller.institution), caller)

    @reads
    def ListTaskFindings(
        self, request: wire.ListTaskFindingsRequest, session: Session, caller: Context
    ) -> wire.ListTaskFindingsReply:
        if request.limit > tasks.MOST_LISTED:
            raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=request.limit, most=tasks.MOST_LISTED)
        task = tasks.get_task(session, request.id, institution=caller.institution)
        after = read_cursor(request.cursor, "findings", int)[0] if request.cursor else 0
        most = request.limit or tasks.USUALLY_LISTED
        rows = tasks.findings_of(session, task, after=after, most=most + 1)
        following = write_cursor("findings", after + most) if len(rows) > most else ""
        return wire.ListTaskFindingsReply(findings=[_finding(row, caller) for row in rows[:most]], cursor=following)

    @writes_once
    def CancelTask(self, request: wire.CancelTaskRequest, session: Session, caller: Context) -> wire.Task:
        task = tasks.cancel_task(session, request.id, institution=caller.institution, context=caller)
        return wire_task(task, caller)

    @writes_once
    def StartUpload(self, request: wire.StartUploadRequest, session: Session, caller: Context) -> wire.StartUploadReply:
        check_own_source(session, request.source, is_new=request.new_source, institution=caller.institution)
        return wire.StartUploadReply(id=str(uploads.start_upload(session, institution=caller.institution)))

    @writes
    def AddUploadPart(
        self, request: wire.AddUploadPartRequest, session: Session, caller: Context
    ) -> wire.AddUploadPartReply:
        # A large file must not take the space that lending needs.
        if not self._settings.database_url:
            check_folder(self._settings.data)
        uploads.add_part(
            session, request.id, number=request.number, content=request.content, institution=caller.institution
        )
        return wire.AddUploadPartReply()

    @writes
    def FinishUpload(self, request: wire.FinishUploadRequest, session: Session, caller: Context) -> wire.Task:
        if uploads.is_finished(session, request.id, size=request.size, institution=caller.institution):
            return wire_task(tasks.get_task(session, request.id, institution=caller.institution), caller)
        upload_id = uploads.finish_upload(
            session, request.id, parts=request.parts, size=request.size, institution=caller.institution
        )
        arguments = {"source": request.upload.source, "new_source": request.upload.new_source}
        arguments["file"] = request.upload.name
        task = tasks.add_task(
            session, import_tasks.CHECK, arguments, task_id=upload_id, institution_id=parse_id(caller.institution),
            context=caller,
        )  # fmt: skip
        return wire_task(task, caller)

    @writes_once
    def StartImport(self, request: wire.StartImportRequest, session: Session, caller: Context) -> wire.Task:
        most_missing = request.most_missing if request.HasField("most_missing") else None
        return wire_task(import_tasks.start_import(session, request.id, most_missing, context=caller), caller)

    @writes_once
    def UndoImport(self, request: wire.UndoImportRequest, session: Session, caller: Context) -> wire.Task:
        return wire_task(undo.start_undo(session, request.id, context=caller), caller)


def check_conditions(request: wire.ListTasksRequest) -> None:
    """Refuse a kind or a state that does not exist. Raises Invalid TASK_KIND_UNKNOWN, TASK_STATE_UNKNOWN."""
    if request.kind not in ("", *KINDS):
        raise Invalid("TASK_KIND_UNKNOWN", given=request.kind[:40], known=[*KINDS])
    if request.state not in ("", *tasks.STATES):
        raise Invalid("TASK_STATE_UNKNOWN", given=request.state[:40], known=[*tasks.STATES])


def wire_task(task: Task, caller: Context) -> wire.Task:
    """Write a task, with the sentence of its error in the caller's language."""
    arguments = tasks.arguments_of(task)
    report = {name: count for name, count in tasks.report_of(task).items() if name in _COUNTS}
    message = wire.Task(
        id=str(task.id),
        kind=task.kind,
        state=task.state,
        source=arguments.get("source", ""),
        file=arguments.get("file", ""),
        follows=arguments.get("follows", ""),
        actor=task.actor,
        step=task.step,
        done=task.done,
        total=task.total,
        report=wire.TaskReport(**report),
        created_at=wire_moment(task.created_at),
        started_at=None if task.started_at is None else wire_moment(task.started_at),
        ended_at=None if task.ended_at is None else wire_moment(task.ended_at),
        is_cancelled=task.cancelled_at is not None,
    )
    if task.error:
        problem = orjson.loads(task.error)
        text = filled(problem["reason"], problem["facts"]).in_language(caller.language)
        message.problem.CopyFrom(wire.TaskProblem(reason=problem["reason"], sentence=text))
    return message


def _finding(row: TaskFinding, caller: Context) -> wire.TaskFinding:
    message = fill(wire.TaskFinding(), row)
    message.sentence = filled(row.reason, {}).in_language(caller.language)
    return message
