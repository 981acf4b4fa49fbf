"""Headers of routes that change an object: If-Match with the versions that the client accepts, and ETag."""

from __future__ import annotations

import re
from typing import Annotated, TypeVar

from fastapi import Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Invalid
from chassis.models import ResponseModel
from gateway.clients import ACCEPTED_VERSIONS
from gateway.problems import VersionNeeded

Model = TypeVar("Model", bound=ResponseModel)

# Entity tags with commas between them, or `*`.
_LIST = re.compile(r'^\s*(?:\*|(?:W/)?"[!#-~]*"(?:\s*,\s*(?:W/)?"[!#-~]*"){0,19})\s*$')
_VERSION = re.compile(r'(?<!W/)"([0-9]{1,18})"')  # the comparison is strong, so a weak tag names no version
_NO_VERSION = -1

_IfMatch = Annotated[
    str,
    Header(
        alias="If-Match",
        description="The version that the client has read, in quotation marks; a list of them; or `*` for any version.",
        examples=['"7"'],
        json_schema_extra={"pattern": _LIST.pattern},
    ),
]


async def _version(request: Request, if_match: _IfMatch) -> int:
    if not if_match:
        raise VersionNeeded("IF_MATCH_MISSING")
    if _LIST.fullmatch(if_match) is None:
        raise Invalid("IF_MATCH_INVALID")
    versions = {int(version) for version in _VERSION.findall(if_match)}
    request.scope["state"][ACCEPTED_VERSIONS] = None if if_match.strip() == "*" else versions
    return max(versions, default=_NO_VERSION)


# Parameter of a route: the newest version in `If-Match: "7"`, which the route puts into its request message. For a list
# and for `*`, `gateway.clients.call` repeats the call with the current version.
# raises  VersionNeeded  IF_MATCH_MISSING
#         Invalid        IF_MATCH_INVALID
Version = Annotated[int, Depends(_version)]


def version_tag(version: int) -> str:
    """Return the ETag for a version of an object. Clients send the ETag back as If-Match."""
    return f'"{version}"'


def versioned(response: Response, model: Model, version: int) -> Model:
    """Set the ETag of a response to the version of its object, and return the object's model."""
    response.headers["ETag"] = version_tag(version)
    return model
