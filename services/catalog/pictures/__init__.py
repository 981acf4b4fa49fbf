"""Pictures that staff upload: checks them and makes the renditions to serve; the uploaded bytes are not served."""

from __future__ import annotations

from chassis.database.blobs import Rendition
from chassis.errors import Invalid
from services.catalog.pictures.raster import encode_logo, encode_photo
from services.catalog.pictures.svg import MEDIA_TYPE, clean_svg, is_svg

# A phone's photo has 3 to 10 MB; the renditions of it have less than 1 MB.
LONGEST_BYTES = 12 * 1024 * 1024
KINDS = ("logo", "photo")


def renditions_of(kind: str, content: bytes) -> list[Rendition]:
    """Return the renditions of an uploaded picture, the widest first.

    kind    "logo", for PNG, WebP or SVG renditions; "photo", for JPEG renditions
    raises  Invalid  PICTURE_KIND_UNKNOWN, PICTURE_BYTES, and the errors of clean_svg, encode_logo and encode_photo
    """
    if kind not in KINDS:
        raise Invalid("PICTURE_KIND_UNKNOWN", given=kind[:40], known=[*KINDS])
    if len(content) > LONGEST_BYTES:
        raise Invalid("PICTURE_BYTES", most_mb=LONGEST_BYTES // 1024**2)
    if kind == "photo":
        return encode_photo(content)
    if is_svg(content):
        return [Rendition(MEDIA_TYPE, clean_svg(content))]
    return encode_logo(content)
