"""The full display of a record as rows of a page: what each key is called, how it is written, where it leads."""

from __future__ import annotations

import unicodedata
from typing import Any
from urllib.parse import urlencode

from gateway.negotiation import LANGUAGES
from gateway.web.texts import Wording, wording

# A link's scheme, lower case; anything else stays in the MARC view.
SAFE_SCHEMES = ("https://", "http://", "ftp://")
# Display keys that are rows, in this order; where there is a fuller key that says the same, that one alone.
ROWS = (
    "contributors", "authors", "parallel", "uniform_title", "titles_other", "edition", "publication", "published",
    "extent", "in_series", "series", "language", "translated_from", "material", "audience", "ddc", "subjects",
    "relations", "more", "identifiers", "contents", "notes",
)  # fmt: skip
FULLER = {"authors": "contributors", "published": "publication", "series": "in_series"}
# Keys whose values are codes, and whose codes they are.
CODED = {"language": "language", "translated_from": "language", "material": "material", "audience": "audience"}

LONGEST_ADDRESS = 64
# MARC's marks around an article that does not sort, and others that nobody sees.
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)))

Line = dict[str, Any]


def rows(display: dict[str, Any], words: Wording) -> list[tuple[str, list[Line]]]:
    """(what it is called, its lines) for each key that says something.

    A line is {"text", "href", "lang", "rtl", "label", "outside"}; `label`, in the reader's language, is said before it.
    """
    made = {**display, "published": _published(display), "notes": _notes(display)}
    # The title in other scripts stands under the title.
    made["parallel"] = [each for each in display.get("parallel") or () if each.get("field") != "title"]
    found: list[tuple[str, list[Line]]] = []
    for key in ROWS:
        values = made.get(key)
        if not values or made.get(FULLER.get(key, "")):
            continue
        if key == "identifiers":
            found += [
                (words.code("identifier", kind), _lines(kind, each, made, words)) for kind, each in values.items()
            ]
        elif key == "more":
            found += [(_said(value["label"], words), _lines(key, value["values"], made, words)) for value in values]
        else:
            name = words.say(f"record.{FULLER.get(key, key)}")
            found.append((name, _unlabelled(key, name, _lines(key, values, made, words))))
    return [(name, lines) for name, lines in found if lines]


def online(display: dict[str, Any], words: Wording) -> list[Line]:
    """Links that lead out: the title itself where it is read online, or what there is about it."""
    return _lines("links", display.get("links") or [], display, words)


def titles_beside(display: dict[str, Any], words: Wording) -> list[Line]:
    """The title in other scripts, as lines."""
    titles = [each for each in display.get("parallel", ()) if each.get("field") == "title"]
    return _lines("parallel", titles, display, words)


def _notes(display: dict[str, Any]) -> list[Any]:
    """Notes, but for one that only says again for whom the title is."""
    audience = display.get("audience") or ""
    # The note is in the record's language, whatever the reader's.
    names = {wording(each).code("audience", audience).casefold() for each in LANGUAGES} if audience else set()
    texts = ((each, str(each.get("text") if isinstance(each, dict) else each)) for each in display.get("notes") or ())
    return [each for each, text in texts if text.strip(" .").casefold() not in names]


def _unlabelled(key: str, name: str, lines: list[Line]) -> list[Line]:
    """Lines without the labels that say nothing: what the row is called already, or how one publisher published."""
    if key == "publication" and len(lines) == 1:
        return [{**lines[0], "label": ""}]
    return [{**line, "label": ""} if line["label"].casefold() == name.casefold() else line for line in lines]


def _lines(key: str, values: Any, display: dict[str, Any], words: Wording) -> list[Line]:
    many = values if isinstance(values, list) else [values]
    lines = [_line(key, each, display, words) for each in many]
    return [line for line in lines if line["text"] and (line["href"] or not line["outside"])]


def _line(key: str, value: Any, display: dict[str, Any], words: Wording) -> Line:
    given = value if isinstance(value, dict) else {"text": value}
    text = str(next((given[name] for name in ("text", "name", "title", "label", "url") if given.get(name)), ""))
    label = given.get("label")
    if key == "links" and text == given.get("url"):
        text = _shortened(text)
    return {
        "text": words.code(CODED[key], text) if key in CODED else text.translate(_CONTROLS),
        "href": _leads(key, text, given, display),
        "lang": str(given.get("lang") or ""),
        "rtl": bool(given.get("rtl", runs_left(text))),
        "label": _said(label, words) if isinstance(label, dict) else _part(given, words) if key == "parallel" else "",
        "outside": key == "links",
    }


def _shortened(url: str) -> str:
    """An address as people read it: without its scheme, a long one without its middle."""
    bare = url.partition("://")[2].removesuffix("/") or url
    return bare if len(bare) <= LONGEST_ADDRESS else f"{bare[: LONGEST_ADDRESS - 16]}…{bare[-15:]}"


def _leads(key: str, text: str, given: dict[str, Any], display: dict[str, Any]) -> str:
    """Where a line leads; empty when nowhere."""
    if key == "links":
        url = str(given.get("url") or "")
        return url if url.lower().startswith(SAFE_SCHEMES) else ""
    if key in ("authors", "contributors"):
        return f"/search?{urlencode({'author': given.get('name') or text})}"
    if key == "subjects":
        return f"/search?{urlencode({'subject': text})}"
    if key in ("series", "in_series"):
        return f"/browse/series?{urlencode({'term': given.get('title') or text})}"
    if key == "ddc":
        return f"/golongan/{display['class']}" if str(display.get("class") or "").isalnum() else ""
    if key == "relations":
        if given.get("id"):
            return f"/records/{given['id']}"
        return f"/search?{urlencode({'q': given['query']})}" if given.get("query") else ""
    return ""


def _part(given: dict[str, Any], words: Wording) -> str:
    """Which part of the record a text in another script is."""
    return words.code("parallel", str(given["field"])) if given.get("field") else ""


def _said(label: dict[str, Any], words: Wording) -> str:
    return str(label.get(words.language) or label.get("id") or label.get("en") or "")


def _published(display: dict[str, Any]) -> str:
    return ", ".join(str(each) for name in ("place", "publisher", "year") if (each := display.get(name)))


def runs_left(text: str) -> bool:
    """Whether a text's first strong letter belongs to a script that runs from right to left."""
    for each in text:
        kind = unicodedata.bidirectional(each)
        if kind in ("L", "R", "AL"):
            return kind != "L"
    return False
