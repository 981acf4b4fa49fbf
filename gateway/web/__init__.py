"""The web pages, rendered on the server, one module per page. They work without JavaScript, which makes them faster.

`site` has pages for readers, `account` for members, `desk` for staff, `cataloguing` for
cataloguers. `covers` draws covers and link previews.
"""

from __future__ import annotations

from gateway.web import (
    account,
    assets,
    cataloguing,
    desk,
    error_reasons,
    installing,
    pictures,
    preferences,
    site,
    trust,
)
from gateway.web.covers import images
from gateway.web.rendering import error_page

MODULES = (
    *site.MODULES,
    images,
    pictures,
    preferences,
    trust,
    error_reasons,
    installing,
    *account.MODULES,
    *desk.MODULES,
    *cataloguing.MODULES,
    assets,
)

__all__ = ["MODULES", "error_page"]
