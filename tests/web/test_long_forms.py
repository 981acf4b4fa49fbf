"""Long forms: their parser reads the same as Starlette's, and refuses as many fields."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlencode

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from chassis import clock
from gateway import sessions
from gateway.request_guard import LONGEST_BODY_BYTES
from gateway.web.forms import parse_form, read_upload
from gateway.web.rendering import form_token
from rangkiang.members.v1 import sign_in_pb2 as wire

SECRET = "secret of the session"
T = TypeVar("T")


class SentForm(Request):
    """A request with a form of a signed-in person."""

    def __init__(self, body: bytes) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        session = sessions.BrowserSession(SECRET, "", clock.now(), clock.now(), wire.Account())
        scope = {
            "type": "http",
            "method": "POST",
            "headers": [(b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")],
            "app": None,  # a request with an application raises HTTPException
            "state": {"session": session},
        }
        super().__init__(scope, receive)


class FormParsedInLoop(SentForm):
    """A sent form that Starlette must not parse, because its parser runs in the event loop."""

    def form(self, **_: Any) -> Any:
        raise AssertionError("parsed in the event loop")


def result_of(coroutine: Coroutine[Any, Any, T]) -> T:
    # Browser tests leave a loop in the thread of the tests.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def parsed(body: bytes, *, most_fields: int = 2_000) -> list[tuple[str, Any]]:
    """The fields of a form with this body."""
    return result_of(parse_form(SentForm(body), most_fields, 0)).multi_items()


FIELDS = [("name", "Buya Hamka & anak"), ("empty", ""), ("name", "tanda = + % é أ"), ("lines", "satu\r\ndua")]


def test_a_long_form_has_the_fields_of_a_short_one() -> None:
    # Also an escape that is none, and a byte that is not escaped.
    short = f"{urlencode(FIELDS)}&odd=%zz".encode() + b"&raw=\xe9"
    long = short + b"&filling=" + b"x" * LONGEST_BODY_BYTES
    assert len(short) < LONGEST_BODY_BYTES < len(long)
    assert parsed(short)[: len(FIELDS)] == FIELDS
    assert parsed(long)[:-1] == parsed(short)


@pytest.mark.parametrize("filling", [1, LONGEST_BODY_BYTES])
def test_too_many_fields_are_refused_in_a_form_of_any_length(filling: int) -> None:
    body = b"&".join([b"a=1"] * 20 + [b"filling=" + b"x" * filling])
    assert len(parsed(body, most_fields=21)) == 21
    with pytest.raises(HTTPException) as refusal:
        parsed(body, most_fields=20)
    assert refusal.value.status_code == 400


def test_a_long_form_is_parsed_in_a_thread_also_where_a_file_is_expected() -> None:
    body = urlencode({"csrf": form_token(SECRET), "filling": "x" * LONGEST_BODY_BYTES}).encode()
    fields, content = result_of(read_upload(FormParsedInLoop(body), "picture"))
    assert (len(fields["filling"]), content) == (LONGEST_BODY_BYTES, b"")
