"""Drawing of PNG files: preview images for links to records (title and motif of the cover), and icons of the site."""

from __future__ import annotations

import io
import unicodedata
from functools import cache, lru_cache
from pathlib import Path

import reportlab
from PIL import Image, ImageChops, ImageDraw, ImageFont

from gateway.web.covers.cover_svg import CREAM, longest_part, printable, wrap
from gateway.web.covers.motifs import THREADS, TILE, Weave, weave_of
from gateway.web.covers.svg_path import Point, polygons

# The size that programs which show link previews expect.
WIDTH, HEIGHT = 1200, 630
MARGIN = 72
BAND = 168
PRESS = "#4a0f0e"
TITLE_HEIGHT, LONGEST_AUTHOR = 270, 60
_SIZES = (88, 72, 58, 46)
_LETTER, _LINE = 0.72, 1.2  # width of a letter of the font and height of a line, relative to the font size
_FONT = Path(reportlab.__file__).parent / "fonts" / "VeraBd.ttf"
_COLOURS = 64
# Cards that a process caches; a card has at most 40 KB.
KEPT_CARDS = 128
# The roof in the site's logo mark, in a box of 32 by 24.
MARK = "M1 3c4 7 9 9 15 9S27 10 31 3c-1 8-4 12-7 13v7H8v-7C5 15 2 11 1 3Z"
_ROUND = 4  # shapes are drawn this many times larger and then reduced, so that their edges are smooth
# Letters and marks without a Unicode decomposition, and the ASCII characters that replace them.
_PLAIN = str.maketrans("đĐłŁıøØ–—‐‑‘’ʻʼ“”", "dDlLioO----''''\"\"")


@lru_cache(maxsize=KEPT_CARDS)
def card(*, title: str, author: str, ddc: str) -> bytes:
    """Draw the preview image of a record as PNG, with the colours and motif of its cover (cover_svg.cover).

    A text in a script that the font does not have is omitted, because programs also show the title as text.
    """
    title, author = drawable(printable(title)), drawable(printable(author)[:LONGEST_AUTHOR])
    weave = weave_of(ddc)
    second = next((int(digit) for digit in ddc[1:2] if digit.isascii() and digit.isdigit()), 0)
    thread = THREADS[second % len(THREADS)]
    image = Image.new("RGB", (WIDTH, HEIGHT), weave.ground)
    _weave(image, weave, thread)
    draw = ImageDraw.Draw(image)
    _title(draw, title, (MARGIN, BAND + 56), WIDTH - 2 * MARGIN)
    draw.text((MARGIN, HEIGHT - 100), author, font=_font(36), fill=thread, anchor="ls")
    return _png(image)


@lru_cache(maxsize=16)
def site_card(name: str) -> bytes:
    """Draw the preview image of all other pages: the logo mark and the name of the site."""
    image = Image.new("RGB", (WIDTH, HEIGHT), PRESS)
    _weave(image, weave_of("8"), THREADS[0])
    mark = _shape(MARK, 32, 24, 8)
    image.paste(THREADS[0], (MARGIN, BAND + 90), mark)
    _title(ImageDraw.Draw(image), drawable(printable(name)), (MARGIN + 300, BAND + 90), WIDTH - 2 * MARGIN - 300)
    return _png(image)


@cache
def icon(size: int, *, is_maskable: bool = False) -> bytes:
    """Draw the icon of the site as PNG.

    is_maskable  True when the system crops the icon; the mark then stays within the inner four fifths (W3C manifest,
                 safe zone)
    """
    return _png(_icon(size, 0.5 if is_maskable else 0.72, is_round=not is_maskable))


@cache
def favicon() -> bytes:
    """Draw the icon for browser tabs in three sizes, as ICO."""
    file = io.BytesIO()
    _icon(48, 0.84, is_round=True).save(file, "ICO", sizes=[(16, 16), (32, 32), (48, 48)])
    return file.getvalue()


def drawable(text: str) -> str:
    """Return the text with only the letters that the font has; "" for a text in another script."""
    letters = []
    for character in text.translate(_PLAIN):
        plain = character if _has(character) else unicodedata.normalize("NFKD", character)[0]
        if _has(plain):
            letters.append(plain)
        elif plain.isalnum():
            return ""
    return "".join(letters)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONT, size)


