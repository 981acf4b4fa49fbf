"""The description of a rented SMS or WhatsApp gateway: URL, fields, headers, and the meaning of its replies.

An operator writes it as TOML from the gateway's own description; docs/notices.md explains it with examples.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from chassis.settings import parse_toml

PLACES = ("to", "text", "subject", "id", "language")
_PLACE = re.compile(r"\{(?:(?P<secret>secret:[a-z0-9_-]+)|(?P<fact>[a-z]+))\}")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,60}")
_MISSING = object()

Scalar = str | int | float | bool
Values = dict[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JsonRule(_Part):
    """A value of a reply in JSON.

    path    names and numbers separated by dots, such as data.0.status
    equals  the value, or a list of values; without it the path only has to exist
    """

    path: str = Field(min_length=1, max_length=200)
    equals: Scalar | list[Scalar] | None = None


class Rule(_Part):
    """Conditions for a reply; all must be true.

    status  HTTP status codes
    regex   a pattern that is found in the body
    """

    status: list[int] = []
    json_value: JsonRule | None = Field(default=None, alias="json")
    regex: str = ""

    @field_validator("regex")
    @classmethod
    def _is_regex(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as problem:
            raise ValueError(f"not a regular expression: {problem.msg}") from None
        return value

    def holds(self, status: int, body: str, document: Any) -> bool:
        """Return whether a reply fulfils all conditions."""
        if self.status and status not in self.status:
            return False
        if self.json_value and not _has(document, self.json_value):
            return False
        return not self.regex or re.search(self.regex, body) is not None


class Refusal(Rule):
    """A reply that means a refusal.

    state        temporary or permanent
    bad_address  the number is wrong or unknown
    channel      the gateway fails, not the message: no credit, wrong key
    """

    state: Literal["temporary", "permanent"] = "permanent"
    bad_address: bool = False
    channel: bool = False


class Id(_Part):
    """The place of the gateway's message id in a reply."""

    path: str = ""
    regex: str = ""


class Question(_Part):
    """A GET request without a message: for the state of a message by its id, or for the check of the key."""

    url: str
    fields: Values = {}
    success: Rule


class GatewaySpec(_Part):
    """A gateway.

    phone            e164: +62812…, 62: 62812…, 0: 0812… (only Indonesian numbers)
    most_characters  longer texts are cut
    deduplicates     the gateway drops a second message with the same {id}
    allow_http       allow http to a public address, although others can read the message and the key
    secrets          name -> file
    """

    url: str
    method: Literal["GET", "POST"] = "POST"
    address: Literal["phone", "email"] = "phone"
    phone: Literal["e164", "62", "0"] = "e164"
    timeout_seconds: float = Field(default=15, gt=0, le=120)
    most_characters: int = Field(default=1_600, ge=70, le=65_536)
    deduplicates: bool = False
    allow_http: bool = False
    fields: Values
    headers: dict[str, str] = {}
    secrets: dict[str, str] = {}
    success: Rule = Rule()
    refusals: list[Refusal] = []
    provider_id: Id = Id()
    ask: Question | None = None
    check: Question | None = None

    @model_validator(mode="after")
    def _has_known_places(self) -> GatewaySpec:
        questions = [question for question in (self.ask, self.check) if question]
        for url in [self.url, *(question.url for question in questions)]:
            parts = urlsplit(url)
            if parts.scheme not in {"http", "https"} or not parts.hostname or "{" in parts.netloc:
                raise ValueError("url: http or https, and a host without placeholders")
        for text in self._all_texts():
            for place in _PLACE.finditer(text):
                if place["fact"] and place["fact"] not in PLACES:
                    raise ValueError(f"{{{place['fact']}}} is none of {', '.join(PLACES)}, secret:NAME")
        if not any("{text}" in text for text in [self.url, *_texts(self.fields)]):
            raise ValueError("no field has {text}")
        for name in self.headers:
            if not _HEADER.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a header")
        return self

    def _all_texts(self) -> list[str]:
        texts = [self.url, *_texts(self.fields), *self.headers.values()]
        for question in (self.ask, self.check):
            texts += [question.url, *_texts(question.fields)] if question else []
        return texts

    def secret_names(self) -> set[str]:
        """Return the names of secrets that the placeholders use."""
        places = [place["secret"] for text in self._all_texts() for place in _PLACE.finditer(text)]
        return {place.removeprefix("secret:") for place in places if place}


def read_spec(path: Path) -> GatewaySpec:
    """Read a file.

    raises  OSError     the file cannot be read
            ValueError  the file is not TOML, or not a gateway; the message has the field, but never a value
    """
    document = parse_toml(path.read_text(encoding="utf-8"))
    try:
        return GatewaySpec.model_validate(document)
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None


def fill(value: Any, facts: Mapping[str, str], *, is_url: bool = False) -> Any:
    """Replace the placeholders in texts of a value, once. Placeholders in inserted texts are not replaced.

    is_url  percent-encode the facts
    """
    match value:
        case str():
            return _PLACE.sub(lambda place: _fact(place, facts, is_url=is_url), value)
        case dict():
            return {name: fill(part, facts) for name, part in value.items()}
        case list():
            return [fill(part, facts) for part in value]
        case _:
            return value


def value_at(document: Any, path: str) -> Any:
    """Return the value at a path such as data.0.id; None if there is none."""
    value = _walk(document, path)
    return None if value is _MISSING else value


def parse_json(body: str) -> Any:
    """Return the JSON of a reply; None if it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _fact(place: re.Match[str], facts: Mapping[str, str], *, is_url: bool) -> str:
    text = facts[place["secret"] or place["fact"]]
    return quote(text, safe="") if is_url else text


def _texts(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for part in value.values() for text in _texts(part)]
        case list():
            return [text for part in value for text in _texts(part)]
        case _:
            return []


def _walk(document: Any, path: str) -> Any:
    value = document
    for part in path.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return _MISSING
    return value


def _has(document: Any, rule: JsonRule) -> bool:
    value = _walk(document, rule.path)
    if value is _MISSING or rule.equals is None:
        return value is not _MISSING
    expected = rule.equals if isinstance(rule.equals, list) else [rule.equals]
    return _written(value) in [_written(each) for each in expected]


def _written(value: Any) -> str:
    """Return a value as JSON text without quotes, because gateways change between "1", 1 and true."""
    return value if isinstance(value, str) else json.dumps(value)
