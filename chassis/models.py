"""Models of the HTTP API, which `make proto` generates from messages, and the conversion between models and messages.

An empty value is null where the model may have null. Times are ISO 8601 in UTC. `options.proto` has the rest.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, core_schema

from chassis.sentences import LocalText
from rangkiang.common.v1 import options_pb2, refusal_pb2

OneMessage = TypeVar("OneMessage", bound=Message)
OneResponse = TypeVar("OneResponse", bound="ResponseModel")
_Convert = Callable[[Message, str], Any]
_PARTS = re.compile(r"[.\[]")
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
TIMESTAMP = Timestamp.DESCRIPTOR.full_name


class Body(BaseModel):
    """A request's body. Unknown properties are refused."""

    model_config = ConfigDict(extra="forbid")


class ResponseModel(BaseModel):
    """A response of the API. Clients must accept unknown properties."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True, arbitrary_types_allowed=True)


@dataclass(frozen=True, slots=True)
class Stored:
    """Annotation of JSON from a service that is sent without a check; `model` describes the JSON in the document."""

    model: Any

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.any_schema()

    def __get_pydantic_json_schema__(self, _schema: Any, handler: Any) -> Any:
        return handler(TypeAdapter(self.model).core_schema)


@dataclass(frozen=True, slots=True)
class OpenSet:
    """Annotation of a text of a set that may grow; the service checks it.

    words    the values that this release knows
    is_sent  in a request: the document has them as an enumeration. Responses have `x-extensible-enum`, because a client
             must accept further values
    """

    words: tuple[str, ...]
    is_sent: bool = True

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {**handler(schema), "enum" if self.is_sent else "x-extensible-enum": [*self.words]}


class Refusal(ResponseModel):
    """One reason why a request was refused."""

    reason: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$", examples=["RENEWALS_USED_UP"])
    """Stable reason code, for programs."""
    facts: dict[str, Any] = Field(examples=[{"renewals": 1}])
    """Data about the reason; values keep their types."""
    detail: str = Field(examples=["This loan has been renewed as often as the rules allow (1)."])
    """A sentence for people, in the requested language."""

    @classmethod
    def of(cls, message: refusal_pb2.Refusal, language: str) -> Refusal:
        """Return the model of a refusal, with its sentence in this language."""
        detail = LocalText(message.sentence.id, message.sentence.en).in_language(language)
        facts = public_facts({name: value_of(fact) for name, fact in message.facts.items()})
        return cls.model_construct(reason=message.reason, facts=facts, detail=detail)


def public_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts for a response: `field` is a JSON Pointer into the request's body (RFC 6901)."""
    field = facts.get("field")
    if not isinstance(field, str) or field[:1] in ("", "/"):
        return facts
    return {**facts, "field": pointer(_PARTS.split(field.replace("]", "")))}


