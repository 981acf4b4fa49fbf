"""Institutions and branches over HTTP, with the real catalogue: read by anybody, changed by their manager."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from chassis.context import system
from chassis.database.db import Database
from chassis.ids import new_id, new_id_text
from chassis.operations.testing import migrated_database
from chassis.security.auth import Principal
from chassis.service import Resources
from chassis.settings import Settings
from gateway.request_guard import CONTENT_SECURITY_POLICY
from services.catalog import rpc, sample
from services.catalog.institutions.file import read_institutions
from services.catalog.institutions.loading import load_institutions
from services.catalog.service import SERVICE
from services.catalog.tables import Institution
from services.members.keys import Keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from tests.fakes.running import running, served_catalog, served_gateway
from tests.services.catalog.institutions.test_pictures import clear_png, encoded, png

CONTEXT = system("test")
PKS, PST = "/api/v1/institutions/PKS", "/api/v1/branches/PKS/PST"
SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@pytest.fixture(scope="module")
def _database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder: Path = tmp_path_factory.mktemp("institutions")
    with migrated_database(SERVICE, f"sqlite:///{folder}/catalog.db") as database:
        yield database


@pytest.fixture(scope="module")
def sign(_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Callable[[str], str]]]:
    """The address of a gateway, and a function that gives the token of a manager of an institution."""
    settings = Settings(data=tmp_path_factory.mktemp("data"), grpc_port=0)
    resources = Resources(settings=settings, database=_database, service=SERVICE)
    with served_catalog(rpc.servicer(resources)) as url, served_gateway(url) as address:
        members = running["members"]
        keys = Keys(members.database, members.settings.of(MembersSettings))

        def sign(institution: str) -> str:
            with _database.reading(CONTEXT) as session:
                owner = session.scalars(select(Institution.id).where(Institution.code == institution)).one()
            return keys.sign(Principal(str(new_id()), str(owner), str(new_id()), scopes_of(["manager"])))

        yield address, sign


@pytest.fixture
def http(_database: Database, sign: tuple[str, Callable[[str], str]]) -> Iterator[httpx.Client]:
    """A manager of PKS; the institutions are those of the sample."""
    with _database.transaction(CONTEXT) as session:
        entries = read_institutions(sample.institutions_path())
        load_institutions(session, entries, context=CONTEXT, replace=True)
    address, token_of = sign
    with httpx.Client(
        base_url=address, timeout=20, headers={"Authorization": f"Bearer {token_of('PKS')}"}, verify=False
    ) as client:
        yield client


def write(http: httpx.Client, method: str, path: str, place: str = PKS, **more: Any) -> httpx.Response:
    """Send a write for the current version of a place."""
    headers = {"Idempotency-Key": new_id_text(), "If-Match": http.get(place).headers["etag"], **more.pop("headers", {})}
    return http.request(method, path, headers=headers, **more)


def test_anybody_reads_an_institution_and_a_branch(sign: tuple[str, Callable[[str], str]], http: httpx.Client) -> None:
    with httpx.Client(base_url=sign[0], timeout=20, verify=False) as reader:
        institution, branch = reader.get(PKS).json(), reader.get(PST).json()
        assert reader.get("/api/v1/institutions/NONE").json()["reason"] == "INSTITUTION_NOT_FOUND"
        assert reader.get("/api/v1/branches/PKS/NONE").json()["reason"] == "BRANCH_UNKNOWN"
        hits = reader.get("/api/v1/institutions").json()["hits"]
    assert [hit for hit in hits if hit["code"] == "PKS"] == [institution]
    assert institution["short_name"] == {"id": "Perpus Solok", "en": "Solok Library"}
    assert institution["contact"]["phone"] == "+627550000001"
    assert branch["position"] == {"latitude": -0.7893, "longitude": 100.6543}
    assert branch["accessibility"][0]["en"] == "Ramp at the entrance"
    assert "edited_fields" not in institution


def test_a_manager_changes_what_the_body_names(http: httpx.Client) -> None:
    branch = write(http, "PATCH", PST, PST, json={"position": None, "services": [{"id": "Kopi", "en": "Coffee"}]})
    assert branch.status_code == 200, branch.text
    assert branch.json()["position"] is None
    assert branch.json()["services"] == [{"id": "Kopi", "en": "Coffee"}]
    assert branch.json()["contact"]["address"] == "Jl. Contoh No. 1"
    links = [{"kind": "website", "url": "https://solok.example"}]
    institution = write(http, "PATCH", PKS, json={"links": links, "whatsapp": ""})
    assert (institution.json()["contact"]["links"], institution.json()["contact"]["whatsapp"]) == (links, None)
    assert http.get(PKS).json()["version"] == institution.json()["version"]


def test_a_repeated_edit_is_done_once_and_an_outdated_one_says_what_changed(http: httpx.Client) -> None:
    tag = http.get(PKS).headers["etag"]
    headers = {"Idempotency-Key": new_id_text(), "If-Match": tag}
    first, again = (http.patch(PKS, json={"phone": "0755 0000009"}, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code, again.headers["idempotency-replayed"]) == (200, 200, "true")
    stale = http.patch(PKS, json={"email": "a@b.example"}, headers={"Idempotency-Key": new_id_text(), "If-Match": tag})
    assert stale.status_code == 412
    assert stale.json()["facts"]["changed"] == ["phone"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"links": [{"kind": "website", "url": "javascript:alert(1)"}]}, "DETAIL_URL"),
        ({"phone": "nol"}, "DETAIL_PHONE"),
        ({"zone": "Asia/Tokyo"}, "BODY_UNKNOWN_MEMBER"),
        ({"phone": None}, "BODY_INVALID"),
    ],
)  # fmt: skip
def test_a_wrong_body_is_refused(http: httpx.Client, body: dict[str, Any], reason: str) -> None:
    response = write(http, "PATCH", PKS, json=body)
    assert response.status_code == 400
    assert reason.startswith("BODY_") or response.json()["reason"] == reason


def test_a_logo_and_photos_are_stored_served_and_removed(http: httpx.Client) -> None:
    logo = write(http, "PUT", f"{PKS}/logo", content=clear_png(600)).json()["picture"]
    photo = write(http, "POST", f"{PKS}/photos", content=encoded(size=(2000, 900)) + bytes(5_000_000)).json()["picture"]
    front = write(http, "PUT", f"{PST}/photo", PST, content=encoded("WEBP", (500, 400))).json()["picture"]
    institution = http.get(PKS).json()
    assert (institution["logo"], institution["photos"], http.get(PST).json()["photo"]) == (logo, [photo], front)
    wide, narrow = http.get(photo["url"]), http.get(f"{photo['url']}?width=320")
    assert (wide.headers["content-type"], narrow.headers["content-type"]) == ("image/jpeg", "image/jpeg")
    assert len(narrow.content) < len(wide.content)
    assert http.get(logo["url"]).headers["content-type"] == "image/png"
    for picture, place in ((logo, PKS), (photo, PKS), (front, PST)):
        assert write(http, "DELETE", f"{place}/pictures/{picture['id']}", place).status_code == 204
        assert write(http, "DELETE", f"{place}/pictures/{picture['id']}", place).status_code == 404
    assert http.get(PKS).json()["logo"] is None


def test_a_drawing_is_a_document_that_runs_and_loads_nothing(
    sign: tuple[str, Callable[[str], str]], http: httpx.Client
) -> None:
    url = http.get(PKS).json()["logo"]["url"]
    with httpx.Client(base_url=sign[0], timeout=20, verify=False) as reader:
        drawing, missing = reader.get(url), reader.get("/files/" + "0" * 64)
        again = reader.get(url, headers={"If-None-Match": drawing.headers["etag"]})
    assert drawing.headers["content-type"] == "image/svg+xml"
    assert drawing.headers.get_list("content-security-policy") == [SVG_POLICY]
    assert drawing.headers["x-content-type-options"] == "nosniff"
    assert drawing.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert again.status_code == 304
    assert missing.status_code == 404
    assert missing.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert b"CONTOH" in drawing.content


@pytest.mark.parametrize("path", ["/files/..%2f..%2fetc%2fpasswd", "/files/x", "/files/" + "A" * 64, "/files/"])
def test_there_are_no_other_files(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 404


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (png(30_000, 30_000), 400, "PICTURE_PIXELS"),
        (encoded()[:-300], 400, "PICTURE_DAMAGED"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'><script/></svg>", 400, "SVG_NOT_ALLOWED"),
        (b"\xff\xd8\xff" + bytes(12_600_000), 400, "PICTURE_BYTES"),
        (bytes(14_000_000), 413, "BODY_TOO_LARGE"),
        (b"", 400, "PICTURE_FORMAT"),
    ],
)  # fmt: skip
def test_a_picture_that_is_refused_says_why_in_the_readers_language(
    http: httpx.Client, content: bytes, status: int, reason: str
) -> None:
    before = http.get(PKS).json()
    texts = set()
    for language in ("id", "en"):
        response = write(http, "PUT", f"{PKS}/logo", content=content, headers={"Accept-Language": language})
        assert (response.status_code, response.json()["reason"]) == (status, reason)
        texts.add(response.json()["detail"])
    assert len(texts) == 2
    assert http.get(PKS).json() == before


def test_a_manager_of_another_institution_changes_nothing(
    sign: tuple[str, Callable[[str], str]], http: httpx.Client
) -> None:
    address, token_of = sign
    with httpx.Client(
        base_url=address, timeout=20, headers={"Authorization": f"Bearer {token_of('UMMY')}"}, verify=False
    ) as other:
        for method, path, more in (
            ("PATCH", PKS, {"json": {"phone": "0755 0000009"}}),
            ("PATCH", PST, {"json": {"phone": "0755 0000009"}}),
            ("PUT", f"{PKS}/logo", {"content": clear_png(20)}),
        ):
            response = write(other, method, path, path.removesuffix("/logo"), **more)
            assert (response.status_code, response.json()["reason"]) == (403, "INSTITUTION_NOT_YOURS")
    assert http.get(PKS).json()["contact"]["phone"] == "+627550000001"
