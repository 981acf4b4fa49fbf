"""Large files that staff send, read as a stream from a form or a body, and passed on to the catalogue in parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from chassis.errors import Invalid
from gateway.clients import call, catalog
from rangkiang.catalog.v1 import tasks_pb2 as wire

LONGEST_UPLOAD_BYTES = 200 << 20
LONGEST_FORM_BYTES = LONGEST_UPLOAD_BYTES + (64 << 10)  # with the other fields of the form
PART_BYTES = 1 << 20
MULTIPART = b"multipart/form-data"
_MOST_FIELDS, _MOST_HEADERS, _LONGEST_FIELD = 20, 10, 4_000
_LONGEST_NAME = 200


async def store_upload(request: Request, upload: wire.StartUploadRequest, chunks: AsyncIterator[bytes]) -> wire.Task:
    """Pass a file on, one part of 1 MB in memory at a time. Returns the task that checks it.

    The first call is refused before the body is read when the caller may not send files.
    """
    stub, parts, size, waiting = catalog(request), 0, 0, bytearray()
    started = await call(request, stub.StartUpload, upload)

    async def send(content: bytes) -> None:
        nonlocal parts, size
        message = wire.AddUploadPartRequest(id=started.id, number=parts, content=content)
        await call(request, stub.AddUploadPart, message)
        parts, size = parts + 1, size + len(content)

    async for chunk in chunks:
        waiting += chunk
        while len(waiting) >= PART_BYTES:
            await send(bytes(waiting[:PART_BYTES]))
            del waiting[:PART_BYTES]
    if waiting:
        await send(bytes(waiting))
    message = wire.FinishUploadRequest(id=started.id, parts=parts, size=size, upload=upload)
    task: wire.Task = await call(request, stub.FinishUpload, message)
    return task


def base_name(name: str) -> str:
    """Return the last part of a file's name, which is only shown, without control characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[:_LONGEST_NAME]


class MultipartFile:
    """A form (multipart/form-data) with one file, which is its last field; the other fields are short texts.

    fields  of the form before the file, after `begin`
    name    of the file, as the client gives it

    raises  Invalid  FORM_MALFORMED, UPLOAD_CUT
    """

    def __init__(self, request: Request) -> None:
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        if kind != MULTIPART or not options.get(b"boundary"):
            raise Invalid("FORM_MALFORMED")
        self.fields: dict[str, str] = {}
        self.name = ""
        self._stream = request.stream()
        self._headers: dict[bytes, bytes] = {}
        self._header, self._value, self._field = b"", b"", b""
        self._text = bytearray()
        self._content: list[bytes] = []
        self._is_file = self._has_file = self._is_complete = False
        callbacks: Any = {
            "on_part_begin": self._begin_part, "on_header_field": self._add_header, "on_header_value": self._add_value,
            "on_header_end": self._end_header, "on_headers_finished": self._begin_content,
            "on_part_data": self._add_content, "on_part_end": self._end_part, "on_end": self._end,
        }  # fmt: skip
        self._parser = MultipartParser(options[b"boundary"], callbacks)

    async def begin(self) -> None:
        """Read the fields until the file begins, or until the end of a form without one."""
        while not self._has_file and await self._read():
            pass

    async def chunks(self) -> AsyncIterator[bytes]:
        """Return the content of the file; what follows it is ignored."""
        while True:
            content, self._content = self._content, []
            for chunk in content:
                yield chunk
            if not await self._read():
                break
        if not self._is_complete:
            raise Invalid("UPLOAD_CUT")

    async def _read(self) -> bool:
        chunk = await anext(self._stream, None)
        if chunk is None:
            return False
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise Invalid("FORM_MALFORMED") from None
        return True

    def _begin_part(self) -> None:
        self._headers, self._is_file = {}, False
        self._text.clear()

    def _add_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        if len(self._header) > _LONGEST_FIELD or len(self._headers) >= _MOST_HEADERS:
            raise Invalid("FORM_MALFORMED")

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        if len(self._value) > _LONGEST_FIELD:
            raise Invalid("FORM_MALFORMED")

    def _end_header(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def _begin_content(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._field = options.get(b"name", b"")
        if b"filename" in options and not self._has_file:
            self._is_file = self._has_file = True
            self.name = options[b"filename"].decode("utf-8", "replace")

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._content.append(data[start:end])
        elif not self._has_file:
            self._text += data[start:end]
            if len(self._text) > _LONGEST_FIELD:
                raise Invalid("FORM_MALFORMED")

    def _end_part(self) -> None:
        if not self._has_file:
            self.fields[self._field.decode("utf-8", "replace")] = self._text.decode("utf-8", "replace")
            if len(self.fields) > _MOST_FIELDS:
                raise Invalid("FORM_MALFORMED")

    def _end(self) -> None:
        self._is_complete = True
