"""Sign-in and password codes answer alike for an unknown name and a wrong secret, after the same work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import argon2
import pytest
from sqlalchemy import event

from chassis.errors import Error
from rangkiang.members.v1 import cards_pb2, staff_pb2
from rangkiang.members.v1 import sign_in_pb2 as wire
from services.members.sign_in import passwords
from tests.services.members.conftest import Office
from tests.services.members.desk import Desk

WRONG = "a wrong password"


class Work:
    """What a call costs that takes time: argon2, statements and commits."""

    def __init__(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        for name in ("hash", "verify"):
            original = getattr(argon2.PasswordHasher, name)

            def count(*arguments: Any, name: str = name, original: Callable[..., Any] = original) -> Any:
                self.done.append(f"argon2 {name}")
                return original(*arguments)

            monkeypatch.setattr(argon2.PasswordHasher, name, count)
        engine = office.database.writer
        event.listen(engine, "after_cursor_execute", self._statement)
        event.listen(engine, "commit", lambda _: self.done.append("commit"))

    def _statement(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        self.done.append("write" if statement.lstrip().split()[0] in ("INSERT", "UPDATE", "DELETE") else "read")

    def of(self, call: Callable[[], Any]) -> tuple[list[str], str]:
        """Return the work of a refused call, and what it answered."""
        self.done.clear()
        with pytest.raises(Error) as refusal:
            call()
        error = refusal.value
        return list(self.done), repr((error.reason, error.facts, error.sentence, error.http_status))


@pytest.fixture
def work(office: Office, monkeypatch: pytest.MonkeyPatch) -> Work:
    passwords.verify_password("", "")  # makes the hash of unknown users, once in a process
    return Work(office, monkeypatch)


def test_a_sign_in_of_nobody_takes_the_work_of_a_wrong_password(office: Office, work: Work) -> None:
    office.staff("budi", "desk")
    office.staff("siti", "administrator")
    number = Desk(office).register("Member Without Account").number
    results = {
        user: work.of(lambda user=user: office.sign_in(user, WRONG, address="10.0.0.8"))  # type: ignore[misc]
        for user in ("budi", "siti", "nobody", "1999999999", number, "x' OR 1=1", "  ", "n" * 300)
    }
    assert results["budi"][0].count("argon2 verify") == 1
    assert results["budi"][0].count("commit") == 2
    assert {user for user, result in results.items() if result != results["budi"]} == set()


def test_a_password_code_of_nobody_is_refused_as_a_wrong_one(office: Office, work: Work) -> None:
    desk = Desk(office)
    with_slip, without = desk.register("Siti With"), desk.register("Budi Without")
    desk.call("MakeSlip", cards_pb2.MakeSlipRequest(id=with_slip.id))

    def use(number: str) -> Callable[[], Any]:
        request = cards_pb2.UseSlipRequest(
            number=number, code="WRONG234", password="lampu perahu kemarau", address="10.0.0.8"
        )
        return lambda: office.stub.UseSlip(request)

    results = {number: work.of(use(number)) for number in (with_slip.number, without.number, "1999999999", "nobody")}
    assert {answer for _, answer in results.values()} == {results["nobody"][1]}
    for done, _ in results.values():
        assert [act for act in done if act.startswith("argon2")] == ["argon2 hash"]
        assert done.count("commit") == results["nobody"][0].count("commit")


def test_a_client_that_does_not_exist_is_refused_in_the_words_of_a_wrong_secret(office: Office, work: Work) -> None:
    request = staff_pb2.AddClientRequest(name="opac", role="desk")
    existing_id = Desk(office, "administrator").call("AddClient", request).client.id

    def refuse(client_id: str) -> str:
        token = wire.IssueTokenRequest(client_id=client_id, client_secret=WRONG)
        return work.of(lambda: office.stub.IssueToken(token))[1]

    assert refuse(existing_id) == refuse("0192f3a4-0000-7000-8000-0000000000ff") == refuse("nobody")


def test_a_password_is_hashed_with_the_parameters_that_owasp_demands() -> None:
    # In a process of its own, because tests hash with weaker parameters (tests/conftest.py).
    code = "from services.members.sign_in.passwords import hash_password; print(hash_password('secret'))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
