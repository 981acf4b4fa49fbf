"""WhatsApp's callbacks over HTTP, and words that the real members and circulation answer; webhooks of a real client."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis import clock
from chassis.addresses import networks
from chassis.http.outgoing import OutgoingClient
from chassis.rpc import inproc
from chassis.rpc.client import token_verifier
from chassis.security.auth import Principal
from chassis.security.encryption import MasterKey, make_master_key
from chassis.service import Resources
from chassis.urls import resolve
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy
from services.members.keys import Keys
from services.members.people.store import NewMember, register
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from services.members.sign_in import clients
from services.notifications.conversations.answers import Answerer
from services.notifications.institutions import copy_institutions
from services.notifications.rpc.answering import CirculationOwners
from services.notifications.rpc.sending import ServiceOwners
from services.notifications.settings import NotificationsSettings
from services.notifications.webhooks import delivery
from services.notifications.webhooks.events import PartnerEvent, queue_events
from tests.fakes.accounts import PKS, TEST, add_institution
from tests.fakes.catalog import FakeCatalog
from tests.fakes.http_receiver import HttpReceiver
from tests.fakes.lending import add_items, barcode
from tests.fakes.running import running, served_catalog, served_gateway
from tests.fakes.whatsapp_cloud import APP_SECRET, PHONE_NUMBER_ID, TOKEN, VERIFY_TOKEN, message_callback, sign

PATH = "/api/v1/callbacks/whatsapp"
LOOPBACK = "127.0.0.0/8"


@dataclass
class Site:
    http: httpx.Client
    notifications: Resources
    master: MasterKey
    keys: Keys

    def headers(self, role: str) -> dict[str, str]:
        principal = Principal(str(uuid.uuid4()), str(PKS), str(uuid.uuid4()), scopes_of([role]))
        return {"Authorization": f"Bearer {self.keys.sign(principal)}", "Idempotency-Key": str(uuid.uuid4())}

    def member(self, name: str, phone: str) -> str:
        """Register a member; return the id."""
        context = replace(TEST, institution=str(PKS))
        with running["members"].database.transaction(context) as session:
            new = NewMember({"name": name, "category": "umum", "phone": phone})
            return str(register(session, new, context=context, master=self.keys.master).id)

    def lend(self, member: str, number: int) -> None:
        body = {"member": member, "item": barcode(number), "branch": "PKS/PST"}
        reply = self.http.post("/api/v1/check-outs", json=body, headers=self.headers("desk"))
        assert reply.status_code == 201, reply.text

    def make(self, path: str, body: Any = None, *, headers: dict[str, str]) -> tuple[Any, Any]:
        """Make something of a webhook. Returns the response, and what Location has for the same caller."""
        headers = headers | {"Idempotency-Key": str(uuid.uuid4())}
        made = self.http.post(path, json=body, headers=headers)
        assert made.status_code == 201, made.text
        read = self.http.get(made.headers["Location"], headers=headers)
        assert read.status_code == 200, (made.headers["Location"], read.text)
        return made.json(), read.json()

    def call_back(self, body: bytes, *, signature: str | None = None, **headers: str) -> httpx.Response:
        signed = {"X-Hub-Signature-256": sign(body) if signature is None else signature}
        return self.http.post(PATH, content=body, headers={"Content-Type": "application/json", **signed, **headers})

    def write(self, phone: str, text: str) -> list[str]:
        """Write as this number; return the lines of the answer."""
        body = message_callback(f"wamid.{uuid.uuid4()}", phone, text, at=int(clock.now().timestamp()))
        assert self.call_back(body).json() == {"statuses": 0, "messages": 1}
        owners = CirculationOwners(self.notifications)
        assert Answerer(self.notifications.database, owners, self.master, {}).run_round() >= 1
        hits = self.http.get("/api/v1/conversations", headers=self.headers("desk")).json()["hits"]
        [conversation] = [hit for hit in hits if hit["address"] == f"+{phone}"]
        answers = [message for message in conversation["messages"] if not message["is_inbound"]]
        return answers[-1]["text"].splitlines() if answers else []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("secrets")
    (folder / "app").write_text(APP_SECRET)
    (folder / "verify").write_text(VERIFY_TOKEN)
    with served_catalog(FakeCatalog()) as catalog, served_gateway(catalog) as address:
        members, served = running["members"], running["notifications"]
        keys = Keys(members.database, members.settings.of(MembersSettings))
        assert keys.master.fingerprint
        add_institution()
        add_items()
        more = {
            "channels": f"whatsapp://{PHONE_NUMBER_ID}?token={TOKEN} print:",
            "whatsapp_app_secret_file": str(folder / "app"),
            "whatsapp_verify_token_file": str(folder / "verify"),
            "outgoing_private_networks": LOOPBACK,
        }
        resources = replace(served, settings=served.settings.model_copy(update=more))
        service = resources.service
        servicer = resolve(service.rpc)(resources)
        verifier = token_verifier(resources.settings, servicer)
        inproc.register("notifications", servicer, resolve(service.adder), verifier=verifier)
        master = make_master_key(resources.settings.of(NotificationsSettings).master_key)
        library = InstitutionCopy(id=str(PKS), version=1, code="PKS", kind="public", zone="Asia/Jakarta")
        with resources.database.transaction(TEST) as session:
            copy_institutions(session, [library])
        with httpx.Client(base_url=address, timeout=30, verify=False) as http:
            yield Site(http, resources, master, keys)


def test_a_callback_needs_its_signature_and_no_other_credential_key_or_origin(site: Site) -> None:
    body = message_callback("wamid.first", "62811000000", "BANTUAN", at=int(clock.now().timestamp()))
    for signature in ("", "sha256=0", sign(body, "another")):
        refused = site.call_back(body, signature=signature)
        assert (refused.status_code, refused.json()["reason"]) == (403, "CALLBACK_SIGNATURE_WRONG")
    taken = site.call_back(body, Origin="https://graph.facebook.com", Cookie="rangkiang=somebody")
    assert (taken.status_code, taken.json()) == (200, {"statuses": 0, "messages": 1})
    assert site.call_back(body).json() == {"statuses": 0, "messages": 0}


def test_bodies_have_at_most_three_megabytes(site: Site) -> None:
    assert site.call_back(json.dumps({"entry": [], "x": "y" * 2_900_000}).encode()).status_code == 200
    assert site.call_back(b"x" * (3 * 1024 * 1024 + 1)).status_code == 413


def test_the_challenge_is_repeated_for_the_right_word(site: Site) -> None:
    query: dict[str, Any] = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}
    right = site.http.get(PATH, params=query)
    assert (right.status_code, right.text, right.headers["content-type"]) == (
        200,
        "1158201444",
        "text/plain; charset=utf-8",
    )
    assert site.http.get(PATH, params={**query, "hub.verify_token": "wrong"}).status_code == 403
    script = site.http.get(PATH, params={**query, "hub.challenge": "<script>alert(1)</script>"})
    assert script.headers["x-content-type-options"] == "nosniff"


def test_words_are_answered_from_circulation_as_the_member_who_wrote(site: Site) -> None:
    siti = site.member("Siti", "0812 6600 1133")
    site.member("Ali", "0812 6600 1144")
    site.lend(siti, 2)
    site.lend(siti, 3)
    lines = site.write("6281266001133", "pinjaman")
    assert lines[0] == "Pinjaman Anda: 2"
    assert {line.split(" – ")[0] for line in lines[1:]} == {"• Sitti Nurbaya", "• Tenggelamnya Kapal van der Wijck"}
    assert site.write("6281266001144", "PINJAMAN") == ["Anda tidak sedang meminjam apa pun."]
    lines = site.write("6281266001133", "perpanjang")
    assert lines[0] == "Diperpanjang: 2 dari 2"
    assert all(" – batas kembali sekarang " in line for line in lines[1:])
    lines = site.write("6281266001133", "renew")
    assert lines[0] == "Renewed: 0 of 2"
    assert all(" – still due " in line for line in lines[1:])


def test_a_number_of_two_members_is_for_staff(site: Site) -> None:
    site.member("Ibu", "0813 1111 2222")
    site.member("Anak", "0813 1111 2222")
    [line] = site.write("6281311112222", "PINJAMAN")
    assert line.startswith("Terima kasih. Pesan Anda kami teruskan")


def test_a_partner_subscribes_and_gets_facts(site: Site) -> None:
    with HttpReceiver() as receiver:
        partner = site.headers("partner")
        body = {"url": receiver.url, "kinds": ["loan.opened", "member.registered"]}
        refused = site.http.post("/api/v1/webhooks", json=body, headers=partner)
        assert (refused.status_code, refused.json()["reason"]) == (403, "WEBHOOK_SCOPE_MISSING")
        members, context = running["members"].database, replace(TEST, institution=str(PKS))
        with members.transaction(context) as session:
            client, _ = clients.add_client(
                session, institution_id=PKS, name="kampus", role="partner_members", context=context, granter=None
            )
        token = site.keys.sign(clients.principal_of(client))
        partner = {"Authorization": f"Bearer {token}"}
        made, webhook = site.make("/api/v1/webhooks", body, headers=partner)
        assert (webhook["id"], webhook["with_members"]) == (made["id"], True)
        member = site.member("Rahma", "0812 6600 1155")
        for path in ("/api/v1/members?q=rahma", f"/api/v1/members/{member}"):
            assert site.http.get(path, headers=partner).status_code == 403, "events name members, and show nothing else"
        database = site.notifications.database
        with database.transaction(TEST) as session:
            queue_events(session, [PartnerEvent("member.registered", PKS, {}, uuid.uuid4())])
        outgoing, read_scopes = OutgoingClient(allowed=networks(LOOPBACK)), ServiceOwners(site.notifications).scopes
        assert delivery.run_round(database, site.master, outgoing, read_scopes) == 1
        assert json.loads(receiver.requests[0].body)["kind"] == "member.registered"
        path = f"/api/v1/webhooks/{made['id']}"
        tag = site.http.get(path, headers=partner).headers["ETag"]
        only_members = {"kinds": ["member.registered"]}
        changed = site.http.patch(path, json=only_members, headers=partner | {"If-Match": tag})
        assert (changed.status_code, changed.json()["kinds"]) == (200, ["member.registered"])
        assert site.http.patch(path, json=only_members, headers=partner | {"If-Match": tag}).status_code == 412
        other, webhook = site.make(f"{path}/secrets", headers=partner)
        assert (other["secret"] != made["secret"], webhook["id"]) == (True, made["id"])
        queued, webhook = site.make(f"{path}/pings", headers=partner)
        assert (queued["kind"], webhook["id"], webhook["waiting"]) == ("ping", made["id"], 1)
        assert delivery.run_round(database, site.master, outgoing, read_scopes) == 1
        [ping, _] = site.http.get(f"{path}/deliveries", headers=partner).json()["hits"]
        assert (ping["kind"], ping["attempts"][0]["status"]) == ("ping", 200)
        replayed, webhook = site.make(f"{path}/replays", {}, headers=partner)
        assert (replayed["count"], webhook["id"], webhook["state"]) == (0, made["id"], "active")
        with members.transaction(context) as session:
            clients.revoke_client(session, str(client.id))
        with database.transaction(TEST) as session:
            queue_events(session, [PartnerEvent("member.registered", PKS, {}, uuid.uuid4())])
        assert delivery.run_round(database, site.master, outgoing, read_scopes) == 0
        [ended] = site.http.get("/api/v1/webhooks", headers=site.headers("manager")).json()["hits"]
        assert (ended["state"], ended["reason"]) == ("disabled", "MAKER_WITHOUT_SCOPES")
        assert len(receiver.requests) == 2
        assert site.http.delete(path, headers=site.headers("manager")).status_code == 204
        assert site.http.get("/api/v1/webhooks", headers=partner).json()["total"] == 0
