"""While the search engine is down: records looked up in the tables, by identifier, and by how titles and names begin.

Candidates come from the tables' own indexes; whether they match, and in what order, the query's Match tree says, as it
does for the engine. What is not found so: a title by a word in its midst, a subject, what a note says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from sqlalchemy import ColumnElement, Select, and_, func, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from chassis.context import Context
from chassis.db import Database
from services.catalog.analysis import is_stop_word, tokens
from services.catalog.index.matches import And
from services.catalog.index.port import Hits, Request
from services.catalog.index.queue import load_changes
from services.catalog.index.stored_fields import SORT_FIELDS, filter_matches, stored_fields
from services.catalog.record.headings import heading_sort
from services.catalog.record.standard_numbers import standard_number
from services.catalog.search.scorer import Fields, constant_rarity, total_weight, weigh
from services.catalog.tables import Institution, Item, Record, Source

MOST_CANDIDATES = 300  # each is unpacked and looked at: 0.2 ms
MOST_OF_ALL_WORDS, MOST_OF_A_WORD = 150, 60
MOST_WORDS = 8
ENGINE_DOWN = frozenset({"SEARCH_UNAVAILABLE", "INDEX_BUILDING"})
GENERATION = "tables"
_LAST_CHARACTER = "\U0010ffff"  # sorts behind every text that begins so


def search_tables(
    database: Database, request: Request, *, context: Context, text: str, others: Sequence[str] = ()
) -> Hits:
    """One page of what matches, in the order asked for, out of at most 300 candidates; facets are not counted.

    text    the query as typed
    others  other forms of names in it, as lists have them
    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    match = And((request.match, *filter_matches(request).values()))
    with database.reading(context) as session:
        numbers = list(dict.fromkeys(islice(_candidates(session, text, others), MOST_CANDIDATES)))
        documents = [change.document for change in load_changes(session, dict.fromkeys(numbers, 0))]
    found = [
        (document, round(total_weight(parts), 4))
        for document in documents
        if document is not None and (parts := weigh(match, Fields(document), constant_rarity)) is not None
    ]
    key = SORT_FIELDS.get(request.sort)
    if key is None:
        found.sort(key=lambda pair: (-pair[1], pair[0].number))
    else:
        found.sort(key=lambda pair: stored_fields(pair[0])[key], reverse=request.sort == "year")
    page = found[request.offset : request.offset + request.limit]
    return Hits(
        total=len(found),
        numbers=[document.number for document, _score in page],
        scores=[score if key is None else 0.0 for _document, score in page],
        facets={},
        generation=GENERATION,
    )


def _candidates(session: Session, text: str, others: Sequence[str]) -> Iterator[int]:
    """Numbers of records that may match, the likeliest first, some more than once; one statement."""
    if not text.strip():
        newest = select(Record.number).where(Record.deleted_at.is_(None)).order_by(Record.number.desc())
        yield from session.scalars(newest.limit(MOST_CANDIDATES))
        return
    under = [_select_records(_begins(Record.author_sort, heading_sort(each)), MOST_OF_A_WORD) for each in others]
    asked = [*_by_number(session, text), *under, *_by_beginning(tokens(_without_fields(text)))]
    parts = (select(each.subquery().c[0]) for each in asked)
    yield from session.scalars(union_all(*parts))


def _by_number(session: Session, text: str) -> Iterator[Select[int]]:
    """By ISBN, ISSN, barcode and control number; a number may be one word of the query or all of it."""
    said = list(dict.fromkeys(each for each in (text.strip(), *_without_fields(text).split()[:MOST_WORDS]) if each))
    numbers = {number for each in said if (number := standard_number(each)) is not None}
    if numbers:
        yield _select_records(Record.standard_number.in_(numbers), MOST_OF_A_WORD)
    forms = sorted({form for each in said for form in (each, each.upper(), each.lower()) if len(each) <= 64})
    barcodes = Item.institution_id.in_(select(Institution.id)), Item.barcode.in_(forms)
    yield select(Item.record_number).where(*barcodes).limit(MOST_OF_A_WORD)
    keys = [f"{agency}{form}" for agency in _agencies(session) for form in forms]
    yield _select_records(and_(Record.source_id.in_(select(Source.id)), Record.control_key.in_(keys)), MOST_OF_A_WORD)


def _by_beginning(words: list[str]) -> Iterator[Select[int]]:
    """By how titles and names begin: with all of the words, or with one of them."""
    if not words:
        return
    typed = " ".join(words)
    turned = " ".join((words[-1], *words[:-1]))  # names are entered by their last part
    for condition in (*_title_begins(typed), _begins(Record.author_sort, typed), _begins(Record.author_sort, turned)):
        yield _select_records(condition, MOST_OF_ALL_WORDS)
    telling = [each for each in dict.fromkeys(words) if len(each) > 1 and not is_stop_word(each)]
    for word in telling[:MOST_WORDS]:
        for condition in (_begins(Record.author_sort, word), *_title_begins(word)):
            yield _select_records(condition, MOST_OF_A_WORD)


def _title_begins(beginning: str) -> list[ColumnElement[bool]]:
    """An English article is often there, whatever the second indicator should have said."""
    return [_begins(Record.title_sort, f"{article}{beginning}") for article in ("", "the ", "a ")]


def _agencies(session: Session) -> list[str]:
    """What stands before the number in import keys ("(PKS)"): of each source the first key's and the last one's."""
    # One seek each; grouped, it would be a walk through every key.
    first, last = (
        select(most(Record.control_key)).where(Record.source_id == Source.id).scalar_subquery()
        for most in (func.min, func.max)
    )
    keys = session.execute(select(first, last).select_from(Source))
    found = {"", "()"}
    for pair in keys:
        found.update(f"{key.partition(')')[0]})" for key in pair if key and key.startswith("("))
    return sorted(found)


def _without_fields(text: str) -> str:
    """The words without `field:` before them; what is excluded is left to the Match tree."""
    return " ".join(each.rpartition(":")[2] for each in text.replace('"', " ").split() if not each.startswith("-"))


def _begins(column: InstrumentedAttribute[str], beginning: str) -> ColumnElement[bool]:
    return and_(column >= beginning, column < beginning + _LAST_CHARACTER)


def _select_records(condition: ColumnElement[bool], limit: int) -> Select[int]:
    return select(Record.number).where(condition, Record.deleted_at.is_(None)).limit(limit)
