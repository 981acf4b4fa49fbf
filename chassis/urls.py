"""Adapters that the scheme of a URL selects, imported on demand."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from chassis.errors import Invalid


def open_url(url: str, table: Mapping[str, str], **options: Any) -> Any:
    """Build the adapter that `url`'s scheme names.

    table    scheme -> "package.module:factory"; the factory is called as factory(url, **options)
    raises   Invalid  URL_SCHEME_UNKNOWN
                      URL_SCHEME_MISSPELT  with the nearest known scheme
    """
    return resolve(table[known_scheme(url, table)])(url, **options)


def known_scheme(url: str, table: Mapping[str, str]) -> str:
    """Return the scheme of `url`, which must be in the table. Raises the errors of open_url."""
    scheme = urlsplit(url).scheme
    if scheme in table:
        return scheme
    near = difflib.get_close_matches(scheme, table, n=1, cutoff=0.5)
    known = ", ".join(sorted(table))
    if near:
        raise Invalid("URL_SCHEME_MISSPELT", scheme=scheme, known=known, nearest=near[0])
    raise Invalid("URL_SCHEME_UNKNOWN", scheme=scheme, known=known)


def resolve(dotted: str) -> Any:
    """Import the object that "package.module:name" names."""
    module, _, name = dotted.partition(":")
    return getattr(import_module(module), name)
