"""The alphabet of SMS: 160 characters of GSM 7 bit in one message, or 70 of any other text (3GPP TS 23.038)."""

from __future__ import annotations

import unicodedata

ONE_MESSAGE = 160
ONE_MESSAGE_OTHER = 70
PART, PART_OTHER = 153, 67

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("^{}\\[~]|€")  # two places each
_PLAIN = str.maketrans(
    {
        "‘": "'", "’": "'", "ʼ": "'", "ʻ": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "‐": "-", "‑": "-",
        "…": "...", "•": "-", "·": "-", "\u00a0": " ", "\u202f": " ", "×": "x",
    }
)  # fmt: skip


def plain(text: str) -> str:
    """Replace typographic marks, and accents that GSM lacks; a text in another script stays as it is."""
    replaced = text.translate(_PLAIN)
    letters = [letter if _places(letter) else _without_accent(letter) for letter in replaced]
    return "".join(letters)


def length(text: str) -> tuple[int, int]:
    """Return how many places a text takes, and how many messages it is."""
    places = [_places(letter) for letter in text]
    if all(places):
        used = sum(places)
        return used, 1 if used <= ONE_MESSAGE else -(-used // PART)
    used = len(text.encode("utf-16-be")) // 2
    return used, 1 if used <= ONE_MESSAGE_OTHER else -(-used // PART_OTHER)


def excess(text: str) -> int:
    """Return by how many places a text is longer than one message; 0 when it fits, and for other scripts."""
    places = [_places(letter) for letter in text]
    return max(0, sum(places) - ONE_MESSAGE) if all(places) else 0


def _places(letter: str) -> int:
    return 1 if letter in _BASIC else 2 if letter in _EXTENSION else 0


def _without_accent(letter: str) -> str:
    simple = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    return simple if simple and all(_places(part) for part in simple) else letter
