"""A service with writing methods, and its routes at the gateway: an example for later services."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, insert, select
from starlette.requests import Request
from starlette.responses import Response

from chassis import rpc
from chassis.database.db import Database
from chassis.database.idempotency import once
from chassis.errors import Conflict, Error, KeyReused, Outdated, Refusal, Refused
from chassis.ids import new_id
from chassis.rpc import inproc
from chassis.rpc.server import Server
from chassis.settings import Settings
from gateway.api.openapi import ApiRoute, documented
from gateway.api.writes import Version, version_tag
from gateway.clients import call, clients
from gateway.request_guard import accept_bodies
from tests.example_services.proto.notes_pb2 import (
    ChangeNoteRequest,
    KeepNoteReply,
    ReadNoteReply,
    ReadNoteRequest,
    ShredNoteReply,
    ShredNoteRequest,
    WriteNoteReply,
    WriteNoteRequest,
)
from tests.example_services.proto.notes_pb2_grpc import NotesServicer, NotesStub, add_NotesServicer_to_server
from tests.example_services.stock.tables import articles

LONGEST_NOTE_BYTES = 200_000
CURRENT_VERSION = 7
CHANGED_AT = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
REFUSED: dict[str, Error] = {
    "busy": Conflict("NOTE_BUSY"),
    "outdated": Outdated("NOTE_CHANGED", version=4),
    "reused": KeyReused("IDEMPOTENCY_KEY_REUSED"),
    "blocked": Refused(refusals=(Refusal("NOTE_TOO_RUDE", words=2), Refusal("NOTE_LIMIT_REACHED", limit=5))),
}


class Notes(NotesServicer):
    """A servicer that keeps only the metadata of the last call; with a database of stock, also notes, as articles."""

    def __init__(self, database: Database | None = None) -> None:
        self.metadata: dict[str, str] = {}
        self.database = database
        self.is_kept = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()

    def WriteNote(self, request: WriteNoteRequest, context: Any) -> WriteNoteReply:
        self.metadata = dict(context.invocation_metadata())
        if request.text in REFUSED:
            raise REFUSED[request.text]
        return WriteNoteReply(length=len(request.text))

    def KeepNote(self, request: WriteNoteRequest, context: Any) -> KeepNoteReply:
        caller = rpc.context(context)
        assert self.database is not None
        with self.database.transaction(caller) as session:

            def keep() -> KeepNoteReply:
                session.execute(insert(articles).values(id=new_id(), name=request.text))
                self.is_kept.set()
                assert self.may_end.wait(20)
                return KeepNoteReply(number=session.scalar(select(func.count()).select_from(articles)))

            return once(session, caller, request, KeepNoteReply, keep)

    def ChangeNote(self, request: ChangeNoteRequest, context: Any) -> WriteNoteReply:
        if request.version != CURRENT_VERSION:
            raise Outdated.at_version(
                CURRENT_VERSION, given=request.version, changed=["text", "paper"], changed_at=CHANGED_AT
            )
        return WriteNoteReply(length=len(request.text))

    def ReadNote(self, request: ReadNoteRequest, context: Any) -> ReadNoteReply:
        self.metadata = dict(context.invocation_metadata())
        return ReadNoteReply(text="catatan")

    def ShredNote(self, request: ShredNoteRequest, context: Any) -> ShredNoteReply:
        return ShredNoteReply()


@contextmanager
def served_notes(notes: Notes, transport: Literal["inproc", "grpc"]) -> Iterator[str]:
    """Serve the notes in this process or over gRPC; yield the URL."""
    if transport == "inproc":
        inproc.register("notes", notes, add_NotesServicer_to_server)
        try:
            yield "inproc:notes"
        finally:
            inproc.unregister("notes")
        return
    server = Server(notes, add_NotesServicer_to_server, Settings(grpc_port=0))
    server.start()
    try:
        yield f"dns:///{server.address}"
    finally:
        server.stop(grace=0.2)


class Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=10)


class Note(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=LONGEST_NOTE_BYTES)
    copies: int = Field(1, ge=1, le=9)
    paper: Literal["white", "blue"] = "white"
    lines: list[Line] = Field([], max_length=3)


async def _notes(request: Request) -> Any:
    return clients(request).stub("notes", NotesStub)


Stub = Annotated[Any, Depends(_notes)]
router = APIRouter(prefix="/api/v1", route_class=ApiRoute)


@router.get("/notes/mine")
async def read(request: Request, notes: Stub) -> Response:
    reply = await call(request, notes.ReadNote, ReadNoteRequest())
    return Response(reply.text, headers={"Cache-Control": "public, max-age=60"})


@router.post("/notes", status_code=201)
async def write(request: Request, note: Note, notes: Stub) -> dict[str, int]:
    reply = await call(request, notes.WriteNote, WriteNoteRequest(text=note.text))
    return {"length": reply.length}


@router.put("/notes/long")
@accept_bodies(LONGEST_NOTE_BYTES)
async def write_long(request: Request, note: Note, notes: Stub) -> dict[str, int]:
    reply = await call(request, notes.WriteNote, WriteNoteRequest(text=note.text))
    return {"length": reply.length}


@router.delete("/notes/mine", status_code=204)
async def shred(request: Request, notes: Stub) -> None:
    await call(request, notes.ShredNote, ShredNoteRequest())


@router.post(
    "/notes/kept",
    **documented("Keep a note", "examples.v1.Notes.KeepNote", status=201),
)
async def keep_note(request: Request, note: Note, notes: Stub) -> dict[str, int]:
    reply = await call(request, notes.KeepNote, WriteNoteRequest(text=note.text))
    return {"number": reply.number}


@router.patch("/notes/mine", **documented("Change a note"))
async def change_note(request: Request, note: Note, notes: Stub, version: Version) -> Response:
    reply = await call(request, notes.ChangeNote, ChangeNoteRequest(text=note.text, version=version))
    return Response(str(reply.length), headers={"ETag": version_tag(version + 1)})
