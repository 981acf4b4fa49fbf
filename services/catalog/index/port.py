"""The index port: the interface of a search engine, its errors, and the edit distance that engines count alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from chassis.errors import Error, Invalid, Unavailable
from services.catalog.index.matches import Match
from services.catalog.record.index_document import Document

Sort = Literal["relevance", "year", "year_asc", "title"]
FacetOrder = Literal["count", "value"]

ENGINES = {
    "tantivy": "services.catalog.index.tantivy:open_index",
    "http": "services.catalog.index.elastic:open_index",
    "https": "services.catalog.index.elastic:open_index",
}
REACH = 10_000  # hits that paging may reach


class Installation(Protocol):
    """The installation that opens an index. The marker of an index names the installation that made it."""

    def id(self) -> str:
        """Return its id: lower-case letters and digits."""
        ...

    def made(self, owner: str, name: str) -> bool:
        """Tell whether it made an index.

        owner  as in the index's marker; "" in an index of a release whose markers had no owner
        name   of the rebuild that made the index
        """
        ...


class _NoInstallation:
    """The installation of an index without a database, in tests and measurements."""

    def id(self) -> str:
        return "none"

    def made(self, owner: str, name: str) -> bool:
        return owner == self.id()


NO_INSTALLATION: Installation = _NoInstallation()


@dataclass(frozen=True, slots=True)
class Request:
    """One search of the index.

    filters  facet -> chosen values; values of one facet are alternatives, facets restrict together
    facets   facets to count; a facet's own filter does not narrow its counts (multi-select)
    facet_order  "count": most frequent first, then by value; "value": by value; the first `facet_size` in this order
    offset   hits to skip; offset + limit is at most REACH
    by_work  hits are works among the first REACH records, in the order of their first records: of each work the best
             matching edition (available now, in `language`, newest, lowest number). total and facets still count
             records
    language  the reader's, ISO 639-2
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
    """The document of one version of a record; None deletes it. Versions of a record only grow."""

    number: int
    version: int
    document: Document | None


