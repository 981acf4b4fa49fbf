"""Notices as CSV (RFC 4180) for spreadsheets, without names, addresses and texts."""

from __future__ import annotations

import csv
import io
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from chassis.spreadsheets import spreadsheet_cell
from gateway.api.loan_csv import CSV
from gateway.api.serializers import plain
from gateway.clients import call, notifications
from rangkiang.notifications.v1 import notices_pb2 as wire

# Notices of one call, and of one file.
_PAGE, _MOST = 500, 50_000
# Spreadsheets read a file as UTF-8 only when it begins with the byte order mark.
_MARK: Final = "\ufeff"
_COLUMNS: Final = (
    "made_at", "due_at", "changed_at", "kind", "state", "reason", "channel", "title", "member_id", "loan_id", "item_id",
    "message_id", "id",
)  # fmt: skip


async def notices_as_csv(request: Request, message: wire.ListNoticesRequest) -> Response:
    """Respond with all notices of a list, whatever its pages; of a longer list the first 50,000."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(_COLUMNS)
    message.limit, count = _PAGE, 0
    while count < _MOST:
        reply = await call(request, notifications(request).ListNotices, message)
        for notice in reply.notices:
            row = plain(notice)
            writer.writerow([spreadsheet_cell(str(row[name] or "")) for name in _COLUMNS])
        count += len(reply.notices)
        if not reply.cursor:
            break
        message.cursor = reply.cursor
    headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="notices.csv"'}
    return Response(_MARK + buffer.getvalue(), media_type=f"{CSV}; charset=utf-8", headers=headers)
