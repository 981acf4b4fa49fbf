"""Pages in a real Chromium; the catalogue is a fake over real gRPC."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.fakes.catalog import FakeCatalog
from tests.fakes.hours import add_hours, wait_for_hours
from tests.fakes.running import served_catalog, served_gateway
from tests.web.browsers import launched

# Four tests share two processors.
expect.set_options(timeout=30_000)

PHONE, DESK = (360, 640), (1280, 800)


@pytest.fixture(scope="package")
def _catalog() -> FakeCatalog:
    return FakeCatalog()


@pytest.fixture(scope="package")
def address(_catalog: FakeCatalog) -> Iterator[str]:
    """Address of a running gateway."""
    with served_catalog(_catalog) as url, served_gateway(url, default_institution="KOTASOLOK") as address:
        add_hours()
        wait_for_hours(address)
        yield address


@pytest.fixture
def catalog(_catalog: FakeCatalog) -> Iterator[FakeCatalog]:
    yield _catalog
    _catalog.down = _catalog.broken = _catalog.degraded = False
    _catalog.failing.clear()


@pytest.fixture
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=10, headers={"Accept": "text/html"}, verify=False) as client:
        yield client


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


Visit = Callable[..., Page]
# The browser's line about a page that is not there, or not any more.
_STATUSES = ("status of 404", "status of 410")


# A locator would compile all of Playwright's scripts in each page, which takes half as long as to open it.
FILTERS = """() => new Promise((resolve, reject) => {
    const areLoaded = () => document.querySelector('[data-load] .drawer') !== null;
    if (!document.querySelector('[data-load]') || areLoaded()) return resolve();
    new MutationObserver(() => areLoaded() && resolve()).observe(document, {childList: true, subtree: true});
    setTimeout(() => reject(new Error('the filters are not loaded')), 30_000);
})"""

# Fills in and sends the form with this action, past the scripts of the page.
SEND = """([action, values]) => {
    const form = [...document.forms].find(form => new URL(form.action).pathname === action);
    for (const [name, value] of Object.entries(values)) {
        const known = form.elements.namedItem(name);
        if (known && known.matches && known.matches('select, textarea, input:not([type=checkbox], [type=radio])')) {
            known.value = value;
        } else {
            form.append(Object.assign(document.createElement('input'), {type: 'hidden', name, value}));
        }
    }
    HTMLFormElement.prototype.submit.call(form);
}"""


def wait_for_filters(page: Page) -> None:
    """Wait until the filters, which load after the hits, are on the page."""
    page.evaluate(FILTERS)


class Window:
    """A page and the errors and dialogs of the browser in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        page.on("dialog", lambda dialog: (self.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))


@pytest.fixture(scope="package")
def _windows() -> dict[str, Window]:
    """Open windows by their address and options: to open a new one takes ten times as long as to load a page in it."""
    return {}


@pytest.fixture
def visit(browser: Browser, address: str, _windows: dict[str, Window]) -> Iterator[Visit]:
    """Open a page as a reader does; errors of the browser or of its content policy fail the test.

    A window is used again after its size, media, cookies and storage are reset; `fresh` opens a new one.
    """
    windows: list[Window] = []
    closing: list[BrowserContext] = []

    def open_window(options: dict[str, object], fresh: bool) -> Window:
        name = f"{address} {options}"  # a module may have a gateway of its own
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
        path: str, *, size: tuple[int, int] = DESK, locale: str = "id-ID", fresh: bool = False, **options: object
    ) -> Page:
        window = open_window({"locale": locale, **options}, fresh)
        page = window.page
        if window not in windows:
            windows.append(window)
            window.errors.clear()
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(media="null", color_scheme="null", reduced_motion=options.get("reduced_motion", "null"))  # type: ignore[arg-type]
        page.goto(path)
        if options.get("java_script_enabled", True):
            wait_for_filters(page)
        return page

    yield visit
    for context in closing:
        context.close()
    for window in windows:
        if window.page.context not in closing:
            window.page.evaluate("localStorage.clear()")
            window.page.context.clear_cookies()
    errors = [error_text for window in windows for error_text in window.errors]
    assert [error_text for error_text in errors if not any(status in error_text for status in _STATUSES)] == []
