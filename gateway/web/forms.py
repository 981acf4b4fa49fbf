"""Forms of pages: protection against other sites, Idempotency-Keys, and refusals by field."""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson
from cryptography.fernet import Fernet
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chassis import clock, ids
from chassis.errors import Error, Forbidden, KeyReused, NotFound, Outdated, Unauthenticated
from gateway import sessions
from gateway.negotiation import language
from gateway.request_guard import LONGEST_BODY_BYTES, READ_METHODS, header_fields
from gateway.web.rendering import form_token, here, local_target, page
from gateway.web.texts import Wording, wording

Endpoint = Callable[[Request], Awaitable[Response]]

# Cookies with the secret of a browser without a session, for the forms of signing in.
HTTPS_VISITOR, HTTP_VISITOR = "__Host-rangkiang-form", "rangkiang-form"
_VISITOR = re.compile(r"[A-Za-z0-9_-]{43}=")
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
MOST_FIELDS = 200
_API_NAME = re.compile(r"[_.\[]")  # such as guardian_relation or rows[7].loan_days
_LONGEST_AMOUNT = 13  # digits
# Limits of a form that is kept for the sign-in. A row of lending rules has 25 fields.
MOST_KEPT_FIELDS, _MOST_KEPT_BYTES = 2_500, 256 * 1024
# Longest body of the sign-in, which carries the kept form. Encryption makes the form a third longer.
SIGN_IN_BYTES = 512 * 1024
_NOT_KEPT = ("csrf", "key", "password", "new_password", "repeated", "totp")
_NO_STORE = {"Cache-Control": "no-store"}


