"""/sru and /sru/{institution} answer searchRetrieve, explain and scan by GET and POST."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import parse_qsl

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, Gone, NotFound
from gateway.clients import call, catalog
from gateway.libraries import libraries
from gateway.links import absolute_url
from gateway.negotiation import LANGUAGES
from gateway.partners.sru.answers import (
    FacetCounts,
    ScanTerm,
    SruRecord,
    diagnostic_record,
    explain_response,
    scan_response,
    search_response,
)
from gateway.partners.sru.cql import Boolean, Clause, parse
from gateway.partners.sru.diagnostics import Diagnostic
from gateway.partners.sru.explain import explain_record
from gateway.partners.sru.holdings import iso_holdings, opac_record
from gateway.partners.sru.indexes import INDEX_OF_FACET, facet_limits, index_of
from gateway.partners.sru.parameters import SruRequest, read
from gateway.partners.sru.schemas import RecordSchema, schema_of
from gateway.partners.sru.translation import diagnostic_of, search_tree, sort_of
from gateway.plans import count_records
from gateway.responses import respond
from gateway.web.library import site_of
from rangkiang.catalog.v1 import browsing_pb2
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1.facets_pb2 import Filter

router = APIRouter()

PATH = "/sru"
MEDIA_TYPE = "application/xml"
MOST_PARAMETERS = 40
ITEM_CALLS_AT_ONCE = 8
MOST_HITS = 10_000


@router.api_route("/sru", methods=["GET", "POST"])
@router.api_route("/sru/{institution}", methods=["GET", "POST"])
async def sru(request: Request) -> Response:
    """Answer a request; a wrong one gets a diagnostic with status 200, as SRU asks."""
    institution = request.path_params.get("institution", "")
    if institution and institution not in (await libraries(request).directory()).institutions:
        raise NotFound("ROUTE_NOT_FOUND")
    sru_request = SruRequest()
    try:
        read(await _parameters(request), sru_request)
        body = await _OPERATIONS[sru_request.operation](request, sru_request, institution)
    except Diagnostic as diagnostic:
        body = _refused(request, sru_request, diagnostic)
    except Error as error:
        known = diagnostic_of(error)
        if known is None:
            raise
        body = _refused(request, sru_request, known)
    return respond(request, body, MEDIA_TYPE, vary="Accept-Encoding")


def refuse(request: Request, error: Error) -> Response | None:
    """Return a diagnostic for a used-up plan or a body that is too large; None for other errors.

    A POST gets that of SRU 2.0.
    """
    if error.reason not in ("PLAN_EXCEEDED", "BODY_TOO_LARGE"):
        return None
    sru_request = SruRequest()
    with suppress(Diagnostic, ValueError):
        read(parse_qsl(request.url.query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS), sru_request)
    headers = {"Cache-Control": "no-store"}
    if error.reason == "PLAN_EXCEEDED":
        # Clients of Z39.50 see only the details.
        diagnostic = Diagnostic(2, error.sentence.en, error.sentence.en)
        headers["Retry-After"] = str(error.facts["seconds"])
    else:
        sru_request.operation = "searchRetrieve"  # only its requests can be so long
        diagnostic = Diagnostic(12, str(error.facts["longest"]), error.sentence.en)
    return Response(_refused(request, sru_request, diagnostic), media_type=MEDIA_TYPE, headers=headers)


async def _parameters(request: Request) -> list[tuple[str, str]]:
    in_url = request.method in ("GET", "HEAD")
    text = (request.scope["query_string"] if in_url else await request.body()).decode("utf-8", "replace")
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise Diagnostic(8, str(MOST_PARAMETERS), f"More than {MOST_PARAMETERS} parameters") from None


async def _search(request: Request, sru_request: SruRequest, institution: str) -> bytes:
    schema = schema_of(sru_request.schema)
    query = parse(sru_request.query)
    if sru_request.start > MOST_HITS:
        raise Diagnostic(61, str(MOST_HITS), f"Records after number {MOST_HITS} cannot be requested")
    most_values = facet_limits(sru_request.facets)
    message = wire.SearchRequest(
        tree=search_tree(query.root),
        sort=sort_of(query, sru_request.sort_keys),
        offset=sru_request.start - 1,
        limit=max(min(sru_request.records, MOST_HITS + 1 - sru_request.start), 1),
        facets=most_values,
        filters=[Filter(facet="institution", values=[institution])] if institution else [],
        form=schema.form,
        address=absolute_url(request, "/records/{id}"),
    )
    reply = await call(request, catalog(request).Search, message)
    if reply.total and sru_request.start > reply.total:
        raise Diagnostic(61, str(reply.total))
    hits = reply.hits[: sru_request.records]
    count_records(request, len(hits))
    return search_response(
        sru_request,
        total=reply.total,
        records=await _records(request, hits, schema),
        diagnostics=sru_request.warnings,
        facets=_facets(reply, most_values),
    )


async def _records(request: Request, hits: Sequence[wire.Hit], schema: RecordSchema) -> list[SruRecord]:
    contents = [_without_declaration(hit.content) for hit in hits]
    if schema.name in _WITH_ITEMS:
        at_once = asyncio.Semaphore(ITEM_CALLS_AT_ONCE)
        contents = await asyncio.gather(
            *(
                _with_items(request, at_once, hit.id, content, schema)
                for hit, content in zip(hits, contents, strict=True)
            )
        )
    return [
        SruRecord(schema.identifier, content, f"urn:uuid:{hit.id}")
        if content
        else diagnostic_record(Diagnostic(67, hit.id))
        for hit, content in zip(hits, contents, strict=True)
    ]


_WITH_ITEMS = ("isohold", "opacxml")


async def _with_items(
    request: Request, at_once: asyncio.Semaphore, record_id: str, marcxml: str, schema: RecordSchema
) -> str:
    """Return the record with its items; "" for a record that cannot be written, or was deleted meanwhile."""
    try:
        async with at_once:
            reply = await call(request, catalog(request).ListItems, wire.ListItemsRequest(record_id=record_id))
    except (NotFound, Gone):
        return ""
    if schema.name == "isohold":
        return iso_holdings(reply.items)
    return opac_record(reply.items, marcxml) if marcxml else ""


def _without_declaration(document: bytes) -> str:
    text = document.decode()
    return text[text.index("?>") + 2 :].strip() if text.startswith("<?xml") else text


def _facets(reply: wire.SearchReply, most_values: Mapping[str, int]) -> list[FacetCounts]:
    return [
        FacetCounts(
            INDEX_OF_FACET[facet.name].names[0],
            INDEX_OF_FACET[facet.name].title,
            [(value.value, value.count) for value in facet.values[: most_values[facet.name]]],
        )
        for facet in reply.facets
        if facet.values
    ]


async def _scan(request: Request, sru_request: SruRequest, _institution: str) -> bytes:
    """Return a part of a list of headings. A scan of one institution reads the list of the whole catalogue."""
    clause = parse(sru_request.query).root
    if isinstance(clause, Boolean):
        raise Diagnostic(10, "scanClause", "A scan clause has one index and one term")
    kind = _list_of(clause)
    before = max(sru_request.position - 1, 0)
    after = min(max(sru_request.terms - before, 0) + (sru_request.position == 0), _MOST_SCANNED)
    message = browsing_pb2.BrowseRequest(
        kind=kind, term=clause.term, before=min(before, _MOST_SCANNED), after=after or 1
    )
    reply = await call(request, catalog(request).Browse, message)
    headings = list(reply.headings)
    if sru_request.position == 0:
        del headings[reply.place : reply.place + 1]  # position 0 is the one before the list
    headings = headings[: sru_request.terms]
    terms = [
        ScanTerm(heading.text, heading.count, _form_in_use(heading), _where(index, len(headings), reply))
        for index, heading in enumerate(headings)
    ]
    return scan_response(sru_request, terms, sru_request.warnings)


_MOST_SCANNED = 50


def _list_of(clause: Clause) -> str:
    row = index_of(clause.index, clause.prefixes)
    if not row.scan:
        raise Diagnostic(16, clause.index, f"The index {clause.index} has no list of terms")
    return row.scan


def _form_in_use(heading: browsing_pb2.Heading) -> str:
    """Return the heading to use in place of a variant form: `Navis, Ali Akbar → Navis, A.A.`; "" without one."""
    return f"{heading.text} → {heading.see[0]}" if heading.see else ""


def _where(index: int, number: int, reply: browsing_pb2.BrowseReply) -> str:
    is_first, is_last = index == 0 and not reply.previous, index == number - 1 and not reply.next
    if is_first and is_last:
        return "only"
    return "first" if is_first else "last" if is_last else "inner"


async def _explain(request: Request, sru_request: SruRequest, _institution: str) -> bytes:
    return explain_response(sru_request, _explanation(request), sru_request.warnings)


def _explanation(request: Request) -> str:
    site = site_of(request, LANGUAGES[0])
    address = absolute_url(request, request.url.path)
    scheme, _, rest = address.partition("://")
    netloc, _, database = rest.partition("/")
    host, _, port = netloc.partition(":")
    is_secure = scheme == "https"
    return explain_record(
        title=site.name,
        description="Katalog bersama — the shared catalogue",
        host=host,
        port=int(port) if port.isdigit() else 443 if is_secure else 80,
        database=database,
        is_secure=is_secure,
    )


_OPERATIONS = {"searchRetrieve": _search, "scan": _scan, "explain": _explain}


def _refused(request: Request, sru_request: SruRequest, diagnostic: Diagnostic) -> bytes:
    """Return the response of the operation with a diagnostic."""
    diagnostics = [*sru_request.warnings, diagnostic]
    if sru_request.operation == "explain":
        return explain_response(sru_request, _explanation(request), diagnostics)
    if sru_request.operation == "scan":
        return scan_response(sru_request, (), diagnostics)
    return search_response(sru_request, total=0, diagnostics=diagnostics)
