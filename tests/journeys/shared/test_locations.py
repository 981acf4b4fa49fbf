"""What an operation makes is at the address in Location, for a caller with the scope to read it."""

from __future__ import annotations

import io
import uuid
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.conditions import eventually
from tests.described import document
from tests.journeys.library import Library

# tests/gateway/test_callbacks.py makes these and follows Location, with a receiver of events.
WEBHOOKS = {"create_webhook", "change_webhook_secret", "ping_webhook", "replay_webhook"}
# tests/gateway/test_record_offers.py takes an offer, which an import makes.
OFFERS = {"take_record_offer"}
MADE = {
    operation["operationId"]
    for methods in document()["paths"].values()
    for operation in methods.values()
    if "201" in operation["responses"]
}
LETTERS = str.maketrans("0123456789", "ghijklmnop")
PASSWORD = "lampu perahu kemarau"
KIRIMAN = """<collection xmlns="http://www.loc.gov/MARC21/slim"><record><leader>00000nam a2200000 i 4500</leader>
<controlfield tag="001">LOKASI-1</controlfield><datafield tag="245" ind1="0" ind2="0"><subfield code="a">Kaba kiriman
</subfield></datafield></record></collection>"""


class Maker:
    """Makes things in the sample library, and reads them where Location says."""

    def __init__(self, library: Library) -> None:
        self.library, self.made = library, set[str]()
        self.token, self.own_token = "", ""

    def call(self, method: str, path: str, body: Any = None, *, token: str = "", **headers: str) -> httpx.Response:
        headers = {"Idempotency-Key": str(uuid.uuid4()), "Authorization": f"Bearer {token or self.token}"} | headers
        content = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        return httpx.request(method, self.library.address + path, headers=headers, timeout=30, verify=False, **content)

    def make(self, operation: str, path: str, body: Any = None, *, token: str = "", **headers: str) -> tuple[Any, Any]:
        """Call an operation. Returns its response, and what Location has: JSON, or None for a file."""
        made = self.call("POST", f"/api/v1{path}", body, token=token, **headers)
        assert made.status_code == 201, (operation, made.text)
        self.made.add(operation)
        read = self.call("GET", made.headers["Location"], token=token)
        assert read.status_code == 200, (operation, made.headers["Location"], read.text)
        is_json = read.headers["Content-Type"] == "application/json"
        return made.json(), read.json() if is_json else None


@pytest.fixture(scope="module")
def maker(library: Library) -> Maker:
    maker = Maker(library)
    name = f"pembuat-{uuid.uuid4().hex[:8]}"
    client = library.command("client", "create", name, "--institution", "PKS", "--role", "administrator")
    data = {"grant_type": "client_credentials"}
    credentials = (client["client_id"], client["client_secret"])
    reply = httpx.post(f"{library.address}/oauth/token", data=data, auth=credentials, timeout=30, verify=False)
    maker.token = reply.json()["access_token"]
    return maker


def test_location_has_what_was_made(maker: Maker) -> None:
    make = maker.make
    # Other tests register members in this library too, and a name like theirs would be refused.
    name, other_name = (f"Contoh {uuid.uuid4().hex.translate(LETTERS)}" for _ in range(2))
    member, read = make("register_member", "/members", {"name": name, "category": "umum"})
    assert {name: read[name] for name in member} == member
    path = f"/members/{member['id']}"
    for body in ({"act": "damaged"}, {"act": "alias", "alias": {"kind": "rfid", "code": uuid.uuid4().hex[:12]}}):
        changed, card = make("issue_card", f"{path}/cards", body)
        assert card["id"] == changed["card_id"]
        assert card["code"] in (changed["number"], body.get("alias", {}).get("code"))
    blocked, block = make("block_member", f"{path}/blocks", {"reason": "conduct"})
    assert (block["id"], block["reason"]) == (blocked["block_id"], "conduct")
    maker.call("DELETE", f"/api/v1{path}/blocks/{block['id']}")
    renewed, read = make("renew_membership", f"{path}/renewals", {})
    assert (read["expires_on"], read["version"]) == (renewed["expires_on"], renewed["version"])
    request, read = make("add_data_request", f"{path}/data-requests", {"kind": "access"})
    assert (read["id"], read["due_at"]) == (request["id"], request["due_at"])
    other, _ = make("register_member", "/members", {"name": other_name, "category": "umum"})
    merge, read = make("merge_members", "/member-merges", {"kept_id": member["id"], "merged_id": other["id"]})
    assert (read["id"], read["merged_id"]) == (merge["id"], other["id"])
    code, read = make("make_password_code", f"{path}/password-codes", {})
    assert read["id"] == member["id"]
    what_cataloguers_make(maker)
    what_desks_make(maker, str(read["number"]))
    what_members_make(maker, str(read["number"]), str(code["code"]))
    what_administrators_make(maker)
    assert maker.made | WEBHOOKS | OFFERS == MADE


