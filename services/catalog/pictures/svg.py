"""Writes an SVG logo again with only shapes, colours and texts.

Inside <img> browsers run no script of an SVG and load nothing, but a link to the file opens it as a document. So an
SVG that may run a script, load something or repeat itself without end is refused. Other unknown elements and
attributes are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from chassis.errors import Invalid

MEDIA_TYPE = "image/svg+xml"
LONGEST_BYTES = 256 * 1024
MOST_ELEMENTS = 5_000
MOST_DEPTH = 32
_SVG = "http://www.w3.org/2000/svg"
_XLINK_HREF = "http://www.w3.org/1999/xlink href"

_SHAPES = {"path", "rect", "circle", "ellipse", "line", "polyline", "polygon"}
_GRADIENTS = {"linearGradient", "radialGradient"}
_TEXTS = {"text", "tspan", "title", "desc", "style"}
# Without `use`, `pattern` and `mask`: when they are nested, a few hundred bytes draw without end.
_ELEMENTS = {"svg", "g", "defs", "stop", "clipPath"} | _SHAPES | _GRADIENTS | _TEXTS
# Data of drawing programs, left out with its content.
_LEFT_OUT = {"metadata"}
_ATTRIBUTES = frozenset(
    """
    class clip-path clip-rule color cx cy d dx dy fill fill-opacity fill-rule font-family font-size font-style
    font-weight fx fy gradientTransform gradientUnits height id letter-spacing offset opacity points
    preserveAspectRatio r rx ry spreadMethod stop-color stop-opacity stroke stroke-dasharray stroke-dashoffset
    stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity stroke-width style text-anchor transform version
    viewBox visibility width x x1 x2 y y1 y2
    """.split()  # noqa: SIM905
)
_OWN_REFERENCE = re.compile(r"url\(\s*(['\"]?)#[\w.:-]{1,100}\1\s*\)", re.ASCII)
_ESCAPING = re.compile(r"url|image|src\s*\(|expression\s*\(|script\s*:|/\*|[\\@<]", re.IGNORECASE)


def is_svg(content: bytes) -> bool:
    """Return whether the content begins as XML; no other kind of picture does."""
    return content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def clean_svg(content: bytes) -> bytes:
    """Return a drawing as UTF-8 XML of known elements and attributes.

    raises  Invalid  SVG_TOO_LARGE, SVG_MALFORMED, SVG_NOT_A_DRAWING, SVG_NOT_ALLOWED, SVG_REFERENCE
    """
    if len(content) > LONGEST_BYTES:
        raise Invalid(
            "SVG_TOO_LARGE", most_kb=LONGEST_BYTES // 1024, most_elements=MOST_ELEMENTS, most_depth=MOST_DEPTH
        )
    writer = _Writer()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = writer.start
    parser.EndElementHandler = writer.end
    parser.CharacterDataHandler = writer.text
    parser.StartDoctypeDeclHandler = lambda *_: _refuse("<!DOCTYPE>")
    parser.ProcessingInstructionHandler = lambda target, _: _refuse(f"<?{target}?>")
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError):
        # LookupError and ValueError: the declared encoding is unknown.
        raise Invalid("SVG_MALFORMED") from None
    return "".join(writer.pieces).encode()


class _Writer:
    """Handlers of the parser, and the pieces of the new drawing."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._names: list[str] = []  # open elements; "" for those that are left out
        self._count = 0

    def start(self, qualified: str, attributes: Mapping[str, str]) -> None:
        self._count += 1
        if self._count > MOST_ELEMENTS or len(self._names) >= MOST_DEPTH:
            raise _too_large()
        namespace, _, name = qualified.rpartition(" ")
        if not self._names:
            has_size = "viewBox" in attributes or {"width", "height"} <= attributes.keys()
            if (namespace, name) != (_SVG, "svg") or not has_size:
                raise Invalid("SVG_NOT_A_DRAWING")
        elif self._names[-1] == "" or namespace != _SVG or name in _LEFT_OUT:
            if namespace == _SVG and name not in _ELEMENTS | _LEFT_OUT:
                _refuse(f"<{name}>")
            self._names.append("")
            return
        if name not in _ELEMENTS or (name == "svg" and self._names) or self._names[-1:] == ["style"]:
            _refuse(f"<{name}>")
        self._names.append(name)
        attributes_to_write = dict(self._kept(name, attributes))
        if len(self._names) == 1:
            attributes_to_write = {"xmlns": _SVG, **attributes_to_write}
        written = "".join(f" {key}={quoteattr(value)}" for key, value in attributes_to_write.items())
        self.pieces.append(f"<{name}{written}>")

    def end(self, _qualified: str) -> None:
        name = self._names.pop()
        if name:
            self.pieces.append(f"</{name}>")

    def text(self, text: str) -> None:
        parent = self._names[-1] if self._names else ""
        if parent == "style":
            _check_value("<style>", text)
        if parent in _TEXTS:
            self.pieces.append(escape(text))

    def _kept(self, name: str, attributes: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the attributes that stay.

        raises  Invalid  SVG_NOT_ALLOWED: the attribute runs a script; SVG_REFERENCE
        """
        pairs = []
        for key, value in attributes.items():
            plain = key.rpartition(" ")[2].lower()
            if plain.startswith("on"):
                _refuse(plain)
            if plain in ("href", "src", "base"):
                if not re.fullmatch(r"#[\w.:-]{1,100}", value, re.ASCII):
                    raise Invalid("SVG_REFERENCE", given=value[:80])
                if name in _GRADIENTS and key in ("href", _XLINK_HREF):
                    pairs.append(("href", value))
            elif key in _ATTRIBUTES:
                _check_value(key, value)
                if "clipPath" in self._names[:-1] and "url" in value.lower():
                    raise Invalid("SVG_REFERENCE", given=value[:80])
                pairs.append((key, value))
        return pairs


def _check_value(name: str, value: str) -> None:
    """Refuse a value that refers to anything outside the drawing, or that has escapes or comments, which hide this.

    raises  Invalid  SVG_REFERENCE
    """
    if _ESCAPING.search(_OWN_REFERENCE.sub("", value)):
        raise Invalid("SVG_REFERENCE", given=f"{name}: {value.strip()[:60]}")


def _too_large() -> Invalid:
    return Invalid("SVG_TOO_LARGE", most_kb=LONGEST_BYTES // 1024, most_elements=MOST_ELEMENTS, most_depth=MOST_DEPTH)


def _refuse(what: str) -> None:
    raise Invalid("SVG_NOT_ALLOWED", given=what[:40])
