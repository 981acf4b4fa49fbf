"""No command and no log prints a password, for any characters in it and any URL."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from urllib.parse import quote

import pytest

from chassis import output
from chassis.errors import Invalid
from chassis.metrics import telemetry
from chassis.output import json_text, visible
from chassis.settings import Settings
from chassis.urls import check_url
from tests.chassis.test_cli import run

PASSWORD = "K9@x:/?#[%\"'\\\u2100é"
URLS = {
    "DATABASE_URL": "postgresql+psycopg://app:{}@127.0.0.1:1/{{service}}",
    "DATABASE_OWNER_URL": "postgresql+psycopg://owner:{}@127.0.0.1:1/{{service}}",
    "BUS_URL": "amqp://app:{}@127.0.0.1:1/",
    "SEARCH_URL": "http://app:{}@127.0.0.1:1/catalog",
}


@pytest.fixture(autouse=True)
def hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """The passwords of one test are forgotten after it."""
    monkeypatch.setattr(output, "hidden_texts", set())


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        # Without a database nothing of a service is checked, so bus and index have a run of their own.
        (["doctor"], ["DATABASE_URL", "DATABASE_OWNER_URL"]),
        (["doctor"], ["BUS_URL", "SEARCH_URL"]),
        (["doctor", "--json"], ["DATABASE_URL", "DATABASE_OWNER_URL"]),
        (["doctor", "--json"], ["BUS_URL", "SEARCH_URL"]),
        (["migrate"], ["DATABASE_URL"]),
        (["migrate"], ["DATABASE_OWNER_URL"]),
    ],
    ids=" ".join,
)
def test_no_command_prints_an_encoded_password(tmp_path: Path, words: list[str], variables: list[str]) -> None:
    written = quote(PASSWORD, safe="")
    _, printed, messages = run(tmp_path, *words, **{variable: URLS[variable].format(written) for variable in variables})
    for form in (PASSWORD, written, json.dumps(PASSWORD)[1:-1], PASSWORD[:3]):
        assert form not in printed + messages
    assert "Traceback" not in messages


@pytest.mark.parametrize("variable", URLS)
@pytest.mark.parametrize(
    "password", ["K9/secret", "K9?secret", "K9#secret", "K9@secret", "K9[secret", "7/secret", "\u2100secret"]
)
def test_a_password_that_is_not_encoded_is_refused_without_its_parts(variable: str, password: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_url(URLS[variable].format(password), variable)
    assert (refusal.value.reason, refusal.value.facts["variable"]) == ("SETTING_INVALID", variable)
    assert "secret" not in str(refusal.value)
    assert "K9" not in str(refusal.value)


@pytest.mark.parametrize("variable", URLS)
def test_a_command_refuses_a_password_that_is_not_encoded(tmp_path: Path, variable: str) -> None:
    code, printed, messages = run(tmp_path, "doctor", **{variable: URLS[variable].format("K9/secret")})
    assert code == 2
    assert messages.startswith("SETTING_INVALID")
    assert variable in messages
    assert "secret" not in printed + messages
    assert "K9" not in printed + messages


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////srv/data@home/catalog.db", "local:", "inproc:catalog", "dns:///catalog:50051", "tantivy:///srv/index",
        "amqp://app:a%40b@host:5672/vhost", "http://elastic:x@[::1]:9200/alias", "postgresql+psycopg:///name?host=/run",
        "https://elastic:x@es1:9200,[::1]:9201,es3/records",
    ],
)  # fmt: skip
def test_a_valid_url_is_accepted(url: str) -> None:
    check_url(url, "SOME_URL")


def test_a_log_hides_a_password_in_every_form(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        telemetry.start(Settings(bus_url=URLS["BUS_URL"].format(quote(PASSWORD, safe=""))), "tests")
        try:
            raise ValueError(f"cannot reach {PASSWORD} or {PASSWORD!r}")
        except ValueError:
            logging.getLogger("chassis.tests").exception("failed", extra={"url": quote(PASSWORD, safe="")})
    finally:
        root.handlers[:], root.level = handlers, level
    printed = capsys.readouterr().err
    assert "K9" not in printed
    assert printed.count("***") >= 3
    assert "K9" not in json_text({"why": PASSWORD})


def test_a_password_of_development_is_hidden_in_urls_only() -> None:
    output.hide_passwords(["rangkiang", "a"], known={"rangkiang"})
    assert visible("rangkiang migrate: amqp://rangkiang:rangkiang@host amqp://x:a@host") == (
        "rangkiang migrate: amqp://rangkiang:***@host amqp://x:***@host"
    )
