"""Sentences for people, in Indonesian and English, keyed by reason.

Each package has its sentences in `sentences.toml`. The files are read when the first sentence is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FILE = "sentences.toml"
_MONTHS = {
    "id": """Januari Februari Maret April Mei Juni Juli Agustus September Oktober November Desember""".split(),  # noqa: SIM905
    "en": """January February March April May June July August September October November December""".split(),  # noqa: SIM905
}
_registered: list[Path] = []


@dataclass(frozen=True, slots=True)
class LocalText:
    """A text for people in Indonesian and English."""

    id: str
    en: str

    def format(self, facts: Mapping[str, Any]) -> LocalText:
        """Replace each `{fact}`: a LocalText or date in the language, a list with commas. One without a fact stays."""
        return LocalText(self.id.format_map(_Facts(facts, "id")), self.en.format_map(_Facts(facts, "en")))

    def in_language(self, language: str) -> str:
        """Return the text in this language, or in the other language if it is empty."""
        return (self.en or self.id) if language == "en" else (self.id or self.en)


class _Facts(dict[str, Any]):
    def __init__(self, facts: Mapping[str, Any], language: str) -> None:
        super().__init__(facts)
        self._language = language

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        match value:
            case LocalText():
                return getattr(value, self._language)
            case date() if not isinstance(value, datetime):
                return f"{value.day} {_MONTHS[self._language][value.month - 1]} {value.year}"
            case list() | tuple():
                return ", ".join(map(str, value)) or "–"
            case _:
                return value

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


def sentence(reason: str, /, **facts: Any) -> LocalText:
    """Return the sentence of a reason, with its facts; for an unknown reason, the reason itself."""
    return fill(reason, facts)


def fill(reason: str, facts: Mapping[str, Any]) -> LocalText:
    """Do the same as `sentence`; facts may have any names."""
    text = _sentences().get(reason)
    return LocalText(reason, reason) if text is None else text.format(facts)


def register(path: Path) -> None:
    """Add a file of sentences outside the folders of `files`, such as that of an example service in tests."""
    if path not in _registered:
        _registered.append(path)
        _sentences.cache_clear()


def files() -> list[Path]:
    """List the files of all packages: chassis, gateway, services, and the registered ones."""
    folders = [Path(__file__).parent, *_folders("gateway")]
    for services in _folders("services"):
        folders += sorted(services.iterdir())
    return [path for folder in folders if (path := folder / FILE).is_file()] + _registered


def read(path: Path) -> dict[str, LocalText]:
    """Read the sentences of one file."""
    import tomllib  # a local import: it takes milliseconds, and most commands need no sentence

    with path.open("rb") as file:
        return {reason: LocalText(**texts) for reason, texts in tomllib.load(file).items()}


def load_sentences() -> None:
    """Read all files now; otherwise the first sentence of a process reads them."""
    _sentences()


@cache
def _sentences() -> dict[str, LocalText]:
    return {reason: text for path in files() for reason, text in read(path).items()}


def _folders(package: str) -> list[Path]:
    """Return the folders of a top-level package without importing it."""
    spec = find_spec(package)
    return [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
