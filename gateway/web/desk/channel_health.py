"""/notices/channels: the health of channels, with a chart of the last 30 days, and the hours of digests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from chassis import clock
from gateway.clients import call, notifications
from gateway.sessions import may
from gateway.web.desk.notices import moment
from gateway.web.forms import Form, SignedInRouter, act_or_show, read_form, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import Wording, words_of
from rangkiang.notifications.v1 import notices_pb2 as wire

router = SignedInRouter()

DAYS = 30
# States of successful attempts, which form the lower part of a bar.
GOOD = ("accepted", "sent", "delivered", "read", "printed")
_BAR, _GAP, _HEIGHT = 8, 2, 60
_FORM_FIELDS = {"SENDING_WINDOW": "opens"}


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A channel for templates.

    days     (day, accepted, not accepted) of each of the last 30 days with attempts
    picture  the same numbers as a bar chart in SVG
    """

    status: wire.ChannelStatus
    last_at: str
    why: str
    picture: Markup
    days: list[tuple[str, int, int]]
    taken: int
    failed: int


@router.get("/notices/channels")
async def channels(request: Request) -> Response:
    return await _page(request)


@router.post("/notices/channels")
async def set_hours(request: Request) -> Response:
    """Change the hours in which digests are sent."""
    fields = await read_form(request)
    opens, closes = fields.text("opens")[:5], fields.text("closes")[:5]
    rules = wire.SendingRules(opens=opens, closes=closes, version=fields.version())
    form = signed_in_form(request, {"opens": opens, "closes": closes, "version": fields.text("version")})
    act = call(request, notifications(request).PutSendingRules, wire.PutSendingRulesRequest(rules=rules))
    return await act_or_show(request, act, "/notices/channels?saved=1", show=_page, form=form, form_fields=_FORM_FIELDS)


async def _page(request: Request, form: Form | None = None) -> Response:
    reply = await call(request, notifications(request).GetChannelStatus, wire.GetChannelStatusRequest())
    if form is None:
        rules = (await call(request, notifications(request).GetSendingRules, wire.GetSendingRulesRequest())).rules
        values = {"opens": rules.opens, "closes": rules.closes, "version": str(rules.version)}
        form = signed_in_form(request, values)
    words = words_of(request)
    return page(
        request,
        "channel_health.html",
        channels=[_view(channel, words, reply.zone) for channel in reply.channels],
        form=form,
        may_save=may(request, "notices.manage"),
        is_saved=request.query_params.get("saved") == "1",
    )


def _view(status: wire.ChannelStatus, words: Wording, zone: str) -> ChannelView:
    days = _count(status.days)
    taken, failed = sum(good for good, _ in days.values()), sum(bad for _, bad in days.values())
    name = words.code("notice_channel", status.name)
    label = words.say("notices.picture", channel=name, taken=words.number(taken), failed=words.number(failed))
    return ChannelView(
        status=status,
        last_at=moment(status.last_at, words, zone),
        why=words.code("notice_reason", status.last_reason) if status.last_reason else "",
        picture=picture(days, today=clock.now().date(), label=label),
        days=[(words.day(day), good, bad) for day, (good, bad) in sorted(days.items(), reverse=True)],
        taken=taken,
        failed=failed,
    )


def _count(rows: Iterable[wire.ChannelDay]) -> dict[date, tuple[int, int]]:
    """Return for each day the number of accepted messages and of those that were not accepted."""
    days: dict[date, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        days[date.fromisoformat(row.day)][row.state not in GOOD] += row.count
    return {day: (good, bad) for day, (good, bad) in days.items()}


def picture(days: dict[date, tuple[int, int]], *, today: date, label: str) -> Markup:
    """Return an SVG bar chart of the last 30 days: accepted messages below, those that were not accepted above."""
    last = max([today, *days])
    dates = [last - timedelta(days=DAYS - 1 - place) for place in range(DAYS)]
    most = max([1, *(good + bad for good, bad in days.values())])
    width = DAYS * (_BAR + _GAP) - _GAP
    bars: list[Any] = []
    for place, day in enumerate(dates):
        good, bad = days.get(day, (0, 0))
        x, top = place * (_BAR + _GAP), float(_HEIGHT)
        for count, name in ((good, "good"), (bad, "bad")):
            height = max(1.5, count / most * (_HEIGHT - 4)) if count else 0
            top -= height
            if height:
                bars.append(
                    Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
                        name, x, f"{top:.1f}", _BAR, f"{height:.1f}"
                    )
                )
    # The base line also marks days without messages.
    bars.append(Markup('<path class="axis" d="M0 {0}H{1}"/>').format(_HEIGHT, width))
    return Markup('<svg class="chart" role="img" aria-label="{}" viewBox="0 -2 {} {}">{}</svg>').format(
        label, width, _HEIGHT + 3, Markup("").join(bars)
    )
