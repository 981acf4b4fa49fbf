"""/notices/print: letters for members whom no channel reaches, to print by group or street and to hand over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error
from gateway.clients import call, notifications
from gateway.request_guard import accept_bodies
from gateway.responses import download
from gateway.sessions import may
from gateway.web.desk.notices import moment
from gateway.web.forms import Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import words_of
from rangkiang.notifications.v1 import print_pb2 as wire

router = SignedInRouter()

ORDERS = ("group", "street")
PAPERS = ("a4", "58mm")
# Limits of one form: letters that are drawn within a second, and notices of one call of notifications.
MOST_LETTERS, MOST_NOTICES = 200, 1_000
# Enough for MOST_NOTICES ids of 37 characters each.
_BODY_BYTES = 256 * 1024


@router.get("/notices/print")
async def print_list(request: Request) -> Response:
    return await _page(request, signed_in_form(request))


@router.post("/notices/print/letters")
@accept_bodies(_BODY_BYTES)
async def letters(request: Request) -> Response:
    """Return a PDF with the letters of the members that the form names."""
    fields = await read_form(request)
    message = wire.PrintLettersRequest(
        member_ids=fields.text("members").split(),
        by=_order(fields.text("by")),
        paper=paper if (paper := fields.text("paper")) in PAPERS else PAPERS[0],
    )
    try:
        reply = await call(request, notifications(request).PrintLetters, message)
    except Error as problem:
        return await _page(request, refuse(request, signed_in_form(request), problem, {}))
    return download(reply.pdf, f"letters-{message.paper}.pdf", is_shown=True)


@router.post("/notices/print/handed-over")
@accept_bodies(_BODY_BYTES)
async def hand_over(request: Request) -> Response:
    """Record that the letters of the form were handed over."""
    fields = await read_form(request)
    message = wire.HandOverRequest(notice_ids=fields.text("notices").split())
    try:
        reply = await call(request, notifications(request).HandOver, message)
    except Error as problem:
        return await _page(request, refuse(request, signed_in_form(request), problem, {}))
    return redirect(f"/notices/print?by={_order(fields.text('by'))}&done={reply.count}")


def parts_of(letters: Iterable[wire.Letter]) -> Iterator[list[wire.Letter]]:
    """Divide the letters of a group into parts that are printed and handed over together."""
    part: list[wire.Letter] = []
    notices = 0
    for letter in letters:
        notices += len(letter.notice_ids)
        if part and (len(part) == MOST_LETTERS or notices > MOST_NOTICES):
            yield part
            part, notices = [], len(letter.notice_ids)
        part.append(letter)
    if part:
        yield part


def _order(name: str) -> str:
    return name if name in ORDERS else ORDERS[0]


async def _page(request: Request, form: Form) -> Response:
    by = _order(request.query_params.get("by", ""))
    reply = await call(request, notifications(request).ListPrint, wire.ListPrintRequest(by=by))
    words = words_of(request)
    done = request.query_params.get("done", "")
    return page(
        request,
        "print_list.html",
        groups=[
            (
                group,
                [(letter, moment(letter.oldest_at, words, reply.zone)) for letter in letters],
                " ".join(letter.member_id for letter in letters),
                " ".join(notice_id for letter in letters for notice_id in letter.notice_ids),
            )
            for group in reply.groups
            for letters in parts_of(group.letters)
        ],
        total=sum(len(group.letters) for group in reply.groups),
        has_more=reply.has_more,
        by=by,
        orders=ORDERS,
        papers=PAPERS,
        form=form,
        done=int(done) if done.isdecimal() and len(done) < 7 else 0,
        may_write=may(request, "notices.write"),
    )
