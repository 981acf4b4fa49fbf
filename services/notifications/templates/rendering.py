"""Renders a notice from its template and its facts: subject, text, HTML, parameters of a provider's template."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chassis.errors import Invalid, Refusal
from services.notifications.channels.port import ProviderTemplate
from services.notifications.templates import gsm
from services.notifications.templates.kinds import KINDS, VARIABLES, Kind, Source, Variable
from services.notifications.templates.markup import Block, as_text, as_whatsapp, fill, is_address, links, parse
from services.notifications.templates.sandbox import MOST_ENTRIES, Fault, find_faults, run
from services.notifications.templates.values import date_in_words, number_in_words, one_line, shortened

LONGEST_SUBJECT = 150
_SHORTEST_TITLE = 12
_FOOTERS = {
    "id": ("Anda menerima surel ini sebagai anggota {institution_name}.", "Berhenti menerima pemberitahuan ini"),
    "en": ("You receive this e-mail as a member of {institution_name}.", "Stop these notices"),
}

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.tests["right_to_left"] = lambda text: _RIGHT_TO_LEFT.search(text) is not None
_MAIL = _PAGES.get_template("mail.html")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered notice.

    html      only for mails, else None
    provider  only for WhatsApp, else None
    blocks    only for letters: the input of `letter_pdf.print_letters`
    """

    subject: str
    text: str
    html: str | None = None
    provider: ProviderTemplate | None = None
    blocks: tuple[Block, ...] = ()


def kind_of(name: str) -> Kind:
    """Return a kind of notice. Raises Invalid NOTICE_KIND_UNKNOWN."""
    kind = KINDS.get(name)
    if kind is None:
        raise Invalid("NOTICE_KIND_UNKNOWN", kind=name)
    return kind


def refuse_faulty(source: Source, kind: Kind, channel: str) -> None:
    """Refuse a template that cannot be rendered.

    raises  Invalid  with every fault, its field (`subject` or `body`), line and name
    """
    subject_faults = find_faults(source.subject, kind.variables, is_subject=True)
    body_faults = find_faults(source.body, kind.variables, requires=kind.requires)
    if not source.body.strip():
        body_faults = [Fault("TEMPLATE_EMPTY", 1)]
    if channel in ("email", "push") and not source.subject.strip():
        subject_faults = [Fault("TEMPLATE_EMPTY", 1)]
    refusals = [_refusal(fault, "subject") for fault in subject_faults]
    refusals += [_refusal(fault, "body") for fault in body_faults]
    refusals += [
        Refusal("TEMPLATE_VARIABLE_UNKNOWN", field="provider_parameters", line=1, name=name)
        for name in source.provider_parameters
        if name not in kind.variables or kind.variables[name].type in ("list", "flag")
    ]
    if not refusals:
        refusals = _refusals_of_sample(source, kind)
    if refusals:
        raise Invalid(refusals=refusals[:20])


def _refusals_of_sample(source: Source, kind: Kind) -> list[Refusal]:
    """Return the faults that only appear with values, such as of a filter, a comparison or the address of a link.

    The values are those of the sample with every flag, then only the required ones, because of the texts of conditions.
    """
    facts = kind.sample_facts("id")
    names = {name for alternatives in kind.requires for name in alternatives.split("|")}
    flags = {name: True for name, variable in kind.variables.items() if variable.type == "flag"}
    for sample in (facts | flags, {name: facts[name] for name in names}):
        try:
            text, values = run(source.body, _complete(sample, kind), "id")
        except ValueError as fault:
            if isinstance(fault.__cause__, TypeError):
                return [Refusal("TEMPLATE_COMPARISON", field="body", line=1, name="")]
            return [Refusal("TEMPLATE_SYNTAX", field="body", line=1, name="")]
        wrong = ["".join(part for part, _ in span.parts) for span in links(parse(text, values)) if not span.address]
        if wrong:
            return [Refusal("TEMPLATE_ADDRESS", field="body", line=1, name=name[:100]) for name in wrong]
    return []


