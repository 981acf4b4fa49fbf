"""Notices as CSV (RFC 4180) for spreadsheets, without names, addresses or texts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from chassis.output import csv_line
from gateway.api.serializers import plain
from gateway.clients import call, notifications
from gateway.responses import csv_head, download
from rangkiang.notifications.v1 import notices_pb2 as wire

# Most notices of one call, and of one file.
_PAGE, _MOST = 500, 200_000
_COLUMNS: Final = (
    "made_at", "due_at", "changed_at", "kind", "state", "reason", "channel", "title", "member_id", "loan_id", "item_id",
    "message_id", "id",
)  # fmt: skip


async def notices_as_csv(request: Request, message: wire.ListNoticesRequest) -> Response:
    """Respond with all pages of a list of notices in one file, at most the newest 200,000 notices.

    The first page is read before the response starts, so that a refusal is sent as a problem document.
    """
    message.limit, message.without_total = _PAGE, True
    stub = notifications(request)
    first = await call(request, stub.ListNotices, message)

    async def lines() -> AsyncIterator[str]:
        reply, count = first, 0
        yield csv_head(_COLUMNS)
        while True:
            yield "".join(csv_line(str(row[name] or "") for name in _COLUMNS) for row in map(plain, reply.notices))
            count += len(reply.notices)
            if not reply.cursor or count >= _MOST:
                return
            message.cursor = reply.cursor
            # When this call fails, the connection breaks, so that the client sees that the file is incomplete.
            reply = await call(request, stub.ListNotices, message)

    return download(lines(), "notices.csv")
