"""Routes to read, change and restore notice templates, and to preview and test notices."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.members import ERRORS, private
from gateway.api.notice_template_models import (
    NAME_PATTERN,
    NoticePreview,
    NoticeTest,
    NoticeTestBody,
    NoticeTextBody,
    PreviewBody,
    RestoreBody,
    Template,
    Templates,
    TemplateVersions,
)
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel
from gateway.api.serializers import plain
from gateway.api.writes import Version, version_tag
from gateway.clients import Notifications, call
from gateway.request_guard import accept_bodies
from rangkiang.notifications.v1 import templates_pb2 as wire

router = APIRouter(tags=["notice templates"], route_class=ApiRoute)

_SERVICE = "/rangkiang.notifications.v1.Notifications"
LONGEST_BODY_BYTES = 128 * 1024
Kind = Annotated[str, Path(description="Kind of notices.", pattern=NAME_PATTERN, examples=["due_soon"])]
Channel = Annotated[
    str, Path(description="email, whatsapp, sms, push or print.", pattern=NAME_PATTERN, examples=["email"])
]
Language = Annotated[str, Path(description="id or en.", pattern=NAME_PATTERN, examples=["id"])]
_TEXT_EXAMPLE: dict[str, Any] = {
    "subject": "Batas kembali buku: {{ due_on|date }}",
    "body": "**{{ title }}** kembali paling lambat {{ due_on|date }}.\n",
    "provider": {"name": "", "language": "", "parameters": []},
}
_EXAMPLE = {"kind": "due_soon", "channel": "email", "language": "id", "version": 1, "text": _TEXT_EXAMPLE,
            "saved_by": "0192f3a4-5b6c-7d8e-9f01-23456789ab01", "saved_at": "2026-11-26T03:12:00Z"}  # fmt: skip
_LIST_EXAMPLE = {
    "kinds": [
        {
            "name": "due_soon",
            "label": {"id": "Pengingat jatuh tempo", "en": "Due date reminder"},
            "channels": ["push", "whatsapp", "email", "sms", "print"],
            "variables": [
                {"name": "title", "label": {"id": "Judul buku", "en": "Title of the book"}, "type": "text",
                 "in_subject": False, "is_required": True, "fields": []},
            ],
            "is_digest": True, "is_marketing": False, "has_code": False,
        },
    ],
    "channels": ["email", "whatsapp", "sms", "push", "print"],
    "saved": [{"kind": "due_soon", "channel": "email", "language": "id", "version": 1}],
}  # fmt: skip
_PREVIEW_EXAMPLE = {
    "subject": "",
    "text": 'Perpustakaan Kota: "Kemarau" mohon dikembalikan paling lambat Selasa, 24 November 2026.',
    "html": "",
    "provider": {"name": "", "language": "", "parameters": []},
    "sms_length": 88,
    "sms_messages": 1,
}
_ONE = "/templates/{notice_kind}/{channel}/{language}"


@router.get(
    "/templates",
    response_model=Templates,
    **documented(operation="list_templates", summary="Kinds and saved templates", example=_LIST_EXAMPLE, errors=ERRORS),
)
async def list_all(request: Request, query: Annotated[QueryModel, Query()], notifications: Notifications) -> Response:
    """List the kinds of notices with their variables, and the templates that the institution has saved."""
    reply = await call(request, notifications.ListTemplates, wire.ListTemplatesRequest())
    return private(Templates(**plain(reply)))


@router.get(
    _ONE,
    response_model=Template,
    **documented(operation="get_template", summary="A template", example=_EXAMPLE, errors=ERRORS),
)
async def get(
    request: Request,
    notice_kind: Kind,
    channel: Channel,
    language: Language,
    query: Annotated[QueryModel, Query()],
    notifications: Notifications,
) -> Response:
    """Return the template in force. The ETag is its version."""
    message = wire.GetTemplateRequest(kind=notice_kind, channel=channel, language=language)
    return _template((await call(request, notifications.GetTemplate, message)).template)


@router.put(
    _ONE,
    response_model=Template,
    **documented(
        operation="put_template",
        summary="Change a template",
        example=_EXAMPLE,
        errors=(*ERRORS, 409),
        method=f"{_SERVICE}/PutTemplate",
    ),
)
@accept_bodies(LONGEST_BODY_BYTES)
async def put(
    request: Request,
    notice_kind: Kind,
    channel: Channel,
    language: Language,
    body: NoticeTextBody,
    notifications: Notifications,
    version: Version,
) -> Response:
    """Save a new version. An unknown or missing variable is refused, with its name and line."""
    message = wire.PutTemplateRequest(
        kind=notice_kind, channel=channel, language=language, version=version, text=body.message()
    )
    return _template((await call(request, notifications.PutTemplate, message)).template)


@router.get(
    f"{_ONE}/versions",
    response_model=TemplateVersions,
    **documented(
        operation="list_template_versions",
        summary="Versions of a template",
        example={"total": 1, "hits": [_EXAMPLE]},
        errors=ERRORS,
    ),
)
async def versions(
    request: Request,
    notice_kind: Kind,
    channel: Channel,
    language: Language,
    query: Annotated[QueryModel, Query()],
    notifications: Notifications,
) -> Response:
    """List all versions, the newest first, each with the account and the time. Version 0 is the default text."""
    message = wire.ListTemplateVersionsRequest(kind=notice_kind, channel=channel, language=language)
    reply = await call(request, notifications.ListTemplateVersions, message)
    hits = [Template(**plain(one)) for one in reply.versions]
    return private(TemplateVersions(total=len(hits), hits=hits))


@router.put(
    f"{_ONE}/versions",
    response_model=Template,
    **documented(
        operation="restore_template",
        summary="Restore an earlier version",
        example=_EXAMPLE,
        errors=(*ERRORS, 404, 409),
        method=f"{_SERVICE}/RestoreTemplate",
    ),
)
async def restore(
    request: Request,
    notice_kind: Kind,
    channel: Channel,
    language: Language,
    body: RestoreBody,
    notifications: Notifications,
    version: Version,
) -> Response:
    """Save a copy of an earlier version as the newest version."""
    message = wire.RestoreTemplateRequest(
        kind=notice_kind, channel=channel, language=language, version=version, earlier=body.version
    )
    return _template((await call(request, notifications.RestoreTemplate, message)).template)


@router.post(
    f"{_ONE}/test",
    response_model=NoticeTest,
    **documented(
        operation="send_notice_test",
        summary="Send a test of a template",
        example={"state": "accepted", "reason": ""},
        errors=(*ERRORS, 409),
        method=f"{_SERVICE}/SendTest",
    ),
)
async def send_test(
    request: Request,
    notice_kind: Kind,
    channel: Channel,
    language: Language,
    body: NoticeTestBody,
    notifications: Notifications,
) -> Response:
    """Send the template in force, with sample values, to your own address. At most ten times an hour.

    A new address gets a code first (`code_sent`), at most five in an hour. Send the code to confirm the address; the
    code is valid for 15 minutes and five tries. A confirmed address stays until you give another one, or for 180 days
    without a test.
    """
    message = wire.SendTestRequest(kind=notice_kind, channel=channel, language=language, to=body.to, code=body.code)
    return private(NoticeTest(**plain(await call(request, notifications.SendTest, message))))


@router.post(
    "/notices/preview",
    response_model=NoticePreview,
    **documented(
        operation="preview_notice",
        summary="Preview a notice",
        example=_PREVIEW_EXAMPLE,
        errors=ERRORS,
        method=f"{_SERVICE}/PreviewNotice",
    ),
)
@accept_bodies(LONGEST_BODY_BYTES)
async def preview(request: Request, body: PreviewBody, notifications: Notifications) -> Response:
    """Render a notice from the template in force or from an unsaved text. Nothing is saved or sent."""
    message = wire.PreviewNoticeRequest(
        kind=body.kind,
        channel=body.channel,
        language=body.language,
        text=body.text.message() if body.text else None,
        facts=body.facts,
    )
    reply = await call(request, notifications.PreviewNotice, message)
    return private(NoticePreview(**plain(reply)))


def _template(message: wire.Template) -> Response:
    response = private(Template(**plain(message)))
    # Version 0 needs an ETag too, because the first PUT sends it as If-Match.
    response.headers["ETag"] = version_tag(message.version)
    return response