@lru_cache(maxsize=4_096)
def _has(character: str) -> bool:
    """Return whether the font has a glyph: a missing glyph is drawn like that of a character that does not exist."""
    font = _font(16)
    return character == " " or bytes(font.getmask(character)) != bytes(font.getmask("\uffff"))


def _title(draw: ImageDraw.ImageDraw, text: str, corner: tuple[int, int], width: int) -> None:
    """Write a text in the largest font size with which words fit into lines, and lines into TITLE_HEIGHT."""
    for size in _SIZES:
        fit, most = int(width / (size * _LETTER)), int(TITLE_HEIGHT / (size * _LINE))
        lines = wrap(text, fit, 99)
        if len(lines) <= most and longest_part(text) <= fit:
            break
    for at, line in enumerate(wrap(text, fit, most)):
        draw.text((corner[0], corner[1] + at * size * _LINE), line, font=_font(size), fill=CREAM)


def _weave(image: Image.Image, weave: Weave, thread: str) -> None:
    """Draw the motif at the top, and borders of bamboo shoots below it and at the bottom, as on a cover."""
    scale = 3
    tile = _shape(weave.path, TILE, TILE, scale, stroke=0 if weave.drawn == "fill" else 1.3)
    shade = Image.new("RGB", (image.width, BAND - 8), "#000")
    image.paste(shade, (0, 0), Image.new("L", shade.size, 46))
    mask = Image.new("L", (image.width, BAND - 8))
    for y in range(0, mask.height, tile.height):
        for x in range(0, mask.width, tile.width):
            mask.paste(tile, (x, y))
    image.paste(Image.new("RGB", mask.size, thread), (0, 0), mask.point(lambda level: int(level * 0.85)))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, BAND - 6, image.width, BAND - 3), fill=thread)
    for x in range(0, image.width, 40):
        for y, up in ((BAND, 1), (HEIGHT, -1)):
            draw.polygon([(x, y), (x + 40, y), (x + 20, y + 28 * up)], fill=thread)
            draw.polygon([(x + 12, y), (x + 28, y), (x + 20, y + 14 * up)], fill=weave.ground)


def _shape(path: str, width: int, height: int, scale: float, *, stroke: float = 0) -> Image.Image:
    """Return the mask of a path in a box of `width` by `height` units, at `scale` pixels per unit.

    stroke  width of the line in units; 0 fills the path, by the even-odd rule
    """
    large = scale * _ROUND
    size = (round(width * large), round(height * large))
    mask = Image.new("1", size)
    for points in polygons(path):
        layer = Image.new("1", size)
        draw = ImageDraw.Draw(layer)
        places: list[Point] = [(x * large, y * large) for x, y in points]
        if stroke:
            draw.line(places, fill=1, width=round(stroke * large), joint="curve")
            mask = ImageChops.logical_or(mask, layer)
        else:
            draw.polygon(places, fill=1)
            mask = ImageChops.logical_xor(mask, layer)
    return mask.convert("L").resize((round(width * scale), round(height * scale)), Image.Resampling.BOX)


def _icon(size: int, share: float, *, is_round: bool) -> Image.Image:
    """Draw the logo mark on a square; `share` is the width of the mark relative to the square."""
    image = Image.new("RGBA", (size, size), "#0000" if is_round else PRESS)
    if is_round:
        corners = Image.new("L", (size * _ROUND, size * _ROUND))
        ImageDraw.Draw(corners).rounded_rectangle((0, 0, *corners.size), radius=size * _ROUND // 5, fill=255)
        image.paste(PRESS, (0, 0), corners.resize((size, size), Image.Resampling.BOX))
    mark = _shape(MARK, 32, 24, size * share / 32)
    image.paste(THREADS[0], ((size - mark.width) // 2, (size - mark.height) // 2), mark)
    return image


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    if image.mode == "RGB":
        # With fewer colours, the file has a third of the size.
        image = image.quantize(_COLOURS, dither=Image.Dither.NONE)
    image.save(file, "PNG", optimize=False, compress_level=9)
    return file.getvalue()
