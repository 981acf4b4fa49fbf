"""Caches results for searches without hits, so that a repeated search costs only as much as two with hits.

Searches without hits repeat within seconds: a page of results requests its facets after its hits, readers go to other
pages and back, and many readers make the same mistake.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from services.catalog.index.port import Hits, Index, Request
from services.catalog.search.query.tree import Query

MOST_RESULTS = 1_000  # of one index; a result takes about 4 KB
SECONDS = 30.0  # limited, because forms of headings and captions of classes change without a change of the index

T = TypeVar("T")

_results: WeakKeyDictionary[Index, dict[Hashable, tuple[float, Any]]] = WeakKeyDictionary()
_lock = threading.Lock()


def recent(kind: str, index: Index, hits: Hits, query: Query, request: Request, find: Callable[[], T]) -> T:
    """Return the result of `find`, or the cached one for the same query, filters and state of the index.

    kind  kind of result
    hits  hits of the query, which name the state of the index
    """
    key = kind, hits.generation, query, tuple(sorted(request.filters.items()))
    now = time.monotonic()
    remembered = _results.get(index, {}).get(key)
    if remembered is not None and remembered[0] > now:
        result: T = remembered[1]
        return result
    result = find()
    with _lock:
        results = _results.setdefault(index, {})
        results.pop(key, None)  # so that the key is added as the last, the newest
        results[key] = now + SECONDS, result
        if len(results) > MOST_RESULTS:
            del results[next(iter(results))]
    return result
