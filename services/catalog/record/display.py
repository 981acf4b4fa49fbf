"""The full display of a record: the brief record, and other fields by the rules of display.toml."""

from __future__ import annotations

import re
from typing import Any

from services.catalog.marc.record import Field, Record, Tags, by_tag, control, pick, pick_all, readable
from services.catalog.record.brief import isbns, tidy_note, whole_brief_of
from services.catalog.record.classes import ISLAM_IN_DDC, class_of, levels
from services.catalog.record.codes import audience_of, language_of
from services.catalog.record.display_rules import IDENTIFIERS, RULES, Rule, rule_for
from services.catalog.record.headings import SUBJECT_TAGS, contributors_of, parallel_titles_of, subjects_of, tidy
from services.catalog.record.links import links_of, relations_of
from services.catalog.record.parallel import parallel_of

MOST_CONTENTS = 1_000  # entries of a table of contents
_KINDS = {
    "600": "person", "610": "body", "611": "meeting", "630": "title", "647": "event", "648": "time", "650": "topic",
    "651": "place", "653": "free", "655": "genre",
}  # fmt: skip
# The text has no two blanks in a row. `--` between digits without blanks is a range of years or pages.
_ENTRIES = re.compile(" --+ ?|(?<!-)--+ |(?<![-0-9])--+|(?<!-)--+(?![-0-9])")
_NUMBERS_ONLY = re.compile(r"[\W\d_]*\Z")
_ISBD = {"a": " ; ", "b": " : ", "c": ", ", "e": " (", "f": " : ", "g": ", "}  # before subfields of 260 and 264
_LEAD, _VOLUME, _ISSN, _SOURCE, _ORIGINALS = (frozenset(code) for code in "ivx2h")
_TRACED = ("800", "810", "811", "830")
PARALLEL_TITLE = RULES["246"][0].label
_ONCE = ("uniform_title", "edition", "extent", "summary")  # several fields are joined to one text


def display(record: Record, *, institution: str = "", source: str = "") -> dict[str, Any]:
    """Build the full display, ready for JSON: all keys of the brief record, with whole texts, and

    - `"subjects"`: texts, the values of the facet; `"headings"`: the same as `{"text", "parts", "kind"}`, kind one of
      topic, person, body, meeting, title, place, time, event, genre, free
    - `"contributors"`: see contributors_of · `"parallel"`: see parallel_of · `"links"`: see links_of
    - `"relations"`: see relations_of · `"identifiers"`: kind -> texts, "isbn" and "control_number" among them
    - `"uniform_title"`, `"extent"`: texts · `"titles_other"`: `{"text", "label"}` each
    - `"publication"`: `{"type", "text", "label"}` each · `"in_series"`: `{"text", "title", "volume", "issn"}` each
    - `"notes"`: `{"type", "label", "text"}` each, in the record's order
    - `"more"`: rows `{"key", "label", "values"}` in the table's order · `"contents"`: texts
    - `"audience"`: a code · `"translated_from"`: language codes · `"class"`: the narrowest class of the tree
    - `"source"`

    label is {"id", "en"}. subjects, headings, contributors, parallel, titles_other, publication, notes, more, links,
    relations, identifiers and source are always present; the other keys only with a value.
    """
    tags = by_tag(record.fields)
    full = whole_brief_of(record, tags, institution)
    full["subjects"] = subjects_of(tags)
    full["headings"] = _headings(tags)
    full["contributors"] = contributors_of(tags)
    originals = _originals(tags)
    full["parallel"] = parallel_of(tags, language_of(tags), originals[0] if originals else "")
    full |= {key: [] for key in ("titles_other", "publication", "notes", "more")}
    full |= _by_rules(record, tags, full["title"])
    parallel_titles = [{"text": text, "label": PARALLEL_TITLE} for text in parallel_titles_of(tags)]
    full["titles_other"] = [*parallel_titles, *(row for row in full["titles_other"] if row not in parallel_titles)]
    full["links"] = links_of(tags)
    full["relations"] = relations_of(tags)
    full["identifiers"] = _identifiers(tags)
    for key, value in (
        ("audience", audience_of(record.leader, tags)),
        ("translated_from", originals),
        ("class", _narrowest(class_of(tags))),
    ):
        if value:
            full[key] = value
    full["source"] = source
    return full


