"""The local authority of `tls init`: its certificate can be downloaded, and a page says how devices trust it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from playwright.sync_api import Browser

from chassis.operations.certificate_files import fingerprint, load_certificate
from chassis.operations.certificates import make_certificates
from chassis.settings import Settings
from gateway.web.trust import SYSTEMS, local_authority
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway
from tests.web.accessibility import (
    check_accessibility,
)
from tests.web.conftest import PHONE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made") / "tls"
    make_certificates(made, ["perpustakaan", "perpustakaan.local"], renew=False)
    return made


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    """A gateway with a certificate of `tls init`; HTTPS itself is tested with `up`."""
    with (
        served_catalog(FakeCatalog()) as url,
        served_gateway(url, tls_cert=str(folder / "server.crt"), tls_key=str(folder / "server.key")) as address,
    ):
        yield address


def test_the_authority_is_downloaded_without_its_key(site: str, folder: Path) -> None:
    response = httpx.get(f"{site}/authority.crt", verify=False)
    assert response.headers["content-type"] == "application/x-x509-ca-cert"
    assert x509.load_pem_x509_certificate(response.content) == load_certificate(folder / "authority.crt")
    assert b"PRIVATE" not in response.content


def test_the_page_has_the_fingerprint_and_every_system_in_both_languages(site: str, folder: Path) -> None:
    digest = fingerprint(load_certificate(folder / "authority.crt"))
    for language in ("id", "en"):
        text = httpx.get(f"{site}/trust?lang={language}", verify=False).text
        assert digest in text
        assert text.count("<summary>") == len(SYSTEMS)
    assert 'href="/trust"' in httpx.get(site, headers={"Accept": "text/html"}, verify=False).text


def test_without_an_authority_of_its_own_a_site_has_neither_page_nor_link(
    address: str, folder: Path, tmp_path: Path
) -> None:
    answers = [httpx.get(f"{address}{path}", verify=False) for path in ("/trust", "/authority.crt")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert "/trust" not in httpx.get(address, headers={"Accept": "text/html"}, verify=False).text
    make_certificates(tmp_path / "tls", ["other"], renew=False)
    # The certificate of another authority, next to one that has not signed it.
    (tmp_path / "tls" / "server.crt").write_bytes((folder / "server.crt").read_bytes())
    assert local_authority(Settings(tls_cert=str(tmp_path / "tls" / "server.crt"))) is None
    assert local_authority(Settings(tls_cert=str(tmp_path / "none.crt"))) is None


def test_the_page_is_accessible_on_every_screen(browser: Browser, site: str) -> None:
    page = browser.new_page(viewport={"width": PHONE[0], "height": PHONE[1]})
    page.goto(f"{site}/trust")
    check_accessibility(page)
    page.close()
