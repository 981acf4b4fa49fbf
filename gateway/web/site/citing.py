"""Citations of a record as plain text: APA 7, MLA 9 and Chicago 17 (bibliography). Pure."""

from __future__ import annotations

from typing import Any

from gateway.web.covers.images import names

# "and", "and others" and "no date" by language.
_WORDS = {"id": ("dan", "dkk.", "t.t."), "en": ("and", "et al.", "n.d.")}
MOST_NAMES = {"apa": 20, "mla": 2, "chicago": 10}


def citations(display: dict[str, Any], lang: str) -> list[tuple[str, str]]:
    """Return (style, citation) for each style. Missing data is omitted."""
    undated = _WORDS[lang][2]
    people = [name for name in names(display) if name]
    title = _title(display)
    year, publisher = str(display.get("year") or ""), display.get("publisher") or ""
    place, edition = display.get("place") or "", display.get("edition") or ""
    apa = [_apa_names(people), f"({year or undated})", title + (f" ({edition})" if edition else ""), publisher]
    mla = [_many_names(people, MOST_NAMES["mla"], lang), title, ", ".join(filter(None, (edition, publisher, year)))]
    printed = f"{place}: {publisher}" if place and publisher else place or publisher
    chicago = [
        _many_names(people, MOST_NAMES["chicago"], lang), title, edition, ", ".join(filter(None, (printed, year)))
    ]  # fmt: skip
    return [("apa", _sentences(apa)), ("mla", _sentences(mla)), ("chicago", _sentences(chicago))]


def _title(display: dict[str, Any]) -> str:
    title, rest = display["title"].rstrip(" /:"), display.get("subtitle")
    return f"{title}: {rest}" if rest else str(title)


def _apa_names(people: list[str]) -> str:
    short_names = [_initials(name) for name in people[: MOST_NAMES["apa"]]]
    return f"{', '.join(short_names[:-1])}, & {short_names[-1]}" if len(short_names) > 1 else "".join(short_names)


def _initials(name: str) -> str:
    """Return “Rusli, M.” for “Rusli, Marah”. A name without a comma does not change."""
    family, comma, forenames = name.partition(",")
    if not comma:
        return name
    letters = [piece[0].upper() + "." for piece in forenames.replace(".", " ").split() if piece[:1].isalpha()]
    return f"{family.strip()}, {' '.join(letters)}" if letters else family.strip()


def _many_names(people: list[str], most: int, lang: str) -> str:
    """Join names: the first one inverted, the others direct. More than `most` names become the first and “et al.”."""
    conjunction, others, _ = _WORDS[lang]
    if not people:
        return ""
    if len(people) > most:
        return f"{people[0]}, {others}"
    rest = [_direct_name(name) for name in people[1:]]
    return people[0] if not rest else ", ".join([people[0], *rest[:-1], f"{conjunction} {rest[-1]}"])


def _direct_name(name: str) -> str:
    family, comma, forenames = name.partition(",")
    return f"{forenames.strip()} {family.strip()}" if comma and forenames.strip() else family.strip()


def _sentences(parts: list[str]) -> str:
    return " ".join(
        part if part.endswith((".", "?", "!", "…")) else f"{part}." for part in map(str.strip, parts) if part
    )
