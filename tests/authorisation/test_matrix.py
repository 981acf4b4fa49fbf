"""Every route has an entry in matrix.yaml, and its responses have the status of the entry."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import yaml
from fastapi.routing import iter_route_contexts

from chassis.context import system
from chassis.ids import new_id
from chassis.security.auth import Principal
from chassis.service import Resources
from chassis.settings import Settings
from gateway.app import create_app
from gateway.limits import Buckets
from gateway.sessions import HTTP_COOKIE
from gateway.web import assets
from gateway.web.account import notice_links
from gateway.web.rendering import form_token
from services.members.keys import Keys
from services.members.people.store import NewMember, register
from services.members.roles import MEMBER, scopes_of
from services.members.settings import MembersSettings
from services.members.sign_in.accounts import add_staff
from services.members.sign_in.clients import add_client, principal_of
from services.members.sign_in.sessions import begin_session
from services.members.tables import Institution
from tests.fakes.books import BOOKS
from tests.fakes.catalog import FakeCatalog
from tests.fakes.drafts import TEMPLATE_ID
from tests.fakes.institutions import FILE_ID, OWN
from tests.fakes.items import ITEM_ID
from tests.fakes.labels import PRINT_ID, RANGE_ID
from tests.fakes.running import running, served_catalog, served_gateway, served_members
from tests.fakes.shelves import WORK
from tests.fakes.tasks import TASK_ID

MATRIX: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "matrix.yaml").read_text())
BODY = "body"
SAMPLE = {
    "record_id": BOOKS[0].id,
    "work_id": WORK,
    "task_id": TASK_ID,
    "ending": "mrc",
    "page": "1",
    "facet": "subject",
    "kind": "author",
    "notice_kind": "due_soon",
    "channel": "email",
    "language": "id",
    "tongue": "id",
    "parent": "8",
    "item_id": ITEM_ID,
    "version": "3",
    "print_id": PRINT_ID,
    "range_id": RANGE_ID,
    "sheet": "a4-3x8",
    "place": "new",
    "template_id": TEMPLATE_ID,
    "digit": "8",
    "institution": OWN,
    "code": "PUSAT",
    "file_id": FILE_ID,
    "link": "nope",
    "reason": "NO_SUCH_REASON",
    "icon": "192",
    **dict.fromkeys(
        (
            "card_id",
            "offer_id",
            "block_id",
            "merge_id",
            "other_id",
            "loan_id",
            "request_id",
            "conversation_id",
            "notice_id",
            "webhook_id",
            "device_id",
        ),
        "0192f3a4-5b6c-7d8e-9f05-23456789abcd",
    ),
    "name": assets.address("site.css").rpartition("/")[2],
}


STAFF = ("desk", "cataloguer", "manager", "administrator", "stranger")
# The token and the cookie of this caller are invented: gets what `anonymous` gets, but protocols of partners refuse it.
INVENTED = "invented"
# Callers who may do little: two programs of partners, and an administrator's token with two scopes only.
NARROW = ("partner", "partner_members", "limited")
CALLERS = ("anonymous", "member", *STAFF, *NARROW)
LIMITED_SCOPES = frozenset({"account", "members.read"})


@dataclass
class Library:
    """A running gateway; for each caller but anonymous an access token, and for staff the cookie of a session."""

    address: str
    tokens: Callable[[str], str]
    cookies: dict[str, str]


@pytest.fixture(scope="module")
def library(request: pytest.FixtureRequest) -> Iterator[Library]:
    """The gateway with members in this process, or over gRPC."""
    with ExitStack() as stack:
        catalog = stack.enter_context(served_catalog(FakeCatalog()))
        address = stack.enter_context(served_gateway(catalog))
        members = running["members"]
        if request.param == "cluster":
            urls = {"members": stack.enter_context(served_members(members))}
            address = stack.enter_context(served_gateway(catalog, urls=urls, without=("members",)))
        yield Library(address, *_accounts(members))


def _accounts(members: Resources) -> tuple[Callable[[str], str], dict[str, str]]:
    """Add an account for each caller.

    Returns a function that gives a caller's token, which lives for five minutes, and the secrets of sessions.
    """
    test = system("test")
    keys = Keys(members.database, members.settings.of(MembersSettings))
    assert keys.master.fingerprint
    own, other = UUID(int=1), UUID(int=2)
    principals, cookies = {}, {}
    with members.database.transaction(test) as session:
        for institution_id, code in ((own, "PKS"), (other, "UNAND")):
            values = {"name_id": code, "name_en": code, "kind": "public", "zone": "Asia/Jakarta", "version": 1}
            session.add(Institution(id=institution_id, code=code, **values))
        session.flush()
        for caller in CALLERS[1:]:
            role = {"stranger": "administrator", "limited": "administrator"}.get(caller, caller)
            institution_id = other if caller == "stranger" else own
            if caller.startswith("partner"):
                program, _ = add_client(session, institution_id=own, name=caller, role=role, context=test, granter=None)
                principals[caller] = principal_of(program)
                continue
            account_id = new_id()
            if role != MEMBER:
                person = add_staff(
                    session, institution_id=institution_id, user=caller, name=caller, role_codes=[role], context=test,
                    granter=None,
                )  # fmt: skip
                account_id = person.account.id
                if caller in STAFF:
                    cookies[caller], _ = begin_session(session, person.account)
            scopes = LIMITED_SCOPES if caller == "limited" else scopes_of([role])
            principals[caller] = Principal(str(account_id), str(institution_id), str(new_id()), scopes)
        person = add_staff(
            session,
            institution_id=own,
            user="somebody",
            name="Somebody",
            role_codes=["desk"],
            context=test,
            granter=None,
        )
        client, _ = add_client(session, institution_id=own, name="program", role="desk", context=test, granter=None)
        SAMPLE["account_id"], SAMPLE["client_id"] = str(person.account.id), str(client.id)
        desk = replace(test, institution=str(own))
        new = NewMember({"name": "Buya Hamka", "category": "umum"})
        SAMPLE["member_id"] = str(register(session, new, context=desk, master=keys.master).id)
        ward = NewMember({"name": "Zaki", "category": "anak", "guardian_id": SAMPLE["member_id"]})
        register(session, ward, context=desk, master=keys.master)
    return lambda caller: keys.sign(principals[caller]), cookies


def routes(app: Any) -> set[str]:
    return {
        f"{method} {route.path}"
        for route in iter_route_contexts(app.routes)
        for method in (route.methods or set()) - {"HEAD"}
    }


def test_every_route_has_an_entry_and_every_entry_a_route() -> None:
    assert {entry.partition("?")[0] for entry in MATRIX} == routes(create_app(Settings()))


def expected(entry: str, caller: str) -> int:
    """The status for a caller: its own, else that of its kind: `signed_in`, 403 for a narrow caller, or `anonymous`.

    Pages know a caller by the cookie alone, so callers without a cookie are anonymous there.
    """
    statuses = MATRIX[entry]
    kind = "signed_in"
    if caller in ("anonymous", INVENTED) or (is_page(entry) and caller not in STAFF):
        kind = "anonymous"
    elif caller in NARROW and "signed_in" in statuses:
        return int(statuses.get(caller, 403))
    return int(statuses.get(caller, statuses.get(kind, statuses["anonymous"])))


def is_page(entry: str) -> bool:
    return " /api/" not in entry


def test_a_route_that_needs_a_token_says_what_every_caller_gets() -> None:
    named = {*CALLERS, INVENTED, "signed_in", BODY}
    assert not {entry: set(statuses) - named for entry, statuses in MATRIX.items() if set(statuses) - named}
    closed = [entry for entry, statuses in MATRIX.items() if statuses["anonymous"] == 401 and BODY not in statuses]
    assert not [
        entry for entry in closed if "signed_in" not in MATRIX[entry] and not set(CALLERS) <= set(MATRIX[entry])
    ]


def forged(token: str) -> str:
    """A token whose key and claims are those of another, without a valid signature."""
    return f"{token[:-8]}AAAAAAAA"


BODIES = {"half": b"{", "large": b"{" * 70_000, "half character": b'{"a": "\\ud800"}'}


# No body reaches members: the cluster needs one kind of body only.
@pytest.mark.parametrize("credential", ["none", "invented", "forged"])
@pytest.mark.parametrize(
    ("library", "kind"), [*(("embedded", kind) for kind in BODIES), ("cluster", "half")], indirect=["library"]
)
def test_a_stranger_gets_401_whatever_the_request_is(library: Library, credential: str, kind: str) -> None:
    body = BODIES[kind]
    sign_ins = {"POST /api/v1/sign-in", "POST /api/v1/tokens", "POST /api/v1/passwords"}
    tokens = {"invented": "x.y.z", "forged": forged(library.tokens("administrator"))}
    headers = {"Content-Type": "application/json"}
    if credential in tokens:
        headers["Authorization"] = f"Bearer {tokens[credential]}"
    with httpx.Client(base_url=library.address, timeout=20, verify=False) as http:
        operations = {
            f"{method.upper()} {path}"
            for path, methods in http.get("/openapi.json").json()["paths"].items()
            for method in methods
        }
        closed = {
            entry.partition("?")[0] for entry in MATRIX if " /api/" in entry and expected(entry, "anonymous") == 401
        }
        assert len(closed - sign_ins) > 90
        assert closed <= operations
        statuses = {}
        for operation in sorted(closed):
            method, _, path = operation.partition(" ")
            content = b"" if method == "GET" else body
            response = http.request(method, path.format_map(SAMPLE) + "?unknown=1", content=content, headers=headers)
            statuses[operation] = response.status_code
    too_large = 413 if len(body) > 65_536 else 400
    assert {operation: status for operation, status in statuses.items() if status != 401} == dict.fromkeys(
        sign_ins, too_large
    )


# The cluster verifies tokens and scopes by the same code, so one caller of each kind is enough there.
OF_CLUSTER = ("anonymous", "member", "desk", "administrator", "stranger", "partner", INVENTED)


@pytest.mark.parametrize(
    ("library", "caller"),
    [
        # First on the library of the test before.
        *(("cluster", caller) for caller in OF_CLUSTER),
        *(("embedded", caller) for caller in (*CALLERS, INVENTED)),
    ],
    indirect=["library"],
)
def test_a_caller_gets_the_status_in_the_matrix(library: Library, caller: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # All callers of this test, and of other tests in this process, open unknown links from one address.
    monkeypatch.setattr(notice_links, "failures", Buckets(notice_links.MOST_FAILURES))
    token = "x.y.z" if caller == INVENTED else library.tokens(caller) if caller != "anonymous" else ""
    credential = {"Authorization": f"Bearer {token}"} if token else {}
    wrong = {}
    cookie = INVENTED if caller == INVENTED else library.cookies.get(caller)
    cookies = {HTTP_COOKIE: cookie} if cookie else {}
    with httpx.Client(base_url=library.address, timeout=20, cookies=cookies, verify=False) as http:
        for entry, statuses in MATRIX.items():
            method, _, path = entry.partition(" ")
            # Pages know a caller by the cookie alone, and the API by the token alone: both are sent.
            headers = credential | (
                {} if method == "GET" else {"Idempotency-Key": str(uuid.uuid4()), "If-Match": '"99"'}
            )
            body = statuses.get(BODY)
            if isinstance(body, dict):
                body = {
                    name: value.replace("{caller}", caller) if isinstance(value, str) else value
                    for name, value in body.items()
                }
            if is_page(entry) and method == "POST" and caller in library.cookies:
                # With the token of the session; without it every form gets 403 (tests/web/test_staff_pages.py).
                form = {**(body or {}), "csrf": form_token(library.cookies[caller])}
                response = http.post(path.format_map(SAMPLE), data=form, headers=headers)
            else:
                response = http.request(method, path.format_map(SAMPLE), json=body, headers=headers)
            if response.status_code != expected(entry, caller):
                wrong[entry] = (response.status_code, response.text[:200])
    assert not wrong
