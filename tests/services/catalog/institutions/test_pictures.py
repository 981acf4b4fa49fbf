"""Uploaded pictures: which ones are refused, and that only the picture is stored."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image, ImageChops, ImageOps
from PIL.PngImagePlugin import PngInfo

from chassis.database.blobs import Rendition
from chassis.errors import Invalid
from services.catalog.pictures import LONGEST_BYTES, renditions_of

HTML = b"<script>alert(document.domain)</script>"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" {more}>{inner}</svg>'


def encoded(kind: str = "JPEG", size: tuple[int, int] = (800, 600), mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def drawing(inner: str = "<path d='M0 0h9v9z'/>", more: str = "") -> bytes:
    return SVG.format(inner=inner, more=more).encode()


def opened(rendition: Rendition) -> Image.Image:
    return Image.open(io.BytesIO(rendition.content))


def reason(kind: str, content: bytes) -> str:
    with pytest.raises(Invalid) as refusal:
        renditions_of(kind, content)
    assert refusal.value.sentence.id != refusal.value.sentence.en
    assert not re.search(r"\{[a-z_]+\}", refusal.value.sentence.id + refusal.value.sentence.en)
    return refusal.value.reason


def png(width: int, height: int) -> bytes:
    """A PNG that says that it is so large, in under a kilobyte."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def webp(width: int, height: int) -> bytes:
    """A WebP whose canvas is so large."""
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", len(canvas)) + canvas
    return b"RIFF" + struct.pack("<I", len(body)) + body


def with_place(size: tuple[int, int] = (2000, 1000)) -> bytes:
    """A JPEG as of a phone: where it was taken, a comment, and turned by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "rumah"
    exif.get_ifd(0x8825)[2] = (0.0, 47.0, 35.0)
    return encoded(size=size, exif=exif, comment=b"halaman sekolah")


def test_a_photo_is_upright_in_three_widths_without_its_place() -> None:
    original = with_place()
    assert b"rumah" in original
    renditions = renditions_of("photo", original)
    assert [(rendition.media_type, rendition.width) for rendition in renditions] == [
        ("image/jpeg", 1000),
        ("image/jpeg", 720),
        ("image/jpeg", 360),
    ]
    for rendition in renditions:
        image = opened(rendition)
        assert image.height == 2 * image.width
        assert not image.getexif()
        assert not image.info.keys() & {"exif", "comment", "icc_profile", "photoshop"}
        assert b"rumah" not in rendition.content
        assert b"sekolah" not in rendition.content


def test_a_photo_of_a_phone_is_taken_and_made_smaller() -> None:
    """12 million pixels in 5 MB, taken upright with the phone turned."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[2] = (0.0, 47.0, 35.0)
    buffer = io.BytesIO()
    Image.effect_noise((4032, 3024), 40).save(buffer, "JPEG", quality=85, exif=exif)
    content = buffer.getvalue()
    assert 5_000_000 < len(content) < LONGEST_BYTES
    renditions = renditions_of("photo", content)
    assert sum(len(rendition.content) for rendition in renditions) < 1_500_000  # of noise, the worst case
    assert [(opened(rendition).size, dict(opened(rendition).getexif())) for rendition in renditions] == [
        ((1600, 2133), {}),
        ((960, 1280), {}),
        ((480, 640), {}),
    ]


