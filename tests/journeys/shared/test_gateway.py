"""The API of the cluster with real data is as described, and pages of real books are accessible.

tests/gateway/test_openapi.py calls services of the embedded edition, also with tokens, and tests/web looks at every
kind of page.
"""

from __future__ import annotations

import pytest
import schemathesis
from axe_playwright_python.sync_playwright import Axe
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser
from schemathesis import Case
from schemathesis.schemas import BaseSchema

from tests.described import call_as_described, is_public, paths_of, schema_of
from tests.journeys.library import Library
from tests.web.accessibility import AXE_RULES, OPEN_ALL, VIOLATIONS, low_contrasts


@pytest.fixture(params=paths_of(is_public))
def described(request: pytest.FixtureRequest) -> BaseSchema:
    schema = schema_of(request)
    # tests/gateway/test_openapi.py sends requests at the limits of each parameter; what they get depends on no data.
    schema.config.phases.coverage.enabled = False
    return schema


@(
    schemathesis.pytest.from_fixture("described")
    .include(lambda context: is_public(context.operation.definition.raw))
    .parametrize()
)
@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("library", [pytest.param("cluster", marks=pytest.mark.servers)], indirect=True)
@settings(max_examples=5, suppress_health_check=list(HealthCheck))
def test_the_api_is_as_described_with_a_real_catalogue(case: Case, library: Library) -> None:
    call_as_described(case, library.address)


def test_axe_finds_no_violation_on_pages_of_real_books(embedded_library: Library, browser: Browser) -> None:
    library = embedded_library
    record = library.search("navis")["hits"][0]["id"]
    page = browser.new_page(viewport={"width": 360, "height": 640})
    for path in ("/", "/search?q=minangkabau", "/search?q=sejarah&language=ind", f"/records/{record}"):
        page.goto(library.address + path)
        page.evaluate(OPEN_ALL)
        page.evaluate(Axe().axe_script)
        assert page.evaluate(VIOLATIONS, AXE_RULES) + low_contrasts(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
