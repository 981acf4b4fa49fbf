"""Items and branches in the circulation of `tests.fakes.running`, as the catalogue tells it of them."""

from __future__ import annotations

from uuid import UUID

from chassis.context import system
from rangkiang.catalog.v1.events_pb2 import BranchCopy, InstitutionCopy, ItemCopy
from rangkiang.common.v1.text_pb2 import LocalText
from services.circulation.copies import copy_items
from services.circulation.institutions import copy_institutions
from tests.fakes.accounts import PKS
from tests.fakes.running import running

TEST = system("test")
PST, TJH = UUID(int=0xB1), UUID(int=0xB2)
TITLES = ("Robohnya Surau Kami", "Sitti Nurbaya", "Tenggelamnya Kapal van der Wijck", "Bumi Manusia", "Laskar Pelangi")
# An item that nobody takes home, and one of the other branch.
REFERENCE, ELSEWHERE = "REF0001", "TJH0001"
ITEMS = 120
# A title that a spreadsheet would calculate.
FORMULA, FORMULA_TITLE = 16, '=HYPERLINK("http://example.org")'


def barcode(number: int) -> str:
    """Return the barcode of an item of the main branch; numbers begin with 1."""
    return f"KS{number:07}"


def add_items(institution: UUID = PKS) -> None:
    """Tell circulation of two branches, of items 1 to ITEMS of the main branch, of REFERENCE and of ELSEWHERE."""
    branches = [
        BranchCopy(id=str(PST), code="PST", zone="Asia/Jakarta", name=LocalText(id="Perpustakaan Pusat", en="Main")),
        BranchCopy(id=str(TJH), code="TJH", zone="Asia/Jakarta", name=LocalText(id="Tanjung Harapan", en="Cape")),
    ]
    library = InstitutionCopy(
        id=str(institution), version=1, code="PKS", kind="public", zone="Asia/Jakarta",
        name=LocalText(id="PKS", en="PKS"), branches=branches,
    )  # fmt: skip
    items = [_item(number, institution) for number in range(1, ITEMS + 1)]
    items[FORMULA - 1].title = FORMULA_TITLE
    items.append(_item(ITEMS + 1, institution, barcode=REFERENCE, collection="reference"))
    items.append(_item(ITEMS + 2, institution, barcode=ELSEWHERE, branch_id=str(TJH)))
    with running["circulation"].database.transaction(TEST) as session:
        copy_institutions(session, [library])
        copy_items(session, items)


def item_id(number: int) -> str:
    return str(UUID(int=0xC000 + number))


def _item(number: int, institution: UUID, **fields: str) -> ItemCopy:
    values = {
        "id": item_id(number),
        "institution_id": str(institution),
        "barcode": barcode(number),
        "title": TITLES[number - 1] if number <= len(TITLES) else f"Buku {number}",
        "collection": "circulation",
        "status": "in_service",
        "branch_id": str(PST),
        "call_number": f"F 899.2213 BUK {number}",
        "record_id": str(UUID(int=0xD000 + number)),
        **fields,
    }
    return ItemCopy(version=1, year=1986, **values)  # type: ignore[arg-type]
