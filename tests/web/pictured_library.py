"""A library of its own with rows behind every page, so that pictures show what readers and librarians see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import Context
from chassis.operations.certificates import make_certificates
from gateway import sessions
from rangkiang.catalog.v1.events_pb2 import BranchCopy, InstitutionCopy
from rangkiang.common.v1.text_pb2 import LocalText
from services.circulation.calendars_store import calendar_of, save_calendar
from services.circulation.institutions import branch_of, copy_institutions
from services.circulation.policies import read_rows
from services.circulation.policies_store import current_policies, save_policies
from services.circulation.tables import Borrower, Loan
from services.members.keys import Keys
from services.members.people import store as members_store
from services.members.people.act_links import OPT_OUT, RENEW, ActLink, make_token
from services.members.people.store import NewMember
from services.members.settings import MembersSettings
from services.members.sign_in import clients, usage
from services.notifications import institutions as notice_institutions
from services.notifications.channels.webpush import make_keys
from tests.fakes.accounts import PASSWORD, TEST, Staff, add_institution, add_staff
from tests.fakes.catalog import FakeCatalog
from tests.fakes.hours import WEEK, wait_for_hours
from tests.fakes.institutions import OWN
from tests.fakes.items import INSTITUTION_ID
from tests.fakes.lending import PST, TITLES, TJH, add_items, barcode
from tests.fakes.running import running, served_catalog, served_gateway
from tests.web.pictured_notices import TEMPLATE, add_notices
from tests.web.scans import new_card, scan
from tests.web.test_member_acts import number_of
from tests.web.test_member_pages import register
from tests.web.visitors import Visitor, visitor

LIBRARY = UUID(INSTITUTION_ID)
BRANCH = "PUSAT"
_EVENING = [["09:00", "12:00"], ["20:00", "22:00"]]


@dataclass(frozen=True)
class PicturedLibrary:
    """A running gateway whose library has rows of every kind.

    admin    signs in with PASSWORD and a code
    cookies  of signed-in browsers: "staff" is the administrator at the desk, "reader" a member with loans
    ids      parts of addresses: of a member, a notice …
    """

    address: str
    catalog: FakeCatalog
    admin: Staff
    cookies: dict[str, dict[str, str]]
    ids: dict[str, str]


@contextmanager
def pictured_library(folder: Path) -> Iterator[PicturedLibrary]:
    """Serve the library; `folder` takes its certificate and keys."""
    make_certificates(folder / "tls", ["perpustakaan.local"], renew=False)
    make_keys(folder / "push")
    push = f"webpush:?keys={folder / 'push'}&contact=pustaka@kota.example"
    own = {"channels": f"console: {push} print:", "outgoing_private_networks": "127.0.0.0/8"}
    certificate = {"tls_cert": str(folder / "tls" / "server.crt"), "tls_key": str(folder / "tls" / "server.key")}
    catalog = FakeCatalog()
    with (
        served_catalog(catalog) as url,
        served_gateway(url, own_settings=own, default_institution=OWN, **certificate) as address,
        visitor(address) as desk,
        visitor(address) as reader,
    ):
        _add_library()
        admin = add_staff("siti.rahma", "administrator", name="Siti Rahma", institution=LIBRARY)
        for user, role, name in (("budi", "desk", "Budi Santoso"), ("rina", "manager", "Rina Marlina, S.IP.")):
            colleague = add_staff(user, role, name=name, institution=LIBRARY)
        desk.sign_in(admin)
        desk.open("/desk")
        desk.send("/desk/branch", {"branch": f"{OWN}/{BRANCH}"})
        ids = {"colleague": colleague.id, "partner": _add_partner(), **_add_members(desk), **_add_partners(desk)}
        _use_own_account(desk, reader, ids["member"])
        ids |= add_notices(LIBRARY, ids, branch=PST) | _make_links(ids)
        wait_for_hours(address)
        cookies = {
            "staff": {name: desk.http.cookies[name] for name in (sessions.HTTP_COOKIE, "desk_branch")},
            "reader": {sessions.HTTP_COOKIE: reader.http.cookies[sessions.HTTP_COOKIE]},
        }
        yield PicturedLibrary(address, catalog, admin, cookies, ids)


def _add_library() -> None:
    """Tell every service of the institution, and circulation of its items and calendars."""
    add_institution(LIBRARY, OWN)
    main = LocalText(id="Perpustakaan Pusat", en="Central Library")
    branches = [
        BranchCopy(id=str(PST), code=BRANCH, zone="Asia/Jakarta", name=main),
        BranchCopy(id=str(TJH), code="LAING", zone="Asia/Jakarta", name=LocalText(id="Cabang Laing", en="Laing")),
    ]
    # A later version than that of add_items, which has other codes.
    copy = InstitutionCopy(
        id=INSTITUTION_ID, version=2, code=OWN, kind="public", zone="Asia/Jakarta", branches=branches,
        name=LocalText(id="Perpustakaan Kota Solok", en="Solok City Library"),
    )  # fmt: skip
    year = clock.now().year
    sundays = {**WEEK, "sun": [["09:00", "12:00"]]}
    calendar = {
        "weeks": [
            {"from": "", "weekly": dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), _EVENING)},
            {"from": f"{year - 1}-07-01", "weekly": WEEK},
            {"from": f"{year + 1}-02-01", "weekly": sundays},
        ],
        "seasons": [
            {
                "from": f"{year + 1}-02-08", "to": f"{year + 1}-03-09", "why": "Ramadan",
                "weekly": dict.fromkeys(("mon", "tue", "wed", "thu"), _EVENING),
            }
        ],
        "closed": [{"from": f"{year + 1}-01-11", "to": f"{year + 1}-01-15", "why": "Cacah ulang koleksi"}],
    }  # fmt: skip
    with running["circulation"].database.transaction(TEST) as session:
        copy_institutions(session, [copy])
        branch = branch_of(session, LIBRARY, BRANCH)
        version = calendar_of(session, branch.id).version
        context = Context(institution=INSTITUTION_ID, actor="test")
        save_calendar(session, branch, version=version, document=calendar, context=context)
        _save_rules(session, context)
    add_items(LIBRARY)
    with running["notifications"].database.transaction(TEST) as session:
        notice_institutions.copy_institutions(session, [copy])


def _save_rules(session: Session, context: Context) -> None:
    """Save two versions of the lending rules: the default ones with another limit, then a row for children."""
    rules = current_policies(session, LIBRARY)
    rows = [replace(rules.rows[0], loan_limit=4), *rules.rows[1:]]
    for version in (rules.version, rules.version + 1):
        save_policies(session, LIBRARY, version=version, rows=rows, default_category="umum", context=context)
        rows = [*rows, *read_rows([{"category": "anak", "loan_limit": 2, "unit": "day", "period": 14}])]


def _add_partner() -> str:
    """Add a client that harvests, with a plan of its own and the counts of a month. Returns its id."""
    with running["members"].database.transaction(TEST) as session:
        client, _ = clients.add_client(
            session, institution_id=LIBRARY, name="onesearch", role="partner", context=TEST, granter=None
        )
        usage.set_limits(client, {"requests_a_day": 50_000})
        counts = [
            usage.Count(client.id, date(2026, 11, day), protocol, 412 * day, records * day, day // 3)
            for day in (1, 2, 3, 15, 30)
            for protocol, records in (("oai", 40_120), ("sru", 3_980), ("z3950", 210), ("daia", 0))
        ]
        usage.add_counts(session, counts)
        return str(client.id)


def _add_members(desk: Visitor) -> dict[str, str]:
    """Register members and lend to them; some loans are overdue. Returns the ids of those who have pages."""
    path = register(
        desk, name="Siti Rahmawati", phone="0812 6611 2200", email="siti@contoh.example", birth_place="Solok",
        nik="1372016104910002", birth_date="1991-04-21",
        address="Jl. Pandan No. 4, Kampung Jawa, Kota Solok", occupation="Guru", sex="female",
        evidence=["ktp", "kk"], note="Minta ditelepon setelah pukul 16.00.",
    )  # fmt: skip
    member = path.rpartition("/")[2]
    number = number_of(desk, path)
    for name, group in (("Muhammad Fadhil", "XI IPS 3"), ("Annisa Putri Ramadhani", "XI IPS 3"), ("Rio", "XI IPA 1")):
        card = new_card(desk, name, category="pelajar", school="SMAN 4 Solok", group=group)
        lent = {"Muhammad Fadhil": (4, 6), "Annisa Putri Ramadhani": (7,), "Rio": (8,)}[name]
        _lend(desk, card, lent)
        _move_back(card, days=12)
    suspended = register(desk, name="Nadia Safitri", category="pelajar", school="SMAN 4 Solok", group="XI IPA 1")
    for path_of_late, late in ((suspended, 9), (register(desk, name="Zulfikar"), 10)):
        card = number_of(desk, path_of_late)
        _lend(desk, card, (late,))
        _move_back(card, days=late)
        scan(desk, barcode(late), mode="return")
    blocked = register(desk, name="Syamsul Bahri", phone="0813 7000 1100", address="Jl. Imam Bonjol No. 12")
    desk.open(blocked)
    desk.send(f"{blocked}/blocks", {"reason": "unpaid", "note": "Denda dua buku"})
    other = register(desk, name="Rahmawati Siti Aminah", phone="0812 6611 2201", birth_place="Padang Panjang")
    _lend(desk, number, (1, 2, 3))
    _move_back(number, days=9, title=TITLES[2])
    desk.open(path)
    desk.send(f"{path}/cards", {"act": "alias", "alias_kind": "nim", "alias_code": "0012345678"})
    members = running["members"]
    master = Keys(members.database, members.settings.of(MembersSettings)).master
    fields = {"name": "Budi Anak", "category": "anak", "birth_date": "2019-02-03", "guardian_id": member}
    context = Context(institution=INSTITUTION_ID, actor="test")
    with members.database.transaction(context) as session:
        members_store.register(session, NewMember(fields=fields), context=context, master=master)
    return {
        "member": member, "other": other.rpartition("/")[2], "blocked": blocked.rpartition("/")[2],
        "suspended": suspended.rpartition("/")[2],
    }  # fmt: skip


def _lend(desk: Visitor, card: str, numbers: tuple[int, ...]) -> None:
    desk.open("/desk")
    for code in (card, *map(barcode, numbers)):
        scan(desk, code)
    scan(desk, "", act="finish")


def _move_back(card: str, *, days: int, title: str = "") -> None:
    """Let loans of a card have been due some days ago.

    title  of the only one; "" for every one
    """
    due_at = clock.now() - timedelta(days=days)
    with running["circulation"].database.transaction(TEST) as session:
        own = select(Loan.id).join(Borrower, Borrower.id == Loan.borrower_id).where(Borrower.card == card)
        loans = list(session.scalars(own.order_by(Loan.lent_at)))
        values = {"due_at": due_at, "due_on": due_at.date(), "lent_at": due_at - timedelta(days=7)}
        moved = loans[-1:] if title else loans
        session.execute(update(Loan).where(Loan.id.in_(moved)).values(**values))


def _add_partners(desk: Visitor) -> dict[str, str]:
    """Invite somebody, add a client and a text of a notice, with the forms of the pages."""
    desk.open("/staff")
    desk.send("/staff", {"user": "yusmaniar", "name": "Hj. Yusmaniar", "roles": ["administrator"]})
    link = re.search(r"/sign-in/link/([\w-]+)", desk.response.text)
    assert link, desk.text
    desk.open("/clients")
    desk.send("/clients", {"name": "akademik-mahaputra", "role": "partner"})
    desk.open(TEMPLATE)
    body = "Halo {{ recipient_name }},\n\n{{ title }} kembali paling lambat {{ due_on|date }}."
    desk.send(TEMPLATE, {"body": body, "act": "save"})
    return {"link": link[1]}


def _use_own_account(desk: Visitor, reader: Visitor, member: str) -> None:
    """Let the member set a password, give a consent and make a request; the desk makes another one."""
    path = f"/members/{member}"
    number = number_of(desk, path)
    desk.send(f"{path}/slips")
    code = desk.page.xpath("//dl//code/text()")[1]
    reader.open("/sign-in/slip")
    reader.send("/sign-in/slip", {"number": number, "password": PASSWORD, "repeated": PASSWORD, "code": code})
    reader.sign_in(Staff("", number, ""))
    reader.open("/account/data")
    reader.send("/account/consents", {"given": "1"})
    reader.open("/account/data")
    reader.send("/account/data-requests", {"kind": "correction", "text": "Nomor saya sekarang 0812 6611 2299."})
    desk.open(f"{path}/data-requests")
    desk.send(f"{path}/data-requests", {"kind": "access", "how": "form", "text": "Ingin melihat riwayat peminjaman."})


def _make_links(ids: dict[str, str]) -> dict[str, str]:
    """Return links of notices: to renew a loan, to end notices, and one that has expired."""
    members = running["members"]
    master = Keys(members.database, members.settings.of(MembersSettings)).master
    member = UUID(ids["member"])
    with running["circulation"].database.reading(TEST) as session:
        loan = session.scalars(select(Loan).where(Loan.borrower_id == member).order_by(Loan.lent_at.desc())).first()
        assert loan is not None
        subject = f"{loan.id}:{loan.due_on.isoformat()}"

    def link(act: str, subject: str, days: float) -> str:
        return make_token(ActLink(member, act, subject, clock.now() + timedelta(days=days)), master=master)

    return {
        "renew": link(RENEW, subject, 7),
        "opt_out": link(OPT_OUT, "due_soon", 7),
        "expired": link(OPT_OUT, "due_soon", -1),
    }
