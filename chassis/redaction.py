"""Removes possible personal data from typed texts: NIK, telephone numbers, e-mail addresses.

Errors, logs and links repeat typed texts, such as an unknown code. A NIK that was typed or scanned into the wrong field
must not appear there. Barcodes, card numbers, ISBNs and ids stay, because the desk has to read them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

HIDDEN = "…"
# Not inside a word, an id, a decimal or a path. Every repetition has a bound, because anyone may send a text.
_BEGIN, _END = r"(?<![\w/.+-])", r"(?![\w-])"
_MAIL = re.compile(r"(?<![\w.%+/:-])[\w.%+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
# An address whose @ or dots are words, such as `siti (at) contoh dot id`. After a dot that is a word only usual ends of
# domains count, because *looking at the dot that moves* is a title.
_BRACKETED = r"[ _]?[(\[{{<][ _]?{}[ _]?[)\]}}>][ _]?"
_AT = rf"(?:{_BRACKETED.format('(?:at|@)')}|[ _]at[ _])"
_DOT_WORD = rf"(?:{_BRACKETED.format('(?:dot|titik|[.])')}|[ _](?:dot|titik)[ _])"
_END_OF_DOMAIN = rf"(?:\.[a-z]{{2,24}}|{_DOT_WORD}(?:id|com|net|org|edu|info|io|me|co|my|sg|uk|us|au|nl|de|jp))"
_HAS_AT = re.compile(r"[ _(\[{<](?:at|@)[ _)\]}>]", re.IGNORECASE)
_SPELT_MAIL = re.compile(
    # Without `_`, which the first part has: two ways to read a text would take long.
    rf"(?<![\w.%+-])[\w.%+-]{{1,64}}(?:{_DOT_WORD.replace('_', '')}[\w.%+-]{{1,64}}){{0,3}}{_AT}"
    rf"[a-z0-9-]{{1,63}}(?:(?:\.|{_DOT_WORD})[a-z0-9-]{{1,63}}){{0,4}}{_END_OF_DOMAIN}(?!\w)",
    re.IGNORECASE,
)
# A NIK has 16 digits; one digit more or less still identifies the person.
_LONG_NUMBER = re.compile(rf"{_BEGIN}[0-9]{{15,17}}{_END}")
_DIVIDED_NIK = re.compile(rf"{_BEGIN}[0-9](?:[ .,_–—-]?[0-9]){{15}}{_END}")
_SEPARATORS = r"[ ()./_-]{0,2}"
_PHONE = re.compile(
    rf"(?<![\w/.-])(?:\+[0-9](?:{_SEPARATORS}[0-9]){{7,14}}|62[ -]?8(?:{_SEPARATORS}[0-9]){{7,11}}"
    rf"|0[2-9](?:{_SEPARATORS}[0-9]){{7,11}}){_END}"
)
_NO_DIGIT = re.compile(r"[^0-9]")


def redact(text: str) -> str:
    """Return the text with `…` in place of each NIK, telephone number and e-mail address.

    Telephone numbers begin with +, with 62 8, or with 0 and a digit from 2 to 9. An ISBN-10 with its check digit stays.
    """
    if "@" in text:
        text = _MAIL.sub(HIDDEN, text)
    text = hide_spelt_mail(text)
    if not any(character.isdigit() for character in text):
        return text
    text = _LONG_NUMBER.sub(HIDDEN, text)
    text = _DIVIDED_NIK.sub(lambda number: HIDDEN if _is_nik(number.group()) else number.group(), text)
    return _PHONE.sub(lambda number: number.group() if _is_isbn_10(number.group()) else HIDDEN, text)


def hide_spelt_mail(text: str, hidden: Callable[[re.Match[str]], str] = lambda _: HIDDEN) -> str:
    """Return the text with `hidden` in place of each e-mail address whose @ is a word or in brackets."""
    return _SPELT_MAIL.sub(hidden, text) if _HAS_AT.search(text) else text


def redact_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts of a refusal with their texts redacted; other values stay."""
    return {name: redact(value) if isinstance(value, str) else value for name, value in facts.items()}


def redact_address(address: str) -> str:
    """Return a path with its query, with each part and value redacted; unchanged if there is nothing to redact."""
    path, mark, query = address.partition("?")
    parts = [unquote(part) for part in path.split("/")]
    if parts != (redacted := [redact(part) for part in parts]):
        path = "/".join(quote(part) for part in redacted)
    pairs = parse_qsl(query, keep_blank_values=True)
    if pairs != (redacted_pairs := [(name, redact(value)) for name, value in pairs]):
        query = urlencode(redacted_pairs)
    return path + mark + query


def _is_nik(text: str) -> bool:
    """Return whether digits may be a NIK: digits 7 to 10 are the day (for women plus 40) and month of birth."""
    digits = _NO_DIGIT.sub("", text)
    return int(digits[6:8]) % 40 in range(32) and 1 <= int(digits[8:10]) <= 12


def _is_isbn_10(text: str) -> bool:
    return len(text) == 10 and sum((10 - at) * int(digit) for at, digit in enumerate(text) if digit.isdigit()) % 11 == 0
