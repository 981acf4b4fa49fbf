"""Drawing of preview images for links as PNG: to records, with title and colours of the cover, and to other pages."""

from __future__ import annotations

import io
import unicodedata
from functools import cache, lru_cache
from pathlib import Path

import reportlab
from PIL import Image, ImageDraw, ImageFont

from gateway.web.covers.cover_svg import CREAM, LONGEST_AUTHOR, MOTIF_COLOURS, colours, fit, printable

# The size that programs which show link previews expect.
WIDTH, HEIGHT = 1200, 630
MARGIN = 72
BAND = 150
ICON_BACKGROUND = "#4a0f0e"  # of the icons
TITLE_HEIGHT = 270
_SIZES = (88, 72, 58, 46)
_LETTER, _LINE = 0.72, 1.2  # width of a letter of the font and height of a line, relative to the font size
_FONT = Path(reportlab.__file__).parent / "fonts" / "VeraBd.ttf"
_COLOURS = 64
# Cards that a process caches; a card has at most 40 KB.
KEPT_CARDS = 128
ICONS = Path(__file__).parents[1] / "static" / "icons"
# cover_svg.SHOOT as polygons
_SHOOT = (((0, 10), (8, 0), (16, 10)), ((4.5, 10), (8, 5.5), (11.5, 10)), ((7, 10), (8, 8.6), (9, 10)))
_TILE, _ROUND = (48, 30), 4  # drawn this many times larger and then reduced, so that edges are smooth
# Letters and marks without a Unicode decomposition, and the ASCII characters that replace them.
_PLAIN = str.maketrans("đĐłŁıøØ–—‐‑‘’ʻʼ“”", "dDlLioO----''''\"\"")


@lru_cache(maxsize=KEPT_CARDS)
def card(*, title: str, author: str, ddc: str) -> bytes:
    """Draw the preview image of a record as PNG, with the colours and motif of its cover (cover_svg.cover).

    A text in a script that the font does not have is omitted, because programs also show the title as text.
    """
    background, motif = colours(ddc)
    image = _with_motif(background, motif)
    draw = ImageDraw.Draw(image)
    _title(draw, drawable(printable(title)), (MARGIN, BAND + 56), WIDTH - 2 * MARGIN)
    name = drawable(printable(author)[:LONGEST_AUTHOR])
    draw.text((MARGIN, HEIGHT - 78), name, font=_font(36), fill=motif, anchor="ls")
    return _png(image)


@lru_cache(maxsize=16)
def site_card(name: str) -> bytes:
    """Draw the preview image of all other pages: the logo mark and the name of the site."""
    image = _with_motif(ICON_BACKGROUND, MOTIF_COLOURS[0])
    with Image.open(ICONS / "512.png") as icon:
        mark = icon.convert("RGBA").resize((336, 336), Image.Resampling.LANCZOS)
    image.paste(mark, (MARGIN - 48, BAND + 20), mark)
    _title(ImageDraw.Draw(image), drawable(printable(name)), (MARGIN + 300, BAND + 90), WIDTH - 2 * MARGIN - 300)
    return _png(image)


def drawable(text: str) -> str:
    """Return the text with only the letters that the font has; "" for a text in another script."""
    letters = []
    for character in text.translate(_PLAIN):
        plain = character if _is_latin(character) else unicodedata.normalize("NFKD", character)[0]
        if _is_latin(plain):
            letters.append(plain)
        elif plain.isalnum():
            return ""
    return "".join(letters)


def _is_latin(character: str) -> bool:
    return ord(character) < 256  # ISO 8859-1


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONT, size)


def _title(draw: ImageDraw.ImageDraw, text: str, corner: tuple[int, int], width: int) -> None:
    size, lines = fit(text, sizes=_SIZES, width=width, height=TITLE_HEIGHT, letter=_LETTER, line=_LINE)
    for at, line in enumerate(lines):
        draw.text((corner[0], corner[1] + at * size * _LINE), line, font=_font(size), fill=CREAM)


def _with_motif(background: str, motif: str) -> Image.Image:
    """Return an image with the motif at the top and at the bottom, as on a cover."""
    tile = Image.new("RGB", (_TILE[0] * _ROUND, _TILE[1] * _ROUND), background)
    draw, scale = ImageDraw.Draw(tile), tile.width / 16
    for points, colour in zip(_SHOOT, (motif, background, motif), strict=True):
        draw.polygon([(x * scale, y * scale) for x, y in points], fill=colour)
    tile = tile.resize(_TILE, Image.Resampling.BOX)
    image = Image.new("RGB", (WIDTH, HEIGHT), background)
    for y in (*range(0, BAND, tile.height), HEIGHT - tile.height):
        for x in range(0, WIDTH, tile.width):
            image.paste(tile, (x, y))
    return image


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    # With fewer colours, the file has a third of the size.
    image.quantize(_COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=False, compress_level=9)
    return file.getvalue()
