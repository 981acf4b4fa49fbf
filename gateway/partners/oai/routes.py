"""/oai and /oai/{institution}: the OAI-PMH 2.0 interfaces of the catalogue and of one institution."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

from fastapi import APIRouter
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import Request
from starlette.responses import Response

from chassis import clock
from chassis.errors import Error, Invalid
from chassis.ids import parse_id
from gateway.clients import call, catalog
from gateway.libraries import Directory
from gateway.links import absolute_url
from gateway.partners.oai import documents
from gateway.partners.oai.arguments import (
    IDENTIFIER,
    LISTS,
    PREFIX,
    TOKEN,
    TOKEN_HOURS,
    Fault,
    Place,
    Selection,
    bad_token,
    read_arguments,
    read_format,
    read_selection,
    read_token,
    write_token,
)
from gateway.plans import count_records
from gateway.responses import respond
from gateway.settings import GatewaySettings
from rangkiang.catalog.v1 import catalog_pb2
from rangkiang.catalog.v1 import harvest_pb2 as wire

router = APIRouter()

PATH = "/oai"
RECORDS_A_PAGE = 1_000
# Seconds until a harvester that got 503 should try again.
RETRY_SECONDS = 10
# Of a host that has none, such as an IP address; the schema of identifiers wants a name with a dot.
NO_DOMAIN = "localhost.localdomain"
_DOMAIN = re.compile(r"[a-zA-Z][a-zA-Z0-9\-]*(\.[a-zA-Z][a-zA-Z0-9\-]*)+")
_EMAIL = re.compile(r"\S+@(\S+\.)+\S+")
_STYLES = Path(__file__).with_name("oai.css").read_bytes()
SAMPLE_ID = "0192f3a4-5b6c-7d8e-9f01-23456789abcd"
_UNAVAILABLE = (429, 503, 504)


@router.get("/oai.css")
async def styles(request: Request) -> Response:
    """Return the style sheet with which browsers show OAI-PMH documents."""
    return respond(request, _STYLES, "text/css; charset=utf-8", cache="public, max-age=86400", vary="Accept-Encoding")


@router.get(PATH)
@router.post(PATH)
async def oai(request: Request) -> Response:
    return await _answer(request, "")


@router.get(f"{PATH}/{{institution}}")
@router.post(f"{PATH}/{{institution}}")
async def oai_of_institution(request: Request) -> Response:
    institution = request.path_params["institution"]
    # Raises INSTITUTION_NOT_FOUND.
    message = catalog_pb2.ListInstitutionsRequest(code=institution)
    await call(request, catalog(request).ListInstitutions, message)
    return await _answer(request, institution)


def refuse(error: Error) -> Response | None:
    """Return 503 with Retry-After, by which harvesters wait, when the caller should send the request later."""
    if error.http_status not in _UNAVAILABLE:
        return None
    seconds = str(error.facts.get("seconds", RETRY_SECONDS))
    headers = {"Retry-After": seconds, "Cache-Control": "no-store"}
    return Response(f"{error.reason}: {error.sentence.en}\n", 503, headers=headers, media_type="text/plain")


async def _answer(request: Request, institution: str) -> Response:
    """Answer a request for the records of all institutions, or of one."""
    repository = _Repository(request, institution)
    shown: Mapping[str, str] = {}
    try:
        verb, arguments = read_arguments(await _pairs(request))
        shown = {"verb": verb, **arguments}
        body = await repository.answer(verb, arguments)
    except Fault as fault:
        if fault.code in ("badVerb", "badArgument"):
            shown = {}
        body = documents.error(fault)
    base_url, at = repository.base_url, repository.at

    def finish() -> Response:
        document = documents.wrap(body, base_url=base_url, arguments=shown, at=at)
        return respond(request, document, documents.MEDIA_TYPE, vary="Accept-Encoding")

    # A page of 1,000 records is compressed in 50 ms.
    return await asyncio.to_thread(finish)


def _is_delivered(change: wire.Change, verb: str) -> bool:
    """Return False for a record that the list leaves out, because its format cannot hold it."""
    return bool(change.content) or change.is_deleted or verb != "ListRecords"


async def _pairs(request: Request) -> list[tuple[str, str]]:
    """Return the arguments of GET, or of the form that POST sends.

    raises  Fault  badArgument
    """
    query = request.scope["query_string"]
    if request.method == "POST":
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
            raise Fault("badArgument", "The body of POST must be application/x-www-form-urlencoded.")
        query = await request.body()
    try:
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Fault("badArgument", "The arguments are not percent-encoded UTF-8.") from None


class _Repository:
    """The records of all institutions, or of one, for one request.

    at  time of the response: later changes have this datestamp or a later one
    """

    def __init__(self, request: Request, institution: str) -> None:
        self._request, self._institution = request, institution
        self.base_url = absolute_url(request, f"{PATH}/{quote(institution, safe='')}" if institution else PATH)
        self._address = absolute_url(request, "/records/{id}")
        host = urlsplit(self.base_url).hostname or ""
        self._domain = host if _DOMAIN.fullmatch(host) else NO_DOMAIN
        # The catalogue escapes codes in names of sets so, with ~ in place of %.
        code = quote(institution, safe="!*'()").replace("~", "~7E").replace("%", "~")
        self._scope = [f"institution:{code}"] if institution else []
        self.at = clock.now()

    async def answer(self, verb: str, arguments: Mapping[str, str]) -> bytes:
        """Return the body of the answer.

        raises  Fault
        """
        if verb in LISTS:
            return await self._list(verb, arguments)
        if verb == "GetRecord":
            form = read_format(arguments[PREFIX]).form
            change = await self._change(arguments[IDENTIFIER], form)
            if not change.content and not change.is_deleted:
                raise Fault("cannotDisseminateFormat", "The record has values that this format cannot hold.")
            count_records(self._request, 1)
            return b"<GetRecord>%b</GetRecord>\n" % documents.record(change, self._domain)
        if verb == "ListMetadataFormats":
            if IDENTIFIER in arguments:
                await self._change(arguments[IDENTIFIER], "")
            return documents.list_formats()
        if verb == "ListSets":
            if TOKEN in arguments:
                raise Fault("badResumptionToken", "The list of sets has one part.")
            reply = await call(self._request, catalog(self._request).ListSets, wire.ListSetsRequest())
            return documents.list_sets(entry for entry in reply.sets if self._has_set(entry.spec))
        return documents.identify(await self._identity(), self.base_url)

    async def _list(self, verb: str, arguments: Mapping[str, str]) -> bytes:
        if TOKEN in arguments:
            key = (await self._harvest(wire.HarvestRequest(limit=1))).cursor_key
            selection, place = read_token(arguments[TOKEN], verb, key=key, now=clock.now())
        else:
            selection = read_selection(verb, arguments)
            place = Place(0, 0, 0, 0)
        is_first = not place.expires
        if not is_first:
            self.at = datetime.fromtimestamp(place.began, UTC)
        entries: list[bytes] = []
        after, is_complete = place.after, False
        write = documents.record if verb == "ListRecords" else documents.header
        while not entries and not is_complete:
            begins = is_first and not after
            reply = await self._harvest(self._message(selection, after, begins=begins))
            if begins:
                self.at = reply.read_at.ToDatetime(UTC)
            entries = [write(change, self._domain) for change in reply.changes if _is_delivered(change, verb)]
            after, is_complete = reply.reached, reply.is_complete
        if not entries:
            # At the end of a list too, when its last records have changed since and are in it no more.
            raise Fault("noRecordsMatch", "No record has these values of from, until and set, or none is left of them.")
        if verb == "ListRecords":
            count_records(self._request, len(entries))
        delivered = place.delivered + len(entries)
        rest = None if is_complete else await self._rest(selection, after)
        if rest is not None:
            expires = clock.now() + timedelta(hours=TOKEN_HOURS)
            following = Place(rest, delivered, int(expires.timestamp()), int(self.at.timestamp()))
            token = write_token(selection, following, key=reply.cursor_key)
            entries.append(documents.resumption_token(token, cursor=place.delivered, expires=expires))
        elif not is_first:
            entries.append(documents.resumption_token("", cursor=place.delivered, expires=None))
        return b"<%b>\n%b</%b>\n" % (verb.encode(), b"".join(entries), verb.encode())

    async def _rest(self, selection: Selection, after: int) -> int | None:
        """Return the change number after which the rest of a list begins; None when the rest has nothing to deliver."""
        limit = 1
        while selection.verb == "ListRecords":
            reply = await self._harvest(self._message(selection, after, limit=limit))
            if any(_is_delivered(change, selection.verb) for change in reply.changes):
                break
            if reply.is_complete:
                return None
            after, limit = reply.reached, RECORDS_A_PAGE
        return after

    def _message(
        self, selection: Selection, after: int, *, limit: int = 0, begins: bool = False
    ) -> wire.HarvestRequest:
        has_content = selection.verb == "ListRecords"
        return wire.HarvestRequest(
            after=after,
            since=None if selection.since is None else Timestamp(seconds=selection.since),
            until=None if selection.until is None else Timestamp(seconds=selection.until),
            sets=[*self._scope, *([selection.set] if selection.set else [])],
            limit=limit or RECORDS_A_PAGE,
            form=read_format(selection.prefix).form if has_content else "",
            address=self._address,
            is_timed=begins,
        )

    async def _harvest(self, message: wire.HarvestRequest) -> wire.HarvestReply:
        try:
            return await call(self._request, catalog(self._request).Harvest, message)
        except Invalid as problem:
            if problem.reason != "CURSOR_INVALID":
                raise
            raise bad_token() from None

    async def _change(self, identifier: str, form: str) -> wire.Change:
        """Return the last change of a record.

        raises  Fault  idDoesNotExist
        """
        prefix = f"{documents.SCHEME}:{self._domain}:"
        try:
            record_id = str(parse_id(identifier.removeprefix(prefix)))
        except Error:
            record_id = ""
        if record_id and identifier == f"{prefix}{record_id}":
            message = wire.HarvestRequest(id=record_id, form=form, address=self._address)
            for change in (await self._harvest(message)).changes:
                if any(self._has_set(spec) for spec in change.sets if spec.startswith("institution:")):
                    return change
        raise Fault("idDoesNotExist", f"Identifiers of records begin with {prefix}, and this one is of no record.")

    def _has_set(self, spec: str) -> bool:
        """Return whether a set can have records of this repository."""
        of_all = not self._scope or not spec.startswith("institution:")
        return of_all or spec in self._scope or spec.startswith(f"{self._scope[0]}:")

    async def _identity(self) -> documents.Identity:
        message = catalog_pb2.ListInstitutionsRequest(code=self._institution)
        institutions = (await call(self._request, catalog(self._request).ListInstitutions, message)).institutions
        directory = Directory({institution.code: institution for institution in institutions}, {})
        settings: GatewaySettings = self._request.app.state.settings
        owner = directory.owner(settings.default_institution)
        names = (owner.name.id, owner.name.en, owner.code) if owner is not None else ()
        email = owner.contact.email if owner is not None else ""
        reply = await self._harvest(wire.HarvestRequest(limit=1))
        earliest = reply.earliest.ToDatetime(UTC) if reply.HasField("earliest") else datetime(1970, 1, 1, tzinfo=UTC)
        return documents.Identity(
            name=next((name for name in names if name), self._domain),
            email=email if _EMAIL.fullmatch(email) else f"postmaster@{self._domain}",
            earliest=earliest,
            domain=self._domain,
            sample_id=next((change.id for change in reply.changes), SAMPLE_ID),
        )
