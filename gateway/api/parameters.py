"""Query parameters: one table says what may come in, and the same table is what the OpenAPI says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from chassis.errors import Invalid
from gateway.deps import LANGUAGES

# Facets of the catalogue, which are also its filters.
FACETS = (
    "availability", "institution", "branch", "collection", "material", "audience", "language", "year", "subject",
    "author", "ddc", "class", "series",
)  # fmt: skip
FLAGS = ("true", "false")
SORTS = ("relevance", "year", "year_asc", "title")
# Characters that no text has; tabs and line ends come along when text is pasted.
CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
_CONTROL = re.compile(f"[{CONTROL}]")
# What a URL may hold of one facet's alternatives.
MOST_VALUES = 20


@dataclass(frozen=True, slots=True)
class Parameter:
    """One query parameter: text of bounded length, one of a few words, or a whole number.

    choices   the only values allowed
    numbers   smallest and largest whole number allowed
    repeated  how often it may be given
    listed    its value is a comma-separated list of choices; given again it goes on
    flag      true or false
    """

    name: str
    says: str
    example: str | None = None
    longest: int = 200
    choices: tuple[str, ...] = ()
    numbers: tuple[int, int] | None = None
    repeated: int = 1
    listed: bool = False
    required: bool = False
    flag: bool = False

    def check(self, value: str) -> None:
        """raises  Invalid  PARAMETER_TOO_LONG, PARAMETER_NOT_A_NUMBER, PARAMETER_NOT_A_CHOICE, PARAMETER_NOT_TEXT"""
        if len(value) > self.longest:
            raise Invalid("PARAMETER_TOO_LONG", parameter=self.name, longest=self.longest)
        if self.numbers is not None and not _is_number(value, self.numbers):
            raise Invalid("PARAMETER_NOT_A_NUMBER", parameter=self.name, least=self.numbers[0], most=self.numbers[1])
        choices = FLAGS if self.flag else self.choices
        if choices and not set(value.split(",") if self.listed else (value,)) <= set(choices):
            raise Invalid("PARAMETER_NOT_A_CHOICE", parameter=self.name, choices=", ".join(choices))
        if _CONTROL.search(value):
            raise Invalid("PARAMETER_NOT_TEXT", parameter=self.name)

    def openapi(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string"}
        if self.flag:
            schema = {"type": "boolean"}
        elif self.numbers is not None:
            schema = {"type": "integer", "minimum": self.numbers[0], "maximum": self.numbers[1]}
        elif self.choices:
            schema["enum"] = list(self.choices)
        else:
            schema["maxLength"] = self.longest
            schema["pattern"] = f"^[^{CONTROL}]*$"
        described: dict[str, Any] = {"name": self.name, "in": "query", "description": self.says}
        if self.required:
            described["required"] = True
        if self.listed:
            described |= {"style": "form", "explode": False}
            schema = {"type": "array", "items": schema, "minItems": 1, "maxItems": len(self.choices)}
        elif self.repeated > 1:
            described |= {"style": "form", "explode": True}
            schema = {"type": "array", "items": schema, "maxItems": self.repeated}
        if self.example is not None:
            described["example"] = self.example.split(",") if self.listed else self.example
            if self.repeated > 1:
                described["example"] = [self.example]
        return {**described, "schema": schema}


NEAR = Parameter("near", "The reader's branch, INSTITUTION/BRANCH: it comes first.", "PKS/PST", longest=100)
LANGUAGE = Parameter("lang", "Language of sentences for people, before Accept-Language.", choices=LANGUAGES)


def read(request: Request, allowed: dict[str, Parameter], *, strict: bool = True) -> dict[str, list[str]]:
    """The query parameters given, each checked, in the order given.

    strict  refuse parameters nobody has declared; pages ignore them
    raises  Invalid  PARAMETER_UNKNOWN, PARAMETER_REPEATED, PARAMETER_MISSING and those of `Parameter.check`
    """
    given: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        parameter = allowed.get(name)
        if parameter is None:
            if strict:
                raise Invalid("PARAMETER_UNKNOWN", parameter=name[:80])
            continue
        parameter.check(value)
        values = given.setdefault(name, [])
        values.append(value)
        if len(values) > parameter.repeated and not (parameter.listed and len(values) <= len(parameter.choices)):
            raise Invalid("PARAMETER_REPEATED", parameter=name, times=parameter.repeated)
    for parameter in allowed.values():
        if parameter.required and parameter.name not in given:
            raise Invalid("PARAMETER_MISSING", parameter=parameter.name)
    return given


def table(*parameters: Parameter) -> dict[str, Parameter]:
    """Parameters by name, `lang` among them."""
    return {parameter.name: parameter for parameter in (*parameters, LANGUAGE)}


def one(given: dict[str, list[str]], name: str, default: str = "") -> str:
    values: Sequence[str] = given.get(name, ())
    return values[0] if values else default


def _is_number(value: str, bounds: tuple[int, int]) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= 9 and bounds[0] <= int(value) <= bounds[1]
