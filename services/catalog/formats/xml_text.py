"""Text that any form may hold: in single spaces, without the characters that XML 1.0 forbids."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, tostring

_FORBIDDEN = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")


def clean(text: str) -> str:
    """The text in single spaces; control characters and what XML cannot hold are spaces too."""
    return " ".join(_FORBIDDEN.sub(" ", text).split())


def root(name: str, attributes: dict[str, str]) -> Element:
    """An element that a document begins with; names carry their prefix, attributes declare it."""
    return Element(name, attributes)


def put(parent: Element, name: str, text: str = "", /, **attributes: str) -> Element:
    """An element under another; the text is made plain, attributes without a value are left out."""
    child = SubElement(parent, name, {key: kept for key, value in attributes.items() if (kept := clean(value))})
    if kept := clean(text):
        child.text = kept
    return child


def put_text(parent: Element, name: str, text: str, /, **attributes: str) -> None:
    """The same, unless there is nothing to say."""
    if clean(text):
        put(parent, name, text, **attributes)


def serialize(element: Element, *, declare: bool) -> bytes:
    """The element in UTF-8, with an XML declaration when it stands alone."""
    made: bytes = tostring(element, encoding="utf-8", xml_declaration=declare)
    return made + b"\n"
