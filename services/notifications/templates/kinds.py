"""Kinds of notices and the variables of their templates, from variables.toml and kinds/; and the default templates."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from chassis.models import enum_values
from chassis.sentences import LocalText
from rangkiang.common.v1.options_pb2 import label
from rangkiang.notifications.v1.kinds_pb2 import NoticeKind, is_family
from services.notifications.channels.port import is_whatsapp

# Channels with their own templates; `template_channel` maps each channel of the port to one of these.
CHANNELS = ("email", "whatsapp", "sms", "push", "print")
LANGUAGES = ("id", "en")

_FOLDER = Path(__file__).parent
_SHORT = ("sms", "push")
_WITH_SUBJECT = ("email", "push", "print")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that a template may use.

    type        text, date, moment, number, flag, link, code or list
    sample      for previews without a real loan: a value, a value by language, or the entries of a list
    in_subject  True: the value has no data about a member, so a subject may use it
    shorten     True: the value is shortened when an SMS is too long
    default     the variable that replaces an empty value
    fields      only for a list: names of the fields of each entry
    """

    name: str
    type: str
    label: LocalText
    sample: Any
    in_subject: bool = False
    shorten: bool = False
    default: str = ""
    fields: tuple[str, ...] = ()

    def sample_in(self, language: str) -> Any:
        return self.sample[language] if isinstance(self.sample, dict) else self.sample


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of notices.

    family      kind of a message with several of these notices: a digest, or the receipts of a visit; "" without one
    is_family   True: the kind of such a message; no notice has this kind
    goes_at_once  False: sent once a day, in a digest
    waits       True: sent at once, but not during quiet hours
    basis       "contract" or "marketing"
    has_code    True: the text has a code that can be used once, so staff pages do not show it
    channels    template channels over which it is sent, in no order
    variables   variables of its templates, by name
    requires    variables that each template must use; "a|b" means one of them
    provider    name and parameters of the provider's template
    texts       language -> subject, text and short of the default template
    """

    name: str
    label: LocalText
    family: str
    is_family: bool
    goes_at_once: bool
    waits: bool
    basis: str
    has_code: bool
    channels: tuple[str, ...]
    variables: Mapping[str, Variable]
    requires: tuple[str, ...]
    provider_name: str
    provider_parameters: tuple[str, ...]
    texts: Mapping[str, Mapping[str, str]]

    def sample_facts(self, language: str) -> dict[str, Any]:
        """Return facts for a preview without a real loan."""
        return {name: variable.sample_in(language) for name, variable in self.variables.items()}


@dataclass(frozen=True, slots=True)
class Source:
    """The editable parts of a template.

    subject     for mails and push messages; "" for other channels
    body        text with markup and variables
    provider_name, provider_language, provider_parameters  the provider's template; parameters are names of variables
    """

    subject: str
    body: str
    provider_name: str = ""
    provider_language: str = ""
    provider_parameters: tuple[str, ...] = ()


def _read() -> tuple[Mapping[str, Variable], Mapping[str, Kind]]:
    document = tomllib.loads((_FOLDER / "variables.toml").read_text())
    variables = {
        name: Variable(
            name=name,
            type=row["type"],
            label=LocalText(**row["name"]),
            sample=row["sample"],
            in_subject=row.get("in_subject", False),
            shorten=row.get("shorten", False),
            default=row.get("default", ""),
            fields=tuple(row.get("fields", ())),
        )
        for name, row in document["variables"].items()
    }
    kinds = {
        name: Kind(
            name=name,
            label=LocalText(options.Extensions[label].id, options.Extensions[label].en),
            family=row.get("family", ""),
            is_family=options.Extensions[is_family],
            goes_at_once=row["sends"] == "at_once",
            waits=row.get("waits", False),
            basis=row["basis"],
            has_code=row.get("has_code", False),
            channels=tuple(row["channels"]),
            variables=MappingProxyType(
                {variable: variables[variable] for variable in (*document["every_kind"], *row["variables"])}
            ),
            requires=tuple(row["requires"]),
            provider_name=row["provider"]["name"],
            provider_parameters=tuple(row["provider"]["parameters"]),
            texts={language: row[language] for language in LANGUAGES},
        )
        for name, options in enum_values(NoticeKind)
        for row in [tomllib.loads((_FOLDER / "kinds" / f"{name}.toml").read_text())]
    }
    return MappingProxyType(variables), MappingProxyType(kinds)


VARIABLES, KINDS = _read()


def template_channel(name: str, address_kind: str) -> str:
    """Return the template channel for a channel of the port; a console uses the templates of mails."""
    if address_kind == "phone":
        return "whatsapp" if is_whatsapp(name) else "sms"
    if address_kind in ("email", "push"):
        return address_kind
    return "print" if name.startswith("print") else "email"


@cache
def seed(kind: str, channel: str, language: str) -> Source:
    """Return the default template of a known kind, channel and language."""
    row = KINDS[kind]
    texts = row.texts[language]
    is_whatsapp = channel == "whatsapp"
    return Source(
        subject=texts["subject"] if channel in _WITH_SUBJECT else "",
        body=(texts["short"] if channel in _SHORT else texts["text"]).strip() + "\n",
        provider_name=row.provider_name if is_whatsapp else "",
        provider_language=language if is_whatsapp else "",
        provider_parameters=row.provider_parameters if is_whatsapp else (),
    )
