"""/notices/templates: the editor of notice texts with a preview, and all versions of a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from chassis import clock
from chassis.errors import Error, Forbidden, Invalid, NotFound, TooLate, Unavailable
from gateway.clients import call, circulation, notifications
from gateway.negotiation import language
from gateway.request_guard import accept_bodies
from gateway.sessions import may
from gateway.web.desk.lending import branches, due_words, names_of
from gateway.web.forms import Fields, Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.hits import local_text
from gateway.web.rendering import page
from gateway.web.texts import Wording, wording, words_of
from rangkiang.circulation.v1 import loans_pb2
from rangkiang.notifications.v1 import templates_pb2 as wire

router = SignedInRouter()

LANGUAGES = ("id", "en")
WITH_SUBJECT = ("email", "push", "print")
# Channels on which staff can test a text, and states of a test that the provider accepted.
TRIED = ("email", "whatsapp", "sms")
TAKEN = ("accepted", "started")
CODE_SENT = "code_sent"
NOTES = {
    "saved": "notices.template_saved",
    "tested": "notices.test_sent",
    "not_tested": "notices.test_not_sent",
    "code_sent": "notices.test_code_sent",
}
_BODY_BYTES = 128 * 1024
_LOANS = 10
# Examples of markup, and the text key of each explanation.
MARKUP = (
    ("# Info", "heading"),
    ("- Info", "item"),
    ("**Info**", "bold"),
    ("[Info]({{ renew_link }})", "link"),
    ("{{ due_on|date }}", "date"),
    ("{% if phone %}…{% endif %}", "if"),
    ("{% for item in items %}\n- {{ item.title }}\n{% endfor %}", "for"),
)
_FORM_FIELDS = {name: name for name in ("subject", "body", "provider_name", "provider_language", "provider_parameters")}


@dataclass(frozen=True, slots=True)
class TemplateKey:
    """The template of a page."""

    kind: wire.TemplateKind
    channel: str
    language: str

    @property
    def path(self) -> str:
        return f"/notices/templates/{self.kind.name}/{self.channel}/{self.language}"

    def title(self, words: Wording) -> str:
        label = local_text(self.kind.label, words.language)
        channel, tongue = words.code("notice_channel", self.channel), words.code("notice_language", self.language)
        return f"{label} – {channel}, {tongue}"


@router.get("/notices/templates")
async def list_templates(request: Request) -> Response:
    reply = await call(request, notifications(request).ListTemplates, wire.ListTemplatesRequest())
    words = words_of(request)
    versions = {(version.kind, version.channel, version.language): version.version for version in reply.saved}
    kinds = [
        (
            local_text(kind.label, words.language),
            kind,
            [
                (
                    words.code("notice_channel", channel),
                    [
                        (TemplateKey(kind, channel, tongue).path, tongue, versions.get((kind.name, channel, tongue), 0))
                        for tongue in LANGUAGES
                    ],
                )
                for channel in reply.channels
                if channel in kind.channels
            ],
        )
        for kind in reply.kinds
    ]
    return page(request, "notice_templates.html", kinds=kinds)


@router.get("/notices/templates/{notice_kind}/{channel}/{tongue}")
async def show_template(request: Request) -> Response:
    template = await _template_of(request)
    message = wire.GetTemplateRequest(kind=template.kind.name, channel=template.channel, language=template.language)
    reply = await call(request, notifications(request).GetTemplate, message)
    form = signed_in_form(request, _values(reply))
    note = next((text for name, text in NOTES.items() if request.query_params.get(name)), "")
    return await _editor(request, template, form, note=note)


@router.post("/notices/templates/{notice_kind}/{channel}/{tongue}")
@accept_bodies(_BODY_BYTES)
async def change_template(request: Request) -> Response:
    """Save a text, show its preview, or show the HTML of the e-mail as a separate page."""
    template, fields = await _template_of(request), await read_form(request)
    form = signed_in_form(request, _typed(fields))
    act = fields.get("act", "preview")
    if act != "save":
        return await _editor(request, template, form, as_mail=act == "mail")
    message = wire.PutTemplateRequest(
        kind=template.kind.name,
        channel=template.channel,
        language=template.language,
        version=fields.version(),
        text=_text(form.values),
    )
    try:
        await call(request, notifications(request).PutTemplate, message)
    except Error as problem:
        refuse(request, form, problem, _FORM_FIELDS)
        return await _editor(request, template, form)
    return redirect(f"{template.path}?saved=1")


@router.post("/notices/templates/{notice_kind}/{channel}/{tongue}/test")
async def send_test(request: Request) -> Response:
    """Send the text in force, with sample values, to the reader's own address, or a code to confirm that address."""
    template, fields = await _template_of(request), await read_form(request)
    names = {"kind": template.kind.name, "channel": template.channel, "language": template.language}
    try:
        message = wire.SendTestRequest(**names, to=fields.text("to")[:254], code=fields.text("code")[:16])
        reply = await call(request, notifications(request).SendTest, message)
    except Error as problem:
        stored = await call(request, notifications(request).GetTemplate, wire.GetTemplateRequest(**names))
        form = signed_in_form(request, _values(stored) | {"to": fields.text("to")[:254]})
        refuse(request, form, problem, {"to": "to", "code": "code"})
        return await _editor(request, template, form)
    note = CODE_SENT if reply.state == CODE_SENT else "tested" if reply.state in TAKEN else "not_tested"
    return redirect(f"{template.path}?{note}=1")


@router.get("/notices/templates/{notice_kind}/{channel}/{tongue}/versions")
async def list_versions(request: Request) -> Response:
    return await _versions_page(request, await _template_of(request), signed_in_form(request))


