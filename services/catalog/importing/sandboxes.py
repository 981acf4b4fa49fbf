"""Sandboxes: institutions with sample items for developers, which each service deletes at night.

The records of a sandbox are stored as deleted records: nothing that the public reads has them (ADR 0049).
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from itertools import islice
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.errors import NotFound, Refused
from chassis.ids import new_id, parse_id
from chassis.institutions import SANDBOX, SANDBOXES_ZONE
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy
from services.catalog.importing.decode import incoming_of
from services.catalog.importing.deletion import tombstone_of
from services.catalog.institutions.events import change_institutions, copies_of_institutions
from services.catalog.items.events import copy_json, digest_of, emit_items, with_version
from services.catalog.items.item_maps import USUAL
from services.catalog.sample import records
from services.catalog.tables import Branch, Institution, Item, Record, Source
from services.catalog.tables.base import fresh_numbers

MOST, ITEMS = 10, 10
BRANCH = "PST"
_SAMPLE_SOURCE = "PKS"


def add_sandbox(session: Session, *, context: Context) -> tuple[InstitutionCopy, list[str]]:
    """Make a sandbox with a branch and items; return its institution, and the barcodes.

    context  the caller's; the transaction may write for every institution
    raises   Refused  SANDBOXES_FULL
    emits    InstitutionsChanged, ItemsChanged
    """
    count = session.scalar(select(func.count()).where(Institution.code.startswith(SANDBOX, autoescape=True))) or 0
    if count >= MOST:
        raise Refused("SANDBOXES_FULL", most=MOST)
    code = f"{SANDBOX}{secrets.token_hex(3).upper()}"
    institution = Institution(
        id=new_id(), code=code,
        name_id="Perpustakaan uji coba", name_en="Sandbox library", version=0, **_place("public"),
    )  # fmt: skip
    source = Source(id=new_id(), institution_id=institution.id, code=code)
    branch = Branch(
        id=new_id(), institution_id=institution.id, code=BRANCH, confirmed=True,
        name_id="Perpustakaan Pusat", name_en="Central Library", **_place(""),
    )  # fmt: skip
    session.add(institution)
    session.flush()
    session.add_all([source, branch])
    session.flush()
    own = replace(context, institution=str(institution.id))
    change_institutions(session, [institution.id], context=own)
    barcodes = _add_items(session, source, branch, context=own)
    audit.record(session, context, "catalog.add_sandbox", kind="institution", object_id=institution.id)
    return copies_of_institutions(session, [institution.id])[0], barcodes


def sandbox(session: Session, institution_id: str) -> InstitutionCopy:
    """Return the institution of a sandbox. Raises NotFound SANDBOX_UNKNOWN."""
    copies = copies_of_institutions(session, [parse_id(institution_id)])
    if not copies or not copies[0].code.startswith(SANDBOX):
        raise NotFound("SANDBOX_UNKNOWN", id=institution_id[:80])
    return copies[0]


def _place(kind: str) -> dict[str, str]:
    return {"kind": kind, "npp": "", "isil": "", "zone": SANDBOXES_ZONE}


def _add_items(session: Session, source: Source, branch: Branch, *, context: Context) -> list[str]:
    """Add one item of each of some books. Returns their barcodes."""
    at = clock.now()
    books = [incoming_of(book, _SAMPLE_SOURCE, USUAL) for book in islice(records(_SAMPLE_SOURCE), ITEMS)]
    rows: list[dict[str, Any]] = []
    items: list[dict[str, Any]] = []
    copies: list[bytes] = []
    for position, (number, book) in enumerate(zip(fresh_numbers(session, Record.number, ITEMS), books, strict=True), 1):
        record_id, item_id = new_id(), new_id()
        rows.append(
            {
                "number": number, "id": record_id, "institution_id": branch.institution_id, "source_id": source.id,
                "control_key": book.key, "fingerprint": tombstone_of(book.fingerprint), "marc": book.marc,
                "brief": book.brief, "holdings": b"[]", "version": 1, "run": 0, "updated_at": at, "deleted_at": at,
            }
        )  # fmt: skip
        columns = {
            "institution_id": branch.institution_id, "record_number": number, "branch_id": branch.id,
            "barcode": f"COBA{position:04}", "collection": "circulation", "material": "book", "status": "in_service",
            "position": 0, **dict.fromkeys(("call_number", "copy", "room", "enumeration", "chronology", "pieces"), ""),
        }  # fmt: skip
        copy = copy_json(item_id, columns, record_id=record_id, facts=book.facts)
        items.append({"id": item_id, "version": 1, "last_published": digest_of(copy), **columns})
        copies.append(with_version(copy, 1))
    session.execute(insert(Record), rows)
    session.execute(insert(Item), items)
    emit_items(session, copies, context=context)
    return [item["barcode"] for item in items]
