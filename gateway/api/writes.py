"""The header If-Match of routes that change an object: the version that the caller has read."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header

from chassis.errors import Invalid
from gateway.problems import VersionNeeded

_VERSION = re.compile(r'^"([0-9]{1,18})"$')

_IfMatch = Annotated[
    str,
    Header(
        alias="If-Match",
        description="The version that the client has read, in quotation marks.",
        examples=['"7"'],
        json_schema_extra={"pattern": _VERSION.pattern},
    ),
]


async def _version(if_match: _IfMatch = "") -> int:
    if not if_match:
        raise VersionNeeded("IF_MATCH_MISSING")
    match = _VERSION.fullmatch(if_match.strip())
    if match is None:
        raise Invalid("IF_MATCH_INVALID")
    return int(match.group(1))


# Parameter of a route: the version in `If-Match: "7"`, which the route puts into its request message.
# raises  VersionNeeded  IF_MATCH_MISSING
#         Invalid        IF_MATCH_INVALID
Version = Annotated[int, Depends(_version)]


def version_tag(version: int) -> str:
    """Return the ETag for a version of an object. Clients send the ETag back as If-Match."""
    return f'"{version}"'
