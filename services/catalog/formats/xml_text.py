"""XML elements, and text that every export format can hold."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, tostring

_FORBIDDEN = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")

DECLARATION = "<?xml version='1.0' encoding='utf-8'?>\n"


def clean(text: str) -> str:
    """Reduce white space, control characters and characters that XML 1.0 forbids to single spaces."""
    if text.isprintable() and "  " not in text:  # XML allows every printable character; almost every text is such
        return text.strip(" ")
    return " ".join(_FORBIDDEN.sub(" ", text).split())


def root(name: str, attributes: dict[str, str]) -> Element:
    """Create the root element; names include their prefix, and `attributes` declares the namespaces."""
    return Element(name, attributes)


def put(parent: Element, name: str, text: str = "", /, **attributes: str) -> Element:
    """Append an element; the text is cleaned, attributes without a value are left out."""
    child = SubElement(parent, name, {key: cleaned for key, value in attributes.items() if (cleaned := clean(value))})
    if cleaned := clean(text):
        child.text = cleaned
    return child


def put_text(parent: Element, name: str, text: str, /, **attributes: str) -> None:
    """Append an element as `put` does, unless its text is empty."""
    if clean(text):
        put(parent, name, text, **attributes)


def serialize(element: Element, *, declare: bool) -> bytes:
    """Write the element in UTF-8, with an XML declaration when `declare` is true."""
    # ElementTree encodes each piece of the document by itself when it writes bytes.
    text = f"{DECLARATION if declare else ''}{tostring(element, encoding='unicode')}\n"
    return text.encode()
