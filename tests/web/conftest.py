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


class Window:
    """A page and what the browser complained about in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))


@pytest.fixture(scope="package")
def _windows() -> dict[str, Window]:
    """Windows that stay open, by how they were opened: a new one costs ten times what another page in it does."""
    return {}


@pytest.fixture
def visit(browser: Browser, address: str, _windows: dict[str, Window]) -> Iterator[Visit]:
    """Open a page as a reader does; complaints of the browser, or of its content policy, fail the test.

    A window is used again, its size, media, cookies and storage put back; `fresh` asks for one of the test's own.
    """
    used: list[Window] = []
    closing: list[BrowserContext] = []

    def opened(options: dict[str, object], fresh: bool) -> Window:
        name = repr(options)
        if not fresh and name in _windows:
            return _windows[name]
        context = browser.new_context(base_url=address, **options)  # type: ignore[arg-type]
        window = Window(context.new_page())
        if fresh:
            closing.append(context)
        else:
            _windows[name] = window
        return window

    def visit(
        path: str, *, size: tuple[int, int] = DESK, locale: str = "id-ID", fresh: bool = False, **more: object
    ) -> Page:
        window = opened({"locale": locale, **more}, fresh)
        page = window.page
        if window not in used:
            used.append(window)
            window.complaints.clear()
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(media="null", color_scheme="null", reduced_motion=more.get("reduced_motion", "null"))  # type: ignore[arg-type]
        page.goto(path)
        if more.get("java_script_enabled", True):
            settled(page)
        return page

    yield visit
    for context in closing:
        context.close()
    for window in used:
        if window.page.context not in closing:
            window.page.evaluate("localStorage.clear()")
            window.page.context.clear_cookies()
    complaints = [complaint for window in used for complaint in window.complaints]
    assert [complaint for complaint in complaints if "status of 404" not in complaint] == []
