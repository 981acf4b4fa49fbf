"""Pages of notices: texts are edited with a preview without JavaScript, refused beside each field, accessible."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from rangkiang.catalog.v1.events_pb2 import InstitutionCopy
from rangkiang.common.v1.text_pb2 import LocalText
from services.notifications.institutions import copy_institutions
from tests.fakes.accounts import TEST, add_institution, add_staff, new_user
from tests.fakes.running import running
from tests.web.accessibility import check_accessibility, take_session
from tests.web.conftest import Visit
from tests.web.visitors import Visitor, visitor

DINAS = UUID(int=0xA9)
TEMPLATE = "/notices/templates/due_soon/email/id"


@pytest.fixture(scope="module")
def manager(address: str) -> Iterator[Visitor]:
    add_institution(DINAS, "SURAT")
    name = LocalText(id="Perpustakaan SURAT", en="SURAT Library")
    copy = InstitutionCopy(id=str(DINAS), version=1, code="SURAT", name=name, zone="Asia/Jakarta")
    with running["notifications"].database.transaction(TEST) as session:
        copy_institutions(session, [copy])
    with visitor(address) as manager:
        assert manager.sign_in(add_staff(new_user("manager"), "manager", institution=DINAS)).status_code == 303
        yield manager


def errors(page) -> dict[str, str]:
    """What stands beside the fields, by their names."""
    return {element.get("id"): element.text_content() for element in page.xpath("//span[@class='error']")}


def test_a_text_is_previewed_saved_and_returned_to_without_javascript(manager: Visitor) -> None:
    manager.open("/notices/templates")
    assert "Reminder before a book is due" in manager.text
    manager.open(TEMPLATE)
    assert "Perpustakaan SURAT" in manager.text
    assert "Selasa, 24 November 2026" in manager.text
    body = "Halo {{ recipient_name }}, {{ title }} kembali {{ due_on|date }}."
    manager.send(TEMPLATE, {"body": body, "act": "preview"})
    assert "Halo Siti Rahmawati, Merantau ke Deli kembali Selasa, 24 November 2026." in manager.text
    assert "First text" in manager.text
    manager.send(TEMPLATE, {"act": "save"})
    assert "The text is saved" in manager.text
    manager.open(f"{TEMPLATE}/versions")
    assert "version 1 in force" in manager.text
    manager.send(f"{TEMPLATE}/versions")
    assert "segera jatuh tempo" in manager.form(TEMPLATE)["body"]


def test_a_fault_stands_beside_its_field_and_nothing_typed_is_lost(manager: Visitor) -> None:
    manager.open("/notices/templates/overdue/email/en")
    values = {"subject": "{{ member_name }}", "body": "{{ title }}\n{{ due }}", "act": "save"}
    answer = manager.send("/notices/templates/overdue/email/en", values)
    assert answer.status_code == 400
    assert set(errors(manager.page)) == {"subject-error", "body-error"}
    assert "Line 2: there is no variable due" in errors(manager.page)["body-error"]
    assert manager.form("/notices/templates/overdue/email/en")["body"].split() == [
        "{{",
        "title",
        "}}",
        "{{",
        "due",
        "}}",
    ]


def test_a_mail_is_shown_in_a_window_that_runs_nothing(manager: Visitor) -> None:
    manager.open(TEMPLATE)
    answer = manager.send(TEMPLATE, {"act": "mail", "subject": "<script>alert(1)</script>"})
    assert answer.headers["Content-Security-Policy"].endswith("sandbox")
    assert "<script" not in answer.text
    assert "style=" in answer.text


@pytest.mark.parametrize("path", ["/notices/templates", TEMPLATE, "/notices/templates/slip/whatsapp/id"])
def test_the_pages_of_texts_are_accessible_on_every_screen(path: str, manager: Visitor, visit: Visit) -> None:
    page = visit("/sign-in")
    take_session(page, manager)
    page.goto(path)
    check_accessibility(page)
