"""Cards: scanned, lost, replaced, printed and read back by a foreign decoder; and sign-ins with password codes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pypdfium2
import pytest
import zxingcpp
from PIL import Image

from chassis import clock
from chassis.rpc import inproc
from rangkiang.catalog.v1 import catalog_pb2 as catalog_wire
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogServicer, add_CatalogServicer_to_server
from rangkiang.members.v1 import cards_pb2 as wire
from rangkiang.members.v1 import people_pb2, sign_in_pb2
from services.members.people import cards, password_codes
from services.members.people.card_pdf import text_colour
from tests.migrated import every_row
from tests.services.members.conftest import TEST, UNAND, Office
from tests.services.members.desk import Desk, reasons

FILE = "f" * 64


class Library(CatalogServicer):
    """The catalogue with the description of PKS."""

    def ListInstitutions(self, request: Any, context: Any) -> Any:
        contact = catalog_wire.Contact(address="Jl. Contoh No. 1", kelurahan="Kelurahan PPA, Kota Solok")
        own = catalog_wire.Institution(code=request.code, contact=contact, logo=FILE, card_colour="#f2c230")
        return catalog_wire.ListInstitutionsReply(institutions=[own])

    def GetFile(self, request: Any, context: Any) -> Any:
        assert request.id == FILE
        buffer = io.BytesIO()
        Image.new("RGB", (300, 200), (200, 30, 30)).save(buffer, "PNG")
        return catalog_wire.GetFileReply(media_type="image/png", content=buffer.getvalue())


@pytest.fixture(autouse=True)
def catalogue(office: Office) -> Iterator[None]:
    inproc.register("catalog", Library(), add_CatalogServicer_to_server)
    yield
    inproc.unregister("catalog")


NEW_PASSWORD = "lampu perahu kemarau"


def scan(desk: Desk, code: str) -> Any:
    return desk.call("Scan", wire.ScanRequest(code=code))


def issue(desk: Desk, member_id: str, act: str, kind: str = "", code: str = "") -> Any:
    alias = people_pb2.Alias(kind=kind, code=code)
    return desk.call("IssueCard", wire.IssueCardRequest(id=member_id, act=act, alias=alias))


def codes_on(pdf: bytes) -> list[set[tuple[str, str]]]:
    """The codes on each page, as a foreign reader sees them: (format, content)."""
    images = (page.render(scale=4, grayscale=True).to_pil() for page in pypdfium2.PdfDocument(pdf))
    return [{(code.format.name, code.text) for code in zxingcpp.read_barcodes(image)} for image in images]


def qr_of(desk: Desk, member_id: str) -> str:
    pdf = desk.call("PrintCards", wire.PrintCardsRequest(ids=[member_id], layout="card")).pdf
    (front, _back) = codes_on(pdf)
    ((_, content),) = front
    return content


def test_a_card_is_printed_and_read_by_a_foreign_decoder(office: Office) -> None:
    desk = Desk(office)
    new = desk.register("Hj. Siti Rahma, S.Pd.", nik="1372015203880001", phone="081266001122")
    pdf = desk.call("PrintCards", wire.PrintCardsRequest(ids=[new.id], layout="card")).pdf
    front, back = codes_on(pdf)
    ((kind, qr),) = front
    assert (kind, qr[:3], len(qr)) == ("QRCode", "RK1", 35)
    assert back == {("Code128", new.number)}
    page = pypdfium2.PdfDocument(pdf)[0]
    assert [round(side * 25.4 / 72, 1) for side in page.get_size()] == [85.6, 54.0]
    shown = page.get_textpage().get_text_bounded()
    assert "Hj. Siti Rahma, S.Pd." in shown
    assert new.number in shown
    assert "1372015203880001" not in shown
    assert scan(desk, qr).member.id == new.id


def test_a_sheet_has_ten_fronts_and_their_backs(office: Office) -> None:
    desk = Desk(office)
    members = [desk.register(f"Nur {letter * 4}") for letter in "abcdefghijk"]
    request = wire.PrintCardsRequest(ids=[member.id for member in members], layout="sheet")
    pages = codes_on(desk.call("PrintCards", request).pdf)
    assert [len(page) for page in pages] == [10, 10, 1, 1]
    assert {content for _, content in pages[1] | pages[3]} == {member.number for member in members}
    assert reasons(lambda: desk.call("PrintCards", wire.PrintCardsRequest())) == ["MEMBER_TOO_MANY"]


def test_cards_have_the_logo_address_and_colour_of_the_library_in_the_order_of_names(office: Office) -> None:
    desk = Desk(office)
    ids = [desk.register(name).id for name in ("Zulfikar", "Dt. Ahmad Fauzi Rajo Bandaro Nan Kuniang Malintang", "Nur")]
    pdf = pypdfium2.PdfDocument(desk.call("PrintCards", wire.PrintCardsRequest(ids=[*ids, ids[0]], layout="sheet")).pdf)
    fronts = pdf[0].get_textpage().get_text_bounded().replace("\r\n", "\n")
    assert "Jl. Contoh No. 1, Kelurahan PPA, Kota Solok" in fronts
    # The long name is on two lines, whole.
    places = [fronts.index(text) for text in ("Dt. Ahmad Fauzi", "Kuniang Malintang", "Nur", "Zulfikar")]
    assert places == sorted(places)
    assert fronts.count("Zulfikar") == 1
    scale = 4
    image = pdf[0].render(scale=scale).to_pil().convert("RGB")

    def at(x: float, y: float) -> tuple[int, ...]:
        """The colour of a place, in millimetres from the upper left corner."""
        return tuple(image.getpixel((round(x * 72 / 25.4 * scale), round(y * 72 / 25.4 * scale))))

    left, top = (210 - 2 * 85.6) / 2, (297 - 5 * 53.98) / 2
    assert at(left + 80, top + 2) == (242, 194, 48)
    assert at(left + 9, top + 6.5) == (200, 30, 30)
    # A cut mark beside the cards, on the line between two of them.
    assert max(at(left - 4, top + 53.98)) < 128


def test_the_text_on_every_colour_has_enough_contrast() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    steps = range(0, 256, 17)
    for colour in (f"#{red:02x}{green:02x}{blue:02x}" for red in steps for green in steps for blue in steps):
        low, high = sorted((luminance(colour), luminance(text_colour(colour))))
        assert (high + 0.05) / (low + 0.05) >= 4.5, colour


def test_a_scan_says_what_a_code_is(office: Office) -> None:
    desk = Desk(office)
    new = desk.register()
    issue(desk, new.id, "alias", "nisn", " 0051234567")
    for code in (new.number, f"{new.number}\r\n", "0051234567"):
        reply = scan(desk, code)
        assert (reply.kind, reply.member.id, reply.card_state) == ("member", new.id, "active"), code
    for code, kind in {
        "": "empty",
        "1000000019": "card_mistyped",
        "9789794030462": "isbn",
        "1372015203880001": "nik",
        "https://example.org/x": "url",
        "51234567": "number",
        "A-12": "text",
        "RK1" + "A" * 32: "text",
        "' OR 1=1": "text",
        "\x00" * 300: "text",
    }.items():
        reply = scan(desk, code)
        assert (reply.kind, reply.looks_like) == ("neither", kind), code
    assert scan(Desk(office, institution=UNAND), new.number).kind == "neither"


def test_a_lost_card_gets_a_new_number_and_is_known_as_lost(office: Office) -> None:
    desk = Desk(office)
    new = desk.register()
    qr = qr_of(desk, new.id)
    reply = issue(desk, new.id, "lost")
    assert (reply.number, reply.version) == ("1000000026", 2)
    for code, state in ((new.number, "lost"), (qr, "lost"), (reply.number, "active")):
        found = scan(desk, code)
        assert (found.card_state, found.member.number) == (state, reply.number)


def test_a_damaged_card_keeps_its_number_and_its_old_qr_code_is_revoked(office: Office) -> None:
    desk = Desk(office)
    new = desk.register()
    qr = qr_of(desk, new.id)
    assert issue(desk, new.id, "damaged").number == new.number
    reply = scan(desk, qr)
    assert (reply.kind, reply.card_state, reply.looks_like) == ("neither", "revoked", "card_revoked")
    assert scan(desk, qr_of(desk, new.id)).member.id == new.id


def test_a_forged_qr_code_is_no_card(office: Office) -> None:
    desk = Desk(office)
    qr = qr_of(desk, desk.register().id)
    forged = qr[:-1] + ("A" if qr[-1] != "A" else "B")
    assert scan(desk, forged).looks_like == "text"
    assert reasons(lambda: office.sign_in(qr, qr)) == ["SIGN_IN_FAILED"]


def test_a_number_from_elsewhere_belongs_to_one_member(office: Office) -> None:
    desk = Desk(office)
    first, second = desk.register("Ali"), desk.register("Umar")
    issue(desk, first.id, "alias", "rfid", "04A2B9C1")
    assert reasons(lambda: issue(desk, second.id, "alias", "rfid", "04A2B9C1")) == ["CARD_NUMBER_IN_USE"]
    assert reasons(lambda: issue(desk, second.id, "alias", "rfid", "")) == ["CARD_NUMBER_INVALID"]
    assert reasons(lambda: issue(desk, second.id, "alias", "x", "é")) == [
        "MEMBER_FIELD_NOT_A_CHOICE", "CARD_NUMBER_INVALID",
    ]  # fmt: skip
    assert reasons(lambda: issue(desk, second.id, "stolen")) == ["MEMBER_FIELD_NOT_A_CHOICE"]
    card, alias = desk.get(first.id).cards
    end = wire.EndCardRequest(id=first.id, card_id=card.id)
    assert reasons(lambda: desk.call("EndCard", end)) == ["CARD_IS_CURRENT"]
    desk.call("EndCard", wire.EndCardRequest(id=first.id, card_id=alias.id))
    assert issue(desk, second.id, "alias", "rfid", "04A2B9C1").version == 2


def password_code(desk: Desk, member_id: str) -> str:
    return str(desk.call("MakeSlip", wire.MakeSlipRequest(id=member_id)).code)


def use(office: Office, number: str, code: str, password: str = NEW_PASSWORD) -> Any:
    return office.stub.UseSlip(wire.UseSlipRequest(number=number, code=code, password=password))


def test_a_member_signs_in_with_a_password_code(office: Office) -> None:
    desk = Desk(office, "desk")
    new = desk.register(nik="1372015203880001", note="Calls before coming.")
    code = password_code(desk, new.id)
    use(office, new.number, f" {code[:4].lower()}-{code[4:]}")
    reply = office.sign_in(new.number, NEW_PASSWORD)
    assert (reply.account.member_id, list(reply.account.roles)) == (new.id, ["member"])
    assert reasons(lambda: use(office, new.number, code)) == ["SLIP_REFUSED"]
    own = office.stub.GetOwnMember(
        wire.GetOwnMemberRequest(), metadata=[("authorization", f"Bearer {reply.token.token}")]
    )
    assert (own.member.id, own.member.contact.nik, own.member.note) == (new.id, "1372015203880001", "")
    assert scan(desk, own.qr).member.id == new.id
    # A forgotten password: another code ends the sessions of before.
    use(office, new.number, password_code(desk, new.id), "sendok payung gunung")
    assert reasons(lambda: office.stub.RenewToken(sign_in_pb2.RenewTokenRequest(session=reply.session))) == [
        "SESSION_ENDED"
    ]
    assert office.sign_in(new.number, "sendok payung gunung").account.member_id == new.id


@pytest.mark.parametrize("typed", ["smp-0007a", "SMP-0007A", " Smp-0007a "])
def test_a_card_number_with_letters_is_typed_in_any_case_for_the_password_code_and_the_sign_in(
    office: Office, typed: str
) -> None:
    desk = Desk(office, "desk")
    new = desk.register(request=people_pb2.RegisterMemberRequest(number="SMP-0007a"))
    use(office, typed, password_code(desk, new.id))
    assert office.sign_in(typed, NEW_PASSWORD).account.member_id == new.id


def test_a_password_code_works_once_for_a_day_and_five_tries(office: Office) -> None:
    desk = Desk(office)
    new = desk.register()
    first = password_code(desk, new.id)
    code = password_code(desk, new.id)
    assert reasons(lambda: use(office, new.number, first)) == ["SLIP_REFUSED"]
    late = desk.register("Ali")
    late_code = password_code(desk, late.id)
    with clock.frozen(clock.now() + password_codes.LIFE + timedelta(seconds=1)):
        assert reasons(lambda: use(office, late.number, late_code)) == ["SLIP_REFUSED"]
    for hour in (2, 4, 6, 8, 10):
        with clock.frozen(clock.now() + timedelta(hours=hour)):
            assert reasons(lambda: use(office, new.number, "WRONG")) == ["SLIP_REFUSED"]
    with clock.frozen(clock.now() + timedelta(hours=12)):
        assert reasons(lambda: use(office, new.number, code)) == ["SLIP_REFUSED"]


def test_a_wrong_code_and_an_unknown_number_have_one_answer_and_one_pause(office: Office) -> None:
    desk = Desk(office)
    new = desk.register()
    password_code(desk, new.id)
    for number in (new.number, "999", "", "' OR 1=1 --"):
        answers = [reasons(lambda number=number: use(office, number, "WRONG")) for _ in range(6)]
        assert answers == [["SLIP_REFUSED"]] * 5 + [["SIGN_IN_PAUSED"]], number
    assert reasons(lambda: use(office, "999", "WRONG", "12345678")) == ["PASSWORD_COMMON"]


def test_no_database_has_a_password_code(office: Office) -> None:
    desk = Desk(office)
    new = desk.register()
    code = password_code(desk, new.id)
    with office.database.reading(TEST) as session:
        for table in ("slips", "effects", "audit_acts", "outbox"):
            assert code not in repr(session.execute(every_row(table)).all()), table


def test_staff_and_a_member_never_share_a_user_name(office: Office) -> None:
    office.staff("budi", "desk")
    desk = Desk(office, institution=UNAND)
    new = desk.register(category="dosen", request=people_pb2.RegisterMemberRequest(number="Budi"))
    assert reasons(lambda: use(office, "Budi", password_code(desk, new.id))) == ["USER_NAME_TAKEN"]
    assert office.sign_in("budi").account.user == "budi"


@pytest.mark.parametrize(("code", "kind"), [("9790001234567", "number"), ("1000000018", "number"), ("x" * 300, "text")])
def test_the_kind_of_an_unknown_code_is_guessed(code: str, kind: str) -> None:
    assert cards.looks_like(code) == kind
