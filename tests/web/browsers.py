"""The real browser of tests: Chromium's headless shell, or Chromium itself where the shell has no package."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserType, sync_playwright

# The shell has the engine of Chromium without the parts around it, and needs a fifth less CPU time.
SHELL, CHROMIUM = "chromium-headless-shell", "chromium"
# Playwright disables these, and the last list of the command line counts. The last one makes a new frame for each page
# that is opened in a window, which takes a sixth of the CPU time of opening it.
DISABLED_FEATURES = (
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
    "RenderDocument",
)
ARGUMENTS = (
    f"--disable-features={','.join(DISABLED_FEATURES)}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def launched() -> Iterator[Browser]:
    """Start a browser, and end it and its driver afterwards."""
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium, SHELL if shutil.which(SHELL) else CHROMIUM)
        yield browser
        browser.close()


def launch(kind: BrowserType, program: str) -> Browser:
    return kind.launch(executable_path=shutil.which(program) or program, args=ARGUMENTS)
