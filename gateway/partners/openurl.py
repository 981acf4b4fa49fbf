"""/openurl: finds the record that an OpenURL describes (NISO Z39.88-2004 by key and value, and version 0.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chassis.errors import Invalid
from gateway.clients import call, catalog
from gateway.links import absolute_url
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

LONGEST: Final = 300  # characters of a value that is searched
# Keys of 1.0, then of 0.1; the first that has a value is read.
_KEYS: Final[Mapping[str, Sequence[str]]] = {
    "isbn": ("rft.isbn", "isbn"),
    "issn": ("rft.issn", "rft.eissn", "issn", "eissn"),
    "title": ("rft.btitle", "rft.jtitle", "rft.title", "rft.atitle", "title", "atitle"),
    "author": ("rft.au", "rft.creator", "rft.aulast", "au", "aulast"),
    "year": ("rft.date", "date"),
}
_IDENTIFIER: Final = re.compile(r"urn:(isbn|issn):(.+)|(?:urn:uuid:|oai:[^:]+:)([0-9a-f\-]{36})", re.IGNORECASE)
_RECORD: Final = re.compile(r"/records/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_MASKS: Final = re.compile(r"[\\*?^]")  # of the terms of a search tree


class Described(NamedTuple):
    """What an OpenURL says about one publication; "" for what it does not say. record_id: of a record of this site."""

    record_id: str = ""
    isbn: str = ""
    issn: str = ""
    title: str = ""
    author: str = ""
    year: str = ""

    def searches(self) -> list[tuple[str, list[wire.SearchTree]]]:
        """List the searches for it, the most exact first: as a reader would type it, and its conditions."""
        words = [clause("title", self.title, "all")] if self.title else []
        words += [clause("author", self.author, "all")] if self.title and self.author else []
        numbers = [(field, value) for field, value in (("isbn", self.isbn), ("issn", self.issn)) if value]
        searches = [(f"{field}:{value}", [clause(field, value)]) for field, value in numbers]
        return [*searches, (f"{self.title} {self.author}".strip(), words)] if words else searches

    def finer(self) -> list[wire.SearchTree]:
        """List conditions that choose among several records."""
        conditions = [clause("title", self.title, "all"), clause("title", self.title, "==")] if self.title else []
        conditions += [clause("author", self.author, "all")] if self.author else []
        return [*conditions, clause("year", self.year)] if self.year else conditions


def clause(field: str, term: str, relation: str = "=") -> wire.SearchTree:
    return wire.SearchTree(field=field, relation=relation, term=_MASKS.sub(r"\\\g<0>", term))


def read_openurl(query: str, *, site: str) -> Described:
    """Read the query of an OpenURL.

    site  address of this site, whose pages may be the identifier of the publication
    """
    values = {name.lower(): value for name, value in parse_qs(query).items()}
    described = {
        name: next((values[key][0].strip()[:LONGEST] for key in keys if values.get(key)), "")
        for name, keys in _KEYS.items()
    }
    for identifier in (*values.get("rft_id", ()), *values.get("id", ())):
        if page := _RECORD.match(identifier.removeprefix(site)):
            described["record_id"] = page[1]
        elif name := _IDENTIFIER.fullmatch(identifier.strip()):
            described |= {name[1].lower(): name[2][:LONGEST]} if name[1] else {"record_id": name[3].lower()}
    year = re.match(r"\d{4}", described["year"])
    return Described(**{**described, "year": year[0] if year else ""})


@router.get("/openurl")
async def openurl(request: Request) -> Response:
    """Redirect to the page of the record, or to a search when several records fit or none.

    raises  Invalid  OPENURL_EMPTY
    """
    described = read_openurl(request.url.query, site=absolute_url(request, ""))
    searches = described.searches()
    if described.record_id:
        reply = await _search(request, [clause("id", described.record_id)])
        if reply.total or not searches:
            return _redirect(f"/records/{described.record_id}")
    if not searches:
        raise Invalid("OPENURL_EMPTY")
    for query, conditions in searches:
        reply = await _search(request, conditions)
        if reply.total > 1:
            reply = await _narrow(request, reply, conditions, described.finer())
        if reply.total:
            return _redirect(f"/records/{reply.hits[0].id}" if reply.total == 1 else _search_page(query))
    return _redirect(_search_page(searches[-1][0]))


async def _narrow(
    request: Request, reply: wire.SearchReply, conditions: Sequence[wire.SearchTree], finer: Sequence[wire.SearchTree]
) -> wire.SearchReply:
    """Choose among several records. A condition that none of them fits is left out."""
    for condition in finer:
        narrower = await _search(request, [*conditions, condition])
        if narrower.total:
            reply, conditions = narrower, [*conditions, condition]
        if reply.total == 1:
            break
    return reply


async def _search(request: Request, conditions: Sequence[wire.SearchTree]) -> wire.SearchReply:
    """Search for a record with all conditions. A title without letters, which cannot be searched, has no hits."""
    tree = wire.SearchTree(operator="and", operands=conditions)
    try:
        return await call(request, catalog(request).Search, wire.SearchRequest(tree=tree, limit=1))
    except Invalid:
        return wire.SearchReply()


def _search_page(query: str) -> str:
    return f"/search?{urlencode({'q': query})}"


def _redirect(path: str) -> Response:
    return RedirectResponse(path, status_code=303, headers={"Cache-Control": "no-store"})
