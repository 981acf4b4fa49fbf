"""The index follows the tables: a queue drained in batches, and a new index built beside the live one when need be."""

from __future__ import annotations

from services.catalog.indexing.keeping import Keeper, run
from services.catalog.indexing.queue import enqueue
from services.catalog.indexing.wishes import ask_rebuild, rebuild_progress, unsound

__all__ = ["Keeper", "ask_rebuild", "enqueue", "rebuild_progress", "run", "unsound"]
