"""Which records are editions, translations and formats of one work: rules on what their MARC fields say.

A record's work keys (`keys_of`) are what it may be known by: author and title, author and original title, an ISBN with
the title's first word. Records that share a key are of one work, and so is who shares one with them, and so on: works
are the connected parts of that net. So neither the order in which records come nor how they were batched matters.
What must stay apart (another author, volume, kind of material) is part of the key; titles that say nothing give none.
"""

from __future__ import annotations

from services.catalog.clustering.finding import KINDS, Found, found_by
from services.catalog.clustering.keys import Key, keys_of, pack, unpack
from services.catalog.clustering.likeness import Likeness, compare, parts_of

__all__ = ["KINDS", "Found", "Key", "Likeness", "compare", "found_by", "keys_of", "pack", "parts_of", "unpack"]
