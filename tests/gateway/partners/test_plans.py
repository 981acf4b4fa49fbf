"""Plans of partners: what their clients request is counted once, and refused in the form of each protocol."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from lxml import etree

from chassis import clock
from chassis.context import system
from chassis.database.db import Database
from chassis.errors import Unavailable
from chassis.operations.certificates import make_certificates
from chassis.rpc.client import token_verifier
from chassis.rpc.server import Server
from chassis.service import Resources
from chassis.settings import Settings
from chassis.urls import resolve
from gateway import plans
from rangkiang.catalog.v1.catalog_pb2_grpc import add_CatalogServicer_to_server
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy
from rangkiang.common.v1.text_pb2 import LocalText
from rangkiang.members.v1.staff_pb2 import CountUsageReply, CountUsageRequest
from services.catalog import rpc, sample
from services.catalog.index.installation import open_index_at
from services.catalog.institutions.file import read_institutions
from services.catalog.institutions.loading import load_institutions
from services.catalog.service import SERVICE as CATALOG
from services.catalog.settings import CatalogSettings
from services.members.institutions import copy_institutions
from services.members.keys import Keys
from services.members.service import SERVICE as MEMBERS
from services.members.settings import MembersSettings
from services.members.sign_in import clients, usage
from tests.builders import book
from tests.conditions import eventually
from tests.fakes.accounts import PKS
from tests.fakes.running import registered, served_gateway
from tests.migrated import MigratedDatabases
from tests.services.catalog.conftest import Importer
from tests.services.catalog.indexes import run_indexer

TEST = system("test")
RECORDS = 5
MONTH = "2026-12"
NOON = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
SRU = "/sru?version=1.2&operation=searchRetrieve&query=cql.allRecords=1&maximumRecords=3"
OAI = "/oai?verb=ListRecords&metadataPrefix=oai_dc"
REQUESTS = {"sru": SRU, "oai": OAI, "daia": "/daia?id=x", "api": "/api/v1/changes"}


@dataclass
class Client:
    id: str
    secret: str

    @property
    def basic(self) -> dict[str, str]:
        return {"Authorization": "Basic " + b64encode(f"{self.id}:{self.secret}".encode()).decode()}


@dataclass
class Library:
    """Two gateways with one members; `start` starts one more, which knows nothing yet."""

    members: Database
    start: Callable[..., Any]
    first: str
    second: str
    away: Callable[[], Any]

    def client(self, name: str, role: str = "partner", **limits: int) -> Client:
        with self.members.transaction(TEST) as session:
            client, secret = clients.add_client(
                session, institution_id=PKS, name=name, role=role, context=TEST, granter=None
            )
            usage.set_limits(client, limits)
            return Client(str(client.id), secret)

    def get(self, path: str, headers: dict[str, str], *, address: str = "") -> httpx.Response:
        headers = {"Accept-Language": "en", **headers}
        return httpx.get(f"{address or self.first}{path}", headers=headers, timeout=30, verify=False)

    def token(self, client: Client) -> dict[str, str]:
        body = {"client_id": client.id, "client_secret": client.secret}
        reply = httpx.post(f"{self.first}/api/v1/tokens", json=body, timeout=30, verify=False)
        return {"Authorization": f"Bearer {reply.json()['access_token']}"}

    def statement(self, client: Client) -> dict[tuple[str, str], tuple[int, int, int]]:
        """Requests, records and refusals by day and protocol, as the partner reads them."""
        hits = self.get(f"/api/v1/reports/usage?month={MONTH}", self.token(client)).json()["hits"]
        return {(hit["day"], hit["protocol"]): (hit["requests"], hit["records"], hit["refusals"]) for hit in hits}


@pytest.fixture(scope="module", params=["embedded", pytest.param("cluster", marks=pytest.mark.servers)])
def library(
    request: pytest.FixtureRequest,
    migrated: MigratedDatabases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Library]:
    """In the cluster the services are on PostgreSQL, and behind gRPC with certificates."""
    is_cluster = request.param == "cluster"
    if is_cluster:
        request.getfixturevalue("servers")
    kind, folder = ("postgresql" if is_cluster else "sqlite"), tmp_path_factory.mktemp("plans")
    make_certificates(folder / "tls", ["localhost", "127.0.0.1"], renew=False)

    def identity(name: str) -> dict[str, Any]:
        files = {"grpc_cert": f"{name}.crt", "grpc_key": f"{name}.key", "grpc_ca": "services-authority.crt"}
        return {setting: str(folder / "tls" / file) for setting, file in files.items()} if is_cluster else {}

    def serve(name: str, servicer: Any, adder: Any, verifier: Any) -> str:
        if not is_cluster:
            return stack.enter_context(registered(name, servicer, adder, verifier))
        server = Server(servicer, adder, Settings(grpc_port=0, **identity(name)))
        server.start()
        stack.callback(server.stop, 0.2)
        return f"dns:///{server.address}"

    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "SEND_SECONDS", 0.2)
        catalog = stack.enter_context(migrated.open(CATALOG, kind, folder))
        members = stack.enter_context(migrated.open(MEMBERS, kind, folder))
        with catalog.transaction(TEST) as session:
            load_institutions(session, read_institutions(sample.institutions_path()), context=TEST)
        Importer(catalog)([book(str(number), f"Surau {number}") for number in range(RECORDS)], source="TEST")
        index = open_index_at(Settings(data=folder).of(CatalogSettings).search, catalog)
        run_indexer(catalog, index)
        index.close()
        name = LocalText(id="Perpustakaan", en="Library")
        with members.transaction(TEST) as session:
            copy = InstitutionCopy(id=str(PKS), version=1, code="PKS", name=name, kind="public", zone="Asia/Jakarta")
            copy_institutions(session, [copy])
        settings = Settings(data=folder, **identity("members"))
        own = rpc.servicer(Resources(settings=Settings(data=folder), database=catalog, service=CATALOG))
        resources = Resources(settings=settings, database=members, service=MEMBERS)
        servicer = resolve(MEMBERS.rpc)(resources)
        Keys(members, settings.of(MembersSettings)).signing_key()
        urls = {"members": serve("members", servicer, resolve(MEMBERS.adder), token_verifier(settings, servicer))}
        catalog_url = serve("catalog", own, add_CatalogServicer_to_server, None)

        def start(**options: Any) -> Any:
            return served_gateway(
                catalog_url, urls=urls, without=("members", "circulation", "notifications"), **options,
                **identity("gateway"),
            )  # fmt: skip

        @contextmanager
        def away() -> Iterator[None]:
            """Members refuses to count and to issue tokens, as while it restarts."""
            own_methods = {name: getattr(servicer, name) for name in ("CountUsage", "IssueToken")}

            def refuse(*_arguments: Any) -> Any:
                raise Unavailable("SERVICE_UNAVAILABLE", service="members")

            for name in own_methods:
                setattr(servicer, name, refuse)
            yield
            for name, method in own_methods.items():
                setattr(servicer, name, method)

        yield Library(members, start, stack.enter_context(start()), stack.enter_context(start()), away)


@pytest.fixture
def noon() -> Iterator[None]:
    with clock.frozen(NOON):
        yield


pytestmark = pytest.mark.usefixtures("noon")


@pytest.mark.parametrize("way", ["basic", "bearer"])
def test_a_partner_names_itself_and_its_statement_has_each_protocol(library: Library, way: str) -> None:
    partner = library.client(f"statement-{way}")
    headers = partner.basic if way == "basic" else library.token(partner)
    for protocol, path in REQUESTS.items():
        sent = library.token(partner) if protocol == "api" else headers
        assert library.get(path, sent).status_code == 200
    assert library.get("/search.atom?limit=2", library.token(partner)).status_code == 200
    assert library.get(f"{SRU}&x-protocol=z3950", headers).status_code == 200
    expected = {
        ("2026-12-01", "sru"): (1, 3, 0),
        ("2026-12-01", "z3950"): (1, 3, 0),
        ("2026-12-01", "oai"): (1, RECORDS, 0),
        ("2026-12-01", "daia"): (1, 0, 0),
        ("2026-12-01", "api"): (2, RECORDS + 2, 0),
    }
    eventually(lambda: library.statement(partner) == expected)
    assert library.get("/oai?verb=Identify", {}).status_code == 200
    assert library.statement(partner) == expected


def test_a_used_up_day_is_refused_in_the_form_of_each_protocol_until_midnight(library: Library) -> None:
    partner = library.client("used-up", requests_a_day=1)
    assert library.get(OAI, partner.basic).status_code == 200
    with clock.frozen(datetime(2026, 12, 1, 16, 50, tzinfo=UTC)):
        answers = {
            protocol: library.get(path, partner.basic) for protocol, path in REQUESTS.items() if protocol != "api"
        }
        answers["api"] = library.get(REQUESTS["api"], library.token(partner))
        assert {protocol: answer.status_code for protocol, answer in answers.items()} == {
            "sru": 200, "oai": 503, "daia": 429, "api": 429,
        }  # fmt: skip
        assert {answer.headers["retry-after"] for answer in answers.values()} == {"600"}
        for answer in answers.values():
            assert "used up: 1 of 1 requests a day. It opens again at 2026-12-01T17:00:00Z." in answer.text
            assert '"requests_a_day";r=0;t=600' in answer.headers["ratelimit"]
            assert '"requests_a_day";q=1;w=86400' in answer.headers["ratelimit-policy"]
        [uri] = etree.fromstring(answers["sru"].content).xpath("//*[local-name()='uri']/text()")
        assert uri == "info:srw/diagnostic/1/2"
        problem = answers["api"].json()
        assert (problem["reason"], problem["facts"]["limit"], problem["facts"]["used"]) == (
            "PLAN_EXCEEDED", "requests_a_day", 1,
        )  # fmt: skip
        assert library.get(OAI, {}).status_code == 200
    eventually(lambda: library.statement(partner).get(("2026-12-01", "oai")) == (1, RECORDS, 1))
    assert library.statement(partner)["2026-12-01", "sru"] == (0, 0, 1)
    with clock.frozen(datetime(2026, 12, 1, 17, 0, tzinfo=UTC)):
        assert library.get(OAI, partner.basic).status_code == 200
        assert library.get(OAI, partner.basic).status_code == 503


def test_an_id_in_another_spelling_is_the_same_client(library: Library) -> None:
    partner = library.client("spelling", requests_a_day=1)
    assert library.get(OAI, partner.basic).status_code == 200
    for spelling in (partner.id.upper(), partner.id.replace("-", ""), f"{{{partner.id}}}"):
        assert library.get(OAI, Client(spelling, partner.secret).basic).status_code == 503


def test_records_of_a_day_are_limited_too(library: Library) -> None:
    partner = library.client("records", records_a_day=4)
    assert library.get(SRU, partner.basic).headers["ratelimit"].endswith(f'"records_a_day";r=4;t={12 * 3600}')
    assert library.get(OAI, partner.basic).status_code == 200
    refused = library.get(SRU, partner.basic)
    assert "used up: 8 of 4 records a day" in refused.text


def test_all_processes_count_one_plan_and_one_that_starts_later_knows_it(library: Library) -> None:
    partner = library.client("processes", requests_a_day=3)
    for address in (library.first, library.second):
        assert library.get(OAI, partner.basic, address=address).status_code == 200
    eventually(lambda: library.statement(partner).get(("2026-12-01", "oai")) == (2, 2 * RECORDS, 0))
    assert library.get(OAI, partner.basic, address=library.second).status_code == 200
    eventually(lambda: library.get(OAI, partner.basic).status_code == 503)
    # A process that starts knows what members has counted, and the others send that a moment later.
    eventually(lambda: library.statement(partner)["2026-12-01", "oai"][0] >= 3)
    with library.start() as address:
        assert library.get(OAI, partner.basic, address=address).status_code == 503


def test_a_larger_plan_counts_within_seconds(library: Library) -> None:
    partner = library.client("larger", requests_a_day=1)
    assert library.get(OAI, partner.basic).status_code == 200
    assert library.get(OAI, partner.basic).status_code == 503
    with library.members.transaction(TEST) as session:
        usage.change_plan(session, partner.id, {"requests_a_day": 1_000})
    eventually(lambda: library.get(OAI, partner.basic).status_code == 200)


def test_the_plan_replaces_the_limit_of_a_minute(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.limits.TOKEN_SECONDS", 60)
    small, large = library.client("small", requests_a_minute=2), library.client("large", requests_a_minute=400)
    with library.start(rate_limit=20) as address:
        token = library.token(small)
        answers = [library.get("/api/v1/changes", token, address=address) for _ in range(4)]
        # The process does not know the plan of the client at its first request.
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert (answers[3].json()["reason"], answers[3].json()["facts"]["quota"]) == ("PLAN_EXCEEDED", 2)
        assert int(answers[3].headers["retry-after"]) <= 30
        for _ in range(30):
            assert library.get("/daia?id=x", large.basic, address=address).status_code == 200
    with library.start(rate_limit=1) as address:
        token = library.token(large)
        answers = [library.get("/api/v1/changes", token, address=address) for _ in range(12)]
        refused = next(answer for answer in answers if answer.status_code == 429)
        # All credentials of this address together: ten times the limit of an address.
        assert (refused.json()["reason"], refused.json()["facts"]["quota"]) == ("TOO_MANY_REQUESTS", 10)


def test_a_wrong_credential_is_refused_on_protocols_of_partners(library: Library) -> None:
    partner = library.client("wrong")
    wrong = Client(partner.id, "invented").basic
    for headers in (wrong, {"Authorization": "Basic ????"}, {"Authorization": "Bearer invented"}):
        for path in (SRU, OAI, REQUESTS["daia"]):
            refused = library.get(path, headers)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (
                401, 'Basic realm="rangkiang", charset="UTF-8"',
            )  # fmt: skip
    with library.members.transaction(TEST) as session:
        clients.revoke_client(session, partner.id)
    assert library.get(OAI, partner.basic).status_code == 401


def test_a_secret_is_not_accepted_on_a_connection_that_others_can_read(library: Library) -> None:
    partner = library.client("plain-http")
    assert library.get(OAI, partner.basic).status_code == 200
    refused = library.get(OAI, {**partner.basic, "X-Forwarded-For": "192.0.2.1", "Accept": "application/json"})
    assert (refused.status_code, refused.json()["reason"]) == (403, "SIGN_IN_NEEDS_HTTPS")


def test_a_client_of_another_role_is_counted_without_limits_of_a_day(library: Library) -> None:
    desk = library.client("kiosk", "desk")
    token = library.token(desk)
    answer = library.get("/api/v1/changes", token)
    assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)

    def requests() -> list[int]:
        with library.members.reading(TEST) as session:
            return [row.requests for _, row in usage.report(session, MONTH, desk.id)]

    eventually(lambda: requests() == [1])


def test_a_batch_without_a_reply_is_sent_again_with_its_key() -> None:
    batches: list[tuple[bytes, str]] = []

    async def exchange(batch: CountUsageRequest, key: str) -> CountUsageReply:
        batches.append((batch.SerializeToString(deterministic=True), key))
        if len(batches) == 1:
            raise Unavailable("SERVICE_UNAVAILABLE", service="members")
        return CountUsageReply()

    async def scenario() -> None:
        own = plans.Usage(exchange)
        own.count("a", "oai", requests=1, records=1_000)
        await own.send()
        own.count("a", "oai", requests=1)
        await own.send()
        await own.send()
        await own.send()

    asyncio.run(scenario())
    first, again, later = batches
    assert first == again
    assert [count.requests for count in CountUsageRequest.FromString(later[0]).counts] == [1]
    assert later[1] != first[1]


def test_a_process_that_stops_sends_a_batch_without_a_reply_and_what_it_has_counted_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plans, "SEND_SECONDS", 0)
    arrived: list[int] = []

    async def scenario() -> None:
        is_on_its_way = asyncio.Event()

        async def exchange(batch: CountUsageRequest, key: str) -> CountUsageReply:
            if not is_on_its_way.is_set():
                is_on_its_way.set()
                await asyncio.Event().wait()
            arrived.extend(count.requests for count in batch.counts)
            return CountUsageReply()

        own = plans.Usage(exchange)
        own.count("a", "oai", requests=1)
        running = asyncio.create_task(own.run())
        await is_on_its_way.wait()
        own.count("a", "oai", requests=2)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(scenario())
    assert arrived == [1, 2]


def test_reading_goes_on_while_members_is_away_and_is_counted_afterwards(library: Library) -> None:
    partner = library.client("away")
    assert library.get(OAI, partner.basic).status_code == 200
    eventually(lambda: library.statement(partner).get(("2026-12-01", "oai")) == (1, RECORDS, 0))
    with library.away():
        assert library.get(OAI, partner.basic).status_code == 200
        assert library.get(OAI, library.client("unknown").basic).status_code == 200
    eventually(lambda: library.statement(partner).get(("2026-12-01", "oai")) == (2, 2 * RECORDS, 0))
