"""GET /docs: the API as a page to try, served without other addresses."""

from __future__ import annotations

import re

import httpx

from tests.conftest import CHECKOUT

PACKAGE = CHECKOUT / "tests" / "clients" / "node_modules" / "swagger-ui-dist"
VIEWER = CHECKOUT / "gateway" / "web" / "viewer"


def test_the_page_has_the_viewer_and_the_document_of_this_library(http: httpx.Client) -> None:
    page = http.get("/docs", headers={"Accept-Language": "en"})
    assert page.status_code == 200
    assert 'data-document="/openapi.json"' in page.text
    files = [
        *re.findall(r'<script src="([^"]+)"', page.text),
        *re.findall(r'rel="stylesheet" href="([^"]+)"', page.text),
    ]
    assert len(files) == 5
    for file in files:
        assert file.startswith("/static/"), file
        assert http.get(file).status_code == 200


def test_the_policy_of_the_page_allows_no_inline_script_or_style(http: httpx.Client) -> None:
    assert "unsafe" not in http.get("/docs").headers["Content-Security-Policy"]


def test_the_viewer_is_that_of_the_locked_package() -> None:
    for file in VIEWER.iterdir():
        assert file.read_bytes() == (PACKAGE / file.name).read_bytes(), file.name
