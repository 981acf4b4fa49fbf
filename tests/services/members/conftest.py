"""A migrated database of members for one test, on SQLite and on PostgreSQL, with two institutions and its servicer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pyotp
import pytest

from chassis import clock
from chassis.context import system
from chassis.database.db import Database
from chassis.errors import Error
from chassis.rpc import inproc
from chassis.rpc.client import sync_channel, token_verifier
from chassis.service import Resources
from chassis.settings import Settings, load
from chassis.urls import resolve
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy
from rangkiang.common.v1.text_pb2 import LocalText
from rangkiang.members.v1 import members_pb2
from rangkiang.members.v1 import sign_in_pb2 as wire
from rangkiang.members.v1.members_pb2_grpc import MembersStub
from services.members.institutions import copy_institutions
from services.members.keys import Keys
from services.members.service import SERVICE
from services.members.settings import MembersSettings
from services.members.sign_in import accounts
from tests.migrated import MigratedDatabases

TEST = system("test")
PKS = UUID("0192f3a4-0000-7000-8000-000000000001")
UNAND = UUID("0192f3a4-0000-7000-8000-000000000002")
PASSWORD = "kopi jendela sungai"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database(request: pytest.FixtureRequest, migrated: MigratedDatabases, tmp_path: Path) -> Iterator[Database]:
    """The database of members at its newest revision, with the institutions PKS and UNAND."""
    if request.param == "postgresql":
        request.getfixturevalue("servers")
    with migrated.open(SERVICE, request.param, tmp_path) as database:
        with database.transaction(TEST) as session:
            copy_institutions(session, [_institution(PKS, "PKS", "public"), _institution(UNAND, "UNAND", "academic")])
        yield database


def _institution(institution_id: UUID, code: str, kind: str) -> InstitutionCopy:
    name = LocalText(id=f"Perpustakaan {code}", en=f"{code} Library")
    return InstitutionCopy(id=str(institution_id), version=1, code=code, name=name, kind=kind, zone="Asia/Jakarta")


@dataclass
class Office:
    """Members as a client of its service sees it: calls go through the interceptors, with access tokens."""

    database: Database
    settings: Settings
    stub: Any
    keys: Keys

    def staff(self, user: str, *roles: str, institution: UUID = PKS) -> str:
        """Add a person of staff with the test's password. Returns the account's id."""
        with self.database.transaction(TEST) as session:
            person = accounts.add_staff(
                session, institution_id=institution, user=user, name=user.title(), role_codes=roles, context=TEST,
                granter=None,
            )  # fmt: skip
        with self.database.transaction(TEST) as session:
            link = accounts.make_link(session, accounts.staff_account(session, str(person.account.id)))
        secret = self.stub.GetLink(wire.GetLinkRequest(link=link)).totp_uri
        self.totp[user] = pyotp.parse_uri(secret) if secret else None
        code = self.code(user)
        self.stub.UseLink(wire.UseLinkRequest(link=link, password=PASSWORD, totp=code))
        return str(person.account.id)

    def code(self, user: str) -> str:
        """The code that the person's authenticator shows now; "" without one."""
        totp = self.totp[user]
        return str(totp.at(clock.now())) if totp is not None else ""

    def sign_in(self, user: str, password: str = PASSWORD, **more: Any) -> Any:
        return self.stub.SignIn(wire.SignInRequest(user=user, password=password, **more))

    def __post_init__(self) -> None:
        self.totp: dict[str, Any] = {}


@pytest.fixture
def more_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings of `office`, from `pytest.mark.parametrize(…, indirect=True)`."""
    return getattr(request, "param", {})


@pytest.fixture
def office(database: Database, tmp_path: Path, more_settings: dict[str, str]) -> Iterator[Office]:
    """The servicer of members in this process."""
    settings = load({"DATA": str(tmp_path / "var"), **more_settings})
    resources = Resources(settings=settings, database=database, service=SERVICE)
    servicer = resolve(SERVICE.rpc)(resources)
    inproc.register("members", servicer, resolve(SERVICE.adder), verifier=token_verifier(settings, servicer))
    keys = Keys(database, settings.of(MembersSettings))
    assert keys.master.fingerprint
    yield Office(database, settings, MembersStub(sync_channel("inproc:members", settings)), keys)
    inproc.unregister("members")


def bearer(token: wire.AccessToken | str) -> list[tuple[str, str]]:
    """Metadata of a call with an access token."""
    return [("authorization", f"Bearer {token if isinstance(token, str) else token.token}")]


def refusal(call: Callable[[], Any]) -> str:
    """The reason for which a call is refused; "" when it is not."""
    try:
        call()
    except Error as error:
        return error.reason
    return ""


def account(office: Office, token: wire.AccessToken | str) -> Any:
    return office.stub.GetAccount(members_pb2.GetAccountRequest(), metadata=bearer(token)).account
