"""Records with an ISBN or a title, for templates: here, at other institutions, and in outside sources."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request

from gateway.clients import call, catalog
from gateway.negotiation import language
from gateway.sessions import session_of
from gateway.web.forms import Fields
from gateway.web.hits import ABSENT, local_text
from gateway.web.library import institution_name
from rangkiang.catalog.v1 import catalog_pb2
from rangkiang.catalog.v1.isbn_matches_pb2 import GetRecordCopyRequest, IsbnMatch, LookUpIsbnRequest

MOST_SHOWN = 8
# Most bytes of a record that a page holds for a copy: a page has at most MOST_SHOWN of them.
LONGEST_COPY = 16_000
_ISBN = re.compile(r"(?:97[89])?[0-9]{9}[0-9X]")


@dataclass(frozen=True, slots=True)
class Found:
    """Records as dictionaries: those of a brief record, `id`, `library` (names) and `marc`, what a copy has.

    here          of the institution
    others        of other institutions and of outside sources; `marc` is "" for one of a title, see `marc_to_copy`
    not_answered  names of outside sources
    """

    here: list[dict[str, Any]] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)
    not_answered: list[str] = field(default_factory=list)


def isbn_of(text: str) -> str:
    """Return a typed ISBN without hyphens and spaces; "" for another text. Its check digit is not checked."""
    digits = re.sub(r"[\s-]", "", text).upper()
    return digits if _ISBN.fullmatch(digits) else ""


async def find(request: Request, text: str) -> Found:
    """Find the records of an ISBN, or those that match a title. Outside sources are asked for what is not here.

    raises  Invalid  the errors of LookUpIsbn, such as a wrong check digit; those of Search
    """
    isbn = isbn_of(text)
    if not isbn:
        return await _of_title(request, text)
    look_up = catalog(request).LookUpIsbn
    reply = await call(request, look_up, LookUpIsbnRequest(isbn=isbn, local_only=True))
    if not reply.here and not reply.elsewhere:
        reply = await call(request, look_up, LookUpIsbnRequest(isbn=isbn))
    lang = language(request)
    return Found(
        [_match(match, lang) for match in reply.here[:MOST_SHOWN]],
        [_match(match, lang) for match in [*reply.elsewhere, *reply.outside][:MOST_SHOWN]],
        [local_text(library.name, lang) for library in reply.not_answered],
    )


async def _of_title(request: Request, text: str) -> Found:
    session = session_of(request)
    message = catalog_pb2.SearchRequest(query=text[:200], limit=2 * MOST_SHOWN)
    hits = (await call(request, catalog(request).Search, message)).hits
    found, lang = Found(), language(request)
    for hit in hits:
        record = shown(hit.id, hit.brief)
        owner = record.get("institution", "")
        if session is not None and owner == session.account.institution:
            found.here.append(record)
        else:
            found.others.append({**record, "library": [institution_name(request, owner, lang)], "marc": ""})
    return Found(found.here[:MOST_SHOWN], found.others[:MOST_SHOWN])


async def marc_to_copy(request: Request, fields: Fields) -> bytes:
    """Return the record that a form copies, as MARC-in-JSON: that in the form, or that of an id; b"" for none."""
    if record_id := fields.text("copy")[:64]:
        return (await call(request, catalog(request).GetRecordCopy, GetRecordCopyRequest(id=record_id))).marc
    return fields.get("marc", "").encode()


def shown(record_id: str, brief: bytes) -> dict[str, Any]:
    """Return a brief record for templates."""
    return {**ABSENT, **orjson.loads(brief), "id": record_id}


def _match(match: IsbnMatch, lang: str) -> dict[str, Any]:
    names = [local_text(library.name, lang) for library in (match.library, *match.also_in)]
    marc = match.marc.decode() if len(match.marc) <= LONGEST_COPY else ""
    return {**shown(match.record_id, match.brief), "library": _unique(names), "marc": marc}


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
