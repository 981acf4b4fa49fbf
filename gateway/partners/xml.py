"""Builds XML safely: text is escaped, characters that XML 1.0 forbids are removed."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, tostring

_FORBIDDEN = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")


def clean(text: str) -> str:
    """Reduce white space and characters that XML 1.0 forbids to single spaces."""
    return " ".join(_FORBIDDEN.sub(" ", text).split())


def put(parent: Element, name: str, text: str = "", /, **attributes: str) -> Element:
    """Append an element; attributes without a value are left out."""
    child = SubElement(parent, name, {key: cleaned for key, value in attributes.items() if (cleaned := clean(value))})
    child.text = clean(text) or None
    return child


def serialize(element: Element) -> bytes:
    """Write the document in UTF-8, with its declaration."""
    document: bytes = tostring(element, encoding="utf-8", xml_declaration=True)
    return document + b"\n"