def test_a_progressive_photo_has_a_limit_of_its_own_because_it_takes_more_memory() -> None:
    large = Image.new("L", (6000, 4100))
    for progressive in (False, True):
        buffer = io.BytesIO()
        large.save(buffer, "JPEG", progressive=progressive)
        if progressive:
            assert reason("photo", buffer.getvalue()) == "PICTURE_PIXELS"
        else:
            assert [rendition.width for rendition in renditions_of("photo", buffer.getvalue())] == [1600, 960, 480]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_as_its_camera_says(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    rows = Image.linear_gradient("L")
    buffer = io.BytesIO()
    Image.merge("RGB", (rows, rows.rotate(90), rows)).resize((60, 40)).save(buffer, "JPEG", exif=exif, quality=95)
    content = buffer.getvalue()
    (photo,) = renditions_of("photo", content)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    difference = ImageChops.difference(opened(photo), upright.convert("RGB"))
    assert max(most for _, most in difference.getextrema()) < 40


def test_a_wide_photo_is_scaled_to_the_widths_and_a_small_one_stays_as_it_is() -> None:
    assert [rendition.width for rendition in renditions_of("photo", encoded(size=(3000, 2000)))] == [1600, 960, 480]
    assert [rendition.width for rendition in renditions_of("photo", encoded("WEBP", (300, 200)))] == [300]


def test_a_photo_with_transparency_is_on_white() -> None:
    (photo,) = renditions_of("photo", clear_png(40))
    assert opened(photo).getpixel((5, 5)) == (255, 255, 255)


def clear_png(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (side, side), (10, 20, 30, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_logo_keeps_its_transparency_and_comes_in_the_widths_of_icons() -> None:
    logos = renditions_of("logo", clear_png(700))
    assert [logo.width for logo in logos] == [512, 192, 96]
    assert all(opened(logo).mode == "RGBA" for logo in logos)


def test_a_logo_of_many_colours_is_webp_where_that_is_smaller() -> None:
    noise = Image.effect_noise((600, 600), 90).convert("RGB")
    buffer = io.BytesIO()
    noise.save(buffer, "PNG")
    assert renditions_of("logo", buffer.getvalue())[0].media_type == "image/webp"


@pytest.mark.parametrize("kind", ["logo", "photo"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (png(30_000, 30_000), "PICTURE_PIXELS"),
        (png(16_000, 2_000), "PICTURE_PIXELS"),
        (png(0, 5), "PICTURE_DAMAGED"),
        (webp(16_383, 16_383), "PICTURE_PIXELS"),
        (webp(10, 10), "PICTURE_DAMAGED"),
        (b"RIFF\x00\x00\x00\x00WEBP", "PICTURE_DAMAGED"),
        (encoded()[:-200], "PICTURE_DAMAGED"),
        (encoded()[:30], "PICTURE_DAMAGED"),
        (encoded("PNG")[:-300], "PICTURE_DAMAGED"),
        (encoded("WEBP")[:-100], "PICTURE_DAMAGED"),
        (b"\xff\xd8\xff" + HTML, "PICTURE_DAMAGED"),
        (encoded("GIF"), "PICTURE_FORMAT"),
        (encoded("BMP"), "PICTURE_FORMAT"),
        (encoded("TIFF"), "PICTURE_FORMAT"),
        (b"\x00\x00\x00\x24ftypheic\x00\x00\x00\x00mif1heic", "PICTURE_HEIC"),
        (b"\x00\x00\x00\x24ftypmp42", "PICTURE_FORMAT"),
        (b"%PDF-1.7", "PICTURE_FORMAT"),
        (b"", "PICTURE_FORMAT"),
        (b"\xff\xd8\xff" + bytes(LONGEST_BYTES), "PICTURE_BYTES"),
    ],
)  # fmt: skip
def test_a_damaged_picture_is_refused_with_a_reason(kind: str, content: bytes, expected: str) -> None:
    assert reason(kind, content) == expected


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_metadata_of_a_picture_is_removed(kind: str) -> None:
    """A file that is a picture for one program and a page for another."""
    for renditions in (renditions_of("photo", encoded(kind) + HTML), renditions_of("logo", encoded(kind) + HTML)):
        assert not [rendition for rendition in renditions if b"script" in rendition.content]


def test_an_animation_becomes_its_first_picture() -> None:
    frames = [Image.new("RGB", (50, 50), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    (photo,) = renditions_of("photo", buffer.getvalue())
    assert opened(photo).getpixel((9, 9))[0] > 200


@pytest.mark.parametrize("kind", ["photo", "logo"])
@pytest.mark.parametrize(
    ("image", "encoding", "colour"),
    [
        (Image.new("CMYK", (40, 40), (255, 0, 0, 0)), "JPEG", (0, 255, 255)),  # of a printer's program
        (Image.new("CMYK", (40, 40), (0, 0, 0, 0)), "JPEG", (255, 255, 255)),
        (Image.new("I;16", (40, 40), 0x8080), "PNG", (128, 128, 128)),  # of a scanner
        (Image.new("I;16", (40, 40), 0x0101), "PNG", (1, 1, 1)),
        (Image.new("1", (40, 40), 1), "PNG", (255, 255, 255)),
        (Image.new("LA", (40, 40), (90, 255)), "PNG", (90, 90, 90)),
    ],
)  # fmt: skip
def test_colours_of_other_models_and_depths_stay_what_they_are(
    kind: str, image: Image.Image, encoding: str, colour: tuple[int, int, int]
) -> None:
    buffer = io.BytesIO()
    image.save(buffer, encoding, quality=95)
    (rendition,) = renditions_of(kind, buffer.getvalue())
    stored = opened(rendition)
    assert stored.mode in ("RGB", "RGBA")
    pixel = stored.convert("RGB").getpixel((20, 20))
    assert isinstance(pixel, tuple)
    assert max(abs(value - other) for value, other in zip(pixel, colour, strict=True)) <= 2


@pytest.mark.parametrize("transparent", [0, 0x8080])
def test_a_grey_of_sixteen_bits_that_is_transparent_is_stored(transparent: int) -> None:
    buffer = io.BytesIO()
    Image.new("I;16", (40, 40), 0x8080).save(buffer, "PNG", transparency=transparent)
    assert [rendition.width for rendition in renditions_of("logo", buffer.getvalue())] == [40]


@pytest.mark.parametrize("kind", ["photo", "logo"])
@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP"])
def test_the_place_and_the_words_of_a_camera_are_gone_from_each_format(kind: str, encoding: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "rumah kepala layanan"
    exif.get_ifd(0x8825)[2] = (0.0, 47.0, 35.0)
    notes = PngInfo()
    notes.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>rumah kepala layanan</x:xmpmeta>")
    more = {"pnginfo": notes} if encoding == "PNG" else {"xmp": b"<x:xmpmeta>rumah kepala layanan</x:xmpmeta>"}
    content = encoded(encoding, exif=exif, **more)
    assert b"rumah" in content
    for rendition in renditions_of(kind, content):
        assert b"rumah" not in rendition.content
        assert b"xmpmeta" not in rendition.content
        assert not opened(rendition).getexif()


def test_an_animated_png_becomes_its_first_picture() -> None:
    frames = [Image.new("RGB", (50, 50), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    (logo,) = renditions_of("logo", buffer.getvalue())
    assert b"acTL" not in logo.content
    assert getattr(opened(logo), "n_frames", 1) == 1
    assert opened(logo).convert("RGB").getpixel((9, 9)) == (255, 0, 0)


def test_an_unknown_kind_is_refused() -> None:
    assert reason("banner", encoded()) == "PICTURE_KIND_UNKNOWN"


def test_a_photo_is_no_drawing() -> None:
    assert reason("photo", drawing()) == "PICTURE_FORMAT"


def test_a_drawing_is_written_again_with_shapes_and_texts_alone() -> None:
    content = drawing(
        "<!-- rahasia --><title>Perpustakaan &amp; Arsip</title><metadata><x xmlns='a'>rahasia</x></metadata>"
        "<defs><linearGradient id='a'><stop offset='0' stop-color='red'/></linearGradient>"
        "<linearGradient id='b' xlink:href='#a'/></defs><style>.k{fill:#fff !important}</style>"
        "<path class='k' d='M0 0h9' fill='url(#a)' style='stroke:url(&quot;#b&quot;)' data-x='1' inkscape:label='x'/>",
        "xmlns:inkscape='http://www.inkscape.org/namespaces/inkscape' xmlns:xlink='http://www.w3.org/1999/xlink'",
    )
    (rendition,) = renditions_of("logo", b"\xef\xbb\xbf" + content)
    assert (rendition.media_type, rendition.width) == ("image/svg+xml", 0)
    written = rendition.content.decode()
    assert "rahasia" not in written
    assert "inkscape" not in written
    assert "data-x" not in written
    assert "<title>Perpustakaan &amp; Arsip</title>" in written
    assert 'fill="url(#a)"' in written
    assert '<linearGradient id="b" href="#a">' in written
    assert renditions_of("logo", rendition.content) == [rendition]


NOT_ALLOWED: dict[str, tuple[str, str]] = {
    "script": ("<script>alert(1)</script>", "SVG_NOT_ALLOWED"),
    "script of a link": ("<script href='https://evil.example/x.js'/>", "SVG_NOT_ALLOWED"),
    "foreign object": ("<foreignObject><b xmlns='http://www.w3.org/1999/xhtml'/></foreignObject>", "SVG_NOT_ALLOWED"),
    "handler": ("<path onload='alert(1)' d='M0 0'/>", "SVG_NOT_ALLOWED"),
    "handler in capitals": ("<g ONCLICK='alert(1)'/>", "SVG_NOT_ALLOWED"),
    "image": ("<image href='https://evil.example/x.png'/>", "SVG_NOT_ALLOWED"),
    "image of data": ("<image href='data:image/png;base64,AAAA'/>", "SVG_NOT_ALLOWED"),
    "use": ("<use href='https://evil.example/x.svg#a'/>", "SVG_NOT_ALLOWED"),
    "use of itself": ("<g id='a'><use href='#a'/></g>", "SVG_NOT_ALLOWED"),
    "link": ("<a href='javascript:alert(1)'><path/></a>", "SVG_NOT_ALLOWED"),
    "animation": ("<animate attributeName='href' to='javascript:alert(1)'/>", "SVG_NOT_ALLOWED"),
    "set": ("<set attributeName='onmouseover' to='alert(1)'/>", "SVG_NOT_ALLOWED"),
    "pattern": ("<pattern id='a'><path fill='url(#a)'/></pattern>", "SVG_NOT_ALLOWED"),
    "mask": ("<mask id='a'><path mask='url(#a)'/></mask>", "SVG_NOT_ALLOWED"),
    "filter": ("<filter><feImage href='https://evil.example'/></filter>", "SVG_NOT_ALLOWED"),
    "script in a metadata": ("<metadata><script>alert(1)</script></metadata>", "SVG_NOT_ALLOWED"),
    "drawing in a drawing": ("<svg/>", "SVG_NOT_ALLOWED"),
    "element in a style": ("<style><path/></style>", "SVG_NOT_ALLOWED"),
    "outer colour": ("<path fill='url(https://evil.example/x.svg#a)'/>", "SVG_REFERENCE"),
    "outer colour in quotes": ("<path fill='url(\"//evil.example\")'/>", "SVG_REFERENCE"),
    "outer gradient": ("<linearGradient href='https://evil.example/x.svg#a'/>", "SVG_REFERENCE"),
    "base": ("<g xml:base='https://evil.example/'/>", "SVG_REFERENCE"),
    "style that loads": ("<style>@import 'https://evil.example/x.css';</style>", "SVG_REFERENCE"),
    "style that loads in escapes": ("<style>p{fill:\\75rl(https://evil.example)}</style>", "SVG_REFERENCE"),
    "style with a comment": ("<style>p{fill:u/**/rl(x)}</style>", "SVG_REFERENCE"),
    "style with a set of images": ("<g style='cursor:image-set(\"https://evil.example\" 1x)'/>", "SVG_REFERENCE"),
    "expression": ("<g style='width:expression (alert(1))'/>", "SVG_REFERENCE"),
    "clip in a clip": ("<clipPath id='a'><path clip-path='url(#a)'/></clipPath>", "SVG_REFERENCE"),
    "not closed": ("<g>", "SVG_MALFORMED"),
    "entity": ("&boom;", "SVG_MALFORMED"),
    "deep": ("<g>" * 40 + "</g>" * 40, "SVG_TOO_LARGE"),
    "many": ("<g/>" * 5_001, "SVG_TOO_LARGE"),
    "long": ("<path d='" + "M0 0" * 70_000 + "'/>", "SVG_TOO_LARGE"),
}


@pytest.mark.parametrize(("inner", "expected"), NOT_ALLOWED.values(), ids=NOT_ALLOWED)
def test_a_drawing_that_runs_loads_or_repeats_is_refused(inner: str, expected: str) -> None:
    assert reason("logo", drawing(inner)) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"<!DOCTYPE svg [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]>" + drawing("&b;"), "SVG_NOT_ALLOWED"),
        (b"<!DOCTYPE svg SYSTEM 'https://evil.example/x.dtd'>" + drawing(), "SVG_NOT_ALLOWED"),
        (b"<?xml-stylesheet href='https://evil.example/x.css'?>" + drawing(), "SVG_NOT_ALLOWED"),
        (b"<?xml version='1.0' encoding='cp1047x'?>" + drawing(), "SVG_MALFORMED"),
        (b"<html><body>" + HTML + b"</body></html>", "SVG_NOT_A_DRAWING"),
        (b"<svg viewBox='0 0 1 1'/>", "SVG_NOT_A_DRAWING"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG_NOT_A_DRAWING"),
        (b"<", "SVG_MALFORMED"),
        (drawing(more="onload='alert(1)'"), "SVG_NOT_ALLOWED"),
        (drawing() + HTML, "SVG_MALFORMED"),
    ],
)  # fmt: skip
def test_an_svg_that_is_not_a_plain_drawing_is_refused(content: bytes, expected: str) -> None:
    assert reason("logo", content) == expected


@pytest.mark.parametrize("damage", [lambda body: body[::-1], lambda body: body.replace(b"IDAT", b"IDAX")])
def test_a_spoilt_png_is_refused(damage: Callable[[bytes], bytes]) -> None:
    content = encoded("PNG")
    assert reason("logo", content[:8] + damage(content[8:])) == "PICTURE_DAMAGED"
