"""URLs of searches. A URL contains the whole search, so that readers can save the URL."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from pydantic import Field
from starlette.requests import Request

from chassis.queries import OneOf, QueryModel
from chassis.redaction import redact
from gateway.api.queries import FACETS, SearchQuery, read_query
from rangkiang.catalog.v1 import catalog_pb2 as wire

Params = dict[str, list[str]]

YES = ("true",)

SEARCH_PARAMETERS = ("q", *FACETS, "sort", "by_work", "explain")


class PageQuery(SearchQuery):
    """Parameters of a results page: those of the API, and whether the filters are shown."""

    filters_shown: Annotated[str, OneOf(("open",))] = Field("", alias="filters")


def read_page(request: Request, model: type[QueryModel]) -> Params:
    """Read and check the parameters of a page; return them as text. Unknown parameters are ignored."""
    return read_query(model, request).as_parameters()


def first_value(params: Params, name: str, default: str = "") -> str:
    values = params.get(name, ())
    return values[0] if values else default


def for_links(params: Params, *, has_hits: bool) -> Params:
    """Return the search for links on its page, without a NIK, telephone number or e-mail address.

    has_hits  True when records contain the typed text; then the text is not personal data, and is kept
    """
    if has_hits:
        return params
    typed = first_value(params, "q")
    redacted = redact(typed)
    return params if redacted == typed else {**params, "q": [redacted]}


def has_all_words(reply: wire.SearchReply) -> bool:
    """Return True when records contain all typed words as typed."""
    return reply.total > 0 and not reply.relaxed and not reply.corrected


def search_parameters(params: Params) -> list[tuple[str, str]]:
    """Return the parameters that define a search, in a fixed order."""
    return [(name, value) for name in SEARCH_PARAMETERS for value in params.get(name, ()) if value and value != "false"]


def address(params: Params, *, cursor: str = "", opened: bool = False, path: str = "/search") -> str:
    """Return the URL of a search. Without a cursor, the URL is that of the first page.

    opened  True to show the filters next to the hits
    """
    pairs = search_parameters(params)
    if cursor:
        pairs.append(("cursor", cursor))
    if opened and not any(facet in params for facet in FACETS):
        pairs.append(("filters", "open"))
    return f"{path}?{urlencode(pairs)}" if pairs else path


def toggle(params: Params, name: str) -> Params:
    """Return the search with the value of a switch (`by_work`, `explain`) changed."""
    rest = {key: values for key, values in params.items() if key != name}
    return rest if params.get(name) == list(YES) else {**rest, name: list(YES)}
