"""Pages of notices: texts are edited with a preview without JavaScript, refused beside each field, accessible."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import date, timedelta
from uuid import UUID

import pytest

from chassis import clock
from chassis.ids import new_id
from chassis.security.encryption import make_master_key
from gateway.web.desk.channel_health import picture
from gateway.web.desk.print_list import parts_of
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy
from rangkiang.common.v1.text_pb2 import LocalText
from rangkiang.notifications.v1.print_pb2 import Letter
from services.notifications.institutions import copy_institutions
from services.notifications.settings import NotificationsSettings
from services.notifications.tables import Attempt, ChannelDay, Message, Notice
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
    assert "Due date reminder" in manager.text
    manager.open(TEMPLATE)
    assert "Perpustakaan SURAT" in manager.text
    assert "Selasa, 24 November 2026" in manager.text
    body = "Halo {{ recipient_name }}, {{ title }} kembali {{ due_on|date }}."
    manager.send(TEMPLATE, {"body": body, "act": "preview"})
    assert "Halo Siti Rahmawati, Merantau ke Deli kembali Selasa, 24 November 2026." in manager.text
    assert "Default text" in manager.text
    manager.send(TEMPLATE, {"act": "save"})
    assert "The text is saved" in manager.text
    manager.open(f"{TEMPLATE}/versions")
    assert "version 1 in force" in manager.text
    manager.send(f"{TEMPLATE}/versions")
    assert "segera jatuh tempo" in manager.form(TEMPLATE)["body"]


def test_a_fault_is_beside_its_field_and_no_typed_value_is_lost(manager: Visitor) -> None:
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


HOSTILE = "<img src=x onerror=alert(1)> =cmd|' /C calc'!A1"
MEMBER = new_id()


@pytest.fixture(scope="module")
def notices(manager: Visitor) -> dict[str, UUID]:
    """A notice in each state that pages treat in their own way, by state; with attempts and counts of days."""
    now, ids = clock.now(), {}
    with running["notifications"].database.transaction(TEST) as session:
        for number, state in enumerate(("waiting", "sent", "failed", "print", "printed", "dropped")):
            message_id = new_id()
            session.add(
                Message(
                    id=message_id, institution_id=DINAS, member_id=MEMBER, kind="due_soon", is_digest=False, day=None,
                    language="id", state=state, reason="", channel="smtp", tries=0, next_at=now, since=now, sealed=None,
                    made_at=now,
                )
            )  # fmt: skip
            session.flush()
            ids[state] = new_id()
            session.add(
                Notice(
                    id=ids[state], institution_id=DINAS, member_id=MEMBER, kind="due_soon", subject_key=f"key-{number}",
                    loan_id=new_id(), item_id=new_id(), branch_id=None, title=HOSTILE, day=now.date(), facts={},
                    due_at=now, state=state, reason="LOAN_RETURNED" if state == "dropped" else "",
                    message_id=message_id, traceparent="", made_at=now, changed_at=now,
                )
            )  # fmt: skip
            session.add(
                Attempt(
                    id=new_id(), institution_id=DINAS, message_id=message_id, channel="smtp", provider_id="<b>p</b>",
                    address_hash=b"", state="accepted", reason="", started_at=now, ended_at=now,
                )
            )  # fmt: skip
        for state, count in (("accepted", 31), ("failed", 2)):
            session.add(ChannelDay(institution_id=DINAS, channel="print", day=now.date(), state=state, count=count))
    return ids


def test_the_ledger_is_filtered_and_hostile_titles_stay_text(manager: Visitor, notices: dict[str, UUID]) -> None:
    page = manager.open("/notices")
    assert "6 notices." in manager.text
    assert HOSTILE in manager.text
    assert not page.xpath("//main//img")
    manager.open("/notices?state=dropped")
    assert "1 notice." in manager.text
    assert "The item was returned." in manager.text
    assert manager.http.get("/notices?state=%3Cb%3E").status_code == 400


def test_the_ledger_as_csv_has_no_formula(manager: Visitor, notices: dict[str, UUID]) -> None:
    manager.open("/notices")
    answer = manager.http.get("/notices.csv?kind=due_soon")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert {row["state"] for row in rows} == set(notices)
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())


def test_a_notice_has_its_attempts_and_is_sent_again_when_it_failed(manager: Visitor, notices: dict[str, UUID]) -> None:
    path = f"/notices/{notices['failed']}"
    manager.open(path)
    assert "E-mail · accepted" in manager.text
    assert "<b>p</b>" in manager.text
    manager.send(f"{path}/resend")
    assert "will be sent again" in manager.text
    printed = f"/notices/{notices['printed']}"
    manager.open(printed)
    manager.send(f"{printed}/resend")
    assert "will be sent again" in manager.text
    with running["notifications"].database.transaction(TEST) as session:
        of_erased_member = session.get_one(Notice, notices["printed"])
        of_erased_member.state, of_erased_member.member_id = "printed", None
    for path in (printed, f"/notices/{notices['sent']}"):
        manager.open(path)
        assert not [form for form in manager.page.forms if form.action.endswith("/resend")]
    assert manager.http.get(f"/notices/{new_id()}").status_code == 404


def test_all_unknown_notices_are_sent_again_with_one_button(manager: Visitor, notices: dict[str, UUID]) -> None:
    manager.open("/notices?state=sent")
    assert not [form for form in manager.page.forms if form.action.endswith("/resends")]
    with running["notifications"].database.transaction(TEST) as session:
        notice = session.get_one(Notice, notices["failed"])
        notice.state, notice.changed_at = "unknown", clock.now()
    manager.open("/notices?state=unknown")
    assert "1 notice." in manager.text
    manager.send("/notices/resends")
    assert "1 notice will be sent again." in manager.text
    manager.open(f"/notices/{notices['failed']}")
    assert "waiting" in manager.text


def test_channels_have_a_picture_and_the_hours_of_digests(manager: Visitor, notices: dict[str, UUID]) -> None:
    page = manager.open("/notices/channels")
    assert "31 messages accepted by the provider, 2 failed" in manager.text
    labels = page.xpath("//*[local-name()='svg']/@aria-label")
    assert "Letter, last 30 days: 31 accepted, 2 failed" in labels
    manager.send("/notices/channels", {"opens": "08:30", "closes": "17:00"})
    assert "The sending hours are saved" in manager.text
    assert manager.form("/notices/channels")["opens"] == "08:30"
    answer = manager.send("/notices/channels", {"opens": "05:00", "closes": "17:00"})
    assert answer.status_code == 400
    assert "opens-error" in errors(manager.page)


def test_the_picture_has_a_bar_for_each_day_and_fits() -> None:
    today = date(2026, 11, 27)
    days = {today - timedelta(days=n): (n, 1 if n % 7 == 0 else 0) for n in range(30)}
    drawing = str(picture(days, today=today, label='"><script>'))
    bars = [float(y) for y in re.findall(r'y="([0-9.]+)"', drawing)]
    assert len(bars) == 29 + 5
    assert min(bars) >= 0
    assert "<script>" not in drawing


def test_a_test_goes_to_the_readers_own_address_after_its_code_was_typed(
    manager: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "services.notifications.channels.local")  # the console channel
    make_master_key(running["notifications"].settings.of(NotificationsSettings).master_key)
    manager.open(TEMPLATE)
    answer = manager.send(f"{TEMPLATE}/test", {"to": "not an address"})
    assert answer.status_code == 400
    assert "to-error" in errors(manager.page)
    manager.send(f"{TEMPLATE}/test", {"to": "rosmiati@example.id"})
    assert "The code was sent" in manager.text
    answer = manager.send(f"{TEMPLATE}/test", {"code": "12345"})
    assert answer.status_code == 400
    assert "code-error" in errors(manager.page)
    code = re.search(r"\b\d{6}\b", caplog.text)
    assert code is not None
    manager.send(f"{TEMPLATE}/test", {"code": code[0]})
    assert "The test was sent" in manager.text
    manager.send(f"{TEMPLATE}/test", {})
    assert "The test was sent" in manager.text
    manager.open("/notices/templates/due_soon/sms/id")
    answer = manager.send("/notices/templates/due_soon/sms/id/test", {"to": "0812 3456 7890"})
    assert answer.status_code == 409


@pytest.mark.parametrize("name", ["", "/channels", "/print", "/sent"])
def test_the_pages_of_notices_are_accessible_on_every_screen(
    name: str, manager: Visitor, notices: dict[str, UUID], visit: Visit
) -> None:
    page = visit("/sign-in")
    take_session(page, manager)
    page.goto("/notices" + (f"/{notices['sent']}" if name == "/sent" else name))
    check_accessibility(page)


def test_a_large_group_of_letters_is_printed_and_handed_over_in_parts():
    few = [Letter(member_id=str(number), notice_ids=["1"]) for number in range(450)]
    many = [Letter(member_id=str(number), notice_ids=["1"] * 300) for number in range(7)]
    assert [len(part) for part in parts_of(few)] == [200, 200, 50]
    assert [len(part) for part in parts_of(many)] == [3, 3, 1]
    assert [letter for part in parts_of(few) for letter in part] == few
    assert list(parts_of([])) == []