def what_members_make(maker: Maker, number: str, code: str) -> None:
    password = {"number": number, "code": code, "password": PASSWORD}
    assert maker.call("POST", "/api/v1/passwords", password).status_code == 204
    signed_in = maker.call("POST", "/api/v1/sign-in", {"user": number, "password": PASSWORD, "institution": "PKS"})
    own = signed_in.json()["access_token"]
    request, read = maker.make("add_own_data_request", "/account/data-requests", {"kind": "correction"}, token=own)
    assert (read["id"], read["kind"]) == (request["id"], "correction")
    consent = {"purpose": "loan_history", "text_version": "2026-11", "given": True}
    _, read = maker.make("answer_own_consent", "/account/consents", consent, token=own)
    assert read["hits"][0]["consents"][-1]["given"] is True
    keys = {
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    }
    browser = {"endpoint": "https://1.1.1.1/send/contoh", "keys": keys, "name": "Chrome"}
    device, read = maker.make("add_own_device", "/account/devices", browser, token=own)
    assert (read["id"], read["name"]) == (device["id"], "Chrome")
    assert maker.call("DELETE", f"/api/v1/account/devices/{device['id']}", token=own).status_code == 204


def what_cataloguers_make(maker: Maker) -> None:
    title = {"ind1": "0", "ind2": "0", "subfields": [{"a": "Kaba Lokasi"}]}
    marc = {"leader": "00000nam a2200000   4500", "fields": [{"245": title}]}
    saved, read = maker.make("create_record", "/records", marc)
    assert (read["id"], read["record"]["title"]) == (saved["id"], "Kaba Lokasi")
    path, first = f"/records/{saved['id']}/restorations", {"If-Match": '"1"'}
    restored, read = maker.make("restore_record", path, {"version": 1}, **first)
    assert read["id"] == restored["id"]
    copies = {"count": 2, "branch": "PKS/PST", "acquisition": {"source": "purchase"}}
    added, read = maker.make("add_items", f"/records/{saved['id']}/items", copies)
    assert {item["barcode"] for item in read["hits"]} == {item["barcode"] for item in added["items"]}
    items = {"items": [item["id"] for item in added["items"]]}
    labels, read = maker.make("add_label_print", "/label-prints", items)
    assert (read["id"], read["count"]) == (labels["id"], 2)
    barcodes, read = maker.make("add_barcode_range", "/barcode-ranges", {"count": 3})
    assert (read["first"], read["count"]) == (barcodes["first"], 3)
    gap, read = maker.make("skip_accession_numbers", "/accession-gaps", {"reason": "Halaman hilang"})
    assert gap["first_number"] in [each["first_number"] for each in read["hits"]]
    template = {"name": uuid.uuid4().hex[:12], "text": "LDR 00000nam#a2200000#i#4500\n650 #4 $a Fiksi Indonesia"}
    kept, read = maker.make("create_record_template", "/record-templates", template)
    assert read == kept
    what_imports_make(maker)


def what_imports_make(maker: Maker) -> None:
    source = f"L{uuid.uuid4().hex[:8].upper()}"
    address = f"/imports?source={source}&new_source=true&name=kiriman.xml"
    checked, _ = maker.make("upload_import", address, KIRIMAN.encode())
    imported, read = maker.make("start_import", f"/tasks/{ended(maker, checked)}/import", {})
    assert (read["id"], read["kind"]) == (imported["id"], "import")
    undone, read = maker.make("undo_import", f"/tasks/{ended(maker, imported)}/undo")
    assert (read["id"], read["kind"]) == (undone["id"], "import_undo")
    ended(maker, undone)
    # Which ends before it begins: the tasks of an institution run one after the other.
    waiting = [maker.make("upload_import", address, KIRIMAN.encode())[0] for _ in range(3)][-1]
    cancelled, read = maker.make("cancel_task", f"/tasks/{waiting['id']}/cancellations")
    assert read["id"] == cancelled["id"]


def ended(maker: Maker, task: Any) -> str:
    """Wait until a task is done; return its id."""

    def state() -> Any:
        return maker.call("GET", f"/api/v1/tasks/{task['id']}").json()["state"]

    eventually(lambda: state() == "done")
    return str(task["id"])


def what_desks_make(maker: Maker, number: str) -> None:
    barcode, desk = f"L-{uuid.uuid4().hex[:8]}", {"branch": "PKS/PST"}
    added, read = maker.make("fast_add", "/fast-adds", {"barcode": barcode, "title": "Kaba Contoh", **desk})
    assert added == read
    used, read = maker.make("use_in_library", "/in-library-uses", {"item": barcode, **desk})
    assert read["id"] == used["item"]["id"]
    lent, read = maker.make("check_out", "/check-outs", {"member": number, "item": barcode, **desk})
    assert lent["loan"] == read


def what_administrators_make(maker: Maker) -> None:
    name = f"c{uuid.uuid4().hex[:8]}"
    client, read = maker.make("add_client", "/clients", {"name": name, "role": "desk"})
    assert (read["id"], read["name"]) == (client["id"], name)
    staff, read = maker.make("add_staff", "/staff", {"user": name, "name": "Budi Santoso", "roles": ["desk"]})
    assert (read["id"], read["user"]) == (staff["id"], name)
    _, read = maker.make("make_link", f"/staff/{staff['id']}/links")
    assert read["id"] == staff["id"]
    _, read = maker.make("make_sandbox", "/sandbox")
    assert read["code"].startswith("SANDBOX-")
    picture = io.BytesIO()
    Image.new("RGB", (60, 40), "green").save(picture, "PNG")
    etag = maker.call("GET", "/api/v1/institutions/PKS").headers["ETag"]
    photo, _ = maker.make("add_photo", "/institutions/PKS/photos", picture.getvalue(), **{"If-Match": etag})
    maker.call("DELETE", f"/api/v1/institutions/PKS/pictures/{photo['picture']['id']}", **{"If-Match": "*"})
