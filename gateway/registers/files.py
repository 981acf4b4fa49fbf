"""Responses with a whole register, read page by page: CSV while it is read, XLSX and PDF when they are complete."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Invalid
from chassis.output import csv_line, visible
from gateway.clients import call, catalog
from gateway.negotiation import language
from gateway.registers.layouts import Column, Sums, Words, columns_of, values_of
from gateway.responses import csv_head, download
from rangkiang.catalog.v1 import register_pb2 as wire

# Most entries of one call, and of one file.
_PAGE, MOST = 500, 100_000
_LONGEST_CELL = 32_000  # characters that spreadsheets allow, less some
_ACQUISITION = ("acquired_on", "source", "fund", "supplier", "document", "asset_code")
_ITEM = ("branch", "barcode", "call_number", "collection", "removal", "removed_on", "record_id", "id")
_BOOK = tuple(field.name for field in wire.AccessionBook.DESCRIPTOR.fields)
CSV_COLUMNS: Final = (
    "number", "entered_on", *_ACQUISITION, "amount", "currency",
    *("class" if name == "class_number" else name for name in _BOOK),
    *("record" if name == "record_id" else name for name in _ITEM),
)  # fmt: skip


async def register_as_csv(request: Request, message: wire.ListAccessionsRequest) -> Response:
    """Respond with all entries that a request finds. The first page is read before the response starts.

    raises  Invalid  REGISTER_TOO_LONG
    """
    first = await _first_page(request, message)

    async def lines() -> AsyncIterator[str]:
        yield csv_head(CSV_COLUMNS)
        async for entries in _pages(request, message, first):
            yield "".join(csv_line(_csv_cells(entry)) for entry in entries)

    return download(lines(), "accessions.csv")


async def register_as_xlsx(
    request: Request, message: wire.ListAccessionsRequest, *, layout: str, columns: str
) -> Response:
    """Respond with all entries as a workbook.

    raises  Invalid  REGISTER_TOO_LONG, REGISTER_LAYOUT_UNKNOWN, REGISTER_COLUMN_UNKNOWN
    """
    words = Words(language(request))
    chosen = columns_of(layout, columns, words.language)
    first = await _first_page(request, message)
    book = _Workbook(chosen, words, library=_library(first, words), scope=words.scope(message))
    async for entries in _pages(request, message, first):
        await run_in_threadpool(book.add, entries)
    return download(await run_in_threadpool(book.finish), "accessions.xlsx")


async def register_as_pdf(
    request: Request, message: wire.ListAccessionsRequest, *, layout: str, columns: str
) -> Response:
    """Respond with all entries as PDF, with numbers of the period that are not given.

    raises  Invalid  REGISTER_TOO_LONG, REGISTER_LAYOUT_UNKNOWN, REGISTER_COLUMN_UNKNOWN
    """
    # A local import: it takes 0.2 s, and only printing needs it.
    from gateway.registers.pdf import RegisterPdf

    words, out = Words(language(request)), io.BytesIO()
    chosen = columns_of(layout, columns, words.language)
    first = await _first_page(request, message)
    document = RegisterPdf(out, chosen, words=words, library=_library(first, words), scope=words.scope(message))
    async for entries in _pages(request, message, first):
        await run_in_threadpool(document.add, entries)
    of_period = wire.ListAccessionGapsRequest(
        entered_from=message.entered_from, entered_to=message.entered_to, limit=_PAGE
    )
    gaps: list[wire.AccessionGap] = []
    while True:
        reply = await call(request, catalog(request).ListAccessionGaps, of_period)
        gaps += reply.gaps
        if len(gaps) > MOST:
            raise Invalid("REGISTER_TOO_LONG", items=len(gaps), most=MOST)
        if not reply.cursor:
            break
        of_period.cursor = reply.cursor
    await run_in_threadpool(document.finish, gaps)
    return download(out.getvalue(), "accessions.pdf", is_shown=True)


async def _first_page(request: Request, message: wire.ListAccessionsRequest) -> wire.ListAccessionsReply:
    message.limit = _PAGE
    first = await call(request, catalog(request).ListAccessions, message)
    if first.totals.items > MOST:
        raise Invalid("REGISTER_TOO_LONG", items=first.totals.items, most=MOST)
    return first


async def _pages(
    request: Request, message: wire.ListAccessionsRequest, first: wire.ListAccessionsReply
) -> AsyncIterator[Sequence[wire.Accession]]:
    """Iterate over the pages. When a call fails the connection breaks, so that the client sees an incomplete file."""
    reply, message.without_totals = first, True
    while True:
        yield reply.entries
        if not reply.cursor:
            return
        message.cursor = reply.cursor
        reply = await call(request, catalog(request).ListAccessions, message)


def _library(reply: wire.ListAccessionsReply, words: Words) -> str:
    name = reply.library.en if words.language == "en" else reply.library.id
    return name or reply.library.id


def _csv_cells(entry: wire.Accession) -> list[str]:
    acquisition = entry.acquisition
    price = acquisition.price if acquisition.HasField("price") else None
    return [
        entry.number,
        entry.entered_on,
        *(getattr(acquisition, name) for name in _ACQUISITION),
        *(("", "") if price is None else (str(price.amount), price.currency)),
        *(getattr(entry.book, name) for name in _BOOK),
        *(getattr(entry, name) for name in _ITEM),
    ]


class _Workbook:
    """A workbook that is written row by row to a temporary file."""

    def __init__(self, columns: Sequence[Column], words: Words, *, library: str, scope: str) -> None:
        # A local import: it takes 0.2 s, and only workbooks need it.
        from openpyxl import Workbook
        from openpyxl.utils import get_column_letter

        self._columns, self._words, self._rows, self._sums = columns, words, 0, Sums.empty()
        self._book = Workbook(write_only=True)
        self._sheet: Any = self._book.create_sheet(words.say("heading")[:31])
        for place, column in enumerate(columns, start=1):
            self._sheet.column_dimensions[get_column_letter(place)].width = max(6, column.width * 0.75)
        self._sheet.freeze_panes = "A5"
        for text in (library, words.say("heading"), scope):
            self._sheet.append([self._cell(text, is_bold=True)])
        self._sheet.append([self._cell(column.heading, is_bold=True) for column in columns])

    def add(self, entries: Sequence[wire.Accession]) -> None:
        for entry in entries:
            self._rows += 1
            self._sums.add(entry)
            values = values_of(self._columns, entry, self._rows, self._words)
            self._sheet.append([self._cell(value) for value in values])

    def finish(self) -> bytes:
        """Write the totals. Returns the file."""
        self._sheet.append([])
        text = f"{self._words.say('total')}: {self._words.all_sums(self._sums)}"
        self._sheet.append([self._cell(text, is_bold=True)])
        out = io.BytesIO()
        self._book.save(out)
        return out.getvalue()

    def _cell(self, value: str | int | date | None, *, is_bold: bool = False) -> Any:
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.styles import Font

        if value is None or value == "":
            return None
        if not isinstance(value, str):
            number: Any = value
            cell: Any = WriteOnlyCell(self._sheet, number)
            cell.number_format = "yyyy-mm-dd" if isinstance(value, date) else "#,##0"
            return cell
        cell = WriteOnlyCell(self._sheet, visible(value)[:_LONGEST_CELL])
        # A text, also when it begins like a formula; the quote prefix keeps it one when somebody edits the cell.
        cell.data_type = "s"
        cell.quotePrefix = True
        if is_bold:
            cell.font = Font(bold=True)
        return cell
