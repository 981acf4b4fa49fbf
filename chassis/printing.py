"""Text for PDF files, which are written in the fonts of every PDF reader: those have the letters of Western Europe."""

from __future__ import annotations

import unicodedata

from anyascii import anyascii

# anyascii leaves alif out.
_ALIF = "\u0627"


def printable(text: str) -> str:
    """Replace letters that the fonts lack: by their plain form, else by Latin letters that stand for them.

    A title in Arabic script can then still be recognised: "بداية" becomes "bdayh".
    """
    return "".join(map(_printable, text))


def _printable(letter: str) -> str:
    plain = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    for form in (letter, plain):
        try:
            form.encode("cp1252")
        except UnicodeEncodeError:
            continue
        return form
    return "".join(map(_latin, plain))


def _latin(letter: str) -> str:
    if unicodedata.category(letter) == "Cf":
        return ""  # a direction mark, or a joiner
    return "a" if letter == _ALIF else anyascii(letter) or "?"