def render_source(
    source: Source, *, kind: Kind, channel: str, language: str, facts: Mapping[str, Any], unsubscribe_url: str = ""
) -> Rendered:
    """Render a template without faults.

    facts   JSON values by name: dates as ISO 8601, entries of a list as objects. Facts that are not required may be
            missing; names that the kind does not declare are ignored
    raises  Invalid  NOTICE_FACT_MISSING, NOTICE_FACT_INVALID, NOTICE_TOO_LONG
    """
    missing = [name for name in kind.requires if not any(facts.get(part) for part in name.split("|"))]
    if missing:
        raise Invalid(refusals=[Refusal("NOTICE_FACT_MISSING", name=name, kind=kind.name) for name in missing])
    values = _complete(facts, kind)
    if channel == "print":
        values = _without_links(values, kind)
    try:
        subject = _subject(source, values, language)
        blocks = _blocks(source, values, language)
        provider = _provider(source, values, kind, language) if channel == "whatsapp" else None
    except ValueError as fault:
        raise Invalid("NOTICE_FACT_INVALID", kind=kind.name, fault=str(fault)[:100]) from fault
    match channel:
        case "email":
            sentence, stop = _FOOTERS[language]
            footer = sentence.format(institution_name=values["institution_name"])
            html = _MAIL.render(
                blocks=blocks,
                language=language,
                subject=subject,
                institution=values["institution_name"],
                footer=footer,
                stop=stop,
                stop_url=unsubscribe_url if is_address(unsubscribe_url) else "",
            )
            text = "\n\n".join(
                [as_text(blocks), "-- \n" + footer, *([f"{stop}: {unsubscribe_url}"] if unsubscribe_url else [])]
            )
            return Rendered(subject=subject, text=text, html=html)
        case "whatsapp":
            return Rendered(subject="", text=as_whatsapp(blocks), provider=provider)
        case "sms":
            return Rendered(subject="", text=_short_message(source, values, kind, language))
        case "print":
            return Rendered(subject=subject, text=as_text(blocks), blocks=tuple(blocks))
        case _:
            return Rendered(subject=subject, text=as_text(blocks))


def _refusal(fault: Fault, place: str) -> Refusal:
    return Refusal(fault.reason, field=place, line=fault.line, name=fault.name)


def _complete(facts: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """Return a value for each variable of a kind: texts on one line, lists of bounded length, dates unchanged."""
    values = {name: _value(variable, facts.get(name)) for name, variable in kind.variables.items()}
    for name, variable in kind.variables.items():
        if variable.default and not values[name]:
            values[name] = values[variable.default]
    return _summed(values) if "items" in values else values


def _summed(values: dict[str, Any]) -> dict[str, Any]:
    """Sort the books of a digest by due date; add their number, the next date, and whether dates have only moved."""
    items = sorted(values["items"], key=lambda item: str(item["due_on"]))
    next_dates = [item["due_on"] for item in items if not item["is_overdue"]]
    return {
        **values,
        "items": items,
        "count": values["count"] or len(items),
        "due_on": values["due_on"] or (next_dates[0] if next_dates else ""),
        "is_moved": bool(items) and all(item["is_moved"] for item in items),
    }


def _value(variable: Variable, value: Any) -> Any:
    if variable.type == "list":
        entries = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
        return [
            {name: _entry_value(name, entry.get(name)) for name in variable.fields} for entry in entries[:MOST_ENTRIES]
        ]
    return _plain_value(variable, value)


def _entry_value(name: str, value: Any) -> Any:
    return _plain_value(VARIABLES[name], value)


def _plain_value(variable: Variable, value: Any) -> Any:
    match variable.type:
        case "flag":
            return bool(value)
        case "number":
            return int(value or 0)
        case _:
            return "" if value is None else one_line(value)


def _without_links(values: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """Return the values without links, for paper."""
    links_of = {name for name, variable in VARIABLES.items() if variable.type == "link"}
    emptied: dict[str, Any] = {name: "" if name in links_of else value for name, value in values.items()}
    for name, variable in kind.variables.items():
        if variable.type == "list":
            emptied[name] = [entry | dict.fromkeys(links_of & entry.keys(), "") for entry in emptied[name]]
    return emptied


def _subject(source: Source, facts: Mapping[str, Any], language: str) -> str:
    if not source.subject:
        return ""
    return one_line(fill(*run(source.subject, facts, language)), longest=LONGEST_SUBJECT)


def _blocks(source: Source, facts: Mapping[str, Any], language: str) -> list[Block]:
    return parse(*run(source.body, facts, language))


def _short_message(source: Source, facts: Mapping[str, Any], kind: Kind, language: str) -> str:
    """Return text in the alphabet of SMS; if it is longer than one message, titles are shortened."""
    text = gsm.plain(as_text(_blocks(source, facts, language)))
    over = gsm.excess(text)
    for name, variable in kind.variables.items():
        if over and variable.shorten:
            title = gsm.plain(str(facts[name]))
            longest = max(_SHORTEST_TITLE, len(title) - over)
            shorter = {**facts, name: shortened(title, longest)}
            text = gsm.plain(as_text(_blocks(source, shorter, language)))
            over = gsm.excess(text)
    return text


def _provider(source: Source, facts: Mapping[str, Any], kind: Kind, language: str) -> ProviderTemplate | None:
    if not source.provider_name:
        return None
    words = []
    for name in source.provider_parameters:
        value = facts[name]
        match kind.variables[name].type:
            case "date":
                text = date_in_words(value, language)
            case "number":
                text = number_in_words(value, language)
            case _:
                text = str(value)
        # A provider refuses a parameter without text.
        words.append(text or "-")
    return ProviderTemplate(source.provider_name, source.provider_language or language, tuple(words))
