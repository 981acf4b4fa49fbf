"""Links of a record: related records (76X–78X) and addresses (856)."""

from __future__ import annotations

import re
from typing import Any

from services.catalog.analysis import isbn13
from services.catalog.marc.record import Field, Tags, control, pick
from services.catalog.record.display_rules import RELATIONS, rule_for
from services.catalog.record.headings import tidy
from services.catalog.texts import identifier

LONGEST_ADDRESS = 2000
MOST_RELATIONS = 200
SAFE_ADDRESS = re.compile(r"(?:https?|ftp)://[^\s\"'<>\\]+\Z", re.IGNORECASE)
_RELATIONS_OF_LINKS = {"0": "resource", "1": "version", "2": "related", "8": "none"}
_ISSN = re.compile(r"([0-9]{4})-?([0-9]{3}[0-9Xx])\Z")
_AUTHOR, _TITLES, _NUMBERS = frozenset("a"), ("t", "s"), frozenset("w")
_DETAIL = frozenset("bcdghkmn")
_LEAD, _ISBN, _ISSN_CODE = frozenset("i"), frozenset("z"), frozenset("x")
_LABEL, _ADDRESS = frozenset("3yz"), frozenset("u")


def links_of(tags: Tags) -> list[dict[str, str]]:
    """List the http, https and ftp addresses of 856 as `{"url", "label", "relation"}`; other schemes are left out.

    relation  "resource" (the work itself), "version", "related", "none"; by the second indicator
    """
    links = []
    for field in tags.get("856", ()):
        label = tidy(" ".join(pick(field, _LABEL)))
        relation = _RELATIONS_OF_LINKS.get(field[1][1:2], "related") if len(field) > 2 else "related"
        for url in pick(field, _ADDRESS):
            address = url.strip()
            if len(address) <= LONGEST_ADDRESS and SAFE_ADDRESS.match(address):
                links.append({"url": address, "label": label or address, "relation": relation})
    return links


def relations_of(tags: Tags) -> list[dict[str, Any]]:
    """List related records in the order of display.toml; keys without a value are left out.

    Each is `{"kind", "label": {"id", "en"}, "text", "title", "author", "detail", "control_number", "isbn", "issn",
    "query"}`.

    label  the text of $i, else the rule's label
    text   the whole entry as one line
    query  a search for the related record in this catalogue
    """
    relations: list[dict[str, Any]] = []
    for tag in RELATIONS:
        for field in tags.get(tag, ()):
            rule = rule_for(RELATIONS, tag, field)
            if rule is None or len(relations) == MOST_RELATIONS:
                continue
            relation = _relation(field)
            if relation is not None:
                lead = " ".join(pick(field, _LEAD)).strip().rstrip(":").rstrip()
                relations.append(
                    {"kind": rule.kind, "label": {"id": lead, "en": lead} if lead else rule.label, **relation}
                )
    return relations


def control_keys(number: str, tags: Tags) -> list[str]:
    """List the import keys (conventions.md) that a record named in $w may have in the same source."""
    agency, bracket, plain = number.strip().partition(")")
    if not (bracket and agency.startswith("(")):
        agency, plain = "", number.strip()
    plain = plain.strip()
    if not plain:
        return []
    default_agency = control(tags, "003").strip()
    own_prefix = [f"{agency})"] if agency else []
    default_prefix = [f"({default_agency})"] if default_agency else []
    prefixes = (*own_prefix, *default_prefix, "()" if plain.startswith("(") else "")
    return list(dict.fromkeys(identifier(f"{prefix}{plain}") for prefix in prefixes))


def _relation(field: Field) -> dict[str, Any] | None:
    names = [tidy(value) for value in pick(field, _AUTHOR)]
    titles = [tidy(value) for code in _TITLES for value in pick(field, frozenset(code))]
    title = titles[0] if titles else (names.pop(0) if names else "")
    author = names[0] if names and titles else ""
    if not title:
        return None
    detail = ", ".join(text for value in pick(field, _DETAIL) if (text := tidy(value)))
    isbn = next((number for value in pick(field, _ISBN) if (number := isbn13(value.strip()[:24]))), None)
    issn = next((match for value in pick(field, _ISSN_CODE) if (match := _ISSN.match(value.strip()))), None)
    heading = f"{author}{'' if author.endswith('.') else '.'} {title}" if author else title
    relation = {
        "text": ", ".join(value for value in (heading, detail) if value),
        "title": title,
        "author": author,
        "detail": detail,
        "control_number": next((value.strip() for value in pick(field, _NUMBERS) if value.strip()), ""),
        "isbn": isbn or "",
        "issn": f"{issn.group(1)}-{issn.group(2).upper()}" if issn is not None else "",
    }
    quoted = title.replace('"', " ").strip()
    relation["query"] = f"isbn:{isbn}" if isbn else relation["issn"] or f'title:"{quoted}"'
    return {name: value for name, value in relation.items() if value}
