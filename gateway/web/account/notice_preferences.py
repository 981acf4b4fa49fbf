"""/account/notices and /members/{id}/notices: switches for kinds of notices and for channels; and devices."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error
from gateway.clients import call, members, notifications
from gateway.sessions import may
from gateway.web.desk.notices import notice_rows
from gateway.web.forms import Fields, Form, SignedInRouter, act_or_show, read_form, redirect, refuse, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import words_of
from rangkiang.members.v1 import people_pb2
from rangkiang.notifications.v1 import devices_pb2
from rangkiang.notifications.v1 import notices_pb2 as wire

router = SignedInRouter()

_LAST = 20
# The first match in this order names the browser, because many browsers also name Chrome and Safari.
_BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser/", "Samsung Internet"), ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"), ("Chrome/", "Chrome"), ("CriOS/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"), ("Linux", "Linux"),
)  # fmt: skip


@router.get("/account/notices")
async def own_notices(request: Request) -> Response:
    return await _own_page(request, signed_in_form(request))


@router.post("/account/notices")
async def change_own(request: Request) -> Response:
    fields = await read_form(request)
    message = wire.PutOwnPreferencesRequest(choices=_choices(fields))
    act = call(request, notifications(request).PutOwnPreferences, message)
    return await act_or_show(request, act, "/account/notices?saved=1", show=_own_page)


@router.get("/members/{member_id}/notices")
async def member_notices(request: Request) -> Response:
    return await _member_page(request, signed_in_form(request))


@router.post("/members/{member_id}/notices")
async def change_of_member(request: Request) -> Response:
    """Change the preferences of a member who asks for this at the desk."""
    fields = await read_form(request)
    member_id: str = request.path_params["member_id"]
    message = wire.PutPreferencesRequest(member_id=member_id, choices=_choices(fields))
    act = call(request, notifications(request).PutPreferences, message)
    return await act_or_show(request, act, f"/members/{member_id}/notices?saved=1", show=_member_page)


@router.post("/account/notices/devices")
async def add_device(request: Request) -> Response:
    """Add the browser that sends the form. The page's script filled in the subscription."""
    fields = await read_form(request)
    message = devices_pb2.AddOwnDeviceRequest(
        endpoint=fields.text("endpoint"),
        p256dh=fields.text("p256dh"),
        auth=fields.text("auth"),
        name=device_name(request.headers.get("user-agent", "")),
    )
    act = call(request, notifications(request).AddOwnDevice, message)
    return await act_or_show(request, act, "/account/notices?device=added#devices", show=_own_page)


@router.post("/account/notices/devices/{device_id}/remove")
async def remove_device(request: Request) -> Response:
    await read_form(request)
    message = devices_pb2.RemoveOwnDeviceRequest(id=request.path_params["device_id"])
    try:
        await call(request, notifications(request).RemoveOwnDevice, message)
    except Error as problem:
        form = refuse(request, signed_in_form(request), problem, {})
        return await _own_page(request, form)
    return redirect("/account/notices?device=removed#devices")


def device_name(user_agent: str) -> str:
    """Return a name for a browser that a member recognises, such as "Chrome, Android"; "" when unknown."""
    browser = next((name for word, name in _BROWSERS if word in user_agent), "")
    system = next((name for word, name in _SYSTEMS if word in user_agent), "")
    return ", ".join(filter(None, (browser, system)))


async def _own_page(request: Request, form: Form) -> Response:
    stub = notifications(request)
    preferences = (await call(request, stub.GetOwnPreferences, wire.GetOwnPreferencesRequest())).preferences
    devices = await call(request, stub.ListOwnDevices, devices_pb2.ListOwnDevicesRequest())
    last = (await call(request, stub.ListOwnNotices, wire.ListOwnNoticesRequest(limit=_LAST))).notices
    return page(
        request,
        "notice_preferences.html",
        path="/account/notices",
        back=("/account", "account.heading"),
        member=None,
        devices=devices,
        device=request.query_params.get("device", ""),
        preferences=preferences,
        rows=notice_rows(last, words_of(request), {}),
        may_save=True,
        form=form,
        is_saved=request.query_params.get("saved") == "1",
        is_private=True,
    )


async def _member_page(request: Request, form: Form) -> Response:
    member_id: str = request.path_params["member_id"]
    member = (await call(request, members(request).GetMember, people_pb2.GetMemberRequest(id=member_id))).member
    stub = notifications(request)
    question = wire.GetPreferencesRequest(member_id=member_id)
    preferences = (await call(request, stub.GetPreferences, question)).preferences
    last = await call(
        request, stub.ListNotices, wire.ListNoticesRequest(member_id=member_id, limit=_LAST, without_total=True)
    )
    return page(
        request,
        "notice_preferences.html",
        path=f"/members/{member_id}/notices",
        back=(f"/members/{member_id}", ""),
        member=member,
        preferences=preferences,
        rows=notice_rows(last.notices, words_of(request), {}),
        may_save=may(request, "notices.write"),
        form=form,
        is_saved=request.query_params.get("saved") == "1",
        is_private=True,
    )


def _choices(fields: Fields) -> wire.NoticeChoices:
    """Return the switches of a form: a box without a tick refuses its kind or channel."""
    return wire.NoticeChoices(kinds=fields.many("kind"), channels=fields.many("channel"))
