"""The alphabet of SMS: a message has 160 characters of GSM 7 bit, or 70 characters of other text (3GPP TS 23.038)."""

from __future__ import annotations

import unicodedata

ONE_MESSAGE = 160
ONE_MESSAGE_OTHER = 70
PART, PART_OTHER = 153, 67

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("^{}\\[~]|€")  # each counts as two characters
_PLAIN = str.maketrans(
    {
        "‘": "'", "’": "'", "ʼ": "'", "ʻ": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "‐": "-", "‑": "-",
        "…": "...", "•": "-", "·": "-", "\u00a0": " ", "\u202f": " ", "×": "x",
    }
)  # fmt: skip


def plain(text: str) -> str:
    """Replace typographic marks and accents that GSM 7 bit does not have; other scripts do not change."""
    replaced = text.translate(_PLAIN)
    letters = [letter if _places(letter) else _without_accent(letter) for letter in replaced]
    return "".join(letters)


def length(text: str) -> tuple[int, int]:
    """Return the length of a text in units of its alphabet, and the number of messages."""
    places = [_places(letter) for letter in text]
    if all(places):
        used = sum(places)
        return used, 1 if used <= ONE_MESSAGE else -(-used // PART)
    used = len(text.encode("utf-16-be")) // 2
    return used, 1 if used <= ONE_MESSAGE_OTHER else -(-used // PART_OTHER)


def excess(text: str) -> int:
    """Return the number of units by which a text exceeds one message; 0 if it fits, and for other scripts."""
    places = [_places(letter) for letter in text]
    return max(0, sum(places) - ONE_MESSAGE) if all(places) else 0


def _places(letter: str) -> int:
    return 1 if letter in _BASIC else 2 if letter in _EXTENSION else 0


def _without_accent(letter: str) -> str:
    simple = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    return simple if simple and all(_places(part) for part in simple) else letter
