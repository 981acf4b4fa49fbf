"""Texts of pages in Indonesian and English, from texts/{id,en}/*.toml. A missing text is an error."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import Request

from chassis.models import enum_values
from gateway.negotiation import language
from rangkiang.common.v1.options_pb2 import label
from rangkiang.notifications.v1.kinds_pb2 import NoticeKind

_FOLDER = Path(__file__).parent / "texts"
# Zone of the days that pages name. A difference of two hours does not matter for days such as that of a last sign-in.
_ZONE = ZoneInfo("Asia/Jakarta")


class Wording:
    """The texts of one language."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self.texts = texts

    def say(self, key: str, **facts: Any) -> str:
        """Return a text with its facts filled in.

        raises  KeyError  unknown key
        """
        return self.texts[key].format(**facts) if facts else self.texts[key]

    def count(self, key: str, number: int) -> str:
        """Return the text of `key.one` or `key.many`, with the formatted number."""
        return self.say(f"{key}.{'one' if number == 1 else 'many'}", n=self.number(number))

    def number(self, number: int) -> str:
        grouped = f"{number:,}"
        return grouped if self.language == "en" else grouped.replace(",", ".")

    def decimal(self, number: float) -> str:
        """Format with one decimal place."""
        return f"{number:,.1f}" if self.language == "en" else f"{number:.1f}".replace(".", ",")

    def day(self, moment: Timestamp | datetime | date | str) -> str:
        """Format a date, an ISO date or the day of a moment in western Indonesia: `5 Januari 2026`; "" for ""."""
        if isinstance(moment, str):
            if not moment:
                return ""
            moment = date.fromisoformat(moment)
        if isinstance(moment, Timestamp):
            moment = moment.ToDatetime(UTC)
        if isinstance(moment, datetime):
            moment = moment.astimezone(_ZONE)
        month = self.say(f"month.{moment.month}")
        return f"{moment.day} {month} {moment.year}"

    def clock(self, time: str | datetime) -> str:
        """Format "HH:MM", or the time of a moment in its zone: 08.00 in Indonesian, 08:00 in English."""
        text = time if isinstance(time, str) else f"{time:%H:%M}"
        return text if self.language == "en" else text.replace(":", ".")

    def weekday(self, day: date) -> str:
        """Format a day with its weekday: `Kamis, 3 Desember 2026`."""
        name = self.say(f"weekday.{day.isoweekday()}")
        return f"{name}, {self.day(day)}"

    def code(self, kind: str, value: str) -> str:
        """Return the label of a coded value (`language`, `ind`), or the code itself when there is no label."""
        return self.texts.get(f"code.{kind}.{value}", value)

    def codes(self, kind: str, values: Iterable[str]) -> list[tuple[str, str]]:
        """Return coded values with their labels, as the choices of a form."""
        return [(value, self.code(kind, value)) for value in values]


@cache
def wording(language: str) -> Wording:
    texts: dict[str, str] = {}
    for file in sorted((_FOLDER / language).glob("*.toml")):
        texts.update(_flat("", tomllib.loads(file.read_text())))
    for kind, options in enum_values(NoticeKind):
        texts[f"code.notice_kind.{kind}"] = getattr(options.Extensions[label], language)
    return Wording(language, texts)


def _flat(prefix: str, table: Mapping[str, Any]) -> list[tuple[str, str]]:
    texts: list[tuple[str, str]] = []
    for key, value in table.items():
        name = f"{prefix}{key}"
        texts += _flat(f"{name}.", value) if isinstance(value, dict) else [(name, value)]
    return texts


def words_of(request: Request) -> Wording:
    """Return the texts in the language of a request."""
    return wording(language(request))
