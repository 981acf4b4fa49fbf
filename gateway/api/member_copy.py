"""A copy of a member's data in the members service, with the loans, as one JSON document."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from chassis import clock
from chassis.errors import Forbidden, NotFound, TooLate, Unavailable
from chassis.models import to_model
from gateway.api.serializers import plain
from gateway.clients import call, circulation, members
from gateway.responses import download
from rangkiang.circulation.v1 import loans_pb2
from rangkiang.circulation.v1.models import Loan
from rangkiang.members.v1 import requests_pb2 as wire

_PAGE, _MOST = 500, 50_000


async def own_copy(request: Request) -> dict[str, Any]:
    """Return the caller's data in the members service, and the caller's open loans."""
    return _document(*await read_own(request))


async def read_own(request: Request) -> tuple[wire.ExportOwnMemberReply, list[loans_pb2.Loan] | None]:
    """Return the caller's data in members, and the open loans; None when circulation did not respond."""
    reply = await call(request, members(request).ExportOwnMember, wire.ExportOwnMemberRequest())
    try:
        own = await call(request, circulation(request).ListOwnLoans, loans_pb2.ListOwnLoansRequest())
    except NotFound:
        return reply, []
    except (Unavailable, TooLate):
        return reply, None
    return reply, list(own.loans)


async def copy_of(request: Request, member_id: str) -> dict[str, Any]:
    """Return a member's data in the members service, with open and ended loans, at most 50,000."""
    reply = await call(request, members(request).ExportMember, wire.ExportMemberRequest(id=member_id))
    message = loans_pb2.ListLoansRequest(member=reply.member.id, with_returned=True, limit=_PAGE)
    loans: list[loans_pb2.Loan] = []
    try:
        while len(loans) < _MOST:
            page = await call(request, circulation(request).ListLoans, message)
            loans += page.loans
            message.cursor = page.cursor
            if not page.cursor:
                break
    except NotFound:
        pass
    except (Unavailable, TooLate, Forbidden):
        return _document(reply, None)
    return _document(reply, loans)


def _document(
    reply: wire.ExportMemberReply | wire.ExportOwnMemberReply, loans: list[loans_pb2.Loan] | None
) -> dict[str, Any]:
    """Return the copy. `loans` None means that circulation did not respond; null marks the copy as incomplete."""
    return {
        "made_at": clock.utc_text(clock.now()),
        "member": plain(reply.member),
        "data_requests": [plain(row) for row in reply.requests],
        "loans": None if loans is None else [to_model(Loan, loan).model_dump(mode="json") for loan in loans],
    }


def as_file(document: dict[str, Any]) -> Response:
    """Respond with the document as a download that no cache stores. The file name contains no personal data."""
    content = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return download(content, "data.json")
