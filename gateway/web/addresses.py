"""Addresses of searches: what a search keeps in its URL, so that a URL is a saved search."""

from __future__ import annotations

from urllib.parse import urlencode

from gateway.api.parameters import FACETS, Parameter
from gateway.api.search import SEARCH

Given = dict[str, list[str]]

YES = ("true",)
# What a page reads beside the API's own parameters.
PAGE = {
    **SEARCH,
    "by_work": Parameter("by_work", "One hit a work.", choices=("true", "false")),
    "explain": Parameter("explain", "Say why each hit ranks where it does.", choices=("true", "false")),
    "filters": Parameter("filters", "Show the filters beside the hits.", choices=("open",)),
}
KEPT = ("q", *FACETS, "sort", "by_work", "explain")


def kept(given: Given) -> list[tuple[str, str]]:
    """What makes this search this search, in a fixed order."""
    return [(name, value) for name in KEPT for value in given.get(name, ()) if value and value != "false"]


def address(given: Given, *, cursor: str = "", opened: bool = False, path: str = "/search") -> str:
    """This search's URL, from its first page unless a cursor is given.

    opened  with the filters beside the hits
    """
    pairs = kept(given)
    if cursor:
        pairs.append(("cursor", cursor))
    if opened and not any(facet in given for facet in FACETS):
        pairs.append(("filters", "open"))
    return f"{path}?{urlencode(pairs)}" if pairs else path


def toggled(given: Given, name: str) -> Given:
    """The same search with a switch (`by_work`, `explain`) turned over."""
    rest = {key: values for key, values in given.items() if key != name}
    return rest if given.get(name) == list(YES) else {**rest, name: list(YES)}
