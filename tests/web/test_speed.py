"""Pages on a cheap phone and a slow line, measured in a real Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import CDPSession, Page

from tests.web.conftest import PHONE, Visit
from tests.web.places import PLACES

FIRST_LOAD_BYTES = 60 * 1024
FIRST_LOAD_REQUESTS = 6
LCP_MILLISECONDS = 2_500
# 400 kbit/s, 300 ms there and back, a processor of a sixth.
SLOW_LINE = {"offline": False, "latency": 300, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
CPU_RATE = 6
# Other work on the machine only ever adds: the best of these is what the page takes.
TRIES = 3

first_pages = pytest.mark.parametrize("path", [PLACES["home"], PLACES["results"], PLACES["record"]])


def fresh(page: Page) -> CDPSession:
    """A browser with nothing in its cache, heard from its first request on."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.clearBrowserCache")
    return session


@first_pages
def test_the_first_load_is_light(visit: Visit, path: str) -> None:
    page = visit("about:blank", size=PHONE, fresh=True)
    session = fresh(page)
    asked: dict[str, str] = {}
    loaded: dict[str, int] = {}
    session.on("Network.requestWillBeSent", lambda event: asked.update({event["requestId"]: event["request"]["url"]}))
    session.on(
        "Network.loadingFinished",
        lambda event: loaded.update({event["requestId"]: int(event["encodedDataLength"])}),
    )
    page.goto(path)
    page.wait_for_load_state("networkidle")
    sent = [asked[each] for each in loaded if asked[each].startswith("http")]
    assert sum(loaded.values()) <= FIRST_LOAD_BYTES, loaded
    assert len(sent) <= FIRST_LOAD_REQUESTS, sent


@first_pages
def test_the_largest_thing_is_there_in_two_and_a_half_seconds(visit: Visit, path: str) -> None:
    page = visit("about:blank", size=PHONE, is_mobile=True, fresh=True)
    session = fresh(page)
    session.send("Network.emulateNetworkConditions", SLOW_LINE)
    session.send("Emulation.setCPUThrottlingRate", {"rate": CPU_RATE})
    taken = []
    for _ in range(TRIES):
        session.send("Network.clearBrowserCache")
        page.goto(path, wait_until="load")
        taken.append(largest_paint(page))
        if taken[-1] <= LCP_MILLISECONDS:
            break
    assert min(taken) <= LCP_MILLISECONDS, f"{path}: largest paint after {[round(each) for each in taken]} ms at best"


def test_a_reader_who_saves_data_gets_no_pictures_and_nothing_ahead(visit: Visit) -> None:
    for path in (PLACES["record"], PLACES["results"], PLACES["home"]):
        page = visit(path, extra_http_headers={"Save-Data": "on"})
        asked = page.evaluate("performance.getEntriesByType('resource').map(each => new URL(each.name).pathname)")
        assert not [each for each in asked if each.startswith(("/covers/", "/search/", "/suggest"))]
        assert page.locator("img, .tile").count() == 0


def largest_paint(page: Page) -> float:
    """Largest Contentful Paint, in ms from the beginning of the navigation."""
    found: float = page.evaluate(
        """() => new Promise(done => {
            new PerformanceObserver(list => done(list.getEntries().at(-1).startTime))
                .observe({type: 'largest-contentful-paint', buffered: true});
        })"""
    )
    return found
