"""Asks outside sources for the records of an ISBN: SRU servers from a table, all at the same time.

Their answers are foreign: time, size, depth and number of records are bounded, and what one of them does wrong affects
no other.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
import time
import tomllib
from collections.abc import Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from chassis.errors import Error, Invalid, Unavailable
from chassis.http.outgoing import OutgoingClient
from services.catalog.analysis.identifiers import isbn10
from services.catalog.marc.faults import MarcError
from services.catalog.marc.readers import decode, frames
from services.catalog.marc.record import Record
from services.catalog.settings import CatalogSettings

log = logging.getLogger(__name__)

SECONDS = 3.0
MOST_RECORDS = 10  # of one source
MOST_BYTES = 1_000_000
_SHIPPED = Path(__file__).with_suffix(".toml")
_DIAGNOSTIC = re.compile(rb"<(\w+:)?diagnostic[\s>]")


class OutsideSource(BaseModel):
    """An SRU server; outside_sources.toml describes the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=100)
    url: str = Field(pattern=r"^https?://[^\s/?#@]+[^\s#]*$")
    index: str = Field(pattern=r"^[A-Za-z][\w.]{0,40}$")
    schema_name: str = Field(default="marcxml", alias="schema")
    version: str = "1.1"
    agency: str = ""
    language: str = "eng"


Sources = dict[str, OutsideSource]
_SOURCES = TypeAdapter(dict[str, OutsideSource])


def load_sources(settings: CatalogSettings) -> Sources:
    """Return the sources to ask, by code: those that OUTSIDE_SOURCES names, and all of OUTSIDE_SOURCES_FILE.

    raises  Invalid  OUTSIDE_SOURCE_UNKNOWN, OUTSIDE_SOURCES_UNREADABLE
    """
    shipped = _read(_SHIPPED)
    names = [name for text in settings.outside_sources.split(",") if (name := text.strip())]
    if unknown := [name for name in names if name not in shipped]:
        raise Invalid("OUTSIDE_SOURCE_UNKNOWN", given=unknown[0][:40], known=list(shipped))
    own = _read(settings.outside_sources_file) if settings.outside_sources_file else {}
    return {name: shipped[name] for name in names} | own


def _read(path: Path) -> Sources:
    try:
        return _SOURCES.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as problem:
        error = problem.errors()[0]
        why = f"{'.'.join(map(str, error['loc']))}: {error['msg']}"
        raise Invalid("OUTSIDE_SOURCES_UNREADABLE", file=str(path), why=why) from None
    except (OSError, ValueError) as problem:
        raise Invalid("OUTSIDE_SOURCES_UNREADABLE", file=str(path), why=str(problem)) from None


def ask_sources(
    sources: Sources, isbn: str, client: OutgoingClient, *, seconds: float = SECONDS
) -> tuple[list[tuple[str, Record]], list[str]]:
    """Ask all sources for an ISBN of thirteen digits.

    seconds  after which a source counts as silent
    returns  (code of the source, record) in the order of the sources, and the codes of those without an answer
    """
    replies: queue.SimpleQueue[tuple[str, Sequence[Record]]] = queue.SimpleQueue()

    def ask(code: str, source: OutsideSource) -> None:
        try:
            replies.put((code, _ask(source, isbn, client)))
        except Error as problem:
            log.warning("outside_source_failed", extra={"source": code, "reason": problem.reason, **problem.facts})
        except Exception:
            log.exception("outside_source_failed", extra={"source": code})

    until = time.monotonic() + seconds
    threads = [threading.Thread(target=ask, args=item, name="outside-source", daemon=True) for item in sources.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    answers: dict[str, Sequence[Record]] = {}
    while not replies.empty():
        code, records = replies.get()
        answers[code] = records
    found = [(code, record) for code in sources for record in answers.get(code, ())]
    return found, [code for code in sources if code not in answers]


def _ask(source: OutsideSource, isbn: str, client: OutgoingClient) -> list[Record]:
    numbers = filter(None, (isbn, isbn10(isbn)))
    fields = {
        "version": source.version,
        "operation": "searchRetrieve",
        "query": " or ".join(f"{source.index}={number}" for number in numbers),
        "maximumRecords": MOST_RECORDS,
        "recordSchema": source.schema_name,
    }
    address = f"{source.url}{'&' if '?' in source.url else '?'}{urlencode(fields)}"
    reply = client.request("GET", address, headers={"Accept": "application/xml, text/xml"})
    if reply.status != 200:
        raise Unavailable("OUTSIDE_SOURCE_FAILED", why=f"HTTP {reply.status}")
    return read_response(reply.body)


def read_response(document: bytes) -> list[Record]:
    """Read the records of a response of SRU; those that are not MARC 21 are left out.

    raises  Unavailable  OUTSIDE_SOURCE_FAILED: it is no response, or one that refuses the request
    """
    records = []
    if b"searchRetrieveResponse" not in document:  # a compressed document too
        raise Unavailable("OUTSIDE_SOURCE_FAILED", why="no searchRetrieveResponse")
    for frame in islice(frames(BytesIO(document)), MOST_RECORDS):
        if frame.format != "marcxml" or frame.fault is not None:
            why = "no XML" if frame.fault is None else frame.fault.reason
            raise Unavailable("OUTSIDE_SOURCE_FAILED", why=why)
        try:
            records.append(decode(frame).record)
        except MarcError:  # such as a diagnostic in the place of a record
            continue
    if not records and _DIAGNOSTIC.search(document):
        raise Unavailable("OUTSIDE_SOURCE_FAILED", why="diagnostic")
    return records
