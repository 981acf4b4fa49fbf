"""`tasks`: long work of institutions, such as imports: list, show, cancel."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from chassis.context import system
from chassis.output import print_json, print_table, print_text
from services.catalog import tasks as stored_tasks
from services.catalog.commands.database import Json, open_catalogue
from services.catalog.tables import Task

TaskId = Annotated[str, typer.Argument(metavar="TASK", help="Id of the task.")]

tasks_app = typer.Typer(no_args_is_help=True, help="Long work, such as imports: list, show, cancel.")


@tasks_app.command("list")
def list_tasks(
    limit: Annotated[int, typer.Option(min=1, max=100, help="Number of tasks, the newest first.")] = 20,
    json: Json = False,
) -> None:
    """List the tasks of all institutions, the newest first."""
    with open_catalogue() as resources, resources.database.reading(system("tasks")) as session:
        rows = [_row(task) for task in stored_tasks.list_tasks(session, institution="*", limit=limit)[0]]
    if json:
        print_json(rows)
        return
    names = ("id", "kind", "state", "source", "file", "percent", "created_at")
    print_table([*names], [[str(row[name]) for name in names] for row in rows], numbers={"percent"})


@tasks_app.command()
def show(task: TaskId, json: Json = False) -> None:
    """Show a task with its counts, and the first 100 records that it rejected or left as they are."""
    with open_catalogue() as resources, resources.database.reading(system("tasks")) as session:
        stored = stored_tasks.get_task(session, task, institution="*")
        names = ("record", "position", "reason", "key", "title", "detail", "is_rejected")
        findings = [
            {name: getattr(row, name) for name in names}
            for row in stored_tasks.findings_of(session, stored, after=0, most=100)
        ]
        row = _row(stored)
    if json:
        print_json(row | {"findings": findings})
        return
    for name, value in row.items():
        print_text(f"{name:11} {value}")
    for finding in findings:
        print_text(f"{finding['record']:>7} {finding['reason']} {finding['key']} {finding['title']}".rstrip())


@tasks_app.command()
def cancel(task: TaskId, json: Json = False) -> None:
    """Cancel a task: a waiting one ends at once, a running one after its present step. What it has done stays."""
    context = system("tasks")
    with open_catalogue() as resources, resources.database.transaction(context) as session:
        row = _row(stored_tasks.cancel_task(session, task, institution="*", context=context))
    print_json(row) if json else print_text(f"{row['id']}: {row['state']}")


def _row(task: Task) -> dict[str, Any]:
    arguments = stored_tasks.arguments_of(task)
    return {
        "id": str(task.id),
        "kind": task.kind,
        "state": task.state,
        "source": arguments.get("source", ""),
        "file": arguments.get("file", ""),
        "actor": task.actor,
        "percent": 100 if task.state == stored_tasks.DONE else task.done * 100 // max(task.total, 1),
        "report": stored_tasks.report_of(task),
        "error": task.error,
        "created_at": task.created_at.isoformat(timespec="seconds"),
        "ended_at": None if task.ended_at is None else task.ended_at.isoformat(timespec="seconds"),
    }
