"""URLs of searches. A URL contains the whole search, so it can be saved."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from pydantic import Field
from starlette.requests import Request

from chassis.redaction import redact
from gateway.api.queries import FACETS, OneOf, QueryModel, SearchQuery, read_query
from rangkiang.catalog.v1 import catalog_pb2 as wire

Params = dict[str, list[str]]

YES = ("true",)

SEARCH_PARAMETERS = ("q", *FACETS, "sort", "by_work", "explain")


class PageQuery(SearchQuery):
    """Parameters of a results page: those of the API, and whether the filters are shown."""

    filters_shown: Annotated[str, OneOf(("open",))] = Field("", alias="filters")


def read_page(request: Request, model: type[QueryModel]) -> Params:
    """Read and check the parameters of a page; return them as text. Unknown ones are ignored."""
    return read_query(model, request, strict=False).as_parameters()


def first_value(params: Params, name: str, default: str = "") -> str:
    values = params.get(name, ())
    return values[0] if values else default


def for_links(params: Params, *, has_hits: bool) -> Params:
    """Return the search as links of its page have it: without a NIK, telephone number or e-mail address.

    has_hits  records have all that was typed, so it is no personal value but a barcode or the like, and stays
    """
    if has_hits:
        return params
    typed = first_value(params, "q")
    redacted = redact(typed)
    return params if redacted == typed else {**params, "q": [redacted]}


def has_all_words(reply: wire.SearchReply) -> bool:
    """Return True when records have all that the reader typed, as it was typed."""
    return reply.total > 0 and not reply.relaxed and not reply.corrected


def search_parameters(params: Params) -> list[tuple[str, str]]:
    """List the parameters that define a search, in a fixed order."""
    return [(name, value) for name in SEARCH_PARAMETERS for value in params.get(name, ()) if value and value != "false"]


def address(params: Params, *, cursor: str = "", opened: bool = False, path: str = "/search") -> str:
    """Return the URL of a search, of its first page without a cursor.

    opened  show the filters next to the hits
    """
    pairs = search_parameters(params)
    if cursor:
        pairs.append(("cursor", cursor))
    if opened and not any(facet in params for facet in FACETS):
        pairs.append(("filters", "open"))
    return f"{path}?{urlencode(pairs)}" if pairs else path


def toggle(params: Params, name: str) -> Params:
    """Return the search with a switch (`by_work`, `explain`) toggled."""
    rest = {key: values for key, values in params.items() if key != name}
    return rest if params.get(name) == list(YES) else {**rest, name: list(YES)}
