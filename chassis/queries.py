"""Types of query parameters, for the models of `make proto` and of routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError, core_schema

# Control characters; tabs and line ends are allowed, because pasted text may have them.
CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
TEXT_PATTERN = f"^[^{CONTROL}]*$"


@dataclass(frozen=True, slots=True)
class OneOf:
    """Annotation of a text that must be one of these words."""

    words: tuple[str, ...]

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.literal_schema(list(self.words))


@dataclass(frozen=True, slots=True)
class WholeNumber:
    """Annotation of a whole number between two bounds, in ASCII digits only."""

    least: int
    most: int

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def parse(self, value: Any) -> int:
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
            number = int(value)
            if self.least <= number <= self.most:
                return number
        raise PydanticCustomError("whole_number", "not a whole number", {"least": self.least, "most": self.most})


# Values of a parameter that may occur several times.
MOST_VALUES = 20
Values = Annotated[list[Annotated[str, Field(max_length=200, pattern=TEXT_PATTERN)]], Field(max_length=MOST_VALUES)]


class Flag:
    """Annotation of a boolean, `true` or `false`."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        words = core_schema.literal_schema(["true", "false"])
        return core_schema.no_info_after_validator_function("true".__eq__, words)

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> dict[str, Any]:
        return {"type": "boolean"}


def text(
    description: str, *, longest: int = 200, example: str | None = None, required: bool = False, **more: Any
) -> Any:
    """Declare a text parameter without control characters; `longest` in characters. The default is empty."""
    if not required:
        more["default"] = ""
    if example is not None:
        more["examples"] = [example]
    return Field(description=description, max_length=longest, pattern=TEXT_PATTERN, **more)


def number(default: int, description: str) -> Any:
    """Declare a parameter that is a whole number; its `WholeNumber` annotation has the bounds."""
    return Field(default, description=description)


class QueryModel(BaseModel):
    """Query parameters of all routes; undeclared parameters are refused."""

    model_config = ConfigDict(extra="forbid")

    lang: Annotated[str, OneOf(("id", "en"))] = Field(
        "", description="Language of texts for people; overrides Accept-Language."
    )

    def as_parameters(self) -> dict[str, list[str]]:
        """Return the values of each parameter in the request, as text, for links to the same page."""
        parameters = {}
        for name, field in type(self).model_fields.items():
            if name in self.model_fields_set:
                value = getattr(self, name)
                values = value if isinstance(value, list) else [value]
                parameters[field.alias or name] = [
                    str(item).lower() if isinstance(item, bool) else str(item) for item in values
                ]
        return parameters