@router.post("/notices/templates/{notice_kind}/{channel}/{tongue}/versions")
async def restore_version(request: Request) -> Response:
    """Restore an earlier version."""
    template, fields = await _template_of(request), await read_form(request)
    earlier = fields.text("earlier")
    message = wire.RestoreTemplateRequest(
        kind=template.kind.name,
        channel=template.channel,
        language=template.language,
        version=fields.version(),
        earlier=int(earlier) if earlier.isdecimal() and len(earlier) < 10 else 0,
    )
    try:
        await call(request, notifications(request).RestoreTemplate, message)
    except Error as problem:
        form = refuse(request, signed_in_form(request), problem, {})
        return await _versions_page(request, template, form)
    return redirect(f"{template.path}?saved=1")


async def _template_of(request: Request) -> TemplateKey:
    """Return the template of the URL.

    raises  NotFound  ROUTE_NOT_FOUND
    """
    params = request.path_params
    reply = await call(request, notifications(request).ListTemplates, wire.ListTemplatesRequest())
    kind = next((kind for kind in reply.kinds if kind.name == params["notice_kind"]), None)
    if kind is None or params["channel"] not in reply.channels or params["tongue"] not in LANGUAGES:
        raise NotFound("ROUTE_NOT_FOUND")
    return TemplateKey(kind, params["channel"], params["tongue"])


async def _versions_page(request: Request, template: TemplateKey, form: Form) -> Response:
    message = wire.ListTemplateVersionsRequest(
        kind=template.kind.name, channel=template.channel, language=template.language
    )
    versions = (await call(request, notifications(request).ListTemplateVersions, message)).versions
    return page(
        request,
        "notice_versions.html",
        edited=template,
        heading=template.title(words_of(request)),
        versions=versions,
        form=form,
        may_save=may(request, "templates.write"),
    )


async def _editor(
    request: Request, template: TemplateKey, form: Form, *, note: str = "", as_mail: bool = False
) -> Response:
    words = wording(language(request))
    loans = await _loans(request)
    preview = None
    message = wire.PreviewNoticeRequest(
        kind=template.kind.name,
        channel=template.channel,
        language=template.language,
        text=_text(form.values),
        facts=await _facts(request, template, loans, form.values.get("loan", "")),
    )
    try:
        preview = await call(request, notifications(request).PreviewNotice, message)
    except Invalid as problem:
        if not form.errors and not form.general:
            refuse(request, form, problem, _FORM_FIELDS)
    if as_mail and preview is not None and preview.html:
        # An e-mail has inline styles, which the policy of pages forbids. The policy of documents allows only styles.
        request.scope["state"]["is_drawing"] = True
        return HTMLResponse(preview.html, headers={"Cache-Control": "no-store"})
    return page(
        request,
        "notice_template.html",
        edited=template,
        heading=template.title(words),
        form=form,
        preview=preview,
        variables=[(variable, local_text(variable.label, words.language)) for variable in template.kind.variables],
        loans=[(loan.id, f"{loan.item.title} – {due_words(loan, words)}") for loan in loans],
        has_subject=template.channel in WITH_SUBJECT,
        may_test=template.channel in TRIED and may(request, "templates.write"),
        may_save=may(request, "templates.write"),
        note=note,
        markup=MARKUP,
    )


async def _loans(request: Request) -> list[loans_pb2.Loan]:
    """Return the loans of the institution that are due first, for previews; empty when they cannot be read."""
    try:
        reply = await call(request, circulation(request).ListLoans, loans_pb2.ListLoansRequest(limit=_LOANS))
    except (Unavailable, TooLate, Forbidden, NotFound):
        return []
    return list(reply.loans)


async def _facts(request: Request, template: TemplateKey, loans: list[loans_pb2.Loan], loan_id: str) -> dict[str, str]:
    """Return the facts of a real loan for a preview; empty without a loan."""
    loan = next((loan for loan in loans if loan.id == loan_id), None)
    if loan is None:
        return {}
    names = await names_of(request, [loan.member_id]) or {}
    name = names.get(loan.member_id, "")
    branch_names = dict(await branches(request))
    facts = {
        "title": loan.item.title[:200],
        "due_on": loan.due_on,
        "days": str(abs((date.fromisoformat(loan.due_on) - clock.now().date()).days)) if loan.due_on else "",
        "branch_name": branch_names.get(loan.branch, ""),
        "member_name": name,
        "recipient_name": name,
    }
    # The preview shows the sample's address and hours, which are not those of this branch.
    variables = {variable.name for variable in template.kind.variables}
    return {variable: value for variable, value in facts.items() if value and variable in variables}


def _values(reply: wire.GetTemplateReply) -> dict[str, str]:
    template, text = reply.template, reply.template.text
    return {
        "version": str(template.version),
        "subject": text.subject,
        "body": text.body,
        "provider_name": text.provider.name,
        "provider_language": text.provider.language,
        "provider_parameters": " ".join(text.provider.parameters),
        "loan": "",
        "test_address": reply.test_address,
    }


def _typed(fields: Fields) -> dict[str, str]:
    """Return the values of a form, with LF line ends as in stored texts."""
    names = (
        "version", "subject", "provider_name", "provider_language", "provider_parameters", "loan", "test_address",
    )  # fmt: skip
    return {**{name: fields.text(name)[:500] for name in names}, "body": fields.get("body", "").replace("\r\n", "\n")}


def _text(values: Mapping[str, str]) -> wire.TemplateText:
    return wire.TemplateText(
        subject=values["subject"],
        body=values["body"],
        provider=wire.ProviderTemplate(
            name=values["provider_name"],
            language=values["provider_language"],
            parameters=values["provider_parameters"].replace(",", " ").split(),
        ),
    )
