"""Conversion of a record's full display to rows of a page, with the label, text and link of each key."""

from __future__ import annotations

import unicodedata
from typing import Any
from urllib.parse import urlencode

from gateway.negotiation import LANGUAGES
from gateway.web.texts import Wording, wording

# Schemes of links, in lower case. Other links are only in the MARC view.
SAFE_SCHEMES = ("https://", "http://", "ftp://")
# Display keys that become rows, in this order. A key is omitted when its key in FULLER has a value.
ROWS = (
    "contributors", "authors", "parallel", "uniform_title", "titles_other", "edition", "publication", "published",
    "extent", "in_series", "series", "language", "translated_from", "material", "audience", "ddc", "subjects",
    "relations", "more", "identifiers", "contents", "notes",
)  # fmt: skip
FULLER = {"authors": "contributors", "published": "publication", "series": "in_series"}
# Keys whose values are codes -> kind of code.
CODED = {"language": "language", "translated_from": "language", "material": "material", "audience": "audience"}

LONGEST_HOST = 48
# Control characters, such as those that MARC puts around a nonfiling article.
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)))

Line = dict[str, Any]


def rows(display: dict[str, Any], words: Wording) -> list[tuple[str, list[Line]]]:
    """Return (label, lines) for each key with a value.

    A line is {"text", "href", "lang", "rtl", "label", "outside"}. `label` precedes the text, in the reader's language.
    """
    data = {**display, "published": _published(display), "notes": _notes(display)}
    # The page shows the title in other scripts below the title.
    data["parallel"] = [entry for entry in display.get("parallel") or () if entry.get("field") != "title"]
    named_rows: list[tuple[str, list[Line]]] = []
    for key in ROWS:
        values = data.get(key)
        if not values or data.get(FULLER.get(key, "")):
            continue
        if key == "identifiers":
            named_rows += [
                (words.code("identifier", kind), _lines(kind, numbers, data, words))
                for kind, numbers in values.items()
                if kind != "control_number"  # of use to librarians only, who see it in the MARC record
            ]
        elif key == "more":
            named_rows += [
                (_local_text(row["label"], words), _lines(key, row["values"], data, words)) for row in values
            ]
        else:
            name = words.say(f"record.{FULLER.get(key, key)}")
            named_rows.append((name, _unlabelled(key, name, _lines(key, values, data, words))))
    return [(name, lines) for name, lines in named_rows if lines]


def online_links(display: dict[str, Any], words: Wording) -> list[Line]:
    """Return the external links as lines: links to the title online, or to related material."""
    return _lines("links", display.get("links") or [], display, words)


def web_addresses(display: dict[str, Any]) -> list[str]:
    """Return the full URLs of the external links, which readers can copy or write down."""
    urls = (str(link.get("url") or "") for link in display.get("links") or [])
    return list(dict.fromkeys(url for url in urls if url.lower().startswith(SAFE_SCHEMES)))


def titles_beside(display: dict[str, Any], words: Wording) -> list[Line]:
    """Return the title in other scripts as lines."""
    titles = [title for title in display.get("parallel", ()) if title.get("field") == "title"]
    return _lines("parallel", titles, display, words)


def _notes(display: dict[str, Any]) -> list[Any]:
    """Return the notes, without a note that only repeats the audience."""
    audience = display.get("audience") or ""
    # The note is in the record's language, which can differ from the reader's language.
    names = {wording(language).code("audience", audience).casefold() for language in LANGUAGES} if audience else set()
    texts = ((note, str(note.get("text") if isinstance(note, dict) else note)) for note in display.get("notes") or ())
    return [note for note, text in texts if text.strip(" .").casefold() not in names]


def _unlabelled(key: str, name: str, lines: list[Line]) -> list[Line]:
    """Return the lines without labels that equal the row's label, and without the label of a single publication."""
    if key == "publication" and len(lines) == 1:
        return [{**lines[0], "label": ""}]
    return [{**line, "label": ""} if line["label"].casefold() == name.casefold() else line for line in lines]


def _lines(key: str, values: Any, display: dict[str, Any], words: Wording) -> list[Line]:
    items = values if isinstance(values, list) else [values]
    lines = [_line(key, value, display, words) for value in items]
    return [line for line in lines if line["text"] and (line["href"] or not line["outside"])]


def _line(key: str, value: Any, display: dict[str, Any], words: Wording) -> Line:
    facts = value if isinstance(value, dict) else {"text": value}
    text = str(next((facts[name] for name in ("text", "name", "title", "label", "url") if facts.get(name)), ""))
    label = facts.get("label")
    if key == "links" and text == facts.get("url"):
        text = words.say("record.online_at", host=_host(text))
    return {
        "text": words.code(CODED[key], text) if key in CODED else text.translate(_CONTROLS),
        "href": _link(key, text, facts, display),
        "lang": str(facts.get("lang") or ""),
        "rtl": bool(facts.get("rtl", is_right_to_left(text))),
        "label": _local_text(label, words)
        if isinstance(label, dict)
        else _part(facts, words)
        if key == "parallel"
        else "",
        "outside": key == "links",
    }


def _host(url: str) -> str:
    """Return the host of a URL without `www.`, at most LONGEST_HOST characters."""
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2].removeprefix("www.") or url
    return host if len(host) <= LONGEST_HOST else f"…{host[-LONGEST_HOST + 1 :]}"


def _link(key: str, text: str, facts: dict[str, Any], display: dict[str, Any]) -> str:
    """Return the URL of a line's link; "" without a link."""
    if key == "links":
        url = str(facts.get("url") or "")
        return url if url.lower().startswith(SAFE_SCHEMES) else ""
    if key in ("authors", "contributors"):
        return f"/search?{urlencode({'author': facts.get('name') or text})}"
    if key == "subjects":
        return f"/search?{urlencode({'subject': text})}"
    if key in ("series", "in_series"):
        return f"/search?{urlencode({'series': facts.get('title') or text})}"
    if key == "ddc":
        return f"/golongan/{display['class']}" if str(display.get("class") or "").isalnum() else ""
    if key == "relations":
        if facts.get("id"):
            return f"/records/{facts['id']}"
        return f"/search?{urlencode({'q': facts['query']})}" if facts.get("query") else ""
    return ""


def _part(facts: dict[str, Any], words: Wording) -> str:
    """Return the label of the field whose text is repeated in another script."""
    return words.code("parallel", str(facts["field"])) if facts.get("field") else ""


def _local_text(label: dict[str, Any], words: Wording) -> str:
    return str(label.get(words.language) or label.get("id") or label.get("en") or "")


def _published(display: dict[str, Any]) -> str:
    return ", ".join(str(value) for name in ("place", "publisher", "year") if (value := display.get(name)))


def is_right_to_left(text: str) -> bool:
    """Return True when the first strong character of a text belongs to a right-to-left script."""
    for character in text:
        direction = unicodedata.bidirectional(character)
        if direction in ("L", "R", "AL"):
            return direction != "L"
    return False
