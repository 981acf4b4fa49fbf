"""Routes of long work: imports of files, their undo, and the tasks that do them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from chassis.output import csv_line
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import CSV_CONTENT, ID_PATTERN
from gateway.api.serializers import plain
from gateway.clients import Catalog, call, catalog
from gateway.request_guard import accept_bodies
from gateway.responses import csv_head, download
from gateway.uploads import LONGEST_FORM_BYTES, MULTIPART, MultipartFile, base_name, store_upload
from rangkiang.catalog.v1 import models
from rangkiang.catalog.v1 import tasks_pb2 as wire

router = APIRouter(tags=["tasks"], route_class=ApiRoute)

TaskId = Annotated[
    str,
    Path(description="Identifier (UUID) of a task.", examples=["0192f3a4-5b6c-7d8e-9f0c-23456789abcd"]),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": ID_PATTERN}),
]
_PAGE, _MOST = 100, 10_000
_TASK_COLUMNS: Final = (
    "created_at", "started_at", "ended_at", "kind", "state", "source", "file", "done", "total", "actor", "id",
)  # fmt: skip
_COUNTS: Final = tuple(field.name for field in wire.TaskReport.DESCRIPTOR.fields)
_FINDING_COLUMNS: Final = ("record", "position", "is_rejected", "reason", "sentence", "title", "key", "detail")
_FILE = {"schema": {"type": "string", "format": "binary", "description": "The file, at most 200 MB."}}
_UPLOAD = documented("Upload a file for an import", "catalog.StartUpload", errors=(404, 409, 413), status=201)
_UPLOAD["openapi_extra"] |= {"requestBody": {"required": True, "content": {"application/octet-stream": _FILE}}}


@router.post("/imports", **_UPLOAD)
@accept_bodies(LONGEST_FORM_BYTES)
async def upload_import(request: Request, query: Annotated[models.UploadQuery, Query()]) -> models.Task:
    """Upload MARC records (ISO 2709, MARCXML or MARC-in-JSON, plain or gzip), and add a task that checks them.

    The body is the file, or a form (`multipart/form-data`) whose last field is the file. The check changes nothing;
    `POST /tasks/{task_id}/import` imports the file then. The file is kept for seven days.
    """
    message = to_message(wire.StartUploadRequest, query)
    chunks: AsyncIterator[bytes] = request.stream()
    if request.headers.get("content-type", "").lower().startswith(MULTIPART.decode()):
        file = MultipartFile(request)
        await file.begin()
        message.name, chunks = message.name or file.name, file.chunks()
    message.name = base_name(message.name)
    return to_model(models.Task, await store_upload(request, message, chunks))


@router.post(
    "/tasks/{task_id}/import",
    **documented("Import a checked file", "catalog.StartImport", errors=(404, 409), status=201),
)
async def start_import(request: Request, task_id: TaskId, body: models.ImportBody, catalog: Catalog) -> models.Task:
    """Add a task that imports the file of a task of the kind `import_check`."""
    message = to_message(wire.StartImportRequest, body, id=task_id)
    return to_model(models.Task, await call(request, catalog.StartImport, message))


@router.post(
    "/tasks/{task_id}/undo", **documented("Undo an import", "catalog.UndoImport", errors=(404, 409), status=201)
)
async def undo_import(request: Request, task_id: TaskId, catalog: Catalog) -> models.Task:
    """Add a task that removes the records that an import created, and restores those that it changed or deleted.

    It is possible until the next import of the source. Records with items that are out, and those that staff have
    edited since, stay as they are; the findings name them.
    """
    return to_model(models.Task, await call(request, catalog.UndoImport, wire.UndoImportRequest(id=task_id)))


@router.get("/tasks", **documented("Tasks", "catalog.ListTasks"))
async def list_tasks(request: Request, query: Annotated[models.TasksQuery, Query()], catalog: Catalog) -> models.Tasks:
    """List the tasks of the caller's institution, the newest first; they are kept for 90 days."""
    reply = await call(request, catalog.ListTasks, to_message(wire.ListTasksRequest, query))
    return to_model(models.Tasks, reply)


@router.get(
    "/tasks.csv", response_class=Response, **documented("Tasks as CSV", "catalog.ListTasks", content=CSV_CONTENT)
)
async def list_tasks_as_csv(request: Request, query: Annotated[models.TasksConditions, Query()]) -> Response:
    """List tasks in one file with their counts, at most the newest 10,000."""
    return await tasks_as_csv(request, to_message(wire.ListTasksRequest, query))


async def tasks_as_csv(request: Request, message: wire.ListTasksRequest) -> Response:
    """Respond with all pages of a list of tasks in one file."""
    message.limit = _PAGE
    lines = [csv_head((*_TASK_COLUMNS, *_COUNTS))]
    while True:
        reply = await call(request, catalog(request).ListTasks, message)
        for task in reply.tasks:
            row = plain(task)
            counts = [str(getattr(task.report, name)) for name in _COUNTS]
            lines.append(csv_line([*(str(row.get(name) or "") for name in _TASK_COLUMNS), *counts]))
        if not reply.cursor or len(lines) > _MOST:
            return download("".join(lines), "tasks.csv")
        message.cursor = reply.cursor


@router.get("/tasks/{task_id}", **documented("A task", "catalog.GetTask", errors=(404,)))
async def get_task(request: Request, task_id: TaskId, query: NoParameters, catalog: Catalog) -> models.Task:
    """Return a task of the caller's institution with its progress and counts."""
    return to_model(models.Task, await call(request, catalog.GetTask, wire.GetTaskRequest(id=task_id)))


@router.get("/tasks/{task_id}/findings", **documented("What a task found", "catalog.ListTaskFindings", errors=(404,)))
async def list_task_findings(
    request: Request, task_id: TaskId, query: Annotated[models.TaskFindingsQuery, Query()], catalog: Catalog
) -> models.TaskFindings:
    """List the records that a task rejected, warns about or left as they are: place, title and reason."""
    message = to_message(wire.ListTaskFindingsRequest, query, id=task_id)
    return to_model(models.TaskFindings, await call(request, catalog.ListTaskFindings, message))


@router.get(
    "/tasks/{task_id}/findings.csv",
    response_class=Response,
    **documented("What a task found, as CSV", "catalog.ListTaskFindings", errors=(404,), content=CSV_CONTENT),
)
async def list_task_findings_as_csv(request: Request, task_id: TaskId, query: NoParameters) -> Response:
    """List all findings of a task in one file, at most 10,000."""
    return await findings_as_csv(request, task_id)


@router.post(
    "/tasks/{task_id}/cancellations",
    **documented("Cancel a task", "catalog.CancelTask", errors=(404, 409), status=201),
)
async def cancel_task(request: Request, task_id: TaskId, catalog: Catalog) -> models.Task:
    """Cancel a task: a waiting one ends at once, a running one after its present step. What it has done stays."""
    return to_model(models.Task, await call(request, catalog.CancelTask, wire.CancelTaskRequest(id=task_id)))


async def findings_as_csv(request: Request, task_id: str) -> Response:
    """Respond with all findings of a task in one file."""
    message = wire.ListTaskFindingsRequest(id=task_id, limit=_PAGE)
    lines = [csv_head(_FINDING_COLUMNS)]
    while True:
        reply = await call(request, catalog(request).ListTaskFindings, message)
        lines += [csv_line(str(getattr(row, name)) for name in _FINDING_COLUMNS) for row in reply.findings]
        if not reply.cursor or len(lines) > _MOST:
            return download("".join(lines), "findings.csv")
        message.cursor = reply.cursor
