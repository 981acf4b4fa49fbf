"""Search in the tables while the search engine is down: by identifier, and by the beginning of titles and names.

The tables' indexes give candidates; the query's match tree decides which of them are hits, and in which order. This
search does not find words in the middle of a title, subjects or notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from sqlalchemy import ColumnElement, Select, and_, func, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from chassis.context import Context
from chassis.database.db import Database
from services.catalog.analysis import is_stop_word, tokens
from services.catalog.index.changes import load_changes
from services.catalog.index.matches import And
from services.catalog.index.port import Hits, Request
from services.catalog.index.stored_fields import SORT_FIELDS, filter_matches, pack_title, stored_fields
from services.catalog.record.codes import standard_number
from services.catalog.record.headings import heading_sort
from services.catalog.search.scorer import Fields, constant_rarity, total_weight, weigh
from services.catalog.tables import Institution, Item, Record, Source
from services.catalog.texts import without_controls

MOST_CANDIDATES = 300  # 0.2 ms each
MOST_OF_ALL_WORDS, MOST_OF_A_WORD = 150, 60
MOST_WORDS = 8
ENGINE_DOWN = frozenset({"SEARCH_UNAVAILABLE", "INDEX_BUILDING", "INDEX_FOREIGN"})
GENERATION = "tables"
_LAST_CHARACTER = "\U0010ffff"  # sorts after every text with the same beginning


def search_tables(
    database: Database, request: Request, *, context: Context, text: str, others: Sequence[str] = ()
) -> Hits:
    """Search at most 300 candidates for one page of hits in the requested order; facets are not counted.

    text    the query as typed
    others  other forms of the names in it
    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    match = And((request.match, *filter_matches(request).values()))
    with database.reading(context) as session:
        numbers = list(dict.fromkeys(islice(_candidates(session, text, others), MOST_CANDIDATES)))
        documents = [change.document for change in load_changes(session, dict.fromkeys(numbers, 0))]
    scored_documents = [
        (document, round(total_weight(parts), 4))
        for document in documents
        if document is not None and (parts := weigh(match, Fields(document), constant_rarity)) is not None
    ]
    key = SORT_FIELDS.get(request.sort)
    if key is None:
        scored_documents.sort(key=lambda pair: (-pair[1], pack_title(pair[0].title_sort), pair[0].number))
    else:
        scored_documents.sort(key=lambda pair: stored_fields(pair[0])[key], reverse=request.sort == "year")
    page = scored_documents[request.offset : request.offset + request.limit]
    return Hits(
        total=len(scored_documents),
        numbers=[document.number for document, _score in page],
        scores=[score if key is None else 0.0 for _document, score in page],
        facets={},
        generation=GENERATION,
    )


def _candidates(session: Session, text: str, others: Sequence[str]) -> Iterator[int]:
    """Yield numbers of records that may match, the likeliest first, with repetitions; one statement."""
    if not text.strip():
        newest = select(Record.number).where(Record.deleted_at.is_(None)).order_by(Record.number.desc())
        yield from session.scalars(newest.limit(MOST_CANDIDATES))
        return
    by_form = [_select_records(_begins(Record.author_sort, heading_sort(lookup)), MOST_OF_A_WORD) for lookup in others]
    lookups = [*_by_number(session, text), *by_form, *_by_beginning(tokens(_without_fields(text)))]
    parts = (select(lookup.subquery().c[0]) for lookup in lookups)
    yield from session.scalars(union_all(*parts))


def _by_number(session: Session, text: str) -> Iterator[Select[int]]:
    """Look up ISBN, ISSN, barcode and control number, each from one word of the query or from the whole query."""
    texts = list(
        dict.fromkeys(
            number_text for number_text in (text.strip(), *_without_fields(text).split()[:MOST_WORDS]) if number_text
        )
    )
    numbers = {number for number_text in texts if (number := standard_number(number_text)) is not None}
    if numbers:
        yield _select_records(Record.standard_number.in_(numbers), MOST_OF_A_WORD)
    forms = sorted(
        {
            form
            for number_text in texts
            for form in map(without_controls, (number_text, number_text.upper(), number_text.lower()))
            if len(number_text) <= 64
        }
    )
    barcodes = Item.institution_id.in_(select(Institution.id)), Item.barcode.in_(forms)
    yield select(Item.record_number).where(*barcodes).limit(MOST_OF_A_WORD)
    keys = [f"{agency}{form}" for agency in _agencies(session) for form in forms]
    yield _select_records(and_(Record.source_id.in_(select(Source.id)), Record.control_key.in_(keys)), MOST_OF_A_WORD)


def _by_beginning(words: list[str]) -> Iterator[Select[int]]:
    """Look up titles and names that begin with all of the words, or with one of them."""
    if not words:
        return
    beginning = " ".join(words)
    inverted = " ".join((words[-1], *words[:-1]))  # headings of names begin with the last word
    for condition in (
        *_title_begins(beginning),
        _begins(Record.author_sort, beginning),
        _begins(Record.author_sort, inverted),
    ):
        yield _select_records(condition, MOST_OF_ALL_WORDS)
    content_words = [token for token in dict.fromkeys(words) if len(token) > 1 and not is_stop_word(token)]
    for word in content_words[:MOST_WORDS]:
        for condition in (_begins(Record.author_sort, word), *_title_begins(word)):
            yield _select_records(condition, MOST_OF_A_WORD)


def _title_begins(beginning: str) -> list[ColumnElement[bool]]:
    """Match the beginning of a title, also after an English article that the second indicator does not skip."""
    return [_begins(Record.title_sort, f"{article}{beginning}") for article in ("", "the ", "a ")]


def _agencies(session: Session) -> list[str]:
    """List the prefixes ("(PKS)") of the first and the last import key of each source."""
    # One index seek for each source; GROUP BY would read every key.
    first_key, last_key = (
        select(most(Record.control_key)).where(Record.source_id == Source.id).scalar_subquery()
        for most in (func.min, func.max)
    )
    keys = session.execute(select(first_key, last_key).select_from(Source))
    agencies = {"", "()"}
    for pair in keys:
        agencies.update(f"{key.partition(')')[0]})" for key in pair if key and key.startswith("("))
    return sorted(agencies)


def _without_fields(text: str) -> str:
    """Return the words without `field:`; exclusions are left to the match tree."""
    return " ".join(word.rpartition(":")[2] for word in text.replace('"', " ").split() if not word.startswith("-"))


def _begins(column: InstrumentedAttribute[str], beginning: str) -> ColumnElement[bool]:
    return and_(column >= beginning, column < beginning + _LAST_CHARACTER)


def _select_records(condition: ColumnElement[bool], limit: int) -> Select[int]:
    return select(Record.number).where(condition, Record.deleted_at.is_(None)).limit(limit)
