"""Pages in a real Chromium, before a fake catalogue behind real gRPC."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway

CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PHONE, DESK = (360, 640), (1280, 800)


@pytest.fixture(scope="package")
def _catalog() -> FakeCatalog:
    return FakeCatalog()


@pytest.fixture(scope="package")
def address(_catalog: FakeCatalog) -> Iterator[str]:
    """Address of a running gateway."""
    with served_catalog(_catalog) as url, served_gateway(url) as address:
        yield address


@pytest.fixture
def catalog(_catalog: FakeCatalog) -> Iterator[FakeCatalog]:
    yield _catalog
    _catalog.down = _catalog.broken = _catalog.degraded = False
    _catalog.failing.clear()


@pytest.fixture
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=10, headers={"Accept": "text/html"}) as client:
        yield client


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


Visit = Callable[..., Page]


def settled(page: Page) -> None:
    """Wait until what follows the hits has come."""
    if page.locator("[hx-trigger=load]").count():
        page.locator("[hx-trigger=load] .drawer").wait_for(state="attached")


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    """Open a page as a reader does; complaints of the browser, or of its content policy, fail the test."""
    opened: list[BrowserContext] = []
    complaints: list[str] = []

    def visit(path: str, *, size: tuple[int, int] = DESK, locale: str = "id-ID", **more: object) -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, locale=locale, base_url=address, **more
        )
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(path)
        if more.get("java_script_enabled", True):
            settled(page)
        return page

    yield visit
    for context in opened:
        context.close()
    assert [each for each in complaints if "status of 404" not in each] == []
