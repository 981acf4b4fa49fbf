"""The templates that every institution begins with, in seeds/{id,en}.toml."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from services.notifications.templates.kinds import KINDS
from services.notifications.templates.rendering import Source

_FOLDER = Path(__file__).parent / "seeds"
_SHORT = ("sms", "push")
_WITH_SUBJECT = ("email", "push", "print")


@cache
def seed(kind: str, channel: str, language: str) -> Source:
    """Return the seed of a known kind, channel and language."""
    texts = _texts(language)[kind]
    row = KINDS[kind]
    is_whatsapp = channel == "whatsapp"
    return Source(
        subject=texts["subject"] if channel in _WITH_SUBJECT else "",
        body=(texts["short"] if channel in _SHORT else texts["text"]).strip() + "\n",
        provider_name=row.provider_name if is_whatsapp else "",
        provider_language=language if is_whatsapp else "",
        provider_parameters=row.provider_parameters if is_whatsapp else (),
    )


@cache
def _texts(language: str) -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = tomllib.loads((_FOLDER / f"{language}.toml").read_text())
    return texts
