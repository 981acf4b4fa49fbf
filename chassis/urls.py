"""Adapters by the scheme of a URL, imported on demand."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from chassis.errors import Invalid
from chassis.sentences import sentence

_AFTER_AUTHORITY = re.compile("[/?#]")


def open_url(url: str, table: Mapping[str, str], **options: Any) -> Any:
    """Open the adapter for the scheme of a URL.

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
    known_schemes = sorted(table)
    if near:
        raise Invalid("URL_SCHEME_MISSPELT", scheme=scheme, known=known_schemes, nearest=near[0])
    raise Invalid("URL_SCHEME_UNKNOWN", scheme=scheme, known=known_schemes)


def check_url(url: str, variable: str) -> None:
    """Refuse a URL whose password has a character that ends the password, because messages would show its rest.

    Several hosts may be separated by commas.

    raises  Invalid  SETTING_INVALID, without any part of the URL
    """
    _, separator, rest = url.partition("://")
    if not separator or rest.startswith("/"):
        return
    authority, *others = _AFTER_AUTHORITY.split(rest, maxsplit=1)
    is_cut = ":" in authority and "@" not in authority and "@" in "".join(others)
    user, at, hosts = authority.rpartition("@")
    if is_cut or "@" in user or not all(_has_readable_port(f"//{user}{at}{host}") for host in hosts.split(",")):
        raise Invalid("SETTING_INVALID", variable=variable, why=sentence("URL_NOT_READABLE"))


def _has_readable_port(url: str) -> bool:
    try:
        _ = urlsplit(url).port
    except ValueError:
        return False
    return True


def password_of(url: str) -> str:
    """Return the password of a URL, not decoded; "" without one."""
    user, _, _ = url.partition("://")[2].rpartition("@")
    return user.partition(":")[2]


def resolve(dotted: str) -> Any:
    """Import the object that "package.module:name" names."""
    module, _, name = dotted.partition(":")
    return getattr(import_module(module), name)
