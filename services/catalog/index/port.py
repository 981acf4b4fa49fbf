"""The index port: what any search engine must do for the catalogue, and nothing of how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from services.catalog.index.matches import Match
from services.catalog.record.index_fields import Document

Sort = Literal["relevance", "year", "year_asc", "title"]
FacetOrder = Literal["count", "value"]

ENGINES = {
    "tantivy": "services.catalog.index.tantivy:open_index",
    "http": "services.catalog.index.elastic:open_index",
    "https": "services.catalog.index.elastic:open_index",
}
REACH = 10_000  # hits that paging may reach


@dataclass(frozen=True, slots=True)
class Request:
    """One question.

    filters  facet -> values chosen; values within a facet are alternatives, facets restrict together
    facets   which facets to count; a facet's own filter does not narrow its own counts (multi-select)
    facet_order  "count": most frequent first, then by value; "value": by value; the first `facet_size` so
    offset   hits to pass over; offset + limit is at most REACH
    by_work  hits are works, in the order of their first records: of each the best edition that matches (can be had
             now, in `language`, newest, lowest number); those among the first REACH records. total and facets still
             count records
    language  ISO 639-2, the reader's
    """

    match: Match
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    facets: tuple[str, ...] = ()
    facet_size: int = 10
    facet_order: FacetOrder = "count"
    sort: Sort = "relevance"
    offset: int = 0
    limit: int = 10
    by_work: bool = False
    language: str = "ind"


@dataclass(frozen=True, slots=True)
class Change:
    """One record's document as of a version of the record; None takes it out. Versions of a record only grow."""

    number: int
    version: int
    document: Document | None


@dataclass(frozen=True, slots=True)
class Hits:
    """One answer.

    total       exact count
    numbers     record numbers in order; ties by number, lowest first
    scores      as long as numbers; 0.0 when sorted otherwise than by relevance
    facets      facet -> (value, count), in the order asked for; a chosen value is always among them
    generation  names the state of the index that answered: changes with every change a reader can see
    works, editions   only by work, as long as numbers: which work, and how many of its records match
    more        only by work: there are works beyond these
    """

    total: int
    numbers: Sequence[int]
    scores: Sequence[float]
    facets: Mapping[str, Sequence[tuple[str, int]]]
    generation: str
    works: Sequence[int] = ()
    editions: Sequence[int] = ()
    more: bool = False


class Index(Protocol):
    """A live index. Safe for use by many threads; only the holder of the index lease writes.

    Every index is made by a rebuild and bears its name, so that one of another database is known as foreign.
    Searching raises Unavailable: SEARCH_UNAVAILABLE when the engine does not answer, INDEX_BUILDING when there is no
    sound index yet. Writing raises Unavailable INDEX_NOT_WRITTEN; what was to be written may be written again.
    """

    def search(self, request: Request) -> Hits:
        """Answer one question in one request."""
        ...

    def words(self, token: str, *, fields: Sequence[str], distance: int, limit: int) -> list[tuple[str, int]]:
        """Tokens near this one, first letter kept, with the number of documents that have them in any of the fields.

        Nearest first, then commonest, then by the token; never the token itself: for "did you mean".
        """
        ...

    def tally(self, field: str, values: Sequence[str]) -> dict[str, int]:
        """How many documents have each of these values, at most 500, of a keyword field; in one request."""
        ...

    def count(self) -> int:
        """Documents in the live index."""
        ...

    def name(self) -> str:
        """Name of the live index, "" when there is none."""
        ...

    def trouble(self) -> str:
        """What is wrong with this index, as a reason code; "" when it is sound. Looks at every byte where it can.

        INDEX_MISSING  there is none
        INDEX_FOREIGN  it was made by another release, or by something else
        INDEX_ROTTEN   its bytes are not those once written, or a part is gone
        """
        ...

    def write(self, changes: Iterable[Change]) -> None:
        """Put these in as they come, replacing by number; durable on return and visible within a second.

        Few big writes make a better index than many small ones: each leaves a part of its own to be searched.
        """
        ...

    def begin_rebuild(self, name: str) -> Rebuild:
        """Start an empty index beside the live one, throwing away an unfinished one. `name`: lower-case, unique."""
        ...

    def rebuilding(self) -> Rebuild | None:
        """The unfinished index beside the live one, to go on with after a restart."""
        ...

    def retire(self) -> None:
        """Take the live index away, for it would answer garbage; until the next swap searches say INDEX_BUILDING."""
        ...

    def close(self) -> None: ...


class Rebuild(Protocol):
    """An index being made beside the live one."""

    @property
    def name(self) -> str: ...

    def write(self, changes: Iterable[Change], *, durable: bool = True) -> None:
        """Put these in. Not durable: they may be gone after a kill, until a durable write or the swap."""
        ...

    def swap(self) -> None:
        """Make it the live one in one step: no search fails or sees half of it. The old one is deleted afterwards."""
        ...

    def abandon(self) -> None: ...