@dataclass(frozen=True, slots=True)
class Hits:
    """The answer to one Request.

    total       exact count
    numbers     record numbers in order; equal scores by the title's beginning, other ties by number, lowest first
    scores      as long as numbers; 0.0 unless sorted by relevance
    facets      facet -> (value, count), in the requested order; a chosen value is always in the list
    generation  name of the index state that answered; it changes with every change that a reader can see
    works, editions   only by work, as long as numbers: the work, and how many of its records match
    more        only by work: more works follow
    """

    total: int
    numbers: Sequence[int]
    scores: Sequence[float]
    facets: Mapping[str, Sequence[tuple[str, int]]]
    generation: str
    works: Sequence[int] = ()
    editions: Sequence[int] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over all records, from the tables or from an index, to compare the two.

    documents  number of records
    numbers    sum of their numbers
    versions   sum of their versions; exact below 2**53, as engines add up floats
    """

    documents: int
    numbers: int
    versions: int


class Index(Protocol):
    """A live index. Many threads may use it at once; only the holder of the index lease writes.

    A rebuild makes each index and gives it its name. The marker of an index holds its form and the id of the
    installation that made it. An index of another form or installation is neither searched nor written. Searches raise
    Unavailable: SEARCH_UNAVAILABLE when the engine does not answer, INDEX_BUILDING while there is no sound index of
    this form, INDEX_FOREIGN when another installation's index answers. Writes raise the same, or INDEX_NOT_WRITTEN; the
    caller may write the same changes again.
    """

    def search(self, request: Request) -> Hits:
        """Answer one request, in one call to the engine."""
        ...

    def totals(
        self, matches: Iterable[Match], *, filters: Mapping[str, tuple[str, ...]] | None = None
    ) -> Iterator[int]:
        """Count the records of each match under these filters, in order; in one call to the engine.

        An engine in this process reads and counts only the matches whose count is read from the iterator.
        """
        ...

    def matching(self, matches: Sequence[Match], numbers: Sequence[int]) -> list[frozenset[int]]:
        """Tell for each match which of these records (at most 100) it matches; in one call to the engine."""
        ...

    def near_words(self, token: str, *, fields: Sequence[str], distance: int, limit: int) -> list[tuple[str, int]]:
        """Find tokens near this one, with the number of documents that have them in any of the fields.

        distance  edits; the first letter stays the same
        returns   nearest first, then most frequent, then by the token; never the token itself
        """
        ...

    def known_words(self, words: Iterable[str], *, fields: Sequence[str]) -> list[str]:
        """List those tokens that a document has in any of the fields, in order; in one call to the engine."""
        ...

    def count_values(self, field: str, values: Sequence[str]) -> dict[str, int]:
        """Count the documents that have each of these values (at most 500) of a keyword field; in one call."""
        ...

    def count(self) -> int:
        """Count the documents of the live index."""
        ...

    def name(self) -> str:
        """Return the name of the live index; "" when there is none."""
        ...

    def sums(self) -> Sums:
        """Add up the documents of the live index."""
        ...

    def marker_fault(self) -> str:
        """Check the marker of the live index, which is cheap. Returns INDEX_MISSING, INDEX_OUTDATED or "".

        INDEX_MISSING   there is no index
        INDEX_OUTDATED  it has the form of another release
        raises  Unavailable  INDEX_FOREIGN  the index belongs to another installation
                             SEARCH_UNAVAILABLE
        """
        ...

    def fault(self) -> str:
        """Return the fault of this index as a reason code; "" when it is sound. Checks every byte where the engine can.

        Besides the codes and errors of marker_fault:
        INDEX_ROTTEN   its bytes have changed since they were written, or a part is missing
        When the engine cannot read a part at the moment, this raises SEARCH_UNAVAILABLE instead.
        """
        ...

    def write(self, changes: Iterable[Change]) -> None:
        """Write changes in order, replacing by number; durable on return and visible within a second.

        Few large writes make a faster index than many small ones: each write adds a segment that every search reads.
        """
        ...

    def begin_rebuild(self, name: str) -> Rebuild:
        """Start an empty second index, and delete an unfinished one.

        name  lower-case, unique; names sort in the order of the rebuilds, as UUIDv7 do
        """
        ...

    def unfinished_rebuild(self) -> Rebuild | None:
        """Return the unfinished second index, to continue it after a restart."""
        ...

    def delete_old(self) -> None:
        """Delete the older indexes of this installation, if the live index answers; those of others stay.

        A newer index stays too: it is of a newer release, whose processes run beside this one during an upgrade.
        """
        ...

    def close(self) -> None: ...


class Rebuild(Protocol):
    """A second index that is being filled while the live one answers."""

    @property
    def name(self) -> str: ...

    def write(self, changes: Iterable[Change], *, durable: bool = True) -> None:
        """Write changes. Without `durable`, a kill may lose them, until the next durable write or the swap."""
        ...

    def swap(self) -> None:
        """Make it the live index in one step: no search fails or reads an incomplete index. The old index stays."""
        ...

    def abandon(self) -> None: ...


def index_building() -> Unavailable:
    return Unavailable("INDEX_BUILDING")


def search_unavailable(why: object) -> Unavailable:
    return Unavailable("SEARCH_UNAVAILABLE", why=str(why))


# An engine lists the words that a pattern begins before it reads their positions, and refuses more than some thousand.
_TOO_BROAD = ("max expansions", "maxClauseCount")


def search_failed(problem: object, why: object = None) -> Error:
    """Translate an error of an engine: WILDCARD_TOO_BROAD, else SEARCH_UNAVAILABLE."""
    text = str(problem)
    if any(sign in text for sign in _TOO_BROAD):
        return Invalid("WILDCARD_TOO_BROAD")
    return search_unavailable(why or problem)


def index_foreign(index: str, owner: str, installation: Installation) -> Unavailable:
    """
    index  the engine's name: an index of Elasticsearch, or a folder
    owner  the owner in its marker
    """
    return Unavailable("INDEX_FOREIGN", index=index, owner=owner or "-", installation=installation.id())


def index_not_written(why: object) -> Unavailable:
    return Unavailable("INDEX_NOT_WRITTEN", why=str(why))


def edit_distance(left: str, right: str, limit: int) -> int:
    """Count insertions, deletions, substitutions and swaps of adjacent letters between two tokens.

    Each letter is edited once at most (optimal string alignment), as in the Levenshtein automata of Lucene and tantivy.
    returns  `limit` + 1 for every distance above `limit`
    """
    if abs(len(left) - len(right)) > limit or len(set(left) - set(right)) > limit:
        return limit + 1
    row_before_last: list[int] = []
    last_row = list(range(len(right) + 1))
    for row, letter in enumerate(left, 1):
        current_row = [row]
        for column, other_letter in enumerate(right, 1):
            cost = min(last_row[column] + 1, current_row[-1] + 1, last_row[column - 1] + (letter != other_letter))
            if row > 1 and column > 1 and letter == right[column - 2] and left[row - 2] == other_letter:
                cost = min(cost, row_before_last[column - 2] + 1)
            current_row.append(cost)
        if min(current_row) > limit and min(last_row) > limit:
            return limit + 1
        row_before_last, last_row = last_row, current_row
    return min(last_row[-1], limit + 1)
