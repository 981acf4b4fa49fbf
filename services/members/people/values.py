"""Values of members: each is converted to its stored form, or refused by field name, without the value."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, timedelta

from chassis import clock
from chassis.errors import Refusal
from chassis.models import choices
from rangkiang.members.v1 import people_pb2 as wire

EVIDENCE = choices(wire.Evidence, "kind")
ALIASES = choices(wire.Alias, "kind")
BLOCK_REASONS = choices(wire.Block, "reason")
CONSENT_WAYS = choices(wire.Consent, "how")

LONGEST_NOTE = 2_000
# Sealed field -> kind of its keyed hash; "" without a hash.
SEALED = {
    "nik": "nik",
    "phone": "phone",
    "email": "email",
    "address": "",
    "birth_date": "birth_date",
    "guardian_phone": "",
    "responsible_phone": "",
}
_EARLIEST_BIRTH = date(1900, 1, 1)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_CONTROL_IN_LINES = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_MARKS = re.compile(r"[\u0300-\u036f]{4,}")
_NIK = re.compile(r"[1-9][0-9]{15}")
# Most phone numbers are mobile numbers; with the library they would take most of the time of an import.
_MOBILE = re.compile(r"(?:\+?62|0)?(8[1-9][0-9]{7,9})")
_EMAIL = re.compile(r"[^\s@<>()\[\],;:\"\\]{1,64}@[^\s@<>()\[\],;:\"\\]{1,253}\.[A-Za-z0-9-]{2,63}")
_KELURAHAN = re.compile(r"[1-9][0-9](?:[0-9]{2}(?:[0-9]{2}(?:[0-9]{4})?)?)?")
_CODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
_NUMBER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?")


class Rejected(ValueError):
    """A value cannot be stored. `reason` is the reason of the refusal; the facts never contain the value."""

    def __init__(self, reason: str, **facts: object) -> None:
        super().__init__(reason)
        self.reason, self.facts = reason, facts


Check = Callable[[str], str]


def clean(given: Mapping[str, str], checks: Mapping[str, Check] | None = None) -> tuple[dict[str, str], list[Refusal]]:
    """Convert values to their stored forms. Returns the valid values, and a refusal for each invalid one.

    checks  name -> function that converts or rejects the value; None for those of the fields of a member
    """
    values: dict[str, str] = {}
    refusals: list[Refusal] = []
    for field, value in given.items():
        try:
            values[field] = (checks or FIELDS)[field](value)
        except Rejected as problem:
            refusals.append(Refusal(problem.reason, field=field, **problem.facts))
    return values, refusals


def text(longest: int, *, lines: bool = False) -> Callable[[str], str]:
    """Return a function that cleans a text: NFC and single spaces; with `lines` it keeps line ends."""

    def check(value: str) -> str:
        # Checked first, because the length of the text is not limited yet.
        if len(value) > 4 * longest + 100:
            raise Rejected("MEMBER_FIELD_TOO_LONG", longest=longest)
        if lines:
            if _CONTROL_IN_LINES.search(value):
                raise Rejected("MEMBER_FIELD_UNREADABLE")
            value = "\n".join(" ".join(line.split()) for line in value.splitlines()).strip()
        else:
            value = value.replace("\t", " ").replace("\r", " ").replace("\n", " ")
            if _CONTROL.search(value):
                raise Rejected("MEMBER_FIELD_UNREADABLE")
            value = " ".join(value.split())
        if _MARKS.search(value):
            raise Rejected("MEMBER_FIELD_UNREADABLE")
        value = unicodedata.normalize("NFC", value)
        if len(value) > longest:
            raise Rejected("MEMBER_FIELD_TOO_LONG", longest=longest)
        return value

    return check


_line = text(200)


def choice(codes: tuple[str, ...]) -> Callable[[str], str]:
    """Return a function that checks a code: one of the choices, or empty."""

    def check(value: str) -> str:
        value = value.strip().lower()
        if value and value not in codes:
            raise Rejected("MEMBER_FIELD_NOT_A_CHOICE", choices=[*codes])
        return value

    return check


def name(value: str) -> str:
    value = _line(value)
    if not value:
        raise Rejected("MEMBER_NAME_MISSING")
    if not any(letter.isalpha() for letter in value):
        raise Rejected("MEMBER_NAME_WITHOUT_LETTERS")
    return value


def nik(value: str) -> str:
    """Return the 16 digits of a national identity number. Texts such as 1,37E+15 from spreadsheets are refused."""
    digits = re.sub(r"[ .-]", "", value.strip()[:40])
    if digits and not (digits.isascii() and _NIK.fullmatch(digits)):
        raise Rejected("NIK_INVALID")
    return digits


def phone(value: str) -> str:
    """Return a phone number as E.164; a number without a country code is Indonesian, with or without the first 0."""
    value = value.strip()
    if not value:
        return ""
    if len(value) > 40:
        raise Rejected("PHONE_INVALID")
    mobile = _MOBILE.fullmatch(value)
    if mobile is not None:
        return f"+62{mobile.group(1)}"
    # A local import: its tables take 50 ms to load.
    import phonenumbers

    # `62…` without a plus, and mobile numbers `8…` whose leading 0 a spreadsheet has removed.
    digits = re.sub(r"[\s().-]", "", value)
    if re.fullmatch(r"62[0-9]{8,13}", digits):
        digits = "+" + digits
    elif re.fullmatch(r"8[0-9]{8,11}", digits):
        digits = "0" + digits
    elif not re.fullmatch(r"\+?[0-9]{6,17}", digits):
        raise Rejected("PHONE_INVALID")
    try:
        number = phonenumbers.parse(digits, "ID")
    except phonenumbers.NumberParseException:
        raise Rejected("PHONE_INVALID") from None
    if not phonenumbers.is_possible_number(number):
        raise Rejected("PHONE_INVALID")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def email(value: str) -> str:
    value = value.strip()
    if not value:
        return ""
    if len(value) > 254 or _CONTROL.search(value) or not _EMAIL.fullmatch(value):
        raise Rejected("EMAIL_INVALID")
    local, _, domain = unicodedata.normalize("NFC", value).rpartition("@")
    return f"{local}@{domain.lower()}"


def birth_date(value: str) -> str:
    day = _day(value, "BIRTH_DATE_INVALID")
    # Jayapura is nine hours ahead of UTC, so its date may be tomorrow's.
    if day is not None and not _EARLIEST_BIRTH <= day <= clock.now().date() + timedelta(days=1):
        raise Rejected("BIRTH_DATE_INVALID")
    return "" if day is None else day.isoformat()


def end_date(value: str) -> str:
    """Return the last day of a membership or block, from 1990 to 100 years from now; or empty."""
    day = _day(value, "END_DATE_INVALID")
    if day is not None and not 1990 <= day.year <= clock.now().year + 100:
        raise Rejected("END_DATE_INVALID")
    return "" if day is None else day.isoformat()


def _day(value: str, reason: str) -> date | None:
    value = value.strip()
    if not value:
        return None
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value) or not value.isascii():
        raise Rejected(reason)
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise Rejected(reason) from None


def kelurahan(value: str) -> str:
    """Return the code of a province, regency, district or kelurahan as digits."""
    digits = re.sub(r"[ .]", "", value.strip()[:20])
    if digits and not (digits.isascii() and _KELURAHAN.fullmatch(digits)):
        raise Rejected("KELURAHAN_INVALID")
    return digits


def code(value: str) -> str:
    value = value.strip().lower()
    if value and not _CODE.fullmatch(value):
        raise Rejected("MEMBER_FIELD_UNREADABLE")
    return value


def is_code(value: str) -> bool:
    """Return whether this is a code: lower-case letters, digits, `_`, `.` and `-`."""
    return _CODE.fullmatch(value) is not None


def member_id(value: str) -> str:
    value = value.strip().lower()
    if value and not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value):
        raise Rejected("GUARDIAN_UNKNOWN")
    return value


def is_card_number(value: str) -> bool:
    """Return whether this may be the number of a card or an alias."""
    return _NUMBER.fullmatch(value) is not None


def card_number(value: str) -> str:
    """Return a number exactly as scanned, without surrounding spaces."""
    value = value.strip(" \r\n\t")
    if not _NUMBER.fullmatch(value):
        raise Rejected("CARD_NUMBER_INVALID", longest=64)
    return value


def is_coded(field: str) -> bool:
    """Return whether the values of a field are codes."""
    return bool(choices(wire.MemberFields, field))


def _check(field: str) -> Callable[[str], str]:
    """Return how a field without a function of its own is checked: a code with choices, or a short text."""
    codes = choices(wire.MemberFields, field)
    return choice(codes) if codes else text(100)


# The fields of MemberFields that hold one text.
SINGLE = tuple(field.name for field in wire.MemberFields.DESCRIPTOR.fields if field.message_type is None)
FIELDS: Mapping[str, Callable[[str], str]] = {
    **{field: _check(field) for field in SINGLE},
    "category": code,
    "name": name,
    "title_before": text(60),
    "birth_date": birth_date,
    "nik": nik,
    "phone": phone,
    "email": email,
    "address": text(500, lines=True),
    "kelurahan": kelurahan,
    "school": text(120),
    "group": text(60),
    "expires_on": end_date,
    "note": text(LONGEST_NOTE, lines=True),
    "guardian_id": member_id,
    "guardian_name": text(200),
    "guardian_relation": choice(choices(wire.Guardian, "relation")),
    "guardian_phone": phone,
    "responsible_name": text(200),
    "responsible_position": text(100),
    "responsible_phone": phone,
}
