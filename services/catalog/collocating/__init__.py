"""Collocating: bringing the editions of a work together, as records come, change and go."""

from __future__ import annotations

from services.catalog.collocating.joining import Arrival, Moved, Place, Placed, collocate, leave, take_turn
from services.catalog.collocating.ruling import join, split
from services.catalog.collocating.showing import Edition, Shown, best_first, work, work_of
from services.catalog.collocating.telling import tell_moved

__all__ = [
    "Arrival",
    "Edition",
    "Moved",
    "Place",
    "Placed",
    "Shown",
    "best_first",
    "collocate",
    "join",
    "leave",
    "split",
    "take_turn",
    "tell_moved",
    "work",
    "work_of",
]
