"""Routes to read, change and restore notice templates, and to preview and test notices."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import OpenSet, choices, to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.writes import Version, versioned
from gateway.clients import Notifications, call
from gateway.request_guard import accept_bodies
from rangkiang.notifications.v1 import models
from rangkiang.notifications.v1 import templates_pb2 as wire

router = APIRouter(tags=["notice templates"], route_class=ApiRoute)

LONGEST_BODY_BYTES = 128 * 1024
# The service checks kinds, channels and languages; this pattern only bounds the input.
NAME_PATTERN = r"^[a-z_]{1,32}$"
Kind = Annotated[str, Path(description="Kind of notices.", pattern=NAME_PATTERN, examples=["due_soon"])]
Channel = Annotated[
    str,
    Path(description="Channel.", pattern=NAME_PATTERN, examples=["email"]),
    OpenSet(choices(wire.Template, "channel")),
]
Language = Annotated[
    str,
    Path(description="Language.", pattern=NAME_PATTERN, examples=["id"]),
    OpenSet(choices(wire.Template, "language")),
]


class PreviewBody(models.PreviewBody):
    """A preview of `text`, or of the template in force when `text` is absent."""

    facts: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=500)]] = Field(
        {},
        description="Values of variables, such as those of a loan; other variables get sample values.",
        max_length=40,
        examples=[{"title": "Robohnya Surau Kami"}],
    )


_ONE = "/templates/{notice_kind}/{channel}/{language}"


@router.get("/templates", **documented("Kinds and saved templates", "notifications.ListTemplates"))
async def list_templates(request: Request, query: NoParameters, notifications: Notifications) -> models.Templates:
    """List the kinds of notices with their variables, and the templates that the institution has saved."""
    reply = await call(request, notifications.ListTemplates, wire.ListTemplatesRequest())
    return to_model(models.Templates, reply)


@router.get(_ONE, **documented("A template", "notifications.GetTemplate"))
async def get_template(
    request: Request,
    response: Response,
    notice_kind: Kind,
    channel: Channel,
    language: Language,
    query: NoParameters,
    notifications: Notifications,
) -> models.Template:
    """Return the template in force. The ETag is its version."""
    message = wire.GetTemplateRequest(kind=notice_kind, channel=channel, language=language)
    return _template(response, (await call(request, notifications.GetTemplate, message)).template)


@router.put(_ONE, **documented("Change a template", "notifications.PutTemplate", errors=(409,)))
@accept_bodies(LONGEST_BODY_BYTES)
async def put_template(
    request: Request,
    response: Response,
    notice_kind: Kind,
    channel: Channel,
    language: Language,
    body: models.NoticeTextBody,
    notifications: Notifications,
    version: Version,
) -> models.Template:
    """Save a new version. An unknown or missing variable is refused, with its name and line."""
    message = wire.PutTemplateRequest(
        kind=notice_kind, channel=channel, language=language, version=version, text=to_message(wire.TemplateText, body)
    )
    return _template(response, (await call(request, notifications.PutTemplate, message)).template)


@router.get(f"{_ONE}/versions", **documented("Versions of a template", "notifications.ListTemplateVersions"))
async def list_template_versions(
    request: Request,
    notice_kind: Kind,
    channel: Channel,
    language: Language,
    query: NoParameters,
    notifications: Notifications,
) -> models.TemplateVersions:
    """List all versions, the newest first, each with the account and the time. Version 0 is the default text."""
    message = wire.ListTemplateVersionsRequest(kind=notice_kind, channel=channel, language=language)
    reply = await call(request, notifications.ListTemplateVersions, message)
    return to_model(models.TemplateVersions, reply)


@router.post(
    f"{_ONE}/versions", **documented("Restore an earlier version", "notifications.RestoreTemplate", errors=(404, 409))
)
async def restore_template(
    request: Request,
    response: Response,
    notice_kind: Kind,
    channel: Channel,
    language: Language,
    body: models.RestoreBody,
    notifications: Notifications,
    version: Version,
) -> models.Template:
    """Save a copy of an earlier version as the newest version."""
    path = {"kind": notice_kind, "channel": channel, "language": language}
    message = to_message(wire.RestoreTemplateRequest, body, version=version, **path)
    return _template(response, (await call(request, notifications.RestoreTemplate, message)).template)


@router.post(f"{_ONE}/tests", **documented("Send a test of a template", "notifications.SendTest", errors=(409,)))
async def send_notice_test(
    request: Request,
    notice_kind: Kind,
    channel: Channel,
    language: Language,
    body: models.NoticeTestBody,
    notifications: Notifications,
) -> models.NoticeTest:
    """Send the template in force, with sample values, to your own address. At most ten times an hour.

    A new address gets a code first (`code_sent`), at most five in an hour. Send the code to confirm the address; the
    code is valid for 15 minutes and five tries. A confirmed address stays until you give another one, or for 180 days
    without a test.
    """
    message = to_message(wire.SendTestRequest, body, kind=notice_kind, channel=channel, language=language)
    return to_model(models.NoticeTest, await call(request, notifications.SendTest, message))


@router.post("/notice-previews", **documented("Preview a notice", "notifications.PreviewNotice"))
@accept_bodies(LONGEST_BODY_BYTES)
async def preview_notice(request: Request, body: PreviewBody, notifications: Notifications) -> models.NoticePreview:
    """Render a notice from the template in force or from an unsaved text. Nothing is saved or sent."""
    message = to_message(wire.PreviewNoticeRequest, body, facts=body.facts)
    reply = await call(request, notifications.PreviewNotice, message)
    return to_model(models.NoticePreview, reply)


def _template(response: Response, message: wire.Template) -> models.Template:
    # Version 0 has an ETag too, because the first PUT sends it as If-Match.
    return versioned(response, to_model(models.Template, message), message.version)
