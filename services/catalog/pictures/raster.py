"""Decodes JPEG, PNG and WebP, and encodes them without metadata in the widths that pages show.

Sizes are read from the header first, because a few kilobytes can describe a picture that fills the memory.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence

from PIL import ExifTags, Image

from chassis.database.blobs import Rendition
from chassis.errors import Invalid

# A phone takes photos of 12 to 50 million pixels. Pillow decodes a JPEG in the size that is needed, the others whole,
# which takes 48 MB and more for copies. Of a progressive JPEG it keeps 3 bytes and more for each pixel.
MOST_PIXELS = {"image/jpeg": 50_000_000, "image/png": 12_000_000, "image/webp": 12_000_000}
MOST_PROGRESSIVE_PIXELS = 24_000_000
MOST_SIDE = 16_000
PHOTO_WIDTHS = (1600, 960, 480)
LOGO_WIDTHS = (512, 192, 96)  # includes the sizes of a phone's home screen
_TALLEST = 1.5  # height of a rendition, as a part of its width
_SMALL_LOGO_BYTES = 40_000  # of a PNG; if it is larger, WebP is tried
_JPEG_QUALITY, _WEBP_QUALITY = 80, 88
_PILLOW_NAMES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
# Pillow's limit raises an error without the size, so _check_pixels replaces it: after the header, before decoding.
Image.MAX_IMAGE_PIXELS = None
# One picture at a time, because decoded pictures of several calls take too much memory.
_turn = threading.Lock()
# Brands of HEIF files with HEVC (ISO/IEC 23008-12), the photos of an iPhone. Pillow cannot decode them.
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
# EXIF's Orientation -> the transposition that makes a picture upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def encode_photo(content: bytes) -> list[Rendition]:
    """Return JPEGs of a photo in PHOTO_WIDTHS, the widest first; none is wider than the photo.

    raises  Invalid  PICTURE_FORMAT, PICTURE_PIXELS, PICTURE_DAMAGED
    """
    with _turn:
        image = _decode(content, PHOTO_WIDTHS[0])
        if image.mode == "RGBA":
            white = Image.new("RGBA", image.size, (255, 255, 255, 255))
            image = Image.alpha_composite(white, image).convert("RGB")
        renditions = []
        for scaled in _scaled(image, PHOTO_WIDTHS):
            buffer = io.BytesIO()
            scaled.save(buffer, "JPEG", quality=_JPEG_QUALITY, optimize=True, progressive=True)
            renditions.append(Rendition("image/jpeg", buffer.getvalue(), scaled.width))
        return renditions


def encode_logo(content: bytes) -> list[Rendition]:
    """Return a logo in LOGO_WIDTHS, the widest first: PNG, or WebP where PNG is much larger. Transparency stays.

    raises  Invalid  PICTURE_FORMAT, PICTURE_PIXELS, PICTURE_DAMAGED
    """
    with _turn:
        image = _decode(content, LOGO_WIDTHS[0])
        renditions = []
        for scaled in _scaled(image, LOGO_WIDTHS):
            buffer = io.BytesIO()
            scaled.save(buffer, "PNG", optimize=True)
            media_type = "image/png"
            if buffer.tell() > _SMALL_LOGO_BYTES:
                other = io.BytesIO()
                scaled.save(other, "WEBP", quality=_WEBP_QUALITY, method=4)
                if other.tell() < buffer.tell():
                    buffer, media_type = other, "image/webp"
            renditions.append(Rendition(media_type, buffer.getvalue(), scaled.width))
        return renditions


def _decode(content: bytes, width: int) -> Image.Image:
    """Return a picture as RGB or RGBA, upright, without metadata, no larger than a rendition of this width needs."""
    media_type = _media_type(content)
    if media_type == "image/webp":
        # Checked before Pillow opens it, because Pillow allocates two canvases before it tells the size.
        _check_pixels(media_type, *_webp_size(content))
    try:
        with Image.open(io.BytesIO(content), formats=[_PILLOW_NAMES[media_type]]) as image:
            _check_pixels(media_type, *image.size, is_progressive=bool(image.info.get("progressive")))
            image.draft("RGB", (width, width))
            has_alpha = "A" in image.getbands() or "transparency" in image.info
            mode = "RGBA" if has_alpha else "RGB"
            image.load()
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
            # One variable for all steps, so that each step frees the picture of the step before.
            plain: Image.Image = image
            if image.mode.startswith("I"):
                # Grey in 16 bits, as of a scanner. Without this, Pillow turns values above 255 into white.
                plain, mode = image.point(lambda value: value * (1 / 257)).convert("L"), "RGB"
            plain = plain if plain.mode == mode else plain.convert(mode)
            side = round(width * _TALLEST)
            plain.thumbnail((side, side), Image.Resampling.LANCZOS)
    except Invalid:
        raise
    except Exception as problem:
        # Pillow's decoders raise many kinds of errors for damaged data.
        raise Invalid("PICTURE_DAMAGED") from problem
    turn = _TURNS.get(orientation)
    upright = plain.copy() if turn is None else plain.transpose(turn)
    # `info` has the profile, EXIF, comments and texts of the file.
    upright.info = {}
    return upright


def _scaled(image: Image.Image, widths: Sequence[int]) -> list[Image.Image]:
    """Return the picture in these widths, or in its own width where that is smaller; the widest first."""
    scaled: list[Image.Image] = []
    for width in widths:
        copy = image.copy()
        copy.thumbnail((width, round(width * _TALLEST)), Image.Resampling.LANCZOS)
        if not scaled or copy.width < scaled[-1].width:
            scaled.append(copy)
    return scaled


def _check_pixels(media_type: str, width: int, height: int, *, is_progressive: bool = False) -> None:
    most = MOST_PROGRESSIVE_PIXELS if is_progressive else MOST_PIXELS[media_type]
    if not 0 < width <= MOST_SIDE or not 0 < height <= MOST_SIDE or width * height > most:
        raise Invalid("PICTURE_PIXELS", width=width, height=height, most_millions=most // 1_000_000)


def _media_type(content: bytes) -> str:
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:8] == b"ftyp" and content[8:12] in _HEIC_BRANDS:
        raise Invalid("PICTURE_HEIC")
    raise Invalid("PICTURE_FORMAT")


def _webp_size(content: bytes) -> tuple[int, int]:
    """Read width and height of the first chunk (RFC 9649 §2.5 to §2.7)."""
    match content[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
        case b"VP8L":
            bits = int.from_bytes(content[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            return int.from_bytes(content[26:28], "little") & 0x3FFF, int.from_bytes(content[28:30], "little") & 0x3FFF
        case _:
            raise Invalid("PICTURE_DAMAGED")
