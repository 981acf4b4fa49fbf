"""XML put together safely: everything escaped, what XML 1.0 forbids left out."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, tostring

_FORBIDDEN = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")


def clean(text: str) -> str:
    """The text in single spaces, without what no XML document may hold."""
    return " ".join(_FORBIDDEN.sub(" ", text).split())


def put(parent: Element, name: str, text: str = "", /, **attributes: str) -> Element:
    """An element under another; attributes without a value are left out."""
    child = SubElement(parent, name, {key: kept for key, value in attributes.items() if (kept := clean(value))})
    child.text = clean(text) or None
    return child


def written(element: Element) -> bytes:
    """The document in UTF-8, with its declaration."""
    made: bytes = tostring(element, encoding="utf-8", xml_declaration=True)
    return made + b"\n"