def pointer(parts: Iterable[str | int]) -> str:
    """Return the JSON Pointer (RFC 6901) of a value in a document."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def value_of(fact: refusal_pb2.Fact) -> Any:
    """Return the typed value of a fact."""
    kind = fact.WhichOneof("value")
    if kind == "list":
        return [value_of(item) for item in fact.list.values]
    return None if kind is None else getattr(fact, kind)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # UTC moves the time before year 1 or after year 9999
        raise ValueError(moment) from None


def _rfc_3339(text: Any) -> datetime:
    try:
        if isinstance(text, str) and _RFC_3339.fullmatch(text):
            return _in_utc(datetime.fromisoformat(text))
    except ValueError:  # such as the 30th of February
        pass
    raise PydanticCustomError("datetime_parsing", "not a time with zone")


# A time with zone in a body (RFC 3339).
Moment = Annotated[datetime, BeforeValidator(_rfc_3339)]
# A time in query parameters (RFC 3339); None without one.
Since = Annotated[
    datetime | None, BeforeValidator(_rfc_3339), WithJsonSchema({"type": "string", "format": "date-time"})
]
# A time in a response.
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
# Texts whose form the service checks.
Uuid = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Day = Annotated[str, WithJsonSchema({"type": "string", "format": "date"})]


def to_message(kind: type[OneMessage], model: BaseModel, /, **fields: Any) -> OneMessage:
    """Return the message of a body or of query parameters.

    fields  those that the model does not have, such as the id in the path and the version in If-Match
    """
    message = kind(**fields)
    _fill(message, model)
    return message


def _fill(message: Message, model: BaseModel) -> None:
    """Set the fields that the model has. Null sets a field with `optional` to empty, which clears it."""
    for field, name, options in _fields(message.DESCRIPTOR):
        if options.flatten or options.flatten_body:
            _fill(getattr(message, field.name), model)
            getattr(message, field.name).SetInParent()
        elif name in type(model).model_fields and not (options.hidden or options.reply_only):
            value = getattr(model, name)
            if value is None:
                if _is_optional(field) and not options.nullable and name in model.model_fields_set:
                    _clear(message, field)
            elif isinstance(value, datetime):
                getattr(message, field.name).FromDatetime(value)
            elif options.keyed_by:
                # An object with any properties is a dict, and keeps empty values.
                is_open = isinstance(value, dict)
                for key, values in value.items() if is_open else value:
                    if values or is_open:
                        _set(
                            getattr(message, field.name).add(**{options.keyed_by: key}), _other(field, options), values
                        )
            else:
                _set(message, field, value)


def _set(message: Message, field: FieldDescriptor, value: Any) -> None:
    part = getattr(message, field.name)
    if isinstance(value, list) and field.message_type is not None:
        for item in value:
            if isinstance(item, list):
                part.add(**dict(zip(field.message_type.fields_by_name, item, strict=True)))
            else:
                _fill(part.add(), item)
    elif isinstance(value, list):
        part.extend(value)
    elif isinstance(value, BaseModel):
        _fill(part, value)
        part.SetInParent()
    else:
        setattr(message, field.name, value)


def _other(field: FieldDescriptor, options: options_pb2.Json) -> FieldDescriptor:
    """Return the field with the values of an object whose properties are in another field."""
    fields = cast("Descriptor", field.message_type).fields
    (value,) = (other for other in fields if other.name != options.keyed_by)
    return value


def _is_optional(field: FieldDescriptor) -> bool:
    """Return whether the field has the word `optional`."""
    return field.containing_oneof is not None


def _clear(message: Message, field: FieldDescriptor) -> None:
    if field.message_type is not None:
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, field.default_value)


def to_model(kind: type[OneResponse], message: Message, say_in: str = "id", /, **values: Any) -> OneResponse:
    """Return the model of a message. Nothing is checked, because a newer service may have more values.

    say_in  language of the sentences of refusals
    values  properties that the message does not have or has otherwise
    """
    for name, convert in _conversions(kind, message.DESCRIPTOR):
        if name not in values:
            values[name] = convert(message, say_in)
    return cast("OneResponse", kind.model_construct(**values))


@cache
def _conversions(kind: type[ResponseModel], descriptor: Descriptor) -> list[tuple[str, _Convert]]:
    """Return for each property how its value is taken from a message."""
    conversions: list[tuple[str, _Convert]] = []
    for field, name, options in _fields(descriptor):
        if options.flatten:
            conversions += [(inner, _inside(field.name, get)) for inner, get in _conversions(kind, field.message_type)]
        elif name in kind.model_fields and not (options.hidden or options.body_only):
            conversions.append((name, _conversion(kind.model_fields[name].annotation, field, options)))
    lists = [field.name for field, _, _ in _fields(descriptor) if field.is_repeated]
    if "total" in kind.model_fields and "total" not in descriptor.fields_by_name and lists:
        conversions.append(("total", lambda message, _: len(getattr(message, lists[0]))))
    return conversions


def _inside(name: str, convert: _Convert) -> _Convert:
    return lambda message, say_in: convert(getattr(message, name), say_in)


def _conversion(annotation: Any, field: FieldDescriptor, options: options_pb2.Json) -> _Convert:
    name, omit_empty = field.name, type(None) in get_args(annotation)
    if options.stored:
        empty = b"[]" if options.is_list else b"{}"
        return lambda message, _: orjson.loads(getattr(message, name) or empty)
    if field.message_type is None:
        if field.is_repeated:
            return lambda message, _: list(getattr(message, name))
        return lambda message, _: getattr(message, name) or (None if omit_empty else getattr(message, name))
    if field.message_type.full_name == TIMESTAMP:
        return lambda message, _: getattr(message, name).ToJsonString() if message.HasField(name) else None
    if options.keyed_by:
        return _object(annotation, field, options)
    if field.message_type.GetOptions().Extensions[options_pb2.as_list]:
        parts = [part.name for part in field.message_type.fields]
        return lambda message, _: [[getattr(item, part) for part in parts] for item in getattr(message, name)]
    nested = next(_models_in(annotation))
    convert: Callable[[Any, str], Any] = Refusal.of if nested is Refusal else partial(to_model, nested)
    if field.is_repeated:
        return lambda message, say_in: [convert(item, say_in) for item in getattr(message, name)]
    # A text in no language is absent too.
    is_text = field.message_type.name == "LocalText"
    return lambda message, say_in: (
        None
        if omit_empty and not (getattr(message, name).ByteSize() if is_text else message.HasField(name))
        else convert(getattr(message, name), say_in)
    )


def _object(annotation: Any, field: FieldDescriptor, options: options_pb2.Json) -> _Convert:
    """Return how a list of messages becomes an object: a model, or any properties."""
    value, model = _other(field, options), None if get_origin(annotation) is dict else next(_models_in(annotation))
    convert = _conversion(annotation, value, value.GetOptions().Extensions[options_pb2.json])

    def convert_all(message: Message, say_in: str) -> Any:
        parts = {getattr(item, options.keyed_by): convert(item, say_in) for item in getattr(message, field.name)}
        return model(**parts) if model is not None else parts

    return convert_all


def _models_in(annotation: Any) -> Iterator[type[ResponseModel]]:
    """Return the models in an annotation such as `list[Model]` or `Model | None`."""
    if isinstance(annotation, type) and issubclass(annotation, ResponseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


@cache
def _fields(descriptor: Descriptor) -> list[tuple[FieldDescriptor, str, options_pb2.Json]]:
    """Return the fields of a message with the names of their properties and their options."""
    fields = []
    for field in descriptor.fields:
        options = field.GetOptions().Extensions[options_pb2.json]
        name = options.name or field.name
        fields.append((field, f"{name}_" if keyword.iskeyword(name) else name, options))
    return fields


def choices(message: type[Message], field: str) -> tuple[str, ...]:
    """Return the values that the service knows for a field."""
    return tuple(message.DESCRIPTOR.fields_by_name[field].GetOptions().Extensions[options_pb2.json].choices)


def enum_values(enum: Any) -> list[tuple[str, Any]]:
    """Return the values of an enumeration: the name in lower case without that of the enumeration, and the options."""
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.DESCRIPTOR.name).upper() + "_"
    return [
        (value.name.removeprefix(prefix).lower(), value.GetOptions())
        for value in enum.DESCRIPTOR.values
        if value.number
    ]


@cache
def example_of(kind: type[BaseModel]) -> dict[str, Any]:
    """Return an example of a response, from the examples of its properties."""
    example = {}
    for name, field in kind.model_fields.items():
        if field.examples:
            example[field.alias or name] = field.examples[0]
        elif field.is_required() or next(_models_in(field.annotation), None):
            example[field.alias or name] = _example(field.annotation)
    return example


def _example(annotation: Any) -> Any:
    nested = next(_models_in(annotation), None)
    if get_origin(annotation) is list:
        return [example_of(nested)] if nested is not None else []
    if nested is not None:
        return example_of(nested)
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0]
    return annotation()
