"""Query parameters as pydantic models.

FastAPI documents and reads them; pages and the searches of the API use `read_query`, which takes a tenth of the time.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, TypeVar, get_origin
from urllib.parse import parse_qsl

from fastapi import Query
from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError
from starlette.requests import Request

from chassis.branches import BranchCode
from chassis.models import choices
from chassis.queries import Flag, OneOf, QueryModel, WholeNumber, number, text
from gateway.api.validation import invalid_request
from rangkiang.catalog.v1 import models
from rangkiang.catalog.v1.catalog_pb2 import SearchRequest

LONGEST_QUERY = 500
MOST_EXPLAINED = 20  # hits on a page; each explanation costs as much as a search
# A tuple, because pydantic would copy a list for every request.
_NONE: Any = ()
SORTS = choices(SearchRequest, "sort")
Model = TypeVar("Model", bound="QueryModel")


# The parameter of a route that has no query parameters of its own.
NoParameters = Annotated[QueryModel, Query()]


class NearQuery(QueryModel):
    near: BranchCode = Field("", description="The reader's branch; listed first.")


class Filters(models.Filters):
    """A query and one filter for each facet."""

    q: str = text(
        "The query, as typed; an empty query finds all records.", longest=LONGEST_QUERY, example="surau navis"
    )

    def filters(self) -> list[tuple[str, list[str]]]:
        """Return (facet, values) of each filter of the request."""
        names = self.model_fields_set
        return [(facet, getattr(self, name)) for name, facet in _FACET_BY_FIELD.items() if name in names]


_FACET_BY_FIELD = {
    name: field.alias or name
    for name, field in models.Filters.model_fields.items()
    if name not in QueryModel.model_fields
}
FACETS = tuple(_FACET_BY_FIELD.values())
Facet = Annotated[str, OneOf(FACETS)]


def _split_commas(values: list[str]) -> list[str]:
    return [word for value in values for word in value.split(",")]


class SearchQuery(Filters, NearQuery):
    facets: Annotated[list[Facet], BeforeValidator(_split_commas), Field(min_length=1, max_length=len(FACETS))] = Field(
        _NONE,
        description="Facets to count: one a parameter, or several separated by commas.",
        examples=[["language", "year"]],
    )
    sort: Annotated[str, OneOf(SORTS)] = Field(
        "relevance", description="Order of the hits: by relevance, year (newest or oldest first) or title."
    )
    cursor: str = text("The `next` value of the previous page.", longest=500)
    limit: Annotated[int, WholeNumber(1, 100)] = number(10, "Hits on a page.")
    highlight: Annotated[bool, Flag] = Field(False, description="Mark matching words in title and summary.")
    by_work: Annotated[bool, Flag] = Field(
        False, description="Return one hit per work, its best edition; `total` and facets still count records."
    )
    explain: Annotated[bool, Flag] = Field(
        False, description=f"Add the reasons for the rank of each hit; `limit` must be at most {MOST_EXPLAINED}."
    )

    @model_validator(mode="after")
    def _limit_explanations(self) -> SearchQuery:
        if self.explain and self.limit > MOST_EXPLAINED:
            details = {"least": 1, "most": MOST_EXPLAINED}
            line = InitErrorDetails(
                type=PydanticCustomError("whole_number", "not a whole number", details),
                loc=("limit",),
                input=self.limit,
            )
            raise ValidationError.from_exception_data("SearchQuery", [line])
        return self


class SuggestQuery(QueryModel):
    q: str = text("The text typed so far.", longest=100, example="rob", required=True)
    limit: Annotated[int, WholeNumber(1, 20)] = number(8, "Largest number of suggestions.")


def read_query(model: type[Model], request: Request, *, strict: bool = False) -> Model:
    """Read the query parameters of a request, with the same result as FastAPI.

    strict  refuse undeclared parameters, as the API does; pages ignore them
    raises  Invalid  PARAMETER_UNKNOWN, PARAMETER_REPEATED, PARAMETER_MISSING, PARAMETER_TOO_LONG,
                     PARAMETER_NOT_A_NUMBER, PARAMETER_NOT_A_CHOICE, PARAMETER_NOT_TEXT
    """
    parameters = parameters_of(model)
    values: dict[str, Any] = {}
    for name, value in parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True):
        takes_list = parameters.get(name)
        if takes_list:
            values.setdefault(name, []).append(value)
        elif name in values:
            values[name] = [value]  # validation refuses a list here as PARAMETER_REPEATED
        elif strict or takes_list is not None:
            values[name] = value
    try:
        return model.model_validate(values)
    except ValidationError as problem:
        raise invalid_request({**error, "loc": ("query", *error["loc"])} for error in problem.errors()) from None


@cache
def parameters_of(model: type[QueryModel]) -> dict[str, bool]:
    """Return for each parameter name whether the parameter takes a list."""
    return {field.alias or name: get_origin(field.annotation) is list for name, field in model.model_fields.items()}
