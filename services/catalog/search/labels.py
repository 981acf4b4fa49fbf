"""Names of places and classes for facets: asked of the tables now and then, not with every search."""

from __future__ import annotations

import time
from weakref import WeakKeyDictionary

from chassis.context import READER
from chassis.db import Database
from chassis.sentences import LocalText
from services.catalog import queries
from services.catalog.items import shelves

NAMES_SECONDS = 5.0

Names = dict[tuple[str, str], LocalText]
_cached_names: WeakKeyDictionary[Database, tuple[float, Names]] = WeakKeyDictionary()


def load_names(database: Database) -> Names:
    """Names by facet (institution, branch, class) and value, at most KEPT_SECONDS old.

    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    now = time.monotonic()
    kept = _cached_names.get(database)
    if kept is None or kept[0] < now:
        with database.reading(READER) as session:
            names = queries.place_names(session)
            names |= {("class", value): name for value, name in shelves.class_captions(session).items()}
        kept = now + NAMES_SECONDS, names
        _cached_names[database] = kept
    return kept[1]
