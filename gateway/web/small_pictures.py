"""The folder of the library's own covers: which ISBNs have an image, and images in the size of a hit."""

from __future__ import annotations

import os
import time
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from PIL import Image

SMALL = (96, 144)  # twice the size in CSS pixels
MOST_PIXELS = 20_000_000
MOST_SMALL_PICTURES = 200  # 200 kB each at most, with the image that it was made of
RELIST_SECONDS = 60
_listed: dict[Path, tuple[float, int, frozenset[str]]] = {}


def list_pictures(folder: Path) -> frozenset[str]:
    """List the ISBNs with an image; the folder is read again when it has changed, at most every RELIST_SECONDS."""
    now = time.monotonic()
    known = _listed.get(folder)
    if known is not None and now < known[0]:
        return known[2]
    try:
        changed_at = folder.stat().st_mtime_ns
        if known is not None and changed_at == known[1]:
            numbers = known[2]
        else:
            with os.scandir(folder) as entries:
                numbers = frozenset(entry.name.rpartition(".")[0] for entry in entries)
    except OSError:
        changed_at, numbers = 0, frozenset()
    _listed[folder] = (now + RELIST_SECONDS, changed_at, numbers)
    return numbers


@lru_cache(maxsize=MOST_SMALL_PICTURES)
def shrink(body: bytes, media_type: str) -> tuple[bytes, str]:
    """Return an image in the size of a hit, as WebP; unchanged if it cannot be read or has too many pixels."""
    try:
        with Image.open(BytesIO(body)) as image:
            if image.width * image.height > MOST_PIXELS:
                return body, media_type
            image.draft("RGB", SMALL)
            small = image.convert("RGB")
            small.thumbnail(SMALL)
            output = BytesIO()
            small.save(output, "WEBP", quality=70)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return body, media_type
    return (output.getvalue(), "image/webp") if output.tell() < len(body) else (body, media_type)
