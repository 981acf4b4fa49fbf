"""open_url: a URL's scheme chooses the adapter, which is imported only then."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from chassis.errors import Invalid, LocalText


def open_url(url: str, table: Mapping[str, str], **options: Any) -> Any:
    """Build the adapter that `url`'s scheme names.

    table    scheme -> "package.module:factory"; the factory is called as factory(url, **options)
    raises   Invalid  URL_SCHEME_UNKNOWN, with the nearest scheme we do know
    """
    return resolve(table[known_scheme(url, table)])(url, **options)


def known_scheme(url: str, table: Mapping[str, str]) -> str:
    """The scheme of `url`, if the table has it. Raises Invalid URL_SCHEME_UNKNOWN."""
    scheme = urlsplit(url).scheme
    if scheme in table:
        return scheme
    near = difflib.get_close_matches(scheme, table, n=1, cutoff=0.5)
    raise Invalid(
        "URL_SCHEME_UNKNOWN",
        LocalText(
            "Skema “{scheme}:” tidak dikenal; yang ada: {known}.{hint_id}",
            "No adapter for “{scheme}:”; there are: {known}.{hint_en}",
        ),
        scheme=scheme,
        known=", ".join(sorted(table)),
        hint_id=f" Maksud Anda {near[0]}:?" if near else "",
        hint_en=f" Did you mean {near[0]}:?" if near else "",
    )


def resolve(dotted: str) -> Any:
    """Import what "package.module:name" names."""
    module, _, name = dotted.partition(":")
    return getattr(import_module(module), name)
