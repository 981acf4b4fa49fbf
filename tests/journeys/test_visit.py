"""The job that sends notices waits for the end of a visit alone."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from chassis import clock
from chassis.context import system
from chassis.security.encryption import make_master_key
from services.members.keys import Keys
from services.members.people.store import NewMember, register
from services.members.settings import MembersSettings
from services.notifications.notices import make_notice
from services.notifications.rpc.sending import send_notices
from services.notifications.settings import NotificationsSettings
from tests.conditions import eventually
from tests.fakes.accounts import PKS, add_institution
from tests.fakes.catalog import FakeCatalog
from tests.fakes.lending import PST
from tests.fakes.mail_server import MailServer
from tests.fakes.notices import loan_copy
from tests.fakes.running import running, served_catalog, served_gateway

TEST = system("test")


def add_member() -> UUID:
    members = running["members"]
    master = Keys(members.database, members.settings.of(MembersSettings)).master
    new = NewMember({"name": "Siti", "category": "umum", "email": "siti@example.org"})
    with members.database.transaction(TEST) as session:
        return register(session, new, context=replace(TEST, institution=str(PKS)), master=master).id


def add_notices(member_id: UUID, kind: str, *titles: str) -> None:
    with running["notifications"].database.transaction(TEST) as session:
        for title in titles:
            loan = loan_copy(member_id, PKS, branch_id=PST, title=title)
            make_notice(
                session, kind, key=loan.loan_id, institution_id=str(PKS), member_id=str(member_id), loan=loan,
                day=loan.due_on,
            )  # fmt: skip


def test_the_receipts_of_a_visit_are_one_mail_after_two_minutes() -> None:
    stop = threading.Event()
    with MailServer(requires_login=False) as server, served_catalog(FakeCatalog()) as url:
        channels = f"smtp://127.0.0.1:{server.port}?tls=none&from=pustaka@kota.example print:"
        with served_gateway(url, own_settings={"channels": channels}):
            add_institution()
            member_id, now = add_member(), clock.now()
            notifications = running["notifications"]
            make_master_key(notifications.settings.of(NotificationsSettings).master_key)
            sending = threading.Thread(target=send_notices, args=(notifications, stop))
            try:
                with clock.frozen(now):
                    add_notices(member_id, "loan_receipt", "Kemarau", "Bumi Manusia")
                    sending.start()
                    add_notices(member_id, "membership_registered", "")
                    eventually(lambda: server.mails)
                with clock.frozen(now + timedelta(seconds=119)):
                    add_notices(member_id, "membership_registered", "")
                    eventually(lambda: len(server.mails) == 2)
                assert not [mail for mail in server.mails if "Kemarau" in mail.part("text/plain")]
                with clock.frozen(now + timedelta(seconds=120)):
                    add_notices(member_id, "membership_registered", "")
                    eventually(lambda: len(server.mails) == 4)
            finally:
                stop.set()
                sending.join()
    texts = [mail.part("text/plain") for mail in server.mails]
    assert ["Bumi Manusia" in text for text in texts if "Kemarau" in text] == [True]
