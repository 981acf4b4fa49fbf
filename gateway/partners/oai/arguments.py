"""Arguments of OAI-PMH requests, and resumption tokens. Pure."""

from __future__ import annotations

import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

FROM, UNTIL, SET, PREFIX, TOKEN, IDENTIFIER = (
    "from", "until", "set", "metadataPrefix", "resumptionToken", "identifier",
)  # fmt: skip
LISTS = ("ListIdentifiers", "ListRecords")


class Verb(NamedTuple):
    """Arguments of a verb. A request with `exclusive` has no other argument."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    exclusive: str = ""


VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "Identify": Verb(),
        "ListMetadataFormats": Verb(optional=(IDENTIFIER,)),
        "ListSets": Verb(exclusive=TOKEN),
        "GetRecord": Verb(required=(IDENTIFIER, PREFIX)),
        **dict.fromkeys(LISTS, Verb(required=(PREFIX,), optional=(FROM, UNTIL, SET), exclusive=TOKEN)),
    }
)


class Format(NamedTuple):
    """A metadata format. form: name in Catalog.Harvest."""

    form: str
    schema: str
    namespace: str


_MARC = Format(
    "marcxml", "http://www.loc.gov/standards/marcxml/schema/MARC21slim.xsd", "http://www.loc.gov/MARC21/slim"
)
FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "oai_dc": Format(
            "dc",
            "http://www.openarchives.org/OAI/2.0/oai_dc.xsd",
            "http://www.openarchives.org/OAI/2.0/oai_dc/",
        ),
        "marc21": _MARC,
        "marcxml": _MARC,
        "mods": Format(
            "mods", "http://www.loc.gov/standards/mods/v3/mods-3-7.xsd", "http://www.loc.gov/mods/v3"
        ),
    }
)  # fmt: skip
_SET = re.compile(r"[A-Za-z0-9\-_.!~*'()]+(:[A-Za-z0-9\-_.!~*'()]+)*")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?")
_END = 253_402_300_799  # of the year 9999
TOKEN_HOURS = 48
_TOKEN_FORM = 3
_SIGNATURE_BYTES = 12
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,2000}")


class Fault(Exception):
    """An error of OAI-PMH 2.0 §3.6. message: English."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


@dataclass(frozen=True, slots=True)
class Selection:
    """What a list request selects.

    since, until  seconds of the Unix epoch, from `since` on and before `until`; None for no limit
    """

    verb: str
    prefix: str
    set: str = ""
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where the next part of a list begins.

    after      change number of the last record
    delivered  number of records before
    expires    seconds of the Unix epoch
    began      time of the first response, in the same unit: changes that the list does not have are not before it
    """

    after: int
    delivered: int
    expires: int
    began: int


def read_arguments(pairs: Sequence[tuple[str, str]]) -> tuple[str, dict[str, str]]:
    """Return the verb, and its arguments by name.

    raises  Fault  badVerb, badArgument
    """
    verbs = [value for name, value in pairs if name == "verb"]
    if len(verbs) != 1 or verbs[0] not in VERBS:
        raise Fault("badVerb", "The argument verb is missing, repeated, or not a verb of OAI-PMH 2.0.")
    verb, arguments = VERBS[verbs[0]], dict[str, str]()
    for name, value in pairs:
        if name == "verb":
            continue
        if name not in (*verb.required, *verb.optional, verb.exclusive) or not name:
            raise Fault("badArgument", f"{verbs[0]} has no argument {name[:40]!r}.")
        if name in arguments:
            raise Fault("badArgument", f"The argument {name} is repeated.")
        if not value:
            raise Fault("badArgument", f"The argument {name} is empty.")
        arguments[name] = value
    if verb.exclusive in arguments:
        if len(arguments) > 1:
            raise Fault("badArgument", f"A request with {verb.exclusive} has no other argument.")
    elif missing := [name for name in verb.required if name not in arguments]:
        raise Fault("badArgument", f"The argument {missing[0]} is missing.")
    return verbs[0], arguments


def read_format(prefix: str) -> Format:
    """Return a metadata format.

    raises  Fault  cannotDisseminateFormat
    """
    if prefix not in FORMATS:
        raise Fault("cannotDisseminateFormat", f"The formats are {', '.join(FORMATS)}.")
    return FORMATS[prefix]


def read_selection(verb: str, arguments: Mapping[str, str]) -> Selection:
    """Return what the first request of a list selects.

    raises  Fault  badArgument, cannotDisseminateFormat
    """
    spec, since, until = (arguments.get(name, "") for name in (SET, FROM, UNTIL))
    if spec and not _SET.fullmatch(spec):
        raise Fault("badArgument", "The argument set is not the name of a set.")
    if since and until and len(since) != len(until):
        raise Fault("badArgument", "The arguments from and until have different granularities.")
    first = _seconds(since, FROM) if since else None
    last = min(_seconds(until, UNTIL) + (1 if "T" in until else 86_400), _END) if until else None
    if first is not None and last is not None and first >= last:
        raise Fault("badArgument", "The argument from is later than until.")
    read_format(arguments[PREFIX])
    return Selection(verb, arguments[PREFIX], spec, first, last)


def _seconds(text: str, name: str) -> int:
    try:
        if _MOMENT.fullmatch(text):
            return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    except ValueError:
        pass
    raise Fault("badArgument", f"The argument {name} is not a date such as 2026-12-01 or 2026-12-01T08:00:00Z.")


def write_token(selection: Selection, place: Place, *, key: bytes) -> str:
    """Write a resumption token, signed with the key."""
    packed = json.dumps([_TOKEN_FORM, *astuple(selection), *astuple(place)], separators=(",", ":")).encode()
    return urlsafe_b64encode(_signature(packed, key) + packed).decode().rstrip("=")


def read_token(token: str, verb: str, *, key: bytes, now: datetime) -> tuple[Selection, Place]:
    """Read a resumption token of this verb.

    raises  Fault  badResumptionToken: damaged, of another catalogue or verb, or expired
    """
    try:
        # The decoder also takes other characters, and leaves some of them out.
        if not _TOKEN.fullmatch(token):
            raise bad_token()
        raw = urlsafe_b64decode(token + "==")
    except ValueError:
        raise bad_token() from None
    signature, packed = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(packed, key)):
        raise bad_token()
    form, *values = json.loads(packed)
    if form != _TOKEN_FORM:
        raise bad_token()
    selection, place = Selection(*values[:5]), Place(*values[5:])
    if selection.verb != verb:
        raise bad_token()
    if place.expires < now.timestamp():
        raise Fault("badResumptionToken", "The token has expired.")
    return selection, place


def _signature(packed: bytes, key: bytes) -> bytes:
    return hmac.digest(key, packed, "sha256")[:_SIGNATURE_BYTES]


def bad_token() -> Fault:
    return Fault(
        "badResumptionToken",
        "The token is not of this list. After a restored backup no older token is: harvest all records again.",
    )
