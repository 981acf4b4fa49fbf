"""/catalogue/imports and /catalogue/tasks: files that staff import, and long work with its progress and its report."""

from __future__ import annotations

import hmac
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from chassis import ids
from chassis.errors import Error, Forbidden, Invalid, NotFound, Unauthenticated
from gateway import sessions
from gateway.api.tasks import findings_as_csv, tasks_as_csv
from gateway.clients import call, catalog
from gateway.request_guard import accept_bodies
from gateway.uploads import LONGEST_FORM_BYTES, MultipartFile, base_name, store_upload
from gateway.web.desk.actors import actor_name, local_moment, names_of_actors
from gateway.web.forms import (
    Form,
    SignedInRouter,
    forward_key,
    read_form,
    redirect,
    refuse,
    refuse_other_sites,
    signed_in_form,
)
from gateway.web.rendering import form_token, page
from gateway.web.texts import words_of
from rangkiang.catalog.v1 import tasks_pb2 as wire

router = SignedInRouter()

IMPORTS, TASKS = "/catalogue/imports", "/catalogue/tasks"
_PAGE, _FINDINGS = 50, 100
_OPEN = ("waiting", "running")
_OF_SOURCE = dict.fromkeys(("CODE_INVALID", "SOURCE_UNKNOWN", "SOURCE_DROPPED", "SOURCE_OF_OTHERS"), "source")


@router.get(IMPORTS)
async def imports(request: Request) -> Response:
    return await _imports_page(request, signed_in_form(request))


@router.post(IMPORTS)
@accept_bodies(LONGEST_FORM_BYTES)
async def upload(request: Request) -> Response:
    """Pass the file on while it arrives, and show the task that checks it."""
    refuse_other_sites(request)
    form = signed_in_form(request)
    try:
        try:
            file = MultipartFile(request)
        except Invalid:  # no form of this page
            raise Forbidden("FORM_OUTDATED") from None
        await file.begin()
        session = sessions.session_of(request)
        secret = session.secret if session else ""
        if not hmac.compare_digest(file.fields.get("csrf", "").encode(), form_token(secret).encode()):
            raise Forbidden("FORM_OUTDATED")
        forward_key(request, file.fields.get("key", ""))
        values = {"source": file.fields.get("source", "").strip(), "new_source": file.fields.get("new_source", "")}
        form.values = values
        message = wire.StartUploadRequest(
            source=values["source"], new_source=bool(values["new_source"]), name=base_name(file.name)
        )
        try:
            task = await store_upload(request, message, file.chunks())
        except Error:
            # Browsers show the answer only after they have sent the file.
            async for _ in file.chunks():
                pass
            raise
    except Unauthenticated:
        return redirect(f"/sign-in?{urlencode({'back': IMPORTS})}")
    except HTTPException:
        raise
    except Error as problem:
        form = refuse(request, form, problem, _OF_SOURCE)
        form.key = ids.new_id_text()
        return await _imports_page(request, form)
    return redirect(f"{TASKS}/{task.id}")


@router.get(TASKS)
async def tasks(request: Request) -> Response:
    cursor = request.query_params.get("cursor", "")[:500]
    reply = await call(request, catalog(request).ListTasks, wire.ListTasksRequest(limit=_PAGE, cursor=cursor))
    return page(
        request,
        "catalogue_tasks.html",
        tasks=[(task, local_moment(request, task.created_at)) for task in reply.tasks],
        first=TASKS if cursor else "",
        after=f"{TASKS}?{urlencode({'cursor': reply.cursor})}" if reply.cursor else "",
    )


@router.get(f"{TASKS}.csv")
async def tasks_csv(request: Request) -> Response:
    return await tasks_as_csv(request, wire.ListTasksRequest())


@router.get(f"{TASKS}/{{task_id}}")
async def task(request: Request) -> Response:
    return await _task_page(request, signed_in_form(request))


@router.post(f"{TASKS}/{{task_id}}")
async def act(request: Request) -> Response:
    """Cancel the task, import its file, or undo it."""
    fields = await read_form(request)
    task_id, stub, chosen = request.path_params["task_id"], catalog(request), fields.get("act", "")
    try:
        if chosen == "import":
            message = wire.StartImportRequest(id=task_id)
            if (most := fields.text("most_missing")).isdecimal() and len(most) < 10:
                message.most_missing = int(most)
            task_id = (await call(request, stub.StartImport, message)).id
        elif chosen == "undo":
            task_id = (await call(request, stub.UndoImport, wire.UndoImportRequest(id=task_id))).id
        else:
            await call(request, stub.CancelTask, wire.CancelTaskRequest(id=task_id))
    except NotFound:
        raise
    except Error as problem:
        return await _task_page(request, refuse(request, signed_in_form(request), problem, {}))
    return redirect(f"{TASKS}/{task_id}")


@router.get(f"{TASKS}/{{task_id}}/findings.csv")
async def findings_csv(request: Request) -> Response:
    return await findings_as_csv(request, request.path_params["task_id"])


async def _imports_page(request: Request, form: Form) -> Response:
    reply = await call(request, catalog(request).ListTasks, wire.ListTasksRequest(limit=_PAGE))
    return page(
        request,
        "catalogue_imports.html",
        form=form,
        tasks=[(task, local_moment(request, task.created_at)) for task in reply.tasks[:10]],
        sources=sorted({task.source for task in reply.tasks if task.source}),
    )


async def _task_page(request: Request, form: Form) -> Response:
    stub, task_id = catalog(request), request.path_params["task_id"]
    task = await call(request, stub.GetTask, wire.GetTaskRequest(id=task_id))
    found = await call(request, stub.ListTaskFindings, wire.ListTaskFindingsRequest(id=task_id, limit=_FINDINGS))
    names = await names_of_actors(request, [task.actor])
    has_ended = task.state not in _OPEN
    counts = [(field.name, value) for field, value in task.report.ListFields()]
    return page(
        request,
        "catalogue_task.html",
        form=form,
        task=task,
        percent=task.done * 100 // task.total if task.total else 0,
        by=actor_name(task.actor, names, words_of(request)),
        created_at=local_moment(request, task.created_at),
        ended_at=local_moment(request, task.ended_at) if task.HasField("ended_at") else "",
        counts=counts,
        findings=found.findings,
        has_more=bool(found.cursor),
        is_open=not has_ended,
        can_import=task.kind == "import_check" and task.state == "done",
        can_undo=task.kind == "import" and has_ended and any(name in _CHANGES for name, _ in counts),
    )


_CHANGES = ("created", "updated", "deleted")