def _by_rules(record: Record, tags: Tags, title: str) -> dict[str, Any]:
    """Apply the rules of display.toml to each field; returns values by key of the display."""
    texts: dict[str, dict[str, Any]] = {}
    lists: dict[str, dict[str, Any]] = {}
    contents: list[str] = []
    more: dict[str, dict[str, Any]] = {}
    traced = any(tag in tags for tag in _TRACED)
    for field in map(readable, record.fields):
        rule = rule_for(RULES, field[0], field)
        if rule is None or rule.place == "links":
            continue
        values = rule.values(field)
        if rule.place == "contents":
            entries = [tidy(part) for part in _ENTRIES.split(tidy_note(" ".join(values)))]
            contents.extend(entry for entry in entries if entry)
        elif rule.place == "in_series":
            if not (traced and field[0] == "490" and field[1][:1] == "1"):
                _put(lists, "in_series", _series(field, values))
        elif rule.place in _ONCE:
            _put(texts, rule.place, _text(rule, values))
        elif rule.kind == "local" and _NUMBERS_ONLY.match("".join(values)):
            continue  # numbers of libraries, vendors and files, which do not help readers
        elif text := _publication(rule, field) if rule.place == "publication" else _text(rule, values):
            if rule.place == "more":
                more.setdefault(rule.kind, {"key": rule.kind, "label": rule.label, "values": []})["values"].append(text)
            elif not (rule.place == "titles_other" and text == title):
                _put(lists, rule.place, _statement(rule, field, text))
    rows = [more[kind] for kind in _ORDER if kind in more]
    joined = {key: (" ; " if key == "extent" else " ").join(values.values()) for key, values in texts.items()}
    full: dict[str, Any] = {**joined, **{key: list(values.values()) for key, values in lists.items()}}
    if contents:
        full["contents"] = contents[:MOST_CONTENTS]
    return {**full, "more": rows} if rows else full


def _text(rule: Rule, values: list[str]) -> str:
    joined = " ".join(values)
    return tidy_note(joined) if rule.place in ("notes", "summary") else tidy(joined)


def _publication(rule: Rule, field: Field) -> str:
    """Join place, publisher and date; a subfield without ISBD punctuation before it gets " : " or ", "."""
    text, is_open = "", False
    for index in range(2, len(field) - 1, 2):
        code, value = field[index], " ".join(field[index + 1].split())
        if not value or rule.codes is None or code not in rule.codes:
            continue
        if text and text[-1] not in ":;,([" and value[0] not in ":;,(":
            is_open = is_open or code == "e"
            text += " : " if code == "f" and not is_open else _ISBD.get(code, " ")
        elif text:
            text += " "
        text += value
    return tidy(f"{text})" if is_open and ")" not in text else text)


def _statement(rule: Rule, field: Field, text: str) -> dict[str, Any]:
    """Build a title, note or publication statement with its label; the record's own label ($i) has priority."""
    lead = " ".join(pick(field, _LEAD)).strip().rstrip(":").rstrip() if rule.codes is not None else ""
    label = {"id": lead, "en": lead} if lead else rule.label
    return {"type": rule.kind, "label": label, "text": text} if rule.kind else {"text": text, "label": label}


def _series(field: Field, values: list[str]) -> dict[str, Any] | None:
    title = tidy(" ".join(values))
    if not title:
        return None
    volume = ", ".join(text for value in pick(field, _VOLUME) if (text := tidy(value)))
    issn = next((text for value in pick(field, _ISSN) if (text := tidy(value))), "")
    series = {"text": f"{title} ; {volume}" if volume else title, "title": title, "volume": volume, "issn": issn}
    return {name: value for name, value in series.items() if value}


def _headings(tags: Tags) -> list[dict[str, Any]]:
    headings: dict[str, dict[str, Any]] = {}
    for tag in SUBJECT_TAGS:
        if tag in tags:
            for text in subjects_of({tag: tags[tag]}):
                headings.setdefault(text, {"text": text, "parts": text.split(" -- "), "kind": _KINDS[tag]})
    return list(headings.values())


def _identifiers(tags: Tags) -> dict[str, list[str]]:
    identifiers: dict[str, list[str]] = {"isbn": isbns(tags)}
    for tag in IDENTIFIERS:
        for field in tags.get(tag, ()):
            rule = rule_for(IDENTIFIERS, tag, field)
            if rule is not None:
                identifiers.setdefault(rule.kind, []).append(tidy(" ".join(rule.values(field))))
    control_numbers = pick_all(tags, "035", frozenset("a"))
    identifiers["oclc"] = [value[7:].strip() for value in control_numbers if value.startswith("(OCoLC)")]
    identifiers["control_number"] = [control(tags, "001").strip()]
    return {kind: texts for kind, values in identifiers.items() if (texts := list(dict.fromkeys(filter(None, values))))}


def _originals(tags: Tags) -> list[str]:
    """Return the original languages of a translation: the codes in 041 $h, of which one subfield may have several."""
    text = "".join(value.strip().lower() for value in pick_all(tags, "041", _ORIGINALS))
    codes = (text[start : start + 3] for start in range(0, len(text) - 2, 3))
    return list(dict.fromkeys(code for code in codes if code.isalpha()))[:10]


def _narrowest(number: str) -> str:
    classes = levels(number)
    if number[:2].upper() == "2X":
        classes = classes[: -len(levels(ISLAM_IN_DDC))]
    return classes[-1] if classes else ""


def _put(lists: dict[str, dict[str, Any]], key: str, value: Any) -> None:
    """Add a value to a list unless the list has it; a list is a dict by the values' text."""
    if value:
        lists.setdefault(key, {}).setdefault(repr(value), value)


_ORDER = list(dict.fromkeys(rule.kind for rules in RULES.values() for rule in rules if rule.place == "more"))
