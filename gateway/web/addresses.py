"""URLs of searches. A URL contains the whole search, so it can be saved."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from pydantic import Field
from starlette.requests import Request

from gateway.api.queries import FACETS, OneOf, QueryModel, SearchQuery, read_query

Given = dict[str, list[str]]

YES = ("true",)

KEPT = ("q", *FACETS, "sort", "by_work", "explain")


class PageQuery(SearchQuery):
    """Parameters of a results page: those of the API, and whether the filters are shown."""

    filters_shown: Annotated[str, OneOf(("open",))] = Field("", alias="filters")


def read_page(request: Request, model: type[QueryModel]) -> Given:
    """Read and check the parameters of a page; return them as text. Unknown ones are ignored."""
    return read_query(model, request, strict=False).as_parameters()


def one(given: Given, name: str, default: str = "") -> str:
    values = given.get(name, ())
    return values[0] if values else default


def kept(given: Given) -> list[tuple[str, str]]:
    """List the parameters that define a search, in a fixed order."""
    return [(name, value) for name in KEPT for value in given.get(name, ()) if value and value != "false"]


def address(given: Given, *, cursor: str = "", opened: bool = False, path: str = "/search") -> str:
    """Return the URL of a search, of its first page without a cursor.

    opened  show the filters next to the hits
    """
    pairs = kept(given)
    if cursor:
        pairs.append(("cursor", cursor))
    if opened and not any(facet in given for facet in FACETS):
        pairs.append(("filters", "open"))
    return f"{path}?{urlencode(pairs)}" if pairs else path


def toggled(given: Given, name: str) -> Given:
    """Return the search with a switch (`by_work`, `explain`) toggled."""
    rest = {key: values for key, values in given.items() if key != name}
    return rest if given.get(name) == list(YES) else {**rest, name: list(YES)}
