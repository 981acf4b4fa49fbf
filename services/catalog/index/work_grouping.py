"""Groups hits by work: reads hits in order until there are enough works, then chooses the best edition of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.catalog.index.port import REACH, Request

# How many records are read first for a page of works. Both engines use the same number, so they return the same works.
WINDOW_FACTOR, WINDOW_MARGIN = 4, 20
_LETTERS = " abcdefghijklmnopqrstuvwxyz"


class ScoredHit(NamedTuple):
    """A record among the hits."""

    score: float
    number: int
    work: int


class Edition(NamedTuple):
    """A record of a work. packed: see pack_edition."""

    number: int
    work: int
    packed: int


@dataclass(frozen=True, slots=True)
class HitPage:
    """One page of hits; lists of the same length, `works` and `editions` only by work.

    numbers   record numbers; by work, of the work's best edition
    scores    score of the record; by work, of the work's first record
    editions  how many records of the work match
    more      only by work: more works follow
    """

    numbers: list[int]
    scores: list[float]
    works: list[int]
    editions: list[int]
    more: bool


def pack_edition(*, available: bool, year: int | None, language: str) -> int:
    """Pack availability, year and language, which decide the best edition of a work, into one integer."""
    code = 0
    for letter in language[:3]:
        code = code * 27 + max(_LETTERS.find(letter), 0)
    return int(available) << 32 | min(max(year or 0, 0), 9999) << 16 | code


def group_by_work(
    request: Request,
    first_hits: Callable[[int], Sequence[ScoredHit]],
    editions: Callable[[Sequence[int]], Sequence[Edition]],
) -> HitPage:
    """Build the page of a request by work.

    first_hits  returns the first N hits in the request's order; a larger N returns the same hits first
    editions    returns every matching record of these works
    """
    page_end = request.offset + request.limit
    window = min(WINDOW_FACTOR * page_end + WINDOW_MARGIN, REACH)
    while True:
        hits = first_hits(window)
        first_of_work: dict[int, ScoredHit] = {}
        for hit in hits:
            first_of_work.setdefault(hit.work, hit)
        if len(first_of_work) > page_end or len(hits) < window or window == REACH:
            break
        window = min(window * 4, REACH)
    first_hits_of_page = list(first_of_work.values())[request.offset : page_end]
    by_work: dict[int, list[Edition]] = {}
    for edition in editions([hit.work for hit in first_hits_of_page]) if first_hits_of_page else ():
        by_work.setdefault(edition.work, []).append(edition)
    language = pack_edition(available=False, year=None, language=request.language)
    # A record may have moved to another work between the two requests.
    best_numbers = [
        min(by_work[hit.work], key=lambda edition: _edition_order(edition, language)).number
        if hit.work in by_work
        else hit.number
        for hit in first_hits_of_page
    ]
    return HitPage(
        numbers=best_numbers,
        scores=[hit.score for hit in first_hits_of_page],
        works=[hit.work for hit in first_hits_of_page],
        editions=[max(len(by_work.get(hit.work, ())), 1) for hit in first_hits_of_page],
        more=len(first_of_work) > page_end,
    )


def _edition_order(edition: Edition, language: int) -> tuple[bool, bool, int, int]:
    """Sort editions: available now, in the reader's language, newest, lowest number first."""
    packed = edition.packed
    return not packed >> 32, packed & 0xFFFF != language, -(packed >> 16 & 0xFFFF), edition.number
