"""The heading of a results page, other forms of a heading from its authority record, and topics to continue with."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from starlette.requests import Request

from gateway.api.queries import FACETS
from gateway.clients import call, catalog
from gateway.web.addresses import Params, address, first_value
from gateway.web.site.browse import FACETED, list_address
from gateway.web.texts import Wording
from rangkiang.catalog.v1 import browsing_pb2

# With several filters in use, the heading names the first of these facets.
_ORDER = (
    "author", "subject", "series", "class", "ddc", "collection", "branch", "institution", "material", "language",
    "year", "availability",
)  # fmt: skip
MOST_FORMS = 6
MOST_TOPICS = 6


def heading_of(params: Params, names: Mapping[tuple[str, str], str], words: Wording) -> str:
    """Return the heading for the typed words, or for the filters, or for all records.

    names  (facet, value) -> label, for the filters in use
    """
    typed = first_value(params, "q")
    if typed:
        return words.say("search.heading", query=typed)

    def name(facet: str) -> str:
        labels = [names.get((facet, value)) or words.code(facet, value) for value in params[facet]]
        return words.say("search.of.or").join(labels)

    audiences = params.get("audience", ())
    audience = f"search.of.audience.{audiences[0]}" if len(audiences) == 1 else ""
    books = words.say(audience if audience in words.texts else "search.of.books")
    facet = next((facet for facet in _ORDER if params.get(facet)), None)
    if facet is not None:
        return words.say(f"search.of.{facet}", books=books, name=name(facet))
    if audience:
        return books
    if params.get("audience"):
        return f"{books}: {name('audience')}"
    return words.say("search.of.newest" if first_value(params, "sort") == "year" else "search.everything")


def single_heading(params: Params) -> tuple[str, str] | None:
    """Return the (list, heading) whose records the page shows; None unless a single heading is the only condition."""
    filters = [(facet, values) for facet in FACETS if (values := params.get(facet))]
    if first_value(params, "q") or len(filters) != 1:
        return None
    facet, values = filters[0]
    return (facet, values[0]) if facet in FACETED and len(values) == 1 else None


def find_heading(request: Request, kind: str, text: str) -> Awaitable[browsing_pb2.BrowseReply]:
    """Call the catalogue for the entry of a heading in its list."""
    return call(request, catalog(request).Browse, browsing_pb2.BrowseRequest(kind=kind, term=text, after=5))


def other_forms(reply: browsing_pb2.BrowseReply | None, kind: str, text: str) -> dict[str, Any]:
    """Return the variant forms of a heading, and links to related headings, from the authority record."""
    entry = next((entry for entry in reply.headings if entry.text == text), None) if reply is not None else None
    if entry is None:
        return {"forms": [], "see_also": []}
    return {
        "forms": list(entry.other_forms)[:MOST_FORMS],
        "see_also": [(term, list_address(kind, term=term)) for term in entry.see_also[:MOST_FORMS]],
    }


def topics(params: Params, filters: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return (subject, URL) of the most frequent subjects, for a search by audience without words or a subject."""
    if first_value(params, "q") or not params.get("audience") or params.get("subject"):
        return []
    subjects: list[dict[str, Any]] = next((facet["values"] for facet in filters if facet["name"] == "subject"), [])
    return [(value["name"], address({**params, "subject": [value["value"]]})) for value in subjects[:MOST_TOPICS]]
