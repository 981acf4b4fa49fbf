"""Hits as works: the records' order walked until there are enough works, and of each work its best edition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.catalog.index.port import REACH, Request

# Works are not read deeper than this many records; both engines stop at the same one.
WINDOW_FACTOR, WINDOW_MARGIN = 4, 20
_LETTERS = " abcdefghijklmnopqrstuvwxyz"


class Scored(NamedTuple):
    """A hit in its order."""

    score: float
    number: int
    work: int


class Edition(NamedTuple):
    """A record of a work; packed: pack()."""

    number: int
    work: int
    packed: int


@dataclass(frozen=True, slots=True)
class Page:
    """Works in the order of their first records: the number of each one's best edition, the first record's score, the
    work, how many of its records match; more: there are works beyond."""

    numbers: list[int]
    scores: list[float]
    works: list[int]
    editions: list[int]
    more: bool


def pack(*, available: bool, year: int | None, language: str) -> int:
    """What decides which edition is the best, in one integer: can it be had, its year, its language."""
    code = 0
    for letter in language[:3]:
        code = code * 27 + max(_LETTERS.find(letter), 0)
    return int(available) << 32 | min(max(year or 0, 0), 9999) << 16 | code


def grouped(
    request: Request,
    first: Callable[[int], Sequence[Scored]],
    editions: Callable[[Sequence[int]], Sequence[Edition]],
) -> Page:
    """The page that a request by work asks for.

    first     the first so many hits in the request's order, however many are asked for the same ones first
    editions  every record of these works that matches
    """
    wanted = request.offset + request.limit
    asked = min(WINDOW_FACTOR * wanted + WINDOW_MARGIN, REACH)
    while True:
        hits = first(asked)
        found: dict[int, Scored] = {}
        for hit in hits:
            found.setdefault(hit.work, hit)
        if len(found) > wanted or len(hits) < asked or asked == REACH:
            break
        asked = min(asked * 4, REACH)
    shown = list(found.values())[request.offset : wanted]
    of: dict[int, list[Edition]] = {}
    for each in editions([hit.work for hit in shown]) if shown else ():
        of.setdefault(each.work, []).append(each)
    language = pack(available=False, year=None, language=request.language)
    # A record may have gone to another work between the two looks.
    best = [
        min(of[hit.work], key=lambda each: _rank(each, language)).number if hit.work in of else hit.number
        for hit in shown
    ]
    return Page(
        numbers=best,
        scores=[hit.score for hit in shown],
        works=[hit.work for hit in shown],
        editions=[max(len(of.get(hit.work, ())), 1) for hit in shown],
        more=len(found) > wanted,
    )


def _rank(edition: Edition, language: int) -> tuple[bool, bool, int, int]:
    """Can be had now, the reader's language, newest, lowest number."""
    packed = edition.packed
    return not packed >> 32, packed & 0xFFFF != language, -(packed >> 16 & 0xFFFF), edition.number
