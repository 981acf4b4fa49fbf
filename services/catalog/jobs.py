"""What time means to the catalogue: the index follows the tables."""

from __future__ import annotations

import threading

from chassis.service import Resources
from services.catalog import indexing


def index(resources: Resources, stop: threading.Event) -> None:
    """Keep the index up with the queue, and rebuild it when asked or when it is unsound, until `stop`."""
    indexing.run(resources, stop)
