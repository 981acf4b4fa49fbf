"""The fields in the descriptions of institutions and branches, and their allowed values.

A value is a text, a text in two languages {"id", "en"}, a list of these, a list of links [{"kind", "url"}], a position
{"latitude", "longitude"} or None. Values of the file and of the pages pass the same checks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from chassis.errors import Invalid, Refusal
from chassis.models import choices
from rangkiang.catalog.v1 import catalog_pb2 as wire
from services.catalog.texts import normalize

LINK_KINDS = choices(wire.SocialLink, "kind")
MOST_LINKS = 8
MOST_ENTRIES = 20  # services of a branch, means of accessibility
MOST_PHOTOS = 8  # of an institution
LONGEST_URL = 200
_MOST_LINES = 5

_EMAIL = re.compile(r"[^\s@<>()\[\],;:\"\\]{1,64}@[^\s@<>()\[\],;:\"\\]{1,180}\.[A-Za-z0-9-]{2,63}")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_HOST = re.compile(r"[\w-]+(\.[\w-]+)+", re.ASCII)
# Characters that end a line or change the direction of text: after them the text may look like another one.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

Check = Callable[[str, Any], Any]


def check_field(fields: Mapping[str, Check], name: str, value: Any) -> Any:
    """Check the value of a field, and return it as it is stored.

    fields  INSTITUTION_FIELDS or BRANCH_FIELDS
    raises  Invalid  DETAIL_UNKNOWN, and the errors of the field's check
    """
    if name not in fields:
        raise Invalid("DETAIL_UNKNOWN", field=name[:40], known=[*fields])
    return fields[name](name, value)


def check_fields(fields: Mapping[str, Check], values: Mapping[str, Any]) -> dict[str, Any]:
    """Check the values of several fields, and return them as they are stored.

    raises  Invalid  with a refusal for every invalid value
    """
    checked: dict[str, Any] = {}
    refusals: list[Refusal] = []
    for name, value in values.items():
        try:
            checked[name] = check_field(fields, name, value)
        except Invalid as problem:
            refusals += problem.refusals
    if refusals:
        raise Invalid(refusals=refusals)
    return checked


def check_text(name: str, value: Any, *, longest: int, lines: bool = False) -> str:
    """Check a text. It is stored without blanks at its ends and in normal form C.

    raises  Invalid  DETAIL_TEXT, DETAIL_TEXT_LONG, DETAIL_TEXT_UNSEEN
    """
    if not isinstance(value, str):
        raise Invalid("DETAIL_TEXT", field=name)
    text = normalize("NFC", value.strip()).replace("\r\n", "\n")
    if lines:
        rows = [row.strip() for row in text.split("\n")]
        if len(rows) > _MOST_LINES:
            raise Invalid("DETAIL_TEXT_LINES", field=name, most=_MOST_LINES)
        text = "\n".join(rows)
    if len(text) > longest:
        raise Invalid("DETAIL_TEXT_LONG", field=name, most=longest)
    if _UNSEEN.search(text.replace("\n", "") if lines else text):
        raise Invalid("DETAIL_TEXT_UNSEEN", field=name)
    return text


def check_local_text(name: str, value: Any, *, longest: int, needed: bool = False) -> dict[str, str]:
    """Check a text in Indonesian and English; one of them may be empty, or both unless `needed`.

    raises  Invalid  DETAIL_TEXTS, and the errors of check_text
    """
    if not isinstance(value, dict) or not value.keys() <= {"id", "en"}:
        raise Invalid("DETAIL_TEXTS", field=name)
    texts = {
        language: check_text(f"{name}.{language}", value.get(language, ""), longest=longest)
        for language in ("id", "en")
    }
    if needed and not all(texts.values()):
        raise Invalid("DETAIL_TEXTS", field=name)
    return texts


def check_phone(name: str, value: Any) -> str:
    """Check a phone number; one without a country is Indonesian. It is stored as E.164.

    raises  Invalid  DETAIL_TEXT, DETAIL_PHONE
    """
    text = check_text(name, value, longest=40)
    if not text:
        return ""
    # A local import: its tables take 50 ms to load.
    import phonenumbers

    digits = re.sub(r"[\s().-]", "", text)
    if re.fullmatch(r"\+?[0-9]{6,17}", digits, re.ASCII):
        digits = f"+{digits}" if re.fullmatch(r"62[0-9]{8,13}", digits, re.ASCII) else digits
        try:
            number = phonenumbers.parse(digits, "ID")
        except phonenumbers.NumberParseException:
            number = None
        if number is not None and phonenumbers.is_possible_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    raise Invalid("DETAIL_PHONE", field=name, given=text)


def check_email(name: str, value: Any) -> str:
    """Check an e-mail address.

    raises  Invalid  DETAIL_TEXT, DETAIL_EMAIL
    """
    text = check_text(name, value, longest=254)
    if text and not _EMAIL.fullmatch(text):
        raise Invalid("DETAIL_EMAIL", field=name, given=text[:80])
    return text


def check_url(name: str, value: Any) -> str:
    """Check the address of a page: https or http, with a host name and without a user's name.

    raises  Invalid  DETAIL_TEXT, DETAIL_URL
    """
    text = check_text(name, value, longest=LONGEST_URL)
    try:
        parts = urlsplit(text)
        is_page = parts.scheme in ("https", "http") and bool(_HOST.fullmatch(parts.hostname or ""))
        is_page = is_page and parts.username is None and (parts.port is None or parts.port > 0)
    except ValueError:
        is_page = False
    if not is_page or re.search(r"[\s\"'<>\\^`{|}]", text):
        raise Invalid("DETAIL_URL", field=name, given=text[:80])
    return text


def check_colour(name: str, value: Any) -> str:
    """Check a colour. It is stored as "#rrggbb" in small letters.

    raises  Invalid  DETAIL_TEXT, DETAIL_COLOUR
    """
    text = check_text(name, value, longest=40).lower()
    if text and not _COLOUR.fullmatch(text):
        raise Invalid("DETAIL_COLOUR", field=name, given=text)
    return text


def check_links(name: str, value: Any) -> list[dict[str, str]]:
    """Check links to a library's other sites, one of each kind.

    raises  Invalid  DETAIL_LIST, DETAIL_LINK, DETAIL_LINK_TWICE, and the errors of check_url
    """
    links = []
    for number, entry in enumerate(_entries(name, value, most=MOST_LINKS), start=1):
        if not isinstance(entry, dict) or entry.keys() != {"kind", "url"} or entry["kind"] not in LINK_KINDS:
            raise Invalid("DETAIL_LINK", field=name, number=number, known=[*LINK_KINDS])
        links.append({"kind": entry["kind"], "url": check_url(f"{name}.{entry['kind']}", entry["url"])})
    kinds = [link["kind"] for link in links]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise Invalid("DETAIL_LINK_TWICE", field=name, kind=kind)
    return links


def check_local_texts(name: str, value: Any) -> list[dict[str, str]]:
    """Check a list of short texts in both languages.

    raises  Invalid  DETAIL_LIST, and the errors of check_local_text
    """
    entries = _entries(name, value, most=MOST_ENTRIES)
    return [
        check_local_text(f"{name} {number}", entry, longest=80, needed=True)
        for number, entry in enumerate(entries, start=1)
    ]


def check_position(name: str, value: Any) -> dict[str, float] | None:
    """Check a position in degrees, WGS 84; None and {} mean no position.

    raises  Invalid  DETAIL_POSITION
    """
    if value is None or value == {}:
        return None
    if isinstance(value, dict) and value.keys() == {"latitude", "longitude"}:
        degrees = [value["latitude"], value["longitude"]]
        if all(isinstance(number, int | float) and not isinstance(number, bool) for number in degrees):
            latitude, longitude = map(float, degrees)
            if math.isfinite(latitude) and abs(latitude) <= 90 and math.isfinite(longitude) and abs(longitude) <= 180:
                # Six decimals are 0.1 m.
                return {"latitude": round(latitude, 6), "longitude": round(longitude, 6)}
    raise Invalid("DETAIL_POSITION", field=name)


def _entries(name: str, value: Any, *, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise Invalid("DETAIL_LIST", field=name, most=most)
    return value


def _text(longest: int, *, lines: bool = False) -> Check:
    return lambda name, value: check_text(name, value, longest=longest, lines=lines)


def _local_text(longest: int, *, needed: bool = False) -> Check:
    return lambda name, value: check_local_text(name, value, longest=longest, needed=needed)


_CHECKS: dict[str, Check] = {
    "name": _local_text(200, needed=True),
    "short_name": _local_text(40),
    "motto": _local_text(200),
    "kind": _text(32),
    "npp": _text(32),
    "isil": _text(16),
    "address": _text(300, lines=True),
    "kelurahan": _text(120),
    "phone": check_phone,
    "whatsapp": check_phone,
    "email": check_email,
    "links": check_links,
    "position": check_position,
    "services": check_local_texts,
    "accessibility": check_local_texts,
    "photo_alt": _local_text(200),
    "card_colour": check_colour,
}
INSTITUTION_FIELDS = {field: _CHECKS[field] for field in choices(wire.EditInstitutionRequest, "fields")}
BRANCH_FIELDS = {field: _CHECKS[field] for field in choices(wire.EditBranchRequest, "fields")}
# Fields with their own columns; the others are members of `details`.
COLUMNS = ("kind", "npp", "isil")
CONTACT_FIELDS = ("address", "kelurahan", "phone", "whatsapp", "email", "links")
# Files in `details`; edits.put_picture and remove_picture change them one by one.
INSTITUTION_PICTURES = ("logo", "photos")
BRANCH_PICTURES = ("photo",)