@dataclass(slots=True)
class Form:
    """The data of a form for a template.

    token    proves that this site made the form
    key      Idempotency-Key of the act
    values   values by field; a list for a field with several values
    errors   sentences by field
    general  sentences that belong to no field
    status   of the page with the form: that of the refusal, 400 after `add_error`
    """

    token: str
    key: str
    values: Mapping[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    general: list[str] = field(default_factory=list)
    status: int = 200

    def add_error(self, name: str, sentence: str) -> None:
        """Add the sentence of a field with a wrong value; of no field when `name` is empty."""
        self.status = 400
        if name:
            self.errors[name] = sentence
        else:
            self.general.append(sentence)


class Fields(dict[str, str]):
    """The fields of a sent form, without control characters. Of a repeated field, `many` returns all values.

    files  the uploaded files by field
    """

    def __init__(self, data: FormData) -> None:
        self.files = {name: file for name, file in data.multi_items() if isinstance(file, UploadFile)}
        self.pairs = [(name, _printable(value)) for name, value in data.multi_items() if isinstance(value, str)]
        super().__init__(self.pairs)

    def many(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    def text(self, name: str) -> str:
        return self.get(name, "").strip()

    def version(self) -> int:
        """Return the version of the values that the form was made from; 0 without one."""
        version = self.text("version")
        return int(version) if version.isdecimal() and len(version) < 19 else 0


class SignedInRouter(APIRouter):
    """The routes of pages that need a session.

    Calls of the endpoints carry the session's token. Without a session, the reader is redirected to the sign-in page,
    which leads back afterwards.
    """

    def add_api_route(self, path: str, endpoint: Endpoint, **arguments: Any) -> None:
        super().add_api_route(path, _for_signed_in(endpoint), **arguments)


def _for_signed_in(endpoint: Endpoint) -> Endpoint:
    @wraps(endpoint)
    async def guarded(request: Request) -> Response:
        if sessions.act_for(request) is None:
            return await _to_sign_in(request)
        try:
            return await endpoint(request)
        except Unauthenticated as problem:
            if problem.reason not in sessions.ENDED:
                raise
            return await _to_sign_in(request)

    return guarded


async def _to_sign_in(request: Request) -> Response:
    """Return the sign-in page. The fields of a sent form are added to it, so that the form can be sent again."""
    back = here(request) if request.method in READ_METHODS else _page_of_form(request)
    fields = await _own_fields(request)
    if fields:
        form, secret = visitor_form(request)
        form.general.append(wording(language(request)).say("signin.form_kept"))
        resume = seal(secret, [request.url.path, fields])
        response = page(request, "sign_in.html", form=form, back=back, resume=resume, status=401)
        keep_visitor(request, response, secret)
    else:
        response = RedirectResponse(f"/sign-in?{urlencode({'back': back})}", status_code=303, headers=_NO_STORE)
    sessions.forget_ended(request, response)
    return response


async def _own_fields(request: Request) -> list[tuple[str, str]]:
    """Return the fields of a form that this site made for the session of the cookie, without passwords.

    Returns no fields of a form that is above the limits.
    """
    secret = request.cookies.get(sessions.cookie_name(request), "")
    if request.method in READ_METHODS or not secret:
        return []
    try:
        fields = await _read(request, secret, MOST_KEPT_FIELDS)
    except (Forbidden, HTTPException):  # HTTPException: more than MOST_KEPT_FIELDS fields
        return []
    pairs = [pair for pair in fields.pairs if pair[0] not in _NOT_KEPT]
    return pairs if len(orjson.dumps(pairs)) <= _MOST_KEPT_BYTES else []


def seal(secret: str, value: Any) -> str:
    """Return a JSON value in encrypted form, for a form between two steps. The key is only in the browser's cookie."""
    return Fernet(secret.encode()).encrypt_at_time(orjson.dumps(value), _now()).decode()


def unseal(secret: str, sealed: str, *, seconds: int) -> Any:
    """Return the value that `seal` encrypted for this browser.

    raises  InvalidToken  also when the value was sealed more than `seconds` ago
    """
    return orjson.loads(Fernet(secret.encode()).decrypt_at_time(sealed.encode(), seconds, _now()))


def _now() -> int:
    return int(clock.now().timestamp())


def _page_of_form(request: Request) -> str:
    """Return the path of the page with the form, from Referer; "/" without Referer."""
    referer = urlsplit(request.headers.get("referer", ""))
    return local_target(referer.path) if referer.netloc == request.url.netloc else "/"


def signed_in_form(request: Request, values: Mapping[str, Any] | None = None) -> Form:
    """Return a form for the reader's session, with the given values."""
    session = sessions.session_of(request)
    return Form(form_token(session.secret if session else ""), ids.new_id_text(), values or {})


async def read_form(request: Request, *, most_fields: int = MOST_FIELDS) -> Fields:
    """Read the form of a signed-in reader. Calls of this request then carry its Idempotency-Key.

    raises  Forbidden  FORM_FROM_ELSEWHERE, FORM_OUTDATED
    """
    session = sessions.session_of(request)
    return await _read(request, session.secret if session else "", most_fields)


async def read_upload(request: Request, name: str) -> tuple[Fields, bytes]:
    """Read a form (multipart/form-data) with one file, which is empty when none was chosen.

    raises  as `read_form`
    """
    session = sessions.session_of(request)
    fields = await _read(request, session.secret if session else "", most_files=1)
    file = fields.files.get(name)
    return fields, await file.read() if file is not None else b""


async def read_visitor_form(request: Request) -> Fields:
    """Read a form that `visitor_form` made.

    raises  as `read_form`
    """
    return await _read(request, visitor_secret(request))


async def _read(request: Request, secret: str, most_fields: int = MOST_FIELDS, most_files: int = 0) -> Fields:
    refuse_other_sites(request)
    fields = Fields(await parse_form(request, most_fields, most_files))
    # A browser without a secret has received no form.
    if not secret or not hmac.compare_digest(fields.get("csrf", "").encode(), form_token(secret).encode()):
        raise Forbidden("FORM_OUTDATED")
    forward_key(request, fields.get("key", ""))
    return fields


def forward_key(request: Request, key: str) -> None:
    """Let calls of this request carry the Idempotency-Key of its form; a new one when that is no key."""
    sessions.forward(request, b"idempotency-key", key if _KEY.fullmatch(key) else ids.new_id_text())


async def parse_form(request: Request, most_fields: int, most_files: int) -> FormData:
    """Parse the body of a form. A long one is parsed in a thread, because its escapes can take a tenth of a second.

    raises  HTTPException  400: too many fields or files
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded" or len(body := await request.body()) <= LONGEST_BODY_BYTES:
        return await request.form(max_files=most_files, max_fields=most_fields)
    try:
        # Latin-1 as in Starlette's parser: bytes that are not escaped stay what they are.
        pairs = await run_in_threadpool(
            parse_qsl, body.decode("latin-1"), keep_blank_values=True, max_num_fields=most_fields
        )
    except ValueError:
        raise HTTPException(400) from None
    return FormData(list[tuple[str, UploadFile | str]](pairs))


def refuse_other_sites(request: Request) -> None:
    """Refuse a form that a page of another site sends, if the browser's headers show this.

    raises  Forbidden  FORM_FROM_ELSEWHERE
    """
    fields = header_fields(request.scope)
    site, origin = fields.get(b"sec-fetch-site"), fields.get(b"origin")
    if site is not None and site not in (b"same-origin", b"none"):
        raise Forbidden("FORM_FROM_ELSEWHERE")
    if origin is not None:
        public_url: str = request.app.state.settings.public_url
        own = {request.url.netloc, urlsplit(public_url).netloc} - {""}
        if urlsplit(origin.decode("latin-1")).netloc not in own:
            raise Forbidden("FORM_FROM_ELSEWHERE")


def visitor_form(request: Request, values: Mapping[str, Any] | None = None) -> tuple[Form, str]:
    """Return a form for a browser without a session, and the secret, which the caller passes to `keep_visitor`."""
    secret = visitor_secret(request) or Fernet.generate_key().decode()
    return Form(form_token(secret), ids.new_id_text(), values or {}), secret


def visitor_secret(request: Request) -> str:
    """Return the secret (a Fernet key) in the cookie of a browser without a session; "" without the cookie."""
    secret = request.cookies.get(_visitor_name(request), "")
    # Browsers may send the cookie's value in quotation marks.
    secret = secret.strip('"')
    return secret if _VISITOR.fullmatch(secret) else ""


def keep_visitor(request: Request, response: Response, secret: str) -> Response:
    """Set the cookie with the secret of a browser without a session; an empty secret deletes the cookie."""
    sessions.set_cookie(request, response, _visitor_name(request), secret, seconds=None if secret else 0)
    return response


def _visitor_name(request: Request) -> str:
    return HTTPS_VISITOR if request.url.scheme == "https" else HTTP_VISITOR


def refuse(request: Request, form: Form, error: Error, form_fields: Mapping[str, str], *, labels: str = "") -> Form:
    """Put the sentences of an error into a form, and keep its Idempotency-Key for another attempt.

    After `Outdated`, the form has the newest version.

    form_fields  field of the form, by reason or by the fact `field` of a refusal
    labels       table of the texts with the labels of fields, which sentences name instead of the API's names
    raises       Unauthenticated  the session has ended
    """
    if isinstance(error, Unauthenticated) and error.reason in sessions.ENDED:
        raise error
    lang = language(request)
    form.status = error.http_status
    for refusal in error.refusals:
        field_name = str(refusal.facts.get("field", ""))
        name = form_fields.get(refusal.reason) or form_fields.get(field_name, field_name)
        label = _label(f"{labels}.", name, wording(lang)) if labels else ""
        sentence = _with_label(refusal.sentence.in_language(lang), field_name, label, wording(lang))
        if name in form_fields.values() or name in form.values:
            form.errors.setdefault(name, sentence)
        else:
            form.general.append(sentence)
    if isinstance(error, Outdated) and "version" in form.values:
        # The page shows that the values were changed meanwhile. If staff save again, they accept this version.
        form.values = {**form.values, "version": str(error.facts.get("version", form.values["version"]))}
    used: Mapping[bytes, bytes] = request.scope["state"].get("forwarded", {})
    if b"idempotency-key" in used and not isinstance(error, KeyReused):
        # Without a reply, it is unknown whether the act was done. The same key makes sure that it is done once.
        form.key = used[b"idempotency-key"].decode()
    return form


async def act_or_show(
    request: Request,
    act: Awaitable[Any],
    then: str,
    *,
    show: Callable[[Request, Form], Awaitable[Response]],
    form: Form | None = None,
    form_fields: Mapping[str, str] | None = None,
    labels: str = "",
) -> Response:
    """Await an act of a form, and redirect to the page `then`. After a refusal, show the form with its sentences.

    show         called as show(request, form)
    form         None for a form without values
    form_fields  as in `refuse`, and so is `labels`
    raises       NotFound  also that of the act
    """
    try:
        await act
    except NotFound:
        raise
    except Error as problem:
        form = refuse(request, form or signed_in_form(request), problem, form_fields or {}, labels=labels)
        return await show(request, form)
    return redirect(then)


def _label(table: str, field_name: str, words: Wording) -> str:
    """Return the label of a field, or of its last part; "" without one.

    The last part of `rows[0].period` is `period`, and that of `guardian_relation` is `relation`.
    """
    name = field_name.rpartition(".")[2]
    last = name.rpartition("_")[2]
    return words.texts.get(table + name) or words.texts.get(table + last, "")


def _with_label(sentence: str, field_name: str, label: str, words: Wording) -> str:
    """Return a sentence with the label of its field instead of the API's name; without a label, with "this field"."""
    if not field_name:
        return sentence
    shown = f"“{label}”" if label else words.say("form.this_field")
    sentence = sentence.replace(f"“{field_name}”", shown)
    if _API_NAME.search(field_name):  # a plain word such as "name" stays
        sentence = sentence.replace(field_name, shown)
    return sentence[:1].upper() + sentence[1:]


def whole_amount(text: str) -> int | None:
    """Return an amount as people write it, such as Rp85.000; -1 for "", None for one with decimals or no amount."""
    digits = re.sub(r"^Rp|[\s.]", "", text)
    if not digits:
        return -1
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST_AMOUNT else None


def redirect(path: str) -> Response:
    """Return a redirect (303) to the page to show after an act."""
    return RedirectResponse(path, status_code=303, headers=_NO_STORE)


def _printable(value: str) -> str:
    return "".join(letter for letter in value if letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cs"))
